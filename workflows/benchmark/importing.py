"""Outputs that were made elsewhere, brought into the store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from whiteline.calculators.interface import Outcome
from whiteline.database.documents import SpectrumDocument
from whiteline.database.store import SpectrumStore
from whiteline.errors import InputError, ParseError, StoreError
from whiteline.provenance import Kind, ProvenanceRecord, file_checksum, utc_now
from whiteline.settings import Settings
from whiteline.status import Status
from whiteline.workflows.benchmark.definition import Benchmark
from whiteline.workflows.benchmark.outputs import (
    FoundOutputs,
    find_foreign_outputs,
    find_own_outputs,
    site_identity,
    with_changed_inputs,
)
from whiteline.workflows.benchmark.results import Origin, SiteResult
from whiteline.workflows.jobs import site_document
from whiteline.workflows.plan import SITE_ERRORS, Problem
from whiteline.workflows.recording import source_file
from whiteline.workflows.site_file import SITE_FILE

__all__ = ["import_outputs"]


def import_outputs(
    folder: Path, benchmark: Benchmark, *, store: SpectrumStore, settings: Settings, is_forced: bool = False
) -> tuple[list[SiteResult], list[Problem]]:
    """Store the spectra of finished outputs; return them, and what could not be read.

    What the store has already is served from there.

    Args:
        folder: Folder with outputs.
        benchmark: Materials and codes that are looked for.
        store: Where spectra go.
        settings: Machine facts.
        is_forced: Read again what the store already has.

    Raises:
        InputError: The folder is missing or holds nothing of the benchmark.
        StoreError: The store cannot be written.
    """
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder} to import from: name one with finished outputs")
    problems: list[Problem] = []
    results: dict[tuple[str, str, int], SiteResult] = {}
    n_found = 0
    for found in (*find_own_outputs(folder, benchmark, settings), *find_foreign_outputs(folder, benchmark, settings)):
        n_found += 1
        if isinstance(found, Problem):
            problems.append(found)
            continue
        code, site = found.calculator.code, found.expected
        key = (found.material, code, site.site_index)
        subject = f"import of {found.material} {site.label}, {code}"
        if key in results:
            problems.append(Problem(subject, f"{found.place.origin_of('')} holds it again: only the first is taken"))
            continue
        try:
            document = _import(found, store, is_forced=is_forced)
        except (*SITE_ERRORS, OSError) as error:
            if isinstance(error, StoreError):
                raise
            problems.append(Problem(subject, str(error)))
            continue
        results[key] = SiteResult(*key[:2], site.site_index, site.multiplicity, document, Origin.IMPORTED)
    if not n_found:
        names = ", ".join(material.name for material in benchmark.materials[:3])
        raise InputError(
            f"{folder} holds no outputs of {benchmark.name}: expected folders of `whiteline inputs` with their "
            f"{SITE_FILE}, or folders named after materials ({names}, …) in the layout of the published outputs"
        )
    return list(results.values()), problems


def _import(found: FoundOutputs, store: SpectrumStore, *, is_forced: bool) -> SpectrumDocument:
    """Return the stored document of finished outputs.

    Raises:
        ParseError: An output is missing, damaged or of another calculation, or the calculation failed.
    """
    started = utc_now()
    with found.place.as_run_directory() as folder:
        try:
            outcome = found.calculator.parse(folder, found.absorber)
        except SITE_ERRORS as error:
            raise ParseError(found.place.in_its_words(str(error), folder)) from error
        if outcome.status is Status.FAILED:
            raise ParseError(found.place.in_its_words(outcome.reason, folder))
        checksums = {name: file_checksum(folder / name) for name in outcome.output_files}
    outcome = with_changed_inputs(outcome, found.changed)
    parameters = dict(found.identity or found.calculator.parameters_dict)
    if found.identity is None or found.changed:
        # Nobody knows what else decided them: such spectra are what is in their files.
        parameters["imported_files"] = checksums
    document = _document(found, outcome, parameters)
    known = store.find_by_id(document.id)
    if known is not None and known.status.has_spectrum and not is_forced:
        return known
    origins = {str(found.place.origin_of(name)): checksum for name, checksum in checksums.items()}
    record = ProvenanceRecord(
        activity=f"{document.code}-import",
        used={
            Kind.STRUCTURE: {"structure": document.structure_id},
            Kind.SITE: {"site": document.site_id},
            Kind.SOURCE: {**origins, **source_file(found.source, found.source_checksum)},
        },
        generated={Kind.SPECTRUM: {"spectrum": document.id}},
        code=document.code,
        code_version=document.code_version,
        parameters=document.parameters,
        started_at=started,
        ended_at=utc_now(),
    )
    store.put(document, record)
    return document


def _document(found: FoundOutputs, outcome: Outcome, parameters: dict[str, Any]) -> SpectrumDocument:
    absorber, code = found.absorber, found.calculator.code
    return site_document(
        site_identity(absorber, code, parameters),
        absorber,
        outcome,
        code=code,
        parameters=parameters,
        source=found.source,
        fidelity=found.fidelity,
    )
