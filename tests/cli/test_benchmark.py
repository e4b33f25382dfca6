from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from whiteline.cli.commands import benchmark as _command  # noqa: F401  # registers it

from .conftest import QUICK, Command

OCEAN_ONLY = ("benchmark", "ti-o-10", "--codes", "ocean,exciting", "--materials", "mp-1203", "--no-run")


@pytest.fixture
def outputs(data: Path, tmp_path: Path) -> Path:
    """Published outputs of mp-1203, as far as they are needed."""
    home = tmp_path / "outputs" / "mp-1203"
    for folder, pattern in (("OCEAN/Spectra-8-8-6", "absspct*"), ("EXCITING/Spectra-8-8-6/0/EPSILON", "EPS*")):
        (home / folder).mkdir(parents=True)
        for path in (data / "ti-o-10" / "mp-1203").glob(pattern):
            shutil.copy(path, home / folder)
    return home.parent


def test_benchmarks_are_listed(whiteline: Command) -> None:
    for answer in (whiteline("benchmark", "list"), whiteline("benchmark")):
        assert answer.code == 0
        assert "ti-o-10" in answer.out


def test_imported_outputs_are_set_beside_what_was_published(whiteline: Command, outputs: Path) -> None:
    answer = whiteline(*OCEAN_ONLY, "--import", outputs, "-o", "report")
    line = next(line for line in answer.out.splitlines() if line.startswith("OCEAN – exciting"))
    assert line.split()[-3:] == ["0.99871", "0.99871", "+0.00000"]
    assert "Report: report/report.html; numbers: report/results.json" in answer.out
    assert "import of mp-1203 Ti2 K, ocean: " in answer.out
    # Sites 2 and 4 are not among the outputs.
    assert answer.code == 1


def test_a_truncated_output_is_named_and_the_report_is_written(whiteline: Command, outputs: Path) -> None:
    path = next(outputs.rglob("absspct_Ti.0001_1s_03"))
    path.write_text(path.read_text()[:40_000])
    answer = whiteline(*OCEAN_ONLY, "--import", outputs)
    assert answer.code == 1
    assert f"import of mp-1203 Ti0 K, ocean: {path}, line" in answer.out
    results = json.loads(Path("benchmark-ti-o-10/results.json").read_text())
    assert [site["code"] for site in results["sites"]] == ["exciting"]


def test_a_small_benchmark_of_ones_own_runs_to_the_end(whiteline: Command, tmp_path: Path, copper_file: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    shutil.copy(copper_file, folder)
    (folder / "benchmark.toml").write_text(
        'name = "own"\ntitle = "Own"\nabsorber = "Cu"\nedge = "K"\nstructures = "*.cif"\n'
        '[codes.feff]\npresets = { fast = "fast" }\n'
    )
    values = [word for value in QUICK for word in ("--set", f"feff.{value}")]
    answer = whiteline("benchmark", folder, *values, "-o", "report")
    assert (answer.code, Path("report/report.html").is_file()) == (0, True)
    assert "feff copper Cu0 K: done (1 of 1 sites)" in answer.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("ti-o-11",), "did you mean 'ti-o-10'"),
        (("ti-o-10", "--codes", "fef"), "ti-o-10 has no code 'fef': did you mean 'feff'"),
        (("ti-o-10", "--materials", "mp-39"), "ti-o-10 has no material 'mp-39': did you mean 'mp-390'"),
        (("ti-o-10", "--preset", "fats"), "did you mean 'fast'"),
        (("ti-o-10", "--import", "nowhere"), "there is no folder nowhere to import from"),
        (("ti-o-10", "--set", "fms_radius=3"), "names no code"),
    ],
)
def test_a_bad_request_is_one_message(whiteline: Command, arguments: tuple[str, ...], words: str) -> None:
    answer = whiteline("benchmark", *arguments)
    assert (answer.code, answer.out) == (1, "")
    assert words in answer.err
    assert len(answer.err.splitlines()) == 1
    assert not Path("benchmark-ti-o-10").exists()
