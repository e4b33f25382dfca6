"""Training, validation and test set: whole groups, so that no crystal or formula is in two of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from whiteline.splitting import SPLITS, check_fractions, cut_row, order_by_hash, parse_fractions

__all__ = ["SPLITS", "Split", "SplitBy"]


class SplitBy(StrEnum):
    """What never crosses a split."""

    STRUCTURE = "structure_id"
    FORMULA = "formula"
    SYSTEM = "chemical_system"


@dataclass(frozen=True)
class Split:
    """How a dataset is divided.

    Groups are ordered by sha256 of seed and name, and the row of all their spectra is cut at the fractions; a group
    goes where its middle lies, and a set that is wanted gets one group at least. The same seed gives the same order
    whatever else is in the dataset, so that most groups keep their place when it grows.

    Attributes:
        by: What makes a group. Spectra of which it is unknown are one group together.
        fractions: Of training, validation and test set; they sum to one.
        seed: Another number is another division.

    Raises:
        ParameterError: The fractions are none.
    """

    by: SplitBy = SplitBy.FORMULA
    fractions: tuple[float, float, float] = (0.8, 0.1, 0.1)
    seed: int = 0

    def __post_init__(self) -> None:
        check_fractions(self.fractions)

    @classmethod
    def parse(cls, text: str, *, by: str = "formula", seed: int = 0) -> Split:
        """Return the split that a text such as `0.8,0.1,0.1` states.

        >>> Split.parse("0.8,0.1,0.1").fractions
        (0.8, 0.1, 0.1)

        Raises:
            ParameterError: It is none.
        """
        from whiteline.database.query_values import member

        fractions = parse_fractions(text)
        return cls(member(SplitBy, by), fractions, seed)

    def assign(self, sizes: Mapping[str, int]) -> dict[str, str]:
        """Return `train`, `val` or `test` for each group, given the number of its spectra.

        >>> sorted(Split(seed=1).assign({"TiO2": 5, "FeO": 3, "NiO": 2}).items())
        [('FeO', 'train'), ('NiO', 'val'), ('TiO2', 'test')]
        """
        groups = order_by_hash(sizes, seed=self.seed)
        return dict(zip(groups, cut_row([sizes[group] for group in groups], self.fractions), strict=True))

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {"by": self.by.value, "fractions": dict(zip(SPLITS, self.fractions, strict=True)), "seed": self.seed}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Split:
        """Rebuild what `to_dict` wrote."""
        fractions: Sequence[float] = [float(data["fractions"][name]) for name in SPLITS]
        return cls(SplitBy(data["by"]), (fractions[0], fractions[1], fractions[2]), int(data["seed"]))
