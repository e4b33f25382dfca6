from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from whiteline.cli.tables import make_console, make_table
from whiteline.database import open_store
from whiteline.status import Status

from .conftest import Command


@pytest.fixture
def doubtful(store: Path, ids: dict[str, str]) -> str:
    """Id of a spectrum of the store that has not converged."""
    with open_store(str(store)) as opened:
        document = opened.get(ids["copper site"])
        opened.put(replace(document, id="d0" * 20, status=Status.UNCONVERGED, reason="30 of 30 iterations"))
    return "d0" * 20


def test_the_table_names_site_code_status_energies_and_source(whiteline: Command, ids: dict[str, str]) -> None:
    answer = whiteline("query", "--kind", "site")
    line = next(line for line in answer.out.splitlines() if line.startswith(ids["copper[strained] site"][:10]))
    assert line.split()[1:4] == ["Cu", "Cu0", "K"]
    assert "feff:standard+" in line
    assert "converged" in line
    assert line.rstrip().endswith("copper[strained]")
    assert "2 spectra found" in answer.out


def test_json_is_one_object_a_line(whiteline: Command, ids: dict[str, str]) -> None:
    lines = whiteline("query", "--json").out.splitlines()
    assert {json.loads(line)["id"] for line in lines} == set(ids.values())


@pytest.mark.parametrize(
    ("options", "n_found"),
    [
        (["--absorber", "Cu", "--edge", "K"], 4),
        (["--edge", "L3"], 0),
        (["--formula", "Cu4", "--kind", "material"], 2),
        (["--system", "Cu", "--space-group", "Fm-3m"], 4),
        (["--space-group", "225", "--elements", "Cu", "--without", "O"], 4),
        (["--any", "O", "--any", "Cu", "--code", "feff"], 4),
        (["--status", "failed", "--status", "unconverged"], 0),
        (["--fidelity", "feff:standard+", "--after", "2020-01-01"], 4),
        (["--before", "2020-01-01"], 0),
        (["--where", "core_hole=none", "--where", "fms_radius>=2.7"], 4),
        (["--where", "core_hole==none"], 4),
        (["--where", "scf_radius=null", "--where", "l_max!=1"], 0),
        (["--where", "fms_radius<2.7"], 0),
        (["--where", "l_max>=1", "--where", "l_max<3"], 4),
        (["--where", "l_max>=1", "--where", "l_max<1"], 0),
        (["--status", "any", "--skip", "1"], 3),
        (["--code", "'; DROP TABLE spectra; --"], 0),
    ],
)
def test_every_option_narrows_what_is_found(whiteline: Command, store: Path, options: list[str], n_found: int) -> None:
    answer = whiteline("query", *options, "--json")
    assert (answer.code, len(answer.out.splitlines())) == (0, n_found)


def test_nothing_found_is_said_and_is_no_error(whiteline: Command, store: Path) -> None:
    answer = whiteline("query", "--absorber", "Ti")
    assert (answer.code, answer.out.strip(), answer.err) == (0, "0 spectra found", "")


def test_a_limit_says_how_many_more_there_are(whiteline: Command, store: Path) -> None:
    assert "4 spectra found, the first 1 shown (--limit, --skip)" in whiteline("query", "--limit", 1).out
    assert "4 spectra found, 2 after the first 1 shown" in whiteline("query", "--limit", 2, "--skip", 1).out


def test_sorting_backwards_turns_the_list_round(whiteline: Command, store: Path) -> None:
    forward = whiteline("query", "--json", "--sort", "id").out.splitlines()
    assert whiteline("query", "--json", "--sort", "-id").out.splitlines() == forward[::-1]


def test_a_misspelt_parameter_that_finds_nothing_is_named(whiteline: Command, store: Path) -> None:
    answer = whiteline("query", "--where", "fms_radios>=2")
    assert "no parameter of a stored spectrum is called 'fms_radios': did you mean 'fms_radius'?" in answer.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--where", "fms_radius"], "--where expects NAME OPERATOR VALUE"),
        (["--columns", "id,formla"], "there is no column 'formla': did you mean 'formula'?"),
        (["--columns", "parameters.$where"], "there is no column 'parameters.$where'"),
        (["--group", "absorbr"], "cannot group by 'absorbr': did you mean 'absorber'?"),
        (["--count", "--json"], "give one of --count and --json"),
        (["--group", "code", "--output", "a.csv"], "give one of --group and --output"),
        (["--output", "spectra.xlsx"], "a table is a file ending in .csv, .parquet or .arrow"),
        (["--output", "missing/spectra.csv"], "cannot write missing/spectra.csv"),
        (["--where", "$where=1"], "--where expects NAME OPERATOR VALUE"),
        (["--where", f"fms_radius={'1' * 5000}"], "--where fms_radius: expected a number or text, got '111"),
        (["--where", f"fms_radius={'[' * 100_000}"], "--where fms_radius: expected a number or text, got '[[["),
        (["--status", "convergd"], "did you mean 'converged'?"),
        (["--absorber", "cu"], "did you mean 'Cu'?"),
        (["--sort", "formla"], "did you mean 'formula'?"),
        (["--space-group", "Fm3m"], "did you mean 'Fm-3m'?"),
        (["--after", "yesterday"], "expected an ISO 8601 time"),
    ],
)
def test_a_bad_value_names_what_was_expected(whiteline: Command, store: Path, options: list[str], words: str) -> None:
    answer = whiteline("query", *options)
    assert answer.code == 1
    assert words in answer.err


