"""`whiteline predict`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.workflows.learning.conftest import plan_of
from tests.workflows.learning.toy import (
    fill_store,
    freeze,
    install_toy_encoder,
    leave_out_reports,
    rock_salt,
    two_sites,
)
from whiteline.workflows.learning import run_training

from .conftest import Command


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store and, in `models`, a model of copper."""
    home = tmp_path_factory.mktemp("predict")
    with pytest.MonkeyPatch.context() as patch:
        install_toy_encoder(patch)
        leave_out_reports(patch)
        freeze(fill_store(home), home / "copper", kind="site")
        run_training(plan_of(home / "copper"), home / "models" / "cu-k-toy")
    return home


@pytest.fixture(autouse=True)
def _here(trained: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    install_toy_encoder(monkeypatch)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    shutil.copy(trained / "spectra.db", tmp_path / "spectra.db")
    shutil.copytree(trained / "models", tmp_path / "models")
    two_sites().to("Cu4N.cif", fmt="cif")
    yield


FIND = ("--absorber", "Cu", "--models", "models")


def test_the_help_has_an_example(whiteline: Command) -> None:
    assert "whiteline predict cuprite.cif" in whiteline("predict", "--help").out


def test_sites_with_error_bars_and_domain_and_a_figure_beside_the_calculation(whiteline: Command) -> None:
    answer = whiteline("predict", "Cu4N.cif", *FIND, "-o", "cu4n.png")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.count("Cu4N") >= 2
    assert "Cu4N (" in answer.out.rpartition("nearest in training")[2]  # by formula, not by hash alone
    assert Path("cu4n.png").read_bytes().startswith(b"\x89PNG")


def test_json_holds_sites_material_bands_and_nearest(whiteline: Command) -> None:
    (found,) = json.loads(whiteline("predict", "Cu4N.cif", *FIND, "--json").out)["predictions"]
    assert sorted(site["multiplicity"] for site in found["sites"]) == [1, 3]
    assert len(found["spectrum"]["energy"]) == len(found["half_widths"]["0.5"]) == 31
    assert all(site["nearest"] for site in found["sites"])
    assert found["id"] is None


def test_bad_structures_are_named_and_the_others_go_on(whiteline: Command) -> None:
    Path("many").mkdir()
    rock_salt("Cu", "I").to("many/CuI.cif", fmt="cif")
    rock_salt("Cu", "Te").to("many/CuTe.cif", fmt="cif")
    rock_salt("Ni", "O").to("many/NiO.cif", fmt="cif")
    Path("many/torn.cif").write_text("data_", encoding="utf-8")
    answer = whiteline("predict", "many", *FIND, "-o", "figures")
    assert answer.code == 1
    assert [line.partition(":")[0] for line in answer.err.splitlines()] == [
        "many/torn.cif",
        "many/CuTe.cif",
        "many/NiO.cif",
    ]
    assert [path.name for path in Path("figures").iterdir()] == ["CuI.png"]


def test_stored_twice_adds_nothing_and_leads_back(whiteline: Command) -> None:
    first = json.loads(whiteline("predict", "Cu4N.cif", *FIND, "--store", "--json").out)
    again = whiteline("predict", "Cu4N.cif", *FIND, "--store")
    assert "stored 0 new spectra as model:cu-k-toy" in again.out
    identity = first["predictions"][0]["id"]
    assert "model:cu-k-toy" in whiteline("show", identity).out
    answer = whiteline("lineage", identity, "--models", "models")
    assert (answer.code, answer.err) == (0, "")
    for words in ("dataset copper", "feff.inp (kept)", "source file Cu4N.cif"):
        assert words in answer.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["Cu4N.cif", "-a", "Ni", "--models", "models"], "those of Ni K are: none"),
        (["Cu4N.cif", "-a", "Cu", "--models", "models", "-m", "cu-k-toi"], "did you mean 'cu-k-toy'"),
        (["Cu4N.cif", *FIND, "-o", "figure.txt"], ".png, .svg or .pdf"),
        (["Cu4N.cif", "Cu4N.cif", *FIND, "-o", "figure.png"], "there are 2: give a folder"),
        (["Cu4N.cif", *FIND, "--fidelity", "vasp"], "does not predict 'vasp'"),
    ],
)
def test_a_wrong_request_is_one_message(whiteline: Command, arguments: list[str], words: str) -> None:
    answer = whiteline("predict", *arguments)
    assert (answer.code, words in answer.err) == (1, True), answer.err
