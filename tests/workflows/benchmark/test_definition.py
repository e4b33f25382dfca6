from __future__ import annotations

import pytest

from whiteline.absorber import find_absorbers
from whiteline.errors import InputError, ParameterError, ParseError, StructureError
from whiteline.workflows.benchmark import list_benchmarks, load_benchmark
from whiteline.workflows.benchmark.definition import Compared

from .conftest import COPPER, WriteBenchmark


def test_ti_o_10_has_ten_materials_thirteen_sites_and_five_codes() -> None:
    benchmark = load_benchmark("ti-o-10")
    sites = [a for m in benchmark.materials for a in find_absorbers(m.structure, "Ti", benchmark.edge)]
    assert (len(benchmark.materials), len(sites)) == (10, 13)
    assert list(benchmark.codes) == ["xspectra", "ocean", "exciting", "feff", "vasp"]
    assert benchmark.presets == ("published", "fast")
    assert ("ti-o-10", benchmark.title) in list_benchmarks()


def test_published_numbers_stand_beside_their_source() -> None:
    numbers = load_benchmark("ti-o-10").published
    assert {number.value for number in numbers} == {0.998, 0.990, 0.99871, 0.99086, 0.99245, 0.98965, 0.99110}
    assert all(number.source for number in numbers)


def test_a_folder_is_a_benchmark_whose_sources_do_not_say_where_it_lies(write_benchmark: WriteBenchmark) -> None:
    benchmark = load_benchmark(str(write_benchmark()))
    assert [material.source for material in benchmark.materials] == ["copper#plain", "copper#strained"]
    assert benchmark.comparison.quantities == (Compared.IM_EPSILON,)
    assert (benchmark.comparison.window, benchmark.comparison.max_shift) == (20.0, 12.0)


@pytest.mark.parametrize(
    ("old", "new", "error", "words"),
    [
        ("[codes.feff]", "[codes.fef]", ParameterError, "benchmark.toml: unknown code 'fef': did you mean 'feff'"),
        ("window", "windo", ParameterError, r"\[comparison\]: unknown parameter 'windo': did you mean 'window'"),
        ("20.0", "-1", ParameterError, "parameter window: Input should be greater than 0"),
        ('slow = "standard"', 'slow = "standrad"', ParameterError, "feff has no preset 'standrad'"),
        ('title = "', 'titel = "', ParameterError, "titel"),
        ('"Cu"', '"Ti"', InputError, "plain: Ti is not in Cu"),
        ('"K"', '"M9"', ParameterError, "unknown edge"),
        ("[codes.ocean]", "[codes.ocean", ParseError, "benchmark.toml is damaged or cut off"),
    ],
)
def test_what_a_benchmark_file_says_wrong_is_named(
    write_benchmark: WriteBenchmark, old: str, new: str, error: type[Exception], words: str
) -> None:
    assert old in COPPER
    with pytest.raises(error, match=words):
        load_benchmark(str(write_benchmark(COPPER.replace(old, new))))


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("pairs = [['feff', 'vasp']]", "no code 'vasp' here"),
        ("pairs = [['feff', 'ocean']]\nmaterial = 'plane'", "no material 'plane': did you mean 'plain'"),
        ("pairs = [['feff', 'ocean']]\nquantity = 'as_written'", "not among the quantities"),
        ("pairs = []", "pairs"),
    ],
)
def test_a_published_number_of_something_else_is_refused(
    write_benchmark: WriteBenchmark, lines: str, words: str
) -> None:
    text = f"{COPPER}\n[[published]]\nlabel = 'x'\nvalue = 1.0\nsource = 'y'\n{lines}\n"
    with pytest.raises(ParameterError, match=words):
        load_benchmark(str(write_benchmark(text)))


def test_a_layout_with_a_placeholder_that_means_nothing_is_refused(write_benchmark: WriteBenchmark) -> None:
    text = COPPER.replace("[codes.ocean]", '[codes.feff.layout]\n"." = "run-{sight}"\n\n[codes.ocean]')
    with pytest.raises(ParameterError, match=r"codes.feff\]: layout of '.': cannot read 'run-{sight}'"):
        load_benchmark(str(write_benchmark(text)))


def test_a_missing_or_cut_off_file_is_named(write_benchmark: WriteBenchmark) -> None:
    folder = write_benchmark(structures='{"plain": {"latt')
    with pytest.raises(StructureError, match=r"structures.json is not JSON"):
        load_benchmark(str(folder))
    (folder / "structures.json").unlink()
    with pytest.raises(StructureError, match=r"no such file.*structures.json"):
        load_benchmark(str(folder))
    (folder / "benchmark.toml").unlink()
    with pytest.raises(InputError, match=r"benchmark.toml is missing"):
        load_benchmark(str(folder))


def test_unknown_names_are_answered_with_the_nearest() -> None:
    with pytest.raises(ParameterError, match="did you mean 'ti-o-10'"):
        load_benchmark("ti-o-1")
    with pytest.raises(ParameterError, match="did you mean 'mp-2657'"):
        load_benchmark("ti-o-10").choose(materials=["mp-26577"])
    with pytest.raises(ParameterError, match="did you mean 'xspectra'"):
        load_benchmark("ti-o-10").choose(codes=["xspectr"])
