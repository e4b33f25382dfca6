"""Damaged files of every kind end in Whiteline's own errors; `benchmarks/fuzz_readers.py` runs the same for long."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "fuzz_readers.py"


def load_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fuzz_readers", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["fuzz_readers"] = module
    spec.loader.exec_module(module)
    return module


fuzz = load_script()
FAST = ("xdi", "columns", "athena", "xas-json")
SLOW = ("table", "feff", "vasp", "vaspout", "ocean", "exciting", "xspectra")


def read(case: object) -> str:
    with TemporaryDirectory() as folder:
        return str(fuzz.read_case(case, Path(folder)))


@pytest.mark.parametrize("reader", fuzz.READERS)
def test_every_seed_is_taken_whole(reader: str) -> None:
    assert {read(fuzz.Case(reader, files)) for files in fuzz._seeds()[reader]} == {"taken"}


@pytest.mark.parametrize("reader", FAST)
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
def test_changed_files_are_taken_or_refused(reader: str, seed: int) -> None:
    assert read(fuzz.make_case(reader, seed)) in ("taken", "refused")


@pytest.mark.parametrize("reader", SLOW)
@settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
def test_changed_runs_are_taken_or_refused(reader: str, seed: int) -> None:
    assert read(fuzz.make_case(reader, seed)) in ("taken", "failed", "refused")


@pytest.mark.parametrize("name", ["scan.xdi", "project.prj", "xas.json", "pool.parquet", "scan.dat"])
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(content=st.one_of(st.binary(max_size=500), st.text(max_size=300).map(lambda text: text.encode())))
def test_arbitrary_bytes_are_refused(name: str, content: bytes) -> None:
    reader = {"scan.xdi": "xdi", "project.prj": "athena", "xas.json": "xas-json", "pool.parquet": "table"}.get(name)
    assert read(fuzz.Case(reader or "columns", {name: content})) == "refused"
