"""How many sites a second get their inputs written, beside pymatgen, and does memory stay where it is?

    python benchmarks/input_writing.py [--n-structures 100] [--n-sites 10000]

Reads the structures under structures/amcsd of the folder that WHITELINE_DATA names and takes the first site of a 3d
metal of each, the K edge. FEFF's writer runs with the preset `published:materials-project`, whose radius is that of
pymatgen's MPXANESSet, which writes the same sites. It is timed twice: from nothing, with the symmetry and the content
hashes of the crystal that name the calculation, and with these known, as they are for all sites of a material after
`find_absorbers`. Rates are by CPU time, the best of three passes: other work on the machine slows both, unevenly.

Then the inputs of many sites are written as a campaign does it, cycling through the materials and all inequivalent
sites of their first 3d metal, with the resident memory sampled on the way. Sites that lack a pseudopotential are left
out and counted. Engines that are not asked for keep their earlier results. Writes the results file
benchmarks/results/input_writing.json.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import os
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pymatgen.core import Structure
from pymatgen.io.feff.sets import MPXANESSet

from whiteline.absorber import Absorber, find_absorbers
from whiteline.calculators.interface import Calculator
from whiteline.edges import Edge
from whiteline.errors import MissingDependencyError, WhitelineError
from whiteline.settings import load_settings
from whiteline.structures import check_structure
from whiteline.workflows.engines import ENGINES, make_calculator

RESULTS = Path(__file__).parent / "results" / "input_writing.json"
METALS = ("Sc", "Ti", "V", "Cr", "Mn", "Fe", "Co", "Ni", "Cu", "Zn")
RADIUS = 10.0
PRESETS = {"feff": "published:materials-project"}
SAMPLES = 20
N_PASSES = 3


T = TypeVar("T")


@dataclass(frozen=True)
class Site:
    """A structure of bare elements and its absorber."""

    name: str
    structure: Structure
    element: str
    index: int


def read_sites(folder: Path, n_structures: int) -> list[Site]:
    """Return the first site of a 3d metal of each structure, in the order of the manifest."""
    with (folder / "MANIFEST.csv").open(encoding="utf-8") as file:
        names = [Path(row["file"]).name for row in csv.DictReader(file)]
    sites = []
    for name in names:
        try:
            structure = Structure.from_file(folder / "amcsd" / name)
        except ValueError:
            continue
        structure.remove_oxidation_states()
        symbols = [site.specie.symbol if site.is_ordered else "" for site in structure]
        index = next((i for i, symbol in enumerate(symbols) if symbol in METALS), None)
        if index is not None and all(symbols):
            sites.append(Site(name, structure, symbols[index], index))
    return sites[:n_structures]


def write_with_pymatgen(site: Site) -> int:
    """Return the number of characters of pymatgen's input."""
    inputs = MPXANESSet(site.index, site.structure.copy(), edge="K", radius=RADIUS).all_input()  # type: ignore[no-untyped-call]  # as pymatgen has it
    return sum(len(str(part)) for part in inputs.values())


def prepare(site: Site) -> Absorber:
    """Return the absorber with all that `find_absorbers` finds once for a material."""
    absorber = Absorber(site.structure.copy(), site.index, Edge.K)
    assert absorber.symmetry
    assert absorber.fingerprint
    return absorber


def write_from_nothing(calculator: Calculator, site: Site) -> int:
    """Return the number of characters of a site's inputs, its symmetry and hashes found on the way."""
    return write_prepared(calculator, Absorber(site.structure.copy(), site.index, Edge.K))


def write_prepared(calculator: Calculator, absorber: Absorber) -> int:
    """Return the number of characters of an absorber's inputs."""
    return sum(len(text) for text in calculator.inputs(absorber).values())


def time_sites(write: Callable[[T], int], sites: Sequence[T]) -> dict[str, Any]:
    """Return CPU seconds of the fastest pass, sites a second and what was refused."""
    passes = []
    for _ in range(N_PASSES):
        refused: dict[str, int] = {}
        n_characters = 0
        started = time.process_time()
        for site in sites:
            try:
                n_characters += write(site)
            except (WhitelineError, ValueError) as error:
                reason = f"{type(error).__name__}: {str(error)[:120]}"
                refused[reason] = refused.get(reason, 0) + 1
        passes.append(time.process_time() - started)
    seconds = min(passes)
    n_written = len(sites) - sum(refused.values())
    return {
        "n_sites": len(sites),
        "n_written": n_written,
        "cpu_s": round(seconds, 3),
        "sites_per_s": round(n_written / seconds, 1),
        "n_characters": n_characters,
        "refused": refused,
    }


