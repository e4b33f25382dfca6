"""From a frozen dataset, a table or a query of the store to samples with features and a division."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from whiteline.database.datasets import Dataset, Intensity
from whiteline.database.datasets.manifest import MANIFEST
from whiteline.errors import InputError, ParseError
from whiteline.models.crystals import name_crystals
from whiteline.models.samples import Samples
from whiteline.models.splits import SplitKind, split_samples
from whiteline.models.tables import read_samples
from whiteline.provenance import file_checksum
from whiteline.splitting import SPLITS
from whiteline.structures import NamedStructure
from whiteline.workflows.learning.names import MODEL_CODE

if TYPE_CHECKING:
    from pymatgen.core import Structure


__all__ = ["LearningData", "own_predictions", "read_learning_data", "samples_of_dataset", "unit_of"]


@dataclass(frozen=True, eq=False, kw_only=True)
class LearningData:
    """Samples, with what is known of where they came from.

    Attributes:
        samples: They; without features until `encode_samples`.
        structures: Crystal of each sample, if known; samples of one crystal share the object.
        places: `train`, `val` or `test` of each sample where a frozen dataset says so; nothing otherwise.
        name: Of the dataset or table.
        path: Where it is; empty for a query.
        content_sha256: Checksum of what was read.
        division: How the dataset was divided, JSON-ready.
        energy_reference: What `points` plus `zeros` are: `absolute`, or the zero that the codes count from.
        left_out: Reason to ids of what was read and is not among the samples.
        sources: Checksums of the files that were read, by path, where there is no frozen dataset.
    """

    samples: Samples
    structures: tuple[NamedStructure | None, ...] = ()
    places: tuple[str, ...] = ()
    name: str
    path: str = ""
    content_sha256: str
    division: Mapping[str, Any] = field(default_factory=dict)
    energy_reference: str = "absolute"
    left_out: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)

    def select(self, keep: Sequence[int]) -> LearningData:
        """Return some of the samples with all that goes with them."""
        return replace(
            self,
            samples=self.samples.select(np.asarray(keep, dtype=np.int64)),
            structures=tuple(self.structures[i] for i in keep) if self.structures else (),
            places=tuple(self.places[i] for i in keep) if self.places else (),
        )

    def where(self, *, absorber: str | None, edge: str | None, fidelity: str | None) -> LearningData:
        """Return the samples of an absorber, edge and fidelity, or of what is given of them.

        Raises:
            InputError: There is none.
        """
        self.samples.where(absorber=absorber, edge=edge, fidelity=fidelity)  # says what there is if nothing fits
        names = zip(self.samples.absorbers, self.samples.edges, self.samples.fidelities, strict=True)
        wanted = (absorber, edge, fidelity)
        return self.select(
            [i for i, own in enumerate(names) if all(w in (None, o) for w, o in zip(wanted, own, strict=True))]
        )

    def divide(
        self,
        *,
        by: str | None = None,
        fractions: tuple[float, float, float] = (0.8, 0.1, 0.1),
        seed: int = 0,
    ) -> tuple[tuple[Samples, Samples, Samples], dict[str, Any]]:
        """Return training, validation and test set, and how they were made.

        Args:
            by: Kind of split (`models.splits.SplitKind`); None takes that of a frozen dataset, and `formula` where
                there is none.
            fractions: Of the three sets, for a new split.
            seed: Of a new split.

        Raises:
            InputError: A set that is wanted is empty.
        """
        if by is None and self.places:
            where = np.array(self.places)
            train, val, test = (self.samples.select(where == name) for name in SPLITS)
            return (train, val, test), {**self.division, "origin": "dataset"}
        division = split_samples(self.samples, by=by or SplitKind.FORMULA, fractions=fractions, seed=seed)
        return division.parts(self.samples), {**division.to_dict(), "origin": "training"}


def read_learning_data(path: str | Path, *, structures: Path | None = None) -> LearningData:
    """Return the samples of a frozen dataset (a folder) or a table (a file); only a table may have features.

    Args:
        path: Folder of a dataset, or a Parquet, Arrow or CSV file; see `models.tables`.
        structures: For a table without features: JSON, also gzipped, with a pymatgen structure by material.

    Raises:
        InputError: There is none, or it cannot be learned from.
        ParseError: A file was edited or cut off.
    """
    path = Path(path)
    if path.is_dir() or (path / MANIFEST).exists() or not path.exists():
        return samples_of_dataset(Dataset.open(path))
    crystals = {} if structures is None else _read_crystals(structures)
    samples = read_samples(path)
    if crystals:
        samples = name_crystals(samples, crystals)
    named = {name: NamedStructure(crystal, name, f"{structures}#{name}") for name, crystal in crystals.items()}
    return LearningData(
        samples=samples,
        structures=tuple(named[material] for material in samples.materials) if named else (),
        name=path.stem,
        path=str(path.absolute()),
        content_sha256=samples.source.rpartition("sha256:")[2],
        sources={str(file.absolute()): file_checksum(file) for file in (path, structures) if file is not None},
    )


def samples_of_dataset(dataset: Dataset) -> LearningData:
    """Return the site spectra of a frozen dataset; averages of materials belong to no site and are left out.

    Raises:
        InputError: It holds no site spectrum, or predictions of a model.
        ParseError: A file was edited or cut off.
    """
    manifest, table = dataset.manifest, dataset.table
    columns = {name: table[name].to_pylist() for name in table.column_names if name != "intensity"}
    if MODEL_CODE in columns["code"]:
        raise own_predictions(str(dataset.path), columns["code"].count(MODEL_CODE))
    is_site = np.array(
        [
            index is not None and bool(key)
            for index, key in zip(columns["site_index"], columns["structure_key"], strict=True)
        ],
        dtype=bool,
    )
    keep = np.flatnonzero(is_site).tolist()
    if not keep:
        raise InputError(
            f"{dataset.path} holds no spectrum of a site, only averages: make it with `whiteline dataset create … "
            "--kind site`"
        )
    chosen = {name: [values[i] for i in keep] for name, values in columns.items()}
    crystals = _crystals(dataset.structures, chosen)
    zeros = [0.0 if zero is None else float(zero) for zero in chosen["energy_zero"]]
    is_stored = any(zero is None for zero in chosen["energy_zero"])
    n_left_out = len(is_site) - len(keep)
    return LearningData(
        samples=Samples(
            ids=tuple(chosen["id"]),
            features=np.zeros((len(keep), 0), dtype=np.float32),
            spectra=dataset.matrix()[is_site],
            points=dataset.grid,
            zeros=np.array(zeros),
            absorbers=tuple(chosen["absorber"]),
            edges=tuple(chosen["edge"]),
            fidelities=tuple(chosen["fidelity"]),
            materials=tuple(chosen["structure_id"]),
            formulas=tuple(chosen["formula"]),
            unit=unit_of(manifest.intensity),
            source=f"dataset:{manifest.content_sha256}",
            sites=tuple(chosen["site_index"]),
            crystals=tuple(chosen["structure_id"]),
            n_atoms=tuple(len(named.structure) for named in crystals),
        ),
        structures=crystals,
        places=tuple(chosen["split"]),
        name=manifest.name,
        path=str(dataset.path.absolute()),
        content_sha256=manifest.content_sha256,
        division={**manifest.split.to_dict(), "n_samples": {name: chosen["split"].count(name) for name in SPLITS}},
        energy_reference=chosen["energy_reference"][0] if is_stored else "absolute",
        left_out={
            "no spectrum of a site": tuple(
                name for name, is_kept in zip(columns["id"], is_site.tolist(), strict=True) if not is_kept
            )
        }
        if n_left_out
        else {},
    )


def own_predictions(what: str, n_found: int) -> InputError:
    """Return the error that spectra of a model are among those to learn from."""
    return InputError(
        f"{what} holds {n_found} or more spectra that a model predicted, and a model must not learn from predictions: "
        "narrow the query, e.g. by --code feff"
    )


def unit_of(intensity: str) -> str:
    """Return the unit of samples of an intensity (`database.datasets.Intensity`)."""
    return "Mbarn" if intensity == Intensity.CROSS_SECTION.value else intensity


def _crystals(
    structures: Mapping[str, Mapping[str, Any]], columns: Mapping[str, list[Any]]
) -> tuple[NamedStructure, ...]:
    """Return the structure of every row, each built once."""
    from pymatgen.core import Structure

    made: dict[str, NamedStructure] = {}
    for key, formula, source in zip(columns["structure_key"], columns["formula"], columns["source"], strict=True):
        if key not in made:
            if key not in structures:
                raise ParseError(f"structure {key} of a spectrum is not in the dataset: take a copy that is whole")
            made[key] = NamedStructure(Structure.from_dict(dict(structures[key])), formula, source)
    return tuple(made[key] for key in columns["structure_key"])


def _read_crystals(path: Path) -> dict[str, Structure]:
    """Return the structures of a JSON file by name."""
    from pymatgen.core import Structure

    try:
        content = path.read_bytes()
        data = json.loads(gzip.decompress(content) if path.suffix == ".gz" else content)
        items: Iterable[tuple[str, Any]] = data.items()
        return {name: Structure.from_dict(_structure_part(value)) for name, value in items}
    except FileNotFoundError as error:
        raise InputError(f"there is no file {path}: give the structures of the table") from error
    except (OSError, EOFError, ValueError, AttributeError, KeyError, TypeError) as error:
        raise ParseError(
            f"{path} is no mapping of material to pymatgen structure ({type(error).__name__}: {error}): take another"
        ) from error


def _structure_part(value: Any) -> dict[str, Any]:
    found: dict[str, Any] = value.get("structure", value)
    return found
