"""The copper spectra of OmniXAS as samples, encoded; what several benchmarks of models begin with."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
from pymatgen.core import Structure

from whiteline.models.features import FeatureCache, featurise, make_encoder
from whiteline.models.samples import Samples
from whiteline.models.table_files import read_column
from whiteline.models.tables import read_samples
from whiteline.structures import NamedStructure

__all__ = ["PUBLISHED_ENCODER", "read_copper"]

PUBLISHED_ENCODER = "m3gnet:gc_3"


def read_copper(data: Path, encoder: str = PUBLISHED_ENCODER) -> tuple[Samples, list[str]]:
    """Return the samples in square bohr, and the authors' label of each: `train`, `val` or `outlier`.

    Args:
        data: Folder with `omnixas/cu_feff_sites.parquet` and `omnixas/cu_structures.json.gz`.
        encoder: `NAME` or `NAME:BLOCK,BLOCK`. Features are kept in the user's cache.
    """
    table = data / "omnixas" / "cu_feff_sites.parquet"
    samples = read_samples(table, unit="bohr2")
    sites = read_column(table, "site_index")
    with gzip.open(data / "omnixas" / "cu_structures.json.gz", "rt", encoding="utf-8") as file:
        stored = json.load(file)
    rows: dict[str, list[int]] = {}
    for i, material in enumerate(samples.materials):
        rows.setdefault(material, []).append(i)
    name, _, blocks = encoder.partition(":")
    maker = make_encoder(name, blocks=blocks.split(",") if blocks else None)
    found = featurise(
        [NamedStructure(Structure.from_dict(stored[material]), material, material) for material in rows],
        [[int(sites[i]) for i in places] for places in rows.values()],
        encoder=maker,
        cache=FeatureCache(),
    )
    features = np.zeros((len(samples), maker.n_features), dtype=np.float32)
    for material, places, values in zip(rows, rows.values(), found.features, strict=True):
        if values is None:
            raise SystemExit(f"{material} was not encoded: {found.failures}")
        features[places] = values
    return samples.with_features(features, encoder=maker.id), [str(label) for label in read_column(table, "split")]
