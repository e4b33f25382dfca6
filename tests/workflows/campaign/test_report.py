from __future__ import annotations

import csv
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.workflows.campaign.half_done import DEFINITION, NAME, add_campaign, fill_half, finish_next, make_task, plan
from tests.workflows.learning.toy import fill_store, freeze
from whiteline.database import open_store
from whiteline.database.query import ANY_STATUS, SpectrumQuery
from whiteline.database.queue import Campaign, CampaignQueue, Finish, Task, TaskKind, TaskState, open_queue
from whiteline.database.store import SpectrumStore
from whiteline.errors import StoreError
from whiteline.workflows.campaign import report as report_module
from whiteline.workflows.campaign.harvested import describe_harvest
from whiteline.workflows.campaign.report import write_report

GOOD = Finish(state=TaskState.DONE, status="converged", seconds=20.0, engine_seconds=19.0)


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[CampaignQueue]:
    with open_queue(tmp_path / "spectra.db") as opened:
        yield opened


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill_store(tmp_path_factory.mktemp("filled"))


@pytest.fixture
def store(filled: Path, tmp_path: Path) -> Iterator[SpectrumStore]:
    with open_store(shutil.copy(filled, tmp_path / "spectra.db"), must_exist=True) as opened:
        yield opened


@pytest.fixture
def computed(queue: CampaignQueue, store: SpectrumStore) -> list[Task]:
    """The tasks of a finished campaign: one for each stored spectrum."""
    tasks = [
        replace(
            make_task(0, kind=TaskKind.AVERAGE if found.site_index is None else TaskKind.SITE),
            id=found.id,
            label=f"{found.formula} {found.kind}",
        )
        for found in store.summaries(SpectrumQuery(status=ANY_STATUS))
    ]
    add_campaign(queue, tasks, plan=plan())
    return [finish_next(queue, GOOD) for _ in tasks]


