"""What a campaign will cost, before anything runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Self

from whiteline.database.queue.tasks import TaskKind
from whiteline.database.store import SpectrumStore
from whiteline.progress import duration
from whiteline.workflows.campaign.analysis import Draft
from whiteline.workflows.campaign.definition import CampaignDefinition
from whiteline.workflows.campaign.history import Scaling
from whiteline.workflows.campaign.requests import SpectraRequest
from whiteline.workflows.plan import Problem

__all__ = ["Band", "Price", "RequestPrice", "Tally", "make_price"]

# Of what is stored with the campaign; the number of all is there as well.
_MOST_PROBLEMS: Final = 200
# Bytes of a spectrum with its inputs, logs and record where the store has too few to tell: what FEFF leaves.
_BYTES: Final = 25_000.0


@dataclass(frozen=True)
class Band:
    """A time [s] with its uncertainty: the calculations that it rests on lie between `low` and `high` to two thirds."""

    low: float = 0.0
    expected: float = 0.0
    high: float = 0.0

    def __add__(self, other: Band) -> Band:
        return Band(self.low + other.low, self.expected + other.expected, self.high + other.high)

    def __truediv__(self, divisor: float) -> Band:
        return Band(self.low / divisor, self.expected / divisor, self.high / divisor)


@dataclass(frozen=True, kw_only=True)
class RequestPrice:
    """What one request of a campaign comes to. A site that two ask for counts for the first.

    Attributes:
        title: What is asked for, e.g. `Ti, Cu K by feff:fast`.
        fidelity: Level of theory of what will be stored.
        n_materials: Crystals; `n_sites` inequivalent sites of them.
        n_stored: Sites whose spectrum is there already.
        n_queued: Sites that are in the queue already, of this or another campaign, and not in the store.
        n_new: Sites that are in neither.
        core_time: Core time of the sites that are not stored [s]; `queued_core_time` the part of `n_queued`.
        longest: Expected wall time of the longest site [s], `longest_at_most` with its uncertainty, and
            `longest_label` which it is.
        memory: Largest memory of a site [MB]; 0 when unknown.
        most_cores: Most cores that a site takes.
        basis: What the times rest on.
    """

    title: str
    fidelity: str
    n_materials: int
    n_sites: int
    n_stored: int
    n_queued: int
    n_new: int
    core_time: Band
    queued_core_time: Band
    longest: float
    longest_at_most: float
    longest_label: str
    memory: float
    most_cores: int
    basis: str


@dataclass(frozen=True, kw_only=True)
class Price:
    """What a campaign comes to; JSON-ready by `to_dict`.

    Attributes:
        requests: One for each table `[[spectra]]`.
        n_structures: Crystals that were read.
        n_problems: Crystals, or elements of them, that cannot be computed; `problems` the first of them.
        core_time: Core time of all that is not stored [s]; `queued_core_time` the part that is queued already.
        wall_time: Wall time with the workers that the file asks for, without any wait for them [s].
        disk_bytes: What the new spectra will take in the store.
        warnings: What does not go together: budget, wall time of workers, memory.
    """

    requests: tuple[RequestPrice, ...]
    n_structures: int
    n_problems: int
    problems: tuple[Problem, ...]
    core_time: Band
    queued_core_time: Band
    wall_time: Band
    disk_bytes: float
    warnings: tuple[str, ...] = ()

    def total(self, name: str) -> int:
        """Return a number, such as `n_sites`, of all requests together."""
        return sum(getattr(request, name) for request in self.requests)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Rebuild what `to_dict` wrote; what else is there is left alone."""
        return cls(
            requests=tuple(RequestPrice(**_with_bands(request)) for request in data["requests"]),
            problems=tuple(Problem(**problem) for problem in data["problems"]),
            warnings=tuple(data["warnings"]),
            **_with_bands({name: data[name] for name in _PLAIN_FIELDS}),
        )


_PLAIN_FIELDS: Final = ("n_structures", "n_problems", "core_time", "queued_core_time", "wall_time", "disk_bytes")


