"""Ti K of one site of monoclinic TiO by XSpectra with self-made pseudopotentials, beside the published spectra of it.

    whiteline pseudo make Ti O --library UPFS
    python benchmarks/xspectra_published.py --scratch FOLDER --pseudopotentials UPFS [--set NAME=VALUE …]

The published spectra are the Ti-O-10 benchmark's own outputs for site 0 of mp-1203, from XSpectra (80 atoms, another
pseudopotential), OCEAN and exciting. Ours comes from the primitive cell of 10 atoms unless told otherwise, so that what
differs is the pseudopotential, the size of the cell and the k grid. It is broadened to the published width. Writes
xspectra_published.json and xspectra_published.png into benchmarks/results.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from pymatgen.core import Structure

from whiteline.absorber import Absorber
from whiteline.broadening import Lorentzian, Origin
from whiteline.calculators.interface import Calculator
from whiteline.edges import Edge
from whiteline.plotting import Curve, Units, plot_spectra, save_figure
from whiteline.settings import Settings, load_settings
from whiteline.similarity import compare
from whiteline.spectrum import Spectrum
from whiteline.workflows.engines import make_calculator
from whiteline.workflows.run_folders import write_files

ROOT = Path(__file__).parents[1]
DATA = ROOT / "tests" / "data"
RESULTS = ROOT / "benchmarks" / "results"
PUBLISHED_WIDTH = 1.78  # eV; FWHM of the published spectra
PRESET = "published:ti-o-10"


def to_published_width(spectrum: Spectrum) -> Spectrum:
    """Return a spectrum with the Lorentzian added that its own lacks to the published width."""
    (record,) = spectrum.broadening
    assert isinstance(record.profile, Lorentzian)
    missing = PUBLISHED_WIDTH - record.profile.fwhm
    bare = replace(spectrum, broadening=())
    return bare.broaden(Lorentzian(missing), origin=Origin.LIFETIME) if missing > 1e-6 else spectrum


def published(absorber: Absorber, folder: Path) -> dict[str, Spectrum]:
    """Return the published spectra of the site by code, parsed from the authors' files laid out as ours in `folder`."""
    source = DATA / "xspectra" / "mp-1203"
    run = folder / "xspectra"
    run.mkdir()
    shutil.copyfile(source / "es_0.out", run / "scf.out")
    for name, direction in (("dipole1", "x"), ("dipole2", "y"), ("dipole3", "z")):
        shutil.copytree(source / name, run / direction)
    others = DATA / "ti-o-10" / "mp-1203"
    found = {}
    for code, directory in (("xspectra", run), ("ocean", others), ("exciting", others)):
        outcome = make_calculator(code, preset=PRESET, settings=Settings()).parse(directory, absorber)
        assert outcome.spectrum is not None, outcome.reason
        found[code] = outcome.spectrum
    return found


def compute(calculator: Calculator, absorber: Absorber, scratch: Path) -> tuple[Spectrum, dict[str, object]]:
    """Run the calculation, unless the scratch folder holds it whole, and return its spectrum and what was done."""
    directory = scratch / "run"
    started = time.monotonic()
    if not (directory / "done").exists():
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        write_files(directory, calculator.inputs(absorber), calculator.files(absorber))
        report = calculator.run(directory, on_stage=lambda stage: print(stage, flush=True))
        assert not report.failure, report.failure
        (directory / "done").write_text(json.dumps(dict(report.timings)))
    outcome = calculator.parse(directory, absorber)
    assert outcome.spectrum is not None, outcome.reason
    return outcome.spectrum, {
        "status": outcome.status.value,
        "checks": [f"{check.name}: {check.detail}" for check in outcome.checks],
        "code_version": outcome.code_version,
        "parameters": calculator.identity(absorber),
        "timings_s": json.loads((directory / "done").read_text()),
        "wall_s": round(time.monotonic() - started, 1),
    }


def main() -> None:
    """Compute, compare, plot and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("--pseudopotentials", type=Path, required=True)
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="parameters of XSpectra, as JSON")
    arguments = parser.parse_args()
    values = {name: json.loads(value) for name, _, value in (item.partition("=") for item in arguments.set)}
    settings = load_settings(pseudo_directory=arguments.pseudopotentials.resolve())
    structures = json.loads((DATA / "structures" / "ti-o-10.json").read_text(encoding="utf-8"))
    absorber = Absorber(Structure.from_dict(structures["mp-1203"]), 0, Edge.K)
    calculator = make_calculator("xspectra", preset="fast", values=values, settings=settings)
    ours, facts = compute(calculator, absorber, arguments.scratch)
    ours = to_published_width(ours)
    with tempfile.TemporaryDirectory() as folder:
        references = published(absorber, Path(folder))
    rows = {code: compare(reference, ours).to_dict() for code, reference in references.items()}
    rows["published xspectra with published ocean"] = compare(references["ocean"], references["xspectra"]).to_dict()
    kept = {
        "set": values,
        **facts,
        "agreement": rows,
        "energy_ev": np.round(ours.energy, 4).tolist(),
        "cross_section_mbarn": np.round(ours.cross_section(), 7).tolist(),
    }
    (RESULTS / "xspectra_published.json").write_text(json.dumps(kept, indent=1) + "\n")
    curves = [Curve(ours, "XSpectra, self-made pseudopotential")]
    curves += [Curve(spectrum, f"{code}, published") for code, spectrum in references.items()]
    figure = plot_spectra(curves, title="Ti K of TiO (mp-1203), site 0", is_aligned=True, units=Units.MAX)
    save_figure(figure, RESULTS / "xspectra_published.png")
    for name, row in rows.items():
        print(name, {key: round(value, 4) for key, value in row.items()})


if __name__ == "__main__":
    main()
