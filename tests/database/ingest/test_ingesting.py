from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from whiteline.database import DocumentKind, SpectrumStore
from whiteline.database.documents import SpectrumDocument
from whiteline.database.ingest import Entry, IngestOptions, Skipped, ingest_with
from whiteline.database.ingest.measured_files import MeasuredReader
from whiteline.edges import Edge
from whiteline.errors import InputError
from whiteline.status import Status

from .conftest import MEASURED

READERS = [MeasuredReader()]


def measured() -> SpectrumDocument:
    [entry] = MeasuredReader().read(MEASURED / "V2O3.xdi", IngestOptions())
    assert isinstance(entry, Entry)
    return entry.document


class Listed:
    """Takes any file for these documents, then ends as a disk does that breaks."""

    kind = "listed"

    def __init__(self, *documents: SpectrumDocument, error: OSError | None = None) -> None:
        self.documents, self.error = documents, error

    def claims(self, path: Path) -> bool:
        return path.is_file()

    def read(self, path: Path, options: IngestOptions) -> Iterator[Entry | Skipped]:  # noqa: ARG002  # as readers have it
        yield from (Entry(document, {str(path): ""}) for document in self.documents)
        if self.error is not None:
            raise self.error


def test_a_folder_of_measured_spectra_is_stored_with_files_and_records(store: SpectrumStore) -> None:
    report = ingest_with([MEASURED], store, file_readers=READERS)
    [path] = report.paths
    n_files = len(list(MEASURED.glob("*.xdi")))
    assert (path.n_taken, path.n_present, len(path.skipped)) == (n_files, 0, 0)
    assert path.n_ignored == 1, "the README"
    document = next(d for d in map(store.get, path.ids) if d.source.endswith("V2O3.xdi"))
    assert (document.kind, document.code, document.status) == (DocumentKind.MEASURED, "experiment", Status.CONVERGED)
    assert (document.absorber, document.edge, document.formula) == ("V", "K", "V2O3")
    assert store.read_file(document.id, "V2O3.xdi") == (MEASURED / "V2O3.xdi").read_bytes()
    [record] = store.records(document.id)
    assert record.activity == "ingest"
    assert next(iter(record.inputs)).endswith("V2O3.xdi")


def test_the_same_data_under_other_names_is_stored_once(store: SpectrumStore, tmp_path: Path) -> None:
    folder = tmp_path / "copies"
    folder.mkdir()
    for name in ("one.xdi", "two.xdi"):
        shutil.copy(MEASURED / "V2O3.xdi", folder / name)
    first = ingest_with([folder], store, file_readers=READERS)
    again = ingest_with([folder, MEASURED / "V2O3.xdi"], store, file_readers=READERS)
    assert (first.n_taken, first.n_present) == (1, 1)
    assert (again.n_taken, again.n_present) == (0, 3)
    assert again.is_success


def test_a_dry_run_counts_the_same_and_writes_nothing(store: SpectrumStore, tmp_path: Path) -> None:
    dry = ingest_with([MEASURED], store, file_readers=READERS, is_dry_run=True)
    without_store = ingest_with([MEASURED], None, file_readers=READERS, is_dry_run=True)
    assert store.status_of(dry.paths[0].ids[0]) is None
    assert dry.n_taken == without_store.n_taken == ingest_with([MEASURED], store, file_readers=READERS).n_taken


def test_a_path_that_is_not_there_fails_the_whole_and_the_others_are_taken(
    store: SpectrumStore, tmp_path: Path
) -> None:
    report = ingest_with([tmp_path / "nothing", MEASURED], store, file_readers=READERS)
    assert not report.is_success
    assert report.n_taken > 0
    assert report.paths[0].is_missing
    assert "no such file" in report.skipped[0].reason


def test_licence_and_citation_of_the_user_go_into_every_document(store: SpectrumStore) -> None:
    options = IngestOptions(licence="CC0-1.0", citation="doi:10.1000/1")
    report = ingest_with([MEASURED], store, file_readers=READERS, options=options)
    found = {(d.licence, d.citation) for d in map(store.get, report.paths[0].ids)}
    assert found == {("CC0-1.0", "doi:10.1000/1")}


def test_columns_of_text_are_read_where_their_kind_is_given_and_need_an_edge(
    store: SpectrumStore, tmp_path: Path
) -> None:
    path = tmp_path / "scan.dat"
    path.write_text("# energy mu\n" + "".join(f"{8900 + 5 * i} {int(i > 15)}.{i}\n" for i in range(60)))
    assert "of no known kind" in ingest_with([path], store, file_readers=READERS).skipped[0].reason
    without = ingest_with([path], store, file_readers=READERS, kind="measured")
    assert "give --absorber and --edge" in without.skipped[0].reason
    wrong = ingest_with(
        [path], store, file_readers=READERS, kind="measured", options=IngestOptions(absorber="Fe", edge=Edge.K)
    )
    assert "the Fe K edge lies at 7112.0 eV" in wrong.skipped[0].reason
    options = IngestOptions(absorber="Cu", edge=Edge.K)
    assert ingest_with([path], store, file_readers=READERS, kind="measured", options=options).n_taken == 1


