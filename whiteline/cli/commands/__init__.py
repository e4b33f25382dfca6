"""One module a command; importing this package registers them all. Heavy imports wait for the command to run."""

from __future__ import annotations

from whiteline.cli.commands import doctor, export, plot, query, run, show

__all__ = ["doctor", "export", "plot", "query", "run", "show"]
