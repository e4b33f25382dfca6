"""Cu L2,3 by FEFF for some dozens of compounds, and models learned from them; from cheap parameters to dearer ones.

    WHITELINE_DATA=/path/to/data python benchmarks/copper_l_edges.py --scratch FOLDER [--n 24] [--n-cheap 60] [-j 2]

The crystals are drawn from omnixas/cu_structures.json.gz: cells of at most 16 atoms with one inequivalent copper site,
no two of one formula. `whiteline run` computes L2 and L3 of the first with the preset `fast` (some two minutes of a
processor each), and of more of them without self-consistency in small clusters (some seconds); what the scratch
folder's database has is not computed again. `whiteline dataset create` freezes both, `whiteline train ensemble` makes a
model of the dear ones with its report.

Two dozen spectra leave two or three for a test, which says little. So the errors come from five-fold cross-validation
by formula: in each fold an ensemble of three learns from what is left, an eighth of it chooses the epoch, and the
fold is told: from the dear spectra alone, and by transfer from a model of the cheap ones of other formulas. Rivals
that need no network: the mean of the training spectra, the spectrum of the nearest training site by features, and the
cheap calculation itself. Writes copper_l_edges.json and copper_l_edges.png into benchmarks/results.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from pymatgen.core import Structure
from pymatgen.io.cif import CifWriter

from whiteline.absorber import find_absorbers
from whiteline.edges import Edge
from whiteline.models.architectures import ResidualMLP
from whiteline.models.features import FeatureCache
from whiteline.models.metrics import eta, mse
from whiteline.models.model import SpectrumModel
from whiteline.models.samples import Samples
from whiteline.models.scaling import is_constant
from whiteline.models.splits import fold_samples, split_samples, subset_samples
from whiteline.models.training import Hardware, TrainingParameters, fit
from whiteline.models.transfer import transfer
from whiteline.workflows.learning.encoding import EncoderChoice
from whiteline.workflows.learning.features import encode_samples
from whiteline.workflows.learning.samples import read_learning_data

mpl.use("Agg")
from matplotlib import pyplot as plt

RESULTS = Path(__file__).parent / "results"
N_ATOMS, HEAVIEST = 16, 83
# L3 rises at 2 eV from its tabulated energy, L2 20 eV later. FEFF begins 2 eV before or after the table's energy: where
# it begins later, what is missing is before the edge, and the first value is held.
GRID = "edge-relative 0:45:0.25"
CHEAP_VALUES = ("scf_radius=null", "fms_radius=4", "l_max=2")
ALONE, HELPED, CHEAP = "alone", "from the cheap model", "the cheap calculation"
N_FOLD, MEMBERS = 5, tuple(range(3))
CPU = Hardware(accelerator="cpu")
PARAMETERS = TrainingParameters(n_epochs=150, batch_size=16, learning_rate=1e-3)
SIZES = (8,)


def pick_crystals(data: Path, n: int, folder: Path) -> list[str]:
    """Write the crystals as CIF files and return their names, those drawn first in front."""
    with gzip.open(data / "omnixas" / "cu_structures.json.gz", "rt", encoding="utf-8") as file:
        stored = json.load(file)
    names = sorted(stored)
    folder.mkdir(parents=True, exist_ok=True)
    formulas: set[str] = set()
    kept: list[str] = []
    for i in np.random.default_rng(0).permutation(len(names)):
        if len(stored[names[i]]["sites"]) > N_ATOMS or len(kept) == n:
            continue
        crystal = Structure.from_dict(stored[names[i]])
        formula = crystal.composition.reduced_formula
        if formula in formulas or max(element.Z for element in crystal.elements) > HEAVIEST:
            continue
        if len(find_absorbers(crystal, "Cu", Edge.L23)) > 1:
            continue
        formulas.add(formula)
        kept.append(names[i])
        path = folder / f"{names[i]}.cif"
        if not path.exists():
            CifWriter(crystal, symprec=0.01).write_file(str(path))
    return kept


def whiteline(*arguments: str | Path) -> None:
    """Run a command of the platform, and stop if it fails."""
    subprocess.run([sys.executable, "-m", "whiteline.cli", *map(str, arguments)], check=True)


def learn(train: Samples) -> SpectrumModel:
    """Return an ensemble; an eighth of the formulas chooses the epoch."""
    own, choosing = _divided(train)
    return fit(own, choosing, architecture=ResidualMLP(), parameters=PARAMETERS, seeds=MEMBERS, hardware=CPU)


def learn_from(cheap: Samples, train: Samples) -> SpectrumModel:
    """Return an ensemble of the dear spectra that begins with one of the cheap spectra."""
    own, choosing = _divided(train)
    fidelity = cheap.fidelities[0]
    return transfer(learn(cheap), own, choosing, fidelity=fidelity, parameters=PARAMETERS, seeds=MEMBERS, hardware=CPU)


def _divided(train: Samples) -> tuple[Samples, Samples]:
    own, choosing, _ = split_samples(train, fractions=(0.875, 0.125, 0.0), seed=0).parts(train)
    return own, choosing


def nearest_of(train: Samples, test: Samples) -> Any:
    """Return the spectrum of the training site whose features, in units of their spread, are nearest."""
    informative = ~is_constant(train.features.astype(float))
    spread = train.features[:, informative].std(0)
    ours, theirs = (each.features[:, informative] / spread for each in (train, test))
    return train.spectra[np.linalg.norm(theirs[:, None] - ours, axis=-1).argmin(1)]


def l3_height(spectra: Any, points: Any) -> Any:
    """Return the height of the first maximum's region, the L3 white line: the largest value up to 12 eV."""
    return spectra[:, (points >= 0) & (points <= 12)].max(1)


