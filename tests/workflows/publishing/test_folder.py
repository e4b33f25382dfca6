"""What a published folder holds, and what is refused."""

from __future__ import annotations

import filecmp
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from whiteline.database import open_store
from whiteline.database.administration import restore
from whiteline.database.datasets import Dataset, verify_dataset
from whiteline.errors import CorruptStoreError, InputError, StoreError
from whiteline.models.registry import find_model
from whiteline.workflows.publishing import Destination, Terms, check_published, publish, read_subject
from whiteline.workflows.publishing import folder as publishing_folder
from whiteline.workflows.publishing.reproducing import dataset_command

from .conftest import Publisher


def test_what_was_published_is_the_dataset_and_the_model_themselves(dataset: Path, model: Path, made: Path) -> None:
    assert verify_dataset(dataset / "data").is_sound
    original = find_model(made, "cu-k-toy")
    assert find_model(made, str(model / "model")).id == original.id
    assert find_model(made, str(model / "model")).load().sha256 == original.id


def test_checksums_are_those_that_sha256sum_reads(dataset: Path) -> None:
    command = [shutil.which("sha256sum") or "sha256sum", "-c", "--strict", "SHA256SUMS"]
    done = subprocess.run(command, cwd=dataset, capture_output=True, text=True, check=True)
    n_files = sum(1 for path in dataset.rglob("*") if path.is_file())
    assert done.stdout.count(": OK") == n_files - 1
    assert check_published(dataset) == ()


@pytest.mark.parametrize("name", ["data/spectra.parquet", "ro-crate-metadata.json", "README.md"])
def test_a_flipped_byte_is_found_and_named(dataset: Path, tmp_path: Path, name: str) -> None:
    copy = Path(shutil.copytree(dataset, tmp_path / "copy"))
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    assert any(problem.startswith(f"{name} was changed") for problem in check_published(copy))
    command = [shutil.which("sha256sum") or "sha256sum", "-c", "SHA256SUMS"]
    assert subprocess.run(command, cwd=copy, capture_output=True, check=False).returncode == 1


def test_a_missing_an_added_and_a_relisted_file_are_named(dataset: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(dataset, tmp_path / "copy"))
    (copy / "requirements.txt").unlink()
    (copy / "notes.txt").write_text("mine", encoding="utf-8")
    problems = check_published(copy)
    assert "requirements.txt is missing" in problems
    assert "notes.txt is no part of the publication: it was put there later" in problems
    with pytest.raises(InputError, match="is no published folder"):
        check_published(tmp_path)


def test_publishing_again_gives_the_same_bytes(dataset: Path, publisher: Publisher, tmp_path: Path) -> None:
    again = tmp_path / "again"
    publisher("copper", again, licence="CC-BY-4.0", keywords=("XANES",), citations=("FEFF: 10.1107/S1600577521008614",))
    names = [path.relative_to(again).as_posix() for path in again.rglob("*") if path.is_file()]
    assert filecmp.cmpfiles(dataset, again, names, shallow=False) == (names, [], [])


