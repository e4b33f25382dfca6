"""Converge real spectra in all knobs at the default tolerance, and keep certificates and pictures.

    python benchmarks/convergence_examples.py --scratch /tmp/convergence-examples [--only diamond]

Anatase and a cuprate with two inequivalent copper sites with FEFF, and diamond with XSpectra, for which
`WHITELINE_PSEUDO_DIRECTORY` has to name a folder with C_PBE_TM_2pj.UPF and Ch_PBE_TM_2pj.UPF of Quantum ESPRESSO's
XSpectra examples. It goes on where it was stopped. Writes benchmarks/results/convergence_examples.json and one picture
a site beside it; with one of the examples only, that example's pictures.
"""

from __future__ import annotations

import argparse
import json
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pymatgen.core import Lattice, Structure

from whiteline.convergence import Tolerance
from whiteline.database import open_store
from whiteline.database.documents import SpectrumDocument
from whiteline.plotting import save_figure
from whiteline.settings import Settings
from whiteline.structures import NamedStructure, read_structure
from whiteline.workflows.certificate import ACTIVITY
from whiteline.workflows.convergence_figure import plot_convergence
from whiteline.workflows.material import converge_materials

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"


@dataclass(frozen=True)
class Example:
    """A crystal and how it is computed.

    Attributes:
        structure: The crystal.
        absorber: The element that absorbs, at its K edge.
        code: Code that computes.
        preset: Parameters that are no knobs.
        parameters: Values on top of them.
    """

    structure: Structure
    absorber: str
    code: str
    preset: str
    parameters: dict[str, Any] = field(default_factory=dict)


def examples() -> dict[str, Example]:
    """Return the examples by name."""
    diamond = Structure(Lattice.rhombohedral(3.567 / 2**0.5, 60.0), ["C", "C"], [[0.0, 0.0, 0.0], [0.75, 0.75, 0.75]])
    return {
        "anatase": Example(read_structure(str(ROOT / "docs/examples/anatase.cif")), "Ti", "feff", "standard"),
        "BaCu3O4": Example(read_structure(str(ROOT / "docs/examples/BaCu3O4.cif")), "Cu", "feff", "standard"),
        # The width of Quantum ESPRESSO's own example of diamond.
        "diamond": Example(diamond, "C", "xspectra", "fast", {"xgamma": 0.8}),
    }


def converge(name: str, example: Example, settings: Settings) -> list[dict[str, Any]]:
    """Return what each site came to; draw its certificate."""
    (result,) = converge_materials(
        [NamedStructure(example.structure, name, name)],
        example.absorber,
        code=example.code,
        preset=example.preset,
        parameters=example.parameters,
        settings=settings,
        on_progress=lambda progress: print(progress, flush=True),
    )
    return [
        describe(name, site, index, settings) for site, index in zip(result.sites, result.site_indices, strict=True)
    ]


def describe(name: str, site: SpectrumDocument, index: int, settings: Settings) -> dict[str, Any]:
    """Return the certificate of a site in numbers; draw it."""
    with open_store(settings.database) as store:
        certificate = [r for r in store.records(site.id) if r.activity == ACTIVITY][-1].parameters
        rungs = [store.find_by_id(point["id"]) for point in certificate["points"]]
    spectra = {rung.id: rung.spectrum for rung in rungs if rung is not None and rung.spectrum is not None}
    title = f"{name}, {site.absorber} {site.edge}, site {index}, {site.fidelity}"
    save_figure(
        plot_convergence(certificate, spectra, title=title), RESULTS / f"convergence_{name.lower()}_{index}.png"
    )
    points = {tuple(point["rungs"]): point for point in certificate["points"]}
    best = points[tuple(certificate["best"])]
    above = [c for c in certificate["confirmations"] if c["lower"] == certificate["best"]][-1]["similarity"]
    return {
        "name": name,
        "absorber": site.absorber,
        "code": site.code_version,
        "site": index,
        "multiplicity": site.multiplicity,
        "verdict": certificate["verdict"],
        "words": best["words"],
        "start": certificate["start"],
        "n_rungs": len(points),
        "seconds": best["seconds"],
        "series_seconds": round(sum(point["seconds"] for point in points.values()), 1),
        "confirmed": {
            "one_minus_spearman": 1 - above["spearman"],
            "area_difference": above["area_difference"],
            "shift_ev": above["shift"],
        },
    }


def main() -> None:
    """Converge, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("--only", choices=list(examples()))
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    scratch = arguments.scratch.resolve()
    scratch.mkdir(parents=True, exist_ok=True)
    settings = Settings(database=str(scratch / "spectra.db"), run_directory=scratch / "runs")
    chosen = {name: e for name, e in examples().items() if arguments.only in (None, name)}
    rows = [row for name, example in chosen.items() for row in converge(name, example, settings)]
    print(json.dumps(rows, indent=1))
    if arguments.only is None:
        tolerance = {name: getattr(Tolerance(), name) for name in ("spearman", "area", "shift", "window")}
        path = RESULTS / "convergence_examples.json"
        path.write_text(json.dumps({"tolerance": tolerance, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
