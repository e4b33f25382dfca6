"""One material from structure to stored spectra, with real FEFF runs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from whiteline.database import open_store
from whiteline.database.query import SpectrumQuery
from whiteline.errors import CalculationError, ParameterError, StoreError, StructureError
from whiteline.progress import Progress
from whiteline.settings import Settings
from whiteline.status import Status
from whiteline.structures import NamedStructure
from whiteline.workflows import run_material, run_materials


def test_site_and_material_spectra_are_stored_with_provenance(
    copper: Structure, settings: Settings, quick: dict[str, Any]
) -> None:
    result = run_material(copper, "Cu", "K", parameters=quick, settings=settings)
    assert result.is_computed == (True,)
    assert result.multiplicities == (4,)
    with open_store(settings.database, must_exist=True) as store:
        (record,) = store.records(result.sites[0].id)
        (mean,) = store.records(result.material.id)
    assert record.inputs["feff.inp"].startswith("sha256:")
    assert record.outputs["xmu.dat"].startswith("sha256:")
    assert record.code_version.startswith("FEFF 10")
    assert {"pot", "fms", "ff2x"} <= set(record.timings)
    assert mean.parents == (result.sites[0].id,)


def test_average_of_one_orbit_is_its_site_in_absolute_units(
    copper: Structure, settings: Settings, quick: dict[str, Any]
) -> None:
    result = run_material(copper, "Cu", "K", parameters=quick, settings=settings)
    site = result.sites[0].spectrum
    assert site is not None
    np.testing.assert_allclose(result.spectrum.cross_section(), site.cross_section(), rtol=1e-12)


def test_the_same_crystal_in_another_cell_is_served_from_the_store(
    copper: Structure, settings: Settings, quick: dict[str, Any]
) -> None:
    first = run_material(copper, "Cu", "K", parameters=quick, settings=settings)
    again = run_material(copper.get_primitive_structure() * (2, 1, 1), "Cu", "K", parameters=quick, settings=settings)
    assert again.is_computed == (False,)
    assert again.sites[0].id == first.sites[0].id
    assert again.material.id == first.material.id
    with open_store(settings.database, must_exist=True) as store:
        assert len(store.records(first.sites[0].id)) == 1


def test_force_computes_again_and_keeps_one_document_with_two_records(
    copper: Structure, settings: Settings, quick: dict[str, Any]
) -> None:
    first = run_material(copper, "Cu", "K", parameters=quick, settings=settings)
    again = run_material(copper, "Cu", "K", parameters=quick, settings=settings, is_forced=True)
    assert again.is_computed == (True,)
    with open_store(settings.database, must_exist=True) as store:
        assert store.count(SpectrumQuery(kind="site", status="any")) == 1
        assert len(store.records(first.sites[0].id)) == 2


def test_a_failed_site_takes_no_other_with_it(settings: Settings, quick: dict[str, Any]) -> None:
    # A pair of copper atoms and one that has no neighbour within reach of FEFF.
    structure = Structure(Lattice.cubic(30.0), ["Cu"] * 3, [[0.0, 0.0, 0.0], [2.3 / 30, 0.0, 0.0], [0.5, 0.5, 0.5]])
    result = run_material(structure, "Cu", "K", parameters=quick, settings=settings)
    by_site = dict(zip(result.site_indices, result.sites, strict=True))
    assert by_site[0].status.has_spectrum
    assert by_site[2].status is Status.FAILED
    assert "no neighbour within 9.0 Å" in by_site[2].reason
    assert result.material.status is Status.FAILED
    with pytest.raises(CalculationError, match="site 2: feff: Cu2 K has no neighbour"):
        _ = result.spectrum


def test_failed_calculations_are_tried_again(settings: Settings, quick: dict[str, Any], copper: Structure) -> None:
    hasty = replace_settings(settings, timeout=0.05)
    failed = run_material(copper, "Cu", "K", parameters=quick, settings=hasty)
    assert failed.sites[0].status is Status.FAILED
    assert "WHITELINE_TIMEOUT" in failed.sites[0].reason
    repaired = run_material(copper, "Cu", "K", parameters=quick, settings=settings)
    assert repaired.sites[0].id == failed.sites[0].id
    assert repaired.sites[0].status is Status.CONVERGED


def replace_settings(settings: Settings, **changes: Any) -> Settings:
    return settings.model_copy(update=changes)


def test_unconverged_potentials_are_a_stored_status(
    copper: Structure, settings: Settings, quick: dict[str, Any]
) -> None:
    values = {**quick, "l_max": 2, "scf_radius": 2.7, "scf_max_iterations": 1}
    as_asked = replace_settings(settings, most_repairs=0)
    result = run_material(copper, "Cu", "K", parameters=values, settings=as_asked)
    assert result.sites[0].status is Status.UNCONVERGED
    assert result.material.status is Status.UNCONVERGED
    assert "did not converge in 1 iterations" in result.sites[0].reason
    with open_store(settings.database, must_exist=True) as store:
        assert store.count(SpectrumQuery(status="unconverged", kind="site")) == 1


def test_several_processes_give_what_one_gives(settings: Settings, quick: dict[str, Any], copper: Structure) -> None:
    structures = [NamedStructure(scale(copper, f), f"Cu {f}", f"Cu {f}") for f in (0.99, 1.0, 1.01)]
    steps: list[Progress] = []
    many = run_materials(structures, "Cu", parameters=quick, settings=settings, n_processes=2, on_progress=steps.append)
    assert [m.is_computed for m in many] == [(True,)] * 3
    assert sum(step.stage == "done" for step in steps) == 3
    alone = run_material(
        structures[1].structure,
        "Cu",
        parameters=quick,
        settings=replace_settings(settings, database=f"{settings.database}2"),
    )
    np.testing.assert_array_equal(alone.spectrum.intensity, many[1].spectrum.intensity)


def scale(structure: Structure, factor: float) -> Structure:
    scaled = structure.copy()
    scaled.scale_lattice(structure.volume * factor**3)
    return scaled


def test_run_directories_of_finished_runs_go_and_of_failed_ones_stay(
    settings: Settings, quick: dict[str, Any], copper: Structure
) -> None:
    run_material(copper, "Cu", parameters=quick, settings=settings)
    assert not list(settings.run_directory.rglob("feff.log"))
    hasty = replace_settings(settings, timeout=0.05)
    run_material(scale(copper, 1.02), "Cu", parameters=quick, settings=hasty)
    assert len(list(settings.run_directory.rglob("feff.log"))) == 1


def test_runs_are_kept_when_asked_for(settings: Settings, quick: dict[str, Any], copper: Structure) -> None:
    kept = replace_settings(settings, keep_runs=True)
    run_material(copper, "Cu", parameters=quick, settings=kept)
    assert len(list(settings.run_directory.rglob("xmu.dat"))) == 1


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"absorber": "Ti"}, StructureError, "Ti is not in Cu: its elements are Cu"),
        ({"absorber": "Xx"}, ParameterError, "unknown element 'Xx'"),
        ({"edge": "M9"}, ParameterError, "unknown edge 'M9'"),
        ({"preset": "fats"}, ParameterError, "did you mean 'fast'"),
        ({"code": "fef"}, ParameterError, "did you mean 'feff'"),
        ({"parameters": {"fms_radios": 5}}, ParameterError, "did you mean 'fms_radius'"),
        ({"parameters": {"fms_radius": -1}}, ParameterError, "fms_radius"),
        ({"n_processes": 0}, ParameterError, "at least 1"),
    ],
)
def test_bad_requests_are_refused_before_anything_runs(
    copper: Structure, settings: Settings, change: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        run_material(**{"structure": copper, "absorber": "Cu", "settings": settings, **change})
    assert not settings.run_directory.exists()


def test_an_unwritable_run_directory_is_named(copper: Structure, settings: Settings, quick: dict[str, Any]) -> None:
    settings.run_directory.write_text("a file where a folder should be")
    with pytest.raises(StoreError, match="--run-directory or WHITELINE_RUN_DIRECTORY"):
        run_material(copper, "Cu", parameters=quick, settings=settings)


def test_coincident_atoms_and_nan_never_reach_feff(copper: Structure, settings: Settings) -> None:
    close = Structure(Lattice.cubic(4.0), ["Cu", "Cu"], [[0.0, 0.0, 0.0], [0.075, 0.0, 0.0]])
    with pytest.raises(StructureError, match=r"0\.30 Å apart"):
        run_material(close, "Cu", settings=settings)
    wild = copper.copy()
    wild.translate_sites([0], [float("nan"), 0, 0], to_unit_cell=False)
    with pytest.raises(StructureError, match="not a finite number"):
        run_material(wild, "Cu", settings=settings)


def test_spectra_of_a_changed_parameter_are_other_calculations(
    copper: Structure, settings: Settings, quick: dict[str, Any]
) -> None:
    first = run_material(copper, "Cu", parameters=quick, settings=settings)
    second = run_material(copper, "Cu", parameters={**quick, "s02": 0.9}, settings=settings)
    assert first.sites[0].id != second.sites[0].id
    assert replace(first.sites[0], id="0").parameters["s02"] == 0.0
