"""Handing a campaign to workers: here, or through a manager of jobs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from typing import Any, Final, Self

from whiteline.database.queue import Campaign, CampaignQueue, CampaignState, open_queue
from whiteline.errors import InputError, MissingDependencyError, ParameterError, did_you_mean
from whiteline.settings import Settings, load_settings
from whiteline.workflows.campaign.conclusion import Conclusion, Verdict, conclude, count_finished
from whiteline.workflows.campaign.definition import CampaignDefinition, definition_of
from whiteline.workflows.campaign.flows import CampaignMaker
from whiteline.workflows.campaign.harvest import freeze_dataset, train_once
from whiteline.workflows.campaign.managers.interface import Manager, Needs
from whiteline.workflows.campaign.requests import WorkersRequest
from whiteline.workflows.campaign.status import is_alive
from whiteline.workflows.campaign.worker import WorkerEvent, WorkerReport, work

__all__ = ["Place", "Submission", "Where", "cancel_manager_jobs", "submit"]

_REMOTE: Final = 'pip install "whiteline[remote]"'


class Place(StrEnum):
    """Who runs the workers: this process, or a manager of jobs."""

    LOCAL = "local"
    JOBFLOW_REMOTE = "jobflow-remote"
    FIREWORKS = "fireworks"


@dataclass(frozen=True)
class Where:
    """Where a campaign is computed.

    Attributes:
        place: Who runs the workers.
        name: Worker of jobflow-remote, or launchpad file of FireWorks.
    """

    place: Place
    name: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the place that a text names.

        >>> Where.parse("jobflow-remote:cluster")
        Where(place=<Place.JOBFLOW_REMOTE: 'jobflow-remote'>, name='cluster')

        Raises:
            ParameterError: There is no such place, or it lacks its worker.
        """
        head, _, name = text.strip().partition(":")
        if head not in set(Place):
            hint = did_you_mean(head, [place.value for place in Place])
            raise ParameterError(f"expected local, jobflow-remote:WORKER or fireworks:LAUNCHPAD, got {text!r}: {hint}")
        place = Place(head)
        if place is Place.JOBFLOW_REMOTE and not name:
            raise ParameterError("jobflow-remote needs the name of a worker, e.g. jobflow-remote:cpu")
        if place is Place.LOCAL and name:
            raise ParameterError(f"local takes no name, got {name!r}: this machine has one place only")
        return cls(place, name)

    def __str__(self) -> str:
        return f"{self.place}:{self.name}" if self.name else self.place.value


@dataclass(frozen=True, kw_only=True)
class Submission:
    """What became of a submission.

    Attributes:
        where: Where it went.
        is_new: Whether anything was handed over, or done here.
        ids: What the manager calls its jobs; those that were there already where nothing was added.
        n_workers: Workers that were added.
        notes: What a person should know.
        conclusion: How the campaign ended, where it was computed here.
        report: What the worker here did.
        dataset: Dataset that was frozen here, and `model` what was trained on it; empty without.
    """

    where: Where
    is_new: bool = False
    ids: tuple[str, ...] = ()
    n_workers: int = 0
    notes: tuple[str, ...] = ()
    conclusion: Conclusion | None = None
    report: WorkerReport | None = None
    dataset: dict[str, Any] | None = None
    model: dict[str, Any] | None = None


def submit(
    name: str,
    where: Where | str = Place.LOCAL,
    *,
    settings: Settings | None = None,
    project: str | None = None,
    workers: WorkersRequest | None = None,
    extra_workers: int = 0,
    cores: int | None = None,
    on_event: Callable[[WorkerEvent], None] = lambda _: None,
) -> Submission:
    """Let workers compute a campaign.

    Submitted again, nothing runs twice: while a manager has jobs of it that live, none are added; what the manager
    gave up is tried again; and when all is finished, what is missing of dataset and model is made.

    Args:
        name: Name of the campaign.
        where: Who runs the workers.
        settings: Names the store; read from the environment when None.
        project: Project of jobflow-remote; the only one, or that of JFREMOTE_PROJECT, when None.
        workers: What a manager is asked for, in place of what the campaign was created with.
        extra_workers: So many workers join those that a manager has.
        cores: Cores of the worker that is this process; all that it may use when None.
        on_event: Called with everything that a worker here does.

    Raises:
        UnknownCampaignError: There is no such campaign.
        InputError: It is paused or cancelled, or the workers could not reach its store.
        ParameterError: There is no such place, project, worker or launchpad.
        MissingDependencyError: The manager is not installed.
        StoreError: The store or the manager's database cannot be used.
    """
    where = Where.parse(where) if isinstance(where, str) else where
    settings = settings or load_settings()
    with open_queue(settings.database) as queue:
        campaign = queue.campaign(name)
        _check_active(campaign)
        definition = definition_of(campaign)
        asked = workers or definition.workers
        if where.place is Place.LOCAL:
            return _work_here(queue, definition, settings, cores, on_event)
        manager = open_manager(where, project=project)
        return _hand_over(queue, campaign, definition, asked, settings, manager, where, extra_workers)


