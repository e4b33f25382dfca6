"""Measured spectra from files: XDI, Athena's columns, CSV and plain columns of text."""

from __future__ import annotations

from whiteline.database.measured.reading import read_measured

__all__ = ["read_measured"]
