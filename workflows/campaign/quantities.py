"""Times as people write them in campaign files."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from pydantic import BeforeValidator

from whiteline.errors import ParameterError

__all__ = ["CoreTime", "Duration", "parse_core_time", "parse_duration"]

_UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_NUMBER: Final = r"(\d+(?:\.\d*)?|\.\d+)"
_UNIT: Final = r"(s|sec|seconds?|m|min|minutes?|h|hours?|d|days?)"
_DURATION: Final = re.compile(rf"{_NUMBER}\s*{_UNIT}", re.IGNORECASE)
# What SLURM calls a time: days-hours:minutes:seconds.
_CLOCK: Final = re.compile(r"(?:(\d+)-)?(\d+):(\d\d):(\d\d)")
_CORE_TIME: Final = re.compile(rf"{_NUMBER}\s*core[ -]?{_UNIT}", re.IGNORECASE)
# s; thirty years, as for the time limits of settings, and of a thousand cores.
_LONGEST: Final = 1.0e9
_MOST_CORE_TIME: Final = 1.0e12


def parse_duration(value: Any) -> float:
    """Return seconds.

    >>> parse_duration("2 h"), parse_duration("90min"), parse_duration("1 d"), parse_duration("1-02:30:00")
    (7200.0, 5400.0, 86400.0, 95400.0)

    Raises:
        ParameterError: It is no time above zero, or has no unit.
    """
    text = value.strip() if isinstance(value, str) else ""
    if match := _DURATION.fullmatch(text):
        seconds = _seconds(match[1], match[2])
    elif match := _CLOCK.fullmatch(text):
        days, *rest = (int(part or 0) for part in match.groups())
        seconds = 86400.0 * days + sum(n * unit for n, unit in zip(rest, (3600, 60, 1), strict=True))
    else:
        raise ParameterError(f'expected a time with its unit such as "45 min", "2 h" or "1 d", got {value!r}')
    return _limited(seconds, value, _LONGEST)


def parse_core_time(value: Any) -> float:
    """Return core seconds.

    >>> parse_core_time("500 core hours"), parse_core_time("1.5 core-days")
    (1800000.0, 129600.0)

    Raises:
        ParameterError: It is no core time above zero.
    """
    match = _CORE_TIME.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ParameterError(
            f'expected core time such as "500 core hours", "3 core days" or "20 core minutes", got {value!r}'
        )
    return _limited(_seconds(match[1], match[2]), value, _MOST_CORE_TIME)


def _seconds(number: str, unit: str) -> float:
    return float(number) * _UNITS[unit[0].lower()]


def _limited(seconds: float, value: Any, longest: float) -> float:
    if not 0 < seconds <= longest:
        raise ParameterError(f"expected a time above 0 and up to {longest / 86400:.0f} days, got {value!r}")
    return seconds


Duration = Annotated[float, BeforeValidator(parse_duration)]
CoreTime = Annotated[float, BeforeValidator(parse_core_time)]
