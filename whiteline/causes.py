"""Why a calculation failed, in words that are counted, queried and acted upon."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Cause"]


class Cause(StrEnum):
    """What made a calculation fail, or kept it from converging.

    `SCF` potentials or density did not become self-consistent; `LANCZOS` a continued fraction did not converge;
    `SCREENING` the screening of the core hole; `MEMORY` memory ran out; `TIME_LIMIT` its time was over; `DISK_FULL`
    and `SCRATCH_LOST` tell of the disk of the run directory; `CRASH` the code ended by a signal or an error of its own;
    `WORKER_LOST` whoever computed it was not heard of again; `INPUT` the code cannot compute what was asked; `OUTPUT`
    its outputs are cut off or damaged; `SITES` an average lacks a site that failed; `SETUP` a program, package or file
    is missing where it ran, or another than where it was planned; `UNKNOWN` none of these.
    """

    SCF = "scf"
    LANCZOS = "lanczos"
    SCREENING = "screening"
    MEMORY = "memory"
    TIME_LIMIT = "time-limit"
    DISK_FULL = "disk-full"
    SCRATCH_LOST = "scratch-lost"
    CRASH = "crash"
    WORKER_LOST = "worker-lost"
    INPUT = "input"
    OUTPUT = "output"
    SITES = "sites"
    SETUP = "setup"
    UNKNOWN = "unknown"

    @property
    def is_of_machine(self) -> bool:
        """Whether the machine failed and not the calculation: tried again as it was, it may succeed elsewhere."""
        return self in (Cause.DISK_FULL, Cause.SCRATCH_LOST, Cause.WORKER_LOST, Cause.TIME_LIMIT, Cause.MEMORY)
