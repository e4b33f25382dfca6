"""What is tried when a stage of OCEAN did not converge or broke down."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from whiteline.calculators.ocean.parameters import OceanParameters
from whiteline.calculators.repairs import Attempt, Repair, next_rung
from whiteline.causes import Cause

__all__ = ["find_repair"]

_MIXINGS: Final = (0.1, 0.05)
_FEWEST_STEPS, _MOST_STEPS = 200, 1000
_MOST_ITERATIONS: Final = 100_000
# bohr: two radii beyond the usual ones, and where the grid of the screening may begin outside the augmentation.
_FURTHER: Final = (6.5, 7.0)
_OUTSIDE: Final = 5.0


def find_repair(parameters: OceanParameters, attempts: Sequence[Attempt]) -> Repair | None:
    """Return the next rung of the ladder of the last cause; None after the last one and for what no rung mends."""
    return next_rung(attempts, _ladder(parameters))


def _ladder(parameters: OceanParameters) -> Iterator[Repair]:
    yield from _density(parameters)
    yield from _screening(parameters)
    n = min(4 * parameters.haydock_iterations, _MOST_ITERATIONS)
    if parameters.solver == "haydock" and n > parameters.haydock_iterations:
        # The recursion ends when it has converged: a higher limit costs nothing where a lower one would do.
        yield Repair(f"haydock_iterations {n}", Cause.LANCZOS, {"haydock_iterations": n})


def _density(parameters: OceanParameters) -> Iterator[Repair]:
    steps = min(max(2 * (parameters.scf_max_iterations or 0), _FEWEST_STEPS), _MOST_STEPS)
    for mixing in _MIXINGS:
        if parameters.scf_mixing is None or mixing < parameters.scf_mixing:
            changes = {"scf_mixing": mixing, "scf_max_iterations": steps}
            yield Repair(f"scf_mixing {mixing:g}", Cause.SCF, changes)


def _screening(parameters: OceanParameters) -> Iterator[Repair]:
    """Yield a grid that begins outside the augmentation radius, and larger radii to join the potentials at."""
    grid: dict[str, Any] = {}
    first, *rest = [shell for shell in parameters.screen_grid_shells_bohr if shell > 0] or [_OUTSIDE]
    if parameters.screen_rule == "explicit" and first < _OUTSIDE < min(rest, default=float("inf")):
        shells = [_OUTSIDE if shell == first else shell for shell in parameters.screen_grid_shells_bohr]
        grid = {"screen_grid_shells_bohr": shells}
        yield Repair(f"screen_grid_shells_bohr from {_OUTSIDE:g}", Cause.SCREENING, grid, is_physical=True)
    asked = parameters.screen_radius_bohr
    known = parameters.screen_shells_bohr
    for radius in sorted({*known, *_FURTHER}):
        if asked + 0.01 < radius < parameters.screen_grid_radius_bohr:
            changes = {**grid, "screen_shells_bohr": sorted({*known, radius}), "screen_radius_bohr": radius}
            yield Repair(f"screen_radius_bohr {radius:g}", Cause.SCREENING, changes, is_physical=True)
