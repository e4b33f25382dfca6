"""Any number of spectra that look real, as documents: real ones first, then mixtures of them, shifted and broadened.

    from spectra_factory import make_documents
    store.put_many(make_documents(1_000_000, seed=0))

The real ones are the 141-point spectra of `$WHITELINE_DATA/omnixas` (`multi_element_pool.parquet`,
`cu_feff_sites.parquet`); without that folder they are steps and Gaussians. The same `n` and `seed` give the same
documents, and a smaller `n` gives the first of them.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np
from jaxtyping import Float, Int

from whiteline.broadening import Gaussian, broaden
from whiteline.database import DocumentKind, SpectrumDocument
from whiteline.provenance import ProvenanceRecord
from whiteline.spectrum import Spectrum
from whiteline.status import Check, Status
from whiteline.units import EnergyReference

__all__ = ["N_ENERGY", "STEP", "Pool", "document_id", "make_documents", "read_pool"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
Indices: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]
_T = TypeVar("_T")

N_ENERGY = 141
STEP = 0.25  # [eV]
WIDTHS = (0.0, 0.5, 1.0, 1.5)  # Gaussian FWHM that made spectra are broadened by [eV]
MAX_SHIFT = 2.0  # [eV] that made spectra are shifted by, either way
MAX_SHARES = (0.5, 0.25)  # of the second and the third spectrum in a mixture
SITES_A_MATERIAL = 3
UNCONVERGED_EVERY = 50
_BLOCK = 4096
_PARTNERS = ("O", "S", "N", "F", "Li", "Si", "P", "Cl")
_SPACE_GROUPS = ((225, "Fm-3m"), (136, "P4_2/mnm"), (62, "Pnma"), (15, "C2/c"))
_SITES = [{"species": [{"element": "O", "occu": 1}], "abc": [0.1, 0.2, 0.3]} for _ in range(12)]
_STARTS = {"Ti": 4964.504, "V": 5464.097, "Cr": 5989.168, "Co": 7709.282, "Ni": 8332.181, "Cu": 8983.173}  # [eV]


@dataclass(frozen=True, eq=False)
class Pool:
    """Real spectra that others are made from.

    Attributes:
        intensity: One row a spectrum, shape (n_real, 141).
        labels: Absorber and fidelity of each, e.g. `("Ti", "feff:omnixas")`.
        names: Where each comes from, e.g. `mp-390#0`.
        start: First energy of each, shape (n_real,) [eV].
        source: Name of the whole.
    """

    intensity: Float[Array, "real energy"]
    labels: tuple[tuple[str, str], ...]
    names: tuple[str, ...]
    start: Float[Array, " real"]
    source: str

    def __len__(self) -> int:
        return len(self.intensity)


def read_pool() -> Pool:
    """Return the real spectra, each once, or synthetic ones where there is no `$WHITELINE_DATA/omnixas`."""
    folder = Path(os.environ.get("WHITELINE_DATA", "")) / "omnixas"
    if "WHITELINE_DATA" not in os.environ or not folder.is_dir():
        return _synthetic_pool()
    import pyarrow.parquet as parquet  # type: ignore[import-untyped]  # ships no types

    columns = ["material_id", "site_index", "absorber", "fidelity", "energy_start_ev", "spectrum"]
    rows = parquet.read_table(folder / "multi_element_pool.parquet", columns=columns).to_pylist()
    found = {
        (r["material_id"], r["site_index"], r["absorber"], r["fidelity"]): (r["energy_start_ev"], r["spectrum"])
        for r in rows
    }
    columns = ["material_id", "site_index", "omnixas_mu"]
    for r in parquet.read_table(folder / "cu_feff_sites.parquet", columns=columns).to_pylist():
        found.setdefault((r["material_id"], r["site_index"], "Cu", "feff"), (_STARTS["Cu"], r["omnixas_mu"]))
    return Pool(
        intensity=np.array([spectrum for _, spectrum in found.values()], dtype=float),
        labels=tuple((absorber, f"{code}:omnixas") for _, _, absorber, code in found),
        names=tuple(f"{material}#{site}" for material, site, _, _ in found),
        start=np.array([start for start, _ in found.values()], dtype=float),
        source="omnixas/multi_element_pool.parquet, omnixas/cu_feff_sites.parquet",
    )


def _synthetic_pool(n: int = 3000) -> Pool:
    rng = np.random.default_rng(0)
    energy = np.arange(N_ENERGY) * STEP
    intensity = 0.5 + np.arctan(energy - rng.uniform(5.0, 9.0, size=(n, 1))) / np.pi
    for low, high in ((8.0, 13.0), (12.0, 20.0), (18.0, 30.0)):
        centre, width, height = (rng.uniform(*ends, size=(n, 1)) for ends in ((low, high), (0.8, 3.0), (0.0, 1.0)))
        intensity += height * np.exp(-(((energy - centre) / width) ** 2))
    absorbers = [tuple(_STARTS)[i % len(_STARTS)] for i in range(n)]
    return Pool(
        intensity=intensity,
        labels=tuple((absorber, "feff:synthetic") for absorber in absorbers),
        names=tuple(f"synthetic-{i // SITES_A_MATERIAL}#{i % SITES_A_MATERIAL}" for i in range(n)),
        start=np.array([_STARTS[absorber] for absorber in absorbers]),
        source="synthetic",
    )


def document_id(seed: int, i: int) -> str:
    """Return the id of document `i`."""
    return hashlib.blake2b(f"{seed}:{i}".encode(), digest_size=20).hexdigest()


def make_documents(
    n: int, seed: int, *, pool: Pool | None = None
) -> Iterator[tuple[SpectrumDocument, ProvenanceRecord]]:
    """Yield `n` site documents, each with its record; three sites share a structure.

    The first `len(pool)` are the real spectra as they are. Each other one is mostly one real spectrum, whose name is
    its `source`, with shares of two of the same absorber and code, broadened and shifted.

    Args:
        n: How many.
        seed: Of everything that is drawn.
        pool: What they are made from; `read_pool()` when None.
    """
    given = read_pool() if pool is None else pool
    templates = _Templates(given, seed)
    for i_block, start in enumerate(range(0, n, _BLOCK)):
        count = min(_BLOCK, n - start)
        main, intensity = templates.draw(np.random.default_rng((seed, i_block)), start)
        intensity.setflags(write=False)
        for i in range(count):
            yield templates.make(start + i, int(main[i]), intensity[i : i + 1])


class _Templates:
    """Documents that were checked when made, to be copied with what differs: a constructor each is ten times slower."""

    def __init__(self, pool: Pool, seed: int) -> None:
        self._pool, self._seed = pool, seed
        energy = np.arange(N_ENERGY, dtype=float) * STEP
        self._broadened = np.stack(
            [broaden(energy, pool.intensity, Gaussian(w)) if w else pool.intensity for w in WIDTHS]
        )
        groups: dict[tuple[str, str], list[int]] = {}
        for i, label in enumerate(pool.labels):
            groups.setdefault(label, []).append(i)
        self._sizes = np.array([len(groups[label]) for label in pool.labels])
        self._members = np.concatenate([np.array(members) for members in groups.values()])
        firsts = dict(zip(groups, np.cumsum([0, *map(len, groups.values())]), strict=False))
        self._firsts = np.array([firsts[label] for label in pool.labels])
        self._documents: dict[tuple[str, str, int, bool], SpectrumDocument] = {}
        self._record = _make_record()
        self._structure: tuple[int, str, Mapping[str, Any]] = (-1, "", {})

    def draw(self, rng: np.random.Generator, start: int) -> tuple[Int[Indices, " block"], Float[Array, "block energy"]]:
        """Return which real spectrum each of a block is made from mostly, and its intensity."""
        n_real = len(self._pool)
        main = rng.integers(0, n_real, _BLOCK)
        others = [self._partners(rng, main) for _ in MAX_SHARES]
        shares = [rng.uniform(0.0, most, _BLOCK) for most in MAX_SHARES]
        width = rng.integers(0, len(WIDTHS), _BLOCK)
        shift = rng.uniform(-MAX_SHIFT, MAX_SHIFT, _BLOCK) / STEP
        is_real = np.arange(start, start + _BLOCK) < n_real
        main[is_real] = np.arange(start, start + _BLOCK)[is_real]
        mixed = (1.0 - shares[0] - shares[1])[:, np.newaxis] * self._broadened[width, main]
        for share, other in zip(shares, others, strict=True):
            mixed += share[:, np.newaxis] * self._broadened[width, other]
        whole = np.floor(shift).astype(int)
        part = (shift - whole)[:, np.newaxis]
        places = np.arange(N_ENERGY) - whole[:, np.newaxis]
        upper = np.take_along_axis(mixed, np.clip(places, 0, N_ENERGY - 1), axis=1)
        lower = np.take_along_axis(mixed, np.clip(places - 1, 0, N_ENERGY - 1), axis=1)
        intensity = (1.0 - part) * upper + part * lower
        intensity[is_real] = self._pool.intensity[main[is_real]]
        return main, intensity

    def _partners(self, rng: np.random.Generator, main: Int[Indices, " block"]) -> Int[Indices, " block"]:
        places = self._firsts[main] + (rng.random(len(main)) * self._sizes[main]).astype(int)
        chosen: Indices = self._members[places]
        return chosen

    def make(
        self, i: int, i_real: int, intensity: Float[Array, "1 energy"]
    ) -> tuple[SpectrumDocument, ProvenanceRecord]:
        """Return document `i` and its record."""
        i_material, i_site = divmod(i, SITES_A_MATERIAL)
        if self._structure[0] != i_material:
            structure = {"@class": "Structure", "charge": 0, "lattice": {"a": float(i_material)}, "sites": _SITES}
            self._structure = (i_material, document_id(self._seed, -1 - i_material), structure)
        absorber, fidelity = self._pool.labels[i_real]
        key = (absorber, fidelity, i_material % 256, i % UNCONVERGED_EVERY == UNCONVERGED_EVERY - 1)
        template = self._documents.get(key)
        if template is None:
            template = self._documents[key] = _make_template(key, start=float(self._pool.start[i_real]))
        spectrum_id = document_id(self._seed, i)
        document = _copy(
            template,
            id=spectrum_id,
            spectrum=_copy(template.spectrum, components=intensity),
            structure_id=self._structure[1],
            structure=self._structure[2],
            site_id=spectrum_id[::-1],
            site_index=i_site,
            source=self._pool.names[i_real],
            created_at=f"2026-{1 + i // 86400 % 12:02d}-{1 + i // 86400 % 28:02d}"
            f"T{i // 3600 % 24:02d}:{i // 60 % 60:02d}:{i % 60:02d}.000+00:00",
        )
        return document, _copy(self._record, generated={"spectrum": {"spectrum": spectrum_id}})


def _make_template(key: tuple[str, str, int, bool], *, start: float) -> SpectrumDocument:
    absorber, fidelity, variant, is_unconverged = key
    partners = {_PARTNERS[variant % 8], _PARTNERS[variant // 8 % 8]}
    elements = tuple(sorted({absorber, *partners}))
    number, symbol = _SPACE_GROUPS[variant // 64 % 4]
    return SpectrumDocument(
        id="0",
        kind=DocumentKind.SITE,
        spectrum=Spectrum(
            np.arange(N_ENERGY, dtype=float) * STEP + start,
            np.arange(N_ENERGY, dtype=float),
            energy_reference=EnergyReference.ABSOLUTE,
        ),
        status=Status.UNCONVERGED if is_unconverged else Status.CONVERGED,
        reason="SCF stopped after 30 of 30 iterations" if is_unconverged else "",
        checks=(Check("scf", not is_unconverged, "14 of at most 100 iterations"),),
        absorber=absorber,
        edge="K",
        code=fidelity.partition(":")[0],
        code_version="9.6.4",
        fidelity=fidelity,
        parameters={"fms_radius": 5.0 + variant % 4, "scf_radius": 4.0, "exchange": "hedin-lundqvist"},
        structure_id="0",
        structure={},
        formula="".join(elements),
        chemical_system="-".join(elements),
        elements=elements,
        space_group=number,
        space_group_symbol=symbol,
    )


def _make_record() -> ProvenanceRecord:
    started_at = "2026-01-01T00:00:00.000+00:00"
    record = ProvenanceRecord(
        activity="feff-site",
        used={"input": {"feff.inp": "0" * 40}},
        generated={},
        code="feff",
        code_version="9.6.4",
        parameters={"fms_radius": 6.0},
        started_at=started_at,
        ended_at="2026-01-01T00:01:00.000+00:00",
    )
    return replace(record, host="node", system="Linux")


def _copy(template: _T, **changes: Any) -> _T:
    copy = object.__new__(type(template))
    copy.__dict__.update(template.__dict__, **changes)
    return copy
