"""The machine-readable description of a publication: an RO-Crate 1.1 of the profile Workflow Run Crate 0.5.

The profile asks for one workflow, as the main entity, and for the action that is a run of it. Here the workflow is
`reproduce.sh`, which states the commands that records name, and the action is the making that the records tell of;
single steps (calculations by code and version, the freezing, the training) are actions of Process Run Crate beside it.

https://w3id.org/ro/crate/1.1, https://w3id.org/ro/wfrun/workflow/0.5
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from whiteline.errors import MissingDependencyError
from whiteline.workflows.publishing.actions import add_actions, alone
from whiteline.workflows.publishing.citing import address_of, n_spectra
from whiteline.workflows.publishing.publication import Publication
from whiteline.workflows.publishing.reproducing import one_line
from whiteline.workflows.publishing.subject import PublishedFile, Subject, media_type
from whiteline.workflows.publishing.terms import Author, Licence, Licensing

__all__ = ["METADATA", "PREVIEW", "SCRIPT", "load_rocrate", "write_crate"]

METADATA: Final = "ro-crate-metadata.json"
PREVIEW: Final = "ro-crate-preview.html"
SCRIPT: Final = "reproduce.sh"
_VERSION: Final = "1.1"
_WORKFLOW_CRATE: Final = "https://w3id.org/workflowhub/workflow-ro-crate/1.0"
_PROFILES: Final = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    _WORKFLOW_CRATE: ("Workflow RO-Crate", "1.0"),
}
# RO-Crate 1.1 has no word for a checksum; Workflow Run has this one.
_TERMS: Final = {"sha256": "https://w3id.org/ro/terms/workflow-run#sha256"}
_BASH: Final = "https://www.gnu.org/software/bash/"


def load_rocrate() -> Any:
    """Return the module `rocrate.rocrate`.

    Raises:
        MissingDependencyError: It is not installed.
    """
    try:
        from rocrate import rocrate  # type: ignore[import-untyped]  # ships no types
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            "publishing needs rocrate, which is not installed: `pip install 'whiteline[publish]'`"
        ) from error
    return rocrate


def write_crate(
    folder: Path,
    publication: Publication,
    files: Sequence[PublishedFile],
    sums: Mapping[str, str],
    folders: Mapping[str, str],
) -> None:
    """Write `ro-crate-metadata.json` into a folder that holds the files already.

    Args:
        folder: The folder.
        publication: What is published, and all that is said of it.
        files: The files that are described one by one.
        sums: sha256 of files by path.
        folders: Words for each folder that is described as a whole, by path.
    """
    rocrate = load_rocrate()
    subject, terms, licensing = publication.subject, publication.terms, publication.licensing
    crate = rocrate.ROCrate(version=_VERSION)
    crate.metadata.extra_terms.update(_TERMS)
    people = [_add_author(rocrate, crate, i, author) for i, author in enumerate(terms.authors, 1)]
    licences = _add_licences(rocrate, crate, licensing)
    for file in files:
        _add_file(rocrate, crate, folder, file, sums.get(file.name))
    for name, words in folders.items():
        crate.add_dataset(folder / name, name, properties={"name": words, "description": words})
    root = crate.root_dataset
    root["name"] = publication.title
    root["description"] = publication.description
    root["datePublished"] = terms.published
    root["dateCreated"] = subject.created
    root["identifier"] = subject.id
    root["license"] = alone([licences[each] for each in licensing.overall]) or _no_licence(rocrate, crate)
    if licensing.warning:
        root["conditionsOfAccess"] = licensing.warning
    if people:
        root["author"] = alone(people)
    if terms.keywords:
        root["keywords"] = alone(terms.keywords)
    if cited := _add_citations(rocrate, crate, publication):
        root["citation"] = alone(cited)
    _licence_sources(crate, subject, licensing, licences)
    _declare_profiles(rocrate, crate)
    _make_workflow(rocrate, crate, subject)
    root["mentions"] = add_actions(rocrate, crate, subject, publication.origin, people)
    crate.metadata.write(folder)


def _entity(rocrate: Any, crate: Any, identifier: str, properties: Mapping[str, Any]) -> Any:
    return crate.add(rocrate.ContextEntity(crate, identifier, properties=dict(properties)))


def _add_author(rocrate: Any, crate: Any, i_author: int, author: Author) -> Any:
    properties: dict[str, Any] = {"@type": "Person", "name": author.name}
    if author.affiliation:
        properties["affiliation"] = _entity(
            rocrate,
            crate,
            f"#organisation-{i_author}",
            {"@type": "Organization", "name": author.affiliation}
            | ({"url": {"@id": author.affiliation_url}} if author.affiliation_url else {}),
        )
    identifier = f"https://orcid.org/{author.orcid}" if author.orcid else f"#author-{i_author}"
    return _entity(rocrate, crate, identifier, properties)


def _add_licences(rocrate: Any, crate: Any, licensing: Licensing) -> dict[Licence, Any]:
    added = {}
    for i_licence, licence in enumerate(dict.fromkeys((*licensing.overall, *licensing.sources)), 1):
        n = licensing.sources.get(licence)
        words = "of the publication as a whole" if n is None else f"of {n} of its parts"
        properties = {"@type": "CreativeWork", "name": licence.name, "description": f"Licence {words}"}
        if licence.is_spdx:
            properties["identifier"] = licence.name
        added[licence] = _entity(rocrate, crate, licence.url or f"#licence-{i_licence}", properties)
    return added


def _no_licence(rocrate: Any, crate: Any) -> Any:
    words = "No licence is stated: copyright law alone decides what others may do with this"
    return _entity(rocrate, crate, "#no-licence", {"@type": "CreativeWork", "name": "No licence", "description": words})


def _licence_sources(crate: Any, subject: Subject, licensing: Licensing, licences: Mapping[Licence, Any]) -> None:
    """Say of the spectra's own file under which licences they are."""
    table = crate.dereference("data/spectra.parquet")
    if table is not None and licensing.sources and subject.model is None:
        table["license"] = alone([licences[each] for each in licensing.sources])


