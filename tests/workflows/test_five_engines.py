"""Inputs of all five engines for the ten compounds of Ti-O-10, written by one command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pymatgen.core import Structure

from whiteline.settings import Settings
from whiteline.structures import NamedStructure
from whiteline.workflows.engines import ENGINES
from whiteline.workflows.preparation import InputReport, check_materials, write_inputs
from whiteline.workflows.site_file import read_site_file

# Sites of Ti that symmetry does not make equal, as the benchmark publishes them (arXiv:2303.17089).
N_SITES = {
    "mp-390": 1,
    "mp-2657": 1,
    "mp-1840": 1,
    "mp-430": 1,
    "mvc-11115": 2,
    "mp-458": 1,
    "mp-10734": 1,
    "mp-2664": 1,
    "mp-1215": 1,
    "mp-1203": 3,
}
# What submitting each engine starts from.
MAIN_INPUT = {
    "feff": "feff.inp",
    "xspectra": "scf.in",
    "ocean": "ocean.in",
    "vasp": "POSCAR",
    "exciting": "input.xml",
}


def write_upfs(folder: Path, samples: Path) -> None:
    """Write the oxygen samples, and the same under the name of titanium: inputs name them and look at their heads."""
    folder.mkdir()
    for name in ("O.pbe-gipaw.UPF", "O.star1s.pbe-gipaw.UPF"):
        text = (samples / name).read_text()
        (folder / name).write_text(text)
        titanium = text.replace('element=" O"', 'element="Ti"').replace("Element:  O", "Element: Ti")
        (folder / name.replace("O.", "Ti.", 1)).write_text(titanium.replace("'O.star1s", "'Ti.star1s"))


def write_potcars(folder: Path) -> None:
    """Write the headings of POTCAR files: the data below them are licensed, and no input depends on them."""
    for symbol, valence in (("Ti_sv_GW", 12.0), ("O_GW", 6.0)):
        home = folder / "POT_GGA_PAW_PBE_54" / symbol
        home.mkdir(parents=True)
        lines = [f"  PAW_PBE {symbol}", f"   TITEL  = PAW_PBE {symbol} 05Dec2013", "   LEXCH  = PE"]
        (home / "POTCAR").write_text("\n".join([*lines, f"   ZVAL   = {valence:8.3f}", " End of Dataset", ""]))


def write_species(folder: Path) -> None:
    """Write exciting's species files, as far as their states."""
    folder.mkdir()
    for element, core in (("Ti", ((1, 0, 1), (2, 0, 1), (2, 1, 1), (2, 1, 2))), ("O", ((1, 0, 1),))):
        states = [f'<atomicState n="{n}" l="{m}" kappa="{k}" occ="2.0" core="true"/>' for n, m, k in core]
        text = f'<spdb><sp chemicalSymbol="{element}">{"".join(states)}</sp></spdb>'
        (folder / f"{element}.xml").write_text(text)


@pytest.fixture
def machine(tmp_path: Path, data: Path) -> Settings:
    """A machine that has the files from which inputs are made."""
    write_upfs(tmp_path / "upf", data / "upf")
    write_potcars(tmp_path / "potcars")
    write_species(tmp_path / "species")
    return Settings(
        database=str(tmp_path / "spectra.db"),
        run_directory=tmp_path / "runs",
        pseudo_directory=tmp_path / "upf",
        vasp_potcars=tmp_path / "potcars",
        exciting_species=tmp_path / "species",
    )


@pytest.fixture
def materials(ti_o_10: dict[str, Structure]) -> list[NamedStructure]:
    return [NamedStructure(structure, name, f"ti-o-10.json#{name}") for name, structure in ti_o_10.items()]


def reasons(report: InputReport) -> set[str]:
    return {*(f"{s.code}: {s.reason}" for s in report.sites if s.reason), *(p.reason for p in report.problems)}


@pytest.mark.parametrize("preset", ["standard", "fast", "published:lightshow", "published:ti-o-10"])
def test_one_command_writes_the_inputs_of_five_engines_for_ten_compounds(
    materials: list[NamedStructure], machine: Settings, tmp_path: Path, preset: str
) -> None:
    folder = tmp_path / "inputs"
    report = write_inputs(materials, "Ti", folder=folder, codes=["all"], preset=preset, settings=machine)
    assert reasons(report) == set()
    assert report.is_complete
    assert len(report.sites) == len(ENGINES) * sum(N_SITES.values())
    for name, n_sites in N_SITES.items():
        for code in ENGINES:
            assert len(list((folder / name / code).glob(f"Ti*-K/{MAIN_INPUT[code]}"))) == n_sites
    assert len({site.calculation_id for site in report.sites}) == len(report.sites)
    notes = [read_site_file(site.folder) for site in report.sites if site.code == "exciting"]
    assert sum(note.weight for note in notes) == pytest.approx(len(materials))


def test_the_inputs_do_not_depend_on_where_they_are_written(
    materials: list[NamedStructure], machine: Settings, tmp_path: Path
) -> None:
    reports = [
        write_inputs(materials[:2], "Ti", folder=tmp_path / name, codes=["all"], settings=machine)
        for name in ("one", "other")
    ]
    for one, other in zip(reports[0].sites, reports[1].sites, strict=True):
        first, second = (json.loads((site.folder / "whiteline.json").read_text()) for site in (one, other))
        assert first == second
        assert not [name for name in one.files if str(tmp_path) in (one.folder / name).read_text()]


def test_engines_that_lack_their_files_say_how_to_get_them_and_the_others_write(
    materials: list[NamedStructure], tmp_path: Path
) -> None:
    bare = Settings(database=str(tmp_path / "spectra.db"), pseudo_directory=tmp_path / "nowhere")
    report = write_inputs(materials[:1], "Ti", folder=tmp_path / "inputs", codes=["all"], settings=bare)
    states = {site.code: site.state.value for site in report.sites}
    assert states == {
        "feff": "written",
        "xspectra": "failed",
        "ocean": "written",
        "vasp": "incomplete",
        "exciting": "incomplete",
    }
    lacking = {site.code: site.reason for site in report.sites if site.reason}
    assert "whiteline pseudo make Ti" in lacking["xspectra"]
    assert "WHITELINE_VASP_POTCARS" in lacking["vasp"]
    assert "WHITELINE_EXCITING_SPECIES" in lacking["exciting"]
    assert not report.is_complete


def test_every_engine_checks_every_compound_without_raising(materials: list[NamedStructure], machine: Settings) -> None:
    report = check_materials(materials, "Ti", codes=["all"], settings=machine)
    assert report.problems == ()
    assert len(report.sites) == len(ENGINES) * sum(N_SITES.values())
    assert all(site.findings and site.estimate is not None for site in report.sites)
