"""What goes wrong around a queue: killed workers and servers, lost answers, wrong clocks, files of others."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING, Any

import pytest
from pymongo import MongoClient
from pymongo.errors import AutoReconnect

from tests.database.queue.conftest import campaign_of, task_of
from tests.servers import MongoServer, start_mongo_server
from whiteline.database import open_store
from whiteline.database.queue import CampaignQueue, Finish, SQLiteQueue, Task, TaskState, open_queue
from whiteline.errors import CorruptStoreError, ParameterError, SchemaVersionError, StoreError

if TYPE_CHECKING:
    from whiteline.database.queue import MongoQueue

DONE = Finish(state=TaskState.DONE, status="converged")
N_KILLS = 5
# Works on tasks, each of some milliseconds, until all are done, and says what it did.
WORKER = """
import sys, time
from whiteline.database.queue import Finish, TaskState, open_queue
address, worker = sys.argv[1:]
queue = open_queue(address)
while any(n for state, n in queue.counts("oxides").items() if not state.is_finished):
    while task := queue.claim("oxides", worker, cores=1, lease=0.3):
        time.sleep(0.005)
        if queue.finish(task.id, worker, Finish(state=TaskState.DONE, status="converged")):
            print(task.id, flush=True)
    time.sleep(0.05)
    queue.reclaim("oxides")
