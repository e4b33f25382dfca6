"""Running one calculation, and trying again with what its code knows to help, until it converges or nothing is left."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from whiteline.absorber import Absorber
from whiteline.calculators.interface import Calculator, Outcome, RunReport
from whiteline.calculators.ladders import with_values
from whiteline.calculators.process import cause_of_end
from whiteline.calculators.repairs import Attempt, Repair
from whiteline.causes import Cause
from whiteline.errors import CalculationError, InputError, ParseError, StoreError
from whiteline.fingerprint import content_hash
from whiteline.progress import Progress, report
from whiteline.provenance import cached_checksum, content_checksum, executable_checksums
from whiteline.status import Check, Status
from whiteline.workflows.run_folders import RunFolders, TakenFolder, write_files
from whiteline.workflows.workspace import NO_ROOM, Workspace

__all__ = ["Calculation", "Trial", "calculate"]


@dataclass(eq=False)
class Trial:
    """One attempt, filled in as it gets on, so that an error on the way leaves what was reached.

    Attributes:
        repair: What was changed for it; None for the calculation as it was asked for.
        calculator: The calculator with that change.
        folder: Its run directory.
        inputs: Texts of its input files.
        run: How the run went.
        seconds: Wall time of the run [s].
        outcome: What the run directory says.
        checksums: Checksums of the output files that it says it from.
        potentials: Checksums of the files that were copied beside the inputs.
        executables: Checksums of the programs that ran, by their names.
        is_adopted: Whether the run was that of a process that died after it.
        is_continued: Whether it went on from what an interrupted run had left.
    """

    repair: Repair | None
    calculator: Calculator
    folder: Path
    inputs: Mapping[str, str] = field(default_factory=dict)
    run: RunReport = field(default_factory=RunReport)
    seconds: float = 0.0
    outcome: Outcome = field(default_factory=lambda: Outcome(Status.FAILED))
    checksums: Mapping[str, str] = field(default_factory=dict)
    potentials: Mapping[str, str] = field(default_factory=dict)
    executables: Mapping[str, str] = field(default_factory=dict)
    is_adopted: bool = False
    is_continued: bool = False

    @property
    def cause(self) -> Cause | None:
        """Why it did not converge; None where it did."""
        return None if self.outcome.status is Status.CONVERGED else self.outcome.cause or Cause.UNKNOWN

    @property
    def attempt(self) -> Attempt:
        """What the ladder of the code is told of it."""
        return Attempt(self.repair, self.outcome.status.value, self.cause, self.outcome.reason, self.seconds)

    def to_dict(self) -> dict[str, Any]:
        """Return what records keep of it, JSON-ready."""
        return {
            "repair": "" if self.repair is None else self.repair.name,
            "changes": _changes(self.repair),
            "status": self.outcome.status.value,
            "cause": None if self.cause is None else self.cause.value,
            "reason": self.outcome.reason,
            "seconds": round(self.seconds, 3),
            **({"adopted": True} if self.is_adopted else {}),
            **({"continued": True} if self.is_continued else {}),
        }


@dataclass(frozen=True, eq=False)
class Calculation:
    """A calculation with all its attempts.

    Attributes:
        chosen: The attempt whose result counts.
        outcome: That result as it is stored, with a word on what was tried.
        trials: All attempts, in order.
    """

    chosen: Trial
    outcome: Outcome
    trials: tuple[Trial, ...]

    @property
    def seconds(self) -> float:
        """Wall time inside the code, all attempts together [s]."""
        return sum(trial.seconds for trial in self.trials)

    @property
    def attempts(self) -> tuple[dict[str, Any], ...]:
        """The attempts as records keep them; none where the first and only one ran here as a whole and converged."""
        only = self.chosen
        if len(self.trials) == 1 and only.cause is None and not (only.is_adopted or only.is_continued):
            return ()
        return tuple(trial.to_dict() for trial in self.trials)


def calculate(
    absorber: Absorber, calculator: Calculator, workspace: Workspace, folders: RunFolders, *, label: str
) -> Calculation:
    """Run, parse and repair; whatever goes wrong with this site becomes its status and reaches no other site.

    Raises:
        StoreError: The run directory cannot be used.
        MissingDependencyError: A program or a file that the calculation needs is not on this machine.
    """
    attempts = _Attempts(absorber, calculator, workspace, folders, label)
    trials = [attempts.make(None)]
    while (repair := _next_repair(absorber, calculator, trials, most=workspace.most_repairs)) is not None:
        trials.append(attempts.make(repair, after=trials[-1].folder if repair.continues else None))
    return _conclude(trials)


def _changes(repair: Repair | None) -> dict[str, Any]:
    return {} if repair is None else dict(repair.changes)


def _next_repair(absorber: Absorber, calculator: Calculator, trials: Sequence[Trial], *, most: int) -> Repair | None:
    cause = trials[-1].cause
    if cause is None or len(trials) > most:
        return None
    if cause.is_of_machine and cause is not Cause.MEMORY:
        # Other parameters make no room and no time; whoever asks again goes on from what is there.
        return None
    return calculator.repair(absorber, [trial.attempt for trial in trials])


@dataclass
class _Attempts:
    """The attempts of one calculation, one after the other."""

    absorber: Absorber
    calculator: Calculator
    workspace: Workspace
    folders: RunFolders
    label: str
    n_folders: int = 0

    def make(self, repair: Repair | None, *, after: Path | None = None) -> Trial:
        """Make one attempt, in the folder of the one before where it goes on from there."""
        if after is not None:
            return self._try(repair, TakenFolder(after, is_continued=True))
        self.n_folders += 1
        with self.workspace.usable():
            taken = self.folders.take(self.n_folders, _changes(repair), self.calculator.can_continue)
        trial = self._try(repair, taken)
        if trial.is_adopted and trial.outcome.status is Status.FAILED:
            with self.workspace.usable():
                taken = self.folders.renew(self.n_folders)
            return self._try(repair, taken)
        return trial

    def _try(self, repair: Repair | None, taken: TakenFolder) -> Trial:
        is_adopted = taken.report is not None
        trial = Trial(repair, self.calculator, taken.path, is_adopted=is_adopted, is_continued=taken.is_continued)
        try:
            if changes := _changes(repair):
                trial.calculator = with_values(self.calculator, changes)
            trial.inputs = trial.calculator.inputs(self.absorber)
            if taken.report is not None:
                _check_inputs(trial, taken.inputs_id)
                self._identify(trial, trial.calculator.files(self.absorber))
                trial.run, trial.seconds = taken.report, taken.seconds
            else:
                self._run(trial)
            trial.outcome = self._read(trial)
        except StoreError:
            raise
        except (InputError, ParseError, CalculationError, OSError) as error:
            reason = f"{self.calculator.code}: {error}"
            trial.outcome = Outcome(Status.FAILED, reason=reason, cause=self._cause_of(error, trial.folder))
        return trial

    def _run(self, trial: Trial) -> None:
        files = trial.calculator.files(self.absorber)
        write_files(trial.folder, trial.inputs, files)
        self._identify(trial, files)
        self.folders.note(trial.folder, _changes(trial.repair))
        estimate = trial.calculator.estimate(self.absorber).cpu_time
        mark = "" if trial.repair is None else f", {trial.repair.name}"
        self._tell(f"inputs{mark}", estimate)
        started = time.monotonic()
        try:
            trial.run = trial.calculator.run(
                trial.folder, on_stage=lambda stage: self._tell(f"{stage}{mark}", estimate)
            )
        finally:
            trial.seconds = time.monotonic() - started
        inputs_id = content_hash(trial.inputs)
        changes = _changes(trial.repair)
        self.folders.note(trial.folder, changes, trial.run, seconds=trial.seconds, inputs_id=inputs_id)

    def _identify(self, trial: Trial, files: Mapping[str, Path]) -> None:
        """Take down what is read and started, before it starts: hours later there may be another in its place."""
        trial.potentials = {name: cached_checksum(path) for name, path in files.items()}
        trial.executables = executable_checksums(trial.calculator.programs)

    def _tell(self, stage: str, estimate: float) -> None:
        report(Progress(self.label, stage, estimate))

    def _read(self, trial: Trial) -> Outcome:
        failure = trial.run.failure
        if failure:
            cause = trial.run.cause or cause_of_end(failure)
            if cause is not Cause.TIME_LIMIT and self.workspace.has_full_disk:
                cause = Cause.DISK_FULL
            return Outcome(Status.FAILED, reason=f"{self.calculator.code}: {failure}", cause=cause)
        outcome = trial.calculator.parse(trial.folder, self.absorber)
        trial.checksums = {name: content_checksum((trial.folder / name).read_bytes()) for name in outcome.output_files}
        return outcome

    def _cause_of(self, error: Exception, folder: Path) -> Cause:
        if not folder.is_dir():
            return Cause.SCRATCH_LOST
        if getattr(error, "errno", None) in NO_ROOM or self.workspace.has_full_disk:
            return Cause.DISK_FULL
        if isinstance(error, InputError):
            return Cause.INPUT
        return Cause.OUTPUT if isinstance(error, ParseError) else Cause.UNKNOWN


def _check_inputs(trial: Trial, inputs_id: str) -> None:
    """Refuse the run of another version of Whiteline: the record tells of inputs as they are written now."""
    if content_hash(trial.inputs) != inputs_id:
        raise ParseError(f"{trial.folder} was run with other inputs than are written now: it runs again")


def _conclude(trials: Sequence[Trial]) -> Calculation:
    """Choose the first attempt that converged; else what was asked for, if it has a spectrum, else any that has one.

    Without a spectrum the first failure counts, but where the machine failed the last: there it goes on.
    """
    first, last = trials[0], trials[-1]
    failed = last if last.cause is not None and last.cause.is_of_machine else first
    converged = (trial for trial in trials if trial.outcome.status is Status.CONVERGED)
    with_spectrum = (trial for trial in trials if trial.outcome.status.has_spectrum)
    chosen = next(converged, None) or next(with_spectrum, None) or failed
    outcome = _told(chosen, trials)
    if len(trials) > 1:
        outcome = replace(outcome, checks=(*outcome.checks, *map(_check, range(len(trials)), trials)))
    return Calculation(chosen, outcome, tuple(trials))


def _told(chosen: Trial, trials: Sequence[Trial]) -> Outcome:
    """Return the outcome of the chosen attempt as that of the calculation that was asked for."""
    outcome, first, repair = chosen.outcome, trials[0], chosen.repair
    if chosen.run.failure:
        # The folders of other attempts are not kept.
        outcome = replace(outcome, reason=f"{outcome.reason} (see {chosen.folder})")
    if repair is not None and (repair.is_physical or chosen.cause is not None):
        status = Status.UNCONVERGED if outcome.status.has_spectrum else Status.FAILED
        reason = f"not as asked for but with {repair.name}, since {first.outcome.reason}"
        reason = f"{outcome.reason}; {reason}" if outcome.reason else reason
        return replace(outcome, status=status, reason=reason, cause=chosen.cause or first.cause)
    tried = ", ".join(trial.repair.name for trial in trials if trial.repair is not None)
    reason = f"{outcome.reason}; tried in vain: {tried}" if chosen.cause is not None and tried else outcome.reason
    return replace(outcome, reason=reason, cause=chosen.cause)


def _check(n: int, trial: Trial) -> Check:
    name = "as asked for" if trial.repair is None else f"repair {n}: {trial.repair.name}"
    detail = trial.outcome.reason or next((check.detail for check in trial.outcome.checks), "")
    return Check(name, is_passed=trial.cause is None, detail=detail)
