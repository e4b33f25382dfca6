"""The jobs: one site spectrum, and the average of a material's sites."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from functools import reduce
from math import gcd
from pathlib import Path
from typing import Any

import numpy as np
from jobflow import job

from whiteline.absorber import Absorber
from whiteline.averaging import average, over_orbit
from whiteline.calculators.interface import Calculator, Outcome, RunReport
from whiteline.database import open_store
from whiteline.database.documents import DocumentKind, SpectrumDocument
from whiteline.errors import InputError, ParseError
from whiteline.fingerprint import calculation_id, content_hash
from whiteline.progress import Progress, report
from whiteline.provenance import ProvenanceRecord, content_checksum, library_versions, utc_now
from whiteline.status import Check, Status
from whiteline.workflows.kept_files import LARGEST_KEPT, may_be_kept
from whiteline.workflows.workspace import Workspace

__all__ = ["average_sites", "compute_site", "material_id", "site_calculation_id", "site_document", "write_files"]

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


def write_files(folder: Path, inputs: Mapping[str, str], files: Mapping[str, Path]) -> None:
    """Write the texts and copy the files that a calculation needs into a folder."""
    for name in {*inputs, *files}:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
    for name, text in inputs.items():
        (folder / name).write_text(text, encoding="utf-8")
    for name, path in files.items():
        shutil.copyfile(path, folder / name)


@job
def compute_site(
    absorber: Absorber, calculator: Calculator, workspace: Workspace, title: str, source: str, fidelity: str
) -> dict[str, Any]:
    """Compute and store one site spectrum, unless the store has it; return its id, status and origin."""
    identity = site_calculation_id(absorber, calculator)
    label = f"{title} {absorber.label}"
    with open_store(workspace.database) as store:
        status = store.status_of(identity)
        known = status if status is not None and status.has_spectrum else None
        if known is not None and not workspace.is_forced:
            report(Progress(label, "stored"))
            return _summary(identity, absorber, known, is_from_store=True)
        started = utc_now()
        with workspace.run_folder(
            f"{title}-{absorber.element}{absorber.site_index}-{absorber.edge}", identity
        ) as folder:
            outcome, run, inputs = _calculate(absorber, calculator, folder, label)
            if outcome.status is Status.FAILED:
                workspace.refuse_full_disk(folder)
                if known is not None:
                    # What was computed before is worth more than the news that it failed this time.
                    report(Progress(label, "failed"))
                    return _summary(identity, absorber, known, reason=outcome.reason, is_from_store=True)
            document = site_document(
                identity,
                absorber,
                outcome,
                code=calculator.code,
                parameters=calculator.identity(absorber),
                source=source,
                fidelity=fidelity,
            )
            record = _site_record(document, outcome, inputs, folder, run, started)
            store.put(document, record, _raw_files(folder, inputs, outcome))
            if outcome.status is not Status.FAILED:
                workspace.discard(folder)
    report(Progress(label, "failed" if outcome.status is Status.FAILED else "done"))
    return _summary(identity, absorber, outcome.status, reason=outcome.reason)


def _calculate(
    absorber: Absorber, calculator: Calculator, folder: Path, label: str
) -> tuple[Outcome, RunReport, dict[str, str]]:
    """Write, run and parse; whatever goes wrong with this site becomes its status and reaches no other site."""
    inputs: dict[str, str] = {}
    run = RunReport()
    try:
        estimate = calculator.estimate(absorber).cpu_time
        report(Progress(label, "inputs", estimate))
        inputs = calculator.inputs(absorber)
        write_files(folder, inputs, calculator.files(absorber))
        run = calculator.run(folder, on_stage=lambda stage: report(Progress(label, stage, estimate)))
        if run.failure:
            return (
                Outcome(Status.FAILED, reason=f"{calculator.code}: {run.failure} (see {folder})"),
                run,
                inputs,
            )
        return calculator.parse(folder, absorber), run, inputs
    except (InputError, ParseError) as error:
        return Outcome(Status.FAILED, reason=f"{calculator.code}: {error}"), run, inputs


def _summary(
    identity: str, absorber: Absorber, status: Status, *, reason: str = "", is_from_store: bool = False
) -> dict[str, Any]:
    return {
        "id": identity,
        "site_index": absorber.site_index,
        "multiplicity": absorber.multiplicity,
        "status": status.value,
        "reason": reason,
        "is_from_store": is_from_store,
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
    document: SpectrumDocument,
    outcome: Outcome,
    inputs: Mapping[str, str],
    folder: Path,
    run: RunReport,
    started: str,
) -> ProvenanceRecord:
    outputs = {name: content_checksum((folder / name).read_bytes()) for name in outcome.output_files}
    return ProvenanceRecord(
        activity=f"{document.code}-site",
        inputs={
            "structure": document.structure_id,
            "site": document.site_id,
            **{name: content_checksum(text.encode()) for name, text in inputs.items()},
        },
        outputs={"spectrum": document.id, **outputs},
        parents=(),
        code=document.code,
        code_version=document.code_version,
        parameters=document.parameters,
        started_at=started,
        ended_at=utc_now(),
        timings=run.timings,
    )


def _raw_files(folder: Path, inputs: Mapping[str, str], outcome: Outcome) -> dict[str, bytes]:
    """Return what is kept of a run beside its spectrum: inputs, what was parsed and printed, as licences allow."""
    printed = (path.name for pattern in _PRINTED for path in folder.glob(pattern))
    paths = {name: folder / name for name in sorted({*inputs, *outcome.output_files, *printed})}
    return {
        name: path.read_bytes()
        for name, path in paths.items()
        if may_be_kept(name) and path.is_file() and path.stat().st_size <= LARGEST_KEPT
    }


@job
def average_sites(
    absorber: Absorber,
    calculator: Calculator,
    workspace: Workspace,
    sites: list[dict[str, Any]],
    source: str,
    fidelity: str,
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
            inputs={
                "structure": document.structure_id,
                **{f"site {s['site_index']}": s["id"] for s in sites},
            },
            outputs={"spectrum": identity},
            parents=parents,
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
