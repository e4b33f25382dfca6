"""The tables of campaigns: what the chain costs a site, what one job a site would, and what repairs change."""

from __future__ import annotations

from typing import Any

from results_files import load

__all__ = ["chain", "managers", "million_sites", "repairs"]

_RUNS = (
    "44 real sites with faults",
    "40 sites of 30 s on 2 cores",
    "10,000 sites of 0.05 s on 2 cores",
    "300 sites of 0.05 s, all in the database server",
)


def chain() -> str:
    """Return the table of campaigns that ran through jobflow-remote, SLURM, workers and store."""
    lines = [
        "| campaign | tasks done, failed | stored, each once | sites/s | in the engine | besides, per site "
        "| memory: manager, worker, process |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    found = load("campaign_scale")
    for name in _RUNS:
        result, ran = found[name]["result"], found[name]["chain"]
        memory, tasks = ran["peak_memory_mb"], result["tasks"]
        once = "yes" if _is_stored_once(result) else "no"
        lines.append(
            f"| {name} | {tasks.get('done', 0):,}, {tasks.get('failed', 0)} | {result['stored']:,}, {once} "
            f"| {result['sites_per_s_while_working']:.3g} | {_share(result)} "
            f"| {1e3 * result['overhead_core_s_per_site']:,.0f} core ms "
            f"| {memory.get('manager', 0):.0f}, {memory.get('worker', 0):.0f}, {memory.get('task process', 0):.0f} MB |"
        )
    return "\n".join(lines)


def _is_stored_once(result: dict[str, Any]) -> bool:
    return not (result["stored_without_task"] or result["done_without_spectrum"])


def _share(result: dict[str, Any]) -> str:
    share = result["share_of_worker_allocations_in_engine"] or result["share_of_workers_in_engine"]
    return f"{100 * share:.1f} %"


def managers() -> str:
    """Return the table of what jobflow-remote takes for a job of its own for each site."""
    r = load("manager_overhead")
    lines = ["| jobflow-remote | jobs/s | database commands a job | manager, CPU ms a job |", "|---|--:|--:|--:|"]
    for name, row in r["cases"].items():
        lines.append(
            f"| {name} | {row['jobs_per_s']:.2f} | {row['commands_per_job']:.0f} "
            f"| {1e3 * row['manager_cpu_s_per_job']:.0f} |"
        )
    return "\n".join(lines)


def million_sites() -> str:
    """Return what a million sites need, from what was measured with fewer."""
    n = 1_000_000
    real, small, served = (load("campaign_scale")[_RUNS[i]] for i in (0, 2, 3))
    queue = load("queue_speed")
    rate = queue["embedded"]["claimed_and_finished_per_s"]
    create = small["create"]["seconds"] / small["structures"]["sites"]
    feff = real["result"]["engine_core_s"] / real["structures"]["sites"]
    overhead = small["result"]["overhead_core_s_per_site"]
    operations = served["result"]["operations_per_site"]
    spectrum = load("million_spectra")["bytes_per_spectrum"]
    tasks = sum(small["result"]["tasks"].values()) / small["structures"]["sites"]
    rows = [
        (f"FEFF, preset fast, small crystals: {feff:.0f} core s a site", f"{feff * n / 3600:,.0f} core h"),
        (
            f"everything besides, averages included: {1e3 * overhead:.0f} core ms a site",
            f"{overhead * n / 3600:,.0f} core h",
        ),
        (f"creating the campaign in one process: {1e3 * create:.0f} ms a site", f"{create * n / 3600:.1f} h"),
        (f"tasks, averages included: {tasks:.1f} a site", f"{tasks * n:,.0f}"),
        (
            f"embedded queue: {queue['embedded']['bytes_per_task']} bytes a task",
            f"{queue['embedded']['bytes_per_task'] * tasks * n / 1e9:.1f} GB",
        ),
        (
            f"embedded queue: {rate:,.0f} tasks a second claimed and finished",
            f"{tasks * n / rate / 60:.0f} min in all",
        ),
        (
            f"the stand-in for MongoDB: {queue['server']['claimed_and_finished_per_s']:.0f} tasks a second",
            f"{tasks * n / queue['server']['claimed_and_finished_per_s'] / 3600:.1f} h in all",
        ),
        (
            f"database operations: {operations:.0f} a site",
            f"{operations * n / 86400 / 30:.0f} a second, if it shall take a month",
        ),
        (f"spectra in the embedded store: {spectrum:,} bytes each", f"{spectrum * tasks * n / 1e9:.1f} GB"),
    ]
    return "\n".join(["| measured | a million sites |", "|---|--:|", *(f"| {what} | {much} |" for what, much in rows)])


def repairs() -> str:
    """Return the table of FEFF's ladder on a site that needs it, and on one that does not."""
    lines = [
        "| site | tried | converged | iterations | CPU s | largest difference | Pearson |",
        "|---|---|---|--:|--:|--:|--:|",
    ]
    for row in load("feff_repairs")["rows"]:
        difference = f"{row['largest_difference']:.1e}" if "largest_difference" in row else "–"
        pearson = f"{row['pearson']:.7f}" if "pearson" in row else "–"
        lines.append(
            f"| {row['site']} | {row['rung']} | {'yes' if row['status'] == 'converged' else 'no'} "
            f"| {row['n_iterations']} | {row['cpu_s']:.0f} | {difference} | {pearson} |"
        )
    return "\n".join(lines)
