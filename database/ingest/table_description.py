"""What the columns of a table of spectra mean, as a TOML file says it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from whiteline.broadening import Origin
from whiteline.errors import ParseError
from whiteline.spectrum import EnergyReference, Quantity

__all__ = ["TableDescription", "load_descriptions", "read_description"]

_MAX_BYTES = 2**20


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Choice(_Part):
    column: str | None = None
    value: str | None = None

    @model_validator(mode="after")
    def _check_one(self) -> _Choice:
        if (self.column is None) == (self.value is None):
            raise ValueError("expected either column or value")
        return self


class _Columns(_Part):
    intensity: str
    absorber: str | None = None
    edge: str | None = None
    material: str | None = None
    site_index: str | None = None
    multiplicity: str | None = None
    formula: str | None = None
    chemical_system: str | None = None
    space_group: str | None = None


class _Constants(_Part):
    absorber: str | None = None
    edge: str | None = None


class _Energy(_Part):
    reference: EnergyReference
    axis: str | None = None
    start: str | None = None
    step: str | None = None

    @model_validator(mode="after")
    def _check_axis(self) -> _Energy:
        if (self.axis is None) == (self.start is None or self.step is None):
            raise ValueError("expected either axis, or start and step")
        return self


class _Scale(_Part):
    column: str
    unit: Literal["mbarn", "angstrom2"]


class _Broadening(_Part):
    fwhm: str
    origin: Origin
    applied_by: str = ""


class _Structures(_Part):
    file: str

    @model_validator(mode="after")
    def _check_name(self) -> _Structures:
        if Path(self.file).name != self.file:
            raise ValueError(f"expected the name of a file beside the table, got {self.file!r}")
        return self


class _TableCheck(_Part):
    name: str
    column: str
    below: float | None = None
    not_equal: str | None = None

    @model_validator(mode="after")
    def _check_condition(self) -> _TableCheck:
        if self.below is None and self.not_equal is None:
            raise ValueError("expected below, not_equal or both")
        return self


class TableDescription(_Part):
    """What the columns of a table mean.

    Attributes:
        name: Name of the description.
        code: Column with the name of the code, or that name.
        code_version: Version of the code.
        fidelity_suffix: What follows the code in the fidelity.
        licence: Licence of the table.
        citation: What to cite.
        note: What was done to the spectra before.
        quantity: What the intensity is proportional to.
        columns: Columns by what they hold.
        constants: Absorber and edge, where they are the same in every row.
        energy: Reference of the axis; its column, or those of its start and step [eV].
        scale: Column that turns intensities into a cross-section, in Mbarn or Å² per atom.
        broadening: Column with the full width at half maximum of the Lorentzian in the spectra [eV].
        structures: File beside the table with a JSON object of pymatgen structures by material.
        parameters: Columns that are kept as parameters, by the name that they get.
        checks: Conditions on columns; a row that breaks one is stored as unconverged.
    """

    name: Annotated[str, Field(min_length=1)]
    code: _Choice
    code_version: str = ""
    fidelity_suffix: str
    licence: str = ""
    citation: str = ""
    note: str = ""
    quantity: Quantity = Quantity.CROSS_SECTION
    columns: _Columns
    constants: _Constants = _Constants()
    energy: _Energy
    scale: _Scale | None = None
    broadening: _Broadening | None = None
    structures: _Structures | None = None
    parameters: dict[str, str] = Field(default_factory=dict)
    checks: tuple[_TableCheck, ...] = ()

    @model_validator(mode="after")
    def _check_absorber(self) -> TableDescription:
        for name in ("absorber", "edge"):
            if (getattr(self.columns, name) is None) == (getattr(self.constants, name) is None):
                raise ValueError(f"expected {name} either in columns or in constants")
        return self

    @property
    def needed(self) -> frozenset[str]:
        """Names of all columns that are read."""
        named: list[str | None] = [*self.columns.model_dump().values(), *self.parameters.values(), self.code.column]
        named += [self.energy.axis, self.energy.start, self.energy.step]
        named += [self.scale.column if self.scale else None, self.broadening.fwhm if self.broadening else None]
        named += [check.column for check in self.checks]
        return frozenset(name for name in named if name is not None)


def read_description(text: str, source: str) -> TableDescription:
    """Return the description in a TOML text.

    Raises:
        ParseError: It is no TOML, or not a description; the message names the field.
    """
    try:
        return TableDescription.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ParseError(f"{source} is no TOML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise ParseError(f"{source} describes no table: {place}: {first['msg']}, got {first['input']!r:.80}") from error


def load_descriptions(own: Iterable[Path] = ()) -> tuple[TableDescription, ...]:
    """Return the user's own descriptions, then those that come with Whiteline.

    Raises:
        ParseError: One cannot be read.
    """
    found = []
    for path in own:
        try:
            if path.stat().st_size > _MAX_BYTES:
                raise ParseError(f"{path} is no description of a table: it has more than 1 MiB")
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ParseError(f"cannot read {path} ({error}): give the TOML file of a table") from error
        found.append(read_description(text, str(path)))
    entries: list[Any] = sorted(files("whiteline.database.ingest.tables").iterdir(), key=lambda entry: entry.name)
    found += [read_description(e.read_text(encoding="utf-8"), e.name) for e in entries if e.name.endswith(".toml")]
    return tuple(found)
