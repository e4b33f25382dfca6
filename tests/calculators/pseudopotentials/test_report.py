from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from whiteline.calculators.pseudopotentials.report import (
    AtomicConfiguration,
    PseudoReport,
    judge,
    phase_difference,
    read_configurations,
)
from whiteline.errors import ParseError

RADIUS = 2.0
ENERGY = np.linspace(0.05, 4.0, 400)
WAVENUMBER = np.sqrt(ENERGY)


def free(shift: np.ndarray | float = 0.0) -> np.ndarray:
    """Logarithmic derivative of sin(k r + shift) at the radius."""
    return np.asarray(WAVENUMBER / np.tan(WAVENUMBER * RADIUS + shift))


def resonance(energy: float, width: float) -> np.ndarray:
    """Phase that a state adds: a step of π at its energy."""
    return np.asarray(np.arctan2(width, energy - ENERGY))


@pytest.fixture
def configurations(samples: Path) -> tuple[AtomicConfiguration, ...]:
    path = samples / "ld1-test.log"
    return read_configurations(path.read_text(), source=path)


def report(configurations: tuple[AtomicConfiguration, ...], pseudo: np.ndarray, density: float = 210.0) -> PseudoReport:
    # The window begins 3 Ry lower than the energies that shape the functions: below the atom's levels.
    table = np.column_stack([ENERGY - 3, free(), free(), free()])
    made = np.column_stack([ENERGY - 3, pseudo, free(), free()])
    return judge(configurations, derivatives=table, pseudo_derivatives=made, radius=RADIUS, density_cutoff_ry=density)


def failed(report: PseudoReport) -> list[str]:
    return [check.name for check in report.checks if not check.is_passed]


def test_the_log_of_ld1_is_read_configuration_by_configuration(configurations: tuple[AtomicConfiguration, ...]) -> None:
    assert [c.energy_error_ry for c in configurations] == [None, 0.000824, 0.000327, 0.000835]
    assert [(s.label, s.occupation) for s in configurations[3].states] == [("2s", 2.0), ("2p", 3.0), ("3s", 1.0)]
    assert configurations[1].states[1].energy_ry == -1.79705
    assert configurations[1].states[1].pseudo_energy_ry == -1.79473
    assert sorted(configurations[0].spectra) == [40.0, 80.0, 120.0, 160.0, 200.0]
    assert configurations[0].spectra[200.0][0][0] == pytest.approx(-1.7611, abs=1e-4)


def test_a_log_without_tests_or_cut_off_inside_one_is_refused(samples: Path) -> None:
    text = (samples / "ld1-test.log").read_text()
    for cut in (text.partition("Testing the")[0], text.rpartition("e AE (Ry)")[0]):
        with pytest.raises(ParseError):
            read_configurations(cut, source=Path("ld1.log"))


def test_equal_logarithmic_derivatives_have_no_phase_difference() -> None:
    assert np.abs(phase_difference(free(), free(), radius=RADIUS)).max() == 0.0


def test_a_phase_shift_comes_back_over_many_branches() -> None:
    found = phase_difference(free(), free(0.1 * ENERGY), radius=1 / 2)
    # At k R = π the boundary phase is the wave's own; between, it winds unevenly but never loses a branch.
    assert np.abs(found).max() < np.pi / 2
    assert np.all(np.diff(found[::40]) > -0.2)


@pytest.mark.parametrize("width", [0.02, 0.2])
def test_an_extra_state_is_a_step_of_pi(width: float) -> None:
    found = phase_difference(free(), free(resonance(1.5, width)), radius=RADIUS)
    # What the Breit-Wigner tail lacks of π at the top, wound by the boundary condition by at most k R.
    assert found[-1] == pytest.approx(np.pi, abs=0.35)
    assert abs(found[0]) < 0.35


def test_a_good_pseudopotential_passes_every_test(configurations: tuple[AtomicConfiguration, ...]) -> None:
    found = report(configurations, free())
    assert found.is_passed
    assert found.failures == ""
    assert found.wavefunction_cutoff_ry == 40.0
    assert found.density_cutoff_ry == 210.0
    assert found.eigenvalue_error_ry == pytest.approx(0.00232, abs=1e-5)
    assert found.energy_error_ry == pytest.approx(0.000835)


def test_a_ghost_in_the_window_fails_and_is_named(configurations: tuple[AtomicConfiguration, ...]) -> None:
    found = report(configurations, free(resonance(1.5, 0.02)))
    assert failed(found) == ["ghost states", "scattering"]
    assert "s above" in found.failures


def test_a_ghost_below_the_window_fails_and_is_named(samples: Path) -> None:
    text = (samples / "ld1-test.log").read_text()
    ghost = text.replace("E(L=2) =         0.", "E(L=2) =       -90.")
    found = judge(
        read_configurations(ghost, source=Path("ld1.log")),
        derivatives=np.column_stack([ENERGY - 3, *[free()] * 3]),
        pseudo_derivatives=np.column_stack([ENERGY - 3, *[free()] * 3]),
        radius=RADIUS,
        density_cutoff_ry=0.0,
    )
    assert failed(found) == ["ghost states"]
    assert "d at -90" in found.failures


def test_wrong_eigenvalues_and_excitations_fail(samples: Path) -> None:
    text = (samples / "ld1-test.log").read_text().replace("-1.79473", "-1.75473").replace("0.000824", "0.082400")
    found = report(read_configurations(text, source=Path("ld1.log")), free())
    assert failed(found) == ["eigenvalues", "excitations"]
    assert found.eigenvalue_error_ry == pytest.approx(0.04232)


def test_the_density_cutoff_is_never_below_four_times_the_other(
    configurations: tuple[AtomicConfiguration, ...],
) -> None:
    assert report(configurations, free(), density=10.0).density_cutoff_ry == 160.0
