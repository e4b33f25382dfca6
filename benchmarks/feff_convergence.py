"""What do converged parameters cost, and how far from the limit are they, beside fixed ones?

    python benchmarks/feff_convergence.py --scratch /tmp/feff-convergence [--materials KI,RbBr]

Converges crystals with FEFF in all knobs at the default tolerance, and computes each with a tight reference and with
the fixed parameters of the Materials Project and of Lightshow. All are held against the reference over the window of
the tolerance. Times are wall times of one process, as stored; those of a series are the sum over its rungs. What is in
the scratch folder is not computed again. Writes benchmarks/results/feff_convergence.json; with some of the materials
only, it computes these and leaves the results file alone.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymatgen.core import Lattice, Structure

from whiteline.convergence import Tolerance, similarity_within
from whiteline.database import open_store
from whiteline.database.documents import SpectrumDocument
from whiteline.settings import Settings
from whiteline.spectrum import Spectrum
from whiteline.structures import NamedStructure
from whiteline.workflows.certificate import ACTIVITY
from whiteline.workflows.material import converge_materials, run_materials

RESULTS = Path(__file__).parent / "results" / "feff_convergence.json"

# Everything at once: the ends of the ladders.
TIGHT: dict[str, Any] = {
    "scf_radius": 8.0,
    "fms_radius": 10.0,
    "l_max": 6,
    "energy_grid": [
        {"kind": "k_grid", "start": -1.0, "stop": 0.0, "step": 0.025},
        {"kind": "k_grid", "start": 0.0, "stop": 4.0, "step": 0.025},
    ],
}


@dataclass(frozen=True)
class Material:
    """A crystal of one or two elements at special positions.

    Attributes:
        space_group: Its symbol.
        length: Edge of the cubic cell [Å].
        sites: Fractional coordinates of one atom of each element.
        absorber: The element that absorbs.
        edge: Its edge.
    """

    space_group: str
    length: float
    sites: Mapping[str, tuple[float, float, float]]
    absorber: str
    edge: str = "K"

    @property
    def structure(self) -> Structure:
        """The crystal."""
        return Structure.from_spacegroup(
            self.space_group, Lattice.cubic(self.length), list(self.sites), list(self.sites.values())
        )


_ORIGIN, _HALF = (0.0, 0.0, 0.0), (0.5, 0.5, 0.5)
# Crystals of few atoms in a given sphere, for the sake of the tight reference, which takes hours on oxides. Lengths at
# room temperature to about 0.01 Å: settings are compared with one another here, not with a measurement.
MATERIALS = {
    "RbBr": Material("Fm-3m", 6.89, {"Rb": _ORIGIN, "Br": _HALF}, "Br"),
    "RbI": Material("Fm-3m", 7.34, {"Rb": _ORIGIN, "I": _HALF}, "Rb"),
    "Ba": Material("Im-3m", 5.02, {"Ba": _ORIGIN}, "Ba"),
    "Ba L3": Material("Im-3m", 5.02, {"Ba": _ORIGIN}, "Ba", "L3"),
    "Sr": Material("Fm-3m", 6.08, {"Sr": _ORIGIN}, "Sr"),
    "CsI": Material("Pm-3m", 4.57, {"Cs": _ORIGIN, "I": _HALF}, "Cs"),
}
FIXED: dict[str, tuple[str, dict[str, Any]]] = {
    "tight": ("standard", TIGHT),
    "Materials Project": ("published:materials-project", {}),
    "Lightshow": ("published:lightshow", {}),
}


def measure_material(name: str, material: Material, settings: Settings) -> dict[str, Any]:
    """Return the errors and times of one material; what is stored is not computed again."""
    structures = [NamedStructure(material.structure, name, name)]
    series = converge_materials(structures, material.absorber, material.edge, settings=settings)[0].sites[0]
    fixed = {
        label: run_materials(
            structures, material.absorber, material.edge, preset=preset, parameters=values, settings=settings
        )[0]
        for label, (preset, values) in FIXED.items()
    }
    reference = _spectrum(fixed["tight"].sites[0])
    with open_store(settings.database) as store:
        (certificate,) = [r for r in store.records(series.id) if r.activity == ACTIVITY][-1:]
        seconds = {label: store.records(result.sites[0].id)[-1].wall_time for label, result in fixed.items()}
    points = {tuple(point["rungs"]): point for point in certificate.parameters["points"]}
    best = points[tuple(certificate.parameters["best"])]
    tight_s = seconds["tight"]
    rows = {
        label: {
            "status": result.sites[0].status.value,
            "seconds": round(seconds[label], 1),
            **_errors(reference, _spectrum(result.sites[0])),
        }
        for label, result in fixed.items()
    }
    return {
        "name": name,
        "absorber": material.absorber,
        "edge": material.edge,
        "fixed": rows,
        "converged": {
            "status": series.status.value,
            "words": best["words"],
            "n_rungs": len(points),
            "seconds": round(best["seconds"], 1),
            "series_seconds": round(sum(point["seconds"] for point in points.values()), 1),
            "cheaper_than_tight": round(tight_s / best["seconds"], 2),
            "series_cheaper_than_tight": round(tight_s / sum(point["seconds"] for point in points.values()), 2),
            **_errors(reference, _spectrum(series)),
        },
    }


def _spectrum(document: SpectrumDocument) -> Spectrum:
    if document.spectrum is None:
        raise SystemExit(f"{document.formula}: {document.fidelity} has no spectrum: {document.reason}")
    return document.spectrum


def _errors(reference: Spectrum, spectrum: Spectrum) -> dict[str, Any]:
    similarity = similarity_within(reference, spectrum, Tolerance().window)
    return {
        "one_minus_spearman": 1 - similarity.spearman,
        "area_difference": similarity.area_difference,
        "shift_ev": similarity.shift,
        "is_within_tolerance": Tolerance().holds(similarity),
    }


def main() -> None:
    """Compute what is missing, print the rows and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("--materials", default=",".join(MATERIALS))
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    arguments.scratch.mkdir(parents=True, exist_ok=True)
    settings = Settings(
        database=f"{arguments.scratch.resolve()}/spectra.db", run_directory=arguments.scratch.resolve() / "runs"
    )
    rows = []
    for name in arguments.materials.split(","):
        rows.append(measure_material(name, MATERIALS[name], settings))
        print(json.dumps(rows[-1], indent=1), flush=True)
    if len(rows) == len(MATERIALS):
        RESULTS.write_text(
            json.dumps(
                {
                    "tolerance": {
                        "spearman": Tolerance().spearman,
                        "area": Tolerance().area,
                        "shift": Tolerance().shift,
                    },
                    "rows": rows,
                },
                indent=1,
            )
            + "\n"
        )


if __name__ == "__main__":
    main()
