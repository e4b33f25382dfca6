"""One store with a spectrum that FEFF computed, and what computing it again gave."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from pymatgen.core import Lattice, Structure

from tests.workflows.conftest import QUICK
from whiteline.database import open_store
from whiteline.database.documents import SpectrumDocument
from whiteline.database.store import SpectrumStore
from whiteline.provenance import ProvenanceRecord
from whiteline.settings import Settings
from whiteline.workflows import run_material
from whiteline.workflows.rerun import RerunPlace, RerunResult, Tolerance, run_again

MakePlace = Callable[..., RerunPlace]


@dataclass(frozen=True)
class Made:
    """A folder with the store `spectra.db`, and in `again` a rerun of all that is in it."""

    home: Path
    site: str
    average: str
    results: dict[str, RerunResult]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    """Copper, computed by FEFF, and computed again."""
    home = tmp_path_factory.mktemp("rerun")
    copper = Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.61), ["Cu"], [[0, 0, 0]])
    settings = Settings(database=str(home / "spectra.db"), run_directory=home / "runs")
    result = run_material(copper, "Cu", "K", parameters=QUICK, settings=settings)
    place = RerunPlace.make(home / "again", settings, tolerance=Tolerance(), keeps_runs=False)
    results = run_again([result.material.id], place)
    yield Made(home, result.sites[0].id, result.material.id, results)
    shutil.rmtree(home)


@pytest.fixture
def settings(made: Made, tmp_path: Path) -> Settings:
    """Facts of this machine with a copy of the store that a test may change."""
    shutil.copyfile(made.home / "spectra.db", tmp_path / "spectra.db")
    return Settings(
        database=str(tmp_path / "spectra.db"),
        run_directory=tmp_path / "runs",
        models=tmp_path / "models",
        pseudo_directory=tmp_path / "pseudo",
    )


@pytest.fixture
def store(settings: Settings) -> Iterator[SpectrumStore]:
    """The copy of the store."""
    with open_store(settings.database) as opened:
        yield opened


@pytest.fixture
def place(settings: Settings, tmp_path: Path) -> RerunPlace:
    """A clean folder."""
    return RerunPlace.make(tmp_path / "again", settings, tolerance=Tolerance(), keeps_runs=False)


@pytest.fixture
def computed(place: RerunPlace, made: Made) -> RerunPlace:
    """A folder of a rerun that was killed after FEFF and before the results were written: FEFF need not run."""
    shutil.copyfile(made.home / "again" / "reruns.db", Path(place.folder) / "reruns.db")
    return place


def change(
    store: SpectrumStore,
    spectrum_id: str,
    *,
    record: dict[str, Any] | None = None,
    files: dict[str, bytes] | None = None,
    **document: Any,
) -> tuple[SpectrumDocument, ProvenanceRecord]:
    """Store a spectrum again with other values of its document, its record or its raw files."""
    (old,) = store.records(spectrum_id)
    kept = {file.name: store.read_file(spectrum_id, file.name) for file in store.files(spectrum_id)}
    changed = replace(store.get(spectrum_id), **document)
    new = replace(old, given_id="", **(record or {}))
    store.delete(spectrum_id)
    store.put(changed, new, {**kept, **(files or {})})
    return changed, new
