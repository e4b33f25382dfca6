"""Writing feff.inp.

Grammar: the FEFF10 user's guide, and itoken.f90 of the source (cards are recognised by their first four letters).
"""

from __future__ import annotations

from math import log

from whiteline.absorber import Absorber
from whiteline.calculators.feff.cluster import Cluster, build_cluster
from whiteline.calculators.feff.parameters import Elnes, FeffParameters, SpinMode
from whiteline.calculators.feff.plan import SubRun, plan_runs
from whiteline.calculators.interface import Estimate

__all__ = ["estimate_cost", "write_inputs"]

# What FEFF takes for every element of these cards when it is left to it.
_L_MAX_OF_FEFF = 3


def write_inputs(absorber: Absorber, parameters: FeffParameters) -> dict[str, str]:
    """Return feff.inp by path; a combined edge such as L2,3 and a calculation with spin become several folders.

    Raises:
        StructureError: FEFF cannot compute the absorber (`build_cluster` says why).
    """
    cluster = build_cluster(absorber, parameters)
    runs = plan_runs(absorber.edge, parameters.spin)
    atoms = _atoms(cluster, parameters)
    return {run.path("feff.inp"): _feff_inp(absorber, cluster, atoms, parameters, run) for run in runs}


def _feff_inp(absorber: Absorber, cluster: Cluster, atoms: list[str], parameters: FeffParameters, run: SubRun) -> str:
    formula = absorber.structure.composition.element_composition.reduced_formula
    lines = [
        f"TITLE {formula} {absorber.element} {run.edge}, site {absorber.site_id[:12]}",
        "",
        *_cards(parameters, run),
        "",
        *_potentials(cluster, parameters, run),
        "",
        *atoms,
        "END",
        "",
    ]
    return "\n".join(lines)


def _potentials(cluster: Cluster, parameters: FeffParameters, run: SubRun) -> list[str]:
    l_max = parameters.l_max
    has_spin = parameters.spin is not SpinMode.NONE
    return [
        "POTENTIALS",
        "*   ipot   Z  tag     l_scf l_fms      xnatph" + ("    spinph" if has_spin else ""),
        *(
            f"  {i:5d} {p.atomic_number:3d}  {p.tag:6s} {l_max:5d} {l_max:5d}  {p.n_in_cell:10.6g}"
            + (f" {run.channel.moment_sign * p.moment + 0.0:9.4f}" if has_spin else "")
            for i, p in enumerate(cluster.potentials)
        ),
    ]


def _atoms(cluster: Cluster, parameters: FeffParameters) -> list[str]:
    tags = [f"{i:4d} {potential.tag:6s}" for i, potential in enumerate(cluster.potentials)]
    rows = zip(
        (cluster.positions + 0.0).tolist(), cluster.i_potential.tolist(), cluster.distances.tolist(), strict=True
    )
    return [
        f"ATOMS * {len(cluster.positions)} atoms within {parameters.cluster_radius} Angstrom",
        "*          x             y             z  ipot tag      distance",
        *(f"  {x:13.7f} {y:13.7f} {z:13.7f} {tags[i]} {d:10.5f}" for (x, y, z), i, d in rows),
    ]


def _cards(parameters: FeffParameters, run: SubRun) -> list[str]:
    p = parameters
    model, background = p.exchange
    cards = [
        "CONTROL 1 1 1 1 1 1",
        f"EDGE {run.edge}",
        f"S02 {p.s02:g}",
        f"COREHOLE {p.core_hole}",
        f"EXCHANGE {model} {p.fermi_shift:g} {p.extra_broadening:g} {background}",
    ]
    if p.scf_radius is not None:
        cards.append(f"SCF {p.scf_radius:g} 0 {p.scf_max_iterations} {p.scf_mixing:g} {p.scf_n_mix}")
    grid = f"{p.k_max:g} {p.k_step:g} {p.energy_step:g}"
    cards.append(f"FMS {p.fms_radius:g} 0")
    cards += _elnes(p.elnes, grid) if p.elnes else [f"XANES {grid}"]
    cards += ["RPATH -1", *run.channel.cards]
    if p.overlap is not None:
        cards.append(f"AFOLP {p.overlap:g}")
    if p.hole_width is not None:
        cards.append(f"CHWIDTH {p.hole_width:g}")
    if p.energy_grid:
        cards.append("EGRID")
        cards += [f"{g.kind} {g.start:g} {g.stop:g} {g.step:g}" for g in p.energy_grid]
    return cards


def _elnes(elnes: Elnes, grid: str) -> list[str]:
    """Return the ELNES card with the four or five lines of numbers that belong to it."""
    is_averaged = elnes.beam_direction is None
    direction = [] if elnes.beam_direction is None else [" ".join(f"{x:.10g}" for x in elnes.beam_direction)]
    # Averaging leaves no cross terms, and FEFF warns when it is asked for both.
    flags = (is_averaged, elnes.cross_terms and not is_averaged, elnes.relativistic)
    return [
        f"ELNES {grid}",
        f"{elnes.beam_energy:g} " + " ".join(str(int(flag)) for flag in flags),
        *direction,
        f"{elnes.collection_angle:g} {elnes.convergence_angle:g}",
        f"{elnes.n_radial} {elnes.n_angular}",
        f"{elnes.detector[0]:g} {elnes.detector[1]:g}",
    ]


def estimate_cost(cluster: Cluster, parameters: FeffParameters, *, n_runs: int = 1) -> Estimate:
    """Return a rough cost: full multiple scattering inverts a matrix of atoms and angular momenta at every energy.

    The constants are a fit to anatase at eight pairs of radii and three angular momenta on one core of 2024; other
    machines and chemistries differ by a factor of two or so, which is enough for a progress bar and to order the rungs
    of a convergence. Two spins double the matrix, and an oriented energy-loss spectrum solves for more elements of it.
    """
    l_max = parameters.l_max if parameters.l_max >= 0 else _L_MAX_OF_FEFF
    n = (l_max + 1) ** 2 * cluster.n_within(parameters.fms_radius) * (1 if parameters.spin is SpinMode.NONE else 2)
    fms = _n_energies(parameters) * (8.2e-8 * n**2 + 8.1e-11 * n**3)
    scf = 0.064 * cluster.n_within(parameters.scf_radius) ** 1.85 if parameters.scf_radius else 0.0
    scf *= max(1.0, (l_max + 1) / (_L_MAX_OF_FEFF + 1)) ** 1.5
    return Estimate(cpu_time=n_runs * (3.0 + fms + scf), memory=30.0 + 5.2e-5 * n**2)


def _n_energies(parameters: FeffParameters) -> float:
    """Return about how many energies FEFF computes."""
    if not parameters.energy_grid:
        return 2.0 * parameters.k_max / parameters.k_step
    # The steps of an exponential grid grow by their own factor.
    return sum(
        log(max(segment.stop, 1e-3) / max(segment.start, 1e-3)) / segment.step
        if segment.kind == "exp_grid"
        else (segment.stop - segment.start) / segment.step
        for segment in parameters.energy_grid
    )
