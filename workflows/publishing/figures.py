"""Small pictures of a dataset's spectra for its page."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from whiteline.database.datasets import Dataset

__all__ = ["draw_thumbnails"]

_N_SHOWN: Final = 12
_N_COLUMNS: Final = 4


def draw_thumbnails(dataset: Dataset) -> bytes:
    """Return a PNG image of some spectra, evenly spaced in the order of their ids, each with what it is of."""
    from matplotlib.figure import Figure

    table, matrix = dataset.table, dataset.matrix()
    chosen = np.unique(np.linspace(0, len(dataset) - 1, min(_N_SHOWN, len(dataset))).round().astype(int))
    names = {name: table[name].to_pylist() for name in ("formula", "absorber", "edge", "kind", "code")}
    n_rows = -(-len(chosen) // _N_COLUMNS)
    figure = Figure(figsize=(11.0, 0.5 + 1.75 * n_rows), layout="constrained")
    panels = figure.subplots(n_rows, _N_COLUMNS, squeeze=False).ravel()
    for axes, i_row in zip(panels, chosen, strict=False):
        axes.plot(dataset.grid, matrix[i_row], color="#0072B2", linewidth=1.2)
        what = {name: values[i_row] for name, values in names.items()}
        axes.set_title(
            f"{what['formula'] or 'sample'} {what['absorber']} {what['edge']}, {what['kind']}, {what['code']}",
            fontsize=8,
            parse_math=False,
        )
        axes.set_yticks([])
        axes.tick_params(labelsize=7)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.grid(alpha=0.25, linewidth=0.6)
    for axes in panels[len(chosen) :]:
        axes.set_visible(False)
    figure.supxlabel(f"Energy (eV): {dataset.grid[0]:g} to {dataset.grid[-1]:g}, as the grid counts it", fontsize=8)
    content = BytesIO()
    figure.savefig(content, format="png", dpi=160)
    return content.getvalue()
