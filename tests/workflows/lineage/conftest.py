"""A chain from crystals in files to a prediction, with records as calculations leave them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.workflows.learning.conftest import plan_of
from tests.workflows.learning.toy import fill_store, freeze, install_toy_encoder, leave_out_reports, rock_salt
from whiteline.database import open_store
from whiteline.database.documents import DocumentKind, SpectrumDocument
from whiteline.database.query import SpectrumQuery
from whiteline.database.store import SpectrumStore
from whiteline.provenance import Kind, ProvenanceRecord, content_checksum, file_checksum, utc_now
from whiteline.structures import read_structures
from whiteline.workflows.learning import run_training
from whiteline.workflows.learning.keeping import store_prediction
from whiteline.workflows.learning.prediction import MaterialPrediction, Predictor
from whiteline.workflows.lineage import Tracer

FILE = b"TITLE of all\n"


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with crystals, store, dataset, model, and a stored prediction whose id is in `id`."""
    home = tmp_path_factory.mktemp("lineage")
    with pytest.MonkeyPatch.context() as patch:
        install_toy_encoder(patch)
        leave_out_reports(patch)
        address = fill_store(home)
        with open_store(str(address)) as store:
            for document in list(store.query(SpectrumQuery())):
                store.put(document, site_record(document), {"feff.inp": FILE})
        freeze(address, home / "copper", kind="site")
        run_training(plan_of(home / "copper"), home / "model")
        rock_salt("Cu", "I").to(str(home / "CuI.cif"), fmt="cif")
        predictor = Predictor.load(home / "model")
        (answer,) = predictor.predict(list(read_structures([str(home / "CuI.cif")])), "Cu")
        assert isinstance(answer, MaterialPrediction)
        with open_store(str(address)) as store:
            identity, _ = store_prediction(store, answer, predictor)
    (home / "id").write_text(identity, encoding="utf-8")
    return home


def site_record(document: SpectrumDocument, **more: object) -> ProvenanceRecord:
    """Return the record of a calculation, or of an average, as jobs write it."""
    is_site = document.kind is DocumentKind.SITE
    outputs = {"xmu.dat": content_checksum(document.id.encode())} if is_site else {}
    record = ProvenanceRecord(
        activity="feff-site" if is_site else "material-average",
        used={
            Kind.SOURCE: {document.source: file_checksum(Path(document.source))},
            Kind.STRUCTURE: {"structure": document.structure_id},
            Kind.SITE: {"site": document.site_id},
            Kind.INPUT: {"feff.inp": content_checksum(FILE)} if is_site else {},
            Kind.SPECTRUM: {f"site {i}": each for i, each in enumerate(document.parents)},
        },
        generated={Kind.SPECTRUM: {"spectrum": document.id}, Kind.OUTPUT: outputs},
        code="feff" if is_site else "whiteline",
        code_version="FEFF 10" if is_site else "0.1.0",
        parameters=document.parameters,
        executables={"feff.so": content_checksum(b"program")} if is_site else {},
        started_at=utc_now(),
        ended_at=utc_now(),
    )
    return replace(record, **more)  # type: ignore[arg-type]  # fields of the record


@pytest.fixture
def home(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage; what records say of places is about the original."""
    shutil.copytree(made, tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def store(home: Path) -> Iterator[SpectrumStore]:
    with open_store(str(home / "spectra.db")) as opened:
        yield opened


@pytest.fixture
def tracer(store: SpectrumStore, home: Path) -> Tracer:
    return Tracer(store, home)


@pytest.fixture
def prediction(home: Path) -> str:
    """Id of the stored prediction of a material."""
    return (home / "id").read_text(encoding="utf-8")


@pytest.fixture
def oxide(store: SpectrumStore) -> SpectrumDocument:
    """A computed site."""
    (found,) = store.query(SpectrumQuery(formula="CuO", kind="site"))
    return found
