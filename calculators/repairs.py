"""What is tried when a calculation failed or did not converge: a bounded ladder for every code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from whiteline.causes import Cause

__all__ = ["Attempt", "Repair", "next_rung"]


@dataclass(frozen=True)
class Repair:
    """One change after which a calculation is tried again.

    Attributes:
        name: What is changed, e.g. `scf_mixing 0.1`.
        cause: What it is meant to mend.
        changes: All parameters that take other values than were asked for, JSON-ready; they reach the run and the
            record, not the identity.
        is_physical: Whether a converged result may differ from that of the parameters that were asked for; its
            spectrum is then stored as unconverged, with the reason.
        continues: Whether the run goes on in the folder of the attempt before, from what that left there.
    """

    name: str
    cause: Cause
    changes: Mapping[str, Any] = field(default_factory=dict)
    is_physical: bool = False
    continues: bool = False


@dataclass(frozen=True)
class Attempt:
    """One try of a calculation.

    Attributes:
        repair: What was changed for it; None for the calculation as it was asked for.
        status: Status that came of it.
        cause: Why it failed or did not converge; None where it converged.
        reason: The evidence.
        seconds: Wall time [s].
    """

    repair: Repair | None
    status: str
    cause: Cause | None
    reason: str
    seconds: float


def next_rung(attempts: Sequence[Attempt], rungs: Iterable[Repair]) -> Repair | None:
    """Return the first rung against the cause of the last attempt that was not tried; None when there is none.

    What mended another cause before stays in force.

    Args:
        attempts: What was tried, in order.
        rungs: The ladder of a code, each with a name of its own.
    """
    cause = attempts[-1].cause
    tried = {attempt.repair.name for attempt in attempts if attempt.repair is not None}
    rung = next((rung for rung in rungs if rung.cause is cause and rung.name not in tried), None)
    repairs = (attempt.repair for attempt in reversed(attempts))
    other = next((repair for repair in repairs if repair is not None and repair.cause is not cause), None)
    if rung is None or other is None:
        return rung
    return replace(rung, changes={**other.changes, **rung.changes}, is_physical=rung.is_physical or other.is_physical)
