from __future__ import annotations

import hashlib
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from whiteline.calculators.feff import FeffCalculator
from whiteline.database import open_store
from whiteline.errors import InputError
from whiteline.settings import Settings
from whiteline.status import Status
from whiteline.workflows import run_material, write_inputs
from whiteline.workflows.benchmark import Benchmark, BenchmarkRun, load_benchmark, run_benchmark
from whiteline.workflows.benchmark.agreement import compare_codes

from .conftest import QUICK, WriteBenchmark

# The whole published folder, where there is one, beside the files of it that are kept for tests.
SOURCES = ["kept", *(["whole"] if "WHITELINE_DATA" in os.environ else [])]
ABSSPCT = "OCEAN/Spectra-8-8-6/absspct_Ti.0001_1s_02"


def imported(benchmark: Benchmark, folder: Path, settings: Settings) -> BenchmarkRun:
    place = settings.run_directory.parent / "report"
    return run_benchmark(benchmark, folder=place, import_from=folder, is_computing=False, settings=settings)


@pytest.mark.parametrize("source", SOURCES)
def test_the_published_outputs_reproduce_the_published_agreement(
    source: str, published: Path, ti_o: Benchmark, settings: Settings
) -> None:
    folder = published if source == "kept" else Path(os.environ["WHITELINE_DATA"]) / "ti-o-10"
    run = imported(ti_o, folder, settings)
    results = [r for r in compare_codes(run).published if r.number.material == "mp-1203"]
    assert len(results) == 5
    for result in results:
        assert result.here == pytest.approx(result.number.value, abs=1e-4), result.number.label


def test_imported_spectra_are_stored_with_the_checksums_of_their_files(
    published: Path, ti_o: Benchmark, settings: Settings
) -> None:
    run = imported(ti_o, published, settings)
    (site,) = [site for site in run.sites if site.code == "ocean"]
    with open_store(settings.database, must_exist=True) as store:
        (record,) = store.records(site.document.id)
    path = published / "mp-1203-outputs" / ABSSPCT
    assert record.activity == "ocean-import"
    assert record.inputs[str(path)] == f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    assert (site.document.fidelity, site.document.multiplicity) == ("ocean:imported", 2)
    statuses = {s.code: s.document.status for s in run.sites}
    assert statuses["xspectra"] is Status.CONVERGED
    assert statuses["exciting"] is Status.UNCONVERGED  # nothing beside it says which atom was excited


def test_importing_again_stores_nothing_new(published: Path, ti_o: Benchmark, settings: Settings) -> None:
    first, second = (imported(ti_o, published, settings) for _ in range(2))
    assert [s.document.id for s in first.sites] == [s.document.id for s in second.sites]
    with open_store(settings.database, must_exist=True) as store:
        assert [len(store.records(s.document.id)) for s in first.sites] == [1] * 4


@pytest.mark.parametrize(
    ("code", "name", "words"),
    [
        ("ocean", ABSSPCT, r"absspct_Ti.0001_1s_02, line \d+: "),
        ("xspectra", "XSPECTRA/Spectra-6-6-5/0/dipole2/xanes.dat", r"dipole2/xanes.dat: point \d+ has"),
        ("xspectra", "XSPECTRA/es_0.out", "es_0.out is cut off"),
        ("exciting", "EXCITING/INFO.OUT", "INFO.OUT does not come to its end"),
        ("feff", "FEFF/000_Ti/xmu.dat", "000_Ti/xmu.dat"),
    ],
)
def test_a_truncated_file_is_named_where_it_lies_and_the_other_codes_go_on(
    published: Path, ti_o: Benchmark, settings: Settings, code: str, name: str, words: str
) -> None:
    path = published / "mp-1203-outputs" / name
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2 + 3])
    run = imported(ti_o, published, settings)
    (reason,) = [p.reason for p in run.problems if p.subject == f"import of mp-1203 Ti0 K, {code}"]
    assert re.search(words, reason.replace(f"{published}/mp-1203-outputs", ""))
    assert str(path) in reason
    assert sorted({"feff", "xspectra", "ocean", "exciting"} - {s.code for s in run.sites}) == [code]


