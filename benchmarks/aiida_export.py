"""How long it takes to hand a thousand calculations to AiiDA, and what arrives there.

    python benchmarks/aiida_export.py [--n 1000]

Makes a store of antiperovskites with two inequivalent sites each, as FEFF calculations with real input files, made-up
spectra, outputs of the usual size and their averages; writes all of it as an archive of AiiDA with its lineage; imports
that into a fresh profile without a broker by AiiDA's own import, twice; writes the same into another profile directly;
and counts what the profile holds by AiiDA's own queries. Writes benchmarks/results/aiida_export.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pymatgen.core import Lattice, Structure

from whiteline.absorber import Absorber, find_absorbers
from whiteline.averaging import average
from whiteline.calculators.feff import FeffCalculator, FeffParameters
from whiteline.calculators.interface import Outcome
from whiteline.calculators.parameters import build_parameters
from whiteline.database import DocumentKind, SpectrumDocument, open_store
from whiteline.database.query import ANY_STATUS, SpectrumQuery
from whiteline.edges import Edge
from whiteline.provenance import Kind, ProvenanceRecord, content_checksum
from whiteline.spectrum import EnergyReference, Spectrum
from whiteline.status import Status
from whiteline.workflows.jobs import material_id, site_calculation_id, site_document

RESULTS = Path(__file__).parent / "results" / "aiida_export.json"
N_ENERGY = 173  # as FEFF writes for the standard preset
MADE = ("2026-01-01T00:00:00.000+00:00", "2026-01-01T00:01:00.000+00:00")
LOG = "".join(f" Calculating and storing intermediates, step {i}\n" for i in range(50))


def crystal(i: int) -> Structure:
    """Return an antiperovskite with copper at the corner, once, and at the faces, three times."""
    return Structure.from_spacegroup(
        "Pm-3m",
        Lattice.cubic(3.5 + 0.001 * i),
        ["Cu", "Cu", "N"],
        [[0, 0, 0], [0.5, 0.5, 0], [0.5, 0.5, 0.5]],
    )


def calculations(n: int) -> Iterator[tuple[SpectrumDocument, ProvenanceRecord, dict[str, bytes]]]:
    """Yield site calculations and, after those of each material, their average; `n` sites in all."""
    calculator = FeffCalculator(build_parameters(FeffParameters, {}))
    random = np.random.default_rng(0)
    for i in range((n + 1) // 2):
        structure = crystal(i)
        absorbers = find_absorbers(structure, "Cu", Edge.K)[: n - 2 * i]
        source = {f"crystals/{i}.cif": content_checksum(structure.to(fmt="cif").encode())}
        made = [site(absorber, calculator, source, random) for absorber in absorbers]
        yield from made
        yield mean([document for document, *_ in made], absorbers, source)


def site(
    absorber: Absorber, calculator: FeffCalculator, source: dict[str, str], random: np.random.Generator
) -> tuple[SpectrumDocument, ProvenanceRecord, dict[str, bytes]]:
    """Return a calculation as `compute_site` would have stored it."""
    energy = 8960.0 + 0.4 * np.arange(N_ENERGY, dtype=float)
    mu: Any = 0.5 + np.arctan(energy - 8985.0) / np.pi + 0.05 * random.random(N_ENERGY)
    rows = "\n".join(
        " ".join(f"{x:14.6e}" for x in (e, e - 8979, 0.1, m, 1.0, m - 1)) for e, m in zip(energy, mu, strict=True)
    )
    inputs = {name: text.encode() for name, text in calculator.inputs(absorber).items()}
    outputs = {"xmu.dat": rows.encode()}
    document = site_document(
        site_calculation_id(absorber, calculator),
        absorber,
        Outcome(
            Status.CONVERGED,
            Spectrum(energy, mu, energy_reference=EnergyReference.ABSOLUTE, scale=0.05),
            code_version="FEFF 10.0.0",
        ),
        code="feff",
        parameters=calculator.identity(absorber),
        source=next(iter(source)),
        fidelity="feff:standard",
    )
    record = ProvenanceRecord(
        activity="feff-site",
        used={
            Kind.SOURCE: source,
            Kind.STRUCTURE: {"structure": document.structure_id},
            Kind.SITE: {"site": document.site_id},
            Kind.INPUT: {name: content_checksum(content) for name, content in inputs.items()},
        },
        generated={
            Kind.SPECTRUM: {"spectrum": document.id},
            Kind.OUTPUT: {name: content_checksum(content) for name, content in outputs.items()},
        },
        code="feff",
        code_version="FEFF 10.0.0",
        parameters=document.parameters,
        started_at=MADE[0],
        ended_at=MADE[1],
        timings={"pot": 20.0, "fms": 35.0},
        executables={"_feff10.abi3.so": content_checksum(b"feff")},
        cores=1,
    )
    log = f"{document.id}\n{LOG}".encode()
    return document, record, {**inputs, **outputs, "feff.log": log}


def mean(
    documents: list[SpectrumDocument], absorbers: list[Absorber], source: dict[str, str]
) -> tuple[SpectrumDocument, ProvenanceRecord, dict[str, bytes]]:
    """Return the average as `average_sites` would have stored it."""
    sites = [{"id": d.id, "multiplicity": a.multiplicity} for d, a in zip(documents, absorbers, strict=True)]
    spectra = [document.spectrum for document in documents if document.spectrum is not None]
    document = replace(
        documents[0],
        id=material_id(sites),
        kind=DocumentKind.MATERIAL,
        spectrum=average(spectra, [absorber.multiplicity for absorber in absorbers]),
        site_id="",
        site_index=None,
        multiplicity=sum(absorber.multiplicity for absorber in absorbers),
        parents=tuple(each.id for each in documents),
    )
    record = ProvenanceRecord(
        activity="material-average",
        used={
            Kind.SOURCE: source,
            Kind.STRUCTURE: {"structure": document.structure_id},
            Kind.SPECTRUM: {f"site {a.site_index}": d.id for d, a in zip(documents, absorbers, strict=True)},
        },
        generated={Kind.SPECTRUM: {"spectrum": document.id}},
        code="whiteline",
        code_version="0.1.0",
        parameters={"weights": {each["id"]: each["multiplicity"] for each in sites}},
        started_at=MADE[1],
        ended_at=MADE[1],
    )
    return document, record, {}


def measure(n: int, folder: Path) -> dict[str, Any]:
    """Return times and numbers of one export and import."""
    os.environ["AIIDA_PATH"] = str(folder)  # before AiiDA is imported
    (folder / ".aiida").mkdir()
    import logging

    from aiida import __version__ as aiida_version
    from aiida.tools.archive import import_archive

    from whiteline.workflows.aiida.checking import check_storage
    from whiteline.workflows.aiida.exporting import export_archive, export_to_profile
    from whiteline.workflows.aiida.profile import create_profile, opened_profile

    path = folder / "spectra.aiida"
    with open_store(folder / "spectra.db") as store:
        store.put_many(calculations(n))
        found = [summary.id for summary in store.summaries(SpectrumQuery(kind="material", status=ANY_STATUS))]
        export = export_archive(store, found, path)
        create_profile("direct", email="whiteline@localhost")
        direct = export_to_profile(store, found, "direct")
        size = store.status().size_bytes
    logging.getLogger("aiida").setLevel(logging.WARNING)
    create_profile("fresh", email="whiteline@localhost")
    with opened_profile("fresh", must_be_writable=True) as storage:
        seconds = []
        for _ in range(2):
            started = time.perf_counter()
            import_archive(path, create_group=False, backend=storage)
            seconds.append(time.perf_counter() - started)
        check = check_storage(storage)
    assert check.nodes == export.nodes
    assert check.links == export.links
    return {
        "n_calculations": export.n_runs,
        "n_averages": export.n_workflows,
        "export_seconds": round(export.seconds, 2),
        "to_profile_seconds": round(direct.seconds, 2),
        "import_seconds": round(seconds[0], 2),
        "second_import_seconds": round(seconds[1], 2),
        "n_nodes": export.n_nodes,
        "n_links": export.n_links,
        "nodes": dict(sorted(export.nodes.items())),
        "links": dict(sorted(export.links.items())),
        "archive_bytes": export.n_bytes,
        "store_bytes": size,
        "problems": list(check.problems),
        "aiida": aiida_version,
    }


def main() -> None:
    """Measure, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=1000, help="site calculations")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = measure(options.n, Path(folder))
    result |= {"machine": f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}"}
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
