"""The report of a benchmark: results.json, figures, and one page that shows all of it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Final

from whiteline.database import open_store
from whiteline.errors import StoreError
from whiteline.provenance import Kind, library_versions, utc_now
from whiteline.workflows.benchmark.agreement import (
    Agreement,
    Agreements,
    PublishedResult,
    compare_codes,
    log_distance,
    lorentzian_width,
)
from whiteline.workflows.benchmark.figures import draw_figures
from whiteline.workflows.benchmark.page import make_page
from whiteline.workflows.benchmark.results import BenchmarkRun, CodeReport, SiteResult
from whiteline.workflows.recording import record_made

__all__ = ["RESULTS_SCHEMA_VERSION", "make_report_folder", "write_report"]

RESULTS_SCHEMA_VERSION: Final = 1


def make_report_folder(folder: Path) -> None:
    """Make the folder of a report, before hours of computing.

    Raises:
        StoreError: It cannot be made or written.
    """
    try:
        (folder / "figures").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot write to {folder} ({error.strerror}): choose another place with -o") from error
    if not os.access(folder, os.W_OK):
        raise StoreError(f"cannot write to {folder}: choose another place with -o")


def write_report(run: BenchmarkRun, folder: Path, *, database: str | Path | None = None) -> Agreements:
    """Compare the codes and write `report.html`, `results.json` and `figures/*.png` and `.pdf`.

    Args:
        run: Spectra of all codes.
        folder: Where the report goes.
        database: Store with the spectra, which keeps a record of the report, too; none when None.

    Raises:
        StoreError: A file cannot be written.
    """
    started = utc_now()
    agreements = compare_codes(run)
    make_report_folder(folder)
    figures = draw_figures(run.benchmark, agreements, folder / "figures")
    results = collect_results(run, agreements)
    results["figures"] = {title: path.relative_to(folder).as_posix() for title, path in figures.items()}
    images = {title: path.read_bytes() for title, path in figures.items()}
    texts = {
        "results.json": json.dumps(results, indent=1, ensure_ascii=False, allow_nan=False) + "\n",
        "report.html": make_page(results, images),
    }
    for name, text in texts.items():
        try:
            (folder / name).write_text(text, encoding="utf-8")
        except OSError as error:
            raise StoreError(f"cannot write {folder / name} ({error.strerror}): choose another -o") from error
    if database is not None:
        with open_store(database) as store:
            record_made(
                store,
                "benchmark",
                Kind.REPORT,
                [folder / name for name in texts],
                spectra=list(dict.fromkeys(site.document.id for site in run.sites)),
                started=started,
                parameters={"benchmark": run.benchmark.name, "preset": run.preset},
                libraries=["matplotlib"],
            )
    return agreements


def collect_results(run: BenchmarkRun, agreements: Agreements) -> dict[str, Any]:
    """Return everything that a run came to, JSON-ready."""
    benchmark = run.benchmark
    return {
        "schema_version": RESULTS_SCHEMA_VERSION,
        "benchmark": {
            "name": benchmark.name,
            "title": benchmark.title,
            "doi": benchmark.doi,
            "citation": benchmark.citation,
            "notes": list(benchmark.notes),
            "absorber": benchmark.absorber,
            "edge": benchmark.edge.value,
            "materials": [_material(run, material.name) for material in benchmark.materials],
            "comparison": benchmark.comparison.model_dump(mode="json"),
        },
        "preset": run.preset,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "versions": library_versions(),
        "published": [_published(result) for result in agreements.published],
        "means": [
            {
                "codes": list(mean.codes),
                "quantity": mean.quantity.value,
                "n_materials": mean.n_materials,
                **mean.means,
                "log10_distance": log_distance(mean.means["spearman"]),
            }
            for mean in agreements.means
        ],
        "agreement": [_agreement(row) for row in agreements.rows],
        "sites": [_site(run, site) for site in run.sites],
        "codes": [_code(run, report) for report in run.codes],
        "problems": [
            {"subject": problem.subject, "reason": problem.reason} for problem in (*run.problems, *agreements.problems)
        ],
    }


def _material(run: BenchmarkRun, name: str) -> dict[str, Any]:
    from whiteline.absorber import find_absorbers

    benchmark = run.benchmark
    (structure,) = (m.structure for m in benchmark.materials if m.name == name)
    absorbers = find_absorbers(structure, benchmark.absorber, benchmark.edge)
    return {
        "name": name,
        "formula": structure.composition.reduced_formula,
        "space_group": absorbers[0].symmetry.symbol,
        "sites": {str(a.site_index): a.multiplicity for a in absorbers},
    }


def _published(result: PublishedResult) -> dict[str, Any]:
    return {
        **result.number.model_dump(mode="json"),
        "here": result.here,
        "difference": result.difference,
        "n_materials": result.n_materials,
    }


def _agreement(row: Agreement) -> dict[str, Any]:
    similarity = row.similarity
    return {
        "material": row.scope.material,
        "site": row.scope.site,
        "codes": list(row.codes),
        "quantity": row.quantity.value,
        **({} if similarity is None else similarity.to_dict()),
        "log10_distance": None if similarity is None else log_distance(similarity.spearman),
        "remark": row.remark,
    }


def _site(run: BenchmarkRun, site: SiteResult) -> dict[str, Any]:
    document, target = site.document, run.benchmark.comparison.broadening
    carried = None if document.spectrum is None else lorentzian_width(document.spectrum)
    return {
        "material": site.material,
        "code": site.code,
        "site": site.site_index,
        "multiplicity": site.multiplicity,
        "id": document.id,
        "status": document.status.value,
        "reason": site.failure or document.reason,
        "origin": site.origin.value,
        "fidelity": document.fidelity,
        "code_version": document.code_version,
        "broadening": carried,
        "broadening_added": None if carried is None or target is None else max(target - carried, 0.0),
        "wall_time": site.wall_time,
    }


def _code(run: BenchmarkRun, report: CodeReport) -> dict[str, Any]:
    own = [site for site in run.sites if site.code == report.code]
    parameters = {site.document.fidelity: dict(site.document.parameters) for site in own}
    times = [site.wall_time for site in own if site.wall_time is not None]
    return {
        "code": report.code,
        "preset": report.preset,
        "parameters": parameters or {f"{report.code}:{report.preset}": dict(report.parameters)},
        "origins": sorted({site.origin.value for site in own}),
        "code_versions": sorted({site.document.code_version for site in own if site.document.code_version}),
        "wall_time": sum(times) if times else None,
        "not_run": list(report.not_run),
        "findings": [
            {
                "subject": group.finding.subject,
                "level": group.finding.level.value,
                "detail": group.finding.detail,
                "remedy": group.finding.remedy,
                "sites": list(group.sites),
            }
            for group in report.findings
        ],
        "inputs": None if report.inputs is None else report.inputs.name,
        "n_inputs": report.n_inputs,
    }
