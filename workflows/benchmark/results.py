"""What a benchmark run came to, before anything is compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from whiteline.database.documents import SpectrumDocument
from whiteline.workflows.benchmark.definition import Benchmark
from whiteline.workflows.plan import Problem
from whiteline.workflows.preparation import FindingGroup

__all__ = ["BenchmarkRun", "CodeReport", "Origin", "SiteResult"]


class Origin(StrEnum):
    """How a spectrum came into the store: now, before, or from outputs that were made elsewhere."""

    COMPUTED = "computed"
    STORED = "stored"
    IMPORTED = "imported"


@dataclass(frozen=True, eq=False)
class SiteResult:
    """One site of one material with one code.

    Attributes:
        material: Name of the material.
        code: The code.
        site_index: Index of the site in the benchmark's structure.
        multiplicity: Number of sites equivalent to it there.
        document: What is stored of it.
        origin: How it came into the store.
        wall_time: How long it was computed here [s]; None where it was made elsewhere.
        failure: Why computing it failed now; empty where it did not.
    """

    material: str
    code: str
    site_index: int
    multiplicity: int
    document: SpectrumDocument
    origin: Origin
    wall_time: float | None = None
    failure: str = ""


@dataclass(frozen=True, eq=False)
class CodeReport:
    """What was asked of a code, and what stood in its way.

    Attributes:
        code: The code.
        preset: Its preset.
        parameters: Complete parameters; empty where the code could not be set up.
        findings: What is missing or wrong on this machine.
        not_run: Names of the materials that could not be computed here.
        inputs: Folder with the inputs that were written for them; None where none were.
        n_inputs: Number of calculations whose inputs are ready there.
    """

    code: str
    preset: str
    parameters: Mapping[str, Any]
    findings: tuple[FindingGroup, ...] = ()
    not_run: tuple[str, ...] = ()
    inputs: Path | None = None
    n_inputs: int = 0


@dataclass(frozen=True, eq=False)
class BenchmarkRun:
    """What a benchmark run came to.

    Attributes:
        benchmark: The benchmark, with the codes and materials that were asked for.
        preset: Name of the preset, as the benchmark calls it.
        sites: Every site that has an outcome, by code and material.
        codes: What was asked of each code.
        problems: What could not be read, run or set up.
        started_at: Start in ISO 8601, UTC; `ended_at` likewise.
    """

    benchmark: Benchmark
    preset: str
    sites: tuple[SiteResult, ...]
    codes: tuple[CodeReport, ...]
    problems: tuple[Problem, ...]
    started_at: str
    ended_at: str
