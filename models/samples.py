"""What a model learns from: one row an absorber, with its features, its spectrum on a common grid, and its names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Self, TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from whiteline.errors import InputError

__all__ = ["Samples"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
Array32: TypeAlias = np.ndarray[Any, np.dtype[np.float32]]

_NAMES: Final = ("ids", "absorbers", "edges", "fidelities", "materials", "formulas")
_OPTIONAL: Final = ("sites", "crystals", "n_atoms")
# Two grids are one where their points differ by less than this [eV], far below any step.
_SAME_ENERGY: Final = 1e-6


@dataclass(frozen=True, eq=False, kw_only=True)
class Samples:
    """Spectra on one grid with the features of their absorbers.

    Spectra and zeros are kept in double, features in single precision: conversion happens here and nowhere else.

    Attributes:
        ids: Name of every sample.
        features: Numbers that describe the absorber, shape (n_sample, n_feature); n_feature is 0 before encoding.
        spectra: Intensities, shape (n_sample, n_energy) [`unit`].
        points: Common axis, strictly increasing, shape (n_energy,) [eV].
        zeros: What the axis of each sample is counted from, shape (n_sample,) [eV]: photon energy is point plus zero.
        absorbers: Symbol of the absorbing element.
        edges: Edge, e.g. `K`.
        fidelities: Code and parameters that made the spectrum, e.g. `feff`.
        materials: Id of the material; sites of one crystal share it.
        formulas: Reduced formula; "" where it is unknown.
        unit: Of the spectra, e.g. `Mbarn`.
        encoder: Id of what made the features; "" where unknown.
        source: Content hash or name of the table the samples come from.
        sites: Index of the absorber in the structure; nothing where unknown.
        crystals: Content hash of the crystal, which two ids of one crystal share; nothing where unknown.
        n_atoms: Number of atoms in the cell; nothing where unknown.

    Raises:
        InputError: Lengths differ, a number is not finite, or a spectrum is zero everywhere.

    >>> two = Samples(
    ...     ids=("a", "b"), features=np.ones((2, 1)), spectra=np.ones((2, 3)), points=np.arange(3.0),
    ...     zeros=np.zeros(2), absorbers=("Cu", "Cu"), edges=("K", "K"), fidelities=("feff", "feff"),
    ...     materials=("m", "n"), formulas=("CuO", "Cu2O"), unit="Mbarn",
    ... )
    >>> len(two), two.select([1]).formulas
    (2, ('Cu2O',))
    """

    ids: tuple[str, ...]
    features: Float32[Array32, "sample feature"]
    spectra: Float[Array, "sample energy"]
    points: Float[Array, " energy"]
    zeros: Float[Array, " sample"]
    absorbers: tuple[str, ...]
    edges: tuple[str, ...]
    fidelities: tuple[str, ...]
    materials: tuple[str, ...]
    formulas: tuple[str, ...]
    unit: str
    encoder: str = ""
    source: str = ""
    sites: tuple[int, ...] = ()
    crystals: tuple[str, ...] = ()
    n_atoms: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "features", np.ascontiguousarray(self.features, dtype=np.float32))
        for name in ("spectra", "points", "zeros"):
            object.__setattr__(self, name, np.ascontiguousarray(getattr(self, name), dtype=np.float64))
        for name in (*_NAMES, *_OPTIONAL):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        self.check()

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.ids)

    @property
    def n_features(self) -> int:
        """Length of a row of features."""
        return int(self.features.shape[1])

    @property
    def n_energies(self) -> int:
        """Number of points of the grid."""
        return len(self.points)

    @property
    def elements(self) -> tuple[str, ...]:
        """The absorbing elements, each once, in alphabetical order."""
        return tuple(sorted(set(self.absorbers)))

    def check(self) -> None:
        """Look whether everything fits together.

        Raises:
            InputError: Lengths differ, a number is not finite, or a spectrum is zero everywhere; the sample is named.
        """
        n_sample = len(self.ids)
        lengths = {name: len(getattr(self, name)) for name in _NAMES}
        lengths |= {name: len(getattr(self, name)) for name in _OPTIONAL if getattr(self, name)}
        shapes = {name: getattr(self, name).shape for name in ("features", "spectra", "points", "zeros")}
        wanted = {"features": 2, "spectra": 2, "points": 1, "zeros": 1}
        if any(len(shapes[name]) != n_dimension for name, n_dimension in wanted.items()):
            raise InputError(f"features and spectra have two dimensions, points and zeros one, got shapes {shapes}")
        lengths |= {name: shapes[name][0] for name in ("features", "spectra", "zeros")}
        if set(lengths.values()) != {n_sample}:
            raise InputError(f"every part of the samples has one entry a sample, got lengths {lengths}")
        if shapes["points"][0] != shapes["spectra"][1] or shapes["points"][0] < 2:
            raise InputError(
                f"spectra have one value a point of the grid and a grid has at least 2 points, got spectra of shape "
                f"{shapes['spectra']} and {shapes['points'][0]} point(s)"
            )
        if not np.all(np.isfinite(self.points)) or np.any(np.diff(self.points) <= 0):
            raise InputError("the points of the grid must be finite and strictly increasing [eV]")
        for name, values in (("spectrum", self.spectra), ("features", self.features), ("zero", self.zeros[:, None])):
            self._refuse(~np.all(np.isfinite(values), axis=1), f"the {name} of {{}} is not finite everywhere")
        self._refuse(~np.any(self.spectra, axis=1), "the spectrum of {} is zero everywhere")

    def select(self, mask_or_indices: Bool[np.ndarray, " sample"] | Int[np.ndarray, " chosen"] | Sequence[int]) -> Self:
        """Return some of the samples: those where a mask is true, or those with the given indices, in their order.

        Args:
            mask_or_indices: Truth values, one a sample, or numbers of samples; a number may come twice.

        Raises:
            InputError: A mask has another length than the samples, or an index is out of range.
        """
        chosen = np.asarray(mask_or_indices)
        if chosen.dtype == np.bool_:
            if chosen.shape != (len(self),):
                raise InputError(f"a mask has one truth value for each of {len(self)} samples, got {chosen.shape}")
            chosen = np.flatnonzero(chosen)
        chosen = chosen.astype(np.int64) if chosen.size == 0 else chosen
        if chosen.ndim != 1 or not np.issubdtype(chosen.dtype, np.integer):
            raise InputError(
                f"samples are selected by a mask or a list of integers, got {chosen.dtype} of {chosen.shape}"
            )
        if chosen.size and not (-len(self) <= chosen.min() and chosen.max() < len(self)):
            wrong = chosen.max() if chosen.max() >= len(self) else chosen.min()
            raise InputError(f"indices of {len(self)} samples reach from {-len(self)} to {len(self) - 1}, got {wrong}")
        rows = chosen.tolist()
        changes: dict[str, Any] = {name: getattr(self, name)[chosen] for name in ("features", "spectra", "zeros")}
        for name in (*_NAMES, *_OPTIONAL):
            values = getattr(self, name)
            changes[name] = tuple(values[i] for i in rows) if values else ()
        return replace(self, **changes)

    def where(self, *, absorber: str | None = None, edge: str | None = None, fidelity: str | None = None) -> Self:
        """Return the samples of an absorber, an edge, a fidelity, or of what is given of the three.

        Raises:
            InputError: There is none.
        """
        wanted = {"absorbers": absorber, "edges": edge, "fidelities": fidelity}
        is_wanted = np.ones(len(self), dtype=bool)
        for name, value in wanted.items():
            if value is not None:
                is_wanted &= np.array([own == value for own in getattr(self, name)], dtype=bool)
        if not is_wanted.any():
            found = sorted({" ".join(key) for key in zip(self.absorbers, self.edges, self.fidelities, strict=True)})
            asked = " ".join(value for value in wanted.values() if value is not None)
            raise InputError(f"there is no sample of {asked}: there are {', '.join(found) or 'none at all'}")
        return self.select(is_wanted)

    def with_features(self, features: Float32[Array32, "sample feature"], *, encoder: str) -> Self:
        """Return the same samples with other features.

        Args:
            features: Shape (n_sample, n_feature).
            encoder: Id of what made them.

        Raises:
            InputError: There is not one row a sample, or a number is not finite.
        """
        return replace(self, features=features, encoder=encoder)

    @classmethod
    def join(cls, parts: Sequence[Samples]) -> Samples:
        """Return the samples of several tables as one, in their order.

        Raises:
            InputError: There is none, or grids, units, encoders or numbers of features differ.
        """
        if not parts:
            raise InputError("there are no samples to join: give at least one")
        first = parts[0]
        for part in parts[1:]:
            for name in ("unit", "encoder", "n_features", "n_energies"):
                if getattr(part, name) != getattr(first, name):
                    raise InputError(
                        f"samples that are joined share their {name}, got {getattr(first, name)!r} from "
                        f"{first.source or 'the first'} and {getattr(part, name)!r} from {part.source or 'another'}"
                    )
            if np.max(np.abs(part.points - first.points)) > _SAME_ENERGY:
                raise InputError(
                    f"samples that are joined share their grid, got {first.points[0]:g} to {first.points[-1]:g} eV and "
                    f"{part.points[0]:g} to {part.points[-1]:g} eV: bring them onto one grid first"
                )
        values: dict[str, Any] = {
            name: np.concatenate([getattr(p, name) for p in parts]) for name in ("features", "spectra", "zeros")
        }
        for name in (*_NAMES, *_OPTIONAL):
            columns = [getattr(part, name) for part in parts]
            # What one part does not know is not known of all.
            is_known = name in _NAMES or all(
                len(column) == len(part) for column, part in zip(columns, parts, strict=True)
            )
            values[name] = tuple(value for column in columns for value in column) if is_known else ()
        sources = "+".join(dict.fromkeys(part.source for part in parts if part.source))
        return cls(points=first.points, unit=first.unit, encoder=first.encoder, source=sources, **values)

    def _refuse(self, is_bad: Bool[np.ndarray, " sample"], message: str) -> None:
        bad = np.flatnonzero(is_bad)
        if bad.size:
            others = f" (and {bad.size - 1} more)" if bad.size > 1 else ""
            raise InputError(
                f"{message.format(f'sample {self.ids[bad[0]]!r}')}{others}: leave it out or compute it again"
            )

    def __repr__(self) -> str:
        what = f"{len(self)} of {', '.join(self.elements)}"
        return f"<Samples: {what}, {self.n_features} features, {self.n_energies} points [{self.unit}]>"
