"""The main job in Python: Ti K edge of anatase, computed once, stored, plotted into anatase.png."""

from pathlib import Path

from whiteline import read_structure, run_material
from whiteline.plotting import Curve, plot_spectra, save_figure

if __name__ == "__main__":
    structure = read_structure(Path(__file__).with_name("anatase.cif"))
    result = run_material(structure, "Ti", "K", name="anatase", preset="fast")
    save_figure(plot_spectra([Curve(result.spectrum, "anatase Ti K, feff:fast")]), "anatase.png")
