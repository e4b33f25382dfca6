from __future__ import annotations

import errno
import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from whiteline.database import SpectrumStore, SQLiteStore
from whiteline.database.administration import Archive, StoreSource, backup, compare, copy, restore, verify_archive
from whiteline.database.administration.archive_writer import ArchiveWriter
from whiteline.database.administration.entries import EVERYTHING
from whiteline.database.blobs import LARGEST_FILE
from whiteline.errors import CorruptStoreError, ParameterError, SchemaVersionError, StoreError

from .conftest import BACKENDS, StoreOpener

if TYPE_CHECKING:
    from tests.database.conftest import DocumentMaker
    from whiteline.database.store import Item

Members = dict[str, bytes]


@pytest.fixture
def archive(filled: SpectrumStore, tmp_path: Path) -> Path:
    return backup(filled, tmp_path / "backup.tar").path


def read_members(path: Path) -> Members:
    with tarfile.open(path) as tar:
        return {header.name: tar.extractfile(header).read() for header in tar}  # type: ignore[union-attr]  # files all


def write_members(path: Path, members: Members) -> Path:
    path.unlink(missing_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))
    return path


def lines(members: Members, kind: str) -> list[Any]:
    return [json.loads(line) for line in gzip.decompress(members[f"{kind}/00000.jsonl.gz"]).splitlines()]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_restored_store_is_the_store_bit_for_bit(
    filled: SpectrumStore, archive: Path, open_empty: StoreOpener, backend: str
) -> None:
    target = open_empty(backend, "target")
    report = restore(archive, target)
    assert report.comparison.is_equal
    assert compare(StoreSource(filled), target).is_equal
    assert compare(StoreSource(target), filled).is_equal


def test_stores_of_all_kinds_with_the_same_content_make_the_same_backup(
    filled: SpectrumStore, archive: Path, open_empty: StoreOpener, tmp_path: Path
) -> None:
    other = open_empty("mongo")
    copy(StoreSource(filled), other)
    members, others = read_members(archive), read_members(backup(other, tmp_path / "other.tar").path)
    assert members.pop("manifest.json") != others.pop("manifest.json")  # its time and source
    assert members == others


def test_a_backup_of_nothing_is_a_backup(open_empty: StoreOpener, tmp_path: Path) -> None:
    report = backup(open_empty("sqlite"), tmp_path / "empty.tar")
    with Archive(report.path) as archive:
        assert verify_archive(archive).faults == ()
    assert restore(report.path, open_empty("mongo")).comparison.is_equal


def test_a_backup_in_many_parts_is_the_same_in_the_end(
    filled: SpectrumStore, open_empty: StoreOpener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("whiteline.database.administration.archive_writer._PART_SPECTRA", 3)
    report = backup(filled, tmp_path / "parts.tar")
    assert report.manifest.n_parts == 3
    assert (report.manifest.n_structures, report.manifest.n_blobs) == (2, 4)
    target = open_empty("sqlite", "target")
    assert restore(report.path, target).comparison.is_equal
    assert compare(StoreSource(filled), target).is_equal


def test_a_backup_is_read_with_standard_tools_alone(filled: SpectrumStore, archive: Path) -> None:
    members = read_members(archive)
    structures = gzip.decompress(members["structures/00000.jsonl.gz"]).splitlines()
    known = {hashlib.sha256(line).hexdigest(): json.loads(line) for line in structures}
    numbers = np.load(io.BytesIO(members["arrays/00000.npy"]), allow_pickle=False)
    places = {line["sha256"]: line for line in lines(members, "index")}
    documents = lines(members, "documents")
    assert len(documents) == 7
    for line in documents:
        stored = filled.get(line["id"])
        assert known[line["structure"]] == dict(stored.structure)
        if stored.spectrum is None:
            assert line["spectrum"] is None
            continue
        for name, values in (("energy", stored.spectrum.energy), ("components", stored.spectrum.components)):
            place = places[line["spectrum"][name]]
            found = numbers[place["start"] : place["start"] + place["length"]]
            assert found.reshape(values.shape).tobytes() == values.tobytes()
    for line in lines(members, "files"):
        content = gzip.decompress(members[f"blobs/{line['sha256'][:2]}/{line['sha256']}.gz"])
        assert content == filled.read_file(line["spectrum"], line["name"])
    manifest = json.loads(members["manifest.json"])
    for name, member in manifest["members"].items():
        assert hashlib.sha256(members[name]).hexdigest() == member["sha256"]


def test_a_backup_never_replaces_a_file(filled: SpectrumStore, tmp_path: Path) -> None:
    (tmp_path / "mine.tar").write_text("mine")
    with pytest.raises(StoreError, match="is there already"):
        backup(filled, tmp_path / "mine.tar")
    assert (tmp_path / "mine.tar").read_text() == "mine"


def test_a_backup_that_fails_leaves_nothing_behind(
    filled: SpectrumStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: ArchiveWriter) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ArchiveWriter, "end_part", full)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(OSError, match="No space left"):
        backup(filled, tmp_path / "backup.tar")
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("name", ["backup.zip", "backup"])
def test_a_backup_is_called_tar(filled: SpectrumStore, tmp_path: Path, name: str) -> None:
    with pytest.raises(ParameterError, match=r"expected a name such as .*\.tar"):
        backup(filled, tmp_path / name)


