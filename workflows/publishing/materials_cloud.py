"""A publication made ready for the Materials Cloud Archive: what its form asks for, as a file to copy from.

https://archive.materialscloud.org/deposit/information
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from whiteline.errors import WhitelineError
from whiteline.workflows.publishing.citing import address_of
from whiteline.workflows.publishing.reproducing import one_line
from whiteline.workflows.publishing.yaml_text import yaml_text

if TYPE_CHECKING:
    from whiteline.workflows.publishing.publication import Publication
    from whiteline.workflows.publishing.subject import PublishedFile, Subject

__all__ = ["ARCHIVE", "FORM", "add_aiida_archive", "prepare_materials_cloud"]

ARCHIVE: Final = "calculations.aiida"

FORM: Final = "materials-cloud.yaml"
_LARGEST: Final = 5_000_000_000  # bytes of a record; the archive makes exceptions
_FEWEST_KEYWORDS: Final = 3
_HEAD: Final = """\
# What the form of the Materials Cloud Archive asks for: https://archive.materialscloud.org.
# Nothing has been sent anywhere: log in there, copy this into the form, and upload the files.
"""


def prepare_materials_cloud(folder: Path, publication: Publication, files: Sequence[PublishedFile]) -> list[str]:
    """Write the form into a publication; return what its moderators will ask for and is not there."""
    terms, licensing = publication.terms, publication.licensing
    keywords = list(dict.fromkeys((*terms.keywords, *_keywords(publication.subject))))
    content: dict[str, Any] = {
        "title": publication.title,
        "description": publication.description,
        "keywords": keywords,
        "authors": [
            {
                "given_names": author.given_names,
                "family_name": author.family_name,
                "affiliation": author.affiliation or "TO BE FILLED IN: institute, university, place, country",
                **({"orcid": author.orcid} if author.orcid else {}),
            }
            for author in terms.authors
        ],
        "licence": [licence.name for licence in licensing.overall],
        "licence_addendum": licensing.warning,
        "references": [
            {"type": "Journal reference", "citation": one_line(each), "url": address_of(each)}
            for each in publication.citations
        ],
        "files": [{"name": file.name, "description": file.description} for file in files],
    }
    (folder / FORM).write_text(_HEAD + yaml_text(content), encoding="utf-8")
    return _lacking(folder, publication, keywords)


def add_aiida_archive(path: Path, publication: Publication, registry: Path) -> str:
    """Write the calculations as an archive of AiiDA, which the archive shows as a graph; return why there is none."""
    store, subject = publication.origin.store, publication.subject
    if store is None:
        return "there is no archive of AiiDA: no store was at hand"
    try:
        from whiteline.workflows.aiida.exporting import export_archive

        roots = sorted(each for each in subject.spectra if store.has(each))
        export_archive(store, roots, path, registry=registry)
    except (ImportError, WhitelineError) as error:
        return f"there is no archive of AiiDA: {error}"
    return ""


def _keywords(subject: Subject) -> list[str]:
    found = ["X-ray absorption spectroscopy", "XANES"]
    if subject.model is not None:
        return [*found, "machine learning"]
    manifest = subject.dataset.manifest if subject.dataset is not None else None
    codes = dict.fromkeys(code.split()[0] for code in (manifest.codes if manifest else {}) if code.split())
    return found + ["Experimental" if code == "experiment" else code for code in codes]


def _lacking(folder: Path, publication: Publication, keywords: Sequence[str]) -> list[str]:
    notes, terms = [], publication.terms
    if not terms.authors:
        notes.append("the archive asks for authors: name them with --author")
    if any(not author.affiliation for author in terms.authors):
        notes.append(f"the archive asks for the affiliation of every author: fill it in in {FORM}")
    if not publication.citations:
        notes.append("the archive asks for a reference to an article or preprint: name it with --citation")
    if len(keywords) < _FEWEST_KEYWORDS:
        notes.append(f"the archive asks for {_FEWEST_KEYWORDS} keywords: name them with --keyword")
    if len(publication.licensing.overall) != 1:
        notes.append("the archive asks for one licence: name it with --licence")
    if sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) > _LARGEST:
        notes.append("the archive takes 5 GB a record without asking: write to its moderators first")
    return notes
