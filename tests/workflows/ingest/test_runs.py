"""Folders of finished runs as their owners keep them."""

from __future__ import annotations

import bz2
import gzip
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from whiteline.calculators.feff import FeffCalculator
from whiteline.calculators.feff.xmu import read_xmu
from whiteline.database import SpectrumDocument, SpectrumStore, open_store
from whiteline.database.ingest import IngestOptions, IngestReport, Limits
from whiteline.edges import Edge
from whiteline.errors import InputError
from whiteline.settings import Settings
from whiteline.status import Status
from whiteline.structures import NamedStructure
from whiteline.workflows import write_inputs
from whiteline.workflows.ingest import KINDS, ingest
from whiteline.workflows.site_file import read_site_file

DATA = Path(__file__).parents[2] / "data"


@pytest.fixture
def store(settings: Settings) -> Iterator[SpectrumStore]:
    with open_store(settings.database) as opened:
        yield opened


@pytest.fixture
def take(store: SpectrumStore, settings: Settings) -> Callable[..., IngestReport]:
    return lambda *paths, **options: ingest(paths, store, settings=settings, **options)


@pytest.fixture
def documents(store: SpectrumStore) -> Callable[[IngestReport], list[SpectrumDocument]]:
    return lambda report: [store.get(one) for path in report.paths for one in path.ids]


Take = Callable[..., IngestReport]
Documents = Callable[[IngestReport], list[SpectrumDocument]]


