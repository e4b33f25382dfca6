"""What is tried when exciting's density did not converge, or its Bethe-Salpeter Hamiltonian had no room."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from whiteline.calculators.exciting.parameters import ExcitingParameters
from whiteline.calculators.repairs import Attempt, Repair, next_rung
from whiteline.causes import Cause

__all__ = ["find_repair"]

_FEWEST_ITERATIONS, _MOST_ITERATIONS = 400, 2000
_GENTLE: Final = 0.1  # of the new potential; exciting itself begins with 0.4
_STORAGE: Final = 100  # MB


def find_repair(parameters: ExcitingParameters, attempts: Sequence[Attempt]) -> Repair | None:
    """Return the next rung of the ladder of the last cause; None after the last one and for what no rung mends."""
    return next_rung(attempts, _ladder(parameters))


def _ladder(parameters: ExcitingParameters) -> Iterator[Repair]:
    most = min(max(2 * parameters.scf_max_iterations, _FEWEST_ITERATIONS), _MOST_ITERATIONS)
    more: dict[str, Any] = {"scf_max_iterations": most}
    if most > parameters.scf_max_iterations:
        yield Repair(f"scf_max_iterations {most}", Cause.SCF, more)
    if parameters.scf_mixer != "pulay":
        yield Repair("scf_mixer pulay", Cause.SCF, {**more, "scf_mixer": "pulay"})
    gentle = _GENTLE if parameters.scf_mixing is None else min(_GENTLE, parameters.scf_mixing / 2)
    changes = {**more, "scf_mixer": "lin", "scf_mixing": gentle}
    yield Repair(f"scf_mixer lin, scf_mixing {gentle:g}", Cause.SCF, changes)
    # The Hamiltonian is spread over the processes of an MPI run; in pieces, its parts are not held at once.
    if not parameters.distribute:
        yield Repair("distribute", Cause.MEMORY, {"distribute": True})
    if parameters.storage is None or parameters.storage > _STORAGE:
        yield Repair(f"distribute, storage {_STORAGE}", Cause.MEMORY, {"distribute": True, "storage": _STORAGE})
