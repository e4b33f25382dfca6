"""Published benchmarks, rerun: structures, codes and comparison are data, one folder each (`definition`)."""

from __future__ import annotations

from whiteline.workflows.benchmark.definition import Benchmark, list_benchmarks, load_benchmark
from whiteline.workflows.benchmark.report import write_report
from whiteline.workflows.benchmark.results import BenchmarkRun
from whiteline.workflows.benchmark.running import run_benchmark

__all__ = [
    "Benchmark",
    "BenchmarkRun",
    "list_benchmarks",
    "load_benchmark",
    "run_benchmark",
    "write_report",
]
