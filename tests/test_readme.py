"""README and docs say what the results files say."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = (
    "README.md",
    "docs/aiida.md",
    "docs/convergence.md",
    "docs/database.md",
    "docs/decisions/0016-a-campaign-is-a-queue-of-tasks.md",
    "docs/engines.md",
    "docs/evaluation.md",
    "docs/failures.md",
    "docs/features.md",
    "docs/lineage.md",
    "docs/model-accuracy.md",
    "docs/scale.md",
    "docs/training-data.md",
    "docs/training.md",
)


@pytest.fixture(scope="module")
def report() -> Iterator[ModuleType]:
    # The scripts there import one another by name, as they do when one of them is run.
    sys.path.insert(0, str(ROOT / "benchmarks"))
    spec = importlib.util.spec_from_file_location("report", ROOT / "benchmarks" / "report.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.path.remove(str(ROOT / "benchmarks"))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_numbers_in_a_document_are_those_of_the_results_files(report: ModuleType, document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    assert set(report.DOCUMENTS) == set(DOCUMENTS)
    assert report.fill(document, text) == text
