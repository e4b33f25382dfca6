"""A spectrum that was computed again over the one on record, and what lies between them."""

from __future__ import annotations

from io import BytesIO

import numpy as np

from whiteline.spectrum import Spectrum

__all__ = ["draw_overlay"]

# Okabe and Ito's colours, told apart by colour-blind readers.
_RECORDED, _NOW = "#0072B2", "#D55E00"
_DPI = 160


def draw_overlay(recorded: Spectrum, now: Spectrum, *, title: str) -> bytes:
    """Return the figure as PNG: both curves as they were written, and their difference below."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.0, 4.2), layout="constrained")
    upper, lower = figure.subplots(2, sharex=True, height_ratios=(3, 1))
    upper.plot(recorded.energy, recorded.intensity, color=_RECORDED, linewidth=2.4, label="on record")
    upper.plot(now.energy, now.intensity, color=_NOW, linewidth=1.1, label="now")
    upper.set_ylabel("Intensity as written")
    upper.legend(frameon=False)
    # Names of materials come from anywhere: a dollar sign would begin mathematics.
    upper.set_title(title, fontsize="medium", parse_math=False)
    difference = np.interp(recorded.energy, now.energy, now.intensity, left=np.nan, right=np.nan) - recorded.intensity
    lower.axhline(0.0, color="0.7", linewidth=0.8)
    lower.plot(recorded.energy, difference, color=_NOW, linewidth=1.1)
    lower.set_ylabel("now − record")
    lower.set_xlabel(f"Energy (eV), zero: {recorded.energy_reference}")
    content = BytesIO()
    figure.savefig(content, format="png", dpi=_DPI)
    return content.getvalue()
