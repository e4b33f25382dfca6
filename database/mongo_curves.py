"""Reading from MongoDB what of its spectra an index is made from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from whiteline.database.curves import CURVE_COLUMNS, StoredCurve

__all__ = ["read_curves"]

_FIELDS: Final = {
    **dict.fromkeys(CURVE_COLUMNS[1:], 1),
    **dict.fromkeys(("details.spectrum.quantity", "details.spectrum.reference_energy"), 1),
    **dict.fromkeys(("grid", "weights", "components"), 1),
}


def read_curves(spectra: Any, ids: Sequence[str]) -> list[StoredCurve]:
    """Return those of the spectra that have arrays, in the order of `ids`.

    Args:
        spectra: The collection.
        ids: Ids of spectra.
    """
    condition = {"_id": {"$in": list(ids)}, "n_points": {"$gt": 0}}
    found = {stored["_id"]: stored for stored in spectra.find(condition, _FIELDS)}
    return [_read(found[spectrum_id]) for spectrum_id in ids if spectrum_id in found]


def _read(stored: dict[str, Any]) -> StoredCurve:
    described = stored["details"]["spectrum"]
    return StoredCurve(
        columns=(stored["_id"], *(stored[name] for name in CURVE_COLUMNS[1:])),
        quantity=described["quantity"],
        reference_energy=described["reference_energy"],
        grid=stored["grid"],
        weights=stored["weights"],
        components=stored["components"],
    )
