from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py  # type: ignore[import-untyped]  # ships no types
import numpy as np
import pytest
from pymatgen.core import Structure

from tests.database.conftest import ARTEFACT
from whiteline.database import DocumentKind, SpectrumDocument
from whiteline.database.nexus import write_nexus
from whiteline.errors import InputError, StoreError
from whiteline.spectrum import Spectrum
from whiteline.status import Status

if TYPE_CHECKING:
    from tests.database.conftest import DocumentMaker, RecordMaker

# What the two published forms of NXxas demand of an entry: groups with their class, and fields.
# https://github.com/nexusformat/definitions, applications/NXxas.nxdl.xml (raw data of a scan) and
# contributed_definitions/NXxas.nxdl.xml (the generic one).
GROUPS = {
    "instrument": "NXinstrument",
    "instrument/source": "NXsource",
    "instrument/monochromator": "NXmonochromator",
    "instrument/incoming_beam": "NXdetector",
    "instrument/absorbed_beam": "NXdetector",
    "sample": "NXsample",
    "monitor": "NXmonitor",
    "data": "NXdata",
    "process": "NXprocess",
    "element": "NXelement",
    "edge": "NXabsorption_edge",
}
TEXTS = [
    "title",
    "start_time",
    "definition",
    "instrument/source/type",
    "instrument/source/name",
    "instrument/source/probe",
    "sample/name",
    "monitor/mode",
    "data/mode",
    "element/symbol",
    "edge/name",
]
CURVES = [
    "energy",
    "intensity",
    "instrument/monochromator/energy",
    "instrument/incoming_beam/data",
    "instrument/absorbed_beam/data",
    "monitor/data",
    "data/energy",
    "data/absorbed_beam",
    "data/intensity",
]


def text(entry: Any, name: str) -> str:
    value: str = entry[name].asstr()[()]
    return value


def test_entry_has_what_both_forms_of_nxxas_demand(make_document: DocumentMaker, tmp_path: Path) -> None:
    path = tmp_path / "spectrum.nxs"
    assert write_nexus(path, [(make_document(edge="L23"), None)]) == 1
    with h5py.File(path) as file:
        entry = file["entry"]
        assert {name: entry[name].attrs["NX_class"] for name in GROUPS} == GROUPS
        assert all(text(entry, name) for name in TEXTS)
        assert {entry[name].shape for name in CURVES} == {(40,)}
        assert {entry[name].dtype for name in CURVES} == {np.dtype("float64")}
        assert (text(entry, "definition"), text(entry, "instrument/source/probe")) == ("NXxas", "x-ray")
        assert (text(entry, "element/symbol"), text(entry, "edge/name")) == ("Ti", "L2,3")
        assert text(entry, "monitor/mode") in ("monitor", "timer")
        assert text(entry, "data/mode") == "Transmission"
        # The form for raw data holds every NXdata of an entry to the same demands.
        assert [name for name, group in entry.items() if group.attrs.get("NX_class") == "NXdata"] == ["data"]
        assert entry["is_experimental"].dtype == bool
        assert not entry["is_experimental"][()]


def test_a_viewer_finds_what_to_plot_from_the_root(make_document: DocumentMaker, tmp_path: Path) -> None:
    document = make_document()
    write_nexus(tmp_path / "spectrum.nxs", [(document, None)])
    assert document.spectrum is not None
    with h5py.File(tmp_path / "spectrum.nxs") as file:
        entry = file[file.attrs["default"]]
        data = entry[entry.attrs["default"]]
        signal, axis = data[data.attrs["signal"]], data[data.attrs["axes"]]
        assert axis[()].tobytes() == document.spectrum.photon_energy.tobytes()
        assert signal[()].tobytes() == document.spectrum.cross_section().tobytes()
        assert (axis.attrs["units"], signal.attrs["units"], data.attrs["energy_indices"]) == ("eV", "Mbarn", 0)
        components = entry["components"]
        assert components["intensity"][()].tobytes() == document.spectrum.components.tobytes()
        assert components["label"].asstr()[()].tolist() == ["x", "z"]


def test_units_are_said_to_be_arbitrary_when_they_are(make_document: DocumentMaker, tmp_path: Path) -> None:
    spectrum = Spectrum([0.0, 1.0, 2.0], [1.0, 2.0, 3.0], energy_reference="fermi")  # type: ignore[arg-type]  # a member
    document = make_document(spectrum=spectrum, kind=DocumentKind.MEASURED, status=Status.CONVERGED, reason="")
    write_nexus(tmp_path / "spectrum.nxs", [(document, None)])
    with h5py.File(tmp_path / "spectrum.nxs") as file:
        attributes = dict(file["entry/intensity"].attrs)
        assert (attributes["units"], attributes["energy_reference"]) == ("", "fermi")
        assert attributes["long_name"] == "intensity (arbitrary units)"
        assert file["entry/is_experimental"][()]
        assert text(file["entry"], "title").endswith("measured")
        assert "mode" not in file["entry/data"]


