"""How fast spectra are predicted: from structures to calibrated spectra, and from features alone, beside FEFF's time.

    WHITELINE_DATA=/path/to/data python benchmarks/prediction_speed.py [--n 200]

An ensemble of five is trained for a few epochs on the copper K edges of OmniXAS (how well it tells is no matter here)
with each encoder, and kept with error bars and domain check as `whiteline train ensemble` keeps it. Timed are crystals
that are in memory: finding their inequivalent sites, encoding without a cache, the members, bands, domain check and
spectra; and the same from features that are there. One thread; processor time, the median of three. FEFF's time per
spectrum is that of benchmarks/results/feff_presets.json. Writes benchmarks/results/prediction_speed.json.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from copper_samples import read_copper
from pymatgen.core import Structure

from whiteline.models.architectures import ResidualMLP
from whiteline.models.features import make_encoder
from whiteline.models.model import calibrate
from whiteline.models.splits import split_samples
from whiteline.models.training import Hardware, TrainingParameters, fit
from whiteline.structures import NamedStructure
from whiteline.workflows.learning.prediction import MaterialPrediction, Predictor

RESULTS = Path(__file__).parent / "results"
ENCODERS = ("m3gnet", "chgnet", "m3gnet+chgnet")
N_MEMBER, N_EPOCH, N_FEATURES = 5, 3, 20_000


def timed(work: Callable[[], Any]) -> float:
    """Return the processor time of some work [s], the median of three."""
    times = []
    for _ in range(3):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return median(times)


def read_crystals(data: Path, n: int) -> list[NamedStructure]:
    """Return some crystals, the same ones each time."""
    with gzip.open(data / "omnixas" / "cu_structures.json.gz", "rt", encoding="utf-8") as file:
        stored = json.load(file)
    names = sorted(stored)
    drawn = np.random.default_rng(0).permutation(len(names))[:n]
    return [NamedStructure(Structure.from_dict(stored[names[i]]), names[i], names[i]) for i in drawn]


def measure(data: Path, encoder: str, crystals: list[NamedStructure]) -> dict[str, Any]:
    """Return the speeds of a model with an encoder."""
    samples, _ = read_copper(data, encoder)
    train, validation, _ = split_samples(samples, seed=0).parts(samples)
    model = fit(
        train,
        validation,
        architecture=ResidualMLP(),
        parameters=TrainingParameters(n_epochs=N_EPOCH),
        seeds=range(N_MEMBER),
        hardware=Hardware(accelerator="cpu"),
    )
    predictor = Predictor(calibrate(model, validation), make_encoder(encoder), "timed")
    done: list[MaterialPrediction] = []

    def predict() -> None:
        answers = predictor.predict(crystals, "Cu")
        done[:] = [each for each in answers if isinstance(each, MaterialPrediction)]

    predictor.predict(crystals[:5], "Cu")  # loads the weights
    whole = timed(predict)
    many = np.resize(samples.features, (N_FEATURES, samples.n_features))
    absorbers = ["Cu"] * N_FEATURES
    assert predictor.model.domain is not None  # fit keeps one
    domain = predictor.model.domain
    alone = timed(lambda: predictor.model.predict(many, absorbers))
    checked = timed(lambda: domain.check(many[:2000], absorbers[:2000])) * N_FEATURES / 2000
    n_sites = sum(len(each.sites) for each in done)
    return {
        "encoder": samples.encoder,
        "n_failed": len(crystals) - len(done),
        "structures_per_cpu_s": len(done) / whole,
        "sites_per_cpu_s": n_sites / whole,
        "spectra_per_cpu_s_from_features": N_FEATURES / alone,
        "spectra_per_cpu_s_from_features_with_domain_check": N_FEATURES / (alone + checked),
    }


def main() -> None:
    """Measure each encoder and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=200, help="number of crystals")
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = Path(os.environ["WHITELINE_DATA"])
    crystals = read_crystals(data, options.n)
    rows = []
    for encoder in ENCODERS:
        rows.append(measure(data, encoder, crystals))
        print(json.dumps(rows[-1]), flush=True)
    presets = json.loads((RESULTS / "feff_presets.json").read_text(encoding="utf-8"))["rows"]
    feff = {
        key: median(row[key] for row in presets if row.get(key) and row["name"] != "mp-1203 site 0 TiO")
        for key in ("fast_s", "published_s")
    }
    results = {
        "n_crystals": len(crystals),
        "mean_atoms": float(np.mean([len(each.structure) for each in crystals])),
        "n_member": N_MEMBER,
        "machine": platform.machine(),
        "torch": torch.__version__,
        "load_average": os.getloadavg()[0],
        "feff_median_s_per_spectrum": feff,
        "rows": [
            {
                **row,
                "faster_than_feff": {key: value * row["sites_per_cpu_s"] for key, value in feff.items()},
            }
            for row in rows
        ],
    }
    (RESULTS / "prediction_speed.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