def copy(origin: Path, folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        shutil.copy(DATA / origin / name, folder / name.replace("reference", ""))
    return folder


@pytest.fixture
def material(tmp_path: Path) -> Path:
    """A material in Lightshow's layout: one folder a code, one folder a site."""
    home = tmp_path / "mp-1203"
    copy(Path("feff/mp-1203"), home / "FEFF" / "000_Ti", "feff.inp", "xmu.dat")
    shutil.copytree(DATA / "xspectra/mp-1203", home / "XSPECTRA" / "Spectra-6-6-5" / "0")
    copy(Path("vasp/Li7P3S11"), home / "VASP" / "000_S", "OUTCAR", "INCAR", "POSCAR", "KPOINTS")
    copy(Path("exciting/BN"), home / "EXCITING" / "000_N", "INFO.OUT", "INFOXS.OUT", "input.xml")
    for kind in ("EPSILON", "EXCITON"):
        shutil.copytree(DATA / "exciting/BN" / kind, home / "EXCITING" / "000_N" / kind)
    shutil.copytree(DATA / "ocean/lif_oncv", home / "OCEAN" / "run")
    return home


def test_every_code_of_a_material_is_found_with_its_site(material: Path, take: Take, documents: Documents) -> None:
    report = take(material)
    assert report.skipped == ()
    found = {
        d.code: (d.absorber, d.edge, d.formula, d.site_index, d.multiplicity, d.status.value) for d in documents(report)
    }
    assert found == {
        "feff": ("Ti", "K", "TiO", 0, 2, "unconverged"),
        "xspectra": ("Ti", "K", "TiO", 0, 16, "converged"),
        "vasp": ("S", "K", "Li7P3S11", 0, 4, "converged"),
        "exciting": ("N", "K", "BN", 1, 1, "converged"),
        "ocean": ("F", "K", "LiF", 1, 1, "unconverged"),
    }
    assert all(d.fidelity == f"{d.code}:imported" for d in documents(report))


def test_ingesting_again_adds_nothing_wherever_the_folder_is(material: Path, take: Take, tmp_path: Path) -> None:
    first = take(material)
    moved = material.rename(tmp_path / "elsewhere")
    second = take(moved)
    assert (second.n_taken, second.n_present) == (0, first.n_taken)


def test_a_feff_spectrum_is_that_of_its_file_and_the_crystal_that_of_its_comments(
    tmp_path: Path, take: Take, documents: Documents
) -> None:
    home = copy(Path("feff/mp-1203"), tmp_path / "run", "feff.inp", "xmu.dat")
    [document] = documents(take(home))
    table = read_xmu(home / "xmu.dat")
    assert document.spectrum is not None
    np.testing.assert_array_equal(document.spectrum.energy, np.unique(table.data[:, 0]))
    assert (document.space_group, document.code_version) == (12, "FEFF 9.9.1")
    assert document.parameters["SCF"] == "7.0 0 100 0.2 3"
    assert document.parameters["EGRID"] == "; k_grid -1 0 0.04; k_grid 0 6 0.04"
    assert document.reason == "scf: no log says whether the potentials converged"


def test_a_log_proves_the_convergence_of_feff(tmp_path: Path, take: Take, documents: Documents) -> None:
    home = copy(Path("feff/mp-1203"), tmp_path / "run", "feff.inp", "xmu.dat")
    (home / "feff.out").write_text(" Convergence reached in  14  iterations\n", encoding="utf-8")
    [document] = documents(take(home))
    assert document.status is Status.CONVERGED
    assert document.checks[0].detail == "14 iterations, says feff.out"


def test_packed_files_are_the_same_spectrum_and_are_kept_unpacked(
    tmp_path: Path, take: Take, documents: Documents, store: SpectrumStore
) -> None:
    plain = copy(Path("feff/mp-1203"), tmp_path / "plain", "feff.inp", "xmu.dat")
    packed = tmp_path / "packed"
    packed.mkdir()
    for name in ("feff.inp", "xmu.dat"):
        (packed / f"{name}.gz").write_bytes(gzip.compress((plain / name).read_bytes()))
    [document] = documents(take(packed))
    assert take(plain).n_present == 1
    assert [file.name for file in store.files(document.id)] == ["feff.inp", "xmu.dat"]
    assert store.read_file(document.id, "xmu.dat") == (plain / "xmu.dat").read_bytes()


def test_a_cluster_alone_has_no_crystal_and_its_elements(tmp_path: Path, take: Take, documents: Documents) -> None:
    home = copy(Path("feff/XANES/GeCl_4"), tmp_path / "run", "feff.inp", "referencexmu.dat")
    [document] = documents(take(home))
    assert (dict(document.structure), document.structure_id, document.formula) == ({}, "", "")
    assert (document.site_index, document.chemical_system) == (None, "Cl-Ge")


def test_a_structure_beside_the_run_or_above_is_taken_if_its_site_has_the_clusters_neighbours(
    tmp_path: Path, take: Take, documents: Documents, copper: Structure
) -> None:
    home = copy(Path("feff/XANES/Cu"), tmp_path / "copper" / "FEFF" / "000_Cu", "feff.inp", "referencexmu.dat")
    other = copper.copy()
    other.scale_lattice(other.volume * 1.2)
    other.to(str(home / "POSCAR"), fmt="poscar")
    [without] = documents(take(home))
    assert without.structure_id == ""
    copper.to(str(tmp_path / "copper" / "copper.cif"), fmt="cif")
    [document] = documents(take(home))
    assert (document.formula, document.space_group, document.multiplicity) == ("Cu", 225, 4)


@pytest.mark.parametrize(
    ("code", "origin", "name"),
    [
        ("feff", "feff/mp-1203", "xmu.dat"),
        ("vasp", "vasp/Li7P3S11", "OUTCAR"),
        ("exciting", "exciting/TiO2", "EPSILON_BSE-singlet-TDA-BAR_SCR-full_OC11.OUT"),
        ("ocean", "ocean/lif_oncv", "absspct_F_.0001_1s_01"),
        ("xspectra", "xspectra/diamond", "x/xanes.dat"),
    ],
)
def test_a_run_that_was_cut_off_is_kept_as_failed_with_the_file_and_the_reason(
    code: str, origin: str, name: str, tmp_path: Path, take: Take, documents: Documents
) -> None:
    home = Path(shutil.copytree(DATA / origin, tmp_path / "run"))
    content = (home / name).read_bytes()
    (home / name).write_bytes(content[: len(content) // 2])
    [document] = [d for d in documents(take(home)) if d.code == code]
    assert (document.status, document.spectrum) == (Status.FAILED, None)
    assert str(home) in document.reason
    assert "whiteline-" not in document.reason, "no name of a temporary folder"
    assert take(home).n_present >= 1


def test_a_feff_run_that_stopped_early_says_its_last_words(tmp_path: Path, take: Take, documents: Documents) -> None:
    home = copy(Path("feff/mp-1203"), tmp_path / "run", "feff.inp")
    (home / "feff.out").write_text("Calculating SCF potentials ...\nERROR: out of memory\n\n", encoding="utf-8")
    [document] = documents(take(home))
    assert document.status is Status.FAILED
    assert "the last line of feff.out is 'ERROR: out of memory'" in document.reason


def test_inputs_alone_and_runs_without_a_core_hole_are_no_spectra(tmp_path: Path, take: Take) -> None:
    copy(Path("feff/mp-1203"), tmp_path / "runs" / "inputs", "feff.inp")
    ground = tmp_path / "runs" / "ground"
    shutil.copytree(DATA / "vasp/Li7P3S11/ground-state", ground)
    report = take(tmp_path / "runs")
    assert report.n_taken == 0
    [skipped] = report.skipped
    assert (skipped.source, "no core hole" in skipped.reason) == (str(ground), True)


def test_tables_of_exciting_without_input_need_the_users_word(tmp_path: Path, take: Take, documents: Documents) -> None:
    home = Path(shutil.copytree(DATA / "exciting/BN", tmp_path / "0"))
    (home / "input.xml").unlink()
    [skipped] = take(home).skipped
    assert "give --absorber and --edge" in skipped.reason
    [document] = documents(take(home, options=IngestOptions(absorber="N", edge=Edge.K)))
    assert (document.absorber, document.status) == ("N", Status.UNCONVERGED)
    assert "no input.xml says which atom it is" in document.reason


def test_spectra_of_ocean_without_input_take_their_crystal_from_the_log_of_pw(
    tmp_path: Path, take: Take, documents: Documents
) -> None:
    home = tmp_path / "OCEAN" / "Spectra-8-8-6"
    names = [f"absspct_Ti.0001_1s_0{i}" for i in (1, 2, 3)]
    copy(Path("ti-o-10/mp-1203"), home, *names)
    shutil.copy(DATA / "xspectra/mp-1203/es_0.out", home.parent / "scf.out")
    [document] = documents(take(tmp_path / "OCEAN"))
    assert (document.formula, document.space_group, document.absorber, document.edge) == ("TiO", 12, "Ti", "K")
    assert "nothing says up to which energy" in document.reason


def test_files_that_licences_and_sizes_forbid_are_not_kept(
    tmp_path: Path, take: Take, documents: Documents, store: SpectrumStore
) -> None:
    home = copy(Path("vasp/Li7P3S11"), tmp_path / "run", "INCAR", "POSCAR")
    (home / "OUTCAR.bz2").write_bytes(bz2.compress((DATA / "vasp/Li7P3S11/OUTCAR").read_bytes()))
    (home / "POTCAR").write_text("secret\n", encoding="utf-8")
    (home / "WAVECAR").write_bytes(b"\0" * 100)
    # It holds a copy of the POTCAR.
    (home / "vaspout.h5").write_bytes(b"secret")
    [document] = documents(take(home, options=IngestOptions(limits=Limits(max_raw_bytes=10_000))))
    assert [file.name for file in store.files(document.id)] == ["INCAR", "POSCAR"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Inputs of `whiteline inputs` for copper, and what FEFF wrote beside them."""
    copper = Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.61), ["Cu"], [[0, 0, 0]])
    home = tmp_path_factory.mktemp("own")
    settings = Settings(database=str(home / "spectra.db"), run_directory=home / "runs")
    values: dict[str, Any] = {"scf_radius": None, "fms_radius": 2.7, "l_max": 1, "core_hole": "none", "energy_grid": []}
    write_inputs(
        [NamedStructure(copper, "copper", "copper.cif")],
        "Cu",
        folder=home / "inputs",
        parameters={**values, "k_step": 0.2, "k_max": 3},
        settings=settings,
    )
    FeffCalculator().run(home / "inputs" / "copper" / "feff" / "Cu0-K", on_stage=lambda _: None)
    return home / "inputs"


@pytest.fixture
def own(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "inputs")) / "copper" / "feff" / "Cu0-K"


def test_outputs_beside_our_inputs_are_the_calculation_itself(own: Path, take: Take, documents: Documents) -> None:
    [document] = documents(take(own.parents[2]))
    assert document.id == read_site_file(own).calculation_id
    assert (document.status, document.multiplicity) == (Status.CONVERGED, 4)
    assert take(own).n_present == 1


def test_our_inputs_that_were_changed_afterwards_are_another_calculation(
    own: Path, take: Take, documents: Documents
) -> None:
    text = (own / "feff.inp").read_text(encoding="utf-8")
    (own / "feff.inp").write_text(text.replace("EXCHANGE 0", "EXCHANGE 5"), encoding="utf-8")
    [document] = documents(take(own))
    assert document.id != read_site_file(own).calculation_id
    assert document.reason == "inputs: feff.inp changed after Whiteline wrote it"


def test_our_inputs_that_did_not_run_yet_are_skipped_and_damaged_ones_named(own: Path, take: Take) -> None:
    note = own / "whiteline.json"
    for path in own.iterdir():
        if path.name not in ("feff.inp", "whiteline.json"):
            path.unlink()
    assert "no outputs yet" in take(own).skipped[0].reason
    note.write_text("{", encoding="utf-8")
    assert f"{note} is damaged" in take(own).skipped[0].reason


def test_kinds_are_those_of_the_readers(tmp_path: Path, take: Take) -> None:
    with pytest.raises(InputError, match=re.escape(f"known: {', '.join(KINDS)}")):
        take(tmp_path, kind="?")


def test_a_link_above_a_run_that_leads_elsewhere_is_not_followed(
    tmp_path: Path, take: Take, store: SpectrumStore
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret\n", encoding="utf-8")
    for code, origin, log in (("ocean", "ocean/lif_oncv", "scf.out"), ("exciting", "exciting/BN", "INFO.OUT")):
        run = Path(shutil.copytree(DATA / origin, tmp_path / "runs" / code / "0"))
        for name in (log, "input.xml"):
            (run / name).unlink(missing_ok=True)
        (tmp_path / "runs" / code / log).symlink_to(secret)
    report = take(tmp_path / "runs", options=IngestOptions(absorber="N", edge=Edge.K))
    identities = [one for path in report.paths for one in path.ids]
    assert len(identities) == 2
    assert {"scf.out", "INFO.OUT"}.isdisjoint(file.name for one in identities for file in store.files(one))


def test_a_run_is_the_same_however_its_folder_is_named(
    tmp_path: Path, take: Take, documents: Documents, copper: Structure, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = copy(Path("feff/XANES/Cu"), tmp_path / "copper" / "FEFF", "feff.inp", "referencexmu.dat")
    copper.to(str(tmp_path / "copper" / "copper.cif"), fmt="cif")
    monkeypatch.chdir(home)
    [document] = documents(take("."))
    assert document.formula == "Cu"
    assert take(home).n_present == 1


def test_a_damaged_vaspout_is_skipped_and_the_rest_taken(tmp_path: Path, take: Take) -> None:
    h5py = pytest.importorskip("h5py")
    copy(Path("feff/mp-1203"), tmp_path / "runs" / "z", "feff.inp", "xmu.dat")
    home = tmp_path / "runs" / "a"
    home.mkdir()
    with h5py.File(home / "vaspout.h5", "w") as file:
        file["version/major"] = 6
    content = (home / "vaspout.h5").read_bytes()
    (home / "vaspout.h5").write_bytes(content.replace(b"HEAP", b"HEAD"))
    report = take(tmp_path / "runs")
    assert (report.n_taken, len(report.skipped)) == (1, 1)
    assert "vaspout.h5 is no whole HDF5 file" in report.skipped[0].reason
