"""`whiteline.json`: what stands beside the inputs of a site, so that outputs made elsewhere find their way back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monty.json import MontyEncoder
from pymatgen.core import Structure

from whiteline.absorber import Absorber
from whiteline.edges import Edge
from whiteline.errors import ParseError, SchemaVersionError

__all__ = ["SITE_FILE", "SITE_FILE_SCHEMA_VERSION", "SiteFile", "read_listed_files", "read_site_file"]

SITE_FILE = "whiteline.json"
SITE_FILE_SCHEMA_VERSION = 1

# What may differ between two folders that hold the same calculation.
_INCIDENTAL = ("source", "source_checksum", "versions")


@dataclass(frozen=True, eq=False)
class SiteFile:
    """One site calculation whose inputs were written and that runs elsewhere.

    Attributes:
        absorber: Site and edge, in the user's structure.
        n_absorbers: Number of atoms of the absorbing element in that structure.
        material: Name of the material.
        source: Where the structure came from.
        code: Code that the inputs are for.
        fidelity: Code and preset, by which spectra are queried.
        parameters: Complete parameters, from which the calculator is made again.
        circumstances: What decides the spectrum besides these: checksums of pseudopotentials, orientation.
        calculation_id: Content hash under which the spectrum will be stored; empty where a file that it depends on,
            such as a POTCAR, was not there.
        files: Checksum of every file that was written, by its path inside the folder.
        versions: Versions of Whiteline and of the libraries that shaped the inputs.
        source_checksum: Checksum of the file of the structure; empty where there was none.
    """

    absorber: Absorber
    n_absorbers: int
    material: str
    source: str
    code: str
    fidelity: str
    parameters: Mapping[str, Any]
    circumstances: Mapping[str, Any]
    calculation_id: str
    files: Mapping[str, str]
    versions: Mapping[str, str]
    source_checksum: str = ""

    @property
    def weight(self) -> float:
        """Share of this site and its equivalents in the material's spectrum, 0 to 1."""
        return self.absorber.multiplicity / self.n_absorbers

    def to_dict(self) -> dict[str, Any]:
        """Return a dictionary that `to_text` writes as JSON."""
        absorber = self.absorber
        return {
            "schema_version": SITE_FILE_SCHEMA_VERSION,
            "calculation_id": self.calculation_id,
            "material": self.material,
            "source": self.source,
            "source_checksum": self.source_checksum,
            "code": self.code,
            "fidelity": self.fidelity,
            "absorber": {
                "element": absorber.element,
                "edge": absorber.edge.value,
                "site_index": absorber.site_index,
                "site_id": absorber.site_id,
                "multiplicity": absorber.multiplicity,
                "n_absorbers": self.n_absorbers,
                "weight": self.weight,
            },
            "parameters": dict(self.parameters),
            "circumstances": dict(self.circumstances),
            "files": dict(sorted(self.files.items())),
            "versions": dict(sorted(self.versions.items())),
            "structure": absorber.structure.as_dict(),
        }

    def to_text(self) -> str:
        """Return the text of the file."""
        return json.dumps(self.to_dict(), indent=1, cls=MontyEncoder) + "\n"

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> SiteFile:
        """Return what `to_dict` made a dictionary of.

        Raises:
            SchemaVersionError: A newer Whiteline wrote it.
            KeyError: Something is missing.
        """
        if data["schema_version"] > SITE_FILE_SCHEMA_VERSION:
            raise SchemaVersionError(
                f"schema version {data['schema_version']} is newer than {SITE_FILE_SCHEMA_VERSION}: update Whiteline"
            )
        site = data["absorber"]
        structure = Structure.from_dict(data["structure"])
        return cls(
            absorber=Absorber(structure, site["site_index"], Edge(site["edge"]), site["multiplicity"]),
            n_absorbers=site["n_absorbers"],
            **{name: data[name] for name in ("material", "source", "code", "fidelity", "parameters")},
            **{name: data[name] for name in ("circumstances", "calculation_id", "files", "versions")},
            source_checksum=data.get("source_checksum", ""),
        )

    def is_same_as(self, text: bytes) -> bool:
        """Return whether a file's text tells of the same calculation and files, whoever wrote it from what source."""
        try:
            other = json.loads(text)
        except ValueError:
            return False
        own = json.loads(self.to_text())
        return isinstance(other, dict) and _without_incidental(own) == _without_incidental(other)


def read_site_file(folder: Path) -> SiteFile:
    """Return what the `whiteline.json` of a folder says.

    Raises:
        ParseError: It is missing or damaged.
        SchemaVersionError: A newer Whiteline wrote it.
    """
    path = folder / SITE_FILE
    remedy = "write the inputs again with `whiteline inputs`"
    try:
        return SiteFile.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise ParseError(f"{folder} has no {SITE_FILE}: it is no folder of `whiteline inputs`; {remedy}") from None
    except (KeyError, TypeError, ValueError) as error:
        raise ParseError(f"{path} is damaged ({type(error).__name__}: {error}): {remedy}") from error
    except SchemaVersionError as error:
        raise SchemaVersionError(f"{path}: {error}") from error


def read_listed_files(folder: Path) -> list[str]:
    """Return the inputs that the `whiteline.json` of a folder lists, none where it is missing or damaged."""
    try:
        files = json.loads((folder / SITE_FILE).read_text(encoding="utf-8"))["files"]
    except (FileNotFoundError, KeyError, TypeError, ValueError):
        return []
    # The file may have been edited: what is not a file inside the folder is none of its inputs.
    names = list(files) if isinstance(files, dict) else []
    home = folder.resolve()
    return [name for name in names if (folder / name).is_file() and (folder / name).resolve().is_relative_to(home)]


def _without_incidental(data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if name not in _INCIDENTAL}
