"""Where results files are, and reading one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["RESULTS", "ROOT", "load"]

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"


def load(name: str) -> dict[str, Any]:
    """Return the content of a results file."""
    return dict(json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8")))
