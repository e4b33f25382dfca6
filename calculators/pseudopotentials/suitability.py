"""Whether a pseudopotential serves the absorbing atom of a spectrum."""

from __future__ import annotations

from whiteline.calculators.pseudopotentials.core_hole import LETTERS, core_level, final_channels
from whiteline.calculators.pseudopotentials.upf import Pseudopotential
from whiteline.edges import Edge
from whiteline.status import Check

__all__ = ["check_absorber"]


def check_absorber(
    potential: Pseudopotential, *, edge: Edge, element: str | None = None, needs_core_hole: bool = True
) -> tuple[Check, ...]:
    """Return whether a pseudopotential serves the absorbing atom of a dipole spectrum.

    Args:
        potential: What was read.
        edge: Absorption edge.
        element: Expected absorber; None takes any.
        needs_core_hole: Expect the excited atom's; False expects the ground state's, with its core orbital.
    """
    level = core_level(edge)
    channels = final_channels(edge)
    counts = {LETTERS[momentum]: potential.gipaw_projectors.get(momentum, 0) for momentum, _ in channels}
    has_channels = all(counts[LETTERS[momentum]] >= n_needed for momentum, n_needed in channels)
    expected = " and ".join(f"{n_needed} for {LETTERS[momentum]}" for momentum, n_needed in channels)
    hole, missing = potential.core_hole, potential.missing_core_electrons
    found = f"{hole.size:g} electron of {hole.level}" if hole else "unknown" if missing is None else f"{missing:g}"
    checks = [
        Check("element", element in (None, potential.element), potential.element),
        Check("reconstruction", potential.has_gipaw, "GIPAW" if potential.has_gipaw else "no GIPAW data"),
        Check(
            "projectors",
            has_channels,
            f"{', '.join(f'{n} for {letter}' for letter, n in counts.items())}; the {edge} edge needs {expected}",
        ),
    ]
    if needs_core_hole:
        is_right = hole.level == level if hole else bool(missing)
        return (*checks, Check("core hole", is_right, f"missing from the core: {found}; the edge's level is {level}"))
    return (
        *checks,
        Check("core hole", not potential.has_core_hole, f"missing from the core: {found}"),
        Check(
            "core orbital",
            level in potential.core_levels,
            f"{', '.join(potential.core_levels) or 'none'}; the {edge} edge needs {level}",
        ),
    )
