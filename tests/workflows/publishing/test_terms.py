"""Authors, licences and what is said of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from whiteline.errors import InputError, ParameterError
from whiteline.workflows.publishing import Author, Terms, read_subject
from whiteline.workflows.publishing.checksums import checksum_lines, parse_checksums
from whiteline.workflows.publishing.citing import address_of
from whiteline.workflows.publishing.terms import Licence, decide_licences


@pytest.mark.parametrize(
    ("text", "author"),
    [
        ("Jane Doe", Author("Jane Doe")),
        ("Josiah S. Carberry <0000-0002-1825-0097>", Author("Josiah S. Carberry", "0000-0002-1825-0097")),
        (
            "Zoë O'Neil <https://orcid.org/0000-0002-1694-233X>, EPFL, CH-1015 Lausanne <https://ror.org/02s376052>",
            Author("Zoë O'Neil", "0000-0002-1694-233X", "EPFL, CH-1015 Lausanne", "https://ror.org/02s376052"),
        ),
    ],
)
def test_an_author_is_a_name_with_orcid_and_affiliation(text: str, author: Author) -> None:
    assert Author.parse(text) == author


@pytest.mark.parametrize("text", ["", "<0000-0002-1825-0097>", "Jane <0000-0002-1825-0098>", "Jane <x@y.z>"])
def test_an_author_without_a_name_or_with_a_wrong_orcid_is_refused(text: str) -> None:
    with pytest.raises(ParameterError, match="expected an author as"):
        Author.parse(text)


@pytest.mark.parametrize("text", ["CC-BY-4", "free", "javascript:alert(1)"])
def test_a_licence_is_an_spdx_identifier_or_an_address(text: str) -> None:
    with pytest.raises(ParameterError, match="SPDX identifier"):
        Terms(licence=text)
    assert Terms(licence="https://example.org/terms").licence


@pytest.mark.parametrize("text", ["31.10.2026", "soon"])
def test_a_date_is_a_day(text: str) -> None:
    with pytest.raises(ParameterError, match="expected a day"):
        Terms(published=text)


def test_what_names_no_licence_is_refused_unless_the_publisher_says_what_holds(made: Path) -> None:
    subject = read_subject(str(made / "copper"), registry=made)
    with pytest.raises(InputError, match="10 of 12 spectra name no licence"):
        decide_licences(subject, Terms())
    given = decide_licences(subject, Terms(licence="cc0-1.0"))
    assert [licence.name for licence in given.overall] == ["CC0-1.0"]
    assert "10 of 12 spectra name no licence; the publisher puts them under CC0-1.0" in given.warning
    assert "CC-BY-4.0, ODbL <1.0> stays" in given.warning
    none = decide_licences(subject, Terms(is_unlicensed=True))
    assert "copyright law alone" in none.warning
    assert none.overall == ()
    assert {licence.name: n for licence, n in none.sources.items()} == {"CC-BY-4.0": 1, "ODbL <1.0>": 1}
    with pytest.raises(ParameterError, match="not both"):
        Terms(licence="MIT", is_unlicensed=True)


def test_a_model_without_a_licence_is_refused(made: Path) -> None:
    subject = read_subject("cu-k-toy", registry=made)
    with pytest.raises(InputError, match="it names no licence"):
        decide_licences(subject, Terms())


def test_licences_are_known_by_their_spdx_identifier_in_any_case() -> None:
    assert Licence.of("mit") == Licence("MIT", "https://spdx.org/licenses/MIT", is_spdx=True)
    assert Licence.of("terms of the  database") == Licence("terms of the database")


@pytest.mark.parametrize(
    ("citation", "address"),
    [
        ("A. Author, J. Phys. 1 (2020), https://doi.org/10.1088/1361-648X/ab.", "https://doi.org/10.1088/1361-648X/ab"),
        ("see http://example.org/a?b=c, and more", "http://example.org/a?b=c"),
        ('doi:10.1/"onclick=', ""),
        ("a book", ""),
    ],
)
def test_the_address_of_a_citation_is_its_doi_or_link(citation: str, address: str) -> None:
    assert address_of(citation) == address


def test_names_with_line_breaks_and_backslashes_survive_the_list_of_checksums() -> None:
    sums = {"a b.txt": "0" * 64, "back\\slash": "1" * 64, "two\nlines\r": "2" * 64, "ümlaut": "3" * 64}
    assert parse_checksums(checksum_lines(sums)) == sums


def test_a_citation_file_names_people_and_licence(dataset: Path) -> None:
    told = YAML(typ="safe").load((dataset / "CITATION.cff").read_text(encoding="utf-8"))
    assert told["authors"] == [
        {
            "family-names": "Carberry",
            "given-names": "Josiah",
            "orcid": "https://orcid.org/0000-0002-1825-0097",
            "affiliation": "Brown University",
        }
    ]
    assert (told["license"], told["date-released"], told["type"]) == ("CC-BY-4.0", "2026-10-31", "dataset")