"""


def claim(queue: CampaignQueue, worker: str = "w1", **options: Any) -> Task:
    task = queue.claim("oxides", worker, **{"cores": 1, **options})
    assert task is not None
    return task


# Death of workers


def test_workers_killed_at_any_moment_lose_and_repeat_nothing(
    queue: CampaignQueue, address: str, tmp_path: Path
) -> None:
    sites = [task_of(f"s{i}") for i in range(100)]
    queue.add_tasks("oxides", [*sites, task_of("a", needs=tuple(site.id for site in sites[:3]))])
    said: list[str] = []
    for i in range(N_KILLS + 1):
        command = [sys.executable, "-c", WORKER, address, f"w{i}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as process:
            assert process.stdout is not None
            if i < N_KILLS:
                said += [process.stdout.readline().strip() for _ in range(10)]
                time.sleep(0.02 * random.random())
                process.kill()
            said += process.stdout.read().split()
    said = [task_id for task_id in said if task_id]  # the last ones find nothing to do where they are quick
    assert len(said) == len(set(said))
    assert queue.counts("oxides")[TaskState.DONE] == len(sites) + 1


def test_what_a_killed_writer_did_not_promote_is_promoted_by_the_next(
    queue: CampaignQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    queue.add_tasks("oxides", [task_of("s"), task_of("a", needs=("s",))])
    claim(queue)
    is_embedded = isinstance(queue, SQLiteQueue)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        module = "sqlite_write" if is_embedded else "mongo_write"
        patch.setattr(f"whiteline.database.queue.{module}.promote_after", die)
        queue.finish("s", "w1", DONE)
    if is_embedded:  # one transaction: then it was not finished either
        assert queue.finish("s", "w1", DONE)
    else:
        assert queue.reclaim("oxides") == 1
    assert claim(queue).id == "a"


# The server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MongoServer]:
    server = start_mongo_server(tmp_path / "data")
    yield server
    server.kill()


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("whiteline.database.mongo._TIMEOUT_MS", 500)


def restart(server: MongoServer, *, after: float) -> Timer:
    """Kill a server, and start it again after a while [s]."""
    server.kill()
    timer = Timer(after, server.start)
    timer.start()
    return timer


def test_a_server_killed_under_a_worker_is_waited_for_and_loses_no_task(server: MongoServer) -> None:
    with open_queue(f"{server.address}/spectra") as queue:
        queue.add_campaign(campaign_of())
        queue.add_tasks("oxides", [task_of("a", needs=("s1", "s8")), *(task_of(f"s{i}") for i in range(9))])
        n_steps = 0
        while queue.counts("oxides")[TaskState.DONE] < 10:
            # What was recorded in the last moment before its death may be forgotten: then the lease runs out.
            task = queue.claim("oxides", "w1", cores=1, lease=1.0)
            n_steps += 1
            timer = restart(server, after=0.5) if n_steps in (2, 5, 8) else None
            if task is None:
                queue.reclaim("oxides")
            else:
                queue.finish(task.id, "w1", DONE)
            if timer is not None:
                timer.join()
        assert n_steps >= 10


def test_a_server_killed_while_tasks_are_added_has_each_once(
    server: MongoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("whiteline.database.queue.mongo._GROUP", 50)
    timers: list[Timer] = []

    def tasks() -> Iterator[Task]:
        for i in range(200):
            if i in (70, 140):
                timers.append(restart(server, after=0.7))
            yield task_of(f"s{i}")

    with open_queue(f"{server.address}/spectra") as queue:
        queue.add_campaign(campaign_of())
        assert queue.add_tasks("oxides", tasks()) == 200
        assert sorted(task.id for task in queue.tasks("oxides")) == sorted(f"s{i}" for i in range(200))
    for timer in timers:
        timer.join()


def test_a_server_that_stays_away_is_an_error_after_a_while(
    server: MongoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("whiteline.database.queue.mongo._PATIENCE", 0.5)
    with open_queue(f"{server.address}/spectra") as queue:
        server.kill()
        with pytest.raises(StoreError, match="check that the server runs"):
            queue.campaigns()
    with pytest.raises(StoreError, match="check that the server runs"):
        open_queue(f"{server.address}/spectra")


def test_the_password_is_in_no_message() -> None:
    with pytest.raises(StoreError) as caught:
        open_queue("mongodb://me:secret@127.0.0.1:1/spectra")
    assert "secret" not in str(caught.value)


class Deaf:
    """A collection whose every first answer to a change is lost."""

    def __init__(self, collection: Any) -> None:
        self._collection = collection
        self._is_heard = True

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._collection, name)
        if name == "with_options":
            return lambda **options: Deaf(method(**options))
        if not name.startswith(("update", "insert", "bulk")):
            return method

        def call(*args: Any, **kwargs: Any) -> Any:
            answer = method(*args, **kwargs)
            self._is_heard = not self._is_heard
            if not self._is_heard:
                raise AutoReconnect("connection closed")
            return answer

        return call


@pytest.fixture
def deaf(mongo_address: str) -> Iterator[MongoQueue]:
    from whiteline.database.queue.mongo import open_mongo_queue

    with open_mongo_queue(f"{mongo_address.rstrip('/')}/queue_{time.time_ns()}") as queue:
        queue.add_campaign(campaign_of())
        queue._tasks = Deaf(queue._tasks)
        yield queue


def test_a_change_whose_answer_was_lost_is_made_once_and_known(deaf: MongoQueue) -> None:
    assert deaf.add_tasks("oxides", [task_of("s"), task_of("t"), task_of("a", needs=("t",))]) == 3
    assert claim(deaf).id == "s"
    assert deaf.counts("oxides")[TaskState.RUNNING] == 1
    deaf.release("s", "w1", cause="crash")
    task = deaf.task("s")
    assert task is not None
    assert (task.state, task.n_attempts) == (TaskState.READY, 1)
    assert [claim(deaf).id, claim(deaf).id] == ["s", "t"]
    assert deaf.renew("w1") == {"s", "t"}
    assert deaf.finish("t", "w1", DONE)
    assert deaf.finish("s", "w1", Finish(state=TaskState.FAILED, cause="scf"))
    assert not deaf.finish("t", "w2", DONE)
    assert claim(deaf).id == "a"


# Clocks


def test_clients_with_wrong_clocks_agree_on_who_is_alive(mongo_address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    address = f"{mongo_address.rstrip('/')}/queue_{time.time_ns()}"
    true = time.time
    with open_queue(address) as right:
        monkeypatch.setattr(time, "time", lambda: true() + 86400.0)
        with open_queue(address) as wrong:
            assert wrong.now() == pytest.approx(right.now(), abs=5.0)
            right.add_campaign(campaign_of())
            right.add_tasks("oxides", [task_of("s"), task_of("t")])
            claim(right, "w1", lease=60.0)
            claim(wrong, "w2", lease=60.0)
            assert wrong.reclaim("oxides") == right.reclaim("oxides") == 0
            monkeypatch.setattr(time, "time", true)
            assert wrong.now() == pytest.approx(right.now(), abs=5.0)


# Files


def test_the_queue_of_a_file_is_beside_it(tmp_path: Path) -> None:
    store = tmp_path / "new" / "spectra.db"
    with open_queue(store) as queue:
        assert queue.address == f"sqlite:///{tmp_path}/new/spectra.queue.db"
    assert (tmp_path / "new" / "spectra.queue.db").is_file()
    assert not store.exists()
    with open_queue(f"sqlite:///{store}") as again:
        assert again.address == queue.address
    with pytest.raises(ParameterError, match="unknown kind of store 'postgres'"):
        open_queue("postgres://host/spectra")


def test_a_closed_queue_says_so(tmp_path: Path) -> None:
    with open_queue(tmp_path / "spectra.db") as queue:
        pass
    with pytest.raises(StoreError, match="has been closed"):
        queue.campaigns()


def test_a_store_is_no_queue_and_a_queue_no_store(tmp_path: Path) -> None:
    with open_store(tmp_path / "spectra.queue.db"):
        pass
    with pytest.raises(CorruptStoreError, match="as a queue of Whiteline"):
        open_queue(tmp_path / "spectra.db")
    with open_queue(tmp_path / "other.db"), pytest.raises(CorruptStoreError, match="as a store of Whiteline"):
        open_store(tmp_path / "other.queue.db")


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "spectra.queue.db").write_bytes(b"no database" * 100)
    with pytest.raises(CorruptStoreError, match="is not a Whiteline database"):
        open_queue(tmp_path / "spectra.db")


def test_a_queue_of_a_newer_whiteline_is_refused(queue: CampaignQueue, address: str) -> None:
    if isinstance(queue, SQLiteQueue):
        with closing(sqlite3.connect(queue.path)) as connection:
            connection.execute("PRAGMA user_version = 99")
    else:
        with MongoClient[dict[str, Any]](address) as client:
            client.get_default_database()["meta"].update_one({"_id": "queue"}, {"$set": {"version": 99}})
    with pytest.raises(SchemaVersionError, match="schema version 99"):
        open_queue(address)


def test_a_queue_survives_a_fork(tmp_path: Path) -> None:
    with open_queue(tmp_path / "spectra.db") as queue:
        queue.add_campaign(campaign_of())
        queue.add_tasks("oxides", [task_of("s"), task_of("t")])
        child = get_context("fork").Process(target=claim, args=(queue, "child"))
        child.start()
        child.join()
        assert child.exitcode == 0
        assert claim(queue).id == "t"
        assert queue.counts("oxides")[TaskState.RUNNING] == 2
