"""Ti K of anatase and rutile by XSpectra with self-made pseudopotentials, beside FEFF's.

    whiteline pseudo make Ti O --core-hole 1s --library UPFS
    python benchmarks/xspectra_titania.py --scratch FOLDER --pseudopotentials UPFS [--preset fast] [--set NAME=VALUE]

Runs the whole workflow on mp-390 and mp-2657 of the Ti-O-10 benchmark, broadens XSpectra's spectra to the lifetime of
Ti 1s, and compares them with FEFF's, and with published ones where `--published mp-390=FILE` names a file of two
columns (energy in eV, intensity). What is in the scratch folder's database is not computed again.
Writes xspectra_titania.json, with the spectra, and xspectra_titania.png into benchmarks/results.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from pymatgen.core import Structure

from whiteline.broadening import Lorentzian, Origin, core_hole_width
from whiteline.plotting import Curve, Units, plot_spectra, save_figure
from whiteline.settings import load_settings
from whiteline.similarity import compare
from whiteline.spectrum import EnergyReference, Quantity, Spectrum
from whiteline.workflows.material import MaterialResult, run_material

ROOT = Path(__file__).parents[1]
STRUCTURES = ROOT / "tests" / "data" / "structures" / "ti-o-10.json"
RESULTS = ROOT / "benchmarks" / "results"
NAMES = {"mp-390": "anatase", "mp-2657": "rutile"}


def to_lifetime(spectrum: Spectrum) -> Spectrum:
    """Return a spectrum with the Lorentzian added that its own lacks to the lifetime of Ti 1s."""
    (record,) = spectrum.broadening
    assert isinstance(record.profile, Lorentzian)
    missing = core_hole_width("Ti", "K") - record.profile.fwhm
    return spectrum.broaden(Lorentzian(missing), origin=Origin.LIFETIME) if missing > 0 else spectrum


def read_published(path: Path) -> Spectrum:
    """Return a published spectrum, which carries no units."""
    energy, intensity = np.loadtxt(path, usecols=(0, 1)).T
    return Spectrum(energy, intensity, energy_reference=EnergyReference.FERMI, quantity=Quantity.IM_EPSILON)


def describe(result: MaterialResult, seconds: float) -> dict[str, Any]:
    """Return what is kept of a spectrum."""
    spectrum = result.spectrum
    return {
        "status": result.material.status.value,
        "wall_s": round(seconds, 1) if any(result.is_computed) else None,
        "parameters": result.sites[0].parameters,
        "code_version": result.sites[0].code_version,
        "checks": [f"{check.name}: {check.detail}" for check in result.sites[0].checks],
        "polarisations": [p.label for p in spectrum.polarisations],
        "energy_ev": np.round(spectrum.energy, 4).tolist(),
        "cross_section_mbarn": np.round(spectrum.cross_section(), 7).tolist(),
    }


def main() -> None:
    """Compute, compare, plot and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("--pseudopotentials", type=Path, required=True)
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--feff-preset", default="standard")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="parameters of XSpectra, as JSON")
    parser.add_argument("--published", nargs="*", default=[], metavar="ID=FILE")
    parser.add_argument("--materials", nargs="*", default=list(NAMES))
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--pw-command", default="pw.x")
    parser.add_argument("--xspectra-command", default="xspectra.x")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    values = {name: json.loads(value) for name, _, value in (item.partition("=") for item in arguments.set)}
    published = {name: Path(path) for name, _, path in (item.partition("=") for item in arguments.published)}
    settings = load_settings(
        database=str(arguments.scratch / "spectra.db"),
        run_directory=arguments.scratch / "runs",
        pseudo_directory=arguments.pseudopotentials.resolve(),
        pw_command=arguments.pw_command,
        xspectra_command=arguments.xspectra_command,
    )
    structures = json.loads(STRUCTURES.read_text(encoding="utf-8"))
    rows, curves = [], []
    for name in arguments.materials:
        structure = Structure.from_dict(structures[name])
        results = {}
        for code, preset, changed in (("xspectra", arguments.preset, values), ("feff", arguments.feff_preset, {})):
            started = time.monotonic()
            result = run_material(
                structure, "Ti", name=name, code=code, preset=preset, parameters=changed, settings=settings,
                on_progress=lambda step: print(step, flush=True),
            )  # fmt: skip
            results[code] = (result, describe(result, time.monotonic() - started))
        ours, feff = to_lifetime(results["xspectra"][0].spectrum), results["feff"][0].spectrum
        row: dict[str, Any] = {"name": f"{NAMES.get(name, '')} ({name})", "preset": arguments.preset, "set": values}
        row |= {code: kept for code, (_, kept) in results.items()}
        row["with_feff"] = compare(ours, feff).to_dict()
        if name in published:
            row["with_published"] = compare(ours, read_published(published[name])).to_dict()
        rows.append(row)
        curves += [Curve(ours, f"{row['name']} XSpectra"), Curve(feff, f"{row['name']} FEFF")]
        print(row["name"], row["with_feff"], row.get("with_published", ""), flush=True)
    (arguments.results / "xspectra_titania.json").write_text(json.dumps({"rows": rows}) + "\n")
    figure = plot_spectra(curves, title="Ti K of titania", is_aligned=True, units=Units.MAX)
    save_figure(figure, arguments.results / "xspectra_titania.png")


if __name__ == "__main__":
    main()
