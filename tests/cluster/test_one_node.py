"""The SLURM that other tests use does what a cluster's would."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

from tests.cluster.campaigns import ask_slurm
from tests.servers import OneNodeSlurm


def submit(script: str, *options: str) -> str:
    command = ["sbatch", "--parsable", *options, f"--wrap={script}"]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip()


def wait_for_text(path: Path, text: str) -> str:
    deadline = time.monotonic() + 60.0
    while time.monotonic() < deadline:
        if path.is_file() and text in (found := path.read_text(encoding="utf-8")):
            return found
        time.sleep(0.1)
    raise TimeoutError(f"{text!r} never came into {path}")


def test_the_gpu_partition_gives_a_gpu_by_name(slurm: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    submit('echo "device=$CUDA_VISIBLE_DEVICES"; echo end', "--partition=gpu", "--gres=gpu:1", f"--output={log}")
    assert "device=0\n" in wait_for_text(log, "end")


def test_a_job_outlives_the_death_of_the_daemons(slurm: Path, slurm_daemons: OneNodeSlurm, tmp_path: Path) -> None:
    log, go = tmp_path / "log", tmp_path / "go"
    job = submit(f"echo begin; until [ -e {go} ]; do sleep 0.1; done; echo end", f"--output={log}")
    wait_for_text(log, "begin")
    began = time.time()
    # A change that the controller saves: it may have saved the start of the job already, and would wait for another.
    ask_slurm("scontrol", "update", f"JobId={job}", "Comment=saved")
    wait_for_saved_jobs(slurm, since=began)
    for daemon in ("slurmctld", "slurmd"):
        os.kill(slurm_daemons.pid(daemon), signal.SIGKILL)
    slurm_daemons.run("start")
    go.touch()
    assert wait_for_text(log, "end") == "begin\nend\n"


def wait_for_saved_jobs(slurm: Path, *, since: float) -> None:
    """Wait until the controller has saved its jobs: it forgets one that began just before it is killed."""
    deadline = time.monotonic() + 60.0
    while time.monotonic() < deadline:
        saved = slurm / "state" / "job_state"
        if saved.is_file() and saved.stat().st_mtime > since:
            return
        time.sleep(0.1)
    raise TimeoutError(f"{saved} was not written")
