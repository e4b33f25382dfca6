"""Spectra of aiida-quantumespresso's work chains, out of archives and a profile."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from whiteline.database import SpectrumDocument, SpectrumStore, open_store
from whiteline.database.ingest import IngestOptions, IngestReport, Limits
from whiteline.database.query import SpectrumQuery
from whiteline.errors import LineageCycleError
from whiteline.provenance import Kind, file_checksum
from whiteline.settings import Settings
from whiteline.status import Status
from whiteline.workflows.ingest import ingest

DATA = Path(__file__).parents[2] / "data" / "aiida"
DIAMOND, GRAPHITE = DATA / "diamond.aiida", DATA / "graphite.aiida"
CORE = "5a5bf296-023b-4006-bcfc-b1d5120c35cd"
REPLOT = "d737517e-06e3-4d39-a1bd-65371c7af6c7"
CRYSTAL = "be226e14-6adb-4d67-9a59-aee2200123c5"
SECOND_SITE = "b4fd0099-812d-40b7-9047-e818ac608e51"
DENSITY = "811a6983-bc72-4ce8-b135-096af786634d"
CALCULATION = "a5899f73-fdce-4503-bb47-e307cacbae84"


@pytest.fixture(scope="module", autouse=True)
def aiida(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """AiiDA, with its configuration in a folder of its own."""
    home = tmp_path_factory.mktemp("aiida")
    (home / ".aiida").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIIDA_PATH", str(home))
        pytest.importorskip("aiida.orm", reason="aiida-core is not installed: pip install 'whiteline[aiida]'")
        yield


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SpectrumStore]:
    """A store with all spectra of both archives."""
    with open_store(tmp_path_factory.mktemp("both") / "spectra.db") as opened:
        report = ingest([DIAMOND, GRAPHITE], opened)
        assert report.taken == {"xspectra, converged": 5, "xspectra, failed": 2}
        yield opened


Take = Callable[..., IngestReport]


@pytest.fixture
def store(settings: Settings) -> Iterator[SpectrumStore]:
    with open_store(settings.database) as opened:
        yield opened


@pytest.fixture
def take(store: SpectrumStore, settings: Settings) -> Take:
    return lambda *paths, **options: ingest(paths, store, settings=settings, **options)


def found(store: SpectrumStore, **values: Any) -> dict[str, SpectrumDocument]:
    """Return what is stored by the UUID of its work chain."""
    query = SpectrumQuery(**{"status": "any", **values})
    return {d.source.rpartition("#")[2]: d for d in store.query(query)}


def retrieved(archive: Path, node: str, *, of: str = "retrieved") -> dict[str, bytes]:
    """Return the files of a calculation's output, straight from the archive."""
    with zipfile.ZipFile(archive) as file:
        query = (
            "select o.repository_metadata from db_dbnode n join db_dblink l on l.input_id = n.id "
            "join db_dbnode o on o.id = l.output_id where n.uuid = ? and l.label = ?"
        )
        rows = sqlite3.connect(":memory:")
        rows.deserialize(file.read("db.sqlite3"))
        [(text,)] = rows.execute(query, (node, of)).fetchall()
        return {name: file.read(f"repo/{entry['k']}") for name, entry in json.loads(text)["o"].items()}


