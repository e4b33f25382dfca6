"""Write the numbers of README and docs from the results files: `python benchmarks/report.py`.

Each block between `<!-- begin NAME -->` and `<!-- end NAME -->` is made from benchmarks/results; a test keeps them
equal.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"


def load(name: str) -> dict[str, Any]:
    """Return the content of a results file."""
    return dict(json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8")))


def reference() -> str:
    """Return the table of FEFF spectra beside stored ones."""
    lines = [
        "| spectrum (stored by) | points | Pearson | Spearman | best shift (eV) | largest deviation of μ "
        "| SCF iterations here, stored |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for row in load("feff_reference")["rows"]:
        name = f"{row['name']} ({row['version']})"
        if "failure" in row:
            lines.append(f"| {name} | failed: {row['failure']} |")
            continue
        iterations = f"{row['scf_iterations_here']}, {row.get('scf_iterations', '–')}"
        lines.append(
            f"| {name} | {row['n_points']} | {row['pearson']:.6f} | {row['spearman']:.6f} | {row['shift_ev']:+.2f} "
            f"| {row['largest_deviation']:.1e} | {iterations} |"
        )
    return "\n".join(lines)


def presets() -> str:
    """Return the table of the fast preset beside the published parameters."""
    lines = [
        "| site | Pearson | Spearman | shift (eV) | fast | published parameters |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for row in load("feff_presets")["rows"]:
        if "failure" in row:
            lines.append(f"| {row['name']} | failed: {row['failure']} |")
            continue
        slow = f"{row['published_s']:.0f} s" if row["published_s"] else "–"
        lines.append(
            f"| {row['name']} | {row['pearson']:.4f} | {row['spearman']:.4f} | {row['shift_ev']:+.2f} "
            f"| {row['fast_s']:.0f} s | {slow} |"
        )
    return "\n".join(lines)


def overhead() -> str:
    """Return what the platform costs."""
    r = load("platform_overhead")
    before, after = (r["feff_page_faults"][name] for name in ("without_settings", "with_settings"))
    return "\n".join(
        [
            f"- `import whiteline` {r['import_whiteline_s']:.2f} s, `whiteline --help` {r['help_s']:.2f} s.",
            f"- Everything but FEFF: {r['overhead_of_first_site_s']:.1f} s for the first site of a command, nearly all "
            f"of it imports, and {r['overhead_of_each_further_site_s']:.2f} s for each further one: "
            f"{r['first_site_share_of_30_s_percent']:.1f} % and {r['further_site_share_of_30_s_percent']:.1f} % "
            "of a 30 s site.",
            f"- Memory settings for FEFF's process cut its page faults from {before['page_faults']:,.0f} to "
            f"{after['page_faults']:,.0f} and its system time from {before['system_s']:.1f} s to "
            f"{after['system_s']:.1f} s on a cluster of 79 atoms; the spectra are "
            f"{'the same to the last digit' if r['feff_page_faults']['is_same_spectrum'] else 'different'}.",
        ]
    )


def store() -> str:
    """Return the table of stores."""
    results = load("embedded_store")
    ours = results["whiteline"]
    slowest = max(query["summaries"] for query in ours["queries_ms"].values())
    rows = [
        (
            f"Whiteline, SQLite, {ours['n']:,} spectra",
            f"{ours['put_many_per_s']:,.0f}",
            f"{ours['get_per_s']:,.0f}",
            f"≤ {slowest:.1f} ms",
            f"{ours['matrix_ms']:.0f} ms",
            f"{ours['bytes_per_spectrum']:,.0f}",
        )
    ]
    rows += [
        (
            f"{name}, {other['n']:,} spectra",
            f"{other['put_many_per_s']:,.0f}",
            f"{other['get_per_s']:,.0f}",
            f"{other['query_50_ms']:.0f} ms",
            f"{other['matrix_ms']:.0f} ms",
            "–",
        )
        for name, other in results["others"].items()
    ]
    head = ("store", "inserts/s", "by id/s", "query, 50 rows", "all as one matrix", "bytes a spectrum")
    lines = ["| " + " | ".join(head) + " |", "|---" + "|--:" * (len(head) - 1) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def examples() -> str:
    """Return the table of FEFF10's own examples."""
    lines = [
        "| example (reference of) | Pearson | Spearman | best shift (eV) | wall time | scope and notes |",
        "|---|--:|--:|--:|--:|---|",
    ]
    for row in load("feff_examples")["rows"]:
        words = f"{row['scope']}{'; ' if row['note'] else ''}{row['note']}"
        if row["failure"]:
            lines.append(f"| {row['name']} | – | – | – | {row['wall_s']:.0f} s | {row['scope']}; {row['failure']} |")
            continue
        lines.append(
            f"| {row['name']} ({row['version']}) | {row['pearson']:.6f} | {row['spearman']:.6f} "
            f"| {row['shift_ev']:+.2f} | {row['wall_s']:.0f} s | {words} |"
        )
    return "\n".join(lines)


