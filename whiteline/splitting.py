"""Training, validation and test set: whole groups, in an order that a seed and their names alone decide."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Final

from whiteline.errors import ParameterError

__all__ = ["SPLITS", "check_fractions", "cut_row", "order_by_hash", "parse_fractions"]

SPLITS: Final = ("train", "val", "test")


def check_fractions(fractions: Sequence[float]) -> None:
    """Look whether these are fractions of training, validation and test set.

    Raises:
        ParameterError: They are not three numbers from 0 to 1 that sum to one.
    """
    if len(fractions) != len(SPLITS) or not all(0 <= f <= 1 for f in fractions) or abs(sum(fractions) - 1) > 1e-9:
        raise ParameterError(
            f"a split has three fractions from 0 to 1 that sum to 1, for {', '.join(SPLITS)}, got {tuple(fractions)}"
        )


def parse_fractions(text: str) -> tuple[float, float, float]:
    """Return the fractions that a text such as `0.8,0.1,0.1` states.

    >>> parse_fractions("0.8,0.1,0.1")
    (0.8, 0.1, 0.1)

    Raises:
        ParameterError: It states none.
    """
    try:
        given = [float(part) for part in text.split(",")]
    except ValueError as error:
        raise ParameterError(f"expected fractions such as 0.8,0.1,0.1, got {text!r}") from error
    check_fractions(given)
    return given[0], given[1], given[2]


def order_by_hash(groups: Iterable[str], *, seed: int) -> list[str]:
    """Return the groups ordered by sha256 of seed and name.

    The same seed gives the same order whatever else is there, so that most groups keep their place in the row when a
    dataset grows.

    >>> order_by_hash(["TiO2", "FeO", "NiO"], seed=1)
    ['FeO', 'NiO', 'TiO2']
    """
    return sorted(groups, key=lambda group: hashlib.sha256(f"{seed}\n{group}".encode()).hexdigest())


def cut_row(sizes: Sequence[int], fractions: tuple[float, float, float]) -> list[str]:
    """Return `train`, `val` or `test` for each group of a row that is cut at the fractions.

    A group goes where its middle lies, and a set that is wanted gets one group at least, if there are enough.

    Args:
        sizes: Number of spectra of each group, in the order of the row.
        fractions: Of training, validation and test set.

    >>> cut_row([5, 2, 3], (0.6, 0.2, 0.2))
    ['train', 'val', 'test']
    """
    total = max(1, sum(sizes))
    middles = [(end - size / 2) / total for end, size in zip(accumulate(sizes), sizes, strict=True)]
    train, val, test = (fraction > 0 for fraction in fractions)
    end_train = sum(middle < fractions[0] for middle in middles)
    end_val = sum(middle < fractions[0] + fractions[1] for middle in middles) if test else len(middles)
    if train + val + test <= len(middles):
        end_val = min(end_val, len(middles) - test)
        end_train = max(train, min(end_train, end_val - val))
        end_val = max(end_val, end_train + val)
    n_val = max(0, end_val - end_train)
    return [SPLITS[0]] * end_train + [SPLITS[1]] * n_val + [SPLITS[2]] * (len(middles) - end_train - n_val)
