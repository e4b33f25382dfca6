"""How much a split decides: one model, the same spectra, six divisions; and what scaled error bars hold.

    WHITELINE_DATA=/path/to/data python benchmarks/model_splits.py

Kernel ridge regression (Laplace kernel, the 64 published features of M3GNet) of the copper K edges of OmniXAS, all of
them and without what the authors label as outliers. Width of the kernel and regularisation are chosen on the
validation part. Then the error bars of an ensemble of five such models, each of a part of the training data, over four
divisions by formula. Some three minutes. Writes benchmarks/results/model_splits.json.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from copper_samples import read_copper
from sklearn.kernel_ridge import KernelRidge  # type: ignore[import-untyped]  # ships no types
from sklearn.metrics.pairwise import laplacian_kernel  # type: ignore[import-untyped]  # ships no types

from whiteline.models.evaluation import measure_calibration, scale_of
from whiteline.models.metrics import eta, mse
from whiteline.models.samples import Samples
from whiteline.models.splits import SplitKind, split_samples

RESULTS = Path(__file__).parent / "results" / "model_splits.json"
GRID = ((0.004, 1e-3), (0.004, 1e-2), (0.012, 1e-3), (0.012, 1e-2), (0.03, 1e-3), (0.03, 1e-2), (0.06, 1e-2))
SEEDS = range(3)
WITHOUT_SEED = (SplitKind.SIZE, SplitKind.GREEDY)
N_MEMBER, N_PART = 5, 1200  # of the ensemble, and the spectra that each has
LEVELS = (0.5, 0.8, 0.95)


def standardised(train: Samples, *others: Samples) -> list[Any]:
    """Return the features of each part, in units of the spread of the training part."""
    mean, spread = train.features.mean(axis=0), train.features.std(axis=0) + 1e-9
    return [((part.features - mean) / spread).astype(float) for part in (train, *others)]


def measure_split(samples: Samples, kind: SplitKind, seed: int) -> float:
    """Return η of the best model by validation."""
    train, validation, test = split_samples(samples, by=kind, seed=seed).parts(samples)
    x, xv, xt = standardised(train, validation, test)
    mean = train.spectra.mean(axis=0)
    best: tuple[float, Any, float] | None = None
    for gamma, alpha in GRID:
        model = KernelRidge(alpha=alpha, kernel="precomputed").fit(
            laplacian_kernel(x, gamma=gamma), train.spectra - mean
        )
        predicted = model.predict(laplacian_kernel(xv, x, gamma=gamma)) + mean
        error = float(np.median(mse(validation.spectra, predicted)))
        if best is None or error < best[0]:
            best = (error, model, gamma)
    assert best is not None
    _, model, gamma = best
    return eta(test.spectra, model.predict(laplacian_kernel(xt, x, gamma=gamma)) + mean, mean)


def measure_bands(samples: Samples, seed: int) -> dict[str, list[float]]:
    """Return the share of points inside the bands of the raw spread, and of the scaled one."""
    train, validation, test = split_samples(samples, seed=seed).parts(samples)
    x, *rest = standardised(train, validation, test)
    mean = train.spectra.mean(axis=0)
    rng = np.random.default_rng(seed)
    predicted: list[list[Any]] = []
    for _ in range(N_MEMBER):
        rows = rng.choice(len(train), N_PART, replace=False)
        model = KernelRidge(alpha=1e-2, kernel="precomputed").fit(
            laplacian_kernel(x[rows], gamma=0.03), train.spectra[rows] - mean
        )
        predicted.append([model.predict(laplacian_kernel(part, x[rows], gamma=0.03)) + mean for part in rest])
    known, unknown = (np.stack([member[i] for member in predicted]) for i in (0, 1))
    scale = scale_of(known.mean(axis=0) - validation.spectra, known.std(axis=0))
    shares = {}
    for name, chosen in (("raw", None), ("scaled", scale)):
        found = measure_calibration(test.spectra, unknown.mean(axis=0), unknown.std(axis=0), scale=chosen)
        shares[name] = [float(found.at(level)) for level in LEVELS]
    return shares


def main() -> None:
    """Measure and write."""
    samples, labels = read_copper(Path(os.environ["WHITELINE_DATA"]))
    sets = {"all": samples, "without outliers": samples.select(np.array(labels) != "outlier")}
    rows = []
    for kind in SplitKind:
        seeds = [0] if kind in WITHOUT_SEED else list(SEEDS)
        found = {name: [measure_split(part, kind, seed) for seed in seeds] for name, part in sets.items()}
        rows.append({"split": kind.value, "eta": found})
        print(json.dumps(rows[-1]), flush=True)
    bands = [measure_bands(samples, seed) for seed in range(4)]
    results = {
        "n": {name: len(part) for name, part in sets.items()},
        "encoder": samples.encoder,
        "rows": rows,
        "levels": LEVELS,
        "bands": bands,
    }
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
