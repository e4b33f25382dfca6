from __future__ import annotations

import json
from pathlib import Path

from .conftest import Command


def rows(text: str) -> dict[str, str]:
    """Return the lines `  name  value` of a report."""
    pairs = (line.strip().split("  ", 1) for line in text.splitlines() if line.startswith("  "))
    return {pair[0]: pair[1].strip() for pair in pairs if len(pair) == 2}


def test_a_site_shows_status_checks_parameters_and_provenance(whiteline: Command, ids: dict[str, str]) -> None:
    answer = whiteline("show", ids["copper site"])
    found = rows(answer.out)
    assert answer.code == 0
    assert found["id"] == ids["copper site"]
    assert found["absorber"] == "Cu K, site 0 of multiplicity 4"
    assert (found["status"], found["fms_radius"], found["scf_radius"]) == ("converged", "2.7", "null")
    assert found["made output file xmu.dat"].startswith("sha256:")
    assert found["used input file feff.inp"].startswith("sha256:")
    assert any(name.startswith("executable _feff10") for name in found)
    assert found["cores"] == "1"
    assert "pot " in found["timings"]


def test_code_and_version_are_named_once(whiteline: Command, ids: dict[str, str]) -> None:
    text = whiteline("show", ids["copper site"]).out
    assert "feff FEFF" not in text
    assert rows(text)["code"].startswith("FEFF 10")


def test_brackets_in_the_name_of_a_file_are_shown(whiteline: Command, ids: dict[str, str]) -> None:
    assert "copper[strained].cif" in rows(whiteline("show", ids["copper[strained] site"]).out)["material"]


def test_an_average_lists_its_sites(whiteline: Command, ids: dict[str, str]) -> None:
    found = rows(whiteline("show", ids["copper material"]).out)
    assert found[ids["copper site"][:10]] == "Cu K, site 0 of multiplicity 4, converged"
    assert found["used spectrum site 0"] == ids["copper site"]


def test_json_holds_the_document_and_its_records(whiteline: Command, ids: dict[str, str]) -> None:
    content = json.loads(whiteline("show", ids["copper site"][:12], "--json").out)
    assert content["id"] == ids["copper site"]
    assert [record["activity"] for record in content["records"]] == ["feff-site"]


def test_an_unknown_id_is_one_message(whiteline: Command, store: Path) -> None:
    answer = whiteline("show", "zzz")
    assert answer.code == 1
    assert answer.err.splitlines() == [
        f"whiteline: error: no spectrum in sqlite:///{store} has an id that begins with 'zzz'"
    ]
