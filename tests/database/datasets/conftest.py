"""A store with spectra of several formulas, and a dataset made from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from whiteline.database import SpectrumDocument, SpectrumQuery, SQLiteStore
from whiteline.database.datasets import Dataset, DatasetGrid, create_dataset
from whiteline.spectrum import EnergyReference, Spectrum
from whiteline.status import Status

if TYPE_CHECKING:
    from tests.database.conftest import DocumentMaker

GRID = DatasetGrid.parse("edge-relative -5:25:0.5")
FORMULAS = {f"{metal}{anion}": f"{min(metal, anion)}-{max(metal, anion)}" for metal in "KY" for anion in "OSNFPIC"}


def make_spectrum(shift: float = 0.0, **changes: Any) -> Spectrum:
    """A step with a peak, 4950 to 5010 eV."""
    energy = np.arange(4950.0, 5010.0, 0.25)
    step = np.arctan(energy - 4970.0 - shift) / np.pi + 0.5
    peak = np.exp(-(((energy - 4975.0 - shift) / 2.0) ** 2))
    spectrum = Spectrum(energy, step + peak, energy_reference=EnergyReference.ABSOLUTE, scale=0.5)
    return replace(spectrum, **changes)


def make_documents(make_document: DocumentMaker) -> list[SpectrumDocument]:
    """Three spectra of each of fourteen formulas."""
    documents: list[SpectrumDocument] = []
    for i_formula, (formula, system) in enumerate(FORMULAS.items()):
        structure = dict(make_document().structure)
        structure["charge"] = i_formula
        documents.extend(
            make_document(
                f"{formula} {i_site}",
                spectrum=make_spectrum(0.1 * i_formula + 0.01 * i_site),
                status=Status.CONVERGED,
                reason="",
                formula=formula,
                chemical_system=system,
                structure=structure,
                structure_id=f"{i_formula:040x}",
                site_index=i_site,
                licence="" if i_formula % 2 else "CC-BY-4.0",
                citation="doi:10.1/x" if i_formula < 4 else "",
            )
            for i_site in range(3)
        )
    return documents


@pytest.fixture(scope="session")
def documents(make_document: DocumentMaker) -> list[SpectrumDocument]:
    return make_documents(make_document)


@pytest.fixture
def store(tmp_path: Path, documents: list[SpectrumDocument]) -> Iterator[SQLiteStore]:
    with SQLiteStore(tmp_path / "spectra.db") as opened:
        opened.put_many((document, None) for document in documents)
        yield opened


@pytest.fixture
def dataset(store: SQLiteStore, tmp_path: Path) -> Dataset:
    return create_dataset(store, SpectrumQuery(), tmp_path / "model-set", grid=GRID)
