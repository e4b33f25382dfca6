"""A publication as one page of HTML for people: nothing outside it is needed, and no script runs in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Final

from whiteline.markup import figure, number, page, section, table
from whiteline.workflows.publishing.citing import address_of, n_spectra
from whiteline.workflows.publishing.subject import media_type

if TYPE_CHECKING:
    from whiteline.workflows.publishing.origin import Calculations, Origin
    from whiteline.workflows.publishing.publication import Publication
    from whiteline.workflows.publishing.subject import PublishedFile, Subject
    from whiteline.workflows.publishing.terms import Author, Licence, Licensing

__all__ = ["make_page"]

_N_LISTED: Final = 40  # rows of a table; the files have all
_SHOWN: Final = ("edges", "codes", "statuses")


def make_page(
    publication: Publication,
    files: Sequence[PublishedFile],
    sums: Mapping[str, str],
    images: Mapping[str, bytes],
    script: str,
) -> str:
    """Return the page.

    Args:
        publication: What is published, and all that is said of it.
        files: Its files, and `sums` their checksums by path.
        images: PNG files by title: `Spectra` and `Lineage` where there are any.
        script: Text of `reproduce.sh`.
    """
    return page(
        publication.title,
        [
            _head(publication),
            section("What is in it", _numbers(publication.subject)),
            section("Some of the spectra", _image(images, "Spectra")),
            section("Licence", _licences(publication.licensing)),
            section("How to cite it", _citations(publication)),
            section("Where it came from", _origin(publication.origin) + _image(images, "Lineage")),
            section("Making it again", _again(script)),
            section("Files and checksums", _files(files, sums)),
        ],
    )


def _head(publication: Publication) -> str:
    subject, terms = publication.subject, publication.terms
    people = "; ".join(map(_person, terms.authors))
    description = f"<p>{escape(terms.description)}</p>\n" if terms.description else ""
    return (
        f"<h1>{escape(publication.title)}</h1>\n{description}<p>{escape(subject.summary)}</p>\n"
        f"<p>Published {escape(terms.published)}{f' by {people}' if people else ''}. Made "
        f"{escape(subject.created[:10])} by Whiteline {escape(subject.whiteline_version)}. Content: "
        f"<code>{escape(subject.kind)} {escape(subject.id)}</code></p>"
    )


def _person(author: Author) -> str:
    name = _link(author.name, f"https://orcid.org/{author.orcid}" if author.orcid else "")
    return f"{name}, {escape(author.affiliation)}" if author.affiliation else name


def _link(words: str, address: str) -> str:
    return f'<a href="{escape(address)}">{escape(words)}</a>' if address else escape(words)


def _numbers(subject: Subject) -> str:
    parts = []
    if subject.model is not None:
        card = subject.model.card
        rows = [[name.replace("_", " "), f"{value:.5g}"] for name, value in card.metrics.items()]
        parts.append(table(["measure", ">value"], rows) if rows else "")
        tried = [[name, f"{error:.4g}"] for name, error in card.candidate_errors.items()]
        parts.append("<h3>What was tried</h3>" + table(["candidate", ">validation MSE"], tried) if tried else "")
        if any(media_type(file.name) == "text/html" for file in subject.files):
            parts.append("<p>How good it is, at length: <a href='model/report/report.html'>the report</a>.</p>")
    if subject.dataset is not None:
        manifest = subject.dataset.manifest
        if subject.model is not None:
            parts.append(f"<h3>Learned from the dataset {escape(manifest.name)}</h3>")
        # The licence of weights is not that of what they were learned from.
        shown = _SHOWN if subject.model is None else (*_SHOWN, "licences")
        rows = [[name, key, str(n)] for name in shown for key, n in list(getattr(manifest, name).items())[:_N_LISTED]]
        rows += [
            [f"{name} set", f"{n['groups']} groups", str(n["spectra"])] for name, n in manifest.split_counts.items()
        ]
        rows += [["left out", reason, str(len(found["ids"]))] for reason, found in manifest.excluded.items()]
        parts.append(table(["", "", ">spectra"], rows))
        how = f"Grid: {manifest.grid.describe()}; intensity: {manifest.intensity} [{manifest.units['intensity']}]."
        parts.append(f"<p class='faint'>{escape(how)}</p>")
    return "\n".join(part for part in parts if part)


def _licences(licensing: Licensing) -> str:
    named = ", ".join(_licence(each) for each in licensing.overall)
    overall = f"<p>{named}</p>" if named else "<p class='bad'><b>No licence is stated for the whole.</b></p>"
    warning = f"<p class='warn'><b>{escape(licensing.warning)}</b></p>" if licensing.warning else ""
    rows = [[licence.name, str(n)] for licence, n in licensing.sources.items()]
    rows += [["none stated", str(licensing.n_unlicensed)]] * bool(licensing.n_unlicensed)
    return overall + warning + (table(["licence of the parts", ">number"], rows) if len(rows) > 1 else "")


def _licence(licence: Licence) -> str:
    return _link(licence.name, licence.url)


def _citations(publication: Publication) -> str:
    numbers = {publication.citation: 0, **publication.citations}
    rows = [
        f"<li>{_link(each, address_of(each))}{f' ({n_spectra(n)})' if n else ''}</li>"
        for each, n in numbers.items()
        if each
    ]
    rest = len(rows) - _N_LISTED
    more = [f"<li>and {rest} more, named in README.md</li>"] * (rest > 0)
    return f"<ul>{''.join(rows[:_N_LISTED] + more)}</ul>" if rows else "<p class='warn'>Nobody is named.</p>"


def _origin(origin: Origin) -> str:
    head = ["code", "version", ">spectra", ">with a record", "first began", "last ended", "machines"]
    rows = [_calculation(group) for group in origin.calculations]
    notes = "".join(f"<li class='warn'>{escape(note)}</li>" for note in origin.notes)
    versions = ", ".join(f"{name} {version}" for name, version in sorted(origin.libraries.items()))
    return (
        (table(head, rows, wide=("machines",)) if rows else "")
        + (f"<ul>{notes}</ul>" if notes else "")
        + (f"<p class='faint'>{escape(versions)}</p>" if versions else "")
        + "<p>The whole lineage is in <code>lineage/</code>: as JSON, as W3C PROV-JSON and as a picture.</p>"
        * (origin.graph is not None)
    )


def _calculation(group: Calculations) -> list[str]:
    times = (group.started[:16].replace("T", " "), group.ended[:16].replace("T", " "))
    hosts = ", ".join(f"{host} ({n})" for host, n in sorted(group.hosts.items()))
    return [group.code, group.code_version, str(group.n_spectra), str(group.n_records), *times, hosts]


def _again(script: str) -> str:
    return (
        "<p><code>reproduce.sh</code>, with the libraries of <code>requirements.txt</code>:</p>"
        f"<pre>{escape(script)}</pre>"
    )


def _files(files: Sequence[PublishedFile], sums: Mapping[str, str]) -> str:
    rows = [
        [file.name, file.description, number(file.source.stat().st_size / 1e3, 1), sums.get(file.name, "")]
        for file in files
    ]
    note = "<p>Every checksum is in <code>SHA256SUMS</code>: <code>sha256sum -c SHA256SUMS</code> compares.</p>"
    return note + table(["file", "what it holds", ">kB", "sha256"], rows, wide=("what it holds",))


def _image(images: Mapping[str, bytes], title: str) -> str:
    return figure(title, images[title]) if title in images else ""
