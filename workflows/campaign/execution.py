"""Computing one task of a campaign, in whatever process is told to."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from jobflow import Flow

from whiteline.absorber import Absorber, find_absorbers
from whiteline.calculators.interface import Calculator
from whiteline.causes import Cause
from whiteline.convergence import Tolerance
from whiteline.database.queue import Finish, Task, TaskKind, TaskState
from whiteline.edges import Edge
from whiteline.errors import InputError, MissingDependencyError
from whiteline.settings import Settings
from whiteline.status import Status
from whiteline.workflows.campaign.contents import unpack_structure
from whiteline.workflows.convergence import ConvergenceMaker, certificate_id
from whiteline.workflows.engines import restore_calculator
from whiteline.workflows.flows import SiteSpectrumMaker
from whiteline.workflows.jobs import average_sites, compute_site, material_id, site_calculation_id
from whiteline.workflows.local import run_flow
from whiteline.workflows.workspace import Workspace

__all__ = ["run_task"]

Contents = Callable[[str], bytes]


def run_task(task: Task, contents: Contents, settings: Settings, *, timeout: float | None = None) -> Finish:
    """Compute and store what a task asks for, unless the store has it; return how it ended.

    Args:
        task: What to compute.
        contents: Returns the large parts of the payload by their keys.
        settings: Facts of the machine that this runs on.
        timeout: Longest wall time of one run of a code [s], where it is shorter than that of the settings.

    Raises:
        StoreError: The store or the run directory cannot be used: nothing was learned about the task.
    """
    started = time.monotonic()
    workspace = Workspace.from_settings(settings)
    try:
        output = _COMPUTE[task.kind](task, contents, settings, workspace, timeout)
    except MissingDependencyError as error:
        finish = Finish(state=TaskState.FAILED, cause=Cause.SETUP, reason=str(error))
    except InputError as error:
        finish = Finish(state=TaskState.FAILED, cause=Cause.INPUT, reason=str(error))
    else:
        finish = _finish(output)
    return replace(finish, seconds=time.monotonic() - started)


def _finish(output: Mapping[str, Any]) -> Finish:
    status = Status(output["status"])
    if reason := output.get("planned_otherwise", ""):
        return Finish(state=TaskState.FAILED, cause=Cause.SETUP, reason=reason)
    return Finish(
        state=TaskState.DONE if status.has_spectrum else TaskState.FAILED,
        status=status.value,
        is_from_store=output["is_from_store"],
        cause="" if status.has_spectrum else output.get("cause") or Cause.UNKNOWN,
        reason="" if status is Status.CONVERGED else output.get("reason", ""),
        engine_seconds=output.get("engine_seconds", 0.0),
    )


def _compute_site(
    task: Task, contents: Contents, settings: Settings, workspace: Workspace, timeout: float | None
) -> Mapping[str, Any]:
    payload, absorber = task.payload, _absorber(task.payload, contents)
    calculator = _calculator(task, settings, timeout)
    if different := _otherwise(task, site_calculation_id(absorber, calculator)):
        return different
    return _plain(compute_site)(
        absorber,
        calculator,
        workspace,
        payload["title"],
        payload["source"],
        payload["fidelity"],
        source_checksum=_source_checksum(payload),
    )


def _converge_site(
    task: Task, contents: Contents, settings: Settings, workspace: Workspace, timeout: float | None
) -> Mapping[str, Any]:
    payload, absorber = task.payload, _absorber(task.payload, contents)
    calculator, asked = _calculator(task, settings, timeout), payload["series"]
    maker = ConvergenceMaker(
        SiteSpectrumMaker(workspace, calculator, payload["fidelity"]),
        tolerance=Tolerance(**asked["tolerance"]),
        knobs=tuple(asked["knobs"]),
        budget=asked["budget"],
    )
    job = maker.make(
        absorber, title=payload["title"], source=payload["source"], source_checksum=_source_checksum(payload)
    )
    if different := _otherwise(task, certificate_id(absorber, calculator, job.function_args[3])):
        return different
    outputs = run_flow(Flow([job]))
    rungs = [output for output in outputs.values() if isinstance(output, dict)]
    return {**outputs[job.uuid], "engine_seconds": sum(rung.get("engine_seconds", 0.0) for rung in rungs)}


def _average(
    task: Task, contents: Contents, settings: Settings, workspace: Workspace, timeout: float | None
) -> Mapping[str, Any]:
    payload = task.payload
    structure = unpack_structure(contents(payload["structure"]))
    absorber = find_absorbers(structure, payload["absorber"], Edge(payload["edge"]))[0]
    # An average of other sites would have another id, so that what was there when these were asked for is the same.
    sites = [{**site, "is_from_store": True} for site in payload["sites"]]
    if different := _otherwise(task, material_id(sites)):
        return different
    calculator = _calculator(task, settings, timeout)
    output = _plain(average_sites)(
        absorber,
        calculator,
        workspace,
        sites,
        payload["source"],
        payload["fidelity"],
        source_checksum=_source_checksum(payload),
    )
    return {"cause": Cause.SITES, "reason": "one of its sites failed", **output}


_COMPUTE = {TaskKind.SITE: _compute_site, TaskKind.SERIES: _converge_site, TaskKind.AVERAGE: _average}


def _plain(job: Callable[..., Any]) -> Callable[..., dict[str, Any]]:
    """Return the function that a job was made of: here it runs at once."""
    plain: Callable[..., dict[str, Any]] = job.original  # type: ignore[attr-defined]  # jobflow does not say so
    return plain


def _source_checksum(payload: Mapping[str, Any]) -> str:
    checksum: str = payload.get("source_checksum", "")  # tasks that were queued before there was one
    return checksum


def _absorber(payload: Mapping[str, Any], contents: Contents) -> Absorber:
    structure = unpack_structure(contents(payload["structure"]))
    return Absorber(structure, payload["site_index"], Edge(payload["edge"]), multiplicity=payload["multiplicity"])


def _calculator(task: Task, settings: Settings, timeout: float | None) -> Calculator:
    if timeout is not None and timeout < settings.timeout:
        settings = settings.model_copy(update={"timeout": timeout})
    calculator = restore_calculator(task.code, task.payload["values"], settings)
    return calculator.with_cores(task.cores)


def _otherwise(task: Task, found: str) -> Mapping[str, Any]:
    """Return a failure where this machine would compute something else than was planned; empty where it is the same."""
    if found == task.id:
        return {}
    reason = (
        f"this machine would compute {found[:12]}, planned was {task.id[:12]}: its pseudopotentials or its version of "
        "Whiteline differ from those where the campaign was created; make them the same, then retry"
    )
    return {"status": Status.FAILED, "planned_otherwise": reason}
