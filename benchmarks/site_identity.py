"""How steady and how sharp is the name of a site?

    python benchmarks/site_identity.py [--n-crystals 200]

On the crystals of OmniXAS's Cu set, in the folder that WHITELINE_DATA names: how often noise on the coordinates
changes names that should stay, how often a moved atom or a strain leaves names that should change, and whether
inequivalent sites ever share one. Writes benchmarks/results/site_identity.json.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from pymatgen.core import Structure

from whiteline.absorber import find_symmetry
from whiteline.fingerprint import fingerprint_crystal

RESULTS = Path(__file__).parent / "results" / "site_identity.json"
MOST_ATOMS = 60


def read_crystals(n_crystals: int) -> list[Structure]:
    """Return the first crystals with at most `MOST_ATOMS` atoms."""
    with gzip.open(Path(os.environ["WHITELINE_DATA"]) / "omnixas" / "cu_structures.json.gz") as file:
        members = json.load(file).values()
    small = (member for member in members if len(member["sites"]) <= MOST_ATOMS)
    return [Structure.from_dict(member) for member, _ in zip(small, range(n_crystals), strict=False)]


def changed_by_noise(crystals: list[Structure], noise: float, rng: np.random.Generator) -> dict[str, float]:
    """Return the share of sites whose name Gaussian noise [Å] on all coordinates changes."""
    n_sites = n_changed = 0
    for crystal in crystals:
        coordinates = crystal.cart_coords + rng.normal(scale=noise, size=(len(crystal), 3))
        noisy = Structure(crystal.lattice, crystal.species, coordinates, coords_are_cartesian=True)
        before, after = fingerprint_crystal(crystal).site_ids, fingerprint_crystal(noisy).site_ids
        n_sites += len(crystal)
        n_changed += sum(a != b for a, b in zip(before, after, strict=True))
    return {"noise_angstrom": noise, "changed_percent": round(100 * n_changed / n_sites, 2)}


def unseen_moves(crystals: list[Structure], length: float, rng: np.random.Generator) -> dict[str, float]:
    """Return the share of crystals in which one atom, moved by `length` [Å], keeps its name."""
    n_unseen = 0
    for crystal in crystals:
        i_site, step = int(rng.integers(len(crystal))), rng.normal(size=3)
        moved = crystal.copy()
        moved.translate_sites([i_site], step * length / np.linalg.norm(step), frac_coords=False, to_unit_cell=False)
        n_unseen += fingerprint_crystal(moved).site_ids[i_site] == fingerprint_crystal(crystal).site_ids[i_site]
    return {"move_angstrom": length, "unseen_percent": round(100 * n_unseen / len(crystals), 2)}


def unseen_strain(crystals: list[Structure], strain: float) -> dict[str, float]:
    """Return the share of crystals whose first site keeps its name under an isotropic strain."""
    n_unseen = 0
    for crystal in crystals:
        strained = crystal.copy()
        strained.scale_lattice(crystal.volume * (1 + strain) ** 3)
        n_unseen += fingerprint_crystal(strained).site_ids[0] == fingerprint_crystal(crystal).site_ids[0]
    return {"strain": strain, "unseen_percent": round(100 * n_unseen / len(crystals), 2)}


def shared_names(crystals: list[Structure]) -> dict[str, int]:
    """Return how many inequivalent sites share their name with another one of their crystal."""
    n_orbits = n_shared = 0
    for crystal in crystals:
        names = fingerprint_crystal(crystal).site_ids
        orbits = set(find_symmetry(crystal).orbits)
        n_orbits += len(orbits)
        n_shared += len(orbits) - len({names[i] for i in orbits})
    return {"inequivalent_sites": n_orbits, "sharing_a_name": n_shared}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n-crystals", type=int, default=200)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(0)
    crystals = read_crystals(arguments.n_crystals)
    results: dict[str, Any] = {
        "crystals": len(crystals),
        "noise": [changed_by_noise(crystals, noise, rng) for noise in (1e-8, 1e-7, 1e-6, 1e-5)],
        "moves": [unseen_moves(crystals, length, rng) for length in (0.002, 0.005, 0.01, 0.02)],
        "strains": [unseen_strain(crystals, strain) for strain in (1e-4, 1e-3)],
        "identity": shared_names(crystals),
    }
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
