"""A dataset with several licences and a model of it, each published once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.workflows.learning.conftest import plan_of
from tests.workflows.learning.toy import fill_store, freeze, install_toy_encoder, leave_out_reports
from whiteline.database import open_store
from whiteline.database.query import SpectrumQuery
from whiteline.workflows.learning import run_training
from whiteline.workflows.publishing import Author, Published, Terms, publish, read_subject

AUTHOR = "Josiah Carberry <0000-0002-1825-0097>, Brown University <https://ror.org/05gq02987>"
TERMS: dict[str, Any] = {"authors": (Author.parse(AUTHOR),), "published": "2026-10-31"}

Publisher = Callable[..., Published]


def give_licences(address: Path, licences: dict[str, str]) -> None:
    """State a licence and a citation for all spectra of a formula."""
    with open_store(str(address)) as store:
        for formula, licence in licences.items():
            for document in [*store.query(SpectrumQuery(formula=formula))]:
                store.put(replace(document, licence=licence, citation=f"{formula}, doi:10.1038/{formula.lower()}"))


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store, the dataset `copper` (no licence but of two spectra) and the model `cu-k-toy`."""
    home = tmp_path_factory.mktemp("publishing")
    with pytest.MonkeyPatch.context() as patch:
        install_toy_encoder(patch)
        leave_out_reports(patch)
        patch.setenv("XDG_CACHE_HOME", str(home / "cache"))
        address = fill_store(home)
        give_licences(address, {"CuO": "CC-BY-4.0", "CuS": "ODbL <1.0>"})
        freeze(address, home / "copper", kind="site")
        run_training(plan_of(home / "copper"), home / "cu-k-toy")
    return home


@pytest.fixture
def home(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(made, tmp_path / "home"))


@pytest.fixture(scope="session")
def publisher(made: Path) -> Publisher:
    """Publish the dataset or the model: `publisher("copper", target, licence="CC0-1.0")`."""

    def make(name: str, target: Path, *, with_store: bool = True, destination: Any = None, **terms: Any) -> Published:
        subject = read_subject(str(made / name), registry=made)
        chosen = Terms(**{**TERMS, **terms})
        if not with_store:
            return publish(subject, target, terms=chosen, store=None, registry=made, destination=destination)
        with open_store(str(made / "spectra.db"), must_exist=True) as store:
            return publish(subject, target, terms=chosen, store=store, registry=made, destination=destination)

    return make


@pytest.fixture(scope="session")
def dataset(publisher: Publisher, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published dataset; tests do not write into it."""
    target = tmp_path_factory.mktemp("published") / "copper-1.0"
    publisher(
        "copper", target, licence="CC-BY-4.0", keywords=("XANES",), citations=("FEFF: 10.1107/S1600577521008614",)
    )
    return target


@pytest.fixture(scope="session")
def model(publisher: Publisher, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published model; tests do not write into it."""
    target = tmp_path_factory.mktemp("published") / "model-1.0"
    publisher("cu-k-toy", target, licence="CC-BY-4.0", title="Copper <b>K</b> & 'more'\n# heading", description="a*b")
    return target