def _add_file(rocrate: Any, crate: Any, folder: Path, file: PublishedFile, checksum: str | None) -> Any:
    properties: dict[str, Any] = {
        "name": file.name,
        "description": file.description,
        "encodingFormat": media_type(file.name),
    }
    if checksum is not None:
        properties["contentSize"] = str((folder / file.name).stat().st_size)
        properties["sha256"] = checksum
    if file.name == "README.md":
        properties["about"] = crate.root_dataset
    if file.name == PREVIEW:
        # Not a part of the data: the specification keeps it, as the metadata, out of `hasPart`.
        properties["about"] = crate.root_dataset
        return _entity(rocrate, crate, PREVIEW, {"@type": "CreativeWork", **properties})
    kind = rocrate.ComputationalWorkflow if file.name == SCRIPT else rocrate.File
    return crate.add(kind(crate, source=folder / file.name, dest_path=file.name, properties=properties))


def _add_citations(rocrate: Any, crate: Any, publication: Publication) -> list[Any]:
    entities = {}
    for i_citation, (citation, n) in enumerate(publication.citations.items(), 1):
        words = f"Source of {n_spectra(n)}" if n else "To be cited with this publication"
        identifier = address_of(citation) or f"#citation-{i_citation}"
        properties = {"@type": "ScholarlyArticle", "name": one_line(citation), "description": words}
        entities[identifier] = _entity(rocrate, crate, identifier, properties)
    return list(entities.values())


def _declare_profiles(rocrate: Any, crate: Any) -> None:
    crate.root_dataset["conformsTo"] = [
        _entity(rocrate, crate, address, {"@type": "CreativeWork", "name": name, "version": version})
        for address, (name, version) in _PROFILES.items()
    ]
    crate.metadata["conformsTo"] = _references((f"https://w3id.org/ro/crate/{_VERSION}", _WORKFLOW_CRATE))


def _references(addresses: Iterable[str]) -> list[dict[str, str]]:
    return [{"@id": address} for address in addresses]


def _make_workflow(rocrate: Any, crate: Any, subject: Subject) -> None:
    language = _entity(
        rocrate,
        crate,
        "#bash",
        {"@type": "ComputerLanguage", "name": "Bash", "identifier": {"@id": _BASH}, "url": {"@id": _BASH}},
    )
    workflow = crate.dereference(SCRIPT)
    workflow["programmingLanguage"] = language
    workflow["version"] = subject.whiteline_version
    workflow["softwareRequirements"] = crate.dereference("requirements.txt")
    crate.root_dataset["mainEntity"] = workflow
