"""The report as one page of HTML: nothing outside it is needed, and no script runs in it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

from whiteline.markup import figure, number, page, section, table
from whiteline.workflows.benchmark.figures import CODE_NAMES

__all__ = ["make_page"]

_QUANTITIES: Final = {
    "im_epsilon": "Im ε",
    "cross_section": "cross-section σ",
    "as_written": "as each code wrote it",
}


def make_page(results: Mapping[str, Any], images: Mapping[str, bytes]) -> str:
    """Return the page of a report.

    Args:
        results: What `results.json` holds.
        images: PNG files by title.
    """
    benchmark = results["benchmark"]
    sections = [
        _head(results),
        section("Published and here", _published(results["published"])),
        section("Mean over the materials", _means(results["means"])),
        *(section(title, figure(title, images[title])) for title in _overall(images)),
        section("What there is", _coverage(results)),
        section("What could not be had", _problems(results)),
        section("Spectra", _figures({t: image for t, image in images.items() if t not in _overall(images)})),
        section("Every pair", _pairs(results["agreement"])),
        section("Every site", _sites(results["sites"])),
        section("Parameters", _parameters(results["codes"])),
        section("How spectra are compared", _method(benchmark)),
        section("Versions", _versions(results)),
    ]
    return page(f"{benchmark['name']}: {benchmark['title']}", sections)


def _overall(images: Mapping[str, bytes]) -> list[str]:
    return [title for title in ("All materials", "Distance between codes") if title in images]


def _head(results: Mapping[str, Any]) -> str:
    benchmark = results["benchmark"]
    doi = benchmark["doi"]
    link = f' <a href="https://doi.org/{escape(doi)}">doi:{escape(doi)}</a>' if doi else ""
    notes = "".join(f"<li>{escape(note)}</li>" for note in benchmark["notes"])
    names = ", ".join(CODE_NAMES[code["code"]] for code in results["codes"])
    date = results["ended_at"][:16].replace("T", " ")
    return (
        f"<h1>{escape(benchmark['title'])}</h1>\n<p>{escape(benchmark['citation'])}{link}</p>\n"
        f"<p>{escape(benchmark['absorber'])} {escape(benchmark['edge'])} edge of {len(benchmark['materials'])} "
        f"material(s) with {names}; preset <b>{escape(results['preset'])}</b>; {escape(date)} UTC."
        f"</p>\n<ul class='faint'>{notes}</ul>"
    )


def _published(numbers: Sequence[Mapping[str, Any]]) -> str:
    rows = []
    for given in numbers:
        where = "all materials" if given["material"] is None else given["material"]
        if given["site"] is not None:
            where += f", site {given['site']}"
        if given["material"] is None and given["here"] is not None:
            where = f"{given['n_materials']} material(s) here"
        here, difference = given["here"], given["difference"]
        rows.append(
            [
                given["label"],
                where,
                given["measure"],
                number(given["value"], 5),
                number(here, 5) if here is not None else "not computed",
                number(difference, 5, is_signed=True),
                given["source"],
            ]
        )
    return table(["pair", "of", "measure", ">published", ">here", ">difference", "source"], rows)


def _means(means: Sequence[Mapping[str, Any]]) -> str:
    head = ["pair", "compared", ">materials", ">Spearman", ">log₁₀(1 − Spearman)", ">Pearson", ">cosine", ">area"]
    rows = [
        [
            _pair(mean["codes"]),
            _QUANTITIES[mean["quantity"]],
            str(mean["n_materials"]),
            number(mean["spearman"], 5),
            number(mean["log10_distance"], 2),
            number(mean["pearson"], 5),
            number(mean["cosine"], 5),
            number(mean["area_difference"], 4),
        ]
        for mean in means
    ]
    if not rows:
        return "<p>No two codes have the whole spectrum of a material.</p>"
    return table(head, rows)


def _coverage(results: Mapping[str, Any]) -> str:
    codes = [code["code"] for code in results["codes"]]
    rows = []
    for material in results["benchmark"]["materials"]:
        cells = [_cell(results, material, code) for code in codes]
        rows.append([f"{material['name']} ({material['formula']}, {material['space_group']})", *cells])
    return table(["material", *(CODE_NAMES[code] for code in codes)], rows)


def _cell(results: Mapping[str, Any], material: Mapping[str, Any], code: str) -> str:
    """Return in words what there is of a material with a code."""
    own = [s for s in results["sites"] if (s["material"], s["code"]) == (material["name"], code)]
    if not own:
        return "–"
    words = sorted({f"{site['origin']}, {site['status']}" for site in own})
    n_all = len(material["sites"])
    share = f" ({len(own)} of {n_all} sites)" if len(own) < n_all else ""
    return "; ".join(words) + share


def _problems(results: Mapping[str, Any]) -> str:
    parts = []
    for code in results["codes"]:
        if not code["not_run"]:
            continue
        missing = ", ".join(code["not_run"])
        lines = [
            f"<li class='{'bad' if f['level'] == 'error' else 'warn'}'>{escape(f['subject'])}: {escape(f['detail'])}"
            f"{': ' + escape(f['remedy']) if f['remedy'] else ''}</li>"
            for f in code["findings"]
            if f["level"] != "ok"
        ]
        written = (
            f"<p>{code['n_inputs']} input folder(s) are ready to submit in <code>{escape(code['inputs'])}/</code> "
            "beside this page; when they have run, <code>--import</code> reads them.</p>"
            if code["inputs"]
            else ""
        )
        parts.append(
            f"<h3>{CODE_NAMES[code['code']]}: not run here for {escape(missing)}</h3><ul>{''.join(lines)}</ul>{written}"
        )
    failed = [site for site in results["sites"] if site["status"] == "failed"]
    lines = [
        f"<li class='bad'>{escape(s['material'])} site {s['site']}, {s['code']}: {escape(s['reason'])}</li>"
        for s in failed
    ]
    lines += [f"<li class='bad'>{escape(p['subject'])}: {escape(p['reason'])}</li>" for p in results["problems"]]
    if lines:
        parts.append(f"<ul>{''.join(lines)}</ul>")
    return "\n".join(parts)


def _pairs(rows: Sequence[Mapping[str, Any]]) -> str:
    head = [
        "material",
        "pair",
        ">Spearman",
        ">log₁₀(1 − Spearman)",
        ">Pearson",
        ">cosine",
        ">area",
        ">shift (eV)",
        ">overlap (eV)",
        "remark",
    ]
    parts = []
    for quantity in dict.fromkeys(row["quantity"] for row in rows):
        cells = [
            [
                _scope(row),
                _pair(row["codes"]),
                number(row.get("spearman"), 5),
                number(row["log10_distance"], 2),
                number(row.get("pearson"), 5),
                number(row.get("cosine"), 5),
                number(row.get("area_difference"), 4),
                number(row.get("shift"), 2, is_signed=True),
                number(row.get("overlap"), 1),
                row["remark"],
            ]
            for row in rows
            if row["quantity"] == quantity
        ]
        parts.append(f"<h3>Compared: {_QUANTITIES[quantity]}</h3>{table(head, cells, wide=('remark',))}")
    if not parts:
        return "<p>No two codes have a spectrum of the same site.</p>"
    note = (
        "<p class='faint'>The shift is added to the axis of the second code; axes count from the zeros of their "
        "codes. Area: half the area between curves of area one.</p>"
    )
    return note + "\n".join(parts)


def _sites(sites: Sequence[Mapping[str, Any]]) -> str:
    head = ["material", "code", ">mult.", "status", "origin", ">time", ">width", ">added", "id", "reason"]
    rows = [
        [
            _scope(site),
            CODE_NAMES[site["code"]],
            str(site["multiplicity"]),
            site["status"],
            site["origin"],
            "–" if site["wall_time"] is None else f"{site['wall_time']:.0f} s",
            number(site["broadening"], 2),
            number(site["broadening_added"], 2),
            site["id"][:10],
            site["reason"],
        ]
        for site in sites
    ]
    note = (
        "<p class='faint'>Width: full width of the Lorentzians in the spectrum as its code wrote it; added: what it "
        "gets before it is compared, both in eV. Time: wall time of the calculation here.</p>"
    )
    return note + table(head, rows, wide=("reason",)) if rows else "<p>There is no spectrum.</p>"


def _parameters(codes: Sequence[Mapping[str, Any]]) -> str:
    parts = []
    for code in codes:
        parts.append(f"<p>{CODE_NAMES[code['code']]}: {escape(_made(code))}{_time(code['wall_time'])}.</p>")
        parts += [
            f"<details><summary>{escape(fidelity)}</summary>"
            f"<pre>{escape(json.dumps(parameters, indent=1, ensure_ascii=False))}</pre></details>"
            for fidelity, parameters in code["parameters"].items()
            if parameters
        ]
    return "\n".join(parts)


def _made(code: Mapping[str, Any]) -> str:
    """Return which versions made the spectra, and how they came here."""
    if not code["origins"]:
        return "no spectra"
    return f"{', '.join(code['code_versions']) or 'version unknown'} ({', '.join(code['origins'])})"


def _time(seconds: float | None) -> str:
    return "" if seconds is None else f", {seconds:.0f} s of wall time in all"


def _method(benchmark: Mapping[str, Any]) -> str:
    c = benchmark["comparison"]
    quantities = ", ".join(_QUANTITIES[quantity] for quantity in c["quantities"])
    width = (
        "Broadening is left as it is."
        if c["broadening"] is None
        else f"Lorentzians are brought to {c['broadening']:g} eV in total (full width)."
    )
    return (
        f"<p>Compared: {quantities}. {width} Each curve is cut where it first exceeds {c['onset']:g} of its maximum, "
        f"and {c['window']:g} eV further. The second is shifted by up to {c['max_shift']:g} eV either way from "
        f"coinciding onsets in steps of {c['step']:g} eV, and the largest cosine on {c['n_grid']} common points wins; "
        "where that leaves the steepest rises more than 2 eV apart, the local maximum nearest to their coincidence is "
        "taken. Sites of a material are averaged by their multiplicity. Means are over materials whose whole spectrum "
        "both codes have; the logarithm beside them is that of the mean.</p>"
    )


def _versions(results: Mapping[str, Any]) -> str:
    libraries = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    return (
        f"<p>{escape(libraries)}</p><p class='faint'>{escape(results['started_at'])} to {escape(results['ended_at'])}. "
        "All numbers of this page are in <code>results.json</code> beside it.</p>"
    )


def _figures(images: Mapping[str, bytes]) -> str:
    if not images:
        return ""
    return f"<div class='pair'>{''.join(figure(title, image) for title, image in images.items())}</div>"


def _scope(row: Mapping[str, Any]) -> str:
    return str(row["material"]) if row["site"] is None else f"{row['material']}, site {row['site']}"


def _pair(codes: Sequence[str]) -> str:
    return " – ".join(CODE_NAMES[code] for code in codes)
