"""What custodian's handlers find in a VASP run that went wrong, and would change.

The handlers are let loose on a copy of the inputs: what they would do is written down, and nothing is done here. The
same error again makes them change something else, so that a handler is asked until it knows no more.
"""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from whiteline.causes import Cause

__all__ = ["Diagnosis", "diagnose", "read_diagnosis"]

_MARK: Final = "custodian finds "
_MISSING: Final = "custodian, which knows what helps, is not installed: pip install 'whiteline[vasp]'"
_INPUTS: Final = ("INCAR", "KPOINTS", "POSCAR")
_OUTPUTS: Final = ("OUTCAR", "OSZICAR", "vasprun.xml")
_MOST: Final = 5
_OF_DENSITY: Final = frozenset(
    {"Positive energy", "Unconverged", "amin", "brmix", "edddav", "eddiag", "eddrmm", "grad_not_orth", "pdsyevx"}
    | {"pssyevx", "subspacematrix", "zbrent", "zheev", "zpotrf"}
)


class ErrorHandler(Protocol):
    """What is used of custodian's class of that name, which has no types."""

    def check(self, directory: str) -> bool:
        """Return whether the output in a folder has an error that it knows."""

    def correct(self, directory: str) -> dict[str, Any]:
        """Change the inputs there, and return errors and actions."""


@dataclass(frozen=True)
class Diagnosis:
    """An error and the changes against it.

    Attributes:
        errors: Custodian's names of what it found.
        ladder: Tags of the INCAR that it would set, JSON-ready; each change takes the place of the one before.
    """

    errors: tuple[str, ...]
    ladder: tuple[Mapping[str, Any], ...] = ()

    @property
    def cause(self) -> Cause | None:
        """What the errors come to; None where they say little."""
        if "out_of_memory" in self.errors:
            return Cause.MEMORY
        return Cause.SCF if _OF_DENSITY & set(self.errors) else None

    @property
    def words(self) -> str:
        """The diagnosis as it stands in a reason."""
        if not self.errors:
            return _MISSING
        return _MARK + json.dumps({", ".join(self.errors): [dict(tags) for tags in self.ladder]})


def diagnose(folder: Path, *, log: str) -> Diagnosis | None:
    """Return what custodian finds in a run; None where it finds nothing, and no errors where it is not installed."""
    try:
        from custodian.vasp import handlers
    except ImportError:
        return Diagnosis(())
    found: list[ErrorHandler] = [handlers.UnconvergedErrorHandler(), handlers.PositiveEnergyErrorHandler()]
    if (folder / log).is_file():
        of_log = (handlers.VaspErrorHandler, handlers.StdErrHandler)
        found = [*(handler(output_filename=log) for handler in of_log), *found]
    with tempfile.TemporaryDirectory() as name, _in_silence():
        copy = Path(name)
        _copy(folder, copy, log)
        for handler in found:
            try:
                if handler.check(str(copy)):
                    return _ask(handler, copy)
            except Exception as error:  # noqa: BLE001  # a handler of others must not hide why VASP itself failed
                return Diagnosis((f"{type(handler).__name__}: {error}",))
    return None


def read_diagnosis(reason: str) -> Diagnosis | None:
    """Return the diagnosis that stands in a reason; None where there is none."""
    start = reason.find(_MARK)
    if start < 0:
        return None
    (errors, ladder), *_ = json.JSONDecoder().raw_decode(reason, start + len(_MARK))[0].items()
    return Diagnosis(tuple(errors.split(", ")), tuple(ladder))


def _ask(handler: ErrorHandler, copy: Path) -> Diagnosis:
    from pymatgen.io.vasp.inputs import Incar

    errors: tuple[str, ...] = ()
    ladder: list[Mapping[str, Any]] = []
    asked = dict(Incar.from_file(copy / "INCAR"))
    while len(ladder) < _MOST and handler.check(str(copy)):
        found = handler.correct(str(copy))
        errors = errors or tuple(sorted(found["errors"]))
        now = dict(Incar.from_file(copy / "INCAR"))
        changes = {tag: value for tag, value in now.items() if asked.get(tag) != value}
        if not found["actions"] or not changes or changes in ladder:
            break
        ladder.append(changes)
    return Diagnosis(errors, tuple(ladder))


def _copy(folder: Path, copy: Path, log: str) -> None:
    for name in (*_INPUTS, log):
        if (folder / name).is_file():
            shutil.copyfile(folder / name, copy / name)
    for name in _OUTPUTS:
        if (folder / name).is_file():
            # These may be large, and the handlers only read them.
            (copy / name).symlink_to((folder / name).absolute())


@contextmanager
def _in_silence() -> Iterator[None]:
    """Keep the handlers from telling on the terminal what is told in the reason."""
    loggers = [logging.getLogger(name) for name in ("VaspErrorHandler", "StdErrHandler")]
    before = [logger.disabled for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.disabled = True
        try:
            yield
        finally:
            for logger, was in zip(loggers, before, strict=True):
                logger.disabled = was
