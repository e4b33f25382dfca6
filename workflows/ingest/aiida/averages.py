"""The average of a crystal whose inequivalent atoms AiiDA's work chain computed one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from whiteline.averaging import average
from whiteline.database.documents import DocumentKind, SpectrumDocument
from whiteline.database.ingest import Entry, Skipped
from whiteline.errors import InputError
from whiteline.polarisation import ISOTROPIC
from whiteline.provenance import Kind, ProvenanceRecord, library_versions, utc_now
from whiteline.spectrum import Spectrum
from whiteline.status import Check, Status
from whiteline.workflows.ingest.aiida.chains import Chain
from whiteline.workflows.ingest.aiida.graph import Node, short
from whiteline.workflows.jobs import material_id

__all__ = ["crystal_entries"]


def crystal_entries(members: Sequence[tuple[Chain, Entry]], address: str) -> Iterator[Entry | Skipped]:
    """Yield the average of each element of a crystal, or why there is none.

    AiiDA's own average moves the spectra against each other by the Fermi energies of their cells, whose zeros have
    nothing to do with each other; ours is that of all other materials: on the axis of each, by multiplicity.

    Args:
        members: The sites of one crystal.
        address: Where they were read from.
    """
    first = members[0][0]
    crystal = first.crystal
    if crystal is None:
        return
    analysis = first.graph.outputs(crystal).get("symmetry_analysis_data")
    sites = {} if analysis is None else analysis.base.attributes.get("equivalent_sites_data", {})
    source = f"{address}#{crystal.uuid}"
    groups: dict[tuple[str, str], dict[str, Entry]] = {}
    for chain, entry in members:
        groups.setdefault((entry.document.absorber, entry.document.edge), {})[chain.site] = entry
    for (element, edge), found in groups.items():
        try:
            expected = {site for site, said in sites.items() if said.get("symbol") == element}
            yield _average(crystal, found, expected, source)
        except InputError as error:
            yield Skipped(source, f"{short(crystal)} has no average of {element} {edge}: {error}")


def _average(crystal: Node, found: Mapping[str, Entry], expected: set[str], source: str) -> Entry:
    """Return the average over the sites of an element.

    Raises:
        InputError: Not every site has a spectrum, or they do not belong on one axis.
    """
    missing = sorted(site for site in expected if site not in found or found[site].document.spectrum is None)
    if missing or set(found) != expected:
        raise InputError(f"no spectrum of {', '.join(missing) or 'a known site'}: an average over the rest is another")
    documents = [found[site].document for site in sorted(expected)]
    first, weights = documents[0], [document.multiplicity for document in documents]
    n_atom = _count(first)
    if len({document.structure_id for document in documents}) > 1 or sum(weights) != n_atom:
        raise InputError(f"the sites stand for {sum(weights)} of its {n_atom} atoms in the unit cell")
    identity = material_id([{"id": d.id, "multiplicity": d.multiplicity} for d in documents])
    checks = tuple(
        Check(f"site {d.site_index}", is_passed=d.status is Status.CONVERGED, detail=d.reason) for d in documents
    )
    bad = [check.name for check in checks if not check.is_passed]
    document = replace(
        first,
        id=identity,
        kind=DocumentKind.MATERIAL,
        spectrum=average([_powder(d.spectrum) for d in documents if d.spectrum is not None], weights),
        status=Status.UNCONVERGED if bad else Status.CONVERGED,
        reason=f"not converged: {', '.join(bad)}" if bad else "",
        checks=checks,
        parameters=_shared(documents),
        site_id="",
        site_index=None,
        multiplicity=n_atom,
        parents=tuple(d.id for d in documents),
        source=source,
    )
    return Entry(document, found[min(expected)].inputs, {}, _record(document, documents, crystal))


def _powder(spectrum: Spectrum) -> Spectrum:
    """Return the powder average: equivalent sites lie otherwise to the directions that one was computed for."""
    return replace(spectrum, components=spectrum.intensity, polarisations=ISOTROPIC)


def _count(document: SpectrumDocument) -> int:
    from pymatgen.core import Structure

    composition = Structure.from_dict(dict(document.structure)).composition
    return int(composition.element_composition[document.absorber])


def _shared(documents: Sequence[SpectrumDocument]) -> dict[str, Any]:
    """Return the parameters that all sites have in common."""
    first, *others = (document.parameters for document in documents)
    return {name: value for name, value in first.items() if all(p.get(name) == value for p in others)}


def _record(document: SpectrumDocument, documents: Sequence[SpectrumDocument], crystal: Node) -> ProvenanceRecord:
    versions, now = library_versions("aiida-core"), utc_now()
    return ProvenanceRecord(
        activity="material-average",
        used={
            Kind.SOURCE: {f"AiiDA {short(crystal)}": crystal.uuid},
            Kind.STRUCTURE: {"structure": document.structure_id},
            Kind.SPECTRUM: {f"site {d.site_index}": d.id for d in documents},
        },
        generated={Kind.SPECTRUM: {"spectrum": document.id}},
        code="whiteline",
        code_version=versions["whiteline"],
        parameters={"weights": {d.id: d.multiplicity for d in documents}},
        libraries=versions,
        started_at=now,
        ended_at=now,
    )
