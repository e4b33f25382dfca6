"""What a store holds, at a glance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from whiteline.database.administration.entries import EVERYTHING

if TYPE_CHECKING:
    from whiteline.database.store import SpectrumStore, StoreStatus

__all__ = ["GROUPS", "Overview", "is_there", "look_over"]

GROUPS = ("status", "kind", "code", "absorber")
# No store has written so often: asked for what came later, it lists no id and tells its newest revision.
_NO_REVISION = 2**62


@dataclass(frozen=True, kw_only=True)
class Overview:
    """Counts of a store.

    Attributes:
        status: Sizes, schema version and indexes.
        revision: Number of the newest write.
        newest: When the newest document was made, ISO 8601, UTC; empty without documents.
        counts: For each field of `GROUPS`, how many documents have each value, the largest number first.
    """

    status: StoreStatus
    revision: int
    newest: str
    counts: Mapping[str, Mapping[str, int]]

    @property
    def missing_indexes(self) -> tuple[str, ...]:
        """Names of the indexes that should be there and are not."""
        return tuple(index.name for index in self.status.indexes if not index.is_present)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {**asdict(self), "missing_indexes": list(self.missing_indexes)}


def look_over(store: SpectrumStore) -> Overview:
    """Return what a store holds.

    Raises:
        StoreError: The store cannot be read.
    """
    newest = next(store.summaries(EVERYTHING.replace(sort="-created_at", limit=1)), None)
    counts: dict[str, dict[str, int]] = {name: {} for name in GROUPS}
    for values, n_found in store.group(EVERYTHING, GROUPS):
        for name, value in zip(GROUPS, values, strict=True):
            counts[name][str(value)] = counts[name].get(str(value), 0) + n_found
    ordered = {
        name: dict(sorted(found.items(), key=lambda item: (-item[1], item[0]))) for name, found in counts.items()
    }
    return Overview(
        status=store.status(),
        revision=store.changes(_NO_REVISION)[1],
        newest=newest.created_at if newest else "",
        counts=ordered,
    )


def is_there(address: str) -> bool:
    """Return whether there is a store at an address, without making one.

    Raises:
        ParameterError: No such kind of address.
        CorruptStoreError: There is something else; `SchemaVersionError` if the store needs another version.
    """
    from whiteline.database.store import open_store
    from whiteline.errors import CorruptStoreError, SchemaVersionError, StoreError

    try:
        open_store(address, must_exist=True).close()
    except (CorruptStoreError, SchemaVersionError):
        raise
    except StoreError:
        return False
    return True
