"""How a calculation ended, as data that is stored and queried."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

__all__ = ["Check", "Status"]


class Status(StrEnum):
    """How a calculation ended. Only `CONVERGED` may be used without a second look."""

    CONVERGED = "converged"
    UNCONVERGED = "unconverged"
    FAILED = "failed"

    @property
    def has_spectrum(self) -> bool:
        """Whether a document of this status carries a spectrum."""
        return self is not Status.FAILED


@dataclass(frozen=True)
class Check:
    """One convergence or sanity check of a run.

    Attributes:
        name: What was checked, e.g. `scf`.
        is_passed: Whether it holds.
        detail: The evidence, e.g. `14 of at most 100 iterations`.
    """

    name: str
    is_passed: bool
    detail: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {"name": self.name, "is_passed": self.is_passed, "detail": self.detail}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Check:
        """Rebuild what `to_dict` wrote."""
        return cls(name=data["name"], is_passed=data["is_passed"], detail=data.get("detail", ""))
