"""How long calculations took that the store knows, beside what the engine's own formula says of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from pymatgen.core import Structure

from whiteline.absorber import Absorber
from whiteline.calculators.interface import Calculator
from whiteline.calculators.parameters import build_parameters
from whiteline.database.documents import DocumentKind, SpectrumDocument
from whiteline.database.query import SpectrumQuery
from whiteline.database.store import SpectrumStore
from whiteline.edges import Edge
from whiteline.errors import WhitelineError
from whiteline.status import Status

__all__ = ["Scaling", "find_scaling"]

# The latest calculations that are looked at, and how many make a spread.
_MOST: Final = 60
_ENOUGH: Final = 5
# How far the formulas are off where nothing has been measured: "a factor of two or so", and a machine that is faster.
_UNKNOWN: Final = 2.5
_SPREAD: Final = (16.0, 84.0)  # %, one standard deviation either way of what is normally distributed


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """What estimates of an engine are multiplied by.

    Attributes:
        factor: Median of measured over estimated time.
        low: Of the factor where 16 % of calculations were quicker, `high` where 16 % were slower.
        n: Calculations that it rests on.
        basis: Those in words.
    """

    factor: float = 1.0
    low: float = 1.0 / _UNKNOWN
    high: float = _UNKNOWN
    n: int = 0
    basis: str = f"the engine's own formula, which may be {_UNKNOWN} times off: nothing like it is stored"


def find_scaling(store: SpectrumStore, calculator: Calculator, fidelity: str) -> Scaling:
    """Return what the estimates of a calculator are to be multiplied by, from the latest calculations like it.

    Those of the same level of theory are taken, and where there are none those of the same engine.

    Args:
        store: Where they are.
        calculator: The engine; its parameters do not matter.
        fidelity: Level of theory.
    """
    for wanted, words in ((fidelity, f"of {fidelity}"), (None, f"by {calculator.code} at other levels of theory")):
        ratios = np.array(list(_ratios(store, calculator, wanted)))
        if len(ratios):
            basis = f"{len(ratios)} stored calculation{'s' * (len(ratios) > 1)} {words}"
            return _scaling_of(ratios, basis, is_alike=wanted is not None)
    return Scaling()


def _scaling_of(ratios: np.ndarray[Any, np.dtype[np.float64]], basis: str, *, is_alike: bool) -> Scaling:
    factor = float(np.median(ratios))
    low, high = (float(value) for value in np.percentile(ratios, _SPREAD))
    if len(ratios) < _ENOUGH:
        basis = f"{basis}, too few for a spread"
    if len(ratios) < _ENOUGH or not is_alike:
        # Calculations that are much cheaper or dearer than those to come say how fast the machine is, and no more.
        low, high = min(low, factor / _UNKNOWN), max(high, factor * _UNKNOWN)
    return Scaling(factor=factor, low=low, high=high, n=len(ratios), basis=basis)


def _ratios(store: SpectrumStore, calculator: Calculator, fidelity: str | None) -> Iterator[float]:
    """Yield measured over estimated time of the latest calculations."""
    query = SpectrumQuery(
        code=calculator.code,
        fidelity=fidelity,
        kind=DocumentKind.SITE,
        status=(Status.CONVERGED, Status.UNCONVERGED),
        sort="-created_at",
        limit=_MOST,
    )
    for document in store.query(query):
        measured = _measured(store, document)
        estimated = _estimated(calculator, document)
        if measured > 0 and estimated > 0:
            yield measured / estimated


def _measured(store: SpectrumStore, document: SpectrumDocument) -> float:
    """Return the wall time of the run that made a spectrum [s]; 0 where none is known, as of ingested ones."""
    records = store.records(document.id)
    # Certificates of convergence and files that were taken in have records too, and took no time of an engine.
    if not records or records[-1].activity != f"{document.code}-site":
        return 0.0
    return records[-1].wall_time


def _estimated(calculator: Calculator, document: SpectrumDocument) -> float:
    """Return what the formula says of a stored calculation [s]; 0 where it says nothing any more."""
    kind = type(calculator.parameters)
    # The identity holds more than parameters, e.g. checksums of pseudopotentials.
    values = {name: value for name, value in document.parameters.items() if name in kind.model_fields}
    try:
        absorber = Absorber(
            Structure.from_dict(dict(document.structure)),
            document.site_index or 0,
            Edge.parse(document.edge),
            multiplicity=document.multiplicity,
        )
        like: Calculator = replace(calculator, parameters=build_parameters(kind, values))  # type: ignore[type-var]  # every calculator is a frozen dataclass
        return like.estimate(absorber).cpu_time
    except (WhitelineError, KeyError, TypeError, ValueError):
        return 0.0
