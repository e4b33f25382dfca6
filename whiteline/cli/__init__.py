"""The command `whiteline`."""

from __future__ import annotations

from whiteline.cli.app import main

__all__ = ["main"]
