"""Energy-loss spectra of copper, run for real."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from whiteline.absorber import Absorber
from whiteline.calculators.feff import FeffCalculator
from whiteline.calculators.feff.parameters import Elnes
from whiteline.edges import Edge
from whiteline.errors import ParseError, UnitError
from whiteline.spectrum import Quantity, Spectrum

GEOMETRY: dict[str, Any] = {"collection_angle": 2.4, "n_radial": 5, "n_angular": 3}


@pytest.fixture(scope="module")
def fcc() -> Structure:
    """Copper's primitive cell."""
    return Structure(Lattice([[0, 1.805, 1.805], [1.805, 0, 1.805], [1.805, 1.805, 0]]), ["Cu"], [[0, 0, 0]])


Finished = tuple[FeffCalculator, Absorber, Path]


@pytest.fixture(scope="module")
def oriented(tmp_path_factory: pytest.TempPathFactory, fcc: Structure, run_tiny: Callable[..., Any]) -> Finished:
    """A finished run with the beam along a direction without symmetry."""
    directory = tmp_path_factory.mktemp("oriented")
    return *run_tiny(directory, fcc, Edge.K, elnes={**GEOMETRY, "beam_direction": (1, 2, 4)}), directory


@pytest.fixture(scope="module")
def averaged(tmp_path_factory: pytest.TempPathFactory, fcc: Structure, run_tiny: Callable[..., Any]) -> Finished:
    """A finished run averaged over orientations, of two edges."""
    directory = tmp_path_factory.mktemp("averaged")
    return *run_tiny(directory, fcc, Edge.L23, elnes=GEOMETRY), directory


def spectrum_of(finished: Finished) -> Spectrum:
    calculator, absorber, directory = finished
    spectrum = calculator.parse(directory, absorber).spectrum
    assert spectrum is not None
    return spectrum


def test_a_cubic_crystal_looks_the_same_along_every_beam(
    oriented: Finished, fcc: Structure, run_tiny: Callable[..., Any], tmp_path: Path
) -> None:
    finished = *run_tiny(tmp_path, fcc, Edge.K, elnes=GEOMETRY), tmp_path
    average, along = spectrum_of(finished), spectrum_of(oriented)
    assert (average.polarisations[0].label, along.polarisations[0].label) == ("isotropic", "beam 0.218 0.436 0.873")
    # The tensor of a cubic site is a number; the cluster of one shell holds that to rounding, the files to six digits.
    assert np.allclose(average.intensity, along.intensity, rtol=1e-3)


def test_an_energy_loss_has_its_own_unit_and_no_other(oriented: Finished) -> None:
    spectrum = spectrum_of(oriented)
    assert (spectrum.quantity, spectrum.to_absolute().quantity) == (Quantity.ENERGY_LOSS, Quantity.ENERGY_LOSS)
    # a0² is 0.28003 Å², 28.003 Mbarn.
    assert spectrum.scale == pytest.approx(28.0028, rel=1e-5)
    for convert in (spectrum.cross_section, spectrum.im_epsilon):
        with pytest.raises(UnitError, match="depends on beam and detector"):
            convert()


def test_both_edges_of_a_combined_one_are_summed_with_their_widths_on_record(averaged: Finished) -> None:
    spectrum = spectrum_of(averaged)
    calculator, absorber, directory = averaged
    assert calculator.parse(directory, absorber).output_files[:2] == ("L3/xmu10.dat", "L3/eels.dat")
    # Widths of Cu L3 and L2 in FEFF's table.
    widths = {record.applied_by.partition(" (")[2]: record.profile for record in spectrum.broadening}
    assert {name: getattr(profile, "fwhm", 0.0) for name, profile in widths.items()} == {"L3)": 0.596, "L2)": 1.162}
    l3, l2 = (
        spectrum_of((calculator, Absorber(absorber.structure, 0, edge), directory / edge))
        for edge in (Edge.L3, Edge.L2)
    )
    both = spectrum.crop(float(l2.energy[0]), float(l3.energy[-1]))
    total = sum(np.interp(both.energy, part.energy, part.to_absolute().intensity) for part in (l3, l2))
    # Both sides interpolate linearly between the same points: rounding is all that may differ.
    assert np.allclose(both.to_absolute().intensity, total, rtol=1e-10)


def test_an_energy_loss_of_another_geometry_is_refused(oriented: Finished) -> None:
    calculator, absorber, directory = oriented
    for change in ({"beam_energy": 100.0}, {"beam_direction": (4, 2, 1)}, {"relativistic": False}):
        elnes = Elnes(**{**GEOMETRY, "beam_direction": (1, 2, 4), **change})
        other = FeffCalculator(calculator.parameters.model_copy(update={"elnes": elnes}))
        with pytest.raises(ParseError, match=r"eels.dat is of another geometry"):
            other.parse(directory, absorber)


def test_an_energy_loss_without_its_file_points_to_the_log(oriented: Finished, tmp_path: Path) -> None:
    calculator, absorber, directory = oriented
    for name in ("xmu.dat", "emesh.dat"):
        (tmp_path / name).write_bytes((directory / name).read_bytes())
    with pytest.raises(ParseError, match=r"eels.dat is missing: .*see .*feff.log"):
        calculator.parse(tmp_path, absorber)


def test_an_energy_loss_cut_off_at_any_line_is_refused_beside_the_table_it_was_made_from(
    oriented: Finished, tmp_path: Path
) -> None:
    calculator, absorber, directory = oriented
    for name in ("xmu.dat", "emesh.dat"):
        (tmp_path / name).write_bytes((directory / name).read_bytes())
    lines = (directory / "eels.dat").read_text().splitlines(keepends=True)
    for n_kept in range(len(lines)):
        for rest in ("", lines[n_kept][:20]):
            (tmp_path / "eels.dat").write_text("".join(lines[:n_kept]) + rest)
            with pytest.raises(ParseError, match=r"eels.dat"):
                calculator.parse(tmp_path, absorber)
