"""How fast and how right features are: M3GNet here beside matgl's own evaluation and published features, and CHGNet.

Needs WHITELINE_DATA with `omnixas` and the weights of M3GNet. Speeds are structures per second of processor time on
one core, so that a busy machine changes them little; a run takes about four minutes. Run as
`OMP_NUM_THREADS=1 python benchmarks/featurisation.py`.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import platform
import resource
import time
import types
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]  # ships no types
import torch
from pymatgen.core import Structure

from whiteline.models.features import Encoder, featurise, make_encoder
from whiteline.models.features.m3gnet import DEFAULT_WEIGHTS, M3GNetEncoder, load_m3gnet
from whiteline.models.pretrained import find_weights
from whiteline.structures import NamedStructure

RESULTS = Path(__file__).parent / "results" / "featurisation.json"
N_TIMED = 40
N_STOCK = 60
N_TIMES = 8  # how often all structures are encoded where cores are counted: starting them is told apart
SEED = 6


@dataclass(frozen=True)
class Site:
    """A copper site with the features that the authors of OmniXAS published."""

    material: str
    structure: Structure
    index: int
    published: np.ndarray[Any, np.dtype[np.float64]]


def read_sites(folder: Path) -> list[Site]:
    """Return the sites of the pool whose structures are there."""
    pool = pd.read_parquet(folder / "multi_element_pool.parquet")
    pool = pool[(pool.absorber == "Cu") & (pool.fidelity == "feff")]
    with gzip.open(folder / "cu_structures.json.gz") as file:
        structures = json.load(file)
    return [
        Site(row.material_id, Structure.from_dict(structures[row.material_id]), row.site_index, row.m3gnet_features)
        for row in pool.itertuples()
        if row.material_id in structures
    ]


def to_target(conv: Any, edge_index: Any, edge_feat: Any, node_feat: Any, rbf: Any, _state: Any, num_nodes: int) -> Any:
    """Sum messages where these weights want them; matgl 3 and later sum them at the source."""
    source, target = edge_index
    message = conv.node_update_func(torch.hstack([node_feat[source], node_feat[target], edge_feat]))
    sums = torch.zeros((num_nodes, message.shape[1]), dtype=message.dtype)
    return sums.index_add_(0, target, message * conv.node_weight_func(rbf))


def matgl_evaluation(*, is_patched: bool) -> Callable[[Structure], Any]:
    """Return matgl's own way from a structure to the features of all atoms, graph included."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import matgl
        from matgl.ext.pymatgen import Structure2Graph

        network = matgl.load_model(find_weights(DEFAULT_WEIGHTS)).model.eval()
    if is_patched:
        for block in network.graph_layers:
            block.conv.node_update_ = types.MethodType(to_target, block.conv)
    converter = Structure2Graph(network.element_types, network.cutoff)

    def evaluate(structure: Structure) -> Any:
        graph, lattice, _ = converter.get_graph(structure)
        graph.pbc_offshift = graph.pbc_offset @ lattice[0]
        graph.pos = graph.frac_coords @ lattice[0]
        with torch.no_grad():
            network(graph)
        return network.feature_dict["gc_3"]["node_feat"].numpy()

    return evaluate


def chgnet_evaluation() -> Callable[[Structure], Any]:
    """Return CHGNet's own way, with its own graphs, through the weights that the encoder loads."""
    encoder: Any = make_encoder("chgnet")
    network = encoder._network

    def evaluate(structure: Structure) -> Any:
        with torch.no_grad():
            return network([network.graph_converter(structure)], task="em", return_atom_feas=True)

    return evaluate


def per_cpu_second(work: Callable[[], object], n: int) -> float:
    """Return how many of n things are done in a second of processor time: the median of three."""
    speeds = []
    for _ in range(3):
        start = time.process_time()
        work()
        speeds.append(n / (time.process_time() - start))
    return round(float(np.median(speeds)), 1)


def speeds(sites: list[Site]) -> dict[str, float]:
    """Return structures per second of one core, graphs included."""
    structures, wanted = [site.structure for site in sites], [[site.index] for site in sites]
    m3gnet = load_m3gnet(find_weights(DEFAULT_WEIGHTS))
    n_edges = sum(len(s.get_neighbor_list(5.0)[0]) for s in structures) // len(structures)
    encoders: dict[str, Encoder] = {
        "m3gnet": m3gnet,
        "m3gnet, last block only": replace(m3gnet, blocks=("gc_3",)),
        "m3gnet, 8 together": replace(m3gnet, max_edges=8 * n_edges),
        "m3gnet, 32 together": replace(m3gnet, max_edges=32 * n_edges),
        "chgnet": make_encoder("chgnet"),
        "soap": make_encoder("soap", elements=sorted({str(e) for s in structures for e in s.composition.elements})),
    }
    found = {}
    for name, encoder in encoders.items():
        encoder.encode(structures[:2], wanted[:2])  # what is loaded on first use
        found[name] = per_cpu_second(lambda e=encoder: e.encode(structures, wanted), len(sites))  # type: ignore[misc]
    others = {
        "matgl, one by one": matgl_evaluation(is_patched=True),
        "matgl as released, one by one": matgl_evaluation(is_patched=False),
        "chgnet with its own graphs": chgnet_evaluation(),
    }
    for name, evaluate in others.items():
        evaluate(structures[0])
        found[name] = per_cpu_second(lambda f=evaluate: [f(s) for s in structures], len(sites))  # type: ignore[misc]
    return found