def test_an_unknown_kind_names_the_nearest(store: SpectrumStore) -> None:
    with pytest.raises(InputError, match="did you mean 'measured'"):
        ingest_with([MEASURED], store, file_readers=READERS, kind="mesured")


def test_links_pipes_and_loops_in_a_folder_are_harmless(store: SpectrumStore, tmp_path: Path) -> None:
    folder = tmp_path / "scans"
    folder.mkdir()
    outside = tmp_path / "outside.xdi"
    shutil.copy(MEASURED / "V2O3.xdi", outside)
    shutil.copy(MEASURED / "SrO_rt_01.xdi", folder / "own.xdi")
    (folder / "loop").symlink_to(folder)
    (folder / "self.xdi").symlink_to(folder / "self.xdi")
    (folder / "outside.xdi").symlink_to(outside)
    (folder / "nothing.xdi").symlink_to(folder / "missing")
    os.mkfifo(folder / "pipe.xdi")
    report = ingest_with([folder], store, file_readers=READERS)
    assert (report.n_taken, report.n_present, report.skipped) == (1, 0, ())


def test_a_name_that_no_store_takes_is_replaced_and_the_spectrum_kept(store: SpectrumStore, tmp_path: Path) -> None:
    path = tmp_path / "new\nline\\Ω.xdi"
    shutil.copy(MEASURED / "V2O3.xdi", path)
    report = ingest_with([path], store, file_readers=READERS)
    assert [file.name for file in store.files(report.paths[0].ids[0])] == ["file-1"]


def test_a_failed_calculation_gives_way_to_its_spectrum_and_not_the_other_way(store: SpectrumStore) -> None:
    failed = replace(measured(), spectrum=None, status=Status.FAILED, reason="stopped")
    store.put(failed)
    assert ingest_with([MEASURED / "V2O3.xdi"], store, file_readers=READERS).n_taken == 1
    assert store.status_of(failed.id) is Status.CONVERGED


def test_a_failure_gives_way_to_a_spectrum_of_the_same_run(store: SpectrumStore) -> None:
    document = measured()
    failed = replace(document, spectrum=None, status=Status.FAILED, reason="stopped")
    report = ingest_with([MEASURED / "V2O3.xdi"], store, file_readers=[Listed(failed, document, failed)])
    assert report.n_present == 1
    assert store.status_of(document.id) is Status.CONVERGED


def test_what_the_store_refuses_is_skipped_alone(store: SpectrumStore) -> None:
    document = measured()
    huge = replace(document, id="ab", site_index=2**70)
    words = replace(document, id="cd", fidelity="\ud83d")
    nothing = replace(document, id="ef", parameters={"energy": float("nan")})
    reader = Listed(huge, document, words, nothing, replace(document, id="09"))
    report = ingest_with([MEASURED / "V2O3.xdi"], store, file_readers=[reader])
    assert [path.ids for path in report.paths] == [(document.id, "09")]
    reasons = [one.reason for one in report.skipped]
    assert ["whole numbers of up to 64 bits" in reason for reason in reasons] == [True, True, False]
    assert "cannot be stored as JSON" in reasons[2]


def test_a_file_that_the_disk_does_not_give_is_skipped_and_the_others_taken(store: SpectrumStore) -> None:
    reader = Listed(measured(), error=PermissionError(13, "Permission denied", "scan.xdi"))
    report = ingest_with([MEASURED / "V2O3.xdi", MEASURED / "SrO_rt_01.xdi"], store, file_readers=[reader])
    assert (report.n_taken, report.n_present) == (1, 1)
    assert [one.reason for one in report.skipped] == 2 * [
        "cannot be read (Permission denied scan.xdi): check permissions and disk"
    ]


def test_names_of_files_need_not_be_unicode(store: SpectrumStore, tmp_path: Path) -> None:
    folder = tmp_path / "scans"
    folder.mkdir()
    try:
        shutil.copy(MEASURED / "V2O3.xdi", folder / os.fsdecode(b"\xff.xdi"))
    except OSError:
        pytest.skip("this file system takes Unicode only")
    (folder / os.fsdecode(b"\xfe\x1b[31m.xdi")).write_text("# XDI/1.0\n")
    report = ingest_with([folder], store, file_readers=READERS)
    assert store.get(report.paths[0].ids[0]).source == f"{folder}/\\udcff.xdi"
    [skipped] = report.skipped
    assert skipped.source == f"{folder}/\\udcfe\\x1b[31m.xdi", "nothing steers the terminal"


def test_a_pipe_is_skipped_and_not_waited_for(store: SpectrumStore, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.xdi")
    [skipped] = ingest_with([tmp_path / "pipe.xdi"], store, file_readers=READERS).skipped
    assert "is a pipe or device" in skipped.reason
