"""Does the distance from the training set tell chemistry that was left out?

    WHITELINE_DATA=/path/to/data python benchmarks/model_domain.py

Copper sites of OmniXAS: all compounds with one element are left out, a fifth of the remaining formulas as well, and the
score of a site is its distance from the rest. AUROC is the chance that a left-out site of the element is farther than
one of the left-out formulas: 0.5 tells nothing, 1 everything. Beside the whitened distance of the domain check stand
the mean distance to five neighbours in standardised features, and the Mahalanobis distance. The first eight elements
are those by which the whitened distance was chosen. Some two minutes. Writes benchmarks/results/model_domain.json.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from copper_samples import read_copper
from pymatgen.core import Composition
from sklearn.neighbors import NearestNeighbors  # type: ignore[import-untyped]  # ships no types

from whiteline.models.domain import Domain
from whiteline.models.evaluation import auroc
from whiteline.models.samples import Samples
from whiteline.models.splits import split_samples

RESULTS = Path(__file__).parent / "results" / "model_domain.json"
ENCODERS = ("m3gnet:gc_3", "m3gnet")
CHOSEN_BY = ("S", "F", "Cl", "P", "H", "Se", "N", "Si")
OTHERS = ("Te", "As", "Br", "I", "C", "Ge", "Sb", "B")
N_NEIGHBOUR = 5


def scores(train: Samples, sites: Samples) -> dict[str, Any]:
    """Return the distance of each site from the training sites, by three rules."""
    mean, sd = train.features.mean(axis=0), train.features.std(axis=0) + 1e-9
    known, asked = ((part.features - mean) / sd for part in (train, sites))
    near, _ = NearestNeighbors(n_neighbors=N_NEIGHBOUR).fit(known).kneighbors(asked)
    inverse = np.linalg.pinv(np.cov(known, rowvar=False), rcond=1e-4)
    return {
        "whitened, five nearest": Domain.of(train, train).check(sites.features, sites.absorbers).distances,
        "standardised, five nearest": near.mean(axis=1),
        "Mahalanobis": np.einsum("ij,jk,ik->i", asked, inverse, asked),
    }


def main() -> None:
    """Measure and write."""
    rows = []
    for encoder in ENCODERS:
        samples, _ = read_copper(Path(os.environ["WHITELINE_DATA"]), encoder)
        elements = [{e.symbol for e in Composition(formula).elements} for formula in samples.formulas]
        for element in (*CHOSEN_BY, *OTHERS):
            is_left_out = np.array([element in own for own in elements])
            train, _, new = split_samples(samples.select(~is_left_out), fractions=(0.8, 0.0, 0.2), seed=0).parts(
                samples.select(~is_left_out)
            )
            left_out = samples.select(is_left_out)
            found = scores(train, Samples.join([new, left_out]))
            is_outside = np.arange(len(new) + len(left_out)) >= len(new)
            rows.append(
                {
                    "encoder": encoder,
                    "element": element,
                    "chose": element in CHOSEN_BY,
                    "n_left_out": len(left_out),
                    "auroc": {name: round(auroc(values, is_outside), 3) for name, values in found.items()},
                }
            )
            print(json.dumps(rows[-1]), flush=True)
    RESULTS.write_text(json.dumps({"rows": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
