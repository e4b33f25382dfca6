"""Transfer: several ways from a trained model to another absorber or fidelity, and the best of them by validation.

A model of many absorbers knows more than one absorber's data can teach, and spectra of a cheap code say much about
those of a dear one (arXiv:2409.19552). How much of the model should change is not known beforehand, and sometimes
starting from nothing is best; so all ways are tried, from scratch among them, and the validation part decides.
The result is never worse there than training from scratch.

What was learned from scratch and what came over err differently. Their weighted mean is therefore tried as well, and
is better than both more often than not (benchmarks/omnixas_models.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from jaxtyping import Float

from whiteline.errors import ParameterError
from whiteline.models.architectures import Architecture
from whiteline.models.card import Card
from whiteline.models.metrics import mse
from whiteline.models.model import Delta, SpectrumModel
from whiteline.models.samples import Samples
from whiteline.models.scaling import Channel, channels_of
from whiteline.models.training import Hardware, TrainingParameters, fit

__all__ = ["LEARNING_RATES", "Candidate", "blend", "candidates_of", "delta_of", "finetune", "transfer"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

# Of fine-tuning, as parts of the rate from scratch: from nearly a new beginning to small corrections.
LEARNING_RATES: Final = (1.0, 0.3, 0.1)
# Shares of what came over in a mean with what was learned from scratch.
_SHARES: Final = (0.25, 0.5, 0.75)


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One way to a model of the target.

    Attributes:
        name: For the card.
        parameters: Of its training.
        is_scratch: Begin with random weights.
        is_delta: Learn the difference from the source's predictions, with random weights.
    """

    name: str
    parameters: TrainingParameters
    is_scratch: bool = False
    is_delta: bool = False


