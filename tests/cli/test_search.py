"""`whiteline search` on the store of real calculations."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

# Registers the command even where only this file is run.
import whiteline.cli.commands.search  # noqa: F401

from .conftest import Command


def test_a_foil_finds_copper_and_draws_it(
    whiteline: Command, store: Path, ids: dict[str, str], data: Path, tmp_path: Path
) -> None:
    foil = data / "measured" / "cu_metal_rt.xdi"
    answer = whiteline("search", foil, "-o", tmp_path / "best.png")
    assert answer.code == 0
    assert "search index of" in answer.err
    assert "only Cu K was looked at" in answer.err
    assert all(spectrum_id[:10] in answer.out for spectrum_id in ids.values())
    assert (tmp_path / "best.png").read_bytes().startswith(b"\x89PNG")
    again = whiteline("search", foil)
    assert "search index" not in again.err
    assert again.out == answer.out.replace(f"wrote {tmp_path / 'best.png'}\n", "")


def test_a_stored_spectrum_is_not_its_own_match(whiteline: Command, store: Path, ids: dict[str, str]) -> None:
    own = ids["copper site"]
    answer = whiteline("search", own[:12], "--json", "--metric", "pearson")
    found = [json.loads(line) for line in answer.out.splitlines()]
    assert {match["id"] for match in found} == set(ids.values()) - {own}
    assert found[0]["id"] == ids["copper material"]
    assert found[0]["score"] == pytest.approx(1.0, abs=1e-5)
    assert found[0]["absorber"] == "Cu"


def test_conditions_are_those_of_a_query(whiteline: Command, store: Path, ids: dict[str, str]) -> None:
    answer = whiteline("search", ids["copper site"], "--kind", "site", "--json")
    assert [json.loads(line)["id"] for line in answer.out.splitlines()] == [ids["copper[strained] site"]]
    nothing = whiteline("search", ids["copper site"], "--absorber", "Ti")
    assert nothing.code == 0
    assert "0 matches of 4 indexed spectra" in nothing.out


def test_the_status_of_the_index_is_said(whiteline: Command, store: Path, ids: dict[str, str]) -> None:
    before = whiteline("search", "--index-status")
    assert before.code == 0
    assert "there is no search index" in before.out
    whiteline("search", ids["copper site"])
    after = json.loads(whiteline("search", "--index-status", "--json").out)
    assert (after["problem"], after["n_spectra"], after["n_behind"]) == ("", 4, 0)
    assert after["folder"] == f"{store}.search"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give a FILE or an ID"),
        (("copper.xdi", "--index-status"), "give a FILE or an ID"),
        (("missing.xdi",), "missing.xdi"),
        (("abcdef",), "has an id that begins with"),
        (("SITE", "--metric", "cosin"), "did you mean 'cosine'"),
        (("SITE", "--broaden", "wide"), "--broaden expects widths in eV"),
        (("SITE", "--max-shift", "99"), "max_shift must be from 0"),
        (("SITE", "--no-update"), "search without --no-update"),
        (("SITE", "-o", "best.xls"), "ends in .png, .svg or .pdf"),
    ],
)
def test_bad_input_is_one_line_that_says_what_to_do(
    whiteline: Command, store: Path, ids: dict[str, str], arguments: tuple[str, ...], message: str
) -> None:
    answer = whiteline("search", *(ids["copper site"] if a == "SITE" else a for a in arguments))
    assert (answer.code, answer.out) == (1, "")
    assert message in answer.err


def test_the_help_has_examples(whiteline: Command) -> None:
    answer = whiteline("search", "--help")
    assert answer.code == 0
    assert "whiteline search measured.xdi --absorber Fe" in answer.out.partition("Examples")[2]
