"""Jobs as process nodes: which class, how they ended, and where they ran.

Exit statuses follow AiiDA's own use of the numbers: 1xx the scheduler or the machine, 3xx nothing to rest on, 4xx a
result that is not what was asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from whiteline.causes import Cause
from whiteline.status import Status
from whiteline.workflows.aiida.data_rows import EXTRA, spectrum_label
from whiteline.workflows.aiida.rows import Host, NodeKind, NodeRow, link_label, node_uuid

if TYPE_CHECKING:
    from whiteline.database.documents import SpectrumDocument
    from whiteline.provenance import ProvenanceRecord

__all__ = ["code_rows", "exit_status", "host_of", "is_run", "outcome", "process_row", "workflow_row"]

_UNKNOWN_HOST: Final = "unknown"
# 110 and 120 are what AiiDA's own calculations use for memory and time.
_FAILED: Final = {
    Cause.MEMORY: 110,
    Cause.TIME_LIMIT: 120,
    Cause.DISK_FULL: 130,
    Cause.SCRATCH_LOST: 131,
    Cause.WORKER_LOST: 140,
    Cause.UNKNOWN: 300,
    Cause.CRASH: 301,
    Cause.INPUT: 302,
    Cause.OUTPUT: 303,
    Cause.SETUP: 304,
    Cause.SITES: 305,
    Cause.SCF: 310,
    Cause.LANCZOS: 311,
    Cause.SCREENING: 312,
}
_UNCONVERGED: Final = {Cause.SCF: 410, Cause.LANCZOS: 411, Cause.SCREENING: 412}
_OTHERWISE_UNCONVERGED: Final = 400


def exit_status(status: Status, cause: Cause = Cause.UNKNOWN) -> int:
    """Return the exit status of a process that ended so.

    >>> exit_status(Status.CONVERGED), exit_status(Status.UNCONVERGED), exit_status(Status.FAILED, Cause.MEMORY)
    (0, 400, 110)
    """
    if status is Status.CONVERGED:
        return 0
    if status is Status.UNCONVERGED:
        return _UNCONVERGED.get(cause, _OTHERWISE_UNCONVERGED)
    return _FAILED[cause]


def is_run(record: ProvenanceRecord) -> bool:
    """Return whether the job started a code on a site; what reads, averages or predicts is no run."""
    return record.activity.endswith("-site")


def outcome(record: ProvenanceRecord, document: SpectrumDocument | None) -> tuple[int, str]:
    """Return exit status and message of a job."""
    if document is None:
        return 0, ""
    return exit_status(document.status, _cause(record, document)), document.reason


def _cause(record: ProvenanceRecord, document: SpectrumDocument) -> Cause:
    """Return why it ended so: the cause of the attempt with that status, as the record has it."""
    if document.status is Status.FAILED and document.kind == "material":
        return Cause.SITES
    named = (each.get("cause") for each in record.attempts if each.get("status") == document.status.value)
    found = next((name for name in named if name in set(Cause)), Cause.UNKNOWN)
    return Cause(found)


def host_of(record: ProvenanceRecord) -> Host:
    """Return the machine that a job ran on."""
    is_slurm = any(name.startswith("SLURM_") for name in record.scheduler)
    return Host(record.host or _UNKNOWN_HOST, "core.slurm" if is_slurm else "core.direct", record.system)


def process_row(
    record: ProvenanceRecord,
    document: SpectrumDocument | None,
    *,
    causes: tuple[str, ...],
    absent: Mapping[str, str],
    files: Mapping[str, bytes],
) -> NodeRow:
    """Return the process that a record tells of: a CalcJobNode for the run of a code, else a CalcFunctionNode.

    Args:
        record: The job.
        document: The spectrum that it made.
        causes: UUIDs of the spectra it used, which are part of what it is.
        absent: Spectra that it named and that there are no nodes of: they failed, or are not stored any more.
        files: Input files that go into its repository.
    """
    has_run = is_run(record)
    status, message = outcome(record, document)
    attributes: dict[str, Any] = _ended(_class_name(record), status, message)
    attributes |= _run_attributes(record, files) if has_run else {"function_name": link_label(record.activity)}
    return NodeRow(
        uuid=node_uuid("process", record.id, *causes),
        kind=NodeKind.RUN if has_run else NodeKind.CALCULATION,
        label=record.activity if document is None else spectrum_label(document),
        description=f"{record.activity}, {record.code} {record.code_version}".strip(),
        created=record.started_at,
        modified=record.ended_at,
        attributes=attributes,
        extras={EXTRA: _told(record, document) | ({"without_spectra": dict(absent)} if absent else {})},
        files=files,
        process_type=f"aiida.calculations:whiteline.{link_label(record.activity)}",
        host=host_of(record) if has_run else None,
    )


def workflow_row(record: ProvenanceRecord, document: SpectrumDocument, conclusion: NodeRow, created: str) -> NodeRow:
    """Return the WorkChainNode around a job that concludes from the spectra of others: an average, a convergence.

    Args:
        record: The concluding job.
        document: The spectrum that it made.
        conclusion: Its process.
        created: When the first of what it called began.
    """
    name = "Convergence" if record.activity == "convergence" else "MaterialSpectrum"
    status, message = outcome(record, document)
    return NodeRow(
        uuid=node_uuid("workflow", conclusion.uuid),
        kind=NodeKind.WORKFLOW,
        label=spectrum_label(document),
        description=f"{document.fidelity}, {document.status}",
        created=min(created, record.started_at),
        modified=record.ended_at,
        attributes=_ended(f"{name}WorkChain", status, message),
        extras={EXTRA: {"id": document.id, "record": record.id, "activity": record.activity}},
        process_type=f"aiida.workflows:whiteline.{'convergence' if name == 'Convergence' else 'material'}",
    )


def code_rows(record: ProvenanceRecord) -> dict[str, NodeRow]:
    """Return the programs of a run by the labels of their links, as InstalledCode on its machine."""
    host = host_of(record)
    programs = dict(record.executables) or {record.code: ""}
    names = sorted(programs, key=lambda name: (not name.startswith(record.code), name))
    labels = ["code", *(f"code_{link_label(name)}" for name in names[1:])]
    return {label: _code_row(name, programs[name], record, host) for label, name in zip(labels, names, strict=True)}


def _code_row(name: str, checksum: str, record: ProvenanceRecord, host: Host) -> NodeRow:
    version = f"{record.code} {record.code_version}".strip()
    told = {"code": record.code, "code_version": record.code_version}
    return NodeRow(
        uuid=node_uuid("code", host.name, name, checksum, version),
        kind=NodeKind.CODE,
        # AiiDA looks codes up as label@computer, so that the label has to tell builds apart.
        label=f"{link_label(name)}-{checksum.removeprefix('sha256:')[:8] or link_label(record.code_version)}",
        description=version,
        created=record.started_at,
        modified=record.started_at,
        attributes={
            "input_plugin": None,
            "filepath_executable": name,
            "append_text": "",
            "prepend_text": "",
            "use_double_quotes": False,
            "with_mpi": None,
        },
        extras={EXTRA: told | ({"sha256": checksum.removeprefix("sha256:")} if checksum else {})},
        host=host,
    )


def _class_name(record: ProvenanceRecord) -> str:
    """Return what the process would be called if it were a class, e.g. `FeffCalculation`."""
    activity = record.activity.removesuffix("-site") if is_run(record) else record.activity
    name = "".join(word[:1].upper() + word[1:] for word in link_label(activity).split("_"))
    return f"{name}Calculation" if is_run(record) else name


def _ended(label: str, status: int, message: str) -> dict[str, Any]:
    told: dict[str, Any] = {
        "process_label": label,
        "process_state": "finished",
        "exit_status": status,
        "sealed": True,
    }
    return told | ({"exit_message": message} if message else {})


def _run_attributes(record: ProvenanceRecord, files: Mapping[str, bytes]) -> dict[str, Any]:
    inputs, outputs = list(record.used.get("input", {})), list(record.generated.get("output", {}))
    cores = record.cores or 1
    return {
        "imported": True,  # AiiDA's word for runs that it did not start
        "input_filename": next((name for name in inputs if name in files), ""),
        "output_filename": outputs[0] if outputs else "",
        "retrieve_list": outputs,
        "resources": {"num_machines": 1, "num_mpiprocs_per_machine": cores},
        "withmpi": cores > 1,
        **({"job_id": record.scheduler["SLURM_JOB_ID"]} if "SLURM_JOB_ID" in record.scheduler else {}),
        "version": {"plugin": record.libraries.get("whiteline", "")},
    }


def _told(record: ProvenanceRecord, document: SpectrumDocument | None) -> dict[str, Any]:
    """Return what the record says that nodes and links do not: versions, the machine, the commit, seeds, attempts."""
    told: dict[str, Any] = {
        "record": record.id,
        "activity": record.activity,
        "code": record.code,
        "code_version": record.code_version,
        "host": record.host,
        "system": record.system,
        "libraries": dict(record.libraries),
        "executables": dict(record.executables),
        "commit": record.commit,
        "seeds": dict(record.seeds),
        "cores": record.cores,
        "scheduler": dict(record.scheduler),
        "input_files": dict(record.used.get("input", {})),
        "timings": dict(record.timings),
        "ended_at": record.ended_at,
    }
    if document is not None:
        told |= {"id": document.id, "status": document.status.value, "fidelity": document.fidelity}
    return {name: value for name, value in told.items() if value}
