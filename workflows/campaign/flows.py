"""The flow of a campaign: workers side by side, then the job that looks whether all is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jobflow import Flow, Job, Maker

from whiteline.workflows.campaign.jobs import (
    campaign_worker,
    conclude_campaign,
    freeze_campaign_dataset,
    train_campaign_model,
)

__all__ = ["CAMPAIGN_KEY", "ROLE_KEY", "CampaignMaker"]

# Under which the campaign of a job, and what it does there, stand in its metadata, for whoever looks for it.
CAMPAIGN_KEY = "whiteline_campaign"
ROLE_KEY = "whiteline_role"


@dataclass
class CampaignMaker(Maker):
    """Make the flow of a campaign. A manager sees a few long jobs, whatever the number of sites.

    Attributes:
        campaign: Name of the campaign.
        definition_id: Content hash of what its file says.
        n_workers: Most workers at a time.
        cores: Cores of each, and `walltime` how long each has [s]; None without an end.
        worker_config: What the manager is told about workers (`JobConfig.manager_config`).
        conclusion_config: The same about the jobs that only look, and `dataset_config` about the one that freezes.
        training_config: The same about the training.
        name: Name of the flow, and how the names of its jobs begin.
    """

    campaign: str
    definition_id: str
    n_workers: int = 1
    cores: int = 1
    walltime: float | None = None
    worker_config: Mapping[str, Any] = field(default_factory=dict)
    conclusion_config: Mapping[str, Any] = field(default_factory=dict)
    dataset_config: Mapping[str, Any] = field(default_factory=dict)
    training_config: Mapping[str, Any] = field(default_factory=dict)
    name: str = "campaign"

    def make(
        self, *, n_workers: int | None = None, n_finished: int = 0, n_fruitless: int = 0, generation: int = 1
    ) -> Flow:
        """Return a generation of workers and, as the last job, what concludes it.

        Args:
            n_workers: How many, at most as many as the maker says; those when None. Without one it is only concluded.
            n_finished: Tasks that are finished already.
            n_fruitless: Generations before this one, in a row, that finished nothing.
            generation: Counts the generations, from 1.
        """
        workers = self._make_workers(n_workers, f"worker {generation}")
        conclusion = conclude_campaign(self, [job.output for job in workers], n_finished, n_fruitless, generation)
        self._dress(conclusion, "conclusion", f"conclusion {generation}", self.conclusion_config)
        return self._flow([*workers, conclusion], self.name)

    def make_extra(self, n_workers: int | None = None) -> Flow:
        """Return workers that join a campaign which others conclude."""
        return self._flow(self._make_workers(n_workers, "extra worker"), f"{self.name} extra workers")

    def _make_workers(self, n_workers: int | None, name: str) -> list[Job]:
        n_workers = self.n_workers if n_workers is None else min(n_workers, self.n_workers)
        workers = [campaign_worker(self.campaign, self.definition_id, self.cores) for _ in range(n_workers)]
        for i_worker, job in enumerate(workers, start=1):
            self._dress(job, "worker", f"{name}.{i_worker}", self.worker_config)
        return workers

    def make_harvest(self, *, has_training: bool) -> Flow:
        """Return what follows a finished campaign: its dataset, and the training on it."""
        frozen = freeze_campaign_dataset(self.campaign, self.definition_id)
        self._dress(frozen, "dataset", "dataset", self.dataset_config)
        jobs = [frozen]
        if has_training:
            training = train_campaign_model(self.campaign, self.definition_id, frozen.output)
            self._dress(training, "training", "training", self.training_config)
            jobs.append(training)
        return self._flow(jobs, f"{self.name} dataset")

    def _dress(self, job: Job, role: str, name: str, config: Mapping[str, Any]) -> None:
        job.name = f"{self.campaign} {name}"
        job.metadata = {CAMPAIGN_KEY: self.campaign, ROLE_KEY: role}
        job.config.manager_config = dict(config)

    def _flow(self, jobs: list[Job], name: str) -> Flow:
        return Flow([*jobs], name=f"{self.campaign} {name}", metadata={CAMPAIGN_KEY: self.campaign})