def test_a_backup_in_a_folder_that_is_not_there_is_refused(filled: SpectrumStore, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="choose a writable place"):
        backup(filled, tmp_path / "none" / "backup.tar")


def test_a_store_with_spectra_is_filled_only_when_that_is_said(
    archive: Path, open_empty: StoreOpener, make_document: DocumentMaker
) -> None:
    target = open_empty("sqlite", "target")
    target.put(make_document("own"))
    with pytest.raises(ParameterError, match="--into-existing"):
        restore(archive, target)
    assert target.count(EVERYTHING) == 1
    report = restore(archive, target, is_into_existing=True)
    assert report.comparison.is_equal
    assert target.count(EVERYTHING) == 8
    assert restore(archive, target, is_into_existing=True).n_same == 7


def test_a_restore_replaces_only_when_that_is_said(
    archive: Path, open_empty: StoreOpener, make_document: DocumentMaker
) -> None:
    target = open_empty("sqlite", "target")
    target.put(make_document("a", source="mine.cif"))
    assert not restore(archive, target, is_into_existing=True).comparison.is_equal
    assert target.get(make_document("a").id).source == "mine.cif"
    assert restore(archive, target, is_into_existing=True, replace=True).comparison.is_equal


def drop(name: str) -> Callable[[Members], None]:
    return lambda members: members.__delitem__(name)


def put(name: str, content: bytes = b"x") -> Callable[[Members], None]:
    return lambda members: members.__setitem__(name, content)


def flip(name: str) -> Callable[[Members], None]:
    def edit(members: Members) -> None:
        content = bytearray(members[name])
        content[len(content) // 2] ^= 1
        members[name] = bytes(content)

    return edit


EDITS = [
    (flip("arrays/00000.npy"), r"arrays/00000\.npy was changed"),
    (flip("documents/00000.jsonl.gz"), r"documents/00000\.jsonl\.gz was changed"),
    (flip("README.txt"), r"README\.txt was changed"),
    (drop("records/00000.jsonl.gz"), r"records/00000\.jsonl\.gz is missing"),
    (put("documents/00001.jsonl.gz"), "is not in the manifest"),
]


@pytest.mark.parametrize(("edit", "message"), EDITS)
def test_an_edited_member_is_named_and_nothing_is_restored(
    archive: Path, open_empty: StoreOpener, edit: Callable[[Members], None], message: str
) -> None:
    members = read_members(archive)
    edit(members)
    write_members(archive, members)
    target = open_empty("sqlite", "target")
    with pytest.raises(CorruptStoreError, match=message):
        restore(archive, target)
    assert target.count(EVERYTHING) == 0
    with Archive(archive) as opened:
        (fault,) = verify_archive(opened).faults
    assert fault.remedy == "use the untouched file or another backup"


REFUSED = [
    (drop("manifest.json"), r"has no manifest\.json"),
    (put("manifest.json", b"{"), r"member manifest\.json is no JSON"),
    (put("manifest.json", b"[" * 100_000), r"member manifest\.json is no JSON"),
    (put("manifest.json", b"[]"), "is no Whiteline backup"),
    (put("manifest.json", b'{"format": "whiteline-backup", "format_version": 1}'), "was edited"),
    (put("../evil.jsonl.gz"), r"\.\./evil\.jsonl\.gz is nothing that a backup holds"),
    (put("/etc/evil"), "is nothing that a backup holds"),
    (put("blobs/../../evil.gz"), "is nothing that a backup holds"),
]


@pytest.mark.parametrize(("edit", "message"), REFUSED)
def test_what_is_no_backup_is_refused_before_it_is_read(
    archive: Path, edit: Callable[[Members], None], message: str
) -> None:
    members = read_members(archive)
    edit(members)
    with pytest.raises(CorruptStoreError, match=message):
        Archive(write_members(archive, members))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE])
