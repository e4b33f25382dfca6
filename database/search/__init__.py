"""Search by spectrum: the stored spectra that are most like a measured or computed one."""

from __future__ import annotations

from whiteline.database.search.metrics import Metric
from whiteline.database.search.searching import Match, SearchIndex, search

__all__ = ["Match", "Metric", "SearchIndex", "search"]
