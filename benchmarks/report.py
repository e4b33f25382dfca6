"""Write the numbers of README and docs from the results files: `python benchmarks/report.py`.

Each block between `<!-- begin NAME -->` and `<!-- end NAME -->` is made from benchmarks/results; a test keeps them
equal.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import report_campaigns as campaigns
import report_lineage as lineage
import report_models as models
from results_files import ROOT, load


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


def costs() -> str:
    """Return the table of converged and of fixed parameters."""
    lines = [
        "| crystal, edge | parameters | 1 − ρ | area | shift (eV) | within the tolerance | time | tight takes |",
        "|---|---|--:|--:|--:|---|--:|--:|",
    ]
    for row in load("feff_convergence")["rows"]:
        converged, fixed = row["converged"], dict(row["fixed"])
        tight = fixed.pop("tight")["seconds"]
        name = row["name"].removesuffix(f" {row['edge']}")
        lines.append(
            _cost(
                f"{name}, {row['absorber']} {row['edge']}",
                f"{converged['status']}: {converged['words']}",
                converged,
                tight,
            )
        )
        lines += [_cost("", label, each, tight) for label, each in fixed.items()]
        lines.append(
            f"| | all {converged['n_rungs']} points of the series | | | | | {converged['series_seconds']:.0f} s "
            f"| {converged['series_cheaper_than_tight']:.1f} × |"
        )
    return "\n".join(lines)


def _cost(name: str, label: str, row: dict[str, Any], tight: float) -> str:
    return (
        f"| {name} | {label} | {row['one_minus_spearman']:.4f} | {row['area_difference']:.4f} | {row['shift_ev']:+.2f} "
        f"| {'yes' if row['is_within_tolerance'] else 'no'} | {row['seconds']:.0f} s | {tight / row['seconds']:.0f} × |"
    )


def ingested() -> str:
    """Return the table of files that others made."""
    lines = ["| below the data folder | taken | the same again | skipped |", "|---|---|--:|---|"]
    for row in load("ingest_samples")["rows"]:
        files = "".join(f", {n} `{pattern}`" for pattern, n in row["files"].items())
        taken = "; ".join(f"{n:,} {what}" for what, n in row["taken"].items())
        skipped = "; ".join(f"{one['source']}: {one['reason'].partition(': expected')[0]}" for one in row["skipped"])
        lines.append(f"| `{row['name']}`{files} | {taken} | {row['n_present']} | {skipped or '–'} |")
    return "\n".join(lines)


def million() -> str:
    """Return what a million spectra come to."""
    r = load("million_spectra")
    inserts = f"{r['inserts_per_s']:,} inserts/s, " if "inserts_per_s" in r else ""
    return "\n".join(
        [
            f"- {r['n']:,} spectra of 141 points: {inserts}{r['bytes_per_spectrum']:,} bytes a spectrum with "
            "structure, record and indexes; peak memory of the process that inserts, reads and searches "
            f"{r['peak_memory_mb'] / 1e3:.1f} GB.",
            f"- Ten queries of 50 rows: at most {max(r['queries_ms'].values()):.1f} ms.",
            f"- {r['matrix_rows']:,} as one matrix: {r['matrix_s']:.2f} s, "
            f"{r['matrix_s'] / r['plain_file_s']:.1f} times what `np.load` takes for the same numbers.",
            f"- The index for searches is made in {r['first_search_with_index_s']:.0f} s; then a search takes "
            f"{r['search_median_ms']} ms (median; at most {r['search_max_ms']} ms).",
        ]
    )


def search() -> str:
    """Return the table of searches."""
    r = load("spectrum_search")
    lines = [
        f"| metric, {r['n']:,} spectra | top 10 as by brute force | the right one in the top 5 | search, median |",
        "|---|--:|--:|--:|",
    ]
    for metric, recall in r["recall"].items():
        found, time = r["held_out"][metric]["of_its_absorber"]["top_5"], r["search_ms"][metric]["all"]["median"]
        lines.append(f"| {metric} | {100 * recall['equal_lists']:.1f} % | {100 * found:.1f} % | {time:.0f} ms |")
    lines += ["", f"The index takes {r['index_bytes_per_spectrum'] / 1e3:.1f} kB a spectrum."]
    return "\n".join(lines)


def server() -> str:
    """Return the table of stores in a server."""
    r = load("server_store")
    lines = [
        f"| {r['server']} | inserts/s | ten queries of 50 rows | as one matrix, rows/s | bytes a spectrum |",
        "|---|--:|--:|--:|--:|",
    ]
    for name in ("whiteline", "maggma MongoStore"):
        row = r[name]
        times = sorted(row["queries_ms"].values())
        lines.append(
            f"| {name}, {row['n']:,} spectra | {row['inserts_per_s']:,} | {times[0]:.1f} to {times[-1]:,.0f} ms, "
            f"median {(times[4] + times[5]) / 2:.0f} ms | {row['matrix_rows_per_s']:,} "
            f"| {row['bytes_per_spectrum']:,} |"
        )
    return "\n".join(lines)


# The blocks of each document.
DOCUMENTS: dict[str, dict[str, Callable[[], str]]] = {
    "README.md": {"reference": reference, "presets": presets, "overhead": overhead, "store": store},
    "docs/convergence.md": {"series": series, "costs": costs},
    "docs/database.md": {"ingested": ingested, "million": million, "search": search, "server": server},
    "docs/decisions/0016-a-campaign-is-a-queue-of-tasks.md": {"managers": campaigns.managers},
    "docs/evaluation.md": {"bands": models.bands},
    "docs/failures.md": {"repairs": campaigns.repairs},
    "docs/features.md": {"featurisation": models.featurisation},
    "docs/aiida.md": {"aiida": lineage.aiida},
    "docs/lineage.md": {"recording": lineage.recording, "reruns": lineage.reruns},
    "docs/model-accuracy.md": {
        "accuracy": models.accuracy,
        "copper": models.copper,
        "divisions": models.divisions,
        "inside": models.inside,
        "l_edges": models.l_edges,
        "learning_curves": models.learning_curves,
        "prediction_speed": models.prediction_speed,
        "training_speed": models.training_speed,
    },
    "docs/scale.md": {"chain": campaigns.chain, "million_sites": campaigns.million_sites},
    "docs/training-data.md": {"splits": models.splits},
    "docs/training.md": {"domain": models.domain},
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