def test_links_folders_and_devices_are_refused(archive: Path, kind: bytes) -> None:
    with tarfile.open(archive, "a") as tar:
        header = tarfile.TarInfo("documents/00009.jsonl.gz")
        header.type, header.linkname = kind, "/etc/passwd"
        tar.addfile(header)
    with pytest.raises(CorruptStoreError, match="is nothing that a backup holds"):
        Archive(archive)


def test_a_member_that_is_there_twice_is_refused(archive: Path) -> None:
    with tarfile.open(archive, "a") as tar:
        tar.addfile(tarfile.TarInfo("README.txt"))
    with pytest.raises(CorruptStoreError, match="twice"):
        Archive(archive)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.8, 0.93])
def test_a_backup_that_was_cut_anywhere_is_told(archive: Path, share: float) -> None:
    content = archive.read_bytes()
    end = content.rindex(b"\n}") + 2  # of the manifest
    archive.write_bytes(content[: int(share * end)])
    with pytest.raises(CorruptStoreError, match=r"backup\.tar is damaged.*use the untouched file or another backup"):
        Archive(archive)


def test_a_member_that_grows_beyond_its_stated_size_is_not_unpacked(archive: Path) -> None:
    members = read_members(archive)
    bomb = gzip.compress(bytes(10_000_000), mtime=0)
    name = "records/00000.jsonl.gz"
    manifest = json.loads(members["manifest.json"])
    manifest["members"][name] |= {"size": len(bomb), "sha256": hashlib.sha256(bomb).hexdigest()}
    members |= {name: bomb, "manifest.json": json.dumps(manifest).encode()}
    with (
        Archive(write_members(archive, members)) as opened,
        pytest.raises(CorruptStoreError, match="does not decompress"),
    ):
        opened.read(name)


def test_a_sparse_member_that_would_grow_without_end_is_refused(archive: Path) -> None:
    members = read_members(archive)
    archive.unlink()
    with tarfile.open(archive, "w", format=tarfile.PAX_FORMAT) as tar:
        header = tarfile.TarInfo("README.txt")
        header.size = 1
        header.pax_headers = {"GNU.sparse.map": "0,1", "GNU.sparse.size": str(10**15), "GNU.sparse.numblocks": "1"}
        tar.addfile(header, io.BytesIO(b"x"))
        for name in ("manifest.json",):
            plain = tarfile.TarInfo(name)
            plain.size = len(members[name])
            tar.addfile(plain, io.BytesIO(members[name]))
    with pytest.raises(CorruptStoreError, match=r"README\.txt is nothing that a backup holds"):
        Archive(archive)


def test_a_raw_file_larger_than_any_store_takes_is_not_unpacked(archive: Path) -> None:
    members = read_members(archive)
    manifest = json.loads(members["manifest.json"])
    name = next(name for name in members if name.startswith("blobs/"))
    manifest["members"][name]["content_size"] = LARGEST_FILE + 1
    members["manifest.json"] = json.dumps(manifest).encode()
    with Archive(write_members(archive, members)) as opened, pytest.raises(CorruptStoreError, match="more than a"):
        opened.read(name)