def candidates_of(
    parameters: TrainingParameters,
    *,
    n_stage: int,
    learning_rates: Sequence[float] = LEARNING_RATES,
    has_delta: bool = False,
) -> tuple[Candidate, ...]:
    """Return the ways that are tried.

    Args:
        parameters: From scratch; the others change learning rate and frozen stages.
        n_stage: Stages of the network.
        learning_rates: Of fine-tuning all stages, as parts of that from scratch; those of fewer stages use the middle.
        has_delta: Try the difference from the source's predictions as well.
    """
    if not learning_rates:
        raise ParameterError("fine-tuning tries one learning rate or more, got none")
    middle = sorted(learning_rates)[len(learning_rates) // 2]

    def tuned(name: str, rate: float, n_frozen: int) -> Candidate:
        changed = {"learning_rate": parameters.learning_rate * rate, "n_frozen": n_frozen}
        return Candidate(name=name, parameters=parameters.model_copy(update=changed))

    found = [Candidate(name="scratch", parameters=parameters, is_scratch=True)]
    found += [tuned(f"all stages, rate × {rate:g}", rate, 0) for rate in learning_rates]
    if n_stage > 2:
        found.append(tuned("last two stages", middle, n_stage - 2))
    found.append(tuned("frozen body", middle, n_stage - 1))
    if has_delta:
        found.append(Candidate(name="delta", parameters=parameters, is_delta=True))
    return tuple(found)


def finetune(
    source: SpectrumModel,
    train: Samples,
    validation: Samples,
    *,
    parameters: TrainingParameters | None = None,
    scratch: Architecture | None = None,
    seeds: Sequence[int] = (0,),
    learning_rates: Sequence[float] = LEARNING_RATES,
    card: Card | None = None,
    hardware: Hardware | None = None,
    work: Path | None = None,
    on_candidate: Callable[[str, float], None] | None = None,
) -> SpectrumModel:
    """Return the best model of the target among fine-tuned ones and those from scratch (hierarchical transfer).

    Args:
        source: A model of several absorbers, the target's among them or not.
        train: Of the target.
        validation: Of the target; it chooses, so the error on it flatters the result a little.
        parameters: From scratch; the others change learning rate and frozen stages.
        scratch: Network from scratch, that of the source if none is given.
        seeds: Members, as for `fit`.
        learning_rates: Of fine-tuning all stages, as parts of that from scratch.
        card: As for `fit`.
        hardware: As for `fit`.
        work: Folder for checkpoints, one a candidate: candidates that are done are not trained again.
        on_candidate: Called with name and validation error (geometric mean over spectra of the mean square error).

    Raises:
        InputError: The samples do not fit the source.
        ParameterError: No learning rate was given.
    """
    return _best(
        source, None, train, validation, parameters, scratch, seeds, learning_rates, card, hardware, work, on_candidate
    )


def transfer(
    source: SpectrumModel,
    train: Samples,
    validation: Samples,
    *,
    fidelity: str,
    parameters: TrainingParameters | None = None,
    scratch: Architecture | None = None,
    seeds: Sequence[int] = (0,),
    learning_rates: Sequence[float] = LEARNING_RATES,
    card: Card | None = None,
    hardware: Hardware | None = None,
    work: Path | None = None,
    on_candidate: Callable[[str, float], None] | None = None,
) -> SpectrumModel:
    """Return the best model of another fidelity (cross-fidelity transfer); see `finetune`.

    Beside the ways of `finetune`, the difference from the source's own predictions is learned, where the network can
    (its output may be negative).

    Args:
        source: A model of `fidelity`.
        train: Of the target fidelity.
        validation: Of the target fidelity.
        fidelity: That of the source to start from, e.g. `feff`.
        parameters: As for `finetune`.
        scratch: As for `finetune`.
        seeds: As for `finetune`.
        learning_rates: As for `finetune`.
        card: As for `finetune`.
        hardware: As for `finetune`.
        work: As for `finetune`.
        on_candidate: As for `finetune`.

    Raises:
        InputError: The source does not predict this fidelity of the target's absorbers, or the samples do not fit it.
    """
    return _best(
        source,
        fidelity,
        train,
        validation,
        parameters,
        scratch,
        seeds,
        learning_rates,
        card,
        hardware,
        work,
        on_candidate,
    )


def delta_of(source: SpectrumModel, train: Samples, *, fidelity: str) -> Delta:
    """Return the source's predictions as something to correct, scaled by least squares to the spectra of each channel.

    Raises:
        InputError: The source does not predict this fidelity of an absorber, or has another grid.
    """
    source.check_grid(train)
    channels = channels_of(train)
    ones = dict.fromkeys(sorted(set(channels)), 1.0)
    predicted = Delta(source=source, fidelity=fidelity, slopes=ones).predict(train.features, channels)
    slopes = {channel: _slope(predicted, train.spectra, channels, channel) for channel in ones}
    return Delta(source=source, fidelity=fidelity, slopes=slopes)


def _slope(
    predicted: Float[Array, "sample energy"],
    spectra: Float[Array, "sample energy"],
    channels: Sequence[Channel],
    channel: Channel,
) -> float:
    """Return a of the least-squares fit y - <y> = a (p - <p>), the means over the spectra of one channel."""
    mask = np.array([each == channel for each in channels])
    x, y = (array[mask] - array[mask].mean(0) for array in (predicted, spectra))
    square = float((x * x).sum())
    return float((x * y).sum()) / square if square > 0 else 1.0


def _best(
    source: SpectrumModel,
    fidelity: str | None,
    train: Samples,
    validation: Samples,
    parameters: TrainingParameters | None,
    scratch: Architecture | None,
    seeds: Sequence[int],
    learning_rates: Sequence[float],
    card: Card | None,
    hardware: Hardware | None,
    work: Path | None,
    on_candidate: Callable[[str, float], None] | None,
) -> SpectrumModel:
    parameters = parameters or TrainingParameters()
    architecture = scratch or source.architecture
    # Made for positive networks too, which cannot learn it: a fidelity that the source lacks is to be refused.
    delta = None if fidelity is None else delta_of(source, train, fidelity=fidelity)
    candidates = candidates_of(
        parameters,
        n_stage=len(source.network.stages),
        learning_rates=learning_rates,
        has_delta=delta is not None and not architecture.IS_POSITIVE,
    )
    tried: dict[str, _Tried] = {}

    def note(name: str, model: SpectrumModel, facts: Mapping[str, Any]) -> None:
        tried[name] = _Tried(model, _error(model, validation), facts)
        if on_candidate is not None:
            on_candidate(name, tried[name].error)

    for candidate in candidates:
        is_new = candidate.is_scratch or candidate.is_delta
        model = fit(
            train,
            validation,
            architecture=architecture if is_new else source.architecture,
            parameters=candidate.parameters,
            seeds=seeds,
            start=None if is_new else source,
            delta=delta if candidate.is_delta else None,
            card=card,
            hardware=hardware,
            checkpoint=None if work is None else work / f"{_file_name(candidate.name)}.safetensors",
        )
        note(candidate.name, model, candidate.parameters.to_dict())
    fresh = tried["scratch"].model
    name = min((name for name in tried if name != "scratch"), key=lambda name: tried[name].error)
    if len({channel.fidelity for channel in fresh.channels}) == 1:
        for share in _SHARES:
            mixed = blend(fresh, tried[name].model, share)
            note(f"{share:.0%} of {name}, {1 - share:.0%} scratch", mixed, {"share": share})
    chosen = min(tried, key=lambda name: tried[name].error)
    rows = [
        {"name": name, "validation_geometric_mse": each.error, "is_chosen": name == chosen, **each.facts}
        for name, each in tried.items()
    ]
    model = tried[chosen].model
    return model.with_card(replace(model.card, candidates=tuple(rows)))


@dataclass(frozen=True, eq=False)
class _Tried:
    """A model, its error on the validation part, and what its row of the card says beside."""

    model: SpectrumModel
    error: float
    facts: Mapping[str, Any]


def blend(model: SpectrumModel, other: SpectrumModel, share: float) -> SpectrumModel:
    """Return s p' + (1 - s) p of the predictions p' of another model and p of a model, as one model.

    Its members are those of `model`, each with the mean of the other's. Domain and channels are those of `model`, the
    card is the other's.

    Args:
        model: Of one fidelity; it corrects no other model.
        other: A model of the same channels.
        share: s, from 0 to 1.

    Raises:
        ParameterError: The share is none, or `model` has several fidelities or corrects another one.
    """
    fidelities = {channel.fidelity for channel in model.channels}
    if not 0 <= share <= 1 or len(fidelities) > 1 or model.delta is not None:
        raise ParameterError(
            f"a blend takes a share from 0 to 1 and a model of one fidelity that corrects no other, got {share} and "
            f"{', '.join(map(str, model.channels))}"
        )
    own = 1 - share
    scaling = replace(model.scaling, offsets=own * model.scaling.offsets, scales=own * model.scaling.scales)
    delta = Delta(source=other, fidelity=fidelities.pop(), slopes=dict.fromkeys(model.channels, share))
    return replace(model, scaling=scaling, delta=delta, card=other.card, bands=None)


def _error(model: SpectrumModel, samples: Samples) -> float:
    """Return the geometric mean of the errors: all spectra count, and those that nobody can tell do not decide."""
    errors = mse(samples.spectra, model.predict_samples(samples).mean)
    return float(np.exp(np.mean(np.log(np.maximum(errors, np.finfo(float).tiny)))))


def _file_name(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name)