def writing() -> str:
    """Return the table of input writing."""
    results = load("input_writing")
    peer = results["pymatgen_MPXANESSet"]["sites_per_s"]
    lines = [
        "| writer | sites/s from nothing | sites/s, crystal known | sites written in a row | memory grew by |",
        "|---|--:|--:|--:|--:|",
        f"| pymatgen's MPXANESSet (FEFF) | {peer:.0f} | – | – | – |",
    ]
    for code, row in results["engines"].items():
        if "skipped" in row:
            lines.append(f"| {code} | skipped: {row['skipped']} | | | |")
            continue
        first, known, many = row["from_nothing"]["sites_per_s"], row["absorber_known"]["sites_per_s"], row["many_sites"]
        # Only FEFF's inputs are those that the peer writes.
        ratios = (f" ({first / peer:.1f} ×)", f" ({known / peer:.0f} ×)") if code == "feff" else ("", "")
        lines.append(
            f"| {code} | {first:.0f}{ratios[0]} | {known:.0f}{ratios[1]} "
            f"| {many['n_sites']:,} | {many['growth_mb_after_the_first_tenth']:.1f} MB |"
        )
    return "\n".join(lines)


def published() -> str:
    """Return the table of titanium with self-made pseudopotentials beside published spectra."""
    agreement = load("xspectra_published")["agreement"]
    beside = agreement.pop("published xspectra with published ocean")
    rows = {f"here, published {code}": row for code, row in agreement.items()}
    rows["published xspectra, published ocean"] = beside
    lines = ["| spectra compared | Spearman | Pearson | cosine | area difference |", "|---|--:|--:|--:|--:|"]
    measures = ("spearman", "pearson", "cosine", "area_difference")
    lines += [f"| {name} | {' | '.join(f'{row[m]:.4f}' for m in measures)} |" for name, row in rows.items()]
    return "\n".join(lines)


def series() -> str:
    """Return the table of real series."""
    lines = [
        "| site | code | verdict | taken | points | all points | that point | f to f + 1: 1 − ρ, area, shift (eV) |",
        "|---|---|---|---|--:|--:|--:|---|",
    ]
    for row in load("convergence_examples")["rows"]:
        step = row["confirmed"]
        lines.append(
            f"| {row['name']}, {row['absorber']}{row['site']} K | {row['code']} | {row['verdict']} | {row['words']} "
            f"| {row['n_rungs']} | {row['series_seconds']:.0f} s | {row['seconds']:.0f} s "
            f"| {step['one_minus_spearman']:.4f}, {step['area_difference']:.4f}, {step['shift_ev']:+.2f} |"
        )
    return "\n".join(lines)


# The blocks of each document.
DOCUMENTS: dict[str, dict[str, Callable[[], str]]] = {
    "README.md": {"reference": reference, "presets": presets, "overhead": overhead, "store": store},
    "docs/convergence.md": {"series": series},
    "docs/engines.md": {"examples": examples, "writing": writing, "published": published},
}


def fill(document: str, text: str) -> str:
    """Return the text of a document with every block made anew.

    Raises:
        ValueError: A block is missing.
    """
    for name, make in DOCUMENTS[document].items():
        pattern = re.compile(rf"(<!-- begin {name} -->\n).*?(<!-- end {name} -->)", re.DOTALL)
        text, n_found = pattern.subn(lambda m, make=make: f"{m[1]}{make()}\n{m[2]}", text)  # type: ignore[misc]
        if n_found != 1:
            raise ValueError(f"{document} has {n_found} blocks named {name!r}, expected one")
    return text


def main() -> None:
    """Rewrite the documents."""
    for document in DOCUMENTS:
        path = ROOT / document
        path.write_text(fill(document, path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
