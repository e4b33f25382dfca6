"""How far is the fast preset from the published parameters, and how much cheaper is it?

    python benchmarks/feff_presets.py --scratch /tmp/feff-reference [--n-sites 6]

Computes with the fast preset site 0 of mp-1203 (TiO), whose FEFF 9.9.1 spectrum with the published parameters the
authors of the Ti-O-10 benchmark keep, and the Cu sites that benchmarks/feff_reference.py computed with the published
parameters, and compares the two after the best rigid shift over 35 eV. Reads the folder that WHITELINE_DATA names.
Writes benchmarks/results/feff_presets.json.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import warnings
from pathlib import Path
from typing import Any

from feff_reference import site_absorbers

from whiteline.absorber import Absorber
from whiteline.calculators.feff import FeffCalculator, FeffParameters
from whiteline.calculators.feff.spectra import spectrum_from_xmu
from whiteline.calculators.feff.xmu import read_xmu
from whiteline.calculators.parameters import build_parameters, load_preset
from whiteline.edges import Edge
from whiteline.similarity import compare
from whiteline.structures import read_structure

RESULTS = Path(__file__).parent / "results" / "feff_presets.json"


def compare_fast(name: str, absorber: Absorber, published: Path, published_seconds: float | None) -> dict[str, Any]:
    """Compute one site with the fast preset and compare it with the published parameters' xmu.dat."""
    calculator = FeffCalculator(build_parameters(FeffParameters, load_preset("feff", "fast")))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for path, text in calculator.inputs(absorber).items():
            (folder / path).write_text(text, encoding="utf-8")
        report = calculator.run(folder, on_stage=lambda _: None)
        if report.failure:
            return {"name": name, "failure": report.failure}
        outcome = calculator.parse(folder, absorber)
    assert outcome.spectrum is not None
    similarity = compare(spectrum_from_xmu(read_xmu(published)), outcome.spectrum)
    return {
        "name": name,
        "status": outcome.status.value,
        "pearson": similarity.pearson,
        "spearman": similarity.spearman,
        "shift_ev": similarity.shift,
        "fast_s": round(sum(report.timings.values()), 1),
        "published_s": published_seconds,
    }


def main() -> None:
    """Compute, print a table and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("--n-sites", type=int, default=6)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    data = Path(os.environ["WHITELINE_DATA"])
    oxide = read_structure(f"{data / 'ti-o-10' / 'structures.json'}#mp-1203")
    published = data / "ti-o-10" / "mp-1203-published-outputs" / "FEFF" / "000_Ti" / "xmu.dat"
    rows = [compare_fast("mp-1203 site 0 TiO", Absorber(oxide, 0, Edge.K), published, None)]
    for name, absorber, folder in site_absorbers(data, arguments.n_sites, arguments.scratch):
        done = folder / "done.json"
        if done.is_file():
            seconds = sum(json.loads(done.read_text())["timings"].values())
            rows.append(compare_fast(name, absorber, folder / "xmu.dat", round(seconds, 1)))
    RESULTS.write_text(json.dumps({"rows": rows}, indent=1) + "\n")
    for row in rows:
        print(row)


if __name__ == "__main__":
    main()