def cancel_manager_jobs(name: str, where: Where | str, *, project: str | None = None) -> tuple[str, ...]:
    """Stop all jobs that a manager has of a campaign, and return their ids.

    The tasks stay as they are: see `CampaignQueue.cancel`, and call that first, so that no worker claims another.

    Raises:
        ParameterError: There is no such place, project, worker or launchpad.
        MissingDependencyError: The manager is not installed.
        StoreError: The manager's database cannot be used.
    """
    where = Where.parse(where) if isinstance(where, str) else where
    return () if where.place is Place.LOCAL else open_manager(where, project=project).cancel(name)


def open_manager(where: Where, *, project: str | None = None) -> Manager:
    """Return the manager at a place other than this process.

    Raises:
        ParameterError: There is no such project, worker or launchpad.
        MissingDependencyError: It is not installed.
    """
    module, attribute = {
        Place.JOBFLOW_REMOTE: ("jobflow_remote", "JobflowRemote"),
        Place.FIREWORKS: ("fireworks", "FireWorks"),
    }[where.place]
    try:
        kind = getattr(import_module(f"whiteline.workflows.campaign.managers.{module}"), attribute)
    except ModuleNotFoundError as error:
        raise MissingDependencyError(f"{where.place} is not installed (no {error.name}): {_REMOTE}") from error
    manager: Manager = kind(where.name, project) if where.place is Place.JOBFLOW_REMOTE else kind(where.name)
    return manager


def _check_active(campaign: Campaign) -> None:
    if campaign.state is CampaignState.PAUSED:
        why = f" ({campaign.note})" if campaign.note else ""
        raise InputError(
            f"campaign {campaign.name} is paused{why}: `whiteline campaign resume {campaign.name}` lets it go on"
        )
    if campaign.state is CampaignState.CANCELLED:
        raise InputError(
            f"campaign {campaign.name} was cancelled: create it from its file again (`whiteline campaign create FILE`)"
        )


def _work_here(
    queue: CampaignQueue,
    definition: CampaignDefinition,
    settings: Settings,
    cores: int | None,
    on_event: Callable[[WorkerEvent], None],
) -> Submission:
    """Be the worker, and when all is finished make dataset and model."""
    n_before = count_finished(queue.counts(definition.name))
    report = work(definition.name, settings=settings, cores=cores, on_event=on_event)
    found = conclude(
        queue,
        definition.name,
        n_finished_before=n_before,
        cores=report.cores,
        seconds=None,
        endings=[report.ending],
    )
    dataset = model = None
    if found.verdict is Verdict.FINISHED and definition.dataset is not None:
        dataset = freeze_dataset(definition, settings)
        if definition.training is not None:
            model = train_once(definition, dataset, database=str(settings.database))
    return Submission(
        where=Where(Place.LOCAL), is_new=True, report=report, conclusion=found, dataset=dataset, model=model
    )


def _hand_over(
    queue: CampaignQueue,
    campaign: Campaign,
    definition: CampaignDefinition,
    asked: WorkersRequest,
    settings: Settings,
    manager: Manager,
    where: Where,
    extra_workers: int,
) -> Submission:
    queue.reclaim(campaign.name)
    counts = queue.counts(campaign.name)
    n_finished = count_finished(counts)
    n_left = sum(counts.values()) - n_finished
    configs = manager.configure(
        Needs(
            cores=asked.cores,
            walltime=asked.walltime,
            memory=asked.memory,
            training_worker=definition.training.worker if definition.training is not None else "",
            database=settings.database,
        )
    )
    notes = list(configs.notes)
    if revived := manager.revive(campaign.name, has_live_workers=_has_live_workers(queue, campaign.name)):
        notes.append(f"the manager had given up or lost {len(revived)} of its jobs, which go on: {', '.join(revived)}")
    live = manager.live_jobs(campaign.name)
    maker = CampaignMaker(
        campaign=campaign.name,
        definition_id=campaign.definition_id,
        n_workers=extra_workers or asked.count,
        cores=asked.cores,
        walltime=asked.walltime,
        worker_config=configs.worker,
        conclusion_config=configs.conclusion,
        dataset_config=configs.dataset,
        training_config=configs.training,
    )
    # No more workers than the tasks that are left can use.
    n_workers = min(maker.n_workers, -(-n_left // asked.cores))
    if live and not extra_workers:
        return Submission(where=where, ids=live, notes=(*notes, _already(live)))
    if not n_left and definition.dataset is None:
        return Submission(where=where, notes=(*notes, "all tasks are finished: nothing is left to do"))
    flow = maker.make_extra(n_workers) if live else maker.make(n_workers=n_workers, n_finished=n_finished)
    return Submission(where=where, is_new=True, ids=manager.add(flow), n_workers=n_workers, notes=tuple(notes))


def _already(live: tuple[str, ...]) -> str:
    return (
        f"the manager has {len(live)} jobs of this campaign that wait or run: none was added; ask for more workers if "
        "you want more"
    )


def _has_live_workers(queue: CampaignQueue, name: str) -> bool:
    now = queue.now()
    return any(is_alive(worker, now) for worker in queue.workers(name))
