"""Whiteline: core-level spectra from crystal structures, with provenance.

The names below are loaded on first use, so that `import whiteline` stays instant.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from whiteline.absorber import Absorber
    from whiteline.database import open_store
    from whiteline.similarity import compare
    from whiteline.spectrum import Spectrum
    from whiteline.status import Status
    from whiteline.structures import read_structure
    from whiteline.workflows import run_material

__all__ = ["Absorber", "Spectrum", "Status", "compare", "open_store", "read_structure", "run_material"]

__version__ = "0.1.0"

_HOMES = {
    "Absorber": "whiteline.absorber",
    "Spectrum": "whiteline.spectrum",
    "Status": "whiteline.status",
    "compare": "whiteline.similarity",
    "open_store": "whiteline.database",
    "read_structure": "whiteline.structures",
    "run_material": "whiteline.workflows",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'whiteline' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