def deviations(rows: list[np.ndarray[Any, Any]], sites: list[Site]) -> dict[str, float]:
    """Return deviations from the published features, each as a share of the largest feature of its site."""
    shares = [np.abs(r - site.published) / np.abs(site.published).max() for r, site in zip(rows, sites, strict=True)]
    return {
        "n_sites": len(sites),
        "largest": float(f"{max(share.max() for share in shares):.3g}"),
        "median": float(f"{np.median(np.concatenate(shares)):.3g}"),
        "median_of_largest_of_a_site": float(f"{np.median([share.max() for share in shares]):.3g}"),
    }


def parity(sites: list[Site]) -> dict[str, Any]:
    """Return how far features are from the published ones, here and from matgl as it is."""
    encoder = load_m3gnet(find_weights(DEFAULT_WEIGHTS), blocks=("gc_3",))
    ours = encoder.encode([site.structure for site in sites], [[site.index] for site in sites])
    stock = matgl_evaluation(is_patched=False)
    few = sites[:N_STOCK]
    return {
        "here": deviations([rows[0] for rows in ours], sites),
        "matgl as released": deviations([stock(site.structure)[site.index] for site in few], few),
    }


def cores(sites: list[Site]) -> list[dict[str, float]]:
    """Return the cost of structures by number of workers: what they cost to start, and structures a second after it."""
    encoder: M3GNetEncoder = load_m3gnet(find_weights(DEFAULT_WEIGHTS))
    named = [NamedStructure(site.structure, name=site.material, source=site.material) for site in sites]
    wanted = [[site.index] for site in sites]
    found = []
    for workers in (1, 2):
        walls, busy = [], 0.0
        for n_times in (1, N_TIMES):
            start, before = time.perf_counter(), processor_time()
            done = featurise(named * n_times, wanted * n_times, encoder=encoder, workers=workers)
            walls.append(time.perf_counter() - start)
            busy = processor_time() - before
            assert not done.failures
        each = (walls[1] - walls[0]) / (N_TIMES - 1)
        found.append(
            {
                "workers": workers,
                "n": len(sites) * N_TIMES,
                "wall_s": round(walls[1], 1),
                "processor_s": round(busy, 1),
                "start_s": round(walls[0] - each, 1),
                "structures_per_wall_s_once_started": round(len(sites) / each, 1),
            }
        )
    return found


def processor_time() -> float:
    """Return the processor time of this process and of its finished children [s]."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def gpu_speed(sites: list[Site]) -> dict[str, Any] | None:
    """Return structures per second of wall time on a GPU, or None where there is none."""
    if not torch.cuda.is_available():
        return None
    encoder = load_m3gnet(find_weights(DEFAULT_WEIGHTS), device="cuda")
    structures, wanted = [site.structure for site in sites], [[site.index] for site in sites]
    encoder.encode(structures, wanted)
    start = time.perf_counter()
    encoder.encode(structures, wanted)
    return {"device": torch.cuda.get_device_name(), "per_s": round(len(sites) / (time.perf_counter() - start), 1)}


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only-cores", action="store_true", help="measure the scaling over cores alone")
    options = parser.parse_args()
    torch.set_num_threads(1)
    sites = read_sites(Path(os.environ["WHITELINE_DATA"]) / "omnixas")
    chosen = np.random.default_rng(SEED).permutation(len(sites))
    sites = [sites[i] for i in chosen]
    if options.only_cores:
        known = json.loads(RESULTS.read_text(encoding="utf-8"))
        known |= {"cores": cores(sites), "load_average_of_cores": round(os.getloadavg()[0], 1)}
        RESULTS.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
        print(json.dumps(known["cores"], indent=1))
        return
    timed = speeds(sites[:N_TIMED])
    results = {
        "versions": {name: version(name) for name in ("torch", "matgl", "chgnet", "dscribe")},
        "machine": platform.machine(),
        "mean_atoms": round(float(np.mean([len(site.structure) for site in sites[:N_TIMED]])), 1),
        "n_timed": N_TIMED,
        "structures_per_cpu_second": timed,
        "ratio_to_matgl": round(timed["m3gnet"] / timed["matgl, one by one"], 2),
        "ratio_to_chgnet": round(timed["chgnet"] / timed["chgnet with its own graphs"], 2),
        "deviation_from_published_64": parity(sites),
        "cores": cores(sites),
        "load_average": round(os.getloadavg()[0], 1),
        "gpu": gpu_speed(sites),
    }
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