def test_structure_and_provenance_come_along(
    make_document: DocumentMaker, make_record: RecordMaker, tmp_path: Path
) -> None:
    document, record = make_document(licence="CC-BY-4.0"), make_record()
    write_nexus(tmp_path / "spectrum.nxs", [(document, record)])
    with h5py.File(tmp_path / "spectrum.nxs") as file:
        entry = file["entry"]
        cif = Structure.from_str(text(entry, "sample/structure/data"), fmt="cif")
        assert cif.composition.reduced_formula == "TiO2"
        assert json.loads(text(entry, "sample/structure_pymatgen/data")) == document.structure
        assert entry["process"].attrs["NX_class"] == "NXprocess"
        assert (text(entry, "process/program"), text(entry, "process/version")) == ("feff", "10.0.1")
        assert json.loads(text(entry, "process/parameters/data")) == document.parameters
        assert json.loads(text(entry, "process/record/data"))["id"] == record.id
        assert json.loads(text(entry, "process/document/data"))["licence"] == "CC-BY-4.0"
        assert text(entry, "start_time") == record.started_at


def test_many_spectra_are_entries_of_one_file(make_document: DocumentMaker, tmp_path: Path) -> None:
    documents = [make_document(f"{i}") for i in range(3)]
    assert write_nexus(tmp_path / "all.nxs", ((document, None) for document in documents)) == 3
    with h5py.File(tmp_path / "all.nxs") as file:
        assert [text(file[name], "entry_identifier") for name in ("entry", "entry_2", "entry_3")] == [
            document.id for document in documents
        ]
        # Links stay within their own entry.
        assert file["entry_2/data/energy"].name.startswith("/entry_2/")


def test_measured_sample_without_structure_is_written(make_document: DocumentMaker, tmp_path: Path) -> None:
    empty: dict[str, Any] = {"structure": {}, "structure_id": "", "formula": "", "space_group": 0, "source": ""}
    document = make_document(**empty, kind=DocumentKind.MEASURED, status=Status.CONVERGED, reason="")
    write_nexus(tmp_path / "spectrum.nxs", [(document, None)])
    with h5py.File(tmp_path / "spectrum.nxs") as file:
        assert text(file["entry"], "sample/name") == "unknown"
        assert "structure" not in file["entry/sample"]


def test_odd_text_and_clusters_do_not_stop_the_writer(make_document: DocumentMaker, tmp_path: Path) -> None:
    cluster = {"@module": "pymatgen.core.structure", "@class": "Molecule", "sites": []}
    document = make_document(structure=cluster, formula="Ti\0O\ud800", code="f\0")
    write_nexus(tmp_path / "spectrum.nxs", [(document, None)])
    with h5py.File(tmp_path / "spectrum.nxs") as file:
        assert text(file["entry"], "sample/name") == "Ti O?"
        assert "structure" not in file["entry/sample"]
        assert json.loads(text(file["entry"], "sample/structure_pymatgen/data")) == cluster


def test_failed_calculation_and_empty_list_leave_no_file(make_document: DocumentMaker, tmp_path: Path) -> None:
    failed: SpectrumDocument = make_document(status=Status.FAILED)
    with pytest.raises(InputError, match="FEFF stopped in pot"):
        write_nexus(tmp_path / "none.nxs", [(replace(failed), None)])
    with pytest.raises(InputError, match="no spectrum to write"):
        write_nexus(tmp_path / "none.nxs", [])
    with pytest.raises(StoreError, match="choose a writable place"):
        write_nexus(tmp_path / "missing" / "none.nxs", [(make_document(), None)])
    assert list(tmp_path.iterdir()) == []


FULL_DISK = """
import json, resource, sys
from pathlib import Path
from whiteline.database import SpectrumDocument
from whiteline.database.nexus import write_nexus
from whiteline.errors import StoreError

document = SpectrumDocument.from_dict(json.loads(Path(sys.argv[1]).read_text()))
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
try:
    write_nexus(sys.argv[2], [(document, None)] * 20)
except StoreError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limits of file sizes")
def test_a_full_disk_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    # A limit of the file size stands for the disk; HDF5 by itself would end in a crash.
    command = [sys.executable, "-c", FULL_DISK, str(ARTEFACT), str(tmp_path / "many.nxs")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "many.nxs" in done.stdout
    assert "choose a writable place" in done.stdout
    assert list(tmp_path.iterdir()) == []
