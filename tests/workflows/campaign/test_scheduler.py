from __future__ import annotations

import os
import subprocess
import time
from datetime import datetime
from typing import Any

import pytest

from whiteline.workflows.campaign.scheduler import read_allocation

BATCH = {"SLURM_JOB_ID": "7", "SLURM_CPUS_ON_NODE": "4", "SLURM_JOB_END_TIME": "2000000000"}


@pytest.fixture(autouse=True)
def many_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))


def answer(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    def run(words: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        assert words[:4] == ["squeue", "--noheader", "--jobs", "7"]
        return subprocess.CompletedProcess(words, 0, stdout=text)

    monkeypatch.setattr(subprocess, "run", run)


def test_outside_of_a_job_there_are_the_cores_of_the_process_and_no_end() -> None:
    found = read_allocation({})
    assert (found.job, found.cores, found.memory, found.seconds_left) == ("", 8, None, None)


def test_a_batch_job_has_all_its_cores_on_the_node() -> None:
    assert read_allocation({**BATCH, "SLURM_CPUS_PER_TASK": "2"}).cores == 4


def test_a_task_of_srun_has_its_own_cores_only() -> None:
    step = {**BATCH, "SLURM_STEP_ID": "0"}
    assert read_allocation({**step, "SLURM_CPUS_PER_TASK": "2"}).cores == 2
    assert read_allocation(step).cores == 1


def test_never_more_cores_than_the_process_may_run_on() -> None:
    assert read_allocation({**BATCH, "SLURM_CPUS_ON_NODE": "64"}).cores == 8


def test_memory_is_of_the_node_or_of_the_cores_and_zero_says_nothing() -> None:
    assert read_allocation({**BATCH, "SLURM_MEM_PER_NODE": "3000"}).memory == 3000
    assert read_allocation({**BATCH, "SLURM_MEM_PER_CPU": "500"}).memory == 2000
    assert read_allocation({**BATCH, "SLURM_MEM_PER_NODE": "0"}).memory is None


def test_a_member_of_an_array_is_named_as_squeue_names_it() -> None:
    array = {**BATCH, "SLURM_ARRAY_JOB_ID": "5", "SLURM_ARRAY_TASK_ID": "2"}
    assert (read_allocation(BATCH).job, read_allocation(array).job) == ("slurm 7", "slurm 5_2")


def test_an_older_slurm_is_asked_for_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    older = {name: value for name, value in BATCH.items() if name != "SLURM_JOB_END_TIME"}
    answer(monkeypatch, "2033-05-18T03:33:20\n")
    assert read_allocation(older).ends_at == datetime(2033, 5, 18, 3, 33, 20).timestamp()  # local
    answer(monkeypatch, "NONE\n")
    assert read_allocation(older).ends_at is None


def test_a_slurm_that_does_not_answer_sets_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(words: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        raise subprocess.TimeoutExpired(words, 10)

    monkeypatch.setattr(subprocess, "run", run)
    assert read_allocation({"SLURM_JOB_ID": "7", "SLURM_CPUS_ON_NODE": "1"}).ends_at is None


def test_an_allocation_that_is_over_has_no_time_left() -> None:
    assert read_allocation({**BATCH, "SLURM_JOB_END_TIME": str(int(time.time()) - 60)}).seconds_left == 0
