from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.workflows.aiida.stores import fill


@pytest.fixture(scope="session", autouse=True)
def aiida_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A configuration of AiiDA for these tests alone, whether or not AiiDA was imported before."""
    if find_spec("aiida") is None:
        pytest.skip("aiida-core is not installed: pip install 'whiteline[aiida]'")
    folder = tmp_path_factory.mktemp("aiida") / ".aiida"
    folder.mkdir()
    before = os.environ.get("AIIDA_PATH")
    os.environ["AIIDA_PATH"] = str(folder.parent)
    from aiida.manage import configuration, get_manager
    from aiida.manage.configuration.settings import AiiDAConfigDir

    reset: Callable[[], None] = configuration.reset_config
    AiiDAConfigDir.set(folder)
    reset()
    yield folder
    get_manager().unload_profile()
    reset()
    if before is None:
        del os.environ["AIIDA_PATH"]
    else:
        os.environ["AIIDA_PATH"] = before


@pytest.fixture(scope="session")
def spectra(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with one of everything that becomes something else in AiiDA."""
    return fill(tmp_path_factory.mktemp("store") / "spectra.db")
