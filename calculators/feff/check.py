"""What can be known of a FEFF calculation before it starts."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from whiteline.absorber import Absorber
from whiteline.calculators.feff.cluster import build_cluster
from whiteline.calculators.feff.inputs import estimate_cost
from whiteline.calculators.feff.parameters import FeffParameters
from whiteline.calculators.feff.plan import plan_runs
from whiteline.calculators.interface import Finding, Level
from whiteline.calculators.process import find_executable
from whiteline.errors import WhitelineError

__all__ = ["check_calculation"]


def check_calculation(absorber: Absorber, parameters: FeffParameters, *, command: str) -> list[Finding]:
    """Return what is missing or wrong, and what the calculation is expected to cost."""
    return [_executable(command), _cluster(absorber, parameters)]


def _executable(command: str) -> Finding:
    if command:
        try:
            words = find_executable(command, variable="WHITELINE_FEFF_COMMAND", remedy="unset it to use the wheel")
        except WhitelineError as error:
            return Finding("executable", Level.ERROR, str(error), "correct or unset WHITELINE_FEFF_COMMAND")
        return Finding("executable", Level.OK, words[0])
    try:
        return Finding("executable", Level.OK, f"FEFF10 wheel feff10-rs {version('feff10-rs')}")
    except PackageNotFoundError:
        return Finding("executable", Level.ERROR, "no feff10-rs", "pip install feff10-rs")


def _cluster(absorber: Absorber, parameters: FeffParameters) -> Finding:
    try:
        cluster = build_cluster(absorber, parameters)
    except WhitelineError as error:
        return Finding("cluster", Level.ERROR, str(error), "correct the structure or the parameters as it says")
    n_runs = len(plan_runs(absorber.edge, parameters.spin))
    cost = estimate_cost(cluster, parameters, n_runs=n_runs)
    return Finding(
        "cluster",
        Level.OK,
        f"{len(cluster.positions)} atoms, {len(cluster.potentials)} potentials, {n_runs} "
        f"{'run' if n_runs == 1 else 'runs'}, about {cost.cpu_time:.0f} CPU s and {cost.memory:.0f} MB",
    )
