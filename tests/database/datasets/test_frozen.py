from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]  # ships no types
import pyarrow.parquet as parquet  # type: ignore[import-untyped]  # ships no types
import pytest

from whiteline.database.datasets import Dataset, verify_dataset
from whiteline.database.datasets.manifest import MANIFEST, SPECTRA, STRUCTURES, checksum, read_manifest
from whiteline.errors import InputError, ParameterError, ParseError, SchemaVersionError, StoreError


def edit_manifest(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    data = json.loads((folder / MANIFEST).read_text())
    change(data)
    (folder / MANIFEST).write_text(json.dumps(data))


def forge(folder: Path) -> None:
    """Bring checksums and content hash up to date, as somebody who knows how would."""
    data = json.loads((folder / MANIFEST).read_text())
    for name in (SPECTRA, STRUCTURES):
        data["files"][name] = {"sha256": checksum(folder / name), "size": (folder / name).stat().st_size}
    from whiteline.database.datasets import Manifest

    data["content_sha256"] = Manifest.from_dict(data).content_sha256
    (folder / MANIFEST).write_text(json.dumps(data))


def edit_table(folder: Path, change: Callable[[Any], Any]) -> None:
    table = parquet.read_table(folder / SPECTRA)
    parquet.write_table(change(table), folder / SPECTRA)


def test_a_whole_dataset_has_no_problem_and_needs_no_store(dataset: Dataset, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(dataset.path, tmp_path / "elsewhere"))
    (tmp_path / "spectra.db").unlink()
    assert verify_dataset(moved).problems == ()
    assert Dataset.open(moved).matrix("test").tobytes() == dataset.matrix("test").tobytes()


def test_only_the_manifest_is_read_on_opening(dataset: Dataset) -> None:
    (dataset.path / SPECTRA).unlink()
    opened = Dataset.open(dataset.path)
    assert (len(opened), opened.grid.size) == (42, 61)
    assert len(opened.structures) == 14
    with pytest.raises(StoreError, match="it is missing"):
        opened.matrix()


def test_unknown_split_is_named(dataset: Dataset) -> None:
    with pytest.raises(ParameterError, match="did you mean 'train'"):
        dataset.matrix("trian")


@pytest.mark.parametrize("name", [SPECTRA, STRUCTURES])
@pytest.mark.parametrize("is_cut", [True, False])
def test_edited_and_truncated_files_are_refused_and_named(dataset: Dataset, name: str, is_cut: bool) -> None:
    path = dataset.path / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content[: len(content) // 2] if is_cut else content)
    opened = Dataset.open(dataset.path)
    with pytest.raises(ParseError, match=name):
        _ = opened.table if name == SPECTRA else opened.structures
    problems = verify_dataset(dataset.path).problems
    assert problems[0].startswith(f"{name} has {'' if is_cut else 'not the sha256'}")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: data.update(name="other"), "it was edited"),
        (lambda data: data["licences"].update(unknown=0), "it was edited"),
        (lambda data: data["grid"]["points"].pop(), "it was edited"),
        (lambda data: data["grid"].update(start=0.0), "it was edited"),
        (lambda data: data["split"].update(seed=2), "it was edited"),
        (lambda data: data.pop("files"), "lacks or garbles 'files'"),
        (lambda data: data.update(grid=3), "lacks or garbles"),
        (lambda data: data.update(format="other"), "expected the manifest of a dataset"),
    ],
)
def test_an_edited_manifest_is_refused(dataset: Dataset, change: Callable[[dict[str, Any]], None], words: str) -> None:
    edit_manifest(dataset.path, change)
    with pytest.raises(ParseError, match=words):
        Dataset.open(dataset.path)
    (problem,) = verify_dataset(dataset.path).problems
    assert MANIFEST in problem


def test_manifest_cut_off_missing_or_newer_is_said(dataset: Dataset, tmp_path: Path) -> None:
    text = (dataset.path / MANIFEST).read_text()
    edit_manifest(dataset.path, lambda data: data.update(schema_version=2))
    with pytest.raises(SchemaVersionError, match=r"schema version 2, this Whiteline reads up to 1.*pip install -U"):
        verify_dataset(dataset.path)
    (dataset.path / MANIFEST).write_text(text[:100])
    with pytest.raises(ParseError, match="is no JSON"):
        Dataset.open(dataset.path)
    (dataset.path / MANIFEST).write_text("[]")
    with pytest.raises(ParseError, match="expected a JSON object, got a list"):
        Dataset.open(dataset.path)
    with pytest.raises(InputError, match="there is no dataset"):
        Dataset.open(tmp_path / "none")


