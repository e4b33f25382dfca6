"""Jobs of a campaign: workers that pull tasks from its queue, and the one that looks at what they left behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jobflow import CURRENT_JOB, Flow, Job, JobConfig, OnMissing, Response, job

from whiteline.database.queue import Campaign, CampaignQueue, UnknownCampaignError, open_queue
from whiteline.errors import StoreError
from whiteline.settings import Settings, load_settings
from whiteline.workflows.campaign.conclusion import Verdict, conclude
from whiteline.workflows.campaign.definition import CampaignDefinition, definition_of
from whiteline.workflows.campaign.harvest import freeze_dataset, train_once
from whiteline.workflows.campaign.scheduler import read_allocation
from whiteline.workflows.campaign.worker import work

if TYPE_CHECKING:
    from whiteline.workflows.campaign.flows import CampaignMaker

__all__ = ["campaign_worker", "conclude_campaign", "freeze_campaign_dataset", "train_campaign_model"]


# Workers take over the parents of the job that they replace, and some of those may have been killed. To jobflow-remote
# a job waits for its parents to succeed unless it can do without their outputs.
@job(config=JobConfig(on_missing_references=OnMissing.NONE))
def campaign_worker(name: str, definition_id: str, cores: int) -> dict[str, Any]:
    """Work on a campaign with all that this job was given; return what was done.

    Where the store is, and what the machine offers, is read from the environment of the job: a flow carries neither
    addresses nor secrets.

    Args:
        name: Name of the campaign.
        definition_id: Content hash of the campaign that is meant, in case the queue here is another.
        cores: Cores to use where no scheduler says how many there are.

    Raises:
        StoreError: The queue cannot be used, or does not hold this campaign.
    """
    settings, allocation = load_settings(), read_allocation()
    with open_queue(settings.database) as queue:
        _meant(queue, name, definition_id)
    report = work(
        name,
        settings=settings,
        cores=allocation.cores if allocation.job else min(cores, allocation.cores),
        seconds=allocation.seconds_left,
        job=allocation.job,
    )
    return report.to_dict()


# Workers that were killed leave no report, and what comes next must not take over what belongs to workers.
@job(config=JobConfig(on_missing_references=OnMissing.NONE, pass_manager_config=False))
def conclude_campaign(
    maker: CampaignMaker,
    reports: Sequence[Mapping[str, Any] | None],
    n_finished_before: int,
    n_fruitless_before: int,
    generation: int,
) -> Response[dict[str, Any]] | dict[str, Any]:
    """Look at what a generation of workers left behind, and go on: with another one, with the dataset, or not.

    With another one this job is replaced by its workers and itself. Dataset and training are added behind it.

    Args:
        maker: Makes the next generation.
        reports: What the workers did; None for those that were killed.
        n_finished_before: Tasks that were finished when they began.
        n_fruitless_before: Generations before this one, in a row, that finished nothing.
        generation: Counts the generations, from 1.

    Raises:
        StoreError: The queue cannot be used, or does not hold this campaign.
    """
    settings = load_settings()
    with open_queue(settings.database) as queue:
        definition = definition_of(_meant(queue, maker.campaign, maker.definition_id))
        found = conclude(
            queue,
            maker.campaign,
            n_finished_before=n_finished_before,
            n_fruitless_before=n_fruitless_before,
            cores=maker.cores,
            seconds=maker.walltime,
            endings=[report["ending"] for report in reports if report is not None],
        )
    said = {**found.to_dict(), "generation": generation, "reports": list(reports)}
    if found.verdict is Verdict.GOES_ON:
        flow = maker.make(
            n_workers=found.n_workers,
            n_finished=found.n_finished,
            n_fruitless=found.n_fruitless,
            generation=generation + 1,
        )
        _take_place(flow)
        return Response(said, replace=flow)
    if found.verdict is Verdict.FINISHED and definition.dataset is not None:
        return Response(said, addition=maker.make_harvest(has_training=definition.training is not None))
    return said


def _take_place(flow: Flow) -> None:
    """Let the last job of a flow be the next index of the job that runs, so that its output stands for both.

    Jobflow does this itself for a flow with an output, by one more job that passes it on; that would be one more job
    in the queue of a scheduler for every generation.
    """
    current, last = CURRENT_JOB.job, flow.jobs[-1]
    if current is not None and isinstance(last, Job):
        last.set_uuid(current.uuid)
        last.index = current.index + 1


@job
def freeze_campaign_dataset(name: str, definition_id: str) -> dict[str, Any]:
    """Freeze the dataset of a finished campaign; return its folder, name, content hash and number of spectra.

    Args:
        name: Name of the campaign.
        definition_id: Content hash of the campaign that is meant.

    Raises:
        StoreError: The queue or the store cannot be used, or the folder cannot be written.
        InputError: The campaign asks for no dataset, nothing is found, or another dataset is there.
    """
    settings = load_settings()
    return freeze_dataset(_definition(name, definition_id, settings), settings)


@job
def train_campaign_model(name: str, definition_id: str, dataset: Mapping[str, Any]) -> dict[str, Any]:
    """Train what a campaign asks for on its dataset; an attempt that was ended is gone on with.

    Args:
        name: Name of the campaign.
        definition_id: Content hash of the campaign that is meant.
        dataset: What `freeze_campaign_dataset` returned.

    Raises:
        StoreError: The queue cannot be used, or the folder of the model holds something else.
        InputError: The campaign asks for no training, or the dataset does not suffice for it.
    """
    settings = load_settings()
    return train_once(_definition(name, definition_id, settings), dataset, database=str(settings.database))


def _definition(name: str, definition_id: str, settings: Settings) -> CampaignDefinition:
    with open_queue(settings.database) as queue:
        return definition_of(_meant(queue, name, definition_id))


def _meant(queue: CampaignQueue, name: str, definition_id: str) -> Campaign:
    """Return the campaign that a job belongs to.

    Raises:
        StoreError: The queue here is not the one that it was submitted from.
    """
    remedy = (
        "this machine uses another store than the one that submitted the campaign: set WHITELINE_DATABASE in the "
        "environment of its jobs to the same address (`whiteline deploy check` compares them)"
    )
    try:
        campaign = queue.campaign(name)
    except UnknownCampaignError as error:
        raise StoreError(f"no campaign {name} in {queue.address}: {remedy}") from error
    if campaign.definition_id != definition_id:
        raise StoreError(f"campaign {name} in {queue.address} has another definition: {remedy}")
    return campaign
