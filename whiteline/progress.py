"""Telling whoever watches how far a calculation is, without the calculation knowing who watches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

__all__ = ["Progress", "report", "watch"]


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
