"""Under which terms something is published: title, authors, licences, citations, date."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Final, Self

from whiteline.errors import InputError, ParameterError

if TYPE_CHECKING:
    from whiteline.workflows.publishing.subject import Subject

__all__ = ["Author", "Licence", "Licensing", "Terms", "decide_licences"]

_AUTHOR: Final = re.compile(r"([^<>]+?)\s*(?:<([^<>]*)>\s*(?:,\s*(.+))?)?")
_ORCID: Final = re.compile(r"(?:https?://orcid\.org/)?(\d{4}-\d{4}-\d{4}-\d{3}[\dX])")
_PLACE: Final = re.compile(r"([^<>]+?)\s*(?:<(https?://[^\s<>]+)>)?")
_URL: Final = re.compile(r"https?://[^\s<>\"]+")


@dataclass(frozen=True)
class Author:
    """Who publishes.

    >>> Author.parse("Josiah Carberry <0000-0002-1825-0097>, Brown University").affiliation
    'Brown University'

    Attributes:
        name: Given names and family name.
        orcid: Digits of the ORCID iD; empty if there is none.
        affiliation: Where they work, and `affiliation_url` its address; empty if that is not said.
    """

    name: str
    orcid: str = ""
    affiliation: str = ""
    affiliation_url: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the author that `Name <ORCID>, Affiliation <URL>` states; all but the name may be left out.

        Raises:
            ParameterError: It is of another form, or the digits of the ORCID iD do not fit one another.
        """
        form = f"expected an author as 'Jane Doe <0000-0002-1825-0097>, Institute', got {text!r}"
        match = _AUTHOR.fullmatch(text.strip())
        place = _PLACE.fullmatch(match[3].strip()) if match and match[3] else None
        if not match or (match[3] and not place):
            raise ParameterError(form)
        digits = _ORCID.fullmatch(match[2].strip()) if match[2] else None
        if match[2] is not None and not (digits and _is_orcid(digits[1])):
            raise ParameterError(
                f"{form}: {match[2].strip()!r} is no ORCID iD, its last digit is a check of the others"
            )
        return cls(
            match[1].strip(),
            digits[1] if digits else "",
            place[1] if place else "",
            place[2] or "" if place else "",
        )

    @property
    def family_name(self) -> str:
        """The last word of the name."""
        return self.name.rpartition(" ")[2]

    @property
    def given_names(self) -> str:
        """The words before it."""
        return self.name.rpartition(" ")[0]


def _is_orcid(text: str) -> bool:
    """Return whether the last digit is that of ISO 7064 mod 11-2 (https://support.orcid.org/hc/articles/360006897674)."""
    digits = text.replace("-", "")
    total = 0
    for digit in digits[:-1]:
        total = (total + int(digit)) * 2
    return "0123456789X"[(12 - total % 11) % 11] == digits[-1]


@dataclass(frozen=True)
class Licence:
    """A licence: its SPDX identifier, or the words for it, and an address; empty where there is none for words."""

    name: str
    url: str = ""
    is_spdx: bool = False

    @classmethod
    def of(cls, text: str) -> Self:
        """Return the licence that a text names: an SPDX identifier, an address, or other words.

        >>> Licence.of("cc-by-4.0").url
        'https://spdx.org/licenses/CC-BY-4.0'
        """
        from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

        words = " ".join(text.split())
        if _URL.fullmatch(words):
            return cls(words, words)
        try:
            known = canonicalize_license_expression(words)
        except InvalidLicenseExpression:
            return cls(words)
        return cls(known, f"https://spdx.org/licenses/{known}", is_spdx=True) if " " not in known else cls(known)


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What the publisher says.

    Attributes:
        title: What the publication is called; the name of what is published when empty.
        description: What it is; put together from what is published when empty.
        authors: Who publishes it.
        licence: Licence of the whole; empty to leave each part under its own.
        is_unlicensed: Publish also what names no licence.
        citations: What to cite for it, beside what the spectra name.
        keywords: Words to find it by.
        published: Day of publication, ISO 8601; today when empty.
    """

    title: str = ""
    description: str = ""
    authors: tuple[Author, ...] = ()
    licence: str = ""
    is_unlicensed: bool = False
    citations: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    published: str = ""

    def __post_init__(self) -> None:
        if self.licence and self.is_unlicensed:
            raise ParameterError("something has a licence or has none: give --licence or --unlicensed, not both")
        if self.licence and not Licence.of(self.licence).url:
            raise ParameterError(
                f"expected a licence by its SPDX identifier, such as CC-BY-4.0 or CC0-1.0, or the address of its text, "
                f"got {self.licence!r}: see https://spdx.org/licenses"
            )
        day = self.published or datetime.now(UTC).date().isoformat()
        try:
            object.__setattr__(self, "published", date.fromisoformat(day).isoformat())
        except ValueError as error:
            raise ParameterError(f"expected a day such as 2026-10-31 as the date, got {day!r}") from error


@dataclass(frozen=True, kw_only=True)
class Licensing:
    """Which licences hold.

    Attributes:
        overall: Those of the publication; none where nothing is licensed.
        sources: Licences that the spectra, or the weights, name, with their number.
        n_unlicensed: How many name none.
        warning: What the publisher and the reader must know; empty where all is under one licence.
    """

    overall: tuple[Licence, ...]
    sources: Mapping[Licence, int] = field(default_factory=dict)
    n_unlicensed: int = 0
    warning: str = ""


def decide_licences(subject: Subject, terms: Terms) -> Licensing:
    """Return under which licences a subject is published.

    Raises:
        InputError: Something names no licence and the publisher has not said what holds for it.
    """
    sources = {Licence.of(name): n for name, n in subject.stated_licences.items()}
    n_all, n_none = sum(subject.licences.values()), subject.n_unlicensed
    of_all = (
        f"{n_none} of {n_all} spectra name" if subject.dataset is not None and subject.model is None else "it names"
    )
    if n_none and not terms.licence and not terms.is_unlicensed:
        raise InputError(
            f"{subject.name} is not published: {of_all} no licence, so that nobody may use what you publish; say under "
            "which licence you publish it, e.g. --licence CC-BY-4.0, if it is yours to say, or --unlicensed"
        )
    # Licences of some parts are none of the whole where other parts have none.
    overall = (Licence.of(terms.licence),) if terms.licence else () if n_none else tuple(sources)
    words = []
    if n_none and terms.is_unlicensed:
        words.append(f"{of_all} no licence: without one, copyright law alone decides what others may do with them.")
    elif n_none:
        words.append(f"{of_all} no licence; the publisher puts them under {overall[0].name}.")
    others = [licence for licence in sources if licence not in overall]
    if others:
        words.append(f"What is under {', '.join(o.name for o in others)} stays under it.")
    learned = subject.dataset.manifest.licences if subject.model is not None and subject.dataset is not None else {}
    if learned:
        named = ", ".join(f"{n} {name}" for name, n in sorted(learned.items()))
        words.append(f"Licences of the spectra that it learned from: {named}.")
    if len(sources) > 1:
        words.append("The column licence of the spectra says which licence holds for which spectrum.")
    return Licensing(overall=overall, sources=sources, n_unlicensed=n_none, warning=" ".join(words))
