"""The parameters that a FEFF spectrum is converged in."""

from __future__ import annotations

from dataclasses import replace

from whiteline.calculators.feff.parameters import FeffParameters
from whiteline.convergence import Knob

__all__ = ["find_knobs"]

_STEPS = (0.10, 0.07, 0.05, 0.035, 0.025)  # 1/Å

_RADII = (
    Knob("scf_radius", (3.0, 4.0, 5.0, 6.0, 7.0, 8.0), "Å"),
    Knob("fms_radius", (4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0), "Å"),
)
_L_MAX = Knob("l_max", (2, 3, 4, 5, 6))


def find_knobs(parameters: FeffParameters) -> tuple[Knob, ...]:
    """Return the ladders: radii of self-consistency and of full multiple scattering, angular momentum, energy grid.

    The atoms listed reach as far as the largest cluster on every rung, so that a radius is all that a rung changes. The
    energy grid ends at `k_max`: beyond it FEFF would spend half of its time on what the comparison does not see.
    """
    listed = max(parameters.cluster_radius, *(knob.rungs[-1] for knob in _RADII))
    segments = ((-1.0, 0.0), (0.0, parameters.k_max))
    grids = Knob(
        "energy_grid",
        tuple(
            [{"kind": "k_grid", "start": start, "stop": stop, "step": step} for start, stop in segments]
            for step in _STEPS
        ),
        "1/Å",
        tuple(f"step {step:g}" for step in _STEPS),
    )
    return (*(replace(knob, fixed={"cluster_radius": listed}) for knob in _RADII), _L_MAX, grids)
