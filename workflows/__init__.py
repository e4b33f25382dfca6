"""Jobflow makers that wire calculators and the database together, and running them here."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from whiteline.workflows.flows import MaterialSpectrumMaker, SiteSpectrumMaker
    from whiteline.workflows.material import MaterialResult, run_material, run_materials
    from whiteline.workflows.preparation import check_materials, write_inputs
    from whiteline.workflows.workspace import Workspace

__all__ = [
    "MaterialResult",
    "MaterialSpectrumMaker",
    "SiteSpectrumMaker",
    "Workspace",
    "check_materials",
    "run_material",
    "run_materials",
    "write_inputs",
]

_HOMES = {
    "MaterialResult": "material",
    "MaterialSpectrumMaker": "flows",
    "SiteSpectrumMaker": "flows",
    "Workspace": "workspace",
    "check_materials": "preparation",
    "run_material": "material",
    "run_materials": "material",
    "write_inputs": "preparation",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'whiteline.workflows' has no attribute {name!r}")
    return getattr(import_module(f"whiteline.workflows.{_HOMES[name]}"), name)