class Tags(HTMLParser):
    """Every tag with its attributes, and the text of the page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def read_table(folder: Path) -> list[dict[str, str]]:
    with (folder / "tasks.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_page_needs_nothing_outside_it_and_no_script(
    queue: CampaignQueue, store: SpectrumStore, computed: list[Task], tmp_path: Path
) -> None:
    write_report(queue, store, NAME, tmp_path / "report")
    page = Tags(tmp_path / "report" / "report.html")
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "link", "iframe", "object"})
    sources = [given["src"] for tag, given in page.tags if tag == "img"]
    assert len(sources) == 3  # progress, times, one sheet of spectra
    assert all(source is not None and source.startswith("data:image/png;base64,") for source in sources)


def test_the_gallery_shows_averages_that_are_stored(
    queue: CampaignQueue, store: SpectrumStore, computed: list[Task], tmp_path: Path
) -> None:
    report = write_report(queue, store, NAME, tmp_path / "report")
    averages = [task.id for task in computed if task.kind is TaskKind.AVERAGE]
    assert [each.id for each in report.spectra] == averages
    assert all(identity in Tags(tmp_path / "report" / "report.html").text for identity in averages)


def test_a_large_campaign_shows_an_even_choice(
    queue: CampaignQueue,
    store: SpectrumStore,
    computed: list[Task],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(report_module, "MOST_SPECTRA", 2)
    report = write_report(queue, store, NAME, tmp_path / "report")
    averages = [task.id for task in computed if task.kind is TaskKind.AVERAGE]
    assert len(averages) > 3
    assert [each.id for each in report.spectra] == [averages[0], averages[-(-len(averages) // 2)]]
    assert f"2 of {len(averages)}, evenly chosen" in Tags(tmp_path / "report" / "report.html").text


def test_the_table_has_every_task_with_its_times(queue: CampaignQueue, store: SpectrumStore, tmp_path: Path) -> None:
    fill_half(queue)
    write_report(queue, store, NAME, tmp_path)
    rows = read_table(tmp_path)
    assert [row["state"] for row in rows].count("done") == 5
    assert len(rows) == 11
    failed = next(row for row in rows if row["cause"] == "scf")
    assert (failed["reason"], failed["seconds"]) == ("no self-consistency\nafter 100 iterations", "5.000")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", failed["ended_at"])


def test_a_name_that_a_spreadsheet_would_compute_is_text(
    queue: CampaignQueue, store: SpectrumStore, tmp_path: Path
) -> None:
    add_campaign(queue, [make_task(0, label='=HYPERLINK("x") Cu0 K')])
    write_report(queue, store, NAME, tmp_path)
    (row,) = read_table(tmp_path)
    assert row["label"].startswith("'=")


def test_a_campaign_in_the_middle_shows_causes_cost_and_what_is_left(
    queue: CampaignQueue, store: SpectrumStore, tmp_path: Path
) -> None:
    fill_half(queue)
    write_report(queue, store, NAME, tmp_path)
    text = Tags(tmp_path / "report.html").text
    assert (
        "5 of 11 tasks have their spectrum; 1 of them were in the store already; 1 did not converge; 2 failed" in text
    )
    assert "scf 1 mend first, then try again copper-5 Cu0 K no self-consistency after 100 iterations" in text
    # Priced 90 s (45 to 180), spent 4 × 20 s and 2 × 5 s.
    assert "feff:fast 0.0250 0.0125 0.0500 0.0250 4 3 stored calculations of feff:fast" in text
    assert "node1 slurm 17 2" in text


def test_repairs_are_counted_from_the_records(
    queue: CampaignQueue, store: SpectrumStore, computed: list[Task], tmp_path: Path
) -> None:
    sites = [task.id for task in computed if task.kind is TaskKind.SITE]
    asked = {"repair": None, "status": "unconverged", "cause": "scf", "reason": "", "seconds": 9.0}
    good = {"repair": "scf_mixing 0.1", "status": "converged", "cause": None, "reason": "", "seconds": 30.0}
    for i, identity in enumerate(sites[:2]):
        record = replace(store.records(identity)[-1], attempts=(asked, good if i else {**good, **asked, "repair": "x"}))
        store.put(store.get(identity), replace(record, given_id="", started_at="2099-01-01T00:00:00+00:00"))
    report = write_report(queue, store, NAME, tmp_path)
    assert {(each.repair, each.cause): (each.n_tried, each.n_converged) for each in report.repairs} == {
        ("x", "scf"): (1, 0),
        ("scf_mixing 0.1", "scf"): (1, 1),
    }
    assert "scf scf_mixing 0.1 1 1 30 s" in Tags(tmp_path / "report.html").text


def test_foreign_names_are_escaped(queue: CampaignQueue, store: SpectrumStore, tmp_path: Path) -> None:
    add_campaign(queue, [make_task(0, label="<script>alert(1)</script>")])
    bad = Finish(state=TaskState.FAILED, status="failed", cause="crash", reason="<b>$signal</b>", seconds=1.0)
    finish_next(queue, bad)
    write_report(queue, store, NAME, tmp_path)
    page = Tags(tmp_path / "report.html")
    assert "script" not in {tag for tag, _ in page.tags}
    assert "<b>$signal</b>" in page.text


def test_a_campaign_without_any_result_has_a_page(queue: CampaignQueue, store: SpectrumStore, tmp_path: Path) -> None:
    add_campaign(queue, [make_task(0)])
    write_report(queue, store, NAME, tmp_path)
    assert "Nothing was computed yet." in Tags(tmp_path / "report.html").text


def test_a_place_that_cannot_be_written_is_named(queue: CampaignQueue, store: SpectrumStore, tmp_path: Path) -> None:
    add_campaign(queue, [make_task(0)])
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="choose another place with -o"):
        write_report(queue, store, NAME, tmp_path / "file")


def test_dataset_and_model_are_named_where_they_are(filled: Path, tmp_path: Path) -> None:
    wanted = f'{DEFINITION}[dataset]\nname = "frozen"\nfolder = "{filled.parent / "frozen"}"\n'
    wanted += '[training]\nfolder = "model"\n'
    campaign = Campaign(
        name=NAME, definition=wanted, definition_id="", created_at=0.0, plan={"base": str(filled.parent)}
    )
    (_, before), (_, model) = describe_harvest(campaign)
    assert before.startswith("not in")
    freeze(filled, filled.parent / "frozen")
    (_, after), _ = describe_harvest(campaign)
    assert "spectra of" in after
    assert model == f"not in {filled.parent / 'model'} yet, or not on this machine"


def test_a_definition_that_is_not_understood_any_more_stops_no_report() -> None:
    campaign = Campaign(name=NAME, definition='name = "x"\nolder = 1\n', definition_id="", created_at=0.0)
    assert describe_harvest(campaign) == ()
