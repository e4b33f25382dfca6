"""Inputs written for other machines, and what is known before anything starts."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from pymatgen.core import Lattice, Structure

from whiteline.absorber import Absorber
from whiteline.calculators.interface import Calculator, Estimate, Finding, Level
from whiteline.errors import MissingDependencyError, ParameterError, ParseError, SchemaVersionError, StructureError
from whiteline.settings import Settings
from whiteline.structures import NamedStructure
from whiteline.workflows import placement, plan
from whiteline.workflows.engines import make_calculator
from whiteline.workflows.jobs import site_calculation_id
from whiteline.workflows.placement import InputState
from whiteline.workflows.preparation import (
    CheckedSite,
    InputReport,
    check_materials,
    group_findings,
    write_inputs,
)
from whiteline.workflows.site_file import SITE_FILE, SiteFile, read_site_file

# Three equivalent sites, so that a multiplicity is no accident.
ORDERED = Structure(
    Lattice.cubic(4.0),
    ["Cu", "Cu", "Cu", "Au"],
    [[0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0], [0.0, 0.0, 0.0]],
)


@dataclass(frozen=True)
class OtherCalculator:
    """A code with one text and one copied file; without the file it has nothing to say."""

    pseudo: Path
    code: str = "ocean"
    text: str = "card 1\n"
    extra: str = ""
    has_identity: bool = True
    is_computable: bool = True

    @property
    def parameters_dict(self) -> dict[str, Any]:
        return {"text": self.text}

    def identity(self, absorber: Absorber) -> dict[str, Any]:
        if not self.has_identity:
            raise MissingDependencyError("no POTCAR of Cu: set WHITELINE_VASP_POTCARS")
        return {**self.parameters_dict, "orientation": absorber.orientation_id}

    def inputs(self, absorber: Absorber) -> dict[str, str]:  # noqa: ARG002  # as the interface has it
        return {"in/code.in": self.text, **({self.extra: "more\n"} if self.extra else {})}

    def files(self, absorber: Absorber) -> dict[str, Path]:
        if not self.pseudo.exists():
            raise MissingDependencyError(f"no pseudopotential of {absorber.element}: make one")
        return {"pseudo/Cu.UPF": self.pseudo}

    def estimate(self, absorber: Absorber) -> Estimate:  # noqa: ARG002  # as the interface has it
        if not self.is_computable:
            raise StructureError("too many atoms")
        return Estimate(10.0, 100.0)

    def check(self, absorber: Absorber) -> list[Finding]:
        number = Finding("cell", Level.OK, f"site {absorber.site_index}")
        if not self.is_computable:
            return [number, Finding("cell", Level.ERROR, "too many atoms", "ask for a smaller cell")]
        if self.pseudo.exists():
            return [number]
        return [number, Finding("pseudopotential of Cu", Level.ERROR, "is not there", "make one")]


def named(structure: Structure, name: str = "ordered", source: str = "ordered.cif") -> NamedStructure:
    return NamedStructure(structure, name, source)


@pytest.fixture
def pseudo(tmp_path: Path) -> Path:
    path = tmp_path / "library" / "Cu.UPF"
    path.parent.mkdir()
    path.write_text("a pseudopotential\n")
    return path


@pytest.fixture
def other(pseudo: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., OtherCalculator]:
    """Make OCEAN the code above; called with values it changes what that code writes."""
    made = {"calculator": OtherCalculator(pseudo)}

    def make(code: str, *, preset: str, values: dict[str, Any], settings: Settings) -> Any:
        if code == "ocean":
            return made["calculator"]
        return make_calculator(code, preset=preset, values=values, settings=settings)

    def change(**values: Any) -> OtherCalculator:
        made["calculator"] = replace(made["calculator"], **values)
        return made["calculator"]

    monkeypatch.setattr(plan, "make_calculator", make)
    return change


@pytest.fixture
def write(tmp_path: Path, settings: Settings, other: object) -> Callable[..., InputReport]:
    """Write the inputs of the ordered alloy for OCEAN, unless told otherwise."""

    def call(*structures: NamedStructure, codes: tuple[str, ...] = ("ocean",), **options: Any) -> InputReport:
        return write_inputs(
            structures or [named(ORDERED)],
            "Cu",
            folder=tmp_path / "inputs",
            codes=codes,
            settings=settings,
            **options,
        )

    return call


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_site_gets_its_texts_its_files_and_the_note_that_tells_them_apart(
    write: Callable[..., InputReport], tmp_path: Path
) -> None:
    (site,) = write().sites
    assert site.state is InputState.WRITTEN
    assert site.folder == tmp_path / "inputs" / "ordered" / "ocean" / "Cu0-K"
    assert sorted(contents(tmp_path / "inputs" / "ordered" / "ocean")) == [
        f"Cu0-K/{name}" for name in ("in/code.in", "pseudo/Cu.UPF", SITE_FILE)
    ]
    assert site.files == ("in/code.in", "pseudo/Cu.UPF")


def test_the_note_names_the_calculation_that_its_own_content_makes_again(tmp_path: Path, settings: Settings) -> None:
    report = write_inputs([named(ORDERED)], "Cu", folder=tmp_path, parameters={"fms_radius": 5}, settings=settings)
    (site,) = report.sites
    note = read_site_file(site.folder)
    calculator = make_calculator(note.code, values=note.parameters, settings=settings)
    assert note.calculation_id == site.calculation_id == site_calculation_id(note.absorber, calculator)
    assert (note.fidelity, note.source, note.absorber.multiplicity) == ("feff:standard+", "ordered.cif", 3)
    assert calculator.inputs(note.absorber)["feff.inp"] == (site.folder / "feff.inp").read_text()


def test_what_decides_the_spectrum_besides_the_parameters_is_noted(write: Callable[..., InputReport]) -> None:
    (site,) = write().sites
    note = read_site_file(site.folder)
    assert note.circumstances == {"orientation": note.absorber.orientation_id}
    assert set(note.files) == set(site.files)


def test_the_weights_of_the_sites_of_a_material_sum_to_one(
    ti_o_10: dict[str, Structure], tmp_path: Path, settings: Settings
) -> None:
    report = write_inputs([named(ti_o_10["mp-1203"])], "Ti", folder=tmp_path, settings=settings)
    weights = [read_site_file(site.folder).weight for site in report.sites]
    assert weights == [0.4, 0.4, 0.2]


def test_inputs_that_are_there_are_not_touched(write: Callable[..., InputReport]) -> None:
    (site,) = write().sites
    before = {path: path.stat().st_mtime_ns for path in site.folder.rglob("*")}
    # The same structure from another place is the same calculation.
    assert [s.state for s in write(named(ORDERED, source="/elsewhere/ordered.cif")).sites] == [InputState.UNCHANGED]
    assert {path: path.stat().st_mtime_ns for path in site.folder.rglob("*")} == before


def test_inputs_that_differ_are_refused_and_stay_as_they_are(
    write: Callable[..., InputReport], other: Callable[..., OtherCalculator]
) -> None:
    (site,) = write().sites
    before = contents(site.folder)
    other(text="card 2\n")
    report = write()
    assert [s.state for s in report.sites] == [InputState.REFUSED]
    assert report.sites[0].reason == "the folder holds other inputs (in/code.in differs): --force replaces them"
    assert not report.is_complete
    assert contents(site.folder) == before


def test_forced_inputs_replace_earlier_ones_and_outputs_stay_and_are_named(
    write: Callable[..., InputReport], other: Callable[..., OtherCalculator]
) -> None:
    other(extra="in/old.in")
    (site,) = write().sites
    (site.folder / "spectrum.dat").write_text("1 2\n")
    other(text="card 2\n", extra="")
    (again,) = write(is_forced=True).sites
    assert again.state is InputState.REPLACED
    assert "1 other file(s), e.g. spectrum.dat" in again.reason
    assert set(contents(site.folder)) == {"in/code.in", "pseudo/Cu.UPF", "spectrum.dat", SITE_FILE}
    assert (site.folder / "in/code.in").read_text() == "card 2\n"
    assert read_site_file(site.folder).calculation_id == again.calculation_id


@pytest.mark.parametrize("listed", ["in/notes", 5, {".": "", "in": "", "../kept": "", "gone": ""}])
def test_a_note_edited_by_hand_makes_nothing_but_inputs_disappear(
    write: Callable[..., InputReport], other: Callable[..., OtherCalculator], listed: Any
) -> None:
    (site,) = write().sites
    for name in ("i", "../kept"):
        (site.folder / name).write_text("mine\n")
    note = site.folder / SITE_FILE
    note.write_text(json.dumps({**json.loads(note.read_text()), "files": listed}))
    other(text="card 2\n")
    (again,) = write(is_forced=True).sites
    assert again.state is InputState.REPLACED
    assert all((site.folder / name).read_text() == "mine\n" for name in ("i", "../kept"))


def test_inputs_of_which_one_was_removed_are_completed(write: Callable[..., InputReport]) -> None:
    (site,) = write().sites
    before = contents(site.folder)
    (site.folder / "pseudo" / "Cu.UPF").unlink()
    assert [s.state for s in write().sites] == [InputState.WRITTEN]
    assert contents(site.folder) == before


def test_inputs_that_lack_a_file_are_written_and_called_incomplete(
    write: Callable[..., InputReport], other: Callable[..., OtherCalculator]
) -> None:
    other(has_identity=False)
    for _ in range(2):
        report = write()
        (site,) = report.sites
        assert (site.state, site.calculation_id) == (InputState.INCOMPLETE, "")
        assert site.reason == "no POTCAR of Cu: set WHITELINE_VASP_POTCARS"
        assert not report.is_complete
    note = read_site_file(site.folder)
    assert (note.calculation_id, dict(note.circumstances)) == ("", {})


def test_a_disk_that_is_full_leaves_no_half_written_inputs(
    write: Callable[..., InputReport], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(folder: Path, inputs: dict[str, str], files: dict[str, Path]) -> None:
        folder.mkdir(parents=True)
        (folder / "code.in").write_text("car")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(placement, "write_files", fill)
    with pytest.raises(OSError, match="No space left"):
        write()
    assert contents(tmp_path / "inputs") == {}


def test_an_engine_that_lacks_a_file_leaves_the_others_alone(write: Callable[..., InputReport], pseudo: Path) -> None:
    pseudo.unlink()
    report = write(codes=("ocean", "feff"))
    assert [(s.code, s.state, s.reason) for s in report.sites] == [
        ("ocean", InputState.INCOMPLETE, "no pseudopotential of Cu: make one"),
        ("feff", InputState.WRITTEN, ""),
    ]
    assert not report.is_complete


def test_an_engine_without_the_preset_is_a_problem_among_many_and_an_error_alone(
    write: Callable[..., InputReport],
) -> None:
    report = write(codes=("feff", "ocean"), preset="published:nobody")
    assert [problem.subject for problem in report.problems] == ["feff"]
    assert "feff has no preset 'published:nobody'" in report.problems[0].reason
    assert [site.code for site in report.sites] == ["ocean"]
    with pytest.raises(ParameterError, match="feff has no preset"):
        write(codes=("feff",), preset="published:nobody")


def test_a_material_without_the_element_is_a_problem_among_many_and_an_error_alone(
    write: Callable[..., InputReport], copper: Structure
) -> None:
    nickel = copper.copy()
    nickel.replace_species({"Cu": "Ni"})
    strange = named(nickel, "nickel", "nickel.cif")
    report = write(strange, named(ORDERED))
    assert [(p.subject, p.reason) for p in report.problems] == [("nickel.cif", "Cu is not in Ni: its elements are Ni")]
    assert [site.material for site in report.sites] == ["ordered"]
    with pytest.raises(StructureError, match=r"nickel\.cif: Cu is not in Ni"):
        write(strange)


def test_materials_of_one_name_have_folders_of_their_own(write: Callable[..., InputReport], copper: Structure) -> None:
    structures = [named(copper, "x", "a/x.cif"), named(ORDERED, "X", "b/X.cif")]
    folders = [site.folder for site in write(*structures).sites]
    assert len({str(folder).casefold() for folder in folders}) == 2
    # Neither the order nor the run decides which is which.
    assert [site.folder for site in write(*reversed(structures)).sites] == folders[::-1]


@pytest.mark.parametrize("name", ["../../away", "/etc/away", "..", "a/b", "n" * 300])
def test_a_name_does_not_lead_out_of_the_folder(write: Callable[..., InputReport], tmp_path: Path, name: str) -> None:
    (site,) = write(named(ORDERED, name)).sites
    assert site.folder.parts[len(tmp_path.parts) + 2 :] == ("ocean", "Cu0-K")
    assert site.folder.resolve().is_relative_to(tmp_path / "inputs")


def test_a_value_can_be_meant_for_one_engine(write: Callable[..., InputReport]) -> None:
    report = write(codes=("feff", "ocean"), parameters={"feff.fms_radius": 5.5})
    notes = {site.code: read_site_file(site.folder) for site in report.sites}
    assert notes["feff"].parameters["fms_radius"] == 5.5
    assert (notes["feff"].fidelity, notes["ocean"].fidelity) == ("feff:standard+", "ocean:standard")
    with pytest.raises(ParameterError, match=r"vasp\.x is a parameter of no engine that is used"):
        write(parameters={"vasp.x": 1})


def test_progress_runs_from_zero_to_one(write: Callable[..., InputReport], copper: Structure) -> None:
    steps: list[tuple[float, str]] = []
    write(
        named(copper, "copper", "copper.cif"),
        named(ORDERED),
        on_progress=lambda share, label: steps.append((share, label)),
    )
    assert steps == [(0.0, "copper Cu0 K"), (0.5, "ordered Cu0 K"), (1.0, "")]


def test_a_check_has_findings_and_costs_of_every_site_and_writes_nothing(
    other: object, settings: Settings, tmp_path: Path, pseudo: Path
) -> None:
    before = contents(tmp_path)
    report = check_materials([named(ORDERED)], "Cu", codes=["feff", "ocean"], settings=settings)
    assert report.is_ready
    assert [site.code for site in report.sites] == ["feff", "ocean"]
    assert all(site.estimate is not None and site.estimate.cpu_time > 0 for site in report.sites)
    assert contents(tmp_path) == before
    pseudo.unlink()
    assert not check_materials([named(ORDERED)], "Cu", codes=["ocean"], settings=settings).is_ready


def test_a_site_that_cannot_be_computed_has_an_error_and_no_cost(
    other: Callable[..., OtherCalculator], settings: Settings
) -> None:
    other(is_computable=False)
    report = check_materials([named(ORDERED)], "Cu", codes=["feff", "ocean"], settings=settings)
    assert [(s.code, s.has_error, s.estimate is None) for s in report.sites] == [
        ("feff", False, False),
        ("ocean", True, True),
    ]
    assert not report.is_ready


def test_findings_of_several_sites_are_shown_once_with_errors_first() -> None:
    fine, bad = Finding("cell", Level.OK, "96 atoms"), Finding("UPF", Level.ERROR, "missing", "make one")
    sites = [CheckedSite("a", "a.cif", f"Ti{i} K", 1, "xspectra", (fine, bad), None) for i in range(3)]
    groups = group_findings([*sites, CheckedSite("a", "a.cif", "Ti0 K", 1, "feff", (fine,), None)])
    assert [(g.code, g.finding.level, len(g.sites)) for g in groups] == [
        ("xspectra", Level.ERROR, 3),
        ("xspectra", Level.OK, 3),
        ("feff", Level.OK, 1),
    ]
    assert groups[0].sites == ("a Ti0 K", "a Ti1 K", "a Ti2 K")


def test_the_first_version_of_the_note_still_loads(data: Path) -> None:
    note = SiteFile.from_dict(json.loads((data / "site-files" / "v1.json").read_text()))
    assert (note.absorber.label, note.weight, note.code) == ("Ti0 K", 1.0, "feff")
    assert note.to_dict()["absorber"]["site_id"] == note.absorber.site_id


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        (None, ParseError, "is no folder of `whiteline inputs`"),
        ("{", ParseError, "is damaged"),
        ("{}", ParseError, "is damaged .KeyError: 'schema_version'"),
        ('{"schema_version": 99}', SchemaVersionError, "schema version 99 is newer than 1: update Whiteline"),
    ],
)
def test_a_note_that_cannot_be_used_says_why(
    tmp_path: Path, text: str | None, error: type[Exception], words: str
) -> None:
    if text is not None:
        (tmp_path / SITE_FILE).write_text(text)
    with pytest.raises(error, match=words):
        read_site_file(tmp_path)


def test_the_stand_in_is_a_calculator_in_all_that_preparing_asks_of_it(pseudo: Path) -> None:
    asked = {"code", "parameters_dict", "identity", "inputs", "files", "estimate", "check"}
    assert asked <= {name for name in dir(Calculator) if not name.startswith("_")}
    assert asked <= set(dir(OtherCalculator(pseudo)))
