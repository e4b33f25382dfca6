"""The report of a model as one page of HTML: nothing outside it is needed, and no script runs in it."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any, Final

from whiteline.markup import figure, number, page, section, table

__all__ = ["make_page"]

_NARROW: Final = ("Spectra by error",)  # shown by itself; the others stand side by side


def make_page(report: Mapping[str, Any], images: Mapping[str, bytes]) -> str:
    """Return the page.

    Args:
        report: What `report.json` holds.
        images: PNG files by title.
    """
    small = {title: image for title, image in images.items() if title not in _NARROW}
    sections = [
        _head(report),
        section("Errors", _errors(report)),
        section("Beside another model", _paired(report)),
        *(section(title, figure(title, images[title])) for title in _NARROW if title in images),
        section("Figures", _pair(small)),
        section("Calibration", _calibration(report)),
        section("Distance from the training set", _distance(report)),
        section("Best, median and worst", _deciles(report)),
        section("What the numbers are", _method(report)),
    ]
    return page(report["title"], sections)


def _head(report: Mapping[str, Any]) -> str:
    rows = [[name, str(value)] for name, value in report["facts"].items()]
    facts = table(["", ""], rows, wide=("",)) if rows else ""
    s = report["summary"]
    interval = (
        "" if s["eta_low"] is None else f" (95 % interval {number(s['eta_low'], 2)} to {number(s['eta_high'], 2)})"
    )
    return (
        f"<h1>{escape(report['title'])}</h1>\n<p>{s['n_samples']} spectra that the model did not see: "
        f"<b>η = {number(s['eta'], 2)}</b>{interval}. η compares models on the same spectra only; another split gives "
        f"another number.</p>\n{facts}"
    )


def _errors(report: Mapping[str, Any]) -> str:
    unit = report["unit"] or "unit"
    head = ["absorber", ">spectra", ">η", ">median MSE", ">mean MSE", ">of train mean", ">MAE", ">Spearman", ">Pearson"]
    head += [">cosine", ">white line"]
    all_rows = list(report["by_absorber"].items())
    if len(all_rows) > 1:
        all_rows.append(("all", report["summary"]))
    rows = [
        [
            name,
            str(s["n_samples"]),
            number(s["eta"], 2),
            _scientific(s["median_mse"]),
            _scientific(s["mean_mse"]),
            _scientific(s["baseline_mse"]),
            _scientific(s["mae"]),
            number(s["spearman"], 4),
            number(s["pearson"], 4),
            number(s["cosine"], 5),
            number(s["peak_error"], 2),
        ]
        for name, s in all_rows
    ]
    note = (
        f"<p class='faint'>MSE in {escape(unit)}², MAE in {escape(unit)}; of train mean: the median MSE of the mean "
        "training spectrum; white line: median distance of computed and predicted position in eV.</p>"
    )
    return note + table(head, rows)


def _paired(report: Mapping[str, Any]) -> str:
    rival = report["rival"]
    if rival is None:
        return ""
    counted = "materials, errors averaged within each" if rival["by_material"] else "spectra"
    return (
        f"<p>Median MSE over that of {escape(rival['name'])}: <b>{number(rival['ratio'], 3)}</b> "
        f"({_percent(rival['confidence'])} interval {number(rival['low'], 3)} to {number(rival['high'], 3)}); smaller "
        f"for {_percent(rival['share_better'])} of {rival['n']} {counted}; one-sided Wilcoxon signed-rank test "
        f"p = {_scientific(rival['p_value'])}.</p>"
    )


def _calibration(report: Mapping[str, Any]) -> str:
    found = report["calibration"]
    if found is None:
        return ""
    chosen = [i for i, level in enumerate(found["levels"]) if f"{100 * level:g} %" in found["bands"]]
    rows = [
        [
            _percent(found["levels"][i]),
            _percent(found["inside"][i]),
            f"{_percent(found['lowest'][i])} to {_percent(found['highest'][i])}",
            _scientific(found["width"][i]),
        ]
        for i in chosen
    ]
    made = {
        "validation": "Widths are conformal quantiles of validation data.",
        "normal": "Widths are those of a normal distribution, not fitted to validation data.",
    }[found["made_by"]]
    head = ["band", ">points inside", ">from energy to energy", f">mean width [{report['unit'] or 'unit'}]"]
    return f"<p>{made}</p>{table(head, rows)}"


def _distance(report: Mapping[str, Any]) -> str:
    found = report["distance"]
    if found is None:
        return ""
    rows = [
        [f"{low:.3g} – {high:.3g}", str(n), _scientific(error)]
        for low, high, n, error in zip(
            found["edges"], found["edges"][1:], found["n_samples"], found["median_error"], strict=False
        )
    ]
    note = f"<p>Rank correlation of distance and error: {number(found['spearman'], 2)}.</p>"
    return note + table(["distance", ">spectra", f">median MSE [{report['unit'] or 'unit'}²]"], rows)


def _deciles(report: Mapping[str, Any]) -> str:
    rows = [
        [row["place"], row["id"], row["absorber"], _scientific(row["mse"]), number(row["spearman"], 4)]
        for row in report["deciles"]
    ]
    return table(["place", "sample", "absorber", f">MSE [{report['unit'] or 'unit'}²]", ">Spearman"], rows)


def _pair(images: Mapping[str, bytes]) -> str:
    return f"<div class='pair'>{''.join(figure(title, image) for title, image in images.items())}</div>"


def _method(report: Mapping[str, Any]) -> str:
    window = report["peak_window"]
    where = "on the whole axis" if window is None else f"from {window[0]:g} to {window[1]:g} eV"
    return (
        "<p>MSE is the mean squared difference over the points of one spectrum; η is the median MSE of the mean "
        "training spectrum over the median MSE of the model (arXiv:2409.19552). Correlations and MAE are of single "
        f"spectra, their median and mean are given. The white line is the highest point {where}, refined by a "
        "parabola. Intervals are bootstrap percentiles over materials, or over spectra where these are unknown. All "
        "numbers are in <code>report.json</code> beside this page.</p>"
    )


def _scientific(value: float) -> str:
    return f"{value:.3g}".replace("-", "−")


def _percent(share: float) -> str:
    return f"{round(100 * share, 1):g} %"
