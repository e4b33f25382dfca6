"""Everything Whiteline raises on purpose.

    WhitelineError
    ├── InputError(ValueError)              what the user gave cannot be used
    │   ├── StructureError                  a crystal structure
    │   ├── ParameterError                  a parameter, a name or a setting
    │   └── UnitError                       a conversion that lacks what it needs
    ├── ParseError(ValueError)              an output file is not what its code writes
    │   └── LineageCycleError               records say that something came from itself
    ├── CalculationError(RuntimeError)      a code did not finish; names code, stage and log
    ├── MissingDependencyError(ImportError) an optional package, executable or key is absent
    └── StoreError(OSError)                 the database cannot be read or written
        ├── CorruptStoreError
        └── SchemaVersionError              written by a newer Whiteline, or needs a migration

Every message says what was expected, what came, where, and what to do. A calculation that runs but does not
converge is no error: it is a stored status (`whiteline.status`).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "CalculationError",
    "CorruptStoreError",
    "InputError",
    "LineageCycleError",
    "MissingDependencyError",
    "ParameterError",
    "ParseError",
    "SchemaVersionError",
    "StoreError",
    "StructureError",
    "UnitError",
    "WhitelineError",
    "did_you_mean",
]


class WhitelineError(Exception):
    """Root of the tree: catch this to catch every error that Whiteline raises on purpose."""


class InputError(WhitelineError, ValueError):
    """What the user gave cannot be used."""


class StructureError(InputError):
    """A crystal structure is missing, unreadable or unphysical."""


class ParameterError(InputError):
    """A parameter, name or setting is unknown or out of range."""


class UnitError(InputError):
    """A unit conversion lacks a factor, a volume or an absolute energy."""


class ParseError(WhitelineError, ValueError):
    """An output file is not what its code writes: truncated, of another code, or damaged."""


class LineageCycleError(ParseError):
    """Records say that something came from itself: they were edited."""


class CalculationError(WhitelineError, RuntimeError):
    """A code was started and did not finish."""


class MissingDependencyError(WhitelineError, ImportError):
    """An optional package, an executable or a key is absent; the message says how to get it."""


class StoreError(WhitelineError, OSError):
    """The database cannot be opened, read or written."""


class CorruptStoreError(StoreError):
    """The database file is damaged or is not a Whiteline database."""


class SchemaVersionError(StoreError):
    """The database or a document was written by a newer Whiteline, or by an older one and must be migrated first."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a hint with the nearest known name, or the list of known names.

    >>> did_you_mean("fms_radios", ["fms_radius", "scf_radius"])
    "did you mean 'fms_radius'?"
    >>> did_you_mean("q", ["K", "L3"])
    'known: K, L3'
    """
    names = {candidate.lower(): candidate for candidate in known}
    nearest = difflib.get_close_matches(name.lower(), names, n=1)
    return f"did you mean {names[nearest[0]]!r}?" if nearest else f"known: {', '.join(names.values())}"
