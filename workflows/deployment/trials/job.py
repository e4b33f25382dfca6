"""The test job of a deployment, as Jobflow knows it."""

from __future__ import annotations

from typing import Any

from jobflow import job

from whiteline.workflows.deployment.probe import probe

__all__ = ["probe_worker"]


@job
def probe_worker(token: str, wants_gpu: bool) -> dict[str, Any]:  # noqa: FBT001  # an argument of a job is stored
    """Return what the machine that runs this finds (`Probe.to_dict`)."""
    return probe(token, wants_gpu=wants_gpu).to_dict()
