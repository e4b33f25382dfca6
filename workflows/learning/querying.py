"""From a query of the store to samples, without freezing a dataset."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from whiteline.database.datasets import DatasetGrid, Intensity
from whiteline.database.datasets.sampling import Exclusion, sample
from whiteline.database.documents import DocumentKind
from whiteline.errors import InputError
from whiteline.models.samples import Samples
from whiteline.structures import NamedStructure
from whiteline.workflows.learning.names import MODEL_CODE
from whiteline.workflows.learning.samples import LearningData, own_predictions, unit_of

if TYPE_CHECKING:
    from whiteline.database.query import SpectrumQuery
    from whiteline.database.store import SpectrumStore

__all__ = ["samples_of_query"]


def samples_of_query(store: SpectrumStore, query: SpectrumQuery, grid: DatasetGrid) -> LearningData:
    """Return the site cross-sections that a query finds, on a common grid, without freezing a dataset.

    A frozen dataset is what others can check and train on again; this is for a first look.

    Args:
        store: Where the spectra are.
        query: Which; of those it finds the ones of sites are taken.
        grid: The common axis, with photon energies.

    Raises:
        InputError: Nothing is found that fits the grid, or predictions of a model are.
    """
    from pymatgen.core import Structure

    found, spectra, zeros = [], [], []
    left_out: dict[str, list[str]] = {}
    crystals: dict[str, NamedStructure] = {}
    for document in store.query(query.replace(kind=DocumentKind.SITE)):
        if document.code == MODEL_CODE:
            raise own_predictions("the answer of the query", 1)
        taken = sample(document, grid, intensity=Intensity.CROSS_SECTION)
        reason = taken.value if isinstance(taken, Exclusion) else ""
        if not document.structure or document.site_index is None:
            reason = "its structure or site is unknown"
        if reason or isinstance(taken, Exclusion):
            left_out.setdefault(reason, []).append(document.id)
            continue
        found.append(document)
        spectra.append(taken.intensity)
        zeros.append(0.0 if taken.zero is None else taken.zero)
        key = json.dumps(document.structure, sort_keys=True, default=str)
        if key not in crystals:
            crystals[key] = NamedStructure(
                Structure.from_dict(dict(document.structure)), document.formula, document.source
            )
    if not found:
        reasons = "; ".join(f"{len(ids)}: {reason}" for reason, ids in left_out.items())
        raise InputError(f"the query finds no site spectrum to learn from{f' ({reasons})' if reasons else ''}")
    named = tuple(crystals[json.dumps(d.structure, sort_keys=True, default=str)] for d in found)
    samples = Samples(
        ids=tuple(d.id for d in found),
        features=np.zeros((len(found), 0), dtype=np.float32),
        spectra=np.array(spectra),
        points=grid.points,
        zeros=np.array(zeros),
        absorbers=tuple(d.absorber for d in found),
        edges=tuple(d.edge for d in found),
        fidelities=tuple(d.fidelity for d in found),
        materials=tuple(d.structure_id for d in found),
        formulas=tuple(d.formula for d in found),
        unit=unit_of(Intensity.CROSS_SECTION.value),
        source=f"query of {store.address}",
        sites=tuple(int(d.site_index or 0) for d in found),
        crystals=tuple(d.structure_id for d in found),
        n_atoms=tuple(len(each.structure) for each in named),
    )
    return LearningData(
        samples=samples,
        structures=named,
        name="query",
        content_sha256="",
        left_out={reason: tuple(ids) for reason, ids in left_out.items()},
    )
