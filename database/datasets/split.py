"""Training, validation and test set: whole groups, so that no crystal or formula is in two of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from whiteline.errors import ParameterError

__all__ = ["SPLITS", "Split", "SplitBy"]

SPLITS: Final = ("train", "val", "test")


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
        given = self.fractions
        if len(given) != len(SPLITS) or not all(0 <= f <= 1 for f in given) or abs(sum(given) - 1) > 1e-9:
            raise ParameterError(
                f"a split has three fractions from 0 to 1 that sum to 1, for {', '.join(SPLITS)}, got {given}"
            )

    @classmethod
    def parse(cls, text: str, *, by: str = "formula", seed: int = 0) -> Split:
        """Return the split that a text such as `0.8,0.1,0.1` states.

        >>> Split.parse("0.8,0.1,0.1").fractions
        (0.8, 0.1, 0.1)

        Raises:
            ParameterError: It is none.
        """
        from whiteline.database.query_values import member

        try:
            fractions: Any = tuple(float(part) for part in text.split(","))
        except ValueError as error:
            raise ParameterError(f"expected fractions such as 0.8,0.1,0.1, got {text!r}") from error
        return cls(member(SplitBy, by), fractions, seed)

    def assign(self, sizes: Mapping[str, int]) -> dict[str, str]:
        """Return `train`, `val` or `test` for each group, given the number of its spectra.

        >>> sorted(Split(seed=1).assign({"TiO2": 5, "FeO": 3, "NiO": 2}).items())
        [('FeO', 'train'), ('NiO', 'val'), ('TiO2', 'test')]
        """
        groups = sorted(sizes, key=self._order)
        middles, before = [], 0
        for group in groups:
            middles.append((before + sizes[group] / 2) / max(1, sum(sizes.values())))
            before += sizes[group]
        end_train, end_val = self._cuts(middles)
        return {
            group: SPLITS[0] if i < end_train else SPLITS[1] if i < end_val else SPLITS[2]
            for i, group in enumerate(groups)
        }

    def _cuts(self, middles: Sequence[float]) -> tuple[int, int]:
        """Return where the validation and the test set begin; none that is wanted is empty if groups suffice."""
        train, val, test = (fraction > 0 for fraction in self.fractions)
        end_train = sum(middle < self.fractions[0] for middle in middles)
        end_val = sum(middle < self.fractions[0] + self.fractions[1] for middle in middles) if test else len(middles)
        if train + val + test <= len(middles):
            end_val = min(end_val, len(middles) - test)
            end_train = max(train, min(end_train, end_val - val))
            end_val = max(end_val, end_train + val)
        return end_train, end_val

    def _order(self, group: str) -> str:
        return hashlib.sha256(f"{self.seed}\n{group}".encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {"by": self.by.value, "fractions": dict(zip(SPLITS, self.fractions, strict=True)), "seed": self.seed}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Split:
        """Rebuild what `to_dict` wrote."""
        fractions: Sequence[float] = [float(data["fractions"][name]) for name in SPLITS]
        return cls(SplitBy(data["by"]), (fractions[0], fractions[1], fractions[2]), int(data["seed"]))
