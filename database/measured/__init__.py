"""Measured spectra from files: XDI, Athena's columns and projects, CSV and plain columns of text."""

from __future__ import annotations

from whiteline.database.measured.athena import AthenaGroup, is_athena, read_athena
from whiteline.database.measured.reading import read_measured

__all__ = ["AthenaGroup", "is_athena", "read_athena", "read_measured"]
