"""Publishing a dataset or a model: an RO-Crate with licences, citation, lineage, checksums and how to make it again.

Nothing is sent anywhere: a folder is made. The names below are loaded on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from whiteline.workflows.publishing.checking import check_published
    from whiteline.workflows.publishing.folder import Destination, Published, publish
    from whiteline.workflows.publishing.subject import Subject, SubjectKind, read_subject
    from whiteline.workflows.publishing.terms import Author, Terms

__all__ = [
    "Author",
    "Destination",
    "Published",
    "Subject",
    "SubjectKind",
    "Terms",
    "check_published",
    "publish",
    "read_subject",
]

_HOMES = {
    "Author": "terms",
    "Destination": "folder",
    "Published": "folder",
    "Subject": "subject",
    "SubjectKind": "subject",
    "Terms": "terms",
    "check_published": "checking",
    "publish": "folder",
    "read_subject": "subject",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'whiteline.workflows.publishing' has no attribute {name!r}")
    return getattr(import_module(f"whiteline.workflows.publishing.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