def edited(archive: Path, place: Path, *statements: str, version: str = "", objects: bytes | None = None) -> Path:
    """Return a copy of an archive whose tables, version or files somebody changed."""
    copy = place / "edited.aiida"
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(copy, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "db.sqlite3":
                rows = sqlite3.connect(":memory:")
                rows.deserialize(content)
                for statement in statements:
                    rows.execute(statement)
                rows.commit()
                content = rows.serialize()
            if name == "metadata.json" and version:
                content = json.dumps({**json.loads(content), "export_version": version}).encode()
            if objects is not None and content == objects:
                content = content.replace(b"0", b"1", 1)
            new.writestr(name, content)
    return copy


def number(uuid: str) -> str:
    return f"(select id from db_dbnode where uuid = '{uuid}')"  # noqa: S608  # our own tables


def changed(attributes: str, *, where: str) -> str:
    return f"update db_dbnode set attributes = {attributes} where {where}"  # noqa: S608  # our own tables


def test_a_spectrum_is_the_one_that_our_reader_finds_in_the_same_files(both: SpectrumStore, tmp_path: Path) -> None:
    document = found(both)[CORE]
    home = tmp_path / "run"
    for name in ("scf.in", "scf.out", "xas_0/xanes.in", "xas_0/xanes.out", "xas_0/xanes.dat"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_bytes(both.read_file(document.id, name))
    assert (home / "xas_0/xanes.dat").read_bytes() == retrieved(DIAMOND, CALCULATION)["xanes.dat"]
    report = ingest([home], both)
    assert (report.n_taken, report.n_present) == (0, 1), "it is the same spectrum, whichever way it comes"
    table = np.loadtxt(home / "xas_0/xanes.dat")
    assert document.spectrum is not None
    np.testing.assert_array_equal(document.spectrum.energy, table[:, 0])
    np.testing.assert_array_equal(document.spectrum.components, table[None, :, 1])
    assert (document.status, document.code_version) == (Status.CONVERGED, "Quantum ESPRESSO 6.7MaX")


def test_importing_again_stores_nothing_new(both: SpectrumStore) -> None:
    again = ingest([DIAMOND, GRAPHITE], both)
    assert (again.n_taken, again.n_present, again.skipped) == (0, 7, ())


def test_a_spectrum_that_was_drawn_anew_has_its_own_range_and_width_and_the_log_of_its_run(both: SpectrumStore) -> None:
    documents = found(both)
    spectrum = documents[REPLOT].spectrum
    assert spectrum is not None
    assert (spectrum.energy[0], spectrum.energy[-1], len(spectrum.energy)) == (-5.0, 20.0, 80)
    assert spectrum.broadening[0].profile.fwhm == pytest.approx(0.6)  # type: ignore[union-attr]
    assert "8 of 8 recursions converged" in [check.detail for check in documents[REPLOT].checks]


def test_failures_say_how_each_process_ended(both: SpectrumStore) -> None:
    failures = list(found(both, status=Status.FAILED).values())
    reasons = sorted(d.reason for d in failures)
    assert "XspectraCoreWorkChain 1c6b2d8c excepted" in reasons[0]
    assert "exit status 314: xiabs was either set to 0 or less" in reasons[0]
    assert "PwCalculation e5cf44da ended with exit status 410: The electronic minimization cycle" in reasons[1]
    assert {(d.formula, d.absorber, d.edge, d.site_index) for d in failures} == {("C", "C", "K", 0)}
    assert {d.structure_id for d in failures} == {found(both)[CORE].structure_id}, "all are of one crystal"


def test_sites_of_a_crystal_are_those_of_its_unit_cell_and_their_average_is_the_powder_of_all(
    both: SpectrumStore,
) -> None:
    documents = {u: d for u, d in found(both).items() if str(GRAPHITE) in d.source}
    average = documents.pop(CRYSTAL)
    sites = sorted(documents.values(), key=lambda d: d.site_index or 0)
    assert [(d.site_index, d.multiplicity, d.space_group) for d in sites] == [(0, 2, 194), (2, 2, 194)]
    assert (average.parents, average.multiplicity) == (tuple(d.id for d in sites), 4)
    assert average.spectrum is not None
    powders = [d.spectrum.to_absolute().intensity for d in sites if d.spectrum is not None]
    np.testing.assert_allclose(average.spectrum.to_absolute().intensity, np.mean(powders, axis=0), rtol=1e-9)


def test_the_powder_of_a_site_is_that_of_aiidas_work_chain(both: SpectrumStore) -> None:
    sites = {u: d for u, d in found(both, kind="site").items() if str(GRAPHITE) in d.source}
    for uuid, document in sites.items():
        array = retrieved(GRAPHITE, uuid, of="powder_spectrum")["y_array_0.npy"]
        assert document.spectrum is not None
        # Our weights follow from the cell, which is printed with seven digits.
        np.testing.assert_allclose(document.spectrum.intensity, _load(array), rtol=1e-6)


def _load(content: bytes) -> np.ndarray[Any, np.dtype[np.float64]]:
    from io import BytesIO

    loaded: np.ndarray[Any, np.dtype[np.float64]] = np.load(BytesIO(content), allow_pickle=False)
    return loaded


def test_the_record_leads_to_the_nodes_of_aiida(both: SpectrumStore) -> None:
    document = found(both)[CORE]
    [record] = both.records(document.id)
    assert record.activity == "aiida-import"
    assert record.used[Kind.SOURCE][str(DIAMOND)] == file_checksum(DIAMOND)
    assert set(record.used[Kind.PSEUDOPOTENTIAL]) == {"C.pbe-gipaw.UPF", "C.star1s.pbe-gipaw.UPF"}
    assert [link.spectrum_id for link in both.linked([CORE])] == [document.id]
    assert (record.host, record.cores, record.started_at[:16]) == ("localhost", 1, "2026-11-22T07:20")
    told = record.parameters["aiida"]
    types = {node["type"] for node in told["nodes"]}
    assert types >= {"StructureData", "KpointsData", "UpfData", "InstalledCode", "CalcJobNode", "WorkChainNode"}
    names = {(told["nodes"][e].get("type"), told["nodes"][c].get("type"), name) for e, c, name in told["links"]}
    assert ("CalcJobNode", "StructureData", "structure") in names
    assert len(json.dumps(record.to_dict())) < 20_000


def test_a_record_says_the_same_whenever_it_is_read(take: Take, store: SpectrumStore, both: SpectrumStore) -> None:
    take(DIAMOND)
    one, two = (each.records(found(each)[CORE].id)[0] for each in (store, both))
    assert one.id == two.id


def test_calculations_without_the_work_chain_of_the_atom_make_one_spectrum_of_all_directions(
    take: Take, store: SpectrumStore, tmp_path: Path
) -> None:
    renamed = changed("replace(attributes, '{}', 'MyWorkChain')", where="true")
    names = ("XspectraCoreWorkChain", "XspectraCrystalWorkChain")
    report = take(edited(GRAPHITE, tmp_path, *(renamed.format(name) for name in names)))
    assert report.taken == {"xspectra, converged": 2}
    spectra = [d.spectrum for d in store.query(SpectrumQuery())]
    assert [[p.label for p in s.polarisations] for s in spectra if s is not None] == [["x", "z"]] * 2


def test_a_work_chain_that_failed_leaves_a_spectrum_that_is_not_converged(
    take: Take, store: SpectrumStore, tmp_path: Path
) -> None:
    failed = "json_set(attributes, '$.exit_status', 402, '$.exit_message', 'One or more failed')"
    take(edited(DIAMOND, tmp_path, changed(failed, where=f"uuid = '{CORE}'")))
    document = found(store)[CORE]
    assert document.status is Status.UNCONVERGED
    assert document.reason == "AiiDA: XspectraCoreWorkChain 5a5bf296 ended with exit status 402: One or more failed"


def test_archives_of_earlier_versions_are_read_and_those_of_later_ones_are_not(take: Take, tmp_path: Path) -> None:
    old = edited(DIAMOND, tmp_path, version="main_0000b")
    content = old.read_bytes()
    assert take(old).n_taken == 4
    assert old.read_bytes() == content
    [skipped] = take(edited(DIAMOND, tmp_path, version="main_0099")).skipped
    assert "is an archive of version main_0099, the installed AiiDA reads up to main_0001" in skipped.reason


def _truncated(place: Path) -> Path:
    (place / "x.aiida").write_bytes(DIAMOND.read_bytes()[:-1000])
    return place / "x.aiida"


def _no_archive(place: Path) -> Path:
    (place / "x.aiida").write_text("no archive\n", encoding="utf-8")
    return place / "x.aiida"


def _other_zip(place: Path) -> Path:
    with zipfile.ZipFile(place / "x.aiida", "w") as file:
        file.writestr("readme.txt", "hello")
    return place / "x.aiida"


def _no_database(place: Path) -> Path:
    with zipfile.ZipFile(DIAMOND) as old, zipfile.ZipFile(place / "x.aiida", "w") as new:
        for name in old.namelist():
            new.writestr(name, b"\0" * 1000 if name == "db.sqlite3" else old.read(name))
    return place / "x.aiida"


def _no_results(place: Path) -> Path:
    rename = changed("replace(attributes, '\"Xspectra', '\"Other')", where="true")
    return edited(DIAMOND, place, rename)


def _bomb(place: Path) -> Path:
    with zipfile.ZipFile(DIAMOND) as old, zipfile.ZipFile(place / "x.aiida", "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name) + (b"\0" * 2**21 if name.startswith("repo/") else b""))
    return place / "x.aiida"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (_no_archive, "is no archive of AiiDA, or was cut off"),
        (_truncated, "is no archive of AiiDA, or was cut off"),
        (_other_zip, "is damaged (CorruptStorage: Could not read metadata"),
        (_no_database, "is damaged (DatabaseError"),
        (_no_results, "holds no work chain or calculation of XSpectra, but 4 OtherCoreWorkChain"),
        (_bomb, "with 2 MiB, at most 1 MiB are read: give --no-limit"),
    ],
)
def test_bad_archives_are_skipped_with_the_reason(
    make: Callable[[Path], Path], words: str, take: Take, tmp_path: Path
) -> None:
    options = IngestOptions(limits=Limits(max_bytes=2**20))
    report = take(make(tmp_path), options=options)
    assert report.n_taken == 0
    [skipped] = report.skipped
    assert words in skipped.reason


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("structure", "XspectraCoreWorkChain 5a5bf296 has no structure: export it from AiiDA with all its links"),
        ("parent_folder", "scf: no log of pw.x says whether the density converged"),
        ("retrieved", "XspectraCoreWorkChain 5a5bf296 left no spectrum"),
    ],
)
def test_what_lacks_is_named(name: str, words: str, take: Take, store: SpectrumStore, tmp_path: Path) -> None:
    lone = f"update db_dblink set label = 'x' where label = '{name}'"  # noqa: S608  # our own tables
    renamed = changed("replace(attributes, 'PwCalculation', 'Other')", where="true")
    report = take(edited(DIAMOND, tmp_path, lone, *([renamed] if name == "parent_folder" else [])))
    reasons = {one.source.rpartition("#")[2]: one.reason for one in report.skipped}
    reasons |= {uuid: document.reason for uuid, document in found(store).items()}
    assert words in reasons[CORE]
    assert len(reasons) == 4


