"""The jobs: one site spectrum, and the average of a material's sites."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import reduce
from math import gcd
from typing import Any

import numpy as np
from jobflow import job

from whiteline.absorber import Absorber
from whiteline.averaging import average, over_orbit
from whiteline.calculators.interface import Calculator, Outcome
from whiteline.database import open_store
from whiteline.database.documents import DocumentKind, SpectrumDocument
from whiteline.database.store import SpectrumStore
from whiteline.errors import InputError
from whiteline.fingerprint import calculation_id, content_hash
from whiteline.progress import Progress, report
from whiteline.provenance import Kind, ProvenanceRecord, content_checksum, library_versions, utc_now
from whiteline.status import Check, Status
from whiteline.workflows.kept_files import LARGEST_KEPT, may_be_kept
from whiteline.workflows.recording import source_file
from whiteline.workflows.repairing import Calculation, calculate
from whiteline.workflows.workspace import Workspace

__all__ = ["average_sites", "compute_site", "material_id", "site_calculation_id", "site_document"]

# What codes print, even when they end before there is anything to parse.
_PRINTED = ("*.log", "*.out")


def site_calculation_id(absorber: Absorber, calculator: Calculator) -> str:
    """Return the identity of a site calculation."""
    return calculation_id(
        absorber.site_id, edge=absorber.edge, code=calculator.code, parameters=calculator.identity(absorber)
    )


def material_id(sites: list[dict[str, Any]]) -> str:
    """Return the identity of an average: the site calculations with their shares, whatever the size of the cell."""
    divisor = reduce(gcd, (site["multiplicity"] for site in sites))
    return content_hash(["material-1", sorted([site["id"], site["multiplicity"] // divisor] for site in sites)])


@job
def compute_site(
    absorber: Absorber,
    calculator: Calculator,
    workspace: Workspace,
    title: str,
    source: str,
    fidelity: str,
    source_checksum: str = "",
) -> dict[str, Any]:
    """Compute and store one site spectrum, unless the store has it; return its id, status and origin.

    A calculation that fails or does not converge is tried again with what its code knows to help
    (`whiteline.workflows.repairing`). One that another process ended and did not live to store is read, not run again.

    Args:
        absorber: Site and edge.
        calculator: Code with its parameters.
        workspace: Store and scratch.
        title: Name of the material in progress and run directories.
        source: Where the structure came from.
        fidelity: Code and preset.
        source_checksum: Checksum of the file that the structure came from; empty where it was none.

    Raises:
        StoreError: Store or run directory cannot be used; `DiskFullError` where its disk is full.
        MissingDependencyError: A program or a file that the calculation needs is not on this machine.
    """
    identity = site_calculation_id(absorber, calculator)
    label = f"{title} {absorber.label}"
    with open_store(workspace.database) as store:
        known = _spectrum_status(store, identity)
        if known is not None and not workspace.is_forced:
            report(Progress(label, "stored"))
            return _summary(identity, absorber, known, is_from_store=True)
        started = utc_now()
        folders = workspace.run_folders(f"{title}-{absorber.element}{absorber.site_index}-{absorber.edge}", identity)
        calculation = calculate(absorber, calculator, workspace, folders, label=label)
        outcome = calculation.outcome
        is_failed = outcome.status is Status.FAILED
        if is_failed:
            workspace.refuse_full_disk()
        # Another process may have stored it meanwhile; and what was computed before is worth more than the news that it
        # failed this time.
        known = _spectrum_status(store, identity)
        is_superfluous = known is not None and (is_failed or not workspace.is_forced)
        if not is_superfluous:
            document = site_document(
                identity,
                absorber,
                outcome,
                code=calculator.code,
                parameters=calculator.identity(absorber),
                source=source,
                fidelity=fidelity,
            )
            origin = source_file(source, source_checksum)
            record = _site_record(document, calculation, absorber, origin, started)
            store.put(document, record, _raw_files(calculation))
        folders.clear(keep=calculation.chosen.folder if is_failed or workspace.keep_runs else None)
    report(Progress(label, "failed" if is_failed else "done"))
    if known is not None and is_superfluous:
        return _summary(identity, absorber, known, calculation, reason=outcome.reason, is_from_store=True)
    return _summary(identity, absorber, outcome.status, calculation, reason=outcome.reason)


def _spectrum_status(store: SpectrumStore, identity: str) -> Status | None:
    """Return the status under which a spectrum is stored; None where there is none, or only the news that it failed."""
    status = store.status_of(identity)
    return status if status is not None and status.has_spectrum else None


def _summary(
    identity: str,
    absorber: Absorber,
    status: Status,
    calculation: Calculation | None = None,
    *,
    reason: str = "",
    is_from_store: bool = False,
) -> dict[str, Any]:
    cause = None if calculation is None else calculation.outcome.cause
    return {
        "id": identity,
        "site_index": absorber.site_index,
        "multiplicity": absorber.multiplicity,
        "status": status.value,
        "reason": reason,
        "is_from_store": is_from_store,
        "cause": "" if cause is None else cause.value,
        "n_attempts": 0 if calculation is None else len(calculation.trials),
        "engine_seconds": 0.0 if calculation is None else round(calculation.seconds, 3),
    }


def site_document(
    identity: str,
    absorber: Absorber,
    outcome: Outcome,
    *,
    code: str,
    parameters: Mapping[str, Any],
    source: str,
    fidelity: str,
) -> SpectrumDocument:
    """Return the document of a site calculation; `parameters` are what `Calculator.identity` says."""
    structure = absorber.structure
    composition = structure.composition.element_composition
    return SpectrumDocument(
        id=identity,
        kind=DocumentKind.SITE,
        spectrum=outcome.spectrum,
        status=outcome.status,
        reason=outcome.reason,
        checks=outcome.checks,
        absorber=absorber.element,
        edge=absorber.edge.value,
        code=code,
        code_version=outcome.code_version,
        fidelity=fidelity,
        parameters=parameters,
        structure_id=absorber.fingerprint.crystal_id,
        structure=structure.as_dict(),
        formula=composition.reduced_formula,
        chemical_system=composition.chemical_system,
        elements=tuple(sorted(e.symbol for e in composition)),
        space_group=absorber.symmetry.number,
        space_group_symbol=absorber.symmetry.symbol,
        site_id=absorber.site_id,
        site_index=absorber.site_index,
        multiplicity=absorber.multiplicity,
        source=source,
        parents=(),
        created_at=utc_now(),
    )


def _site_record(
    document: SpectrumDocument, calculation: Calculation, absorber: Absorber, origin: Mapping[str, str], started: str
) -> ProvenanceRecord:
    chosen = calculation.chosen
    parameters = document.parameters if chosen.repair is None else chosen.calculator.identity(absorber)
    return ProvenanceRecord(
        activity=f"{document.code}-site",
        used={
            Kind.SOURCE: origin,
            Kind.STRUCTURE: {"structure": document.structure_id},
            Kind.SITE: {"site": document.site_id},
            Kind.INPUT: {name: content_checksum(text.encode()) for name, text in chosen.inputs.items()},
            # Where they are put together into one input, the parameters name them.
            Kind.PSEUDOPOTENTIAL: chosen.potentials or parameters.get("pseudopotentials", {}),
        },
        generated={Kind.SPECTRUM: {"spectrum": document.id}, Kind.OUTPUT: dict(chosen.checksums)},
        code=document.code,
        code_version=document.code_version,
        parameters=parameters,
        started_at=started,
        ended_at=utc_now(),
        timings=chosen.run.timings,
        libraries=library_versions("ase"),
        executables=chosen.executables,
        cores=chosen.calculator.n_cores,
        attempts=calculation.attempts,
    )


def _raw_files(calculation: Calculation) -> dict[str, bytes]:
    """Return what is kept of a run beside its spectrum: inputs, what was parsed and printed, as licences allow."""
    folder, inputs, outcome = calculation.chosen.folder, calculation.chosen.inputs, calculation.outcome
    printed = (path.name for pattern in _PRINTED for path in folder.glob(pattern))
    paths = {name: folder / name for name in sorted({*outcome.output_files, *printed} - {*inputs})}
    # As they were written: some codes, FEFF's wheel among them, write their input anew in their own words.
    written = {name: text.encode() for name, text in inputs.items()}
    found = {
        name: path.read_bytes()
        for name, path in paths.items()
        if may_be_kept(name) and path.is_file() and path.stat().st_size <= LARGEST_KEPT
    }
    return found | {name: c for name, c in written.items() if may_be_kept(name) and len(c) <= LARGEST_KEPT}


@job
def average_sites(
    absorber: Absorber,
    calculator: Calculator,
    workspace: Workspace,
    sites: list[dict[str, Any]],
    source: str,
    fidelity: str,
    source_checksum: str = "",
) -> dict[str, Any]:
    """Store the multiplicity-weighted spectrum of a material; return its id and status.

    A material with a failed site gets a failed document that names it: an average over some sites only would
    look like the material's spectrum and not be it.

    Args:
        absorber: Any absorber of the material.
        calculator: The calculator of the sites.
        workspace: Store and scratch.
        sites: What `compute_site` returned for every inequivalent site.
        source: Where the structure came from.
        fidelity: Code and preset.
        source_checksum: Checksum of the file that the structure came from; empty where it was none.
    """
    started = utc_now()
    identity = material_id(sites)
    parents = tuple(site["id"] for site in sites)
    with open_store(workspace.database) as store:
        if not workspace.is_forced and all(site["is_from_store"] for site in sites):
            known = store.status_of(identity)
            if known is not None and known.has_spectrum:
                return {"id": identity, "status": known.value, "is_from_store": True}
        documents = [store.get(parent) for parent in parents]
        outcome = _average(documents, sites, absorber)
        document = replace(
            site_document(
                identity,
                absorber,
                outcome,
                code=calculator.code,
                parameters=_shared([document.parameters for document in documents]),
                source=source,
                fidelity=fidelity,
            ),
            kind=DocumentKind.MATERIAL,
            site_id="",
            site_index=None,
            multiplicity=sum(site["multiplicity"] for site in sites),
            parents=parents,
        )
        record = ProvenanceRecord(
            activity="material-average",
            used={
                Kind.SOURCE: source_file(source, source_checksum),
                Kind.STRUCTURE: {"structure": document.structure_id},
                Kind.SPECTRUM: {f"site {site['site_index']}": site["id"] for site in sites},
            },
            generated={Kind.SPECTRUM: {"spectrum": identity}},
            code="whiteline",
            code_version=library_versions()["whiteline"],
            parameters={"weights": {s["id"]: s["multiplicity"] for s in sites}},
            started_at=started,
            ended_at=utc_now(),
        )
        store.put(document, record)
    return {"id": identity, "status": document.status.value, "is_from_store": False}


def _shared(parameters: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the parameters that all sites have in common; what was found for each site alone is left to the sites."""
    first, *others = parameters
    return {name: value for name, value in first.items() if all(name in p and p[name] == value for p in others)}


