"""The test job without a manager: a script for `sbatch`, as the bare workers are."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from whiteline.calculators.interface import Finding, Level
from whiteline.errors import InputError
from whiteline.workflows.deployment.cluster import cancel_job, job_state, submit_script
from whiteline.workflows.deployment.deployment import CPU_WORKER, GPU_WORKER
from whiteline.workflows.deployment.probe import Probe
from whiteline.workflows.deployment.trials.interface import Patience, TrialError, last_lines

__all__ = ["SlurmTrial"]

_SCRIPTS: Final = {CPU_WORKER: "campaign-worker.sbatch", GPU_WORKER: "train-gpu.sbatch"}
_ENDED: Final = ("", "COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "BOOT_FAIL")
_MINUTES: Final = "15"


@dataclass(frozen=True)
class SlurmTrial:
    """The scripts of a deployment.

    Attributes:
        folder: Folder of the deployment.
        worker: `cpu` or `gpu`.
        work_directory: Folder in which the test job leaves its answer.
    """

    folder: Path
    worker: str
    work_directory: Path

    @property
    def name(self) -> str:
        """See `Trial.name`."""
        return "sbatch"

    def prepare(self) -> Iterator[Finding]:
        """See `Trial.prepare`."""
        script = self._script_file()
        if not script.is_file():
            yield Finding("script", Level.ERROR, f"no {script}", "whiteline deploy init writes it")
            return
        yield Finding("script", Level.OK, str(script))

    def script(self) -> str | None:
        """See `Trial.script`."""
        text = self._script_file().read_text(encoding="utf-8")
        header = [line for line in text.splitlines() if line.startswith("#SBATCH") and "--dependency" not in line]
        return "\n".join(["#!/bin/bash", *header, f". {self.folder}/activate.sh", ""])

    def run(self, token: str, *, patience: Patience) -> Probe:
        """See `Trial.run`."""
        folder = self.work_directory / f"check-{token}"
        folder.mkdir(parents=True)
        answer, log = folder / "answer.json", folder / "job.log"
        gpu = " --gpu" if self.worker == GPU_WORKER else ""
        work = f"python -m whiteline.workflows.deployment.probe --token {token} --output {answer}{gpu}\n"
        options = [f"--output={log}", f"--chdir={folder}", "--no-requeue", f"--time={_MINUTES}"]
        job = submit_script(f"{self.script()}{work}", options)
        try:
            found = self._wait(job, answer, log, patience)
        finally:
            cancel_job(job)
        shutil.rmtree(folder, ignore_errors=True)
        return found

    def _wait(self, job: str, answer: Path, log: Path, patience: Patience) -> Probe:
        state, reason = "", ""
        n_ended = 0
        for _ in patience.looks():
            if answer.is_file():
                return Probe.from_dict(json.loads(answer.read_text(encoding="utf-8")))
            state, reason = job_state(job)
            patience.on_state(f"job {job} {state.lower()} {reason}".strip())
            # A shared disk may show the answer some seconds after the job has ended.
            n_ended = n_ended + 1 if state in _ENDED else 0
            if n_ended > 10:
                said = last_lines(log) or f"state {state or 'unknown'} {reason}"
                raise TrialError(f"job {job} ended without an answer: {said} (log {log})")
        raise TrialError(
            f"job {job} is {state.lower() or 'unknown'} ({reason or 'no reason given'}) after {patience.seconds:.0f} s",
            remedy="wait longer with --timeout, or find out with `squeue` what it waits for",
        )

    def _script_file(self) -> Path:
        if self.worker not in _SCRIPTS:
            raise InputError(f"there is no worker {self.worker!r}: without a manager they are cpu and gpu")
        return self.folder / "slurm" / _SCRIPTS[self.worker]