def test_time_of_making_is_outside_of_the_content_hash(dataset: Dataset) -> None:
    edit_manifest(dataset.path, lambda data: data.update(created="2020-01-01T00:00:00.000+00:00"))
    assert read_manifest(dataset.path).content_sha256 == dataset.manifest.content_sha256


def without_first(table: Any) -> Any:
    return table.slice(1)


def moved_to_test(table: Any) -> Any:
    i_split = table.column_names.index("split")
    return table.set_column(i_split, table.schema.field(i_split), pa.array(["test"] * len(table)))


def with_a_gap(table: Any) -> Any:
    values = table["intensity"].to_pylist()
    values[0][3] = float("nan")
    i_column = table.column_names.index("intensity")
    field = table.schema.field(i_column)
    return table.set_column(i_column, field, pa.array(values, type=field.type))


def without_a_value(name: str) -> Callable[[Any], Any]:
    def change(table: Any) -> Any:
        i_column = table.column_names.index(name)
        field = table.schema.field(i_column)
        return table.set_column(i_column, field, pa.array([None, *table[name].to_pylist()[1:]], type=field.type))

    return change


def relicensed(table: Any) -> Any:
    i_column = table.column_names.index("licence")
    return table.set_column(i_column, table.schema.field(i_column), pa.array(["CC0-1.0"] * len(table)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (without_first, "holds 41 spectra, the manifest says 42"),
        (without_first, "ids in spectra.parquet are not those"),
        (moved_to_test, "are not in the set that seed 0 puts them in"),
        (moved_to_test, "the train set has 0 spectra"),
        (with_a_gap, "1 spectra hold numbers that are not finite"),
        (relicensed, "the manifest counts other licences than spectra.parquet holds: CC-BY-4.0, CC0-1.0, unknown"),
        (without_a_value("id"), "holds other values than a dataset"),
        (without_a_value("intensity"), "holds other values than a dataset"),
        (without_a_value("structure_key"), "structure None of a spectrum is not in"),
        (lambda table: table.drop_columns(["source"]), "other columns than a dataset: source"),
        (lambda table: table.sort_by([("id", "descending")]), "not in the order of its ids"),
    ],
)
def test_verification_recomputes_what_a_forged_checksum_hides(
    dataset: Dataset, change: Callable[[Any], Any], words: str
) -> None:
    edit_table(dataset.path, change)
    forge(dataset.path)
    problems = verify_dataset(dataset.path).problems
    assert any(words in problem for problem in problems), problems


def test_structures_are_held_against_their_hashes(dataset: Dataset) -> None:
    path = dataset.path / STRUCTURES
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    first = json.loads(lines[0])
    first["structure"]["charge"] = -1
    path.write_bytes(gzip.compress("\n".join([json.dumps(first), *lines[2:], '{"structure_key": 1']).encode()))
    forge(dataset.path)
    problems = verify_dataset(dataset.path).problems
    assert (
        problems[0]
        == f"structure {first['structure_key']} in {STRUCTURES} is not what it was: its content has another hash"
    )
    assert "is damaged after line 14" in problems[1]


def test_a_manifest_cannot_point_elsewhere(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("1234")
    edit_manifest(dataset.path, lambda data: data["files"].update({"../secret": {"sha256": "", "size": 4}}))
    forge(dataset.path)
    (problem,) = verify_dataset(dataset.path).problems
    assert problem == "manifest.json names '../secret', which no dataset has: it was edited"


def test_a_lost_and_an_extra_file_are_named(dataset: Dataset) -> None:
    (dataset.path / STRUCTURES).unlink()
    (dataset.path / "notes.txt").write_text("hello")
    problems = verify_dataset(dataset.path).problems
    assert problems == (f"{STRUCTURES} is missing", "notes.txt is no part of the dataset: it was put there later")