@pytest.mark.parametrize("kind", ["call_work", "create"])
def test_links_in_a_loop_are_refused(kind: str, take: Take, tmp_path: Path) -> None:
    from whiteline.workflows.ingest.aiida.xspectra import AiidaReader

    cause = number("9b926112-3f56-4dfe-a837-1ccf551ce498" if kind == "call_work" else DENSITY)
    given = f"(select input_id from db_dblink where label = 'structure' and output_id = {cause})"  # noqa: S608
    effect = number(CORE) if kind == "call_work" else given
    loop = edited(
        DIAMOND,
        tmp_path,
        f"insert into db_dblink (input_id, output_id, label, type) select {cause}, {effect}, 'x', '{kind}'",
    )
    with pytest.raises(LineageCycleError, match="edited"):
        list(AiidaReader().read(loop, IngestOptions()))
    assert take(loop).n_taken <= 1


def test_a_changed_file_is_named_with_its_checksum(take: Take, tmp_path: Path) -> None:
    content = retrieved(DIAMOND, CALCULATION)["xanes.dat"]
    report = take(edited(DIAMOND, tmp_path, objects=content))
    [skipped] = report.skipped
    assert "xanes.dat of FolderData" in skipped.reason
    assert "was changed: its SHA-256 is not" in skipped.reason
    assert report.n_taken == 3


