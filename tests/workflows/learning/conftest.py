from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.workflows.learning.toy import SMALL, fill_store, freeze, install_toy_encoder, leave_out_reports
from whiteline.workflows.learning import EncoderChoice, TrainingPlan, run_training


@pytest.fixture(autouse=True)
def _toy_encoder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    install_toy_encoder(monkeypatch)
    leave_out_reports(monkeypatch)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def toy_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store of copper crystals, and the dataset `copper`."""
    home = tmp_path_factory.mktemp("toy")
    freeze(fill_store(home), home / "copper")
    return home


@pytest.fixture(scope="session")
def toy_model(toy_home: Path) -> Iterator[Path]:
    """A model of the dataset, trained once, with its report."""
    with pytest.MonkeyPatch.context() as patch:
        install_toy_encoder(patch)
        run_training(plan_of(toy_home / "copper"), toy_home / "cu-k-toy")
    yield toy_home / "cu-k-toy"
    shutil.rmtree(toy_home / "cu-k-toy")


def plan_of(data: Path, **changes: object) -> TrainingPlan:
    """Return a plan that is done within a second."""
    given = {"data": str(data), "encoder": EncoderChoice("toy"), "values": SMALL, "device": "cpu", **changes}
    return TrainingPlan(**given)  # type: ignore[arg-type]  # checked by the plan
