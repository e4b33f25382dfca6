"""Outputs of mp-1203 in the layout of those who published them, and a benchmark that fits into a test."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from monty.json import MontyEncoder
from pymatgen.core import Structure

from whiteline.workflows.benchmark import Benchmark, load_benchmark

# The cheapest real FEFF calculation: about two seconds a site.
QUICK: dict[str, Any] = {
    "feff.scf_radius": None,
    "feff.fms_radius": 2.7,
    "feff.l_max": 1,
    "feff.core_hole": "none",
    "feff.energy_grid": [],
    "feff.k_step": 0.2,
    "feff.k_max": 3,
}
COPPER = """
name = "copper"
title = "Copper <with> & without strain"
absorber = "Cu"
edge = "K"

[comparison]
window = 20.0

[codes.feff]
presets = { fast = "fast", slow = "standard" }

[codes.ocean]
presets = { fast = "fast" }
"""
WriteBenchmark: TypeAlias = Callable[..., Path]


@pytest.fixture
def published(data: Path, tmp_path: Path) -> Path:
    """A folder with the published outputs of site 0 of mp-1203, laid out as they were published."""
    home = tmp_path / "published" / "mp-1203-outputs"
    feff, xspectra, exciting = home / "FEFF" / "000_Ti", home / "XSPECTRA", home / "EXCITING"
    shutil.copytree(data / "feff" / "mp-1203", feff)
    for name in ("dipole1", "dipole2", "dipole3"):
        shutil.copytree(data / "xspectra" / "mp-1203" / name, xspectra / "Spectra-6-6-5" / "0" / name)
    shutil.copy(data / "xspectra" / "mp-1203" / "es_0.out", xspectra)
    for folder, pattern in (
        (home / "OCEAN" / "Spectra-8-8-6", "absspct*"),
        (exciting / "Spectra-8-8-6" / "0" / "EPSILON", "EPS*"),
    ):
        folder.mkdir(parents=True)
        for path in (data / "ti-o-10" / "mp-1203").glob(pattern):
            shutil.copy(path, folder)
    shutil.copy(data / "exciting" / "mp-1203" / "INFO.OUT", exciting)
    return home.parent


@pytest.fixture
def ti_o() -> Benchmark:
    """Ti-O-10 with the codes and the material that outputs were published of."""
    return load_benchmark("ti-o-10").choose(codes=["xspectra", "ocean", "exciting", "feff"], materials=["mp-1203"])


@pytest.fixture
def write_benchmark(tmp_path: Path, copper: Structure) -> WriteBenchmark:
    """A function that writes the folder of a small benchmark: copper, and copper under strain."""

    def write(text: str = COPPER, *, structures: str | None = None) -> Path:
        folder = tmp_path / "small"
        folder.mkdir(exist_ok=True)
        strained = copper.copy()
        strained.scale_lattice(copper.volume * 1.06)
        content = json.dumps({"plain": copper, "strained": strained}, cls=MontyEncoder)
        (folder / "benchmark.toml").write_text(text, encoding="utf-8")
        (folder / "structures.json").write_text(content if structures is None else structures, encoding="utf-8")
        return folder

    return write