def test_a_changed_array_leaves_the_spectrum_in_doubt(take: Take, store: SpectrumStore, tmp_path: Path) -> None:
    array = retrieved(DIAMOND, CALCULATION, of="spectra")["y_array_0.npy"]
    take(edited(DIAMOND, tmp_path, objects=array))
    document = found(store)[CORE]
    assert document.status is Status.UNCONVERGED
    assert "is not the spectrum in xanes.dat: one was changed" in document.reason


def test_a_changed_structure_leaves_the_spectrum_in_doubt(take: Take, store: SpectrumStore, tmp_path: Path) -> None:
    wider = "replace(attributes, '1.7835', '1.9')"
    take(edited(DIAMOND, tmp_path, changed(wider, where="node_type like '%StructureData%'")))
    document = found(store)[CORE]
    assert document.status is Status.UNCONVERGED
    assert "the structure in AiiDA is not the one that xspectra.x printed" in document.reason


def test_plugins_need_not_be_installed(take: Take, store: SpectrumStore, tmp_path: Path) -> None:
    types = {
        "data.core.upf.UpfData.": "data.pseudo.upf.UpfData.",
        "data.core.structure.StructureData.": "data.quantumespresso.hubbard_structure.HubbardStructureData.",
    }
    other = [f"update db_dbnode set node_type = '{new}' where node_type = '{old}'" for old, new in types.items()]  # noqa: S608
    report = take(edited(DIAMOND, tmp_path, *other))
    assert report.taken == {"xspectra, converged": 2, "xspectra, failed": 2}
    [record] = store.records(found(store)[CORE].id)
    assert set(record.used[Kind.PSEUDOPOTENTIAL]) == {"C.pbe-gipaw.UPF", "C.star1s.pbe-gipaw.UPF"}


