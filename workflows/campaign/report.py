"""The report of a campaign: one page that shows how it went and what came of it, and a table of all its tasks."""

from __future__ import annotations

import csv
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from jaxtyping import Float

from whiteline.database.queue import CampaignQueue, Task, TaskKind, TaskState
from whiteline.database.store import SpectrumStore
from whiteline.errors import StoreError
from whiteline.provenance import ProvenanceRecord
from whiteline.spectrum import Spectrum
from whiteline.status import Status
from whiteline.workflows.campaign.harvested import describe_harvest
from whiteline.workflows.campaign.looking import look_at
from whiteline.workflows.campaign.status import CampaignStatus

__all__ = ["CampaignReport", "RepairCount", "StoredSpectrum", "collect_report", "write_report"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

# Spectra in the gallery, and records that are read for what was tried: a report of a million sites is still one page.
MOST_SPECTRA: Final = 60
MOST_RECORDS: Final = 2000
_COLUMNS: Final = (
    "id",
    "label",
    "material",
    "kind",
    "absorber",
    "edge",
    "code",
    "fidelity",
    "state",
    "status",
    "is_from_store",
    "cause",
    "reason",
    "n_attempts",
    "worker",
    "started_at",
    "ended_at",
    "cores",
    "estimate",
    "seconds",
    "engine_seconds",
)
# A spreadsheet takes text that begins so for a formula; names of files come from anywhere.
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, kw_only=True)
class RepairCount:
    """One repair and how it went: how often it was tried against a cause, and converged.

    Attributes:
        repair: What was changed, e.g. `scf_mixing 0.1`.
        cause: What it was tried against.
        n_tried: Number of tries; `n_converged` those that converged.
        seconds: Wall time of them all [s].
    """

    repair: str
    cause: str
    n_tried: int
    n_converged: int
    seconds: float


@dataclass(frozen=True, eq=False, kw_only=True)
class StoredSpectrum:
    """One spectrum of the gallery, with the label and the id of the task that made it."""

    id: str
    label: str
    fidelity: str
    status: Status
    spectrum: Spectrum


@dataclass(frozen=True, eq=False, kw_only=True)
class CampaignReport:
    """Everything that the page shows.

    Attributes:
        status: How far the campaign is.
        expected: What was expected of each task that was computed [s], shape (n_task,).
        measured: What each took [s], shape (n_task,).
        repairs: What was tried where something went wrong.
        n_records: Tasks whose records were read for it, of `n_computed`.
        spectra: What the gallery shows, of `n_spectra`.
        harvest: What was made of them, a name and a description each.
        store: Where the spectra are, without credentials.
    """

    status: CampaignStatus
    expected: Float[Array, " task"]
    measured: Float[Array, " task"]
    repairs: tuple[RepairCount, ...]
    n_records: int
    n_computed: int
    spectra: tuple[StoredSpectrum, ...]
    n_spectra: int
    harvest: tuple[tuple[str, str], ...]
    store: str


def write_report(
    queue: CampaignQueue,
    store: SpectrumStore,
    name: str,
    folder: Path,
    *,
    on_progress: Callable[[float, str], None] = lambda _share, _label: None,
) -> CampaignReport:
    """Write `report.html`, which needs nothing beside it, and `tasks.csv`; return what they show.

    Args:
        queue: Where the campaign is.
        store: Where its spectra are.
        name: Name of the campaign.
        folder: Where the report goes; made if it is not there.
        on_progress: Called with the share that is done and what is being done.

    Raises:
        UnknownCampaignError: There is no such campaign.
        StoreError: Queue or store cannot be read, or a file cannot be written.
    """
    from whiteline.workflows.campaign.page import make_page

    try:
        folder.mkdir(parents=True, exist_ok=True)
        report = collect_report(queue, store, name, folder / "tasks.csv", on_progress=on_progress)
        (folder / "report.html").write_text(make_page(report), encoding="utf-8")
    except OSError as error:
        if isinstance(error, StoreError):
            raise
        raise StoreError(f"cannot write to {folder} ({error.strerror}): choose another place with -o") from error
    return report


