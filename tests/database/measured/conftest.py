"""Small files as beamlines and programs write them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import pytest

DATA = Path(__file__).parents[2] / "data" / "measured"

WriteFile: TypeAlias = Callable[[str, Sequence[str]], Path]


@pytest.fixture
def write(tmp_path: Path) -> WriteFile:
    """Write lines to a file: `write("scan.dat", lines)`."""

    def write_lines(name: str, lines: Sequence[str]) -> Path:
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return write_lines