def test_what_is_there_is_not_written_over(dataset: Path, publisher: Publisher, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(InputError, match="taken is there already"):
        publisher("copper", tmp_path / "taken", licence="CC-BY-4.0")
    assert [*tmp_path.iterdir()] == [tmp_path / "taken"]


def test_nothing_is_left_of_a_publication_that_failed(
    publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(publishing_folder, "write_crate", fail)
    with pytest.raises(StoreError, match=r"copper-1 \(No space left on device\)"):
        publisher("copper", tmp_path / "copper-1", licence="CC-BY-4.0", with_store=False)
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize(
    ("name", "damaged"),
    [
        ("copper", "spectra.parquet"),
        ("copper", "structures.jsonl.gz"),
        ("cu-k-toy", "weights.safetensors"),
        ("cu-k-toy", "spectra.json"),
    ],
)
def test_what_is_damaged_is_refused_and_the_file_named(home: Path, name: str, damaged: str) -> None:
    with (home / name / damaged).open("ab") as file:
        file.write(b" ")
    with pytest.raises(CorruptStoreError, match=damaged.replace(".", r"\.")):
        read_subject(str(home / name), registry=home)


def test_what_is_neither_dataset_nor_model_is_refused_with_the_nearest(made: Path) -> None:
    with pytest.raises(InputError, match="did you mean 'cu-k-toy'"):
        read_subject("cu-k-tyo", registry=made)


def test_without_a_store_it_is_said_what_is_not_known(publisher: Publisher, tmp_path: Path) -> None:
    done = publisher("copper", tmp_path / "bare", licence="CC-BY-4.0", with_store=False)
    assert any("no store of spectra was at hand" in note for note in done.notes)
    assert "feff FEFF 10" in (tmp_path / "bare/README.md").read_text(encoding="utf-8")
    assert not (tmp_path / "bare/store.tar").exists()
    assert "${WHITELINE_DATABASE:?" in (tmp_path / "bare/reproduce.sh").read_text(encoding="utf-8")


def test_the_lineage_reaches_the_files_of_the_crystals(model: Path) -> None:
    lineage = json.loads((model / "lineage/lineage.json").read_bytes())
    kinds = {node["kind"] for node in lineage["nodes"]}
    assert {"model", "dataset", "spectrum", "input", "structure", "source"} <= kinds
    assert "entity" in json.loads((model / "lineage/lineage.prov.json").read_bytes())


def test_the_store_and_the_command_that_are_published_make_the_same_spectra(dataset: Path, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from whiteline.cli import commands  # noqa: F401  # registers them
    from whiteline.cli.app import app

    with open_store(str(tmp_path / "spectra.db")) as store:
        assert restore(dataset / "store.tar", store).n_new == 12
    published = Dataset.open(dataset / "data")
    command, unsaid = dataset_command(published.manifest, str(tmp_path / "again"))
    assert not unsaid
    done = CliRunner().invoke(app, [*command[1:], "--db", str(tmp_path / "spectra.db")])
    assert done.exit_code == 0, done.output
    again = Dataset.open(tmp_path / "again")
    assert again.manifest.grid == published.manifest.grid
    assert again.ids() == published.ids()
    assert again.ids("test") == published.ids("test")
    assert (again.matrix() == published.matrix()).all()


def test_for_nomad_each_calculation_is_a_folder_with_raw_files_and_nxxas(publisher: Publisher, tmp_path: Path) -> None:
    pytest.importorskip("h5py", reason="pip install 'whiteline[hdf5]'")
    target = tmp_path / "nomad"
    publisher("copper", target, licence="CC-BY-4.0", destination=Destination.NOMAD)
    folders = [*(target / "calculations").iterdir()]
    assert len(folders) == 12
    assert {path.name for path in folders[0].iterdir()} == {"feff.inp", "spectrum.nxs"}
    told = YAML(typ="safe").load((target / "nomad.yaml").read_text(encoding="utf-8"))
    assert told.keys() == {"upload_name", "comment", "references", "entries"}
    assert all((target / mainfile).is_file() for mainfile in told["entries"])
    assert check_published(target) == ()
    with pytest.raises(InputError, match="name it with --db"):
        publisher("copper", tmp_path / "x", licence="CC0-1.0", with_store=False, destination=Destination.NOMAD)


def test_for_materials_cloud_the_form_is_filled_in_and_what_lacks_is_said(publisher: Publisher, tmp_path: Path) -> None:
    target = tmp_path / "cloud"
    done = publisher(
        "copper", target, licence="CC-BY-4.0", destination=Destination.MATERIALS_CLOUD, authors=(), with_store=False
    )
    form = YAML(typ="safe").load((target / "materials-cloud.yaml").read_text(encoding="utf-8"))
    assert form["licence"] == ["CC-BY-4.0"]
    assert {reference["url"] for reference in form["references"]} >= {"https://doi.org/10.1038/cuo"}
    assert any("asks for authors" in note for note in done.notes)
    assert not (target / "CITATION.cff").exists()


def test_marks_of_suspicion_are_said_loudly(home: Path, tmp_path: Path) -> None:
    with open_store(str(home / "spectra.db")) as store:
        subject = read_subject(str(home / "copper"), registry=home)
        store.mark([next(iter(subject.spectra))], "bug in the broadening")
        terms = Terms(licence="CC-BY-4.0", published="2026-10-31")
        done = publish(subject, tmp_path / "out", terms=terms, store=store, registry=home)
    assert any(note.startswith("SUSPECT: 1 of the things") and "bug in the broadening" in note for note in done.notes)
    assert "SUSPECT" in (tmp_path / "out/ro-crate-preview.html").read_text(encoding="utf-8")
