"""What a publication is put together from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from whiteline.workflows.publishing.reproducing import one_line

if TYPE_CHECKING:
    from whiteline.workflows.publishing.origin import Origin
    from whiteline.workflows.publishing.subject import Subject
    from whiteline.workflows.publishing.terms import Licensing, Terms

__all__ = ["Publication"]


@dataclass(frozen=True, kw_only=True)
class Publication:
    """What is published, under which terms and licences, and where it came from."""

    subject: Subject
    terms: Terms
    licensing: Licensing
    origin: Origin

    @property
    def title(self) -> str:
        """What it is called, on one line."""
        return one_line(self.terms.title or self.subject.name)

    @property
    def description(self) -> str:
        """What it is, on one line: the publisher's words, then what is known of itself."""
        return one_line(f"{self.terms.description} {self.subject.summary}")

    @property
    def citations(self) -> dict[str, int]:
        """What is to be cited, and the number of spectra that come from it; 0 for the publication as a whole."""
        return {**dict.fromkeys(self.terms.citations, 0), **self.subject.stated_citations}

    @property
    def citation(self) -> str:
        """How to cite the publication itself; empty where nobody is named."""
        if not self.terms.authors:
            return ""
        names = ", ".join(author.name for author in self.terms.authors)
        return f"{names}: {self.title} ({self.terms.published[:4]}), {self.subject.kind} {self.subject.id[:12]}."
