"""Transfer tries several ways, keeps the best by validation, and says what it tried."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from whiteline.errors import InputError, ParameterError
from whiteline.models.architectures import Architecture, ResidualMLP, XASBlock
from whiteline.models.card import Card
from whiteline.models.model import SpectrumModel
from whiteline.models.samples import Samples
from whiteline.models.training import Hardware, TrainingParameters, fit
from whiteline.models.transfer import blend, candidates_of, delta_of, finetune, transfer

pytestmark = pytest.mark.usefixtures("one_thread")

MakeSamples = Callable[..., Samples]
CPU = Hardware(accelerator="cpu")
RESIDUAL = ResidualMLP(width=16, n_block=2)
SHORT = TrainingParameters(n_epochs=6, batch_size=16, learning_rate=1e-2)


@cache
def universal(make: MakeSamples, architecture: Architecture = RESIDUAL) -> SpectrumModel:
    parts = [Samples.join([make(200, seed=i), make(200, seed=i, absorber="Ti", height=2.0)]) for i in (0, 1)]
    return fit(parts[0], parts[1], architecture=architecture, parameters=SHORT, hardware=CPU)


def error_of(model: SpectrumModel, samples: Samples) -> float:
    errors = np.mean((model.predict_samples(samples).mean - samples.spectra) ** 2, axis=1)
    return float(np.exp(np.mean(np.log(errors))))


@pytest.mark.parametrize("architecture", [RESIDUAL, XASBlock(widths=(16, 16))], ids=lambda a: a.NAME)
def test_fine_tuning_is_never_worse_on_validation_than_from_scratch(
    make_samples: MakeSamples, architecture: Architecture
) -> None:
    train, validation = make_samples(25, seed=5), make_samples(40, seed=6)
    tried: dict[str, float] = {}
    model = finetune(
        universal(make_samples, architecture),
        train,
        validation,
        parameters=SHORT,
        seeds=(0, 1),
        hardware=CPU,
        on_candidate=tried.__setitem__,
    )
    rows = model.card.candidates
    assert [row["name"] for row in rows] == list(tried)
    assert next(iter(tried)) == "scratch"
    assert error_of(model, validation) == pytest.approx(min(tried.values()), rel=1e-6)
    assert [row["name"] for row in rows if row["is_chosen"]] == [min(tried, key=lambda name: tried[name])]
    assert model.n_member == 2


def test_what_was_learned_of_many_helps_with_few(make_samples: MakeSamples) -> None:
    validation = make_samples(60, seed=6)
    tried: dict[str, float] = {}
    finetune(
        universal(make_samples),
        make_samples(15, seed=5),
        validation,
        parameters=SHORT,
        hardware=CPU,
        on_candidate=tried.__setitem__,
    )
    # The universal model has seen 200 spectra of this very absorber, scratch 15.
    assert min(tried.values()) < 0.5 * tried["scratch"]


def test_another_fidelity_is_learned_from_few_spectra_as_a_difference(make_samples: MakeSamples) -> None:
    tried: dict[str, float] = {}
    train, validation = (make_samples(n, seed=s, fidelity="vasp", height=2.0) for n, s in ((15, 5), (60, 6)))
    model = transfer(
        universal(make_samples),
        train,
        validation,
        fidelity="feff",
        parameters=SHORT,
        hardware=CPU,
        on_candidate=tried.__setitem__,
    )
    assert "delta" in tried
    # vasp is twice feff here, so a scaled source is nearly the answer.
    assert tried["delta"] < 0.5 * tried["scratch"]
    assert error_of(model, validation) == pytest.approx(min(tried.values()), rel=1e-6)
    assert [str(channel) for channel in model.channels] == ["Cu K vasp"]


def test_the_slope_of_a_difference_is_that_of_the_fidelities(make_samples: MakeSamples) -> None:
    source = universal(make_samples)
    train = make_samples(100, seed=5, fidelity="vasp", height=2.0)
    ours = source.predict(train.features, train.absorbers).mean
    twice = Samples(**{**vars(train), "spectra": 3.0 * ours + 1.0})
    (slope,) = delta_of(source, twice, fidelity="feff").slopes.values()
    assert slope == pytest.approx(3.0, rel=1e-6)


def test_a_positive_network_tries_no_difference(make_samples: MakeSamples) -> None:
    tried: dict[str, float] = {}
    vasp = [make_samples(20, seed=seed, fidelity="vasp") for seed in (5, 6)]
    transfer(
        universal(make_samples, XASBlock(widths=(8,))),
        vasp[0],
        vasp[1],
        fidelity="feff",
        parameters=TrainingParameters(n_epochs=1),
        hardware=CPU,
        on_candidate=tried.__setitem__,
    )
    assert "delta" not in tried
    with pytest.raises(ParameterError, match="positive output and cannot learn a difference"):
        fit(
            vasp[0],
            vasp[1],
            architecture=XASBlock(widths=(8,)),
            hardware=CPU,
            delta=delta_of(universal(make_samples), vasp[0], fidelity="feff"),
        )


def test_candidates_that_are_done_are_not_trained_again(make_samples: MakeSamples, tmp_path: Path) -> None:
    source, parts = universal(make_samples), (make_samples(20, seed=5), make_samples(20, seed=6))
    models = [
        finetune(source, *parts, parameters=SHORT, hardware=CPU, work=tmp_path, learning_rates=(1.0,)) for _ in range(2)
    ]
    assert models[0].sha256 == models[1].sha256
    assert models[1].card.training["seconds"] == models[0].card.training["seconds"]
    assert len(list(tmp_path.iterdir())) == 4


def test_the_ways_are_scratch_all_last_and_output() -> None:
    ways = candidates_of(SHORT, n_stage=4, learning_rates=(1.0, 0.1), has_delta=True)
    assert [(way.name, way.parameters.n_frozen) for way in ways] == [
        ("scratch", 0),
        ("all stages, rate × 1", 0),
        ("all stages, rate × 0.1", 0),
        ("last two stages", 2),
        ("frozen body", 3),
        ("delta", 0),
    ]
    with pytest.raises(ParameterError, match="one learning rate or more"):
        candidates_of(SHORT, n_stage=4, learning_rates=())


def test_a_source_without_the_fidelity_is_refused(make_samples: MakeSamples) -> None:
    vasp = [make_samples(20, seed=seed, fidelity="vasp") for seed in (5, 6)]
    with pytest.raises(InputError, match="not on Cu K ocean"):
        transfer(universal(make_samples), vasp[0], vasp[1], fidelity="ocean", parameters=SHORT, hardware=CPU)
    positive = universal(make_samples, XASBlock(widths=(8,)))
    with pytest.raises(InputError, match="not on Cu K ocean"):
        transfer(positive, vasp[0], vasp[1], fidelity="ocean", parameters=SHORT, hardware=CPU)


def test_a_difference_is_of_one_grid_and_of_the_channels_it_was_made_from(make_samples: MakeSamples) -> None:
    vasp, other = (make_samples(20, seed=seed, fidelity="vasp") for seed in (5, 6))
    with pytest.raises(InputError, match="onto the grid of the model"):
        delta_of(universal(make_samples), replace(vasp, points=2 * vasp.points), fidelity="feff")
    delta = delta_of(universal(make_samples), vasp, fidelity="feff")
    titanium = [replace(part, absorbers=("Ti",) * 20) for part in (vasp, other)]
    with pytest.raises(InputError, match="correction is of Cu K vasp, not of Ti K vasp"):
        fit(titanium[0], titanium[1], architecture=RESIDUAL, hardware=CPU, delta=delta)


def test_a_blend_is_the_weighted_mean_and_keeps_it_in_its_folder(make_samples: MakeSamples, tmp_path: Path) -> None:
    parts = make_samples(40, seed=5), make_samples(40, seed=6)
    first, second = (
        fit(*parts, architecture=RESIDUAL, parameters=SHORT, seeds=seeds, hardware=CPU) for seeds in ((0, 1), (2, 3, 4))
    )
    mixed = blend(first, second, 0.25)
    means = [model.predict_samples(parts[1]).mean for model in (first, second, mixed)]
    np.testing.assert_allclose(means[2], 0.75 * means[0] + 0.25 * means[1], rtol=1e-6)
    assert mixed.sha256 not in (first.sha256, second.sha256)
    mixed.save(tmp_path / "mixed")
    loaded = SpectrumModel.load(tmp_path / "mixed")
    np.testing.assert_allclose(loaded.predict_samples(parts[1]).mean, means[2], rtol=1e-9)
    with pytest.raises(ParameterError, match="from 0 to 1"):
        blend(first, second, 1.5)
    with pytest.raises(ParameterError, match="corrects no other"):
        blend(mixed, second, 0.5)


def test_a_mean_with_scratch_is_tried_with_the_best_of_the_others(make_samples: MakeSamples) -> None:
    tried: dict[str, float] = {}
    finetune(
        universal(make_samples),
        make_samples(25, seed=5),
        make_samples(40, seed=6),
        parameters=SHORT,
        hardware=CPU,
        on_candidate=tried.__setitem__,
    )
    plain = {name: error for name, error in tried.items() if "%" not in name and name != "scratch"}
    best = min(plain, key=lambda name: plain[name])
    assert [name for name in tried if "%" in name] == [
        f"{share} of {best}, {rest} scratch" for share, rest in (("25%", "75%"), ("50%", "50%"), ("75%", "25%"))
    ]


def test_cards_of_before_say_the_median() -> None:
    rows = ({"name": "scratch", "validation_median_mse": 2.0}, {"name": "delta", "validation_geometric_mse": 1.0})
    assert Card(candidates=rows).candidate_errors == {"scratch": 2.0, "delta": 1.0}