def _direction_checks(
    documents: list[SpectrumDocument], sites: list[dict[str, Any]], absorber: Absorber
) -> tuple[Check, ...]:
    """Return a failed check for each site whose equals lie otherwise to a beam or field that its spectrum was made for.

    Spectra along x, y and z are turned with their sites (`whiteline.averaging.over_orbit`); any other direction would
    have to be computed for each of the equivalent sites.
    """
    found = []
    for document, site in zip(documents, sites, strict=True):
        spectrum = document.spectrum
        is_directed = "orientation" in document.parameters and spectrum is not None
        if not is_directed or spectrum is None or {p.label for p in spectrum.polarisations} <= set("xyz"):
            continue
        place = replace(absorber, site_index=site["site_index"])
        kept = [*place.site_rotations, *(-place.site_rotations)]
        if any(not any(np.allclose(R, S, atol=1e-2) for S in kept) for R in absorber.crystal_rotations):
            detail = "equivalent sites lie otherwise to the direction that it was computed for: compute each of them"
            found.append(Check(f"direction of site {site['site_index']}", is_passed=False, detail=detail))
    return tuple(found)


def _average(documents: list[SpectrumDocument], sites: list[dict[str, Any]], absorber: Absorber) -> Outcome:
    versions = ", ".join(sorted({d.code_version for d in documents if d.code_version}))
    checks = tuple(
        Check(f"site {site['site_index']}", is_passed=d.status is Status.CONVERGED, detail=d.reason)
        for d, site in zip(documents, sites, strict=True)
    )
    checks += _direction_checks(documents, sites, absorber)
    bad = [check.name for check in checks if not check.is_passed]
    spectra = [d.spectrum for d in documents if d.spectrum is not None]
    if len(spectra) < len(documents):
        missing = [c.name for c, d in zip(checks, documents, strict=False) if d.spectrum is None]
        return Outcome(Status.FAILED, None, f"no spectrum of {', '.join(missing)}", checks, versions)
    rotations = absorber.crystal_rotations
    try:
        spectrum = average([over_orbit(s, rotations) for s in spectra], [site["multiplicity"] for site in sites])
    except InputError as error:
        return Outcome(Status.FAILED, None, f"the sites have no average: {error}", checks, versions)
    status = Status.UNCONVERGED if bad else Status.CONVERGED
    return Outcome(status, spectrum, f"not converged: {', '.join(bad)}" if bad else "", checks, versions)