def collect_report(
    queue: CampaignQueue,
    store: SpectrumStore,
    name: str,
    table: Path,
    *,
    on_progress: Callable[[float, str], None] = lambda _share, _label: None,
) -> CampaignReport:
    """Read all tasks of a campaign once, write them as a table, and return what a report says of them.

    Args:
        queue: Where the campaign is.
        store: Where its spectra are.
        name: Name of the campaign.
        table: CSV file to write.
        on_progress: Called with the share that is done and what is being done.
    """
    status = look_at(queue, name)
    shown_kind, n_spectra = _shown(status)
    n_computed = sum(r.n_computed + r.counts[TaskState.FAILED] for r in status.requests if _has_record(r.kind))
    shown, looked_at = _Every(n_spectra, MOST_SPECTRA), _Every(n_computed, MOST_RECORDS)
    expected, measured = array("d"), array("d")
    to_show: list[Task] = []
    to_look_at: list[str] = []
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        for i, task in enumerate(queue.tasks(name)):
            writer.writerow(_row(task))
            if i % 1000 == 0:
                on_progress(0.8 * i / max(status.n_tasks, 1), "reading the tasks")
            is_computed = task.state in (TaskState.DONE, TaskState.FAILED) and not task.is_from_store
            if is_computed and _has_record(task.kind):
                if task.state is TaskState.DONE:
                    expected.append(task.estimate)
                    measured.append(task.seconds)
                if looked_at.takes_next():
                    to_look_at.append(task.id)
            if task.kind is shown_kind and task.state is TaskState.DONE and shown.takes_next():
                to_show.append(task)
    on_progress(0.8, "reading the records")
    return CampaignReport(
        status=status,
        expected=np.asarray(expected, dtype=np.float64),
        measured=np.asarray(measured, dtype=np.float64),
        repairs=_count_repairs(record for task_id in to_look_at for record in store.records(task_id)[-1:]),
        n_records=len(to_look_at),
        n_computed=n_computed,
        spectra=tuple(_stored(store, to_show)),
        n_spectra=n_spectra,
        harvest=describe_harvest(status.campaign),
        store=store.address,
    )


class _Every:
    """Chooses at most so many of a known number of things, evenly spread over them."""

    def __init__(self, n_all: int, most: int) -> None:
        self._step = max(1.0, n_all / most)
        self._n_seen = 0
        self._next = 0.0

    def takes_next(self) -> bool:
        is_taken = self._n_seen >= self._next
        self._n_seen += 1
        self._next += self._step * is_taken
        return is_taken


def _has_record(kind: TaskKind) -> bool:
    """Return whether a code ran for it; an average is arithmetic."""
    return kind is not TaskKind.AVERAGE


def _shown(status: CampaignStatus) -> tuple[TaskKind, int]:
    """Return which kind of spectra the gallery shows, and how many of it there are: averages where there is one."""
    numbers = dict.fromkeys(TaskKind, 0)
    for request in status.requests:
        numbers[request.kind] += request.counts[TaskState.DONE]
    kind = next((k for k in (TaskKind.AVERAGE, TaskKind.SITE, TaskKind.SERIES) if numbers[k]), TaskKind.AVERAGE)
    return kind, numbers[kind]


def _stored(store: SpectrumStore, tasks: list[Task]) -> Iterator[StoredSpectrum]:
    for task in tasks:
        document = store.find_by_id(task.id)
        if document is not None and document.spectrum is not None:
            yield StoredSpectrum(
                id=task.id,
                label=task.label,
                fidelity=task.fidelity,
                status=document.status,
                spectrum=document.spectrum,
            )


def _count_repairs(records: Iterator[ProvenanceRecord]) -> tuple[RepairCount, ...]:
    found: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0, 0, 0.0])
    for record in records:
        for before, attempt in zip(record.attempts, record.attempts[1:], strict=False):
            counts = found[attempt["repair"], before["cause"] or ""]
            counts[0] += 1
            counts[1] += attempt["status"] == Status.CONVERGED
            counts[2] += attempt["seconds"]
    rows = [
        RepairCount(repair=repair, cause=cause, n_tried=int(n), n_converged=int(good), seconds=seconds)
        for (repair, cause), (n, good, seconds) in found.items()
    ]
    return tuple(sorted(rows, key=lambda row: (-row.n_tried, row.repair)))


def _row(task: Task) -> list[str]:
    return [_cell(name, getattr(task, name)) for name in _COLUMNS]


def _cell(name: str, value: Any) -> str:
    if name.endswith("_at"):
        return datetime.fromtimestamp(value, UTC).isoformat(timespec="milliseconds") if value else ""
    if isinstance(value, float):
        return f"{value:.3f}"
    text = str(value)
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
