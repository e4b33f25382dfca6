"""Which column of a table holds which part of a sample, and in which unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from whiteline.errors import ParameterError, did_you_mean
from whiteline.units import MBARN_PER_A2

__all__ = ["DATASET", "LAYOUTS", "MBARN_PER_UNIT", "OMNIXAS_CU", "OMNIXAS_POOL", "PARTS", "TableLayout"]

# What a column or a constant can give; `spectrum`, `features` and `points` are lists of numbers.
PARTS: Final = (
    "id",
    "material",
    "site",
    "absorber",
    "edge",
    "fidelity",
    "formula",
    "crystal",
    "n_atoms",
    "spectrum",
    "features",
    "points",
    "zero",
    "start",
    "step",
)
_NEEDED: Final = ("material", "absorber", "edge", "spectrum")
_CONSTANT: Final = ("absorber", "edge", "fidelity", "zero", "start", "step")

_BOHR: Final = 0.529177210903  # Å, CODATA 2018
# Units of a cross-section that convert to one another [Mbarn].
MBARN_PER_UNIT: Final[Mapping[str, float]] = {"Mbarn": 1.0, "A2": MBARN_PER_A2, "bohr2": MBARN_PER_A2 * _BOHR**2}


@dataclass(frozen=True, kw_only=True)
class TableLayout:
    """Where the parts of a sample are in a table.

    The axis is `points`, one list a row, or `start` and `step`; both count from `zero`, so that photon energies are
    their sum. Rows have different zeros but one axis.

    Attributes:
        name: For messages and records.
        columns: Column of each part. A name that ends in `*` stands for all columns that begin so, one a point or a
            feature, in the order of the table.
        constants: What all rows share in place of a column; `start` and `zero` are 0 eV where nothing is said.
        unit: Of the spectra; empty where the metadata of the table states it.
        spectrum_scale: What the spectra of the table are multiplied by to be in that unit.
        encoder: Id of what made the features.

    Raises:
        ParameterError: A part is unknown, given twice, or missing.
    """

    name: str = "given"
    columns: Mapping[str, str]
    constants: Mapping[str, str | float] = field(default_factory=dict)
    unit: str = ""
    spectrum_scale: float = 1.0
    encoder: str = ""

    def __post_init__(self) -> None:
        for part in (*self.columns, *self.constants):
            if part not in PARTS:
                raise ParameterError(f"a sample has no part {part!r}: {did_you_mean(part, PARTS)}")
        for part in self.constants:
            if part not in _CONSTANT or part in self.columns:
                raise ParameterError(f"{part} is a column or a constant, and a constant is one of {_CONSTANT}")
        missing = [part for part in _NEEDED if part not in self.columns and part not in self.constants]
        if missing:
            raise ParameterError(f"the layout {self.name!r} names no column for {', '.join(missing)}: name it")

    def missing(self, names: Sequence[str]) -> list[str]:
        """Return the columns that the layout names and a table has not."""
        return sorted(
            name
            for name in self.columns.values()
            if not any(own.startswith(name[:-1]) if name.endswith("*") else own == name for own in names)
        )


OMNIXAS_POOL: Final = TableLayout(
    name="omnixas-pool",
    columns={
        "material": "material_id",
        "site": "site_index",
        "absorber": "absorber",
        "edge": "edge",
        "fidelity": "fidelity",
        "spectrum": "spectrum",
        "features": "m3gnet_features",
        "zero": "energy_start_ev",
        "step": "energy_step_ev",
    },
    unit="bohr2",
    encoder="m3gnet:MP-2021.2.8-PES:gc3:b0bbb07e93642d0b",
)
OMNIXAS_CU: Final = TableLayout(
    name="omnixas-cu",
    columns={
        "material": "material_id",
        "site": "site_index",
        "formula": "formula",
        "n_atoms": "n_sites",
        "spectrum": "omnixas_mu",
    },
    constants={"absorber": "Cu", "edge": "K", "fidelity": "feff", "zero": 8983.173, "step": 0.25},
    unit="bohr2",
    spectrum_scale=1e-3,  # the authors store a thousand times the cross-section
)
# `spectra.parquet` of a frozen dataset; its metadata states grid and unit.
DATASET: Final = TableLayout(
    name="dataset",
    columns={
        "id": "id",
        "material": "structure_id",
        "crystal": "structure_id",
        "site": "site_index",
        "absorber": "absorber",
        "edge": "edge",
        "fidelity": "fidelity",
        "formula": "formula",
        "spectrum": "intensity",
        "zero": "energy_zero",
    },
)
LAYOUTS: Final = (OMNIXAS_POOL, OMNIXAS_CU, DATASET)
