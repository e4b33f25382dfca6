"""A spectrum comes only out of a whole run of the right absorber."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pymatgen.core.structure import Structure

from whiteline.absorber import Absorber
from whiteline.calculators.feff import FeffCalculator, FeffParameters
from whiteline.calculators.feff.parse import parse_run
from whiteline.calculators.feff.run import LOG_NAME
from whiteline.calculators.feff.xmu import read_xmu
from whiteline.calculators.parameters import build_parameters
from whiteline.edges import Edge
from whiteline.errors import ParseError
from whiteline.status import Status

CONVERGED = "Convergence reached in   14 iterations.\n"


@pytest.fixture
def published(data: Path) -> str:
    return (data / "feff" / "mp-1203" / "xmu.dat").read_text()


@pytest.fixture
def absorber(ti_o_10: dict[str, Structure]) -> Absorber:
    return Absorber(ti_o_10["mp-1203"], 0, Edge.K, multiplicity=2)


def write_mesh(directory: Path, xmu: str) -> None:
    """Write the mesh that FEFF leaves beside the spectrum: its energies, then points above the Fermi level."""
    rows = [line.split()[1:3] for line in xmu.splitlines() if not line.lstrip().startswith("#")]
    rows += [["-12.96", "0.0"]] * 21
    lines = ["# edge, bohr, edge*hart -0.47 0.52918 -12.96", "# ispec, ik0 1 25", "# ie, em(ie)*hart, xk(ie)"]
    lines += [f"{i:5d} {e:>20s} {k:>20s}" for i, (e, k) in enumerate(rows, start=1)]
    (directory / "emesh.dat").write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("has_mesh", [True, False])
def test_a_spectrum_cut_off_anywhere_is_never_a_spectrum(
    published: str, absorber: Absorber, tmp_path: Path, has_mesh: bool
) -> None:
    if has_mesh:
        write_mesh(tmp_path, published)
    (tmp_path / LOG_NAME).write_text(CONVERGED)
    ends = np.cumsum([len(line) for line in published.splitlines(keepends=True)])
    # At the end of every line, one character earlier, and in the middle of every line.
    cuts = {int(end) - back for end in ends for back in (0, 1, 20)} - {len(published)}
    for cut in sorted(cuts):
        (tmp_path / "xmu.dat").write_text(published[:cut])
        with pytest.raises(ParseError, match=r"xmu.dat"):
            parse_run(tmp_path, absorber, FeffParameters())
    (tmp_path / "xmu.dat").write_text(published)
    assert parse_run(tmp_path, absorber, FeffParameters()).status is Status.CONVERGED


def test_the_mesh_of_feff_and_not_the_parameters_says_where_a_spectrum_ends(
    published: str, absorber: Absorber, tmp_path: Path
) -> None:
    (tmp_path / "xmu.dat").write_text(published)
    further = FeffParameters.model_validate({"energy_grid": [{"kind": "k_grid", "start": 0, "stop": 8, "step": 0.04}]})
    with pytest.raises(ParseError, match=r"ends at k = 6 1/Å, expected more than 7.96: it is cut off"):
        parse_run(tmp_path, absorber, further)
    write_mesh(tmp_path, published)
    parse_run(tmp_path, absorber, further)


def test_a_damaged_mesh_is_refused(published: str, absorber: Absorber, tmp_path: Path) -> None:
    (tmp_path / "xmu.dat").write_text(published)
    for content, words in (
        ("1 ****** 0.0\n", "is damaged"),
        ("1 5.0 0.0\n2 6.", "ends in the middle"),
        ("# \n", "is damaged"),
    ):
        (tmp_path / "emesh.dat").write_text(content)
        with pytest.raises(ParseError, match=rf"emesh.dat {words}"):
            parse_run(tmp_path, absorber, FeffParameters())


def test_a_published_run_gives_its_spectrum(published: str, absorber: Absorber, tmp_path: Path) -> None:
    (tmp_path / "xmu.dat").write_text(published)
    (tmp_path / "feff.out").write_text(CONVERGED)
    outcome = parse_run(tmp_path, absorber, FeffParameters())
    assert (outcome.status, outcome.code_version) == (Status.CONVERGED, "FEFF 9.9.1")
    assert outcome.checks[0].detail == "14 of at most 100 iterations"
    assert outcome.spectrum is not None
    # xsedge 4.6805e-4 Å² is 0.046805 Mbarn.
    assert outcome.spectrum.scale == pytest.approx(0.046805, rel=1e-12)
    assert outcome.spectrum.n_energy == 173


def test_without_a_word_on_convergence_the_spectrum_is_not_converged(
    published: str, absorber: Absorber, tmp_path: Path
) -> None:
    (tmp_path / "xmu.dat").write_text(published)
    outcome = parse_run(tmp_path, absorber, FeffParameters())
    assert (outcome.status, outcome.checks[0].is_passed) == (Status.UNCONVERGED, False)
    assert outcome.spectrum is not None


def test_without_self_consistency_there_is_nothing_to_converge(
    published: str, absorber: Absorber, tmp_path: Path
) -> None:
    (tmp_path / "xmu.dat").write_text(published)
    assert parse_run(tmp_path, absorber, FeffParameters(scf_radius=None)).status is Status.CONVERGED


@pytest.mark.parametrize(
    ("element", "edge", "words"),
    [("O", Edge.K, "is of Z=22 K, expected Z=8 K"), ("Ti", Edge.L1, "is of Z=22 K, expected Z=22 L1")],
)
def test_the_spectrum_of_another_absorber_is_refused(
    published: str, ti_o_10: dict[str, Structure], tmp_path: Path, element: str, edge: Edge, words: str
) -> None:
    structure = ti_o_10["mp-1203"]
    (tmp_path / "xmu.dat").write_text(published)
    other = Absorber(structure, structure.indices_from_symbol(element)[0], edge)
    with pytest.raises(ParseError, match=words):
        parse_run(tmp_path, other, FeffParameters())


def test_inelastic_scattering_is_refused_by_its_file(data: Path, tmp_path: Path, copper: Structure) -> None:
    copper.replace(0, "Ge")
    text = (data / "feff" / "NRIXS" / "GeCl_4" / "referencexmu.dat").read_text()
    (tmp_path / "xmu.dat").write_text(text)
    write_mesh(tmp_path, text)
    with pytest.raises(ParseError, match=r"xmu.dat: expected an absorption spectrum"):
        parse_run(tmp_path, Absorber(copper, 0, Edge.K), FeffParameters())


def test_a_run_without_a_spectrum_points_to_the_log(absorber: Absorber, tmp_path: Path) -> None:
    with pytest.raises(ParseError, match=r"xmu.dat is missing: .*see .*feff.log"):
        parse_run(tmp_path, absorber, FeffParameters())


@pytest.fixture(scope="module")
def l23_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copper's L3 and L2 edges from real runs on a tiny cluster and a coarse grid."""
    directory = tmp_path_factory.mktemp("l23")
    structure = Structure([[0, 1.805, 1.805], [1.805, 0, 1.805], [1.805, 1.805, 0]], ["Cu"], [[0, 0, 0]])
    for name, text in L23.inputs(Absorber(structure, 0, Edge.L23)).items():
        (directory / name).parent.mkdir()
        (directory / name).write_text(text)
    assert L23.run(directory, on_stage=lambda _: None).failure == ""
    return directory


