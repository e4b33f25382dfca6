"""`whiteline provenance`, on spectra that FEFF computed."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from whiteline.provenance.graph import LineageGraph

from .conftest import Command


@pytest.fixture(autouse=True)
def aiida_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """AiiDA's configuration, for a process that has not imported it and for one that has."""
    folder = tmp_path / ".aiida"
    folder.mkdir()
    monkeypatch.setenv("AIIDA_PATH", str(tmp_path))
    if find_spec("aiida") is None:
        return
    from aiida.manage import configuration
    from aiida.manage.configuration.settings import AiiDAConfigDir

    monkeypatch.setattr(AiiDAConfigDir, "_glb_aiida_config_folder", folder)
    monkeypatch.setattr(configuration, "CONFIG", None)


def test_the_help_has_an_example(whiteline: Command) -> None:
    assert "whiteline provenance export 3f9a2c" in whiteline("provenance", "export", "--help").out


def test_the_graph_is_written_in_the_formats_that_were_named(
    whiteline: Command, ids: dict[str, str], tmp_path: Path
) -> None:
    one, two = tmp_path / "prov.json", tmp_path / "graph.json"
    answer = whiteline("provenance", "export", ids["copper material"], "--prov-json", one, "--json", two)
    assert (answer.code, answer.err) == (0, "")
    assert set(json.loads(one.read_text())) >= {"prefix", "entity", "activity", "used"}
    assert ids["copper site"] in LineageGraph.from_dict(json.loads(two.read_text())).nodes
    again = whiteline("provenance", "export", ids["copper material"], "--json", two)
    assert again.code == 1
    assert "exists and is not overwritten" in again.err


def test_an_archive_of_aiida_is_written_for_a_query(whiteline: Command, ids: dict[str, str], tmp_path: Path) -> None:
    pytest.importorskip("aiida", reason="aiida-core is not installed: pip install 'whiteline[aiida]'")
    path = tmp_path / "copper.aiida"
    answer = whiteline("provenance", "export", "--kind", "material", "--absorber", "Cu", "--aiida", path)
    assert answer.code == 0
    assert path.is_file()
    assert "nodes" in answer.out
    found = whiteline("lineage", path)
    assert "exported file" in found.out


def test_an_unknown_profile_is_refused(whiteline: Command, ids: dict[str, str]) -> None:
    pytest.importorskip("aiida", reason="aiida-core is not installed: pip install 'whiteline[aiida]'")
    answer = whiteline("provenance", "export", ids["copper site"], "--to-profile", "nowhere")
    assert answer.code == 1
    assert "there is no AiiDA profile 'nowhere'" in answer.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--aiida", "x.aiida"], "either ids or a query"),
        (["--absorber", "Cu"], "say where to"),
        (["--absorber", "Cu", "--aiida", "x.aiida", "--create-profile"], "--to-profile NAME"),
        (["feedbeef", "--aiida", "x.aiida"], "feedbeef"),
    ],
)
def test_what_is_unclear_is_refused(whiteline: Command, ids: dict[str, str], words: list[str], message: str) -> None:
    answer = whiteline("provenance", "export", *words)
    assert answer.code == 1
    assert message in answer.err
    assert not Path("x.aiida").exists()
