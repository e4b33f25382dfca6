"""Computing a benchmark, with real FEFF runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from whiteline.database import open_store
from whiteline.errors import ParameterError
from whiteline.progress import Progress
from whiteline.settings import Settings
from whiteline.status import Status
from whiteline.workflows.benchmark import Benchmark, BenchmarkRun, load_benchmark, run_benchmark
from whiteline.workflows.benchmark.agreement import Scope, compare_codes
from whiteline.workflows.benchmark.results import Origin

from .conftest import COPPER, QUICK, WriteBenchmark


@pytest.fixture
def small(write_benchmark: WriteBenchmark) -> Benchmark:
    return load_benchmark(str(write_benchmark()))


@pytest.fixture
def machine(settings: Settings) -> Settings:
    """A machine without OCEAN."""
    return settings.model_copy(update={"ocean_command": "no-such-ocean.pl"})


def run(benchmark: Benchmark, settings: Settings, **options: object) -> BenchmarkRun:
    given = {"folder": settings.run_directory.parent / "report", "parameters": QUICK, "settings": settings, **options}
    return run_benchmark(benchmark, **given)  # type: ignore[arg-type]  # the values differ in type


def test_what_is_here_runs_and_what_is_not_gets_its_inputs_and_its_remedy(small: Benchmark, machine: Settings) -> None:
    result = run(small, machine)
    assert [(s.material, s.code, s.origin.value) for s in result.sites] == [
        ("plain", "feff", "computed"),
        ("strained", "feff", "computed"),
    ]
    feff, ocean = result.codes
    assert (feff.not_run, feff.findings, feff.inputs) == ((), (), None)
    assert ocean.not_run == ("plain", "strained")
    assert any("install OCEAN 3" in group.finding.remedy for group in ocean.findings)
    assert ocean.inputs is not None
    assert (ocean.n_inputs, len(list(ocean.inputs.glob("*/ocean/Cu0-K/ocean.in")))) == (2, 2)
    assert result.problems == ()
    assert all(site.wall_time is not None and site.wall_time > 0 for site in result.sites)


def test_a_second_time_everything_comes_from_the_store_even_without_the_code(
    small: Benchmark, machine: Settings
) -> None:
    chosen = small.choose(codes=["feff"], materials=["plain"])
    (first,) = run(chosen, machine).sites
    without = machine.model_copy(update={"feff_command": "no-such-feff"})
    result = run(chosen, without)
    (second,) = result.sites
    assert (second.document.id, second.origin) == (first.document.id, Origin.STORED)
    assert second.wall_time == first.wall_time
    assert result.codes[0].not_run == ()


def test_a_material_that_fails_is_a_status_and_the_others_are_compared(small: Benchmark, machine: Settings) -> None:
    chosen = small.choose(codes=["feff"])
    run(chosen.choose(materials=["plain"]), machine)
    result = run(chosen, machine.model_copy(update={"feff_command": "false"}))
    statuses = {site.material: site.document.status for site in result.sites}
    assert statuses == {"plain": Status.CONVERGED, "strained": Status.FAILED}
    assert set(compare_codes(result).spectra) == {Scope("plain")}


def test_nothing_runs_where_nothing_is_to_be_computed(small: Benchmark, machine: Settings) -> None:
    result = run(small, machine, is_computing=False)
    assert (result.sites, result.problems) == ((), ())
    assert not machine.run_directory.exists()


def test_progress_names_the_code_and_counts_the_sites_of_all(
    write_benchmark: WriteBenchmark, machine: Settings
) -> None:
    steps: list[Progress] = []
    counts: list[int] = []
    chosen = load_benchmark(str(write_benchmark())).choose(codes=["feff"])
    run(chosen, machine, on_progress=steps.append, on_start=lambda estimates, _: counts.append(len(estimates)))
    assert {step.label for step in steps} == {"feff plain Cu0 K", "feff strained Cu0 K"}
    assert counts == [2]


def test_a_code_without_the_preset_is_left_out_by_name(small: Benchmark, machine: Settings) -> None:
    result = run(small.choose(codes=["ocean"]), machine, preset="fast", parameters={})
    assert result.codes[0].preset == "fast"
    problems = run(small, machine, preset="slow", parameters={**QUICK}).problems
    assert [(p.subject, p.reason) for p in problems] == [
        ("ocean", "the benchmark has no preset 'slow' of it: known: fast")
    ]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"preset": "fats"}, "copper has no preset 'fats': did you mean 'fast'"),
        ({"parameters": {"fms_radius": 5}}, "fms_radius names no code: write e.g. feff.fms_radius"),
        ({"parameters": {"fef.fms_radius": 5}}, "did you mean 'feff'"),
        ({"parameters": {"feff.fms_radios": 5}}, "did you mean 'fms_radius'"),
    ],
)
def test_bad_requests_are_refused_before_anything_runs(
    small: Benchmark, machine: Settings, options: dict[str, object], words: str
) -> None:
    with pytest.raises(ParameterError, match=words):
        run(small, machine, **options)
    assert not Path(machine.database).exists()


def test_imported_outputs_count_for_their_code_and_the_other_codes_compute(
    write_benchmark: WriteBenchmark, machine: Settings, tmp_path: Path
) -> None:
    text = COPPER.replace("[codes.ocean]", '[codes.feff.layout]\n"." = "feff/{site}"\n\n[codes.ocean]')
    small = load_benchmark(str(write_benchmark(text))).choose(codes=["feff"])
    home = tmp_path / "theirs" / "plain" / "feff" / "0"
    (site, _) = run(small, machine.model_copy(update={"keep_runs": True})).sites
    home.parent.mkdir(parents=True)
    next(machine.run_directory.glob("plain*/run-*")).rename(home)
    result = run(small, machine, import_from=tmp_path / "theirs")
    assert [(s.material, s.origin) for s in result.sites] == [
        ("plain", Origin.IMPORTED),
        ("strained", Origin.STORED),
    ]
    with open_store(machine.database, must_exist=True) as store:
        assert store.has(site.document.id)
