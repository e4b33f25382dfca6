"""One module a command; importing this package registers them all. Heavy imports wait for the command to run."""

from __future__ import annotations

from whiteline.cli.commands import (
    benchmark,
    check,
    compare,
    converge,
    dataset,
    db,
    doctor,
    export,
    files,
    ingest,
    inputs,
    plot,
    presets,
    pseudo,
    query,
    run,
    search,
    show,
)

__all__ = [
    "benchmark",
    "check",
    "compare",
    "converge",
    "dataset",
    "db",
    "doctor",
    "export",
    "files",
    "ingest",
    "inputs",
    "plot",
    "presets",
    "pseudo",
    "query",
    "run",
    "search",
    "show",
]