def _with_bands(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return values with those that are bands as such."""
    return {name: Band(**value) if isinstance(value, Mapping) else value for name, value in data.items()}


@dataclass
class Tally:
    """Counts what one request comes to while its tasks go by.

    Attributes:
        request: The request.
        scaling: What its estimates are multiplied by.
        n_wanted: Spectra that will be new in the store, averages included.
    """

    request: SpectraRequest
    scaling: Scaling
    n_materials: int = 0
    n_sites: int = 0
    n_stored: int = 0
    n_queued: int = 0
    n_wanted: int = 0
    core_time: Band = field(default_factory=Band)
    queued_core_time: Band = field(default_factory=Band)
    longest: float = 0.0
    longest_at_most: float = 0.0
    longest_label: str = ""
    memory: float = 0.0
    most_cores: int = 0

    def wall_time(self, draft: Draft) -> Band:
        """Return what a task takes on its cores [s]."""
        if draft.task.kind is TaskKind.AVERAGE:
            return Band()
        most = draft.most or float("inf")
        scaling, alone = self.scaling, draft.cpu_time / draft.task.cores
        return Band(*(min(most, alone * factor) for factor in (scaling.low, scaling.factor, scaling.high)))

    def add(self, draft: Draft, *, is_stored: bool, is_queued: bool) -> None:
        """Count a task that no request before asked for."""
        self.n_wanted += not is_stored
        if draft.task.kind is TaskKind.AVERAGE:
            self.n_materials += 1
            return
        self.n_sites += 1
        if is_stored:
            self.n_stored += 1
            return
        wall, cores = self.wall_time(draft), draft.task.cores
        spent = Band(wall.low * cores, wall.expected * cores, wall.high * cores)
        self.core_time += spent
        if is_queued:
            self.n_queued += 1
            self.queued_core_time += spent
        if wall.expected > self.longest:
            self.longest, self.longest_at_most, self.longest_label = wall.expected, wall.high, draft.task.label
        self.memory, self.most_cores = max(self.memory, draft.task.memory), max(self.most_cores, cores)

    def price(self) -> RequestPrice:
        """Return what it came to."""
        request = self.request
        words = f"{', '.join(request.absorbers)} {', '.join(request.edges)} by {request.fidelity}"
        names = ("n_materials", "n_sites", "n_stored", "n_queued", "core_time", "queued_core_time")
        more = ("longest", "longest_at_most", "longest_label", "memory", "most_cores")
        return RequestPrice(
            title=f"{words}, converged" if request.converge is not None else words,
            fidelity=request.stored_fidelity,
            n_new=self.n_sites - self.n_stored - self.n_queued,
            basis=self.scaling.basis,
            **{name: getattr(self, name) for name in (*names, *more)},
        )


def make_price(
    definition: CampaignDefinition,
    tallies: Sequence[Tally],
    *,
    n_structures: int,
    problems: Sequence[Problem],
    store: SpectrumStore,
) -> Price:
    """Return what the counted tasks come to with the workers and the budget of a campaign."""
    requests = tuple(tally.price() for tally in tallies)
    core_time, queued = Band(), Band()
    for request in requests:
        core_time, queued = core_time + request.core_time, queued + request.queued_core_time
    workers = definition.workers
    wall = core_time / (workers.count * workers.cores)
    # However many cores there are, the longest calculation has to end.
    longest = max((request.longest for request in requests), default=0.0)
    shortest = longest / wall.expected if wall.expected else 0.0
    n_spectra = sum(tally.n_wanted for tally in tallies)
    return Price(
        requests=requests,
        n_structures=n_structures,
        n_problems=len(problems),
        problems=tuple(problems[:_MOST_PROBLEMS]),
        core_time=core_time,
        queued_core_time=queued,
        wall_time=wall if shortest < 1 else Band(*(value * shortest for value in (wall.low, wall.expected, wall.high))),
        disk_bytes=n_spectra * _bytes_each(store),
        warnings=tuple(_warnings(definition, requests, core_time)),
    )


def _bytes_each(store: SpectrumStore) -> float:
    status = store.status()
    # A store of a few spectra is mostly empty tables.
    return status.size_bytes / status.n_spectra if status.n_spectra >= 100 else _BYTES


def _warnings(definition: CampaignDefinition, requests: Sequence[RequestPrice], core_time: Band) -> list[str]:
    workers, found = definition.workers, []
    if definition.budget is not None and core_time.high > definition.budget:
        share = definition.budget / core_time.expected
        hours = f"{definition.budget / 3600:.4g} core hours"
        found.append(
            f"the budget of {hours} ends after about {share:.0%} of the work: raise it, or ask for less"
            if share < 1
            else f"the budget of {hours} may not be enough: {core_time.high / 3600:.4g} are not unlikely"
        )
    for request in requests:
        longest = f"{request.longest_label} ({request.fidelity})"
        if workers.walltime is not None and request.longest_at_most > workers.walltime:
            verb = "is" if request.longest > workers.walltime else "may be"
            found.append(
                f"a worker's {duration(workers.walltime)} {verb} too short for {longest}, which takes about "
                f"{duration(request.longest)}: raise workers.walltime"
            )
        share_of_memory = None if workers.memory is None else workers.memory * request.most_cores / workers.cores
        if share_of_memory is not None and request.memory > share_of_memory:
            found.append(
                f"a site by {request.fidelity} takes {request.memory:.0f} MB, and a worker has {share_of_memory:.0f} "
                "MB for it: raise workers.memory, or workers.cores_per_task so that fewer run side by side"
            )
    return found