L23 = FeffCalculator(
    build_parameters(
        FeffParameters,
        {
            "scf_radius": None,
            "fms_radius": 3.0,
            "cluster_radius": 6.0,
            "energy_grid": [
                {"kind": "k_grid", "start": -1, "stop": 0, "step": 0.2},
                {"kind": "k_grid", "start": 0, "stop": 4, "step": 0.2},
            ],
        },
    ),
    timeout=300,
)


def test_l23_is_the_sum_of_l3_and_l2_in_mbarn(l23_run: Path, copper: Structure) -> None:
    combined, l3, l2 = (
        L23.parse(l23_run / folder, Absorber(copper, 0, edge)).spectrum
        for folder, edge in (("", Edge.L23), ("L3", Edge.L3), ("L2", Edge.L2))
    )
    assert combined is not None
    assert l3 is not None
    assert l2 is not None
    both = combined.energy[(combined.energy >= l2.energy[0]) & (combined.energy <= l3.energy[-1])]
    assert len(both) > 15
    total = np.interp(both, l3.energy, l3.cross_section()) + np.interp(both, l2.energy, l2.cross_section())
    # Both sides interpolate linearly between the same points: rounding is all that may differ.
    assert np.allclose(combined.crop(both[0], both[-1]).cross_section(), total, rtol=1e-10)


def test_the_jump_at_l3_is_twice_that_at_l2(l23_run: Path) -> None:
    l3, l2 = (read_xmu(l23_run / part / "xmu.dat") for part in ("L3", "L2"))
    assert l3.norm is not None
    assert l2.norm is not None
    # Four electrons to two; the relativistic 2p functions differ a little, and FEFF 10 gives 2.06 here.
    assert l3.norm / l2.norm == pytest.approx(2.0, rel=0.06)
    # L2 951.0 and L3 931.1 eV (Bearden and Burr, Rev. Mod. Phys. 39, 125 (1967)); FEFF 10 gives 19.97 eV.
    assert l2.edge_energy - l3.edge_energy == pytest.approx(19.9, rel=0.03)


def test_each_part_of_a_combined_edge_keeps_its_own_width_on_record(l23_run: Path, copper: Structure) -> None:
    spectrum = L23.parse(l23_run, Absorber(copper, 0, Edge.L23)).spectrum
    assert spectrum is not None
    # Printed by FEFF in the headers of the two files.
    records = [(r.applied_by, getattr(r.profile, "fwhm", None)) for r in spectrum.broadening]
    assert records == [("FEFF 10.0.0 (L3)", 0.596), ("FEFF 10.0.0 (L2)", 1.162)]


def test_a_missing_part_of_a_combined_edge_is_named(l23_run: Path, copper: Structure, tmp_path: Path) -> None:
    (tmp_path / "L3").mkdir()
    for name in ("xmu.dat", "emesh.dat"):
        (tmp_path / "L3" / name).write_bytes((l23_run / "L3" / name).read_bytes())
    with pytest.raises(ParseError, match=r"L2/xmu.dat is missing"):
        L23.parse(tmp_path, Absorber(copper, 0, Edge.L23))