def cross_validate(samples: Samples, cheap: Samples, n_train: int | None = None) -> dict[str, Any]:
    """Return errors of the ensembles and of their rivals over all folds."""
    told: dict[str, list[Any]] = {name: [] for name in (ALONE, HELPED, CHEAP, "nearest site", "mean spectrum")}
    spectra = dict(zip(cheap.materials, cheap.spectra, strict=True))
    rows: list[int] = []
    used = []
    for division in fold_samples(samples, N_FOLD, seed=0):
        train, test, _ = division.parts(samples)
        rows += [samples.ids.index(each) for each in test.ids]
        if n_train is not None:
            train = train.select(subset_samples(train, n_train, seed=0))
        used.append(len(train))
        others = cheap.select(~np.isin(cheap.formulas, test.formulas))
        told[ALONE].append(learn(train).predict_samples(test).mean)
        told[HELPED].append(learn_from(others, train).predict_samples(test).mean)
        told[CHEAP].append(np.array([spectra[material] for material in test.materials]))
        told["nearest site"].append(nearest_of(train, test))
        told["mean spectrum"].append(np.repeat(train.spectra.mean(0)[None], len(test), axis=0))
    true = samples.spectra[rows]
    base = np.concatenate(told["mean spectrum"])
    heights = l3_height(true, samples.points)
    found = {}
    for name, parts in told.items():
        predicted = np.concatenate(parts)
        residual = ((true - predicted) ** 2).sum() / ((true - true.mean(0)) ** 2).sum()
        found[name] = {
            "median_mse": float(np.median(mse(true, predicted))),
            "eta": eta(true, predicted, base),
            "r2": 1 - float(residual),
            "l3_height_mae": float(np.abs(heights - l3_height(predicted, samples.points)).mean()),
        }
    return {"n_train": round(float(np.mean(used))), "errors": found, "rows": rows, "told": told}


def draw(samples: Samples, cross: dict[str, Any], path: Path) -> None:
    """Draw the best, median and worst prediction."""
    predicted = np.concatenate(cross["told"][HELPED])
    true = samples.spectra[cross["rows"]]
    order = np.argsort(mse(true, predicted))
    figure, panels = plt.subplots(1, 3, figsize=(11, 3.4), sharey=True, layout="constrained")
    chosen = {"best": order[0], "median": order[len(order) // 2], "worst": order[-1]}
    for axes, (word, i) in zip(panels, chosen.items(), strict=True):
        axes.plot(samples.points, true[i], color="#222222", label="FEFF")
        axes.plot(samples.points, predicted[i], color="#0072b2", label="predicted")
        axes.set_title(f"{word}: {samples.formulas[cross['rows'][i]]}", fontsize=10)
        axes.set_xlabel("Energy from the L3 edge (eV)")
    panels[0].set_ylabel(f"Cross-section ({samples.unit} per atom)")
    panels[0].legend(frameon=False)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Compute, freeze, learn, tell and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("--n", type=int, default=24, help="crystals with the preset fast")
    parser.add_argument("--n-cheap", type=int, default=60, help="crystals with cheap parameters, these among them")
    parser.add_argument("-j", type=int, default=1, help="calculations at a time")
    options = parser.parse_args()
    torch.set_num_threads(1)
    scratch: Path = options.scratch
    store = scratch / "l-edges.db"
    names = pick_crystals(Path(os.environ["WHITELINE_DATA"]), options.n_cheap, scratch / "crystals")
    files = [scratch / "crystals" / f"{name}.cif" for name in names]
    edge, where = ("--absorber", "Cu", "--edge", "L23"), ("--db", store)
    common = (*edge, "--preset", "fast", "--run-directory", scratch / "runs", "-j", str(options.j), *where)
    whiteline("run", *files, *common, *(word for value in CHEAP_VALUES for word in ("--set", value)))
    whiteline("run", *files[: options.n], *common)
    for folder, fidelity in ((scratch / "dataset", "feff:fast"), (scratch / "dataset-cheap", "feff:fast+")):
        if not folder.exists():
            chosen = (*edge, "--fidelity", fidelity, "--kind", "site", "--grid", GRID, "--extrapolate", *where)
            whiteline("dataset", "create", folder, *chosen)
    if not (scratch / "model").exists():
        settings = ("--epochs", str(PARAMETERS.n_epochs), "--set", "batch_size=16", "--set", "learning_rate=0.001")
        whiteline("train", "ensemble", scratch / "dataset", "-o", scratch / "model", *settings)
    samples = _encoded(scratch / "dataset", names[: options.n])
    cheap = _encoded(scratch / "dataset-cheap", names)
    whole = cross_validate(samples, cheap)
    curve = [cross_validate(samples, cheap, size) for size in SIZES if size < whole["n_train"]]
    draw(samples, whole, RESULTS / "copper_l_edges.png")
    results = {
        "n_spectra": len(samples),
        "n_cheap": len(cheap),
        "grid": GRID,
        "cheap": CHEAP_VALUES,
        "unit": samples.unit,
        "encoder": samples.encoder,
        "learning_curve": [{"n_train": each["n_train"], "errors": each["errors"]} for each in (*curve, whole)],
    }
    (RESULTS / "copper_l_edges.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(results, indent=1))


def _encoded(dataset: Path, names: Sequence[str]) -> Samples:
    """Return the samples of a dataset that are of some crystals: the store may hold more from another call."""
    data = read_learning_data(dataset)
    own = [i for i, named in enumerate(data.structures) if named is not None and Path(named.source).stem in names]
    return encode_samples(data.select(own), EncoderChoice().make(), cache=FeatureCache()).samples


if __name__ == "__main__":
    main()
