from __future__ import annotations

from pathlib import Path

from pymatgen.core import Structure

from whiteline.absorber import Absorber
from whiteline.edges import Edge
from whiteline.workflows.benchmark.layout import find_run


def write(path: Path, text: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_of_several_grids_the_finest_counts(tmp_path: Path, copper: Structure) -> None:
    for grid in ("4-4-4", "10-10-10", "8-8-8"):
        write(tmp_path / f"Spectra-{grid}" / "0" / "data", grid)
    run = find_run({"data": "Spectra-*/{site}/data"}, tmp_path, Absorber(copper, 0, Edge.K))
    assert run is not None
    with run.as_run_directory() as folder:
        assert (folder / "data").read_text() == "10-10-10"


def test_a_site_is_found_under_the_index_of_an_equivalent_one(tmp_path: Path, copper: Structure) -> None:
    write(tmp_path / "003_Cu" / "xmu.dat")
    run = find_run({".": "{site:03d}_{element}"}, tmp_path, Absorber(copper, 0, Edge.K))
    assert run is not None
    assert run.origin_of("xmu.dat") == tmp_path / "003_Cu" / "xmu.dat"


def test_files_that_all_sites_share_are_no_sign_of_one(tmp_path: Path, copper: Structure) -> None:
    write(tmp_path / "INFO.OUT")
    layout = {"INFO.OUT": "INFO.OUT", "EPSILON": "{site}/EPSILON"}
    assert find_run(layout, tmp_path, Absorber(copper, 0, Edge.K)) is None


def test_files_side_by_side_and_in_folders_lie_as_the_reader_expects(tmp_path: Path, copper: Structure) -> None:
    write(tmp_path / "a" / "spectrum", "s")
    write(tmp_path / "b" / "log", "l")
    run = find_run({".": "a", "L3/x": "b"}, tmp_path, Absorber(copper, 0, Edge.K))
    assert run is not None
    with run.as_run_directory() as folder:
        assert ((folder / "spectrum").read_text(), (folder / "L3" / "x" / "log").read_text()) == ("s", "l")
        words = run.in_its_words(f"{folder}/L3/x/log and {folder}/spectrum", folder)
    assert words == f"{tmp_path}/b/log and {tmp_path}/a/spectrum"
    assert not folder.exists()
