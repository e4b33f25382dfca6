"""What is tried when FEFF's potentials do not become self-consistent.

The order is by what helped real sites, at the least cost and change of the spectrum (docs/failures.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from whiteline.absorber import Absorber
from whiteline.calculators.feff.cluster import build_cluster
from whiteline.calculators.feff.parameters import FeffParameters, PotentialGrouping
from whiteline.calculators.repairs import Attempt, Repair, next_rung
from whiteline.causes import Cause
from whiteline.errors import StructureError

__all__ = ["find_repair"]

# FEFF takes no more.
_MOST_ITERATIONS = 100
# Convergence accelerator, and iterations of plain mixing before Broyden's method. More of these at FEFF's own 0.2 also
# converges where it did not, but 4 % from where slower mixing does (benchmarks/feff_repairs.py).
_MIXINGS = ((0.1, 3), (0.05, 10), (0.1, 10))
# Of the muffin tins; FEFF itself takes 1.15.
_OVERLAPS = (1.0, 1.3)


def find_repair(absorber: Absorber, parameters: FeffParameters, attempts: Sequence[Attempt]) -> Repair | None:
    """Return the next rung of the ladder; None after the last one and for what no rung mends."""
    return next_rung(attempts, _ladder(absorber, parameters)) if attempts[-1].cause is Cause.SCF else None


def _ladder(absorber: Absorber, parameters: FeffParameters) -> Iterator[Repair]:
    more: dict[str, Any] = {}
    if parameters.scf_max_iterations < _MOST_ITERATIONS:
        more = {"scf_max_iterations": _MOST_ITERATIONS}
        yield Repair(f"scf_max_iterations {_MOST_ITERATIONS}", Cause.SCF, more)
    asked = (parameters.scf_mixing, parameters.scf_n_mix)
    mixings = [pair for pair in _MIXINGS if pair != asked]
    for mixing, n_mix in mixings:
        changes = {"scf_mixing": mixing, "scf_n_mix": n_mix}
        yield Repair(f"scf_mixing {mixing:g}, scf_n_mix {n_mix}", Cause.SCF, {**more, **changes})
    slower = {**more, "scf_mixing": mixings[0][0], "scf_n_mix": mixings[0][1]}
    for grouping in _other_groupings(absorber, parameters):
        yield Repair(f"potentials {grouping}", Cause.SCF, {**slower, "potentials": grouping.value}, is_physical=True)
    for overlap in _OVERLAPS:
        if overlap != parameters.overlap:
            yield Repair(f"overlap {overlap:g}", Cause.SCF, {**slower, "overlap": overlap}, is_physical=True)


def _other_groupings(absorber: Absorber, parameters: FeffParameters) -> Iterator[PotentialGrouping]:
    """Return the groupings that give another number of potentials, and so another stoichiometry, that FEFF can hold."""
    counts = {_n_potentials(absorber, parameters)}
    for grouping in (PotentialGrouping.ELEMENT, PotentialGrouping.SITE):
        try:
            n = _n_potentials(absorber, parameters.model_copy(update={"potentials": grouping}))
        except StructureError:
            continue
        if n not in counts:
            counts.add(n)
            yield grouping


def _n_potentials(absorber: Absorber, parameters: FeffParameters) -> int:
    return len(build_cluster(absorber, parameters).potentials)
