"""XAS that the work chains of aiida-quantumespresso and aiida-qe-xspec computed, out of archives and profiles of AiiDA.

Their files are read as those of any other run of XSpectra, so that the same spectrum is the same whichever way it
comes. What AiiDA alone knows is added: the crystal and the atom, how each process ended, and what it all came from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np

from whiteline.database.documents import SpectrumDocument
from whiteline.database.ingest import Entry, IngestOptions, Skipped
from whiteline.database.ingest.limits import Limits
from whiteline.database.ingest.walk import list_folder
from whiteline.errors import LineageCycleError, ParseError, WhitelineError
from whiteline.provenance import file_checksum
from whiteline.status import Check, Status
from whiteline.workflows.ingest.aiida.averages import crystal_entries
from whiteline.workflows.ingest.aiida.chains import PROCESSES, Chain, Direction, find_chains
from whiteline.workflows.ingest.aiida.graph import Node, count_processes, load_graph, short
from whiteline.workflows.ingest.aiida.record import chain_record
from whiteline.workflows.ingest.aiida.sites import raw_parameters, sample_fields, site_in_cell
from whiteline.workflows.ingest.aiida.storage import SCHEME, AiidaFile, damage, opened_storage, read_file
from whiteline.workflows.ingest.run_document import RunResult, failed, run_document
from whiteline.workflows.ingest.staging import RunFiles
from whiteline.workflows.ingest.xspectra import LANCZOS_LOG, XSpectraRuns
from whiteline.workflows.kept_files import may_be_kept

__all__ = ["AiidaReader"]

# Deep enough that no file of another run lies in the folders above, where the reader looks for the density.
_STAGE: Final = "a/b/c/run"


class AiidaReader:
    """Reads archives of AiiDA (`*.aiida`), and profiles by their address (`aiida:PROFILE`)."""

    kind = "aiida"
    scheme = SCHEME

    def claims(self, path: Path) -> bool:
        """Return whether the file is an archive by its name."""
        return path.suffix.lower() == ".aiida"

    def read(self, path: Path, options: IngestOptions) -> Iterator[Entry | Skipped]:
        """Yield the spectra of an archive, or of the profile that an address names.

        Raises:
            MissingDependencyError: aiida-core is not installed.
            ParseError: It is no archive, damaged, or holds no results of XSpectra.
            LineageCycleError: A node came from itself: the links were edited.
        """
        address = str(path)
        with opened_storage(address, options.limits) as storage:
            origin = {} if address.startswith(SCHEME) else {address: file_checksum(path)}
            place = _Place(address, origin, options)
            crystals: dict[str, list[tuple[Chain, Entry]]] = {}
            n_found = 0
            for chain in find_chains(load_graph(storage, PROCESSES)):
                n_found += 1
                for found in _guarded(chain, place):
                    if isinstance(found, Entry) and chain.crystal is not None:
                        crystals.setdefault(chain.crystal.uuid, []).append((chain, found))
                    yield found
            for members in crystals.values():
                yield from crystal_entries(members, address)
            if not n_found:
                names = ", ".join(f"{n} {name}" for name, n in count_processes(storage).most_common(8))
                raise ParseError(
                    f"{address} holds no work chain or calculation of XSpectra, but {names or 'no process at all'}: "
                    "spectra that other plugins made are not read from it"
                )


@dataclass(frozen=True)
class _Place:
    """Where chains are read from.

    Attributes:
        address: Path of the archive, or address of the profile.
        origin: Checksum of the archive by its path.
        options: What the user said.
    """

    address: str
    origin: Mapping[str, str]
    options: IngestOptions

    def source(self, chain: Chain) -> str:
        """Return what the document of a chain names as its source."""
        return f"{self.address}#{chain.head.uuid}"


def _guarded(chain: Chain, place: _Place) -> Iterator[Entry | Skipped]:
    """Yield what a chain holds; what is wrong with one is no reason to leave out the others."""
    try:
        yield from _entries(chain, place)
    except LineageCycleError:
        raise
    except WhitelineError as error:
        yield Skipped(place.source(chain), str(error))
    except damage() as error:
        yield Skipped(
            place.source(chain),
            f"{short(chain.head)} is damaged, or lacks a node or an attribute that belongs to it "
            f"({type(error).__name__}: {str(error)[:120]}): export it from AiiDA with all its links",
        )


def _entries(chain: Chain, place: _Place) -> Iterator[Entry | Skipped]:
    failures = chain.failures
    site = site_in_cell(chain)
    source, limits = place.source(chain), place.options.limits
    with TemporaryDirectory(prefix="whiteline-") as name:
        home = Path(name) / _STAGE
        files = _stage(chain, home, limits)
        documents, reasons = _read(home, replace(place.options, absorber=site.element, edge=site.edge))
        if not documents:
            reason = "; ".join([*failures, *reasons]) or f"{short(chain.head)} left no spectrum"
            result = RunResult(
                absorber=site,
                element=site.element,
                edge=site.edge.value,
                outcome=failed(reason),
                parameters=raw_parameters(chain),
            )
            origins = {path: home / path for path in files}
            documents = [run_document("xspectra", result, RunFiles(home, origins), home, place.options)]
    sample, doubts = sample_fields(documents[0], chain, site)
    checks = [*doubts, *(_array_check(chain, direction, files) for direction in chain.directions)]
    if failures:
        checks.append(Check("AiiDA", is_passed=False, detail="; ".join(failures)))
    missed = [check for check in checks if not check.is_passed]
    raw = {n: c for n, c in files.items() if may_be_kept(n) and len(c) <= limits.max_raw_bytes}
    for document in documents:
        named = replace(_in_words(document, str(home), source), source=source, **sample)
        whole = _with_checks(named, missed)
        yield Entry(whole, place.origin, raw, chain_record(whole, chain, files, place.origin))


def _read(home: Path, options: IngestOptions) -> tuple[list[SpectrumDocument], list[str]]:
    """Return the spectra of the files in a folder, and the reasons why there are not more."""
    run = XSpectraRuns().find(list_folder(home))
    found = [] if run is None else list(run.read(options))
    documents = [one.document for one in found if isinstance(one, Entry)]
    reasons = [one.reason for one in found if isinstance(one, Skipped)]
    reasons += [document.reason for document in documents if document.spectrum is None]
    return [document for document in documents if document.spectrum is not None], reasons


def _stage(chain: Chain, home: Path, limits: Limits) -> dict[str, bytes]:
    """Write the files of a chain as the reader of runs expects them; return them by their names."""

    def retrieved(job: Node, name: str) -> AiidaFile | None:
        folder = chain.graph.outputs(job).get("retrieved")
        return None if folder is None else AiidaFile(folder, name)

    def printed(job: Node) -> AiidaFile | None:
        return retrieved(job, job.base.attributes.get("output_filename", "aiida.out"))

    def asked(job: Node) -> AiidaFile:
        return AiidaFile(job, job.base.attributes.get("input_filename", "aiida.in"))

    wanted: dict[str, AiidaFile | None] = {}
    if chain.density is not None:
        wanted |= {"scf.in": asked(chain.density), "scf.out": printed(chain.density)}
    for direction in chain.directions:
        wanted[f"{direction.name}/xanes.in"] = asked(direction.drawn)
        wanted[f"{direction.name}/xanes.out"] = printed(direction.drawn)
        wanted[f"{direction.name}/xanes.dat"] = retrieved(direction.drawn, "xanes.dat")
        if direction.lanczos.uuid != direction.drawn.uuid:
            wanted[f"{direction.name}/{LANCZOS_LOG}"] = printed(direction.lanczos)
    home.mkdir(parents=True)
    found = {}
    for name, file in wanted.items():
        content = None if file is None else read_file(file, limits)
        if content is not None:
            found[name] = content
            (home / name).parent.mkdir(exist_ok=True)
            (home / name).write_bytes(content)
    return found


def _array_check(chain: Chain, direction: Direction, files: Mapping[str, bytes]) -> Check:
    """Return whether AiiDA's array of a spectrum is the one in the file that it was read from."""
    node = chain.graph.outputs(direction.drawn).get("spectra")
    content = files.get(f"{direction.name}/xanes.dat")
    name = f"array {direction.name}"
    if node is None:
        return Check(name, is_passed=True)
    if content is None:
        return Check(name, is_passed=False, detail="xanes.dat, which it was read from, is not there")
    try:
        table = np.loadtxt(content.decode("utf-8", "replace").splitlines(), ndmin=2)
        arrays = (node.get_array("x_array"), node.get_array("y_array_0"))
        is_same = all(np.array_equal(array, table[:, i]) for i, array in enumerate(arrays))
    except damage():
        is_same = False
    detail = "as in xanes.dat" if is_same else f"{short(node)} is not the spectrum in xanes.dat: one was changed"
    return Check(name, is_passed=is_same, detail=detail)


def _with_checks(document: SpectrumDocument, missed: Sequence[Check]) -> SpectrumDocument:
    """Return a document with more that went wrong: a spectrum is unconverged then, whatever its own log says."""
    if not missed:
        return document
    checks = (*document.checks, *missed)
    if document.status is Status.FAILED:
        return replace(document, checks=checks)
    words = "; ".join(f"{check.name}: {check.detail}" for check in missed)
    reason = f"{document.reason}; {words}" if document.reason else words
    return replace(document, status=Status.UNCONVERGED, reason=reason, checks=checks)


def _in_words(document: SpectrumDocument, home: str, source: str) -> SpectrumDocument:
    """Return a document whose messages name the source in place of the folder that its files were read in."""
    checks = tuple(replace(check, detail=check.detail.replace(home, source)) for check in document.checks)
    return replace(document, reason=document.reason.replace(home, source), checks=checks)
