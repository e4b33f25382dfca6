from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.workflows.campaign.half_done import NAME, add_campaign, fill_half, make_task, make_worker, task_id
from whiteline.database.queue import CampaignQueue, CampaignState, TaskState, open_queue
from whiteline.workflows.campaign.submission import Submission, Where

from .conftest import Command, write_copper

FILE = """
name = "copper"
budget = "1 core hour"

[structures]
paths = ["crystals"]

[[spectra]]
absorbers = ["Cu"]
preset = "fast"
set = { scf_radius = 2.7, fms_radius = 2.7, core_hole = "none", energy_grid = [], k_step = 0.2, k_max = 3 }
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A campaign of two crystals with one site each, two seconds of FEFF a site."""
    (tmp_path / "crystals").mkdir()
    write_copper(tmp_path / "crystals" / "copper.cif")
    write_copper(tmp_path / "crystals" / "wider.cif", lattice_constant=3.65)
    path = tmp_path / "copper.toml"
    path.write_text(FILE)
    return path


@pytest.fixture
def half(tmp_path: Path) -> Path:
    """A campaign in the middle, at the default address."""
    with open_queue(tmp_path / "spectra.db") as queue:
        fill_half(queue)
    return tmp_path / "spectra.db"


def on_queue(path: Path, read: Callable[[CampaignQueue], Any]) -> Any:
    with open_queue(path) as queue:
        return read(queue)


def test_a_campaign_is_priced_created_computed_and_reported(whiteline: Command, file: Path) -> None:
    priced = whiteline("campaign", "create", file, "--dry-run")
    assert (priced.code, "Nothing was queued" in priced.out) == (0, True), priced.err
    made = whiteline("campaign", "create", file)
    assert made.code == 0, made.err
    assert "created copper: 4 tasks, averages included; 4 task(s) were added" in made.out
    done = whiteline("campaign", "submit", "copper", "--where", "local", "-j", "2")
    assert done.code == 0, done.out + done.err
    assert "4 of 4 finished: 4 done" in done.out
    assert "copper: 4 of 4 tasks finished" in done.err  # the view, without a terminal
    assert whiteline("campaign", "watch", "copper").code == 0
    assert len(whiteline("query", "--absorber", "Cu", "--json").out.splitlines()) == 4
    report = whiteline("campaign", "report", "copper", "-o", "report")
    assert (report.code, Path("report/report.html").exists(), Path("report/tasks.csv").exists()) == (0, True, True)
    again = whiteline("campaign", "create", file)
    assert "copper was there already: 4 tasks, averages included; nothing was added" in again.out
    assert "nothing: every spectrum is in the store already" in again.out
    submitted = whiteline("campaign", "submit", file, "--where", "local")
    assert (submitted.code, "4 of 4 finished: 4 done" in submitted.out) == (0, True)


def test_a_worker_for_a_batch_script_logs_what_it_does(whiteline: Command, file: Path) -> None:
    Path("crystals/wider.cif").unlink()
    whiteline("campaign", "create", file)
    answer = whiteline("campaign", "work", "copper", "--cores", "2", "--time", "10 min")
    assert answer.code == 0, answer.err
    assert " done copper Cu0 K" in answer.out
    assert "2 done, 0 failed, 0 given back, 0 left in the campaign" in answer.out


def test_a_bad_file_is_refused_with_line_and_field(whiteline: Command, file: Path) -> None:
    file.write_text(FILE.replace("[[spectra]]", "[[spectra]]\npresett = 1"))
    answer = whiteline("campaign", "create", file)
    assert answer.code == 1
    assert "line 9" in answer.err
    assert "did you mean 'preset'?" in answer.err


def test_a_campaign_is_handed_to_nobody_unknown(whiteline: Command, half: Path) -> None:
    answer = whiteline("campaign", "submit", NAME, "--where", "locl")
    assert (answer.code, "did you mean 'local'?" in answer.err) == (1, True)