def test_a_missing_file_is_named_where_it_should_be(published: Path, ti_o: Benchmark, settings: Settings) -> None:
    home = published / "mp-1203-outputs"
    missing = [home / "XSPECTRA" / "es_0.out", home / "EXCITING" / "Spectra-8-8-6" / "0" / "EPSILON"]
    missing[0].unlink()
    next(missing[1].glob("*OC22*")).unlink()
    reasons = [p.reason for p in imported(ti_o, published, settings).problems if "Ti0" in p.subject]
    assert reasons[0].startswith(f"{missing[0]} is missing")
    assert "no EPSILON table of type singlet for axes 22" in reasons[1]
    assert str(home / "EXCITING") in reasons[1]


def test_a_folder_without_outputs_of_the_benchmark_is_refused(
    tmp_path: Path, ti_o: Benchmark, settings: Settings
) -> None:
    (tmp_path / "mp-12").mkdir()
    with pytest.raises(InputError, match="holds no outputs of ti-o-10: expected folders of `whiteline inputs`"):
        imported(ti_o, tmp_path, settings)
    with pytest.raises(InputError, match="there is no folder"):
        imported(ti_o, tmp_path / "nowhere", settings)


@pytest.fixture
def own(write_benchmark: WriteBenchmark, tmp_path: Path, settings: Settings) -> tuple[Benchmark, Path]:
    """A benchmark of copper, and its inputs for FEFF as `whiteline inputs` writes them."""
    benchmark = load_benchmark(str(write_benchmark())).choose(codes=["feff"], materials=["plain"])
    values = {name.removeprefix("feff."): value for name, value in QUICK.items()}
    write_inputs(
        benchmark.materials, "Cu", folder=tmp_path / "inputs", preset="fast", parameters=values, settings=settings
    )
    return benchmark, tmp_path / "inputs" / "plain" / "feff" / "Cu0-K"


def test_outputs_beside_our_inputs_are_the_calculation_that_would_have_run_here(
    own: tuple[Benchmark, Path], settings: Settings
) -> None:
    benchmark, folder = own
    FeffCalculator().run(folder, on_stage=lambda _: None)
    run = imported(benchmark.choose(), folder.parents[2], settings)
    (site,) = run.sites
    values = {name.removeprefix("feff."): value for name, value in QUICK.items()}
    result = run_material(benchmark.materials[0].structure, "Cu", preset="fast", parameters=values, settings=settings)
    assert result.is_computed == (False,)
    assert result.sites[0].id == site.document.id
    assert (site.document.fidelity, site.multiplicity) == ("feff:fast+", 4)
    assert run.problems == ()


def test_inputs_that_did_not_run_yet_are_said_to_be_so(own: tuple[Benchmark, Path], settings: Settings) -> None:
    benchmark, folder = own
    run = imported(benchmark, folder.parents[2], settings)
    assert run.sites == ()
    assert [p.reason for p in run.problems] == ["holds inputs and no outputs yet: run them, then import again"]


def test_outputs_of_inputs_that_were_changed_are_another_calculation_and_not_converged(
    own: tuple[Benchmark, Path], settings: Settings
) -> None:
    benchmark, folder = own
    text = (folder / "feff.inp").read_text()
    (folder / "feff.inp").write_text(text.replace("S02 0\n", "S02 0.9\n"))
    FeffCalculator().run(folder, on_stage=lambda _: None)
    (site,) = imported(benchmark, folder, settings).sites
    assert site.document.status is Status.UNCONVERGED
    assert "inputs: feff.inp changed after Whiteline wrote it" in site.document.reason
    assert "imported_files" in site.document.parameters


def test_outputs_of_another_crystal_are_told_by_its_sites_and_not_by_its_name(
    own: tuple[Benchmark, Path], write_benchmark: WriteBenchmark, ti_o: Benchmark, settings: Settings
) -> None:
    benchmark, folder = own
    with pytest.raises(InputError, match="holds no outputs of ti-o-10"):
        imported(ti_o, folder, settings)
    (strained,) = (m for m in load_benchmark(str(write_benchmark())).materials if m.name == "strained")
    other = replace(benchmark, materials=(replace(strained, name="plain"),))
    run = imported(other, folder, settings)
    assert run.sites == ()
    assert "plain Cu0 K is no site of the benchmark's plain: its crystal is another" in run.problems[0].reason


def test_a_damaged_note_is_named(own: tuple[Benchmark, Path], settings: Settings) -> None:
    benchmark, folder = own
    shutil.copytree(folder, folder.parent / "copy")
    (folder / "whiteline.json").write_text("{")
    reasons: list[Any] = [p.reason for p in imported(benchmark, folder.parents[2], settings).problems]
    assert any("whiteline.json is damaged" in reason for reason in reasons)
