"""Dividing samples into training, validation and test set, so that what is tested is not known from training."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final, TypeAlias

import numpy as np

from whiteline.errors import InputError, ParameterError, did_you_mean
from whiteline.models.duplicates import find_duplicates
from whiteline.models.samples import Samples
from whiteline.splitting import SPLITS, check_fractions, cut_row, order_by_hash

__all__ = ["Division", "SplitKind", "fold_samples", "split_samples", "subset_samples"]

Indices: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]

_ELEMENT: Final = re.compile(r"[A-Z][a-z]?")
_TAKE_ANOTHER: Final = "take other fractions, another seed, a finer kind of split, or more samples"


class SplitKind(StrEnum):
    """What decides where a sample goes.

    `site` divides absorbers at random and leaks: sites of one crystal are in two sets. `size` puts the smallest cells
    into training and the largest into the test set. `greedy` is the published procedure, for comparison alone.
    """

    MATERIAL = "material"
    FORMULA = "formula"
    SYSTEM = "chemical_system"
    SIZE = "size"
    SITE = "site"
    GREEDY = "greedy"


@dataclass(frozen=True, eq=False)
class Division:
    """Where every sample goes.

    Attributes:
        kind: What decided.
        seed: Of the order of groups.
        fractions: Of training, validation and test set, as they were asked for; None where there are folds.
        indices: Samples of `train`, `val` and `test`, each of shape (n_sample_of_the_set,).
        n_groups: Number of groups in each set.
        duplicates: How materials that are one crystal were found: `crystals`, by the content hash of the crystal;
            `equality`, by features and spectra that are the same; `ignored`.
        merged: Materials that share a crystal, each tuple one crystal.
    """

    kind: SplitKind
    seed: int
    fractions: tuple[float, float, float] | None
    indices: Mapping[str, Indices]
    n_groups: Mapping[str, int]
    duplicates: str
    merged: tuple[tuple[str, ...], ...]

    def parts(self, samples: Samples) -> tuple[Samples, Samples, Samples]:
        """Return training, validation and test set.

        Raises:
            InputError: These are not as many samples as were divided.
        """
        n_divided = sum(len(chosen) for chosen in self.indices.values())
        if n_divided != len(samples):
            raise InputError(f"{n_divided} samples were divided, got {len(samples)}: give the same ones")
        train, val, test = (samples.select(self.indices[name]) for name in SPLITS)
        return train, val, test

    def to_dict(self) -> dict[str, Any]:
        """Return what was done, JSON-ready, without the indices."""
        return {
            "kind": self.kind.value,
            "seed": self.seed,
            "fractions": None if self.fractions is None else dict(zip(SPLITS, self.fractions, strict=True)),
            "n_samples": {name: len(self.indices[name]) for name in SPLITS},
            "n_groups": dict(self.n_groups),
            "duplicates": self.duplicates,
            "merged": [list(group) for group in self.merged],
        }


def split_samples(
    samples: Samples,
    *,
    by: SplitKind | str = SplitKind.FORMULA,
    fractions: tuple[float, float, float] = (0.8, 0.1, 0.1),
    seed: int = 0,
) -> Division:
    """Return a division into training, validation and test set.

    But for `site` and `greedy`, samples of one material stay together, and materials that are one crystal count as
    one (`Division.duplicates`). Groups are put in a row by a hash of seed and name, or by size, and the row is cut
    at the fractions, as for frozen datasets (`whiteline.splitting`).

    Args:
        samples: What is divided.
        by: What decides.
        fractions: Of training, validation and test set. A set of fraction 0 is empty.
        seed: Another number is another division; with `size` it orders cells of the same size, with `greedy` it
            shuffles rows within the sets and moves none between them, as in the published code.

    Raises:
        ParameterError: There is no such kind of split, or the fractions are none.
        InputError: A set that is wanted is empty, or the samples lack what the split needs.
    """
    kind = _kind(by)
    check_fractions(fractions)
    if kind is SplitKind.GREEDY:
        return _checked(_split_greedily(samples, fractions, seed))
    groups = _group(samples, kind)
    row = _row(samples, groups, kind, seed)
    sizes = Counter(groups.names)
    places = dict(zip(row, cut_row([sizes[name] for name in row], fractions), strict=True))
    return _checked(_division(groups, places, kind=kind, seed=seed, fractions=fractions))


def fold_samples(
    samples: Samples, n_folds: int, *, by: SplitKind | str = SplitKind.FORMULA, seed: int = 0
) -> tuple[Division, ...]:
    """Return divisions for cross-validation: every sample is in the validation set of exactly one of them.

    The test sets are empty. Groups stay together as in `split_samples`.

    Args:
        samples: What is divided.
        n_folds: Number of divisions, at least 2.
        by: What makes a group; not `size` and not `greedy`, which have only one order.
        seed: Another number is another division.

    Raises:
        ParameterError: There is no such kind of split, or it has no folds.
        InputError: There are fewer groups than folds.
    """
    kind = _kind(by)
    if kind in (SplitKind.SIZE, SplitKind.GREEDY):
        raise ParameterError(f"a split by {kind.value} has no folds: take formula, chemical_system or material")
    groups = _group(samples, kind)
    sizes = Counter(groups.names)
    if not 2 <= n_folds <= len(sizes):
        raise InputError(f"folds are 2 or more and at most the number of groups, {len(sizes)} here, got {n_folds}")
    row = order_by_hash(sizes, seed=seed)
    ends = np.cumsum([sizes[name] for name in row])
    middles = (ends - np.array([sizes[name] for name in row]) / 2) / ends[-1]
    fold = np.minimum((middles * n_folds).astype(int), n_folds - 1)
    # One huge group may leave a fold empty; then groups are dealt out by number instead.
    if len(set(fold.tolist())) < n_folds:
        fold = np.arange(len(row)) * n_folds // len(row)
    divisions = []
    for i in range(n_folds):
        places = {name: SPLITS[1] if fold[j] == i else SPLITS[0] for j, name in enumerate(row)}
        divisions.append(_division(groups, places, kind=kind, seed=seed, fractions=None))
    return tuple(divisions)


def subset_samples(
    samples: Samples, n_samples: int, *, by: SplitKind | str = SplitKind.MATERIAL, seed: int = 0
) -> Indices:
    """Return the first samples of a row of groups, for learning curves: a smaller subset is part of a larger one.

    Args:
        samples: What is chosen from, the training set of a division.
        n_samples: How many; the last group is cut to meet the number.
        by: What makes a group.
        seed: Of the order.

    Returns:
        Indices, sorted, shape (n_samples,).

    Raises:
        InputError: There are fewer samples.
    """
    if not 1 <= n_samples <= len(samples):
        raise InputError(f"a subset has 1 to {len(samples)} samples, got {n_samples}")
    kind = _kind(by)
    if kind is SplitKind.GREEDY:
        raise ParameterError("a subset is taken by groups, and the greedy split has none: take material or formula")
    groups = _group(samples, kind)
    place = {name: i for i, name in enumerate(_row(samples, groups, kind, seed))}
    order = sorted(range(len(samples)), key=lambda i: (place[groups.names[i]], i))
    return np.sort(np.asarray(order[:n_samples], dtype=np.int64))


@dataclass(frozen=True)
class _Groups:
    """Name of the group of every sample, and which materials were merged on the way."""

    names: tuple[str, ...]
    duplicates: str = "ignored"
    merged: tuple[tuple[str, ...], ...] = ()


def _kind(by: SplitKind | str) -> SplitKind:
    known = [kind.value for kind in SplitKind]
    if by not in known:
        raise ParameterError(f"unknown kind of split {str(by)!r}: {did_you_mean(str(by), known)}")
    return SplitKind(by)


def _group(samples: Samples, kind: SplitKind) -> _Groups:
    """Return the groups: whatever shares a label, a material or a crystal is in one, however long the chain."""
    from scipy.sparse import csr_array  # type: ignore[import-untyped]  # ships no types; slow to load
    from scipy.sparse.csgraph import connected_components  # type: ignore[import-untyped]

    if kind is SplitKind.SITE:
        return _Groups(samples.ids)
    labels = _labels(samples, kind)
    duplicates = find_duplicates(samples)
    columns = (labels, samples.materials, tuple(map(str, duplicates.crystals)))
    n_sample, rows, nodes, n_node = len(samples), [], [], len(samples)
    for column in columns:
        _, numbers = np.unique(np.asarray(column), return_inverse=True)
        rows.append(np.arange(n_sample))
        nodes.append(n_node + numbers)
        n_node += int(numbers.max(initial=-1)) + 1
    edges = (np.ones(n_sample * len(columns)), (np.concatenate(rows), np.concatenate(nodes)))
    _, component = connected_components(csr_array(edges, shape=(n_node, n_node)), directed=False)
    first: dict[int, str] = {}
    for number, label in zip(component[:n_sample].tolist(), labels, strict=True):
        first[number] = min(label, first.get(number, label))
    names = tuple(first[number] for number in component[:n_sample].tolist())
    return _Groups(names, duplicates.rule, duplicates.materials)


def _labels(samples: Samples, kind: SplitKind) -> tuple[str, ...]:
    if kind in (SplitKind.MATERIAL, SplitKind.SIZE):
        return samples.materials
    unknown = [m for m, formula in zip(samples.materials, samples.formulas, strict=True) if not formula]
    if unknown:
        raise InputError(
            f"a split by {kind.value} needs formulas, and {len(unknown)} of {len(samples)} samples have none (material "
            f"{unknown[0]!r}): name their column, or split by material"
        )
    if kind is SplitKind.FORMULA:
        return samples.formulas
    return tuple("-".join(sorted(set(_ELEMENT.findall(formula)))) for formula in samples.formulas)


def _row(samples: Samples, groups: _Groups, kind: SplitKind, seed: int) -> list[str]:
    """Return the groups in the order in which they are cut."""
    row = order_by_hash(set(groups.names), seed=seed)
    if kind is not SplitKind.SIZE:
        return row
    if not samples.n_atoms:
        raise InputError("a split by size needs the number of atoms of every cell: name its column, n_atoms")
    largest: dict[str, int] = {}
    for name, n_atoms in zip(groups.names, samples.n_atoms, strict=True):
        largest[name] = max(n_atoms, largest.get(name, 0))
    return sorted(row, key=lambda name: largest[name])


def _division(
    groups: _Groups,
    places: Mapping[str, str],
    *,
    kind: SplitKind,
    seed: int,
    fractions: tuple[float, float, float] | None,
) -> Division:
    where = np.array([places[name] for name in groups.names])
    counts = Counter(places.values())
    return Division(
        kind=kind,
        seed=seed,
        fractions=fractions,
        indices={name: np.flatnonzero(where == name) for name in SPLITS},
        n_groups={name: counts[name] for name in SPLITS},
        duplicates=groups.duplicates,
        merged=groups.merged,
    )


def _split_greedily(samples: Samples, fractions: tuple[float, float, float], seed: int) -> Division:
    """Return the published division: materials with the most sites first, each to the set farthest from its target.

    The distance is that after the material has been added; ties go to the earlier material in alphabetical order and
    to the earlier set (released code of arXiv:2409.19552).
    """
    materials, n_sites = np.unique(np.asarray(samples.materials), return_counts=True)
    targets = np.array([int(fraction * len(samples)) for fraction in fractions])
    filled = np.zeros(len(SPLITS), dtype=np.int64)
    places: dict[str, str] = {}
    for i in np.argsort(-n_sites, kind="stable"):
        chosen = int(np.argmax(np.abs(filled + n_sites[i] - targets)))
        filled[chosen] += n_sites[i]
        places[str(materials[i])] = SPLITS[chosen]
    groups = _Groups(samples.materials)
    division = _division(groups, places, kind=SplitKind.GREEDY, seed=seed, fractions=fractions)
    random = np.random.default_rng(seed)
    shuffled = {name: random.permutation(chosen) for name, chosen in division.indices.items()}
    return replace(division, indices=shuffled)


def _checked(division: Division) -> Division:
    sizes = {name: len(chosen) for name, chosen in division.indices.items()}
    wanted: Sequence[float] = division.fractions or ()
    empty = [name for name, fraction in zip(SPLITS, wanted, strict=True) if fraction > 0 and not sizes[name]]
    if empty:
        raise InputError(
            f"{sum(sizes.values())} samples in {sum(division.n_groups.values())} group(s) by {division.kind.value} "
            f"leave {' and '.join(empty)} empty at fractions {division.fractions} "
            f"({', '.join(f'{name} {n}' for name, n in sizes.items())}): {_TAKE_ANOTHER}"
        )
    return division