def test_no_store_yet_is_an_error_and_makes_none(whiteline: Command, tmp_path: Path) -> None:
    answer = whiteline("query")
    assert answer.code == 1
    assert f"there is no store at {tmp_path / 'spectra.db'} yet" in answer.err
    assert not (tmp_path / "spectra.db").exists()


def test_eighty_columns_keep_ids_statuses_and_dates_whole(
    whiteline: Command, ids: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import rich.console

    monkeypatch.setattr(rich.console.Console, "is_terminal", True)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")
    text = re.sub(r"\x1b\[[0-9;]*m", "", whiteline("query", "--kind", "material").out)
    assert max(map(len, text.splitlines())) <= 80
    line = next(line for line in text.splitlines() if line.startswith(ids["copper material"][:10]))
    assert {"feff:standard+", "converged"} < set(line.split())
    assert re.search(r" \d{4}-\d\d-\d\d$", line)


def test_other_statuses_are_counted_and_shown_when_asked_for(whiteline: Command, doubtful: str) -> None:
    answer = whiteline("query")
    assert "4 spectra found; 1 unconverged not shown (--status any)" in answer.out
    assert doubtful[:10] not in answer.out
    answer = whiteline("query", "--status", "any")
    assert answer.out.endswith("5 spectra found\n")
    assert doubtful[:10] in answer.out


def test_a_count_is_a_number_and_nothing_else(whiteline: Command, doubtful: str) -> None:
    assert whiteline("query", "--count").out == "4\n"
    assert whiteline("query", "--count", "--status", "any", "--kind", "site").out == "3\n"


def test_groups_are_counted_the_largest_first(whiteline: Command, doubtful: str) -> None:
    answer = whiteline("query", "--group", "absorber, kind,status", "--status", "any", "--json")
    found = [json.loads(line) for line in answer.out.splitlines()]
    assert found[-1] == {"absorber": "Cu", "kind": "site", "status": "unconverged", "count": 1}
    assert [each["count"] for each in found] == [2, 2, 1]
    assert "5 spectra in 3 groups" in whiteline("query", "--group", "absorber,kind,status", "--status", "any").out


def test_columns_are_shown_in_the_order_asked_for(whiteline: Command, ids: dict[str, str]) -> None:
    answer = whiteline("query", "--columns", "formula,id,parameters.fms_radius,licence", "--kind", "site")
    header, _, first, *_ = answer.out.splitlines()
    assert header.split() == ["formula", "id", "parameters.fms_radius", "licence"]
    assert first.split() == ["Cu", ids["copper site"], "2.7"]
    lines = whiteline("query", "--columns", "id,parameters.l_max,energy", "--json").out.splitlines()
    assert {json.loads(line)["id"] for line in lines} == set(ids.values())
    assert json.loads(lines[0])["parameters.l_max"] == 1


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".arrow"])
def test_a_file_holds_the_columns_asked_for(whiteline: Command, ids: dict[str, str], suffix: str) -> None:
    answer = whiteline("query", "--columns", "id,parameters.fms_radius", "--sort", "id", "-o", f"table{suffix}")
    assert answer.out == f"wrote 4 spectra to table{suffix}\n"
    path = Path(f"table{suffix}")
    if suffix == ".csv":
        rows = [
            (row["id"], float(row["parameters.fms_radius"]))
            for row in csv.DictReader(path.read_text(encoding="utf-8").splitlines())
        ]
    else:
        import pyarrow.feather  # type: ignore[import-untyped]  # ships no types
        import pyarrow.parquet  # type: ignore[import-untyped]  # ships no types

        read = pyarrow.parquet.read_table if suffix == ".parquet" else pyarrow.feather.read_table
        rows = [tuple(row.values()) for row in read(path).to_pylist()]
    assert rows == [(name, 2.7) for name in sorted(ids.values())]
    assert [each.name for each in Path.cwd().glob("*table*")] == [path.name]


def test_a_control_character_in_a_name_is_shown_and_not_sent_to_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    console = make_console()
    table = make_table("source")
    table.add_row("scan\x1b]0;title\x07.xdi")
    console.print(table)
    console.print("skipped: \x9b31m.xdi\ttwo\nlines")
    out = capsys.readouterr().out
    assert "scan\ufffd]0;title\ufffd.xdi" in out
    assert "skipped: \ufffd31m.xdi" in out
    assert out.endswith("two\nlines\n")
    assert not {"\x1b", "\x07", "\x9b"} & set(out)
