"""How to cite a publication: CITATION.cff, the sentence on its page, and the README."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from whiteline.workflows.publishing.reproducing import one_line
from whiteline.workflows.publishing.yaml_text import yaml_text

if TYPE_CHECKING:
    from whiteline.workflows.publishing.origin import Origin
    from whiteline.workflows.publishing.publication import Publication
    from whiteline.workflows.publishing.subject import PublishedFile, Subject
    from whiteline.workflows.publishing.terms import Author, Licensing, Terms

__all__ = ["address_of", "make_citation_file", "make_readme", "n_spectra"]

_DOI: Final = re.compile(r"10\.\d{4,9}/[^\s<>\"{}|\\^`\[\]]+[^\s<>\"{}|\\^`\[\].,;:]")
_URL: Final = re.compile(r"https?://[^\s<>\"{}|\\^`]+")
_MARKDOWN: Final = re.compile(r"([\\`*_{}\[\]<>#|!])")


def address_of(citation: str) -> str:
    """Return the address in a citation, from its DOI where it has one; empty if there is neither.

    >>> address_of("doi:10.1038/s41524-018-0067-x, 2018.")
    'https://doi.org/10.1038/s41524-018-0067-x'
    """
    if found := _DOI.search(citation):
        return f"https://doi.org/{found[0]}"
    url = _URL.search(citation)
    return url[0].rstrip(".,;:)") if url else ""


def n_spectra(n: int) -> str:
    """Return a number of spectra in words.

    >>> n_spectra(1), n_spectra(12)
    ('1 spectrum', '12 spectra')
    """
    return f"{n} spectrum" if n == 1 else f"{n} spectra"


def make_citation_file(publication: Publication) -> str:
    """Return the text of CITATION.cff, version 1.2.0 of the Citation File Format; empty where nobody is named."""
    subject, terms = publication.subject, publication.terms
    if not terms.authors:
        return ""
    spdx = [licence.name for licence in publication.licensing.overall if licence.is_spdx]
    content = {
        "cff-version": "1.2.0",
        "message": "If you use this, please cite it, and the sources that README.md names.",
        "type": "dataset",
        "title": publication.title,
        "abstract": publication.description,
        "authors": [_person(author) for author in terms.authors],
        "date-released": terms.published,
        "version": subject.id[:12],
        "identifiers": [{"type": "other", "value": subject.id, "description": f"sha256 of the {subject.kind}"}],
        **({"license": spdx if len(spdx) > 1 else spdx[0]} if spdx else {}),
        **({"keywords": list(terms.keywords)} if terms.keywords else {}),
    }
    return yaml_text(content)


def _person(author: Author) -> dict[str, str]:
    known = {
        "family-names": author.family_name,
        "given-names": author.given_names,
        "orcid": author.orcid and f"https://orcid.org/{author.orcid}",
        "affiliation": author.affiliation,
    }
    return {name: value for name, value in known.items() if value}


def make_readme(publication: Publication, files: Sequence[PublishedFile]) -> str:
    """Return the text of README.md."""
    parts = [
        f"# {_escaped(publication.title)}",
        _escaped(publication.terms.description),
        _escaped(publication.subject.summary),
        _facts(publication.subject, publication.terms),
        f"## Licence\n\n{_licences(publication.licensing)}",
        f"## Citation\n\n{_citations(publication)}",
        "## Files\n\n" + "\n".join(f"- `{file.name}`: {_escaped(file.description)}" for file in files),
        _origin(publication.origin),
        "## Making it again\n\n`reproduce.sh` holds the commands, `requirements.txt` the libraries in the versions "
        "that were recorded.",
        "## Checking it\n\n`sha256sum -c SHA256SUMS` compares every file with its checksum.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _facts(subject: Subject, terms: Terms) -> str:
    people = "; ".join(
        " ".join(filter(None, (a.name, f"(https://orcid.org/{a.orcid})" if a.orcid else "", a.affiliation)))
        for a in terms.authors
    )
    facts = {
        "Published": f"{terms.published}{f' by {people}' if people else ''}",
        "Made": f"{subject.created} by Whiteline {subject.whiteline_version}",
        "Content": f"{subject.kind} {subject.id}",
    }
    return "\n".join(f"- {name}: {_escaped(value)}" for name, value in facts.items())


def _licences(licensing: Licensing) -> str:
    overall = (
        ", ".join(_named(each.name, each.url) for each in licensing.overall) or "No licence is stated for the whole."
    )
    rows = [f"- {_named(licence.name, licence.url)}: {n}" for licence, n in licensing.sources.items()]
    rows += [f"- no licence stated: {licensing.n_unlicensed}"] * bool(licensing.n_unlicensed)
    warning = f"**{_escaped(licensing.warning)}**" if licensing.warning else ""
    return "\n\n".join(part for part in (overall, warning, "Of the parts:\n\n" + "\n".join(rows)) if part)


def _citations(publication: Publication) -> str:
    numbers = {publication.citation: 0, **publication.citations}
    lines = [f"- {_escaped(one_line(each))}{f' ({n_spectra(n)})' if n else ''}" for each, n in numbers.items() if each]
    return "\n".join(lines) or "Nobody is named and no source: ask who gave you this folder."


def _origin(origin: Origin) -> str:
    lines = [
        f"- {n_spectra(group.n_spectra)} with {_escaped(one_line(f'{group.code} {group.code_version}'))}"
        for group in origin.calculations
    ]
    lines += [f"- Note: {_escaped(one_line(note))}." for note in origin.notes]
    picture = "![Lineage](lineage/lineage.png)" if origin.graph is not None else ""
    return "\n\n".join(part for part in ("## Where it came from", "\n".join(lines), picture) if part)


def _named(name: str, url: str) -> str:
    return f"[{_escaped(name)}]({url})" if url else _escaped(one_line(name))


def _escaped(text: str) -> str:
    """Return text that Markdown shows as it is."""
    return _MARKDOWN.sub(r"\\\1", text)
