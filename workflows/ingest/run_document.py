"""From what a run's reader found to the document that is stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from whiteline.absorber import Absorber
from whiteline.calculators.interface import Outcome
from whiteline.database.documents import DocumentKind, SpectrumDocument
from whiteline.database.ingest import Entry, IngestOptions, Skipped
from whiteline.database.ingest.sample import imported_id, site_fields, unknown_sample
from whiteline.errors import ParseError, StoreError, WhitelineError
from whiteline.fingerprint import content_hash
from whiteline.status import Check, Status
from whiteline.workflows.ingest.staging import RunFiles

__all__ = ["Run", "RunResult", "failed", "outcome_of", "run_document"]

# What a reader that expects a whole file makes of a damaged one, where it does not say so itself.
_DAMAGE: Final = (ArithmeticError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError, ValueError)


@dataclass(frozen=True, kw_only=True, eq=False)
class RunResult:
    """One spectrum of a run, or its failure.

    Attributes:
        absorber: Site and edge in a crystal; None where no crystal is known.
        element: Absorbing element.
        edge: Absorption edge.
        outcome: How it ended.
        parameters: What the inputs say, in the code's own names.
        elements: Elements of the sample, where no crystal is known.
        label: What tells it from other spectra of the same folder.
    """

    absorber: Absorber | None
    element: str
    edge: str
    outcome: Outcome
    parameters: Mapping[str, Any]
    elements: tuple[str, ...] = ()
    label: str = ""


@dataclass(frozen=True, eq=False)
class Run:
    """A calculation whose files lie in a folder.

    Attributes:
        code: Code that computed.
        files: Its files.
        parse: Returns what a folder with the files holds.
        takes_subfolders: Whether the folders below belong to it, too.
    """

    code: str
    files: RunFiles
    parse: Callable[[Path, IngestOptions], Sequence[RunResult | Skipped]]
    takes_subfolders: bool = False

    def read(self, options: IngestOptions) -> Iterator[Entry | Skipped]:
        """Yield the spectra of the calculation.

        Raises:
            WhitelineError: The files as a whole cannot be read.
        """
        files = self.files
        with files.staged(options.limits) as folder:
            try:
                found = self.parse(folder, options)
            except StoreError:
                raise
            except WhitelineError as error:
                raise ParseError(files.in_their_words(str(error), folder)) from error
            except _DAMAGE as error:
                raise ParseError(
                    f"{files.home} holds a damaged file of {self.code} ({type(error).__name__}: {str(error)[:120]}): "
                    "run the calculation again"
                ) from error
            in_their_words = [
                Skipped(one.source.replace(str(folder), str(files.home)), files.in_their_words(one.reason, folder))
                if isinstance(one, Skipped)
                else run_document(self.code, one, files, folder, options)
                for one in found
            ]
        inputs, raw = files.checksums(options.limits), files.raw(options.limits)
        for one in in_their_words:
            yield one if isinstance(one, Skipped) else Entry(one, inputs, raw)


def run_document(
    code: str, result: RunResult, files: RunFiles, folder: Path, options: IngestOptions
) -> SpectrumDocument:
    """Return the document of one spectrum of a run."""
    outcome, absorber = result.outcome, result.absorber
    site = absorber.site_id if absorber is not None else ""
    spectrum = outcome.spectrum
    identity = imported_id(
        code, result.element, result.edge, site=site, parameters=result.parameters, spectrum=spectrum
    )
    if spectrum is None:
        # Nothing but its files tells one failure from another.
        content = sorted(files.checksums(options.limits).values())
        identity = content_hash(["imported-failure-1", identity, content, result.label])
    values = {
        "id": identity,
        "kind": DocumentKind.SITE,
        "spectrum": spectrum,
        "status": outcome.status,
        "reason": files.in_their_words(outcome.reason, folder),
        "checks": tuple(
            Check(check.name, is_passed=check.is_passed, detail=files.in_their_words(check.detail, folder))
            for check in outcome.checks
        ),
        "absorber": result.element,
        "edge": result.edge,
        "code": code,
        "code_version": outcome.code_version,
        "fidelity": f"{code}:imported",
        "parameters": dict(result.parameters),
        "source": f"{files.home}#{result.label}" if result.label else str(files.home),
        "licence": options.licence,
        "citation": options.citation,
    }
    sample = site_fields(absorber) if absorber is not None else unknown_sample(result.elements)
    return SpectrumDocument(**{**values, **sample})


def failed(reason: str) -> Outcome:
    """Return the outcome of a run that left no spectrum."""
    return Outcome(Status.FAILED, reason=reason)


def outcome_of(spectrum: Any, checks: Sequence[Check], *, version: str = "") -> Outcome:
    """Return the outcome of a run with a spectrum: converged where all checks are passed."""
    missed = [check for check in checks if not check.is_passed]
    return Outcome(
        status=Status.UNCONVERGED if missed else Status.CONVERGED,
        spectrum=spectrum,
        reason="; ".join(f"{check.name}: {check.detail}" for check in missed),
        checks=tuple(checks),
        code_version=version,
    )
