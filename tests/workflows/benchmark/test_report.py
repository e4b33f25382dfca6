from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from whiteline.database import open_store
from whiteline.errors import StoreError
from whiteline.markup import number, table
from whiteline.provenance import Kind, file_checksum
from whiteline.settings import Settings
from whiteline.workflows.benchmark import (
    Benchmark,
    BenchmarkRun,
    load_benchmark,
    run_benchmark,
    write_report,
)
from whiteline.workflows.benchmark.report import make_report_folder

from .conftest import WriteBenchmark


@pytest.fixture
def report(published: Path, ti_o: Benchmark, settings: Settings, tmp_path: Path) -> Path:
    """The report of the published outputs."""
    folder = tmp_path / "report"
    run = run_benchmark(ti_o, folder=folder, import_from=published, is_computing=False, settings=settings)
    write_report(run, folder, database=settings.database)
    return folder


class Tags(HTMLParser):
    """Every tag with its attributes, and the text of every cell."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(page: Path) -> Tags:
    parser = Tags()
    parser.feed(page.read_text(encoding="utf-8"))
    return parser


def test_the_page_needs_nothing_outside_it_and_no_script(report: Path) -> None:
    page = read(report / "report.html")
    names = {tag for tag, _ in page.tags}
    assert names.isdisjoint({"script", "link", "iframe", "object"})
    sources = [attributes["src"] for _, attributes in page.tags if "src" in attributes]
    assert sources
    assert all(source is not None and source.startswith("data:image/png;base64,") for source in sources)
    assert not re.search(r"url\(|@import", (report / "report.html").read_text(encoding="utf-8"))


def test_published_numbers_stand_beside_those_found_here(report: Path) -> None:
    text = " ".join(read(report / "report.html").text)
    assert "XSpectra (σ) – OCEAN mp-1203, site 0 spearman 0.98965 0.98965 +0.00000" in re.sub(r"\s+", " ", text)


def test_results_are_numbers_by_schema_version_and_every_figure_is_a_file(report: Path) -> None:
    results: dict[str, Any] = json.loads((report / "results.json").read_text(encoding="utf-8"))
    assert results["schema_version"] == 1
    row = next(r for r in results["agreement"] if r["codes"] == ["ocean", "exciting"] and r["quantity"] == "im_epsilon")
    assert (row["material"], row["site"]) == ("mp-1203", 0)
    assert row["spearman"] == pytest.approx(0.99871, abs=1e-4)
    assert row["log10_distance"] == pytest.approx(-2.89, abs=0.005)  # digits given
    assert {s["code"]: s["broadening"] for s in results["sites"]}["exciting"] == pytest.approx(1.78)
    assert list(results["figures"]) == ["Distance between codes", "mp-1203, site 0"]
    for name in results["figures"].values():
        assert (report / name).with_suffix(".pdf").read_bytes().startswith(b"%PDF")
        assert (report / name).read_bytes().startswith(b"\x89PNG")


def test_feff_gets_the_width_that_it_lacks_and_the_others_nothing(report: Path) -> None:
    sites = json.loads((report / "results.json").read_text(encoding="utf-8"))["sites"]
    added = {site["code"]: site["broadening_added"] for site in sites}
    assert added["feff"] == pytest.approx(1.78 - 0.903)  # what FEFF printed
    assert max(added["xspectra"], added["ocean"], added["exciting"]) < 1e-3  # digits that the codes print


def test_a_report_of_nothing_is_still_a_report_with_its_text_escaped(
    write_benchmark: WriteBenchmark, tmp_path: Path
) -> None:
    benchmark = load_benchmark(str(write_benchmark()))
    run = BenchmarkRun(benchmark, "fast", (), (), (), "2026-01-01T00:00:00", "2026-01-01T00:00:01")
    write_report(run, tmp_path / "empty")
    page = (tmp_path / "empty" / "report.html").read_text(encoding="utf-8")
    assert "<h1>Copper &lt;with&gt; &amp; without strain</h1>" in page
    assert "No two codes have a spectrum of the same site." in page


def test_a_folder_that_cannot_be_written_is_named_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"cannot write to .*file/report.*choose another place with -o"):
        make_report_folder(tmp_path / "file" / "report")


def test_cells_are_escaped_and_numbers_have_a_minus_and_no_negative_zero() -> None:
    assert "<td>&lt;b&gt;</td>" in table(["a"], [["<b>"]])
    assert (number(-1.5, 2), number(-1e-9, 2, is_signed=True), number(None, 2)) == ("−1.50", "+0.00", "–")


def test_a_report_is_on_record_with_the_spectra_that_it_compares(report: Path, settings: Settings) -> None:
    with open_store(settings.database, must_exist=True) as store:
        (found,) = store.linked([file_checksum(report / "report.html")])
        spectra = found.record.parents or store.members(found.record.id)
        (record,) = store.records(spectra[0])
    assert set(found.record.generated[Kind.REPORT]) == {str(report / n) for n in ("report.html", "results.json")}
    assert found.record.parameters["benchmark"] == "ti-o-10"
    assert any(name.startswith("ti-o-10#") for name in record.used[Kind.SOURCE])