def test_what_has_not_ended_waits(take: Take, tmp_path: Path) -> None:
    running = "json_remove(json_set(attributes, '$.process_state', 'waiting'), '$.exit_status')"
    copy = edited(DIAMOND, tmp_path, changed(running, where=f"uuid = '{CORE}'"))
    [skipped] = take(copy).skipped
    assert "XspectraCoreWorkChain 5a5bf296 has not ended (it is waiting): take it when it has" in skipped.reason


def test_no_average_is_taken_over_some_of_the_sites(take: Take, tmp_path: Path) -> None:
    running = "json_set(attributes, '$.process_state', 'waiting')"
    report = take(edited(GRAPHITE, tmp_path, changed(running, where=f"uuid = '{SECOND_SITE}'")))
    assert report.taken == {"xspectra, converged": 1}
    [_, skipped] = report.skipped
    assert skipped.reason.startswith("XspectraCrystalWorkChain be226e14 has no average of C K: no spectrum of site_2")


def test_without_aiida_the_package_is_named(take: Take, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiida.manage.configuration", None)
    [skipped] = take(DIAMOND).skipped
    assert "needs aiida, which is not installed: `pip install 'whiteline[aiida]'`" in skipped.reason


def test_an_unknown_profile_is_no_missing_file(take: Take) -> None:
    report = take("aiida:nobody")
    [skipped] = report.skipped
    assert "there is no AiiDA profile 'nobody'" in skipped.reason


_PROFILE = """
import sys
from pathlib import Path
from aiida.manage.configuration import create_profile, get_config, load_profile
create_profile(get_config(create=True), name="lab", email="a@example.org", storage_backend="core.sqlite_dos",
               storage_config={"filepath": sys.argv[2]}, broker_backend=None)
load_profile("lab")
from aiida.tools.archive import import_archive
import_archive(Path(sys.argv[1]))
from whiteline.workflows.ingest import ingest
from whiteline.database import open_store
with open_store(sys.argv[3]) as store:
    print(ingest(["aiida:lab"], store).taken, ingest([sys.argv[1]], store).n_present)
"""


def test_a_profile_gives_the_same_spectra_as_the_archive_that_was_imported_into_it(tmp_path: Path) -> None:
    shutil.copy(GRAPHITE, tmp_path / "graphite.aiida")
    words = [str(tmp_path / name) for name in ("graphite.aiida", "storage", "spectra.db")]
    done = subprocess.run(
        [sys.executable, "-c", _PROFILE, *words],
        env={**os.environ, "AIIDA_PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines()[-1] == "{'xspectra, converged': 3} 3"
