"""The FEFF runs that a calculation consists of: one for each part of the edge and each channel of the spin.

FEFF10 holds both spins at once (its parameter nspx is 2), and with that its cards mean (measured on the wheel,
`tests/calculators/feff/test_spin.py`):

| cards | content of xmu.dat | channel |
|---|---|---|
| `SPIN 2` | share of photoelectrons with spin up; without moments it is half of the spectrum | up |
| `SPIN -2` | share of those with spin down | down |
| `SPIN 1` | mean over polarisations | mean |
| `SPIN 1`, `XMCD` | helicity +1 minus helicity -1, both along the spins | difference |

The spins are along z. `SPIN -1` gives what `SPIN 1` gives; turning the crystal's magnetisation round is a matter of
the moments (`spinph` of the POTENTIALS card). Time reversal demands that the mean stays and the difference changes
its sign; FEFF keeps to that at K edges but, where the core level has an orbital moment, only approximately (at Fe L3
a difference of a seventh of the mean is left without any moment). Both are therefore computed for either direction
and the forbidden part is removed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from whiteline.calculators.feff.parameters import SpinMode
from whiteline.edges import Edge

__all__ = ["Channel", "SubRun", "plan_runs"]


class Channel(StrEnum):
    """What of the spectrum one run computes."""

    ALL = ""
    UP = "up"
    DOWN = "down"
    MEAN = "mean"
    DIFFERENCE = "difference"
    MEAN_REVERSED = "mean-reversed"
    DIFFERENCE_REVERSED = "difference-reversed"

    @property
    def cards(self) -> tuple[str, ...]:
        """The cards that ask FEFF for it."""
        return _CARDS[self]

    @property
    def moment_sign(self) -> int:
        """Sign of the moments in it."""
        return -1 if self in (Channel.MEAN_REVERSED, Channel.DIFFERENCE_REVERSED) else 1


_CARDS = {
    Channel.ALL: (),
    Channel.UP: ("SPIN 2",),
    Channel.DOWN: ("SPIN -2",),
    Channel.MEAN: ("SPIN 1",),
    Channel.DIFFERENCE: ("XMCD", "SPIN 1"),
    Channel.MEAN_REVERSED: ("SPIN 1",),
    Channel.DIFFERENCE_REVERSED: ("XMCD", "SPIN 1"),
}
_CHANNELS = {
    SpinMode.NONE: (Channel.ALL,),
    SpinMode.SPXAS: (Channel.UP, Channel.DOWN),
    SpinMode.XMCD: (Channel.MEAN, Channel.DIFFERENCE, Channel.MEAN_REVERSED, Channel.DIFFERENCE_REVERSED),
}


@dataclass(frozen=True)
class SubRun:
    """One run of FEFF.

    Attributes:
        edge: The part of the edge.
        channel: What of its spectrum.
        folder: Folder inside the run directory; empty for that directory itself.
    """

    edge: Edge
    channel: Channel
    folder: str

    def path(self, name: str) -> str:
        """Return the path of a file inside the run directory."""
        return f"{self.folder}/{name}" if self.folder else name


def plan_runs(edge: Edge, spin: SpinMode) -> tuple[SubRun, ...]:
    """Return the runs of a calculation, in the order of the parts of the edge.

    >>> [run.folder for run in plan_runs(Edge.L23, SpinMode.SPXAS)]
    ['L3/up', 'L3/down', 'L2/up', 'L2/down']
    >>> [run.path("feff.inp") for run in plan_runs(Edge.K, SpinMode.NONE)]
    ['feff.inp']
    """
    parts = edge.parts
    return tuple(
        SubRun(part, channel, "/".join(filter(None, (part.value if len(parts) > 1 else "", channel.value))))
        for part in parts
        for channel in _CHANNELS[spin]
    )
