"""What every calculator must do, run against each of the five codes.

A subclass says how to read its code's input, independently of the writer, and gives one real output.
"""

from __future__ import annotations

import json
import re
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from monty.json import MontyDecoder, MontyEncoder
from pymatgen.core import Element, Lattice, Structure

from whiteline.absorber import Absorber, find_absorbers
from whiteline.calculators.interface import Calculator, Level, Outcome
from whiteline.calculators.kpoints import BOHR
from whiteline.calculators.ladders import with_values
from whiteline.calculators.parameters import list_presets, load_preset
from whiteline.calculators.repairs import Attempt
from whiteline.calculators.vasp.potentials import VALENCE
from whiteline.causes import Cause
from whiteline.edges import Edge
from whiteline.errors import ParameterError, ParseError
from whiteline.settings import Settings
from whiteline.status import Status
from whiteline.workflows.engines import ENGINES, make_calculator

# What of a POTCAR file is read, for lack of a licence for a real one.
POTCAR = """\
  PAW_PBE {symbol} 01Jan2000
   {n_valence:.15f}
 parameters from PSCTR are:
   LEXCH  = PE
   TITEL  = PAW_PBE {symbol} 01Jan2000
   POMASS =   10.000; ZVAL   =   {n_valence:.3f}    mass and valenz
   ENMAX  =  400.000; ENMIN  =  300.000 eV
 END of PSCTR-controll parameters
 End of Dataset
"""
XIABS = re.compile(r"xiabs\s*=\s*(\d+)")
RADIUS = 4.5  # Å; within every cluster, cell and supercell written here


class Surroundings(NamedTuple):
    """Element of the absorber, and its neighbours within `RADIUS` as (distance [Å], element), nearest first."""

    element: str
    neighbours: list[tuple[float, str]]


class Sample(NamedTuple):
    """A folder with a whole run, the calculator that made it, and its absorber."""

    calculator: Calculator
    absorber: Absorber
    directory: Path


def around(structure: Structure, index: int) -> Surroundings:
    site = structure[index]
    found = structure.get_neighbors(site, RADIUS)
    return Surroundings(
        site.specie.symbol,
        sorted((n.nn_distance, n.specie.symbol) for n in found),
    )


def bare(structure: Structure) -> Structure:
    plain = structure.copy()
    plain.remove_oxidation_states()
    plain.remove_spin()
    return plain


def titanium_second() -> Absorber:
    """Ti in the second place of its element, mixed oxidation states, spins."""
    structure = Structure(
        Lattice.orthorhombic(4.1, 5.2, 6.3),
        ["O2-", "Ti4+", "Ti3+", "O2-", "Fe3+"],
        [[0.0, 0.0, 0.0], [0.5, 0.5, 0.02], [0.5, 0.03, 0.5], [0.0, 0.55, 0.45], [0.02, 0.5, 0.98]],
        site_properties={"magmom": [0.0, 0.0, 1.0, 0.0, 5.0]},
    )
    return Absorber(structure, 2, Edge.K)


