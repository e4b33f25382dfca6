"""Both kinds of queue, a campaign in it, and tasks."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from whiteline.database.queue import Campaign, CampaignQueue, Task, TaskKind, open_queue


class TaskMaker(Protocol):
    """Makes a task that differs from a site of FEFF in what is given."""

    def __call__(self, name: str = "site", **changes: Any) -> Task: ...


@pytest.fixture(scope="session")
def make_task() -> TaskMaker:
    return task_of


def task_of(name: str = "site", **changes: Any) -> Task:
    values: dict[str, Any] = {
        "id": name,
        "kind": TaskKind.AVERAGE if changes.get("needs") else TaskKind.SITE,
        "label": f"anatase {name} K",
        "material": "anatase",
        "absorber": "Ti",
        "edge": "K",
        "code": "feff",
        "fidelity": "feff:fast",
        "payload": {"structure": "structure:ab12", "site_index": 0, "values": {"fms_radius": 6.0}},
    }
    return Task(**{**values, **changes})


def campaign_of(name: str = "oxides", **changes: Any) -> Campaign:
    values: dict[str, Any] = {"definition": f"name = '{name}'", "definition_id": f"id of {name}", "created_at": 1.0}
    return Campaign(**{"name": name, **values, **changes})


@pytest.fixture(params=["sqlite", "mongo"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a store that nobody has used yet."""
    if request.param == "sqlite":
        return str(tmp_path / "spectra.db")
    server: str = request.getfixturevalue("mongo_address")
    return f"{server.rstrip('/')}/queue_{uuid.uuid4().hex[:12]}"


@pytest.fixture
def empty(address: str) -> Iterator[CampaignQueue]:
    with open_queue(address) as queue:
        yield queue


@pytest.fixture
def queue(empty: CampaignQueue) -> CampaignQueue:
    """A queue with the campaign `oxides`, which has no task yet."""
    empty.add_campaign(campaign_of())
    return empty
