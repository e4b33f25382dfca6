"""Figures that commands make, put on record with what they show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from whiteline.database.store import SpectrumStore
    from whiteline.provenance import Things

__all__ = ["record_figure"]


def record_figure(
    store: SpectrumStore,
    activity: str,
    path: Path,
    *,
    spectra: Sequence[str],
    started: str,
    choices: Mapping[str, Any] | None = None,
    files: Sequence[Path] = (),
    used: Things | None = None,
) -> None:
    """Put on record what a figure shows.

    Args:
        store: Where the spectra are.
        activity: What was done, e.g. `plot`.
        path: The figure, which is there.
        spectra: Ids of the stored spectra in it.
        started: When it began, ISO 8601.
        choices: What else was asked for; what was not chosen is left out.
        files: Files in it that are not stored, such as measured spectra.
        used: Other things in it.
    """
    from whiteline.provenance import Kind, file_checksum
    from whiteline.workflows.recording import record_made

    sources = {str(file): file_checksum(file) for file in files}
    record_made(
        store,
        activity,
        Kind.FIGURE,
        [path],
        spectra=spectra,
        started=started,
        parameters={name: value for name, value in (choices or {}).items() if value not in (None, "")},
        used={**(used or {}), Kind.SOURCE: sources},
        libraries=["matplotlib"],
    )
