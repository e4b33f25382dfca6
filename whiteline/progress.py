"""Telling whoever watches how far a calculation is, without the calculation knowing who watches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

__all__ = ["Progress", "duration", "report", "watch"]


def duration(seconds: float) -> str:
    """Return a time in the unit that suits it.

    >>> duration(42.4), duration(600), duration(7200), duration(400000)
    ('42 s', '10 min', '2.0 h', '4.6 d')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 2 * 86400 else f"{seconds / 86400:.1f} d"


@dataclass(frozen=True)
class Progress:
    """One step of one calculation.

    Attributes:
        label: Which calculation, e.g. `anatase Ti0 K`.
        stage: What it does now, e.g. `potentials (SCF)`; `done`, `stored` or `failed` at its end.
        estimate: Expected CPU time of the whole calculation [s]; 0 when unknown.
    """

    label: str
    stage: str
    estimate: float = 0.0


_Sink = Callable[[Progress], None]
_sink: ContextVar[_Sink | None] = ContextVar("whiteline_progress", default=None)


def report(progress: Progress) -> None:
    """Tell the watcher, if there is one."""
    sink = _sink.get()
    if sink is not None:
        sink(progress)


@contextmanager
def watch(sink: _Sink) -> Iterator[None]:
    """Send what is reported inside the block to `sink`."""
    token = _sink.set(sink)
    try:
        yield
    finally:
        _sink.reset(token)
