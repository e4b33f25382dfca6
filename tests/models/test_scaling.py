"""Features and spectra get a size that a network can learn from, whatever a new site brings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from whiteline.models.samples import Samples
from whiteline.models.scaling import Scaling


def test_a_feature_that_is_next_to_nothing_in_training_blows_nothing_up(make_samples: Callable[..., Samples]) -> None:
    """SOAP of an element that no training site has nearby is rounding noise there, and of order one where it has."""
    train = make_samples(40)
    noise = 1e-36 * np.random.default_rng(0).normal(size=(40, 1))
    train = replace(train, features=np.hstack([train.features, noise]))
    scaling = Scaling.of(train, train.spectra, is_positive=False)
    unlike = train.features[:3].copy()
    unlike[:, 6] = 0.7
    scaled = scaling.scale_features(unlike)
    np.testing.assert_array_equal(scaled[:, 6], np.float32(0.7))
    # The others are standardised as ever.
    np.testing.assert_allclose(scaling.scale_features(train.features)[:, :6].std(axis=0), 1.0, rtol=1e-5)
