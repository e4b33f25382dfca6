"""Samples of UPF files, and pseudopotentials as if just made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from whiteline.calculators.pseudopotentials.core_hole import CoreHole
from whiteline.calculators.pseudopotentials.ld1 import MadePseudopotential, file_name
from whiteline.calculators.pseudopotentials.recipes import Functional
from whiteline.calculators.pseudopotentials.report import PseudoReport
from whiteline.status import Check

SAMPLES = Path(__file__).parents[2] / "data" / "upf"

Make: TypeAlias = Callable[..., MadePseudopotential]


@pytest.fixture
def samples() -> Path:
    """Folder with a ground-state and a core-hole file of oxygen."""
    return SAMPLES


@pytest.fixture
def make() -> Make:
    """Return a pseudopotential of oxygen as if ld1.x had just made it."""

    def made(
        core_hole: CoreHole | None = None, *, is_passed: bool = True, content: bytes | None = None, recipe: str = "1"
    ) -> MadePseudopotential:
        name = file_name("O", Functional.PBE, core_hole)
        return MadePseudopotential(
            name=name,
            element="O",
            functional=Functional.PBE,
            core_hole=core_hole,
            content=(SAMPLES / name).read_bytes() if content is None else content,
            inputs={"generation": recipe, "test": "t"},
            report=PseudoReport((Check("ghost states", is_passed, "p at -9 Ry"),), 40.0, 200.0, 0.001, 0.001, 0.01),
            ld1_version="6.7MaX",
            wall_time=1.0,
        )

    return made
