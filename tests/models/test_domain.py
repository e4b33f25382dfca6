"""The domain check tells what is far from the training part, and names what is nearest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from whiteline.errors import InputError
from whiteline.models.domain import Domain
from whiteline.models.samples import Samples

MakeSamples = Callable[..., Samples]


@pytest.fixture
def domain(make_samples: MakeSamples) -> Domain:
    return Domain.of(make_samples(200), make_samples(200, seed=1))


def test_one_in_twenty_of_the_same_kind_is_outside(make_samples: MakeSamples, domain: Domain) -> None:
    samples = make_samples(1000, seed=2)
    share = domain.check(samples.features, samples.absorbers).is_outside.mean()
    # A 5 % share from 200 validation sites: standard deviation 0.015.
    assert share == pytest.approx(0.05, abs=0.045)


def test_what_lies_off_is_outside(make_samples: MakeSamples, domain: Domain) -> None:
    samples = make_samples(50, seed=2)
    assert domain.check(samples.features + np.float32(4.0), samples.absorbers).is_outside.all()


def test_whitening_makes_units_and_mixtures_of_features_indifferent(make_samples: MakeSamples, domain: Domain) -> None:
    # A turn, so that no component falls below the 1 % of the variance that is left out, and then units.
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(6, 6))).Q
    mix = (turn * np.array([1, 10, 0.1, 1, 5, 2])).astype(np.float32)
    parts = [make_samples(n, seed=seed) for n, seed in ((200, 0), (200, 1), (30, 2))]
    train, validation, new = (part.with_features(part.features @ mix, encoder="mixed") for part in parts)
    kept = Domain.of(train, validation)
    assert kept.projection.shape == domain.projection.shape == (6, 6)
    mixed = kept.check(new.features, new.absorbers).distances
    plain = domain.check(parts[2].features, parts[2].absorbers).distances
    # Whitened distances are those of Mahalanobis, which no linear map changes; features are in single precision.
    np.testing.assert_allclose(mixed, plain, rtol=1e-4)
    assert kept.threshold == pytest.approx(domain.threshold, rel=1e-4)


def test_the_nearest_materials_are_named_nearest_first(make_samples: MakeSamples) -> None:
    train = replace(make_samples(200), materials=tuple(f"mp-{i}" for i in range(200)))
    report = Domain.of(train, make_samples(20, seed=1)).check(train.features[:3], ["Cu"] * 3)
    assert [nearest[0] for nearest in report.nearest] == ["mp-0", "mp-1", "mp-2"]
    assert all(len(nearest) == 5 for nearest in report.nearest)


def test_sites_are_compared_with_those_of_their_absorber(make_samples: MakeSamples) -> None:
    train = Samples.join([make_samples(50), make_samples(50, absorber="Ti")])
    domain = Domain.of(train, make_samples(30, seed=1))
    report = domain.check(train.features[:2], ["Ti", "Mn"])
    assert all("Ti" in material for material in report.nearest[0])
    assert report.distances[1] == np.inf
    assert report.is_outside[1]


def test_a_constant_feature_says_nothing(make_samples: MakeSamples) -> None:
    train, validation = (
        replace(part, features=np.hstack([part.features, np.ones((len(part), 1))]))
        for part in (make_samples(100), make_samples(50, seed=1))
    )
    domain = Domain.of(train, validation)
    changed = train.features.copy()
    changed[:, 6] = 100.0
    one, other = (domain.check(features, train.absorbers).distances for features in (train.features, changed))
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_fewer_sites_than_neighbours_are_enough(make_samples: MakeSamples) -> None:
    domain = Domain.of(make_samples(3), make_samples(20, seed=1))
    assert np.isfinite(domain.check(make_samples(4, seed=2).features, ["Cu"] * 4).distances).all()


def test_features_of_another_size_or_without_a_number_are_refused(make_samples: MakeSamples, domain: Domain) -> None:
    with pytest.raises(InputError, match=r"shape \(n, 6\), got \(4, 3\)"):
        domain.check(make_samples(4).features[:, :3], ["Cu"] * 4)
    with pytest.raises(InputError, match="got 1 for 4"):
        domain.check(make_samples(4).features, ["Cu"])
    features = make_samples(4).features.copy()
    features[2, 1] = np.nan
    with pytest.raises(InputError, match="features of row 2 are not all finite"):
        domain.check(features, ["Cu"] * 4)
