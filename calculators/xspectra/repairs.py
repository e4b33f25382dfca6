"""What is tried when pw.x or xspectra.x did not converge, or ran out of memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from whiteline.calculators.repairs import Attempt, Repair, next_rung
from whiteline.calculators.xspectra.parameters import XSpectraParameters
from whiteline.causes import Cause

__all__ = ["SATURATED", "find_repair"]

# In the reason of a run whose recursions used up all plane waves.
SATURATED: Final = "all plane waves were used up"
_FEWEST_STEPS, _MOST_STEPS = 200, 10000
_MOST_ITERATIONS: Final = 100000
_WIDEST: Final = 0.5  # Ry
_HIGHEST: Final = 1000.0  # Ry


def find_repair(parameters: XSpectraParameters, attempts: Sequence[Attempt], *, cutoff: float) -> Repair | None:
    """Return the next rung of the ladder of the last cause; None after the last one and for what no rung mends.

    Args:
        parameters: As they were asked for.
        attempts: What was tried, the calculation as asked for first.
        cutoff: Cutoff of wavefunctions that is in force [Ry].
    """
    return next_rung(attempts, _ladder(parameters, attempts[-1].reason, cutoff))


def _ladder(parameters: XSpectraParameters, reason: str, cutoff: float) -> Iterator[Repair]:
    yield from _density(parameters)
    n = min(4 * parameters.xniter, _MOST_ITERATIONS)
    if n > parameters.xniter and SATURATED not in reason:
        # A recursion ends when it has converged: a higher limit costs nothing where a lower one would do.
        yield Repair(f"xniter {n}", Cause.LANCZOS, {"xniter": n})
    yield from _larger_basis(parameters, cutoff)
    yield Repair("diagonalization cg, mixing_ndim 4", Cause.MEMORY, {"diagonalization": "cg", "mixing_ndim": 4})


def _density(parameters: XSpectraParameters) -> Iterator[Repair]:
    steps = min(max(2 * parameters.electron_maxstep, _FEWEST_STEPS), _MOST_STEPS)
    gentle, gentlest = (min(parameters.mixing_beta, beta) for beta in (0.2, 0.1))
    yield Repair(f"mixing_beta {gentle:g}", Cause.SCF, {"mixing_beta": gentle, "electron_maxstep": steps})
    changes: dict[str, Any] = {"mixing_beta": gentlest, "electron_maxstep": steps}
    local = {**changes, "mixing_mode": "local-TF"}
    yield Repair(f"mixing_beta {gentlest:g}, mixing_mode local-TF", Cause.SCF, local)
    yield Repair("diagonalization cg", Cause.SCF, {**changes, "diagonalization": "cg"})
    width = min(2 * parameters.degauss, _WIDEST)
    if parameters.occupations == "smearing" and width > parameters.degauss:
        yield Repair(f"degauss {width:g}", Cause.SCF, {**changes, "degauss": width}, is_physical=True)


def _larger_basis(parameters: XSpectraParameters, cutoff: float) -> Iterator[Repair]:
    """Yield cutoffs with more plane waves to go through; the spectrum is then of others than asked for."""
    for factor in (1.25, 1.5):
        energy = round(factor * cutoff, 1)
        changes: dict[str, Any] = {"ecutwfc": energy}
        if parameters.ecutrho is not None:
            changes["ecutrho"] = max(parameters.ecutrho, 4 * energy)
        if energy <= _HIGHEST:
            yield Repair(f"ecutwfc {energy:g}", Cause.LANCZOS, changes, is_physical=True)
