"""What running something again came to: a verdict, how far the curves lie apart, and what differs on record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Final

from whiteline.errors import SchemaVersionError
from whiteline.workflows.rerun.comparison import Comparison, Tolerance

__all__ = ["RESULT_SCHEMA_VERSION", "Difference", "Ground", "RerunResult", "Verdict", "in_order"]

RESULT_SCHEMA_VERSION: Final = 1
_N_SHOWN = 3


class Verdict(StrEnum):
    """What came of it."""

    IDENTICAL = "identical"
    EQUAL = "equal"
    DIFFERENT = "different"
    COULD_NOT_RUN = "could not run"
    NOT_COMPUTED = "not computed here"

    @property
    def is_reproduced(self) -> bool:
        """Whether the same came out."""
        return self in (Verdict.IDENTICAL, Verdict.EQUAL)

    @property
    def is_compared(self) -> bool:
        """Whether it ran, so that there was something to compare."""
        return self.is_reproduced or self is Verdict.DIFFERENT


class Ground(StrEnum):
    """What may make a result another, the likeliest at the front."""

    EDITED = "what is stored was edited"
    INPUT = "changed input"
    PSEUDOPOTENTIAL = "other pseudopotential"
    MODEL = "other model"
    PROGRAM = "other program"
    WHITELINE = "other Whiteline"
    LIBRARY = "other library"
    CORES = "other number of cores"
    CONTINUED = "a run that was interrupted"
    MACHINE = "other machine"


_ORDER: Final = tuple(Ground)


@dataclass(frozen=True)
class Difference:
    """One thing that is not as it is on record.

    Attributes:
        ground: What sort of thing.
        name: Which one, e.g. `feff.inp` or `numpy`.
        recorded: What the record says; empty where it says nothing.
        now: What there is now; empty where there is nothing.
        detail: More of it, e.g. the changed lines.
    """

    ground: Ground
    name: str
    recorded: str
    now: str
    detail: str = ""

    @property
    def words(self) -> str:
        """The difference in a line, without its detail."""
        return f"{self.ground}: {self.name} {_short(self.recorded) or 'none'} -> {_short(self.now) or 'none'}"

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Difference:
        """Rebuild what `dataclasses.asdict` made."""
        return cls(**{**data, "ground": Ground(data["ground"])})


def in_order(differences: Iterable[Difference]) -> tuple[Difference, ...]:
    """Return differences, each once, the likeliest reasons at the front."""
    return tuple(sorted(dict.fromkeys(differences), key=lambda each: _ORDER.index(each.ground)))


@dataclass(frozen=True, kw_only=True)
class RerunResult:
    """What running one stored spectrum again came to.

    Attributes:
        id: Id of the stored spectrum.
        label: What people call it.
        making: How it was made, a value of `recreating.Making`.
        verdict: What came of it.
        reason: Why it could not run, or what there is to do instead.
        comparison: How the curves lie to each other; None where there are no two.
        differences: What is not as it is on record, the likeliest reasons at the front.
        notes: What else is to be known.
        rerun_id: Id of what was computed now, in the store of the rerun.
        parts: Verdicts on what it was made of, by id: sites of an average, points of a series.
        seconds: Wall time now [s], and `seconds_recorded` that on record.
        tolerance: Within what `equal` holds.
    """

    id: str
    label: str
    making: str
    verdict: Verdict
    reason: str = ""
    comparison: Comparison | None = None
    differences: tuple[Difference, ...] = ()
    notes: tuple[str, ...] = ()
    rerun_id: str = ""
    parts: Mapping[str, Verdict] = field(default_factory=dict)
    seconds: float = 0.0
    seconds_recorded: float = 0.0
    tolerance: Tolerance = field(default_factory=Tolerance)

    @property
    def explanation(self) -> str:
        """Why it is as it is, in a line: the likeliest reasons where it is different, what was found elsewhere."""
        if self.verdict is not Verdict.DIFFERENT:
            return self.reason or (self.comparison.words if self.comparison else "")
        if not self.differences:
            return f"{self.reason}; no difference on record explains it".removeprefix("; ")
        shown = "; ".join(each.words for each in self.differences[:_N_SHOWN])
        n_more = len(self.differences) - _N_SHOWN
        return f"{self.reason}; {shown}{f' and {n_more} more' if n_more > 0 else ''}".removeprefix("; ")

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {
            "schema_version": RESULT_SCHEMA_VERSION,
            **{name: getattr(self, name) for name in ("id", "label", "making", "reason", "rerun_id")},
            "verdict": self.verdict.value,
            "comparison": None if self.comparison is None else self.comparison.to_dict(),
            "differences": [asdict(each) for each in self.differences],
            "notes": list(self.notes),
            "parts": {each: verdict.value for each, verdict in self.parts.items()},
            "seconds": round(self.seconds, 3),
            "seconds_recorded": round(self.seconds_recorded, 3),
            "tolerance": asdict(self.tolerance),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> RerunResult:
        """Rebuild what `to_dict` wrote.

        Raises:
            SchemaVersionError: A newer Whiteline wrote it.
        """
        if data["schema_version"] > RESULT_SCHEMA_VERSION:
            raise SchemaVersionError(
                f"the result of a rerun has schema version {data['schema_version']}, this Whiteline reads up to "
                f"{RESULT_SCHEMA_VERSION}: upgrade with `pip install -U whiteline`"
            )
        comparison = data["comparison"]
        return cls(
            **{name: data[name] for name in ("id", "label", "making", "reason", "rerun_id")},
            verdict=Verdict(data["verdict"]),
            comparison=None if comparison is None else Comparison.from_dict(comparison),
            differences=tuple(Difference.from_dict(each) for each in data["differences"]),
            notes=tuple(data["notes"]),
            parts={each: Verdict(verdict) for each, verdict in data["parts"].items()},
            seconds=data["seconds"],
            seconds_recorded=data["seconds_recorded"],
            tolerance=Tolerance(**data["tolerance"]),
        )


def _short(text: str) -> str:
    return f"{text[:19]}…" if text.startswith("sha256:") else text
