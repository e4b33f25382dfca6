"""The card of a model: what it was made from, how good it is, what came before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, Self

from whiteline.errors import CorruptStoreError

__all__ = ["Card"]


@dataclass(frozen=True, kw_only=True)
class Card:
    """What a model says of itself; everything in it can be written as JSON.

    Attributes:
        name: What it is called.
        created: When it was trained, ISO 8601, UTC.
        whiteline_version: What trained it.
        licence: Under which its weights may be passed on, e.g. `CC-BY-4.0`; "" where nobody has said.
        description: A sentence for people.
        data: Part to its source, content hash, number of spectra and materials, and counts by channel.
        split: How the parts were divided, in the words of who divided them.
        training: Parameters, seeds, epochs, and where it ran.
        metrics: Name to number: what was measured, on which part.
        lineage: Content hashes of parent models, of the data, and the id of the encoder.
        candidates: Other models that were tried and why this one was kept, one row each.
    """

    name: str = ""
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    whiteline_version: str = field(default_factory=lambda: version("whiteline"))
    licence: str = ""
    description: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    split: str = ""
    training: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    lineage: Mapping[str, Any] = field(default_factory=dict)
    candidates: tuple[Mapping[str, Any], ...] = ()

    @property
    def candidate_errors(self) -> dict[str, float]:
        """Validation error by candidate: the geometric mean over spectra, or the median on cards that have no other."""
        return {
            row["name"]: float(row.get("validation_geometric_mse", row.get("validation_median_mse", "nan")))
            for row in self.candidates
        }

    def with_metrics(self, **metrics: float) -> Self:
        """Return the card with more numbers on it."""
        return replace(self, metrics={**self.metrics, **metrics})

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Rebuild what `to_dict` wrote.

        Raises:
            CorruptStoreError: Something is missing or is not known.
        """
        names = {each.name for each in fields(cls)}
        if set(data) != names:
            missing, extra = sorted(names - set(data)), sorted(set(data) - names)
            raise CorruptStoreError(f"the card of a model lacks {missing} and has unknown {extra}: take a whole copy")
        return cls(**{**data, "candidates": tuple(data["candidates"])})