class CalculatorContract:
    """The claims."""

    code = ""

    @pytest.fixture
    def settings(self, tmp_path: Path) -> Settings:
        """The facts of a machine that has what the code needs to write its inputs."""
        return Settings(database=str(tmp_path / "store.db"), run_directory=tmp_path / "runs")

    @pytest.fixture
    def calculator(self, settings: Settings) -> Calculator:
        return make_calculator(self.code, settings=settings)

    @pytest.fixture
    def sample(self) -> Sample:
        raise NotImplementedError

    def read_input(self, inputs: Mapping[str, str]) -> Surroundings:
        """Return what surrounds the atom that the input calls the absorber."""
        raise NotImplementedError

    def absorbers(self, ti_o_10: dict[str, Structure]) -> Iterator[Absorber]:
        for name in ("mp-390", "mp-2657", "mp-1203", "mp-1215"):
            yield from find_absorbers(ti_o_10[name], "Ti", Edge.K)
        yield Absorber(ti_o_10["mp-390"] * (2, 1, 1), 2, Edge.K)
        yield titanium_second()

    def test_the_absorber_of_the_input_has_the_neighbours_of_the_one_asked_for(
        self, calculator: Calculator, ti_o_10: dict[str, Structure]
    ) -> None:
        for absorber in self.absorbers(ti_o_10):
            expected = around(bare(absorber.structure), absorber.site_index)
            found = self.read_input(calculator.inputs(absorber))
            assert found.element == expected.element
            assert [e for _, e in found.neighbours] == pytest.approx([e for _, e in expected.neighbours])
            distances = [d for d, _ in found.neighbours]
            assert distances == pytest.approx([d for d, _ in expected.neighbours], abs=1e-4)

    def test_the_same_absorber_and_parameters_give_the_same_bytes(self, settings: Settings) -> None:
        one, other = (make_calculator(self.code, settings=settings).inputs(titanium_second()) for _ in range(2))
        assert one == other
        assert one
        assert all(one.values())

    def test_equal_sites_of_a_crystal_are_one_calculation(
        self, calculator: Calculator, ti_o_10: dict[str, Structure]
    ) -> None:
        anatase = ti_o_10["mp-390"]
        one, other = (Absorber(s, 0, Edge.K) for s in (anatase, anatase * (1, 2, 1)))
        assert calculator.identity(one) == calculator.identity(other)
        assert set(calculator.parameters_dict) <= set(calculator.identity(one))

    def test_parameters_survive_json(self, calculator: Calculator, settings: Settings) -> None:
        values = json.loads(json.dumps(calculator.parameters_dict, allow_nan=False))
        again = type(calculator).from_settings(values, settings)
        assert again.parameters_dict == calculator.parameters_dict
        assert json.loads(json.dumps(calculator, cls=MontyEncoder), cls=MontyDecoder) == calculator

    def test_an_unknown_parameter_is_refused_with_the_nearest_name(
        self, calculator: Calculator, settings: Settings
    ) -> None:
        name = max(calculator.parameters_dict, key=len)
        with pytest.raises(ParameterError, match=f"unknown parameter '{name}s'.*{name}"):
            type(calculator).from_settings({f"{name}s": 1}, settings)

    def test_every_preset_makes_a_calculator(self, settings: Settings) -> None:
        presets = list_presets(self.code)
        assert {"fast", "standard", "published:lightshow", "published:ti-o-10"} <= set(presets)
        for preset in presets:
            values = load_preset(self.code, preset)
            parameters = make_calculator(self.code, preset=preset, settings=settings).parameters_dict
            assert set(values) <= set(parameters)

    def test_every_rung_of_every_knob_is_a_calculation_in_every_process(
        self, settings: Settings, ti_o_10: dict[str, Structure]
    ) -> None:
        """Whatever the preset sets, and after the way to a worker, which is JSON and sets every parameter."""
        absorber = Absorber(ti_o_10["mp-390"], 0, Edge.K)
        for preset in list_presets(self.code):
            here = make_calculator(self.code, preset=preset, settings=settings)
            there = json.loads(json.dumps(here, cls=MontyEncoder), cls=MontyDecoder)
            for knob in here.knobs(absorber):
                for rung in knob.rungs:
                    values = {**knob.fixed, knob.name: rung}
                    assert with_values(here, values).parameters_dict == with_values(there, values).parameters_dict

    def test_the_cost_is_a_positive_number(self, calculator: Calculator, ti_o_10: dict[str, Structure]) -> None:
        estimate = calculator.estimate(Absorber(ti_o_10["mp-390"], 0, Edge.K))
        assert 0 < estimate.cpu_time < 1e9
        assert 0 <= estimate.memory < 1e7

    def test_a_check_says_what_is_missing_and_what_to_do(
        self, calculator: Calculator, ti_o_10: dict[str, Structure]
    ) -> None:
        findings = calculator.check(Absorber(ti_o_10["mp-390"], 0, Edge.K))
        assert findings
        assert all(f.subject and f.detail for f in findings)
        assert all(f.remedy for f in findings if f.level is Level.ERROR)

    def test_every_ladder_ends_and_its_rungs_are_parameters(
        self, calculator: Calculator, ti_o_10: dict[str, Structure]
    ) -> None:
        absorber = Absorber(ti_o_10["mp-390"], 0, Edge.K)
        for cause in Cause:
            attempts = [Attempt(None, Status.FAILED, cause, "it failed", 1.0)]
            while (repair := calculator.repair(absorber, attempts)) is not None:
                assert repair.name
                assert repair.cause is cause
                assert repair.changes or repair.continues
                assert json.loads(json.dumps(dict(repair.changes))) == dict(repair.changes)
                changed = with_values(calculator, repair.changes)
                assert repair.continues or changed.parameters_dict != calculator.parameters_dict
                assert changed.inputs(absorber)
                attempts.append(Attempt(repair, Status.FAILED, cause, "it failed again", 1.0))
                assert len(attempts) < 20, f"the ladder against {cause} has no end"
            names = [attempt.repair.name for attempt in attempts if attempt.repair]
            assert len(set(names)) == len(names)

    def test_what_converged_needs_no_repair(self, calculator: Calculator, ti_o_10: dict[str, Structure]) -> None:
        absorber = Absorber(ti_o_10["mp-390"], 0, Edge.K)
        assert calculator.repair(absorber, [Attempt(None, Status.CONVERGED, None, "", 1.0)]) is None

    def test_a_fresh_folder_is_nothing_to_go_on_from(self, calculator: Calculator, tmp_path: Path) -> None:
        assert not calculator.can_continue(tmp_path)

    def test_a_whole_run_becomes_a_spectrum_with_all_that_belongs_to_it(self, sample: Sample) -> None:
        outcome = sample.calculator.parse(sample.directory, sample.absorber)
        spectrum = outcome.spectrum
        assert spectrum is not None
        assert outcome.status is Status.CONVERGED, outcome.reason
        assert outcome.cause is None
        assert outcome.checks
        assert outcome.code_version
        assert outcome.output_files
        assert all((sample.directory / name).is_file() for name in outcome.output_files)
        assert sum(p.weight for p in spectrum.polarisations) == pytest.approx(1)
        assert spectrum.volume
        assert spectrum.broadening
        assert np.count_nonzero(spectrum.intensity) > 50

    def test_an_output_cut_off_at_any_line_is_never_a_spectrum(self, sample: Sample) -> None:
        whole = sample.calculator.parse(sample.directory, sample.absorber)
        for name in whole.output_files:
            path = sample.directory / name
            content = path.read_bytes()
            for cut in _cuts(content):
                path.write_bytes(content[:cut])
                outcome = _parse(sample)
                # Whether the run converged may stand at the end of a log; the status says when that is lost.
                assert outcome is None or outcome.status is not Status.CONVERGED, f"{name} cut at {cut}"
                assert outcome is None or outcome.spectrum is None, f"{name} cut at byte {cut} of {len(content)}"
            path.write_bytes(content)

    def test_a_number_that_is_none_is_never_a_spectrum(self, sample: Sample) -> None:
        whole = sample.calculator.parse(sample.directory, sample.absorber)
        path = next(sample.directory / name for name in whole.output_files if _is_table(sample.directory / name))
        lines = path.read_text().splitlines(keepends=True)
        middle = len(lines) // 2
        lines[middle] = lines[middle].replace(lines[middle].split()[-1], "NaN")
        path.write_text("".join(lines))
        with pytest.raises(ParseError, match=path.name):
            sample.calculator.parse(sample.directory, sample.absorber)

    def test_the_output_of_another_code_is_refused(self, sample: Sample, data: Path) -> None:
        whole = sample.calculator.parse(sample.directory, sample.absorber)
        foreign = "xspectra/mp-1203/dipole1/xanes.dat" if self.code == "feff" else "feff/mp-1203/xmu.dat"
        (sample.directory / whole.output_files[0]).write_bytes((data / foreign).read_bytes())
        assert _parse(sample) is None

    @pytest.mark.parametrize("change", ["edge", "element"])
    def test_the_output_of_another_absorber_is_refused(self, sample: Sample, change: str) -> None:
        absorber = sample.absorber
        structure = absorber.structure.copy()
        if change == "element":
            other = "Zn" if absorber.element != "Zn" else "Cu"
            structure.replace_species({absorber.element: other})
        edge = Edge.L1 if change == "edge" else absorber.edge
        outcome = _parse(sample._replace(absorber=Absorber(structure, absorber.site_index, edge)))
        assert outcome is None or outcome.spectrum is None

    def test_an_empty_folder_is_refused(self, sample: Sample, tmp_path: Path) -> None:
        empty = tmp_path / "empty"
        empty.mkdir()
        assert _parse(sample._replace(directory=empty)) is None


