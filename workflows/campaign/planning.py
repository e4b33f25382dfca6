"""From a campaign file to tasks in the queue: every site is known by its hash, priced, and queued once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

from whiteline.database import open_store
from whiteline.database.queue.interface import CampaignQueue, open_queue
from whiteline.database.queue.tasks import Campaign, CampaignState
from whiteline.database.store import SpectrumStore
from whiteline.errors import InputError, ParameterError, StructureError
from whiteline.settings import Settings, load_settings
from whiteline.workflows.campaign.analysing import analyse_all
from whiteline.workflows.campaign.analysis import Analyst
from whiteline.workflows.campaign.definition import BASE, CampaignDefinition, changed_fields, read_definition
from whiteline.workflows.campaign.history import find_scaling
from whiteline.workflows.campaign.pricing import Price, Tally, make_price
from whiteline.workflows.campaign.sorting import CampaignPlan, TaskSorter
from whiteline.workflows.campaign.structures import count_units, list_units
from whiteline.workflows.plan import Problem

__all__ = ["CreatedCampaign", "PlanningProgress", "create_campaign", "plan_campaign"]


@dataclass(frozen=True)
class PlanningProgress:
    """How far the making of a campaign is.

    Attributes:
        stage: `looking`, then `queueing`.
        n_done: Files and crystals looked at, or tasks queued.
        n_expected: How many there will be, about.
        n_sites: Sites found.
        name: What was looked at last.
    """

    stage: str
    n_done: int
    n_expected: int
    n_sites: int = 0
    name: str = ""


@dataclass(frozen=True, kw_only=True)
class CreatedCampaign:
    """What the making of a campaign did.

    Attributes:
        definition: What was asked for.
        price: What it costs.
        n_tasks: Tasks of it, averages included.
        n_added: How many of them it did not have before.
        is_new: Whether there was no campaign of this name.
        is_dry: Whether it was priced only.
    """

    definition: CampaignDefinition
    price: Price
    n_tasks: int
    n_added: int = 0
    is_new: bool = False
    is_dry: bool = False

    @property
    def name(self) -> str:
        """Name of the campaign."""
        return self.definition.name


def create_campaign(
    campaign: str | Path | CampaignDefinition,
    *,
    settings: Settings | None = None,
    n_processes: int = 1,
    is_dry: bool = False,
    on_progress: Callable[[PlanningProgress], None] = lambda _: None,
) -> CreatedCampaign:
    """Price a campaign and queue its tasks; the same again adds what is new, such as files that came to a folder.

    Killed at any moment, it is completed by doing it again: tasks are known by the ids of what they compute.

    Args:
        campaign: The file, or what it says.
        settings: Machine facts; read from the environment when None.
        n_processes: Crystals looked at side by side.
        is_dry: Price it only.
        on_progress: Told how far it is.

    Raises:
        InputError: The file says something impossible, names nothing to compute, or another campaign has its name.
        StoreError: Store or queue cannot be used.
    """
    settings = settings or load_settings()
    definition = campaign if isinstance(campaign, CampaignDefinition) else read_definition(campaign)
    with open_store(settings.database) as store, open_queue(settings.database) as queue:
        known = _known(queue, definition)
        if not is_dry:
            store.check_writable()
        with plan_campaign(
            definition, store, queue, settings=settings, n_processes=n_processes, on_progress=on_progress
        ) as plan:
            if is_dry:
                return CreatedCampaign(
                    definition=definition, price=plan.price, n_tasks=plan.n_tasks, is_new=known is None, is_dry=True
                )
            queue.add_campaign(
                Campaign(
                    name=definition.name,
                    definition=definition.text,
                    definition_id=definition.id,
                    created_at=queue.now(),
                    budget=definition.budget,
                    plan={**plan.price.to_dict(), BASE: str(definition.base)},
                )
            )
            if known is not None and known.state is CampaignState.CANCELLED:
                queue.set_state(definition.name, CampaignState.ACTIVE)
            n_before = sum(queue.counts(definition.name).values())
            _add(queue, definition.name, plan, on_progress)
            n_tasks = sum(queue.counts(definition.name).values())
    return CreatedCampaign(
        definition=definition,
        price=plan.price,
        n_tasks=n_tasks,
        n_added=n_tasks - n_before,
        is_new=known is None,
    )


def _known(queue: CampaignQueue, definition: CampaignDefinition) -> Campaign | None:
    """Return the campaign of this name, if there is one.

    Raises:
        InputError: It was made from another file.
    """
    known = next((campaign for campaign in queue.campaigns() if campaign.name == definition.name), None)
    if known is not None and known.definition_id != definition.id:
        fields = ", ".join(changed_fields(known.definition, definition.text)) or "what its file says"
        raise InputError(
            f"{definition.source}: there is a campaign {definition.name!r} already, and it differs in {fields}: give "
            "this one another name (what both want is computed once), or set the file back as it was"
        )
    return known


def _add(queue: CampaignQueue, name: str, plan: CampaignPlan, on_progress: Callable[[PlanningProgress], None]) -> None:
    n_done = 0
    for contents, tasks in plan.groups():
        # Contents first: a worker that is there already claims a task at once.
        queue.add_contents(contents)
        queue.add_tasks(name, tasks)
        n_done += len(tasks)
        on_progress(PlanningProgress("queueing", n_done, plan.n_tasks))


@contextmanager
def plan_campaign(
    definition: CampaignDefinition,
    store: SpectrumStore,
    queue: CampaignQueue,
    *,
    settings: Settings,
    n_processes: int = 1,
    on_progress: Callable[[PlanningProgress], None] = lambda _: None,
) -> Iterator[CampaignPlan]:
    """Yield the tasks of a campaign with their price; they wait in a file of this block, so that memory stays small.

    Args:
        definition: The campaign.
        store: Where spectra may be already, and times of earlier calculations.
        queue: Where tasks may be already.
        settings: Machine facts.
        n_processes: Crystals looked at side by side.
        on_progress: Told how far it is.

    Raises:
        InputError: An engine cannot be set up, nothing is left to compute, or something cannot be used and the file
            says `skip_bad = false`.
    """
    if n_processes < 1:
        raise ParameterError(f"the number of processes must be at least 1, got {n_processes}")
    analyst = Analyst.of(definition, settings)
    problems: list[Problem] = []
    tallies = [
        Tally(request, find_scaling(store, calculator, request.fidelity))
        for request, calculator in zip(analyst.requests, analyst.calculators, strict=True)
    ]
    with TemporaryFile(prefix="whiteline-campaign-") as file:
        sorter = TaskSorter(store, queue, tallies, file)
        units = list_units(definition.structures, store, on_bad=problems.append)
        n_expected, n_structures = count_units(definition.structures, store), 0
        for n_done, analysis in enumerate(analyse_all(analyst, units, n_processes), start=1):
            n_structures += len(analysis.names)
            problems += analysis.problems
            if problems and not definition.structures.skip_bad:
                break
            sorter.take(analysis)
            name = analysis.names[-1] if analysis.names else ""
            on_progress(PlanningProgress("looking", n_done, max(n_done, n_expected), sorter.n_sites, name))
        if problems and not definition.structures.skip_bad:
            raise StructureError(f"{definition.source}: {_words(problems[0])}")
        if not sorter.n_tasks:
            raise InputError(_nothing(definition, n_structures, problems))
        price = make_price(definition, tallies, n_structures=n_structures, problems=problems, store=store)
        yield CampaignPlan(price, sorter.n_tasks, file)


def _words(problem: Problem) -> str:
    return problem.reason if problem.subject in problem.reason else f"{problem.subject}: {problem.reason}"


def _nothing(definition: CampaignDefinition, n_structures: int, problems: list[Problem]) -> str:
    elements = sorted({name for request in definition.spectra for name in request.absorbers})
    words = f"{definition.source}: nothing to compute: {n_structures} structures were read"
    if not problems:
        return f"{words}, and none holds {' or '.join(elements)}: check absorbers and structures"
    return f"{words}, and {len(problems)} cannot be used, the first: {_words(problems[0])}"
