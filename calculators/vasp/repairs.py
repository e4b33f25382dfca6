"""What is tried when VASP failed or its density did not converge: what custodian would change, as parameters of ours.

VASP is not run under custodian itself. Its job would start the program outside the process group that dies with us,
change INCAR and POSCAR in the run folder behind the inputs that are parsed and stored, and keep its own record of what
it did. Its handlers are knowledge that costs nothing to take: they are asked what they would change
(`whiteline.calculators.vasp.diagnosis`), and that becomes a rung like those of the other codes. What is lost are the
handlers that watch a run while it runs: a run that hangs takes its time limit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from whiteline.calculators.parameters import build_parameters
from whiteline.calculators.repairs import Attempt, Repair
from whiteline.calculators.vasp.diagnosis import read_diagnosis
from whiteline.calculators.vasp.parameters import OWN_TAGS, VaspParameters
from whiteline.errors import ParameterError

__all__ = ["find_repair"]

_MOST: Final = 5
# Tags that are parameters of ours.
_PARAMETERS: Final = {
    tag: tag.lower()
    for tag in ("ALGO", "EDIFF", "ENCUT", "LASPH", "LREAL", "NBANDS", "NELM", "PREC", "SIGMA", "SYMPREC")
}
# Nothing moves in these runs.
_OF_IONS: Final = frozenset({"EDIFFG", "IBRION", "ISIF", "NFREE", "NSW", "POTIM", "SMASS"})
# What decides how a density is found, and on how many processes, not which.
_NUMERICAL: Final = frozenset(
    {"ALGO", "AMIN", "AMIX", "AMIX_MAG", "BMIX", "BMIX_MAG", "EDIFF", "ICHARG", "IMIX", "INIMIX", "ISEARCH", "ISTART"}
    | {"ISYM", "KPAR", "LPLANE", "MAXMIX", "MIXPRE", "NCORE", "NELM", "NELMDL", "NELMIN", "NPAR", "NSIM", "SYMPREC"}
    | {"TIME", "WC", "LSCALAPACK", "LSCALU"}
)


def find_repair(parameters: VaspParameters, attempts: Sequence[Attempt]) -> Repair | None:
    """Return the next change that custodian would make and that our parameters can say; None when nothing is left.

    Its handlers count how often they met an error; what they would do next was written down at the first time.
    """
    repairs = [attempt.repair for attempt in attempts if attempt.repair is not None]
    cause = attempts[-1].cause
    if cause is None or len(repairs) >= _MOST:
        return None
    before = repairs[-1] if repairs else None
    tried = {repair.name for repair in repairs}
    for errors, tags in _suggestions(attempts):
        changes = {**(before.changes if before else {}), **_changes(tags, parameters, before)}
        name = f"custodian {errors}: {' '.join(f'{tag} {value}' for tag, value in tags.items())}"
        if changes and name not in tried:
            is_physical = not set(tags) <= _NUMERICAL or (before is not None and before.is_physical)
            return Repair(name, cause, changes, is_physical=is_physical)
    return None


def _suggestions(attempts: Sequence[Attempt]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield errors and tags: of the last attempt's error, what was suggested first and was not tried, then the rest."""
    last = read_diagnosis(attempts[-1].reason)
    if last is None:
        return
    found = [diagnosis for attempt in attempts if (diagnosis := read_diagnosis(attempt.reason)) is not None]
    for diagnosis in found:
        if diagnosis.errors == last.errors:
            for tags in diagnosis.ladder:
                usable = {tag: value for tag, value in tags.items() if _is_usable(tag)}
                if usable:
                    yield ", ".join(diagnosis.errors), usable


def _is_usable(tag: str) -> bool:
    return tag not in _OF_IONS and (tag in _PARAMETERS or tag not in OWN_TAGS)


def _changes(tags: Mapping[str, Any], parameters: VaspParameters, before: Repair | None) -> dict[str, Any]:
    """Return the parameters that say the tags; a value that a parameter does not take is left out."""
    changes: dict[str, Any] = {}
    others = dict((before.changes if before else {}).get("incar", parameters.incar))
    for tag, value in tags.items():
        name = _PARAMETERS.get(tag)
        if name is None:
            others[tag] = value
        elif _takes(parameters, name, value):
            changes[name] = value
    if others != parameters.incar:
        changes["incar"] = others
        if parameters.site_alignment == "total_energy":
            # The two total energies are compared.
            changes["ground_state_incar"] = {**parameters.ground_state_incar, **others}
    return {name: value for name, value in changes.items() if getattr(parameters, name) != value}


def _takes(parameters: VaspParameters, name: str, value: Any) -> bool:
    given = parameters.model_dump(mode="json", exclude_unset=True)
    try:
        build_parameters(VaspParameters, {**given, name: value})
    except ParameterError:
        return False
    return True