def test_what_a_manager_took_is_told(whiteline: Command, half: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def take(name: str, where: Where, **given: Any) -> Submission:
        asked.update(given)
        return Submission(where=where, ids=("11", "12"), n_workers=3, is_new=True, notes=("workers see the store",))

    monkeypatch.setattr("whiteline.cli.campaign_submission.submit", take)
    answer = whiteline("campaign", "submit", NAME, "--where", "jobflow-remote:cpu", "--workers", "3", "--project", "p")
    assert answer.code == 0, answer.err
    assert "handed oxides to jobflow-remote:cpu: 3 worker(s), jobs 11, 12" in answer.out
    assert "workers see the store" in answer.out
    assert (asked["workers"].count, asked["project"]) == (3, "p")


def test_status_shows_counts_cost_causes_and_workers(whiteline: Command, half: Path) -> None:
    answer = whiteline("campaign", "status", NAME)
    assert answer.code == 0
    assert "7 of 11 finished: 1 waiting, 2 ready, 1 running, 5 done, 2 failed" in answer.out
    assert "0.0250 core hours in tasks, priced 0.0250, about 0.0139 to go, budget 1.00" in answer.out
    assert "1 alive with 2 cores" in answer.out
    assert "no self-consistency after 100 iterations" in answer.out


def test_status_as_json_is_one_object(whiteline: Command, half: Path) -> None:
    data = json.loads(whiteline("campaign", "status", NAME, "--json", "--failed").out)
    assert data["counts"]["done"] == 5
    assert sorted(task["cause"] for task in data["failed"]) == ["scf", "time-limit"]


def test_failures_are_listed_by_cause(whiteline: Command, half: Path) -> None:
    answer = whiteline("campaign", "status", NAME, "--cause", "scf")
    assert ("copper-5 Cu0 K" in answer.out, "copper-6 Cu0 K" in answer.out) == (True, False)
    answer = whiteline("campaign", "status", NAME, "--cause", "time-limt")
    assert (answer.code, "did you mean 'time-limit'?" in answer.err) == (1, True)


def test_watching_a_paused_campaign_ends_when_nothing_runs(whiteline: Command, tmp_path: Path) -> None:
    def prepare(queue: CampaignQueue) -> None:
        add_campaign(queue, [make_task(0)])
        queue.set_state(NAME, CampaignState.PAUSED, note="its budget of 1 core hours is spent")

    on_queue(tmp_path / "spectra.db", prepare)
    answer = whiteline("campaign", "watch", NAME)
    assert (answer.code, "whiteline campaign resume oxides" in answer.out) == (1, True)
    assert "its budget of 1 core hours is spent" in answer.out


def test_pause_and_resume_say_what_comes_next(whiteline: Command, half: Path) -> None:
    answer = whiteline("campaign", "pause", NAME)
    assert "1 task(s) that run now are finished" in answer.out
    assert on_queue(half, lambda queue: queue.campaign(NAME).state) is CampaignState.PAUSED
    assert "is paused already" in whiteline("campaign", "pause", NAME).out
    assert "whiteline campaign submit oxides" in whiteline("campaign", "resume", NAME).out
    assert on_queue(half, lambda queue: queue.campaign(NAME).state) is CampaignState.ACTIVE


def test_resuming_what_has_no_budget_left_says_so(whiteline: Command, tmp_path: Path) -> None:
    def prepare(queue: CampaignQueue) -> None:
        fill_half(queue)
        add_campaign(queue, [make_task(i) for i in range(1, 5)], name="poor", budget=10.0)
        queue.set_state("poor", CampaignState.PAUSED)

    on_queue(tmp_path / "spectra.db", prepare)
    assert "But its budget" in whiteline("campaign", "resume", "poor").out


def test_retry_takes_causes_and_the_first_digits_of_ids(whiteline: Command, half: Path) -> None:
    assert "1 task(s) are tried again" in whiteline("campaign", "retry", NAME, "--cause", "time-limit").out
    assert on_queue(half, lambda queue: queue.counts(NAME)[TaskState.FAILED]) == 1
    assert "1 task(s) are tried again" in whiteline("campaign", "retry", NAME, "--id", task_id(5)).out
    answer = whiteline("campaign", "retry", NAME)
    assert (answer.code, "nothing failed" in answer.out) == (1, True)


def test_retry_of_an_id_that_did_not_fail_is_refused(whiteline: Command, half: Path) -> None:
    answer = whiteline("campaign", "retry", NAME, "--id", "ffff")
    assert (answer.code, "no failed task has an id that begin" in answer.err) == (1, True)


def test_cancelling_asks_first_and_keeps_what_is_done(whiteline: Command, half: Path) -> None:
    assert whiteline("campaign", "cancel", NAME).code == 1
    assert on_queue(half, lambda queue: queue.campaign(NAME).state) is CampaignState.ACTIVE
    answer = whiteline("campaign", "cancel", NAME, "--yes")
    assert answer.code == 0, answer.err
    counts = on_queue(half, lambda queue: queue.counts(NAME))
    assert (counts[TaskState.DONE], counts[TaskState.READY]) == (5, 0)
    answer = whiteline("campaign", "resume", NAME)
    assert (answer.code, "whiteline campaign create FILE" in answer.err) == (1, True)


def test_campaigns_are_listed(whiteline: Command, half: Path) -> None:
    assert "oxides" in whiteline("campaign", "list").out
    (row,) = json.loads(whiteline("campaign", "list", "--json").out)
    assert (row["name"], row["counts"]["failed"]) == ("oxides", 2)


def test_without_campaigns_the_list_says_how_to_make_one(whiteline: Command) -> None:
    assert "whiteline campaign create FILE" in whiteline("campaign", "list").out


def test_an_unknown_campaign_names_the_nearest(whiteline: Command, half: Path) -> None:
    answer = whiteline("campaign", "status", "oxide")
    assert (answer.code, "oxides" in answer.err) == (1, True)


def test_a_lost_worker_is_told(whiteline: Command, half: Path) -> None:
    def lose(queue: CampaignQueue) -> None:
        queue.put_worker(make_worker(queue, id="w2", seen_at=queue.now() - 1000.0))

    on_queue(half, lose)
    assert "1 lost" in whiteline("campaign", "status", NAME).out


@pytest.mark.parametrize(
    "command", ["create", "submit", "work", "list", "status", "watch", "pause", "resume", "retry", "cancel", "report"]
)
def test_the_help_of_every_command_has_an_example(whiteline: Command, command: str) -> None:
    answer = whiteline("campaign", command, "--help")
    assert answer.code == 0
    assert f"whiteline campaign {command}" in answer.out.partition("Example")[2]