def _cuts(content: bytes) -> list[int]:
    """Return where to cut: at the end of each line and inside it; a sample of the lines where there are thousands."""
    ends = np.cumsum([len(line) for line in content.splitlines(keepends=True)])
    if len(ends) > 150:
        ends = np.concatenate([ends[:30], ends[30:-30:13], ends[-30:]])
    # What comes behind the last word, a ruler of dashes or blank lines, says nothing.
    told = len(content.rstrip(b"=-* \n"))
    return sorted({max(int(end) - back, 0) for end in ends for back in (0, 3) if int(end) - back < told})


def _is_table(path: Path) -> bool:
    """Return whether the middle of a file is a line of numbers."""
    lines = path.read_text().splitlines()
    return bool(re.fullmatch(r"[-+\d.eEdD\s]+", lines[len(lines) // 2]))


def _parse(sample: Sample) -> Outcome | None:
    """Return the outcome, or None where the parser refused with words that name a file."""
    try:
        return sample.calculator.parse(sample.directory, sample.absorber)
    except ParseError as error:
        assert str(sample.directory) in str(error)
        return None


def _write(directory: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)
    return directory


class TestFeff(CalculatorContract):
    code = "feff"

    @pytest.fixture
    def sample(self, tmp_path: Path, data: Path, ti_o_10: dict[str, Structure]) -> Sample:
        log = "Convergence reached in   14 iterations.\n"
        xmu = (data / "feff" / "mp-1203" / "xmu.dat").read_text()
        directory = _write(tmp_path / "run", {"xmu.dat": xmu, "feff.log": log})
        calculator = make_calculator("feff", settings=Settings())
        return Sample(calculator, Absorber(ti_o_10["mp-1203"], 0, Edge.K), directory)

    def read_input(self, inputs: Mapping[str, str]) -> Surroundings:
        lines = [line for line in inputs["feff.inp"].splitlines() if not line.startswith("*")]
        start = next(i for i, line in enumerate(lines) if line.startswith("POTENTIALS"))
        atoms = next(i for i, line in enumerate(lines) if line.startswith("ATOMS"))
        elements = {int(w[0]): w[2].rstrip("0123456789pm") for w in map(str.split, lines[start + 1 : atoms]) if w}
        rows = [line.split() for line in lines[atoms + 1 : lines.index("END")]]
        position = np.array([[float(x) for x in row[:3]] for row in rows])
        i_absorber = [int(row[3]) for row in rows].index(0)
        distances = np.linalg.norm(position - position[i_absorber], axis=1)
        near = [(float(d), elements[int(row[3])]) for d, row in zip(distances, rows, strict=True) if 0 < d <= RADIUS]
        return Surroundings(elements[0], sorted(near))


class TestXSpectra(CalculatorContract):
    code = "xspectra"

    @pytest.fixture
    def settings(self, tmp_path: Path, write_upf: Callable[..., str]) -> Settings:
        folder = tmp_path / "pseudopotentials"
        folder.mkdir()
        for element in ("Fe", "O", "Ti"):
            (folder / f"{element}.UPF").write_text(write_upf(element))
            (folder / f"{element}.star1s.UPF").write_text(write_upf(element, hole=1.0))
        return Settings(database=str(tmp_path / "store.db"), pseudo_directory=folder)

    @pytest.fixture
    def sample(self, tmp_path: Path, data: Path) -> Sample:
        directory = Path(shutil.copytree(data / "xspectra" / "diamond", tmp_path / "run"))
        values = {"energy_min": -10.0, "energy_max": 30.0, "n_energy": 301, "cut_desmooth": 0.2, "xgamma": 0.3}
        half = 3.567 / 2
        diamond = Structure([[0, half, half], [half, 0, half], [half, half, 0]], ["C", "C"], [[0.0] * 3, [0.25] * 3])
        calculator = make_calculator("xspectra", values=values, settings=Settings())
        return Sample(calculator, Absorber(diamond, 0, Edge.K), directory)

    def read_input(self, inputs: Mapping[str, str]) -> Surroundings:
        lines = inputs["scf.in"].splitlines()
        start = {
            line.split()[0]: i + 1 for i, line in enumerate(lines) if line[:1].isupper() and len(line.split()) == 2
        }
        lattice = np.array([line.split() for line in lines[start["CELL_PARAMETERS"] :][:3]], dtype=float)
        kinds = [line.split()[0] for line in lines[lines.index("ATOMIC_SPECIES") + 1 : start["CELL_PARAMETERS"] - 1]]
        atoms = [line.split() for line in lines[start["ATOMIC_POSITIONS"] : start["K_POINTS"] - 1]]
        i_kind = {int(n) for name, text in inputs.items() if name.endswith("xanes.in") for n in XIABS.findall(text)}
        (excited,) = (kinds[i - 1] for i in i_kind)
        assert [atom[0] for atom in atoms].count(excited) == 1
        species = [re.match("[A-Z][a-z]?", atom[0].replace("h", ""))[0] for atom in atoms]  # type: ignore[index]
        structure = Structure(lattice, species, np.array([atom[1:4] for atom in atoms], dtype=float))
        return around(structure, [atom[0] for atom in atoms].index(excited))


class TestOcean(CalculatorContract):
    code = "ocean"

    @pytest.fixture
    def sample(self, tmp_path: Path, data: Path) -> Sample:
        directory = Path(shutil.copytree(data / "ocean" / "diamond", tmp_path / "run"))
        half = 3.57 / 2
        diamond = Structure([[0, half, half], [half, 0, half], [half, half, 0]], ["C", "C"], [[0.0] * 3, [0.25] * 3])
        # The sample is a quick run: its last iterations change the area by 2e-3.
        calculator = make_calculator("ocean", values={"haydock_threshold": 0.01}, settings=Settings())
        return Sample(calculator, Absorber(diamond, 0, Edge.K), directory)

    def read_input(self, inputs: Mapping[str, str]) -> Surroundings:
        text = re.sub(r"#.*", "", inputs["ocean.in"])
        cards = {name: body.split() for name, body in re.findall(r"([\w.]+)\s*\{([^}]*)\}", text)}
        lattice = np.array(cards["rprim"], dtype=float).reshape(3, 3)
        lattice = lattice * np.array(cards["acell"], dtype=float)[:, np.newaxis] * BOHR
        species = [Element.from_Z(int(cards["znucl"][int(kind) - 1])) for kind in cards["typat"]]
        structure = Structure(lattice, species, np.array(cards["xred"], dtype=float).reshape(-1, 3))
        return around(structure, int(cards["edges"][0]) - 1)


class TestVasp(CalculatorContract):
    code = "vasp"

    @pytest.fixture
    def settings(self, tmp_path: Path) -> Settings:
        folder = tmp_path / "potcars" / "POT_GGA_PAW_PBE_54"
        folder.mkdir(parents=True)
        for symbol in ("Ti_sv_GW", "O_GW", "Fe_sv_GW"):
            (folder / f"POTCAR.{symbol}").write_text(POTCAR.format(symbol=symbol, n_valence=VALENCE[symbol]))
        return Settings(database=str(tmp_path / "store.db"), vasp_potcars=folder.parent)

    @pytest.fixture
    def sample(self, tmp_path: Path, data: Path) -> Sample:
        without = shutil.ignore_patterns("ground-state")
        directory = Path(shutil.copytree(data / "vasp" / "Li7P3S11", tmp_path / "run", ignore=without))
        absorber = Absorber(Structure.from_file(directory / "POSCAR"), 0, Edge.K)
        return Sample(make_calculator("vasp", settings=Settings()), absorber, directory)

    def read_input(self, inputs: Mapping[str, str]) -> Surroundings:
        lines = inputs["POSCAR"].splitlines()
        lattice = float(lines[1]) * np.array([line.split() for line in lines[2:5]], dtype=float)
        symbols, counts = lines[5].split(), [int(n) for n in lines[6].split()]
        # ICORELEVEL takes its hole from every atom of one species of POSCAR.
        i_species = int(re.findall(r"CLNT *= *(\d+)", inputs["INCAR"])[0]) - 1
        assert counts[i_species] == 1
        species = [symbol for symbol, n in zip(symbols, counts, strict=True) for _ in range(n)]
        rows = [line.split()[:3] for line in lines[8 : 8 + len(species)]]
        return around(Structure(lattice, species, np.array(rows, dtype=float)), sum(counts[:i_species]))


class TestExciting(CalculatorContract):
    code = "exciting"

    @pytest.fixture
    def settings(self, tmp_path: Path) -> Settings:
        folder = tmp_path / "species"
        folder.mkdir()
        for element in ("B", "Fe", "N", "O", "Ti"):
            state = '<atomicState n="1" l="0" kappa="1" occ="2.0" core="true"/>'
            (folder / f"{element}.xml").write_text(f'<spdb><sp chemicalSymbol="{element}">{state}</sp></spdb>')
        return Settings(database=str(tmp_path / "store.db"), exciting_species=folder)

    @pytest.fixture
    def sample(self, tmp_path: Path, data: Path) -> Sample:
        directory = Path(shutil.copytree(data / "exciting" / "BN", tmp_path / "run"))
        half = 6.83136 * BOHR / 2
        vectors = [[half, 0, half], [0, half, half], [half, half, 0]]
        absorber = Absorber(Structure(vectors, ["B", "N"], [[0.0] * 3, [0.25] * 3]), 1, Edge.K)
        return Sample(make_calculator("exciting", settings=Settings()), absorber, directory)

    def read_input(self, inputs: Mapping[str, str]) -> Surroundings:
        root = ET.fromstring(inputs["input.xml"])  # noqa: S314  # our own text
        lattice = np.array([v.text.split() for v in root.iter("basevect") if v.text], dtype=float) * BOHR
        groups = [(s.attrib["speciesfile"].split(".")[0], list(s.iter("atom"))) for s in root.iter("species")]
        bse = next(root.iter("BSE"))
        i_species, i_atom = int(bse.attrib["xasspecies"]) - 1, int(bse.attrib["xasatom"]) - 1
        species = [element for element, atoms in groups for _ in atoms]
        rows = [atom.attrib["coord"].split() for _, atoms in groups for atom in atoms]
        index = sum(len(atoms) for _, atoms in groups[:i_species]) + i_atom
        return around(Structure(lattice, species, np.array(rows, dtype=float)), index)


def test_every_engine_inherits_the_contract() -> None:
    tested = {kind.code for kind in CalculatorContract.__subclasses__()}
    assert tested == set(ENGINES)