def resident_mb() -> float:
    """Return the resident memory of this process [MB]."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def write_many(calculator: Calculator, sites: list[Site], n_sites: int) -> dict[str, Any]:
    """Write the inputs of `n_sites` sites, as a campaign does: every inequivalent site of a material, then the next."""
    write_all = (
        calculator.inputs(absorber)
        for site in itertools.cycle(sites)
        for absorber in find_absorbers(site.structure, site.element, Edge.K)
    )
    resident: list[float] = []
    started, n_written = time.process_time(), 0
    while n_written < n_sites:
        next(write_all)
        n_written += 1
        if n_written % max(1, n_sites // SAMPLES) == 0:
            resident.append(round(resident_mb(), 1))
    seconds = time.process_time() - started
    return {
        "n_sites": n_written,
        "cpu_s": round(seconds, 1),
        "sites_per_s": round(n_written / seconds, 1),
        "resident_mb": resident,
        "growth_mb_after_the_first_tenth": round(resident[-1] - resident[len(resident) // 10], 1),
    }


def make_or_explain(code: str) -> Calculator | str:
    """Return the calculator of an engine, or why there is none here."""
    try:
        return make_calculator(code, preset=PRESETS.get(code, "standard"), settings=load_settings())
    except (ImportError, AttributeError, WhitelineError) as error:
        return f"{type(error).__name__}: {error}"


def main() -> None:
    """Time all engines, print a table and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n-structures", type=int, default=100)
    parser.add_argument("--n-sites", type=int, default=10_000)
    parser.add_argument("--engines", nargs="+", choices=list(ENGINES), default=list(ENGINES))
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    sites = read_sites(Path(os.environ["WHITELINE_DATA"]) / "structures", arguments.n_structures)
    write_with_pymatgen(sites[0])  # imports and tables are read once
    absorbers = [prepare(site) for site in sites if _is_sound(site)]
    engines = {code: measure(code, sites, absorbers, arguments.n_sites) for code in arguments.engines}
    pymatgen = time_sites(write_with_pymatgen, sites)
    if RESULTS.is_file():
        earlier = json.loads(RESULTS.read_text(encoding="utf-8"))["engines"]
        engines = {code: engines.get(code) or earlier[code] for code in ENGINES if code in engines or code in earlier}
    results: dict[str, Any] = {"n_structures": len(sites), "pymatgen_MPXANESSet": pymatgen, "engines": engines}
    if "from_nothing" in engines.get("feff", {}):
        for name in ("from_nothing", "absorber_known"):
            ratio = engines["feff"][name]["sites_per_s"] / pymatgen["sites_per_s"]
            results[f"feff_{name}_to_pymatgen"] = round(ratio, 1)
    RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(json.dumps(results, indent=1, ensure_ascii=False))


def measure(code: str, sites: list[Site], absorbers: list[Absorber], n_sites: int) -> dict[str, Any]:
    """Return the rates and the memory of one engine, or why it is not measured."""
    calculator = make_or_explain(code)
    if isinstance(calculator, str):
        return {"skipped": calculator.replace(str(Path.home()), "~")}
    n_all = len(sites)
    sites = [site for site in sites if not _lacks_files(calculator, site)]
    absorbers = [absorber for absorber in absorbers if not _lacks_files(calculator, absorber)]
    if not sites:
        return {"skipped": "the files that it needs are not here, see `whiteline check`"}
    known = time_sites(lambda absorber: write_prepared(calculator, absorber), absorbers)
    result: dict[str, Any] = {"from_nothing": time_sites(lambda site: write_from_nothing(calculator, site), sites)}
    result["absorber_known"] = known
    result["n_sites_without_files"] = n_all - len(sites)
    writable = [site for site in sites if _is_writable(calculator, site)]
    if writable:
        result["many_sites"] = write_many(calculator, writable, n_sites)
    return result


def _lacks_files(calculator: Calculator, site: Site | Absorber) -> bool:
    """Return whether a pseudopotential of one of the site's elements is not here."""
    try:
        write_prepared(calculator, site if isinstance(site, Absorber) else Absorber(site.structure, site.index, Edge.K))
    except MissingDependencyError:
        return True
    except WhitelineError:
        return False  # counted as refused
    return False


def _is_sound(site: Site) -> bool:
    try:
        check_structure(site.structure, name=site.name)
    except WhitelineError:
        return False
    return True


def _is_writable(calculator: Calculator, site: Site) -> bool:
    try:
        calculator.inputs(Absorber(site.structure, site.index, Edge.K))
    except WhitelineError:
        return False
    return True


if __name__ == "__main__":
    main()
