"""Sets of stored spectra: those of a dataset, of a benchmark, or those that a model learned from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from whiteline.database.store import AmbiguousIdError, SpectrumStore, UnknownIdError, resolve_id
from whiteline.errors import InputError, MissingDependencyError, ParameterError, ParseError, did_you_mean
from whiteline.provenance import Kind
from whiteline.settings import Settings

__all__ = ["find_set", "resolve", "sample"]


def find_set(name: str, store: SpectrumStore, settings: Settings) -> list[str]:
    """Return the ids of the stored spectra of a dataset (folder or content hash), a benchmark or a model.

    Raises:
        InputError: There is no such thing, or none of its spectra is in the store.
    """
    kinds = (partial(_of_dataset, name, store), partial(_of_benchmark, name, store), partial(_of_model, name, settings))
    ids = next((ids for ids in (find() for find in kinds) if ids is not None), None)
    if ids is None:
        from whiteline.workflows.benchmark import list_benchmarks

        known = [known for known, _ in list_benchmarks()]
        raise ParameterError(
            f"--all-of expects the folder or content hash of a dataset, a benchmark or a model, got {name!r}: "
            f"{did_you_mean(name, known)}"
        )
    stored = [each for each in dict.fromkeys(ids) if store.has(each)]
    if not stored:
        raise InputError(f"{store.address} has no spectrum of {name}: name the store that they are in with --db")
    return stored


def sample(ids: Sequence[str], n: int, *, seed: int) -> list[str]:
    """Return so many of the ids, picked by chance and in their order; all where there are no more.

    >>> sample(["a", "b", "c", "d"], 2, seed=1) == sample(["a", "b", "c", "d"], 2, seed=1)
    True
    """
    if n >= len(ids):
        return list(ids)
    chosen = set(np.random.default_rng(seed).choice(sorted(ids), n, replace=False).tolist())
    return [each for each in ids if each in chosen]


def resolve(text: str, store: SpectrumStore, settings: Settings) -> str:
    """Return the id of the stored spectrum that a user means.

    Raises:
        UnknownIdError: There is none; the nearest is named.
        InputError: It is something else that is on record.
    """
    from whiteline.workflows.lineage import Tracer

    try:
        return resolve_id(store, text)
    except AmbiguousIdError:
        raise
    except UnknownIdError:
        found = Tracer(store, settings.models).resolve(text)
    raise InputError(
        f"{text!r} is on record ({found[:19]}) and is no stored spectrum: name a spectrum, or a dataset, a benchmark "
        "or a model with --all-of"
    )


def _of_dataset(name: str, store: SpectrumStore) -> list[str] | None:
    from whiteline.database.datasets import Dataset
    from whiteline.database.datasets.manifest import MANIFEST

    if (Path(name) / MANIFEST).is_file():
        return Dataset.open(name).ids()
    made = [
        linked.record
        for linked in store.linked([name])
        if not linked.spectrum_id and name in linked.record.generated.get(Kind.DATASET, {}).values()
    ]
    return store.members(made[-1].id) if made else None


def _of_benchmark(name: str, store: SpectrumStore) -> list[str] | None:
    """Return the site spectra of the materials of a benchmark, by the codes that it compares."""
    from whiteline.database.documents import DocumentKind
    from whiteline.database.query import ANY_STATUS, SpectrumQuery
    from whiteline.fingerprint import fingerprint_crystal
    from whiteline.workflows.benchmark import list_benchmarks, load_benchmark

    if name not in [known for known, _ in list_benchmarks()] and not (Path(name) / "benchmark.toml").is_file():
        return None
    benchmark = load_benchmark(name)
    found = []
    for material in benchmark.materials:
        query = SpectrumQuery(
            structure_id=fingerprint_crystal(material.structure).crystal_id,
            absorber=benchmark.absorber,
            edge=benchmark.edge.value,
            kind=DocumentKind.SITE,
            status=ANY_STATUS,
        )
        found += [summary.id for summary in store.summaries(query) if summary.code in benchmark.codes]
    return found


def _of_model(name: str, settings: Settings) -> list[str] | None:
    from whiteline.workflows.learning.names import SPECTRA

    try:
        from whiteline.models.registry import find_model

        path = find_model(settings.models, name).path / SPECTRA
    except (ParameterError, MissingDependencyError):
        return None
    try:
        lists = json.loads(path.read_text(encoding="utf-8"))
        return [str(each) for part in ("train", "validation", "test") for each in lists.get(part, [])]
    except (OSError, ValueError, AttributeError) as error:
        raise ParseError(f"{path} does not list what the model learned from ({error}): take a whole copy") from error
