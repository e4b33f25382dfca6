"""Making the folder of a publication: all of it or nothing, and never over something else."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from whiteline.new_folder import new_folder
from whiteline.workflows.publishing.checksums import CHECKSUMS, checksum_lines, checksums_of
from whiteline.workflows.publishing.citing import make_citation_file, make_readme
from whiteline.workflows.publishing.crate import METADATA, PREVIEW, SCRIPT, load_rocrate, write_crate
from whiteline.workflows.publishing.figures import draw_thumbnails
from whiteline.workflows.publishing.materials_cloud import ARCHIVE, FORM, add_aiida_archive, prepare_materials_cloud
from whiteline.workflows.publishing.nomad import CALCULATIONS, METADATA_FILE, prepare_nomad
from whiteline.workflows.publishing.origin import Origin, read_origin
from whiteline.workflows.publishing.page import make_page
from whiteline.workflows.publishing.publication import Publication
from whiteline.workflows.publishing.reproducing import make_requirements, make_script
from whiteline.workflows.publishing.stored import STORE, write_store
from whiteline.workflows.publishing.subject import PublishedFile, Subject
from whiteline.workflows.publishing.terms import Terms, decide_licences

if TYPE_CHECKING:
    from whiteline.database.store import SpectrumStore

__all__ = ["Destination", "Published", "publish"]

_LINEAGE: Final = "lineage"
_WORDS: Final = {
    "README.md": "What this is, for people",
    "CITATION.cff": "How to cite it, in the Citation File Format",
    SCRIPT: "The commands that make it again, with the values that records name",
    "requirements.txt": "The libraries, in the versions that were recorded",
    PREVIEW: "This publication as a page",
    METADATA: "This publication for machines: an RO-Crate",
    CHECKSUMS: "sha256 of every file, for sha256sum -c",
    "lineage/lineage.json": "Where it came from: things, activities and agents, with all links",
    "lineage/lineage.prov.json": "The same as W3C PROV-JSON",
    "lineage/lineage.svg": "A picture of it, alike siblings drawn as one",
    "lineage/lineage.png": "The same picture",
    STORE: "The spectra as they are stored, with records and raw files: whiteline db restore reads it",
    ARCHIVE: "The calculations as native nodes of AiiDA: verdi archive import reads it",
    METADATA_FILE: "What NOMAD is told of this upload",
    FORM: "What the form of the Materials Cloud Archive asks for",
}
_FOLDERS: Final = {f"{CALCULATIONS}/": "A folder for each calculation: its raw files, and its spectrum as NXxas"}


class Destination(StrEnum):
    """Which archive a publication is made ready for."""

    NOMAD = "nomad"
    MATERIALS_CLOUD = "materials-cloud"


@dataclass(frozen=True)
class Published:
    """What came of it: the folder, its files, its size in bytes, and what its maker should know."""

    folder: Path
    n_files: int
    size: int
    notes: tuple[str, ...]


def publish(
    subject: Subject,
    target: str | Path,
    *,
    terms: Terms,
    store: SpectrumStore | None,
    registry: Path,
    destination: Destination | None = None,
) -> Published:
    """Write a subject as a folder that can be published: an RO-Crate, with a page for people.

    The same subject, terms, store and day give the same bytes. Nothing is sent anywhere.

    Args:
        subject: What `read_subject` found whole.
        target: The folder to make.
        terms: Title, authors, licence, day.
        store: Where the spectra are; without one less is known of their origin.
        registry: Folder of models.
        destination: Archive that it is made ready for.

    Raises:
        InputError: Something is there already, or something names no licence.
        MissingDependencyError: A library is not installed.
        StoreError: The folder cannot be written.
    """
    load_rocrate()
    licensing = decide_licences(subject, terms)
    target = Path(target).absolute()
    with new_folder(target, what="a publication") as folder:
        origin = read_origin(subject, store=store, registry=registry)
        publication = Publication(subject=subject, terms=terms, licensing=licensing, origin=origin)
        notes = _fill(folder, publication, registry, destination)
        sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return Published(target, len(sizes), sum(sizes), tuple(notes))


def _fill(folder: Path, publication: Publication, registry: Path, destination: Destination | None) -> list[str]:
    """Write everything, what states checksums after what they are of; return what the maker should know."""
    subject, origin = publication.subject, publication.origin
    for file in subject.files:
        (folder / file.name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file.source, folder / file.name)
    _write_lineage(folder / _LINEAGE, subject, origin)
    has_store = _add_store(folder / STORE, subject, origin)
    texts = {
        SCRIPT: make_script(subject, has_store=has_store),
        "requirements.txt": make_requirements(subject, origin),
        "CITATION.cff": make_citation_file(publication),
    }
    for name, text in texts.items():
        if text:
            (folder / name).write_text(text, encoding="utf-8")
    (folder / SCRIPT).chmod(0o755)
    notes = _notes(folder, publication)
    if destination is Destination.NOMAD:
        notes += prepare_nomad(folder, publication)
    later = ("README.md", METADATA, PREVIEW, CHECKSUMS)
    if destination is Destination.MATERIALS_CLOUD:
        if problem := add_aiida_archive(folder / ARCHIVE, publication, registry):
            notes.append(problem)
        notes += prepare_materials_cloud(folder, publication, _listed(folder, subject, later=later))
    readme = make_readme(publication, _listed(folder, subject, later=later))
    (folder / "README.md").write_text(readme, encoding="utf-8")
    files, images = _listed(folder, subject), _images(folder, subject)
    page = make_page(publication, files, checksums_of(folder), images, texts[SCRIPT])
    (folder / PREVIEW).write_text(page, encoding="utf-8")
    folders = {name: words for name, words in _FOLDERS.items() if (folder / name).is_dir()}
    sums = checksums_of(folder)
    # The list is described in the metadata, and states the checksum of the metadata.
    (folder / CHECKSUMS).touch()
    write_crate(folder, publication, _listed(folder, subject), sums, folders)
    (folder / CHECKSUMS).write_text(checksum_lines(checksums_of(folder)), encoding="utf-8")
    return notes


def _add_store(path: Path, subject: Subject, origin: Origin) -> bool:
    """Write the spectra as they are stored; return whether there are any."""
    if origin.store is None or not any(map(origin.store.has, subject.spectra)):
        return False
    write_store(path, origin.store, subject.spectra, created=subject.created)
    return True


def _notes(folder: Path, publication: Publication) -> list[str]:
    notes = [each for each in (publication.licensing.warning, *publication.origin.notes) if each]
    if not publication.terms.authors:
        notes.append("nobody is named as its author: there is no CITATION.cff, name them with --author")
    if (folder / _LINEAGE).is_dir() or (folder / STORE).is_file():
        notes.append("the lineage names machines and paths as recorded: look through it before you pass it on")
    return notes


def _listed(folder: Path, subject: Subject, *, later: Sequence[str] = ()) -> list[PublishedFile]:
    """Return the files that are described one by one: those that are there, and those that will be."""
    own = [PublishedFile(file.name, file.description, folder / file.name) for file in subject.files]
    others = [
        PublishedFile(name, words, folder / name)
        for name, words in _WORDS.items()
        if name in later or (folder / name).is_file()
    ]
    return [*own, *others]


def _write_lineage(folder: Path, subject: Subject, origin: Origin) -> None:
    if origin.graph is None:
        return
    from whiteline.provenance.condensing import condense
    from whiteline.provenance.figure import draw
    from whiteline.provenance.prov_json import prov_document

    folder.mkdir()
    documents: dict[str, Any] = {
        "lineage.json": origin.graph.to_dict(),
        "lineage.prov.json": prov_document(origin.graph),
    }
    for name, content in documents.items():
        (folder / name).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    picture = condense(origin.graph, subject.id)
    for name in ("lineage.svg", "lineage.png"):
        draw(picture, folder / name, root=subject.id)


def _images(folder: Path, subject: Subject) -> dict[str, bytes]:
    images = {}
    if subject.dataset is not None:
        images["Spectra"] = draw_thumbnails(subject.dataset)
    picture = folder / _LINEAGE / "lineage.png"
    if picture.is_file():
        images["Lineage"] = picture.read_bytes()
    return images
