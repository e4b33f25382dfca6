"""Features of samples: those of their table, or made by the encoder of a plan or of a parent model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from whiteline.errors import InputError
from whiteline.structures import NamedStructure, element_symbol
from whiteline.workflows.learning.encoding import EncoderChoice, encoder_of_model
from whiteline.workflows.learning.plan import TrainingPlan
from whiteline.workflows.learning.samples import LearningData

if TYPE_CHECKING:
    from whiteline.models.features import Encoder, FeatureCache
    from whiteline.models.model import SpectrumModel

__all__ = ["add_features", "encode_samples"]

# Structures without features that an error names.
_N_NAMED: Final = 5


def add_features(
    data: LearningData,
    plan: TrainingPlan,
    *,
    parent: SpectrumModel | None,
    cache: FeatureCache | None,
    on_done: Callable[[int, int], None] = lambda *_: None,
) -> tuple[LearningData, EncoderChoice | None]:
    """Return the data with features, and the choice that makes the same ones of new structures, if it is known.

    Args:
        data: Samples, with or without features of a table.
        plan: What is trained.
        parent: The model that the training begins with.
        cache: Where features are kept.
        on_done: Called with the number of structures encoded, and of all.

    Raises:
        InputError: A structure cannot be encoded, or the table's features are those of another encoder.
    """
    kept = EncoderChoice.of_lineage(parent.card.lineage) if parent is not None else None
    device = "cuda" if plan.device == "cuda" else None
    if data.samples.n_features and not any(data.structures):
        is_parents = plan.encoder is None and parent is not None and parent.encoder == data.samples.encoder
        return data, kept if is_parents else _choice_of_table(data, plan.encoder)
    if plan.encoder is None and parent is not None:
        encoder = encoder_of_model(parent, device=device)
        choice = kept
    else:
        elements = {element_symbol(s.specie) for named in data.structures if named for s in named.structure}
        choice = (plan.encoder or EncoderChoice()).with_elements(elements)
        encoder = choice.make(device=device)
    encoded = encode_samples(
        data, encoder, cache=cache, n_processes=plan.n_processes, skips_bad=plan.skips_bad, on_done=on_done
    )
    return encoded, None if choice is None else replace(choice, weights="")


def encode_samples(
    data: LearningData,
    encoder: Encoder,
    *,
    cache: FeatureCache | None = None,
    n_processes: int = 1,
    skips_bad: bool = False,
    on_done: Callable[[int, int], None] = lambda *_: None,
) -> LearningData:
    """Return the data with the features of their sites.

    Args:
        data: Samples and their structures.
        encoder: What turns sites into numbers.
        cache: Where features are kept; None computes all.
        n_processes: Processes that encode.
        skips_bad: Leave out structures that the encoder cannot take, and name them in `left_out`.
        on_done: Called with the number of structures done, and of all.

    Raises:
        InputError: The structures are not known, or one cannot be encoded and `skips_bad` is false.
    """
    if not data.structures or any(named is None for named in data.structures):
        raise InputError(
            f"{data.name} says nothing of the structures, and features are made from them: give the table that has "
            "features, or the structures with --structures"
        )
    crystals: dict[int, tuple[NamedStructure, list[int]]] = {}
    rows: list[tuple[int, int]] = []
    for named, site in zip(data.structures, data.samples.sites, strict=True):
        if named is None:  # excluded above
            continue
        sites = crystals.setdefault(id(named), (named, []))[1]
        if site not in sites:
            sites.append(site)
        rows.append((id(named), sites.index(site)))
    places = {key: i for i, key in enumerate(crystals)}
    from whiteline.models.features import featurise

    made = featurise(
        [named for named, _ in crystals.values()],
        [sites for _, sites in crystals.values()],
        encoder=encoder,
        cache=cache,
        workers=n_processes,
        on_done=lambda n_done: on_done(n_done, len(crystals)),
    )
    failures = {key: made.failures[i] for key, i in places.items() if i in made.failures}
    if failures and not skips_bad:
        raise _unencoded([(crystals[key][0].source or crystals[key][0].name, why) for key, why in failures.items()])
    keep, features = [], []
    left_out = {reason: list(ids) for reason, ids in data.left_out.items()}
    for i, (key, row) in enumerate(rows):
        own = made.features[places[key]]
        if own is None:
            left_out.setdefault(f"not encoded: {failures[key]}", []).append(data.samples.ids[i])
            continue
        keep.append(i)
        features.append(own[row])
    if not keep:
        raise _unencoded([(crystals[key][0].source, why) for key, why in failures.items()])
    kept = data.select(keep)
    return replace(
        kept,
        samples=kept.samples.with_features(np.array(features, dtype=np.float32), encoder=encoder.id),
        left_out={reason: tuple(ids) for reason, ids in left_out.items()},
    )


def _choice_of_table(data: LearningData, wanted: EncoderChoice | None) -> EncoderChoice | None:
    """Return the choice that made the features of a table, after looking whether it did."""
    if wanted is None:
        return None
    made = wanted.make().id
    if made != data.samples.encoder:
        raise InputError(
            f"the features of {data.name} are those of {data.samples.encoder or 'an unknown encoder'}, and "
            f"{wanted.name} is {made}: leave --encoder out, or give --structures to encode anew"
        )
    return replace(wanted, weights="")


def _unencoded(failures: Sequence[tuple[str, str]]) -> InputError:
    shown = "; ".join(f"{source}: {why}" for source, why in failures[:_N_NAMED])
    more = f"; and {len(failures) - _N_NAMED} more" if len(failures) > _N_NAMED else ""
    return InputError(f"{len(failures)} structure(s) cannot be encoded: {shown}{more}. --skip-bad leaves them out")