@pytest.mark.parametrize(
    "change",
    [
        {"n_parts": 10**12},
        {"n_parts": "1"},
        {"tally": {}},
        {"members": {"README.txt": {"size": "1", "sha256": "", "content_size": 1}}},
        {"members": None},
    ],
)
def test_a_manifest_of_impossible_counts_is_refused_at_once(archive: Path, change: dict[str, Any]) -> None:
    members = read_members(archive)
    manifest = json.loads(members["manifest.json"])
    members["manifest.json"] = json.dumps({**manifest, **change}).encode()
    with pytest.raises(CorruptStoreError, match=r"manifest\.json of .* was edited .*use the untouched file"):
        Archive(write_members(archive, members))


def test_a_manifest_that_lacks_a_field_is_refused(archive: Path) -> None:
    members = read_members(archive)
    manifest = json.loads(members["manifest.json"])
    del manifest["schema_versions"]
    members["manifest.json"] = json.dumps(manifest).encode()
    with pytest.raises(CorruptStoreError, match="schema_versions"):
        Archive(write_members(archive, members))


def test_arrays_that_claim_to_fill_all_memory_are_refused(archive: Path) -> None:
    members = read_members(archive)
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": (2**60,)})
    manifest = json.loads(members["manifest.json"])
    content = file.getvalue()
    checksum = hashlib.sha256(content).hexdigest()
    manifest["members"]["arrays/00000.npy"] = {"size": len(content), "content_size": len(content), "sha256": checksum}
    members |= {"arrays/00000.npy": content, "manifest.json": json.dumps(manifest).encode()}
    with Archive(write_members(archive, members)) as opened, pytest.raises(CorruptStoreError, match="part 00000"):
        opened.part(0)


def test_a_full_disk_is_named_and_leaves_nothing(
    filled: SpectrumStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill_up(writer: ArchiveWriter, entry: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(ArchiveWriter, "add", fill_up)
    with pytest.raises(StoreError, match=r"cannot write .*new\.tar \(No space left on device\): make room"):
        backup(filled, tmp_path / "new.tar")
    assert not [each for each in tmp_path.iterdir() if "new.tar" in each.name]


def test_pickled_arrays_are_not_loaded(archive: Path) -> None:
    members = read_members(archive)
    file = io.BytesIO()
    np.save(file, np.array([{"evil": 1}], dtype=object), allow_pickle=True)
    manifest = json.loads(members["manifest.json"])
    content = file.getvalue()
    manifest["members"]["arrays/00000.npy"] = {
        "size": len(content),
        "content_size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    members |= {"arrays/00000.npy": content, "manifest.json": json.dumps(manifest).encode()}
    with Archive(write_members(archive, members)) as opened, pytest.raises(CorruptStoreError, match="part 00000"):
        list(opened.entries())


def test_a_backup_of_a_newer_format_asks_for_an_upgrade(archive: Path) -> None:
    members = read_members(archive)
    manifest = json.loads(members["manifest.json"])
    members["manifest.json"] = json.dumps({**manifest, "format_version": 99}).encode()
    with pytest.raises(SchemaVersionError, match="pip install -U whiteline"):
        Archive(write_members(archive, members))


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be read"):
        Archive(tmp_path / "none.tar")


def test_a_damaged_raw_file_of_the_store_stops_the_backup(filled: SQLiteStore, tmp_path: Path) -> None:
    filled._connection().execute("UPDATE blobs SET content = zeroblob(9) WHERE size = 520")
    with pytest.raises(CorruptStoreError, match=r"feff\.inp"):
        backup(filled, tmp_path / "backup.tar")
    assert not (tmp_path / "backup.tar").exists()


def test_items_of_the_fixture_cover_every_kind(items: Sequence[Item]) -> None:
    assert {item[0].status.value for item in items} >= {"failed", "unconverged"}
    assert {item[0].kind.value for item in items} == {"site", "material"}
