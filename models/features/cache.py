"""Features that were computed before, in a folder that several processes may use at once.

Every crystal has a file for each encoder, named by what it holds: the exact numbers of the structure and the id of the
encoder. Files appear whole or not at all, carry checksums, and hold arrays only. What cannot be read is computed again.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from platformdirs import user_cache_path

from whiteline.errors import ParameterError, StoreError
from whiteline.models.features.encoder import Encoder, SiteFeatures
from whiteline.structures import element_symbol

if TYPE_CHECKING:
    from pymatgen.core import Structure

__all__ = ["FeatureCache", "structure_key"]

logger = logging.getLogger(__name__)

# Some half a million structures with one or two sites each.
_MAX_BYTES = 2_000_000_000
_DAMAGED = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)


def structure_key(structure: Structure) -> str:
    """Return a content hash of cell, elements and positions, 40 hexadecimal digits.

    It names numbers, not crystals: another cell or order of atoms has another key, and its sites other indices.
    """
    digest = hashlib.sha256(np.asarray(structure.lattice.matrix, dtype="<f8").tobytes())
    digest.update(" ".join(element_symbol(site.specie) for site in structure).encode())
    digest.update(np.asarray(structure.frac_coords, dtype="<f8").tobytes())
    return digest.hexdigest()[:40]


@dataclass(frozen=True)
class FeatureCache:
    """Features in a folder.

    Attributes:
        folder: Where; the user's cache when not given.
        max_bytes: What `trim` leaves; what was used last stays.
    """

    folder: Path = field(default_factory=lambda: user_cache_path("whiteline") / "features")
    max_bytes: int = _MAX_BYTES

    def __post_init__(self) -> None:
        if self.max_bytes < 0:
            raise ParameterError(f"the size of a cache must be positive or 0 bytes, got {self.max_bytes}")

    def read(self, structure: Structure, sites: Sequence[int], encoder: Encoder) -> SiteFeatures | None:
        """Return the features of some sites, shape (n_site, n_feature), or None if one of them is missing."""
        path = self._path(structure, encoder)
        found = _read(path, encoder)
        if found is None:
            return None
        rows = {int(site): i for i, site in enumerate(found[0])}
        if any(site not in rows for site in sites):
            return None
        with suppress(OSError):  # another process trimmed it, or the folder is another user's
            os.utime(path)
        return found[1][[rows[site] for site in sites]]

    def write(self, structure: Structure, sites: Sequence[int], features: SiteFeatures, encoder: Encoder) -> None:
        """Keep the features of some sites beside those that are there.

        Args:
            structure: The crystal.
            sites: Indices, in the order of the rows.
            features: Shape (n_site, n_feature).
            encoder: What made them.

        Raises:
            StoreError: The folder cannot be written.
        """
        path = self._path(structure, encoder)
        found = _read(path, encoder)
        rows = {} if found is None else dict(zip(map(int, found[0]), found[1], strict=True))
        rows.update(zip(sites, features, strict=True))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", suffix=".part", delete=False) as file:
                try:
                    np.savez(file, sites=np.array(list(rows), dtype=np.int64), features=np.array(list(rows.values())))
                    file.close()
                    Path(file.name).replace(path)
                except BaseException:
                    Path(file.name).unlink(missing_ok=True)
                    raise
        except OSError as error:
            raise StoreError(
                f"cannot keep features below {self.folder} ({error.strerror}): choose another folder, or go on without"
            ) from error

    def trim(self) -> int:
        """Remove what was used longest ago until `max_bytes` are left; return how many files went."""
        files = []
        for path in self.folder.glob("*/*/*"):
            with suppress(OSError):  # another process trims too
                status = path.stat()
                files.append((status.st_mtime, status.st_size, path))
        total, n_removed = sum(size for _, size, _ in files), 0
        for _, size, path in sorted(files):
            if total <= self.max_bytes:
                break
            with suppress(OSError):  # of another user
                path.unlink(missing_ok=True)
                total, n_removed = total - size, n_removed + 1
        return n_removed

    def _path(self, structure: Structure, encoder: Encoder) -> Path:
        key = structure_key(structure)
        maker = hashlib.sha256(encoder.id.encode()).hexdigest()[:16]
        return self.folder / maker / key[:2] / f"{key}.npz"


def _read(path: Path, encoder: Encoder) -> tuple[np.ndarray, SiteFeatures] | None:
    """Return sites and their rows, or None if there are none or they are damaged."""
    if not path.is_file():
        return None
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as content:
            sites, features = content["sites"], content["features"]
        if sites.shape != features.shape[:1] or features.shape[1:] != (encoder.n_features,):
            raise ValueError(f"{features.shape} features of {sites.shape} sites, expected {encoder.n_features} each")
        if sites.dtype != np.int64 or features.dtype != np.float32 or not np.isfinite(features).all():
            raise ValueError(f"{features.dtype} features, expected finite float32")
    except _DAMAGED as error:
        logger.warning("%s is damaged (%s); its features are computed again", path, error)
        return None
    return sites, features
