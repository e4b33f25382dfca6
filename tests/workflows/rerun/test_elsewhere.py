"""What was measured: there is nothing to run, and the file that it was read from is looked at."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from whiteline.database import open_store
from whiteline.settings import Settings
from whiteline.workflows.ingest import ingest
from whiteline.workflows.rerun import Ground, RerunPlace, RerunResult, Tolerance, Verdict, run_again

Rerun = Callable[[], RerunResult]


@pytest.fixture
def scan(tmp_path: Path, data: Path) -> Path:
    return Path(shutil.copy(data / "measured" / "cu_metal_rt.xdi", tmp_path / "cu.xdi"))


@pytest.fixture
def rerun(tmp_path: Path, scan: Path) -> Rerun:
    """Runs again what was ingested from the scan."""
    settings = Settings(database=str(tmp_path / "spectra.db"), run_directory=tmp_path / "runs")
    with open_store(settings.database) as store:
        report = ingest([scan], store, settings=settings)
    (spectrum_id,) = report.paths[0].ids

    def run() -> RerunResult:
        place = RerunPlace.make(tmp_path / "again", settings, tolerance=Tolerance(), keeps_runs=False)
        return run_again([spectrum_id], place)[spectrum_id]

    return run


def test_it_says_what_could_be_done_instead(rerun: Rerun, scan: Path) -> None:
    result = rerun()
    assert result.verdict is Verdict.NOT_COMPUTED
    assert result.reason == f"nothing was computed here: it was measured; `whiteline ingest {scan}` reads them again"
    assert (result.differences, result.notes) == ((), (f"{scan} is unchanged",))


@pytest.mark.parametrize(("content", "words"), [(None, "not there"), ("# XDI/1.0\n", "changed")])
def test_a_file_that_is_gone_or_changed_is_named_with_its_checksum(
    rerun: Rerun, scan: Path, content: str | None, words: str
) -> None:
    scan.unlink()
    if content is not None:
        scan.write_text(content, encoding="utf-8")
    result = rerun()
    (found,) = result.differences
    assert (found.ground, found.name, bool(found.now)) == (Ground.INPUT, str(scan), content is not None)
    assert result.notes == (f"{scan} is {words}",)
