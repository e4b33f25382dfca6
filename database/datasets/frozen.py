"""Reading a frozen dataset; what is read is checked against the manifest first."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from jaxtyping import Float

from whiteline.database.datasets.manifest import SPECTRA, STRUCTURES, Manifest, checksum, read_manifest
from whiteline.database.datasets.split import SPLITS
from whiteline.database.datasets.structures import read_structures
from whiteline.database.tables import load_pyarrow
from whiteline.errors import ParameterError, ParseError, did_you_mean

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]  # ships no types

__all__ = ["Dataset", "as_matrix"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Dataset:
    """A dataset in a folder. `Dataset.open` reads the manifest, everything else is read when it is asked for.

    Attributes:
        path: The folder.
        manifest: What it says of itself.
    """

    path: Path
    manifest: Manifest

    @classmethod
    def open(cls, path: str | Path) -> Dataset:
        """Return the dataset in a folder.

        Raises:
            InputError: There is none.
            ParseError: Its manifest was edited or cut off.
            SchemaVersionError: A newer Whiteline wrote it.
        """
        return cls(Path(path), read_manifest(Path(path)))

    def __len__(self) -> int:
        return self.manifest.n_spectra

    @property
    def grid(self) -> Float[Array, " energy"]:
        """The common axis, shape (n_energy,) [eV]; photon energies are it plus the column `energy_zero`."""
        return self.manifest.grid.points

    @cached_property
    def table(self) -> pa.Table:
        """The spectra as an Arrow table, in the order of their ids.

        Raises:
            ParseError: The file is not what the manifest names; it was edited or cut off.
        """
        parquet = load_pyarrow("pyarrow.parquet")
        return parquet.read_table(self._checked(SPECTRA))

    @cached_property
    def structures(self) -> dict[str, dict[str, Any]]:
        """The structures, as pymatgen's `as_dict` wrote them, by the column `structure_key`.

        Raises:
            ParseError: The file is not what the manifest names.
        """
        return dict(read_structures(self._checked(STRUCTURES)))

    def select(self, split: str | None = None) -> pa.Table:
        """Return the table, or the rows of `train`, `val` or `test`.

        Raises:
            ParameterError: There is no such split.
        """
        if split is None:
            return self.table
        if split not in SPLITS:
            raise ParameterError(f"unknown split {split!r}: {did_you_mean(split, SPLITS)}")
        compute = load_pyarrow("pyarrow.compute")
        return self.table.filter(compute.equal(self.table["split"], split))

    def ids(self, split: str | None = None) -> list[str]:
        """Return the ids of the spectra, in the order of the rows of `matrix`."""
        found: list[str] = self.select(split)["id"].to_pylist()
        return found

    def matrix(self, split: str | None = None) -> Float[Array, "spectrum energy"]:
        """Return the intensities, shape (n_spectrum, n_energy), in the unit that the manifest names.

        Args:
            split: `train`, `val` or `test`; all spectra when None.

        Raises:
            ParameterError: There is no such split.
            ParseError: The file is not what the manifest names.
        """
        return as_matrix(self.select(split), self.manifest.grid.n_points)

    def _checked(self, name: str) -> Path:
        path = self.path / name
        stated = self.manifest.files.get(name, {}).get("sha256")
        if checksum(path) != stated:
            raise ParseError(
                f"{path} has not the checksum that the manifest names: it was edited or cut off; see "
                f"`whiteline dataset verify {self.path}`, and take a copy that is whole"
            )
        return path


def as_matrix(table: pa.Table, n_points: int) -> Float[Array, "spectrum energy"]:
    """Return the column `intensity` of a table as one array, shape (n_spectrum, `n_points`).

    Raises:
        ParseError: Numbers or whole rows of it are missing.
    """
    n_missing = table["intensity"].null_count + sum(chunk.flatten().null_count for chunk in table["intensity"].chunks)
    if n_missing:
        raise ParseError(f"{n_missing} intensities of the table are missing: it was edited, take a copy that is whole")
    chunks = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in table["intensity"].chunks]
    matrix: Array = np.concatenate([np.empty(0), *chunks]).reshape(-1, n_points)
    return matrix
