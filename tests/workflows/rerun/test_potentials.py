"""Pseudopotentials that are not there, or are others; no engine is needed to say so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Structure

from tests.calculators.conftest import upf_text
from whiteline.absorber import find_absorbers
from whiteline.calculators.interface import Outcome
from whiteline.database import open_store
from whiteline.edges import Edge
from whiteline.provenance import Kind, ProvenanceRecord, content_checksum, file_checksum, utc_now
from whiteline.settings import Settings
from whiteline.spectrum import EnergyReference, Spectrum
from whiteline.status import Status
from whiteline.workflows.engines import make_calculator
from whiteline.workflows.jobs import site_calculation_id, site_document
from whiteline.workflows.rerun import Ground, RerunPlace, RerunResult, Tolerance, Verdict, run_again

AXIS = np.linspace(-10.0, 30.0, 81)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    folder = tmp_path / "pseudo"
    folder.mkdir()
    (folder / "Cu.UPF").write_text(upf_text("Cu"))
    (folder / "Cu.star1s.UPF").write_text(upf_text("Cu", hole=1.0))
    return Settings(
        database=str(tmp_path / "spectra.db"),
        run_directory=tmp_path / "runs",
        pseudo_directory=folder,
        pw_command="no-such-pw.x",
    )


@pytest.fixture
def stored(settings: Settings, copper: Structure) -> str:
    """The id of a spectrum as XSpectra would leave it."""
    (absorber,) = find_absorbers(copper, "Cu", Edge.K)
    values = {"ecutwfc": 40.0, "ecutrho": 400.0}
    calculator = make_calculator("xspectra", preset="fast", values=values, settings=settings)
    identity = calculator.identity(absorber)
    spectrum = Spectrum(AXIS, np.arctan(AXIS) + 2, energy_reference=EnergyReference.FERMI)
    document = site_document(
        site_calculation_id(absorber, calculator),
        absorber,
        Outcome(Status.CONVERGED, spectrum=spectrum, code_version="7.5"),
        code="xspectra",
        parameters=identity,
        source="copper.cif",
        fidelity="xspectra:fast+",
    )
    inputs = calculator.inputs(absorber)
    record = ProvenanceRecord(
        activity="xspectra-site",
        used={
            Kind.INPUT: {name: content_checksum(text.encode()) for name, text in inputs.items()},
            Kind.PSEUDOPOTENTIAL: {n: file_checksum(path) for n, path in calculator.files(absorber).items()},
        },
        generated={Kind.SPECTRUM: {"spectrum": document.id}},
        code="xspectra",
        code_version="7.5",
        parameters=identity,
        started_at=utc_now(),
        ended_at=utc_now(),
    )
    with open_store(settings.database) as store:
        store.put(document, record, {name: text.encode() for name, text in inputs.items()})
    return document.id


def rerun(settings: Settings, spectrum_id: str, tmp_path: Path) -> RerunResult:
    place = RerunPlace.make(tmp_path / "again", settings, tolerance=Tolerance(), keeps_runs=False)
    return run_again([spectrum_id], place)[spectrum_id]


def test_a_program_that_is_missing_is_the_only_thing_wrong(settings: Settings, stored: str, tmp_path: Path) -> None:
    result = rerun(settings, stored, tmp_path)
    assert result.verdict is Verdict.COULD_NOT_RUN
    assert "no-such-pw.x" in result.reason
    assert result.differences == ()


def test_a_missing_pseudopotential_is_named_with_its_checksum_and_where_it_was_looked_for(
    settings: Settings, stored: str, tmp_path: Path
) -> None:
    path = settings.pseudo_directory / "Cu.star1s.UPF"
    checksum = file_checksum(path)
    path.unlink()
    result = rerun(settings, stored, tmp_path)
    assert result.verdict is Verdict.COULD_NOT_RUN
    assert result.reason.startswith("missing pseudopotential: Cu*")
    assert checksum in result.reason
    assert f"looked for in {settings.pseudo_directory}" in result.reason
    (found,) = result.differences
    assert (found.ground, found.recorded, found.now) == (Ground.PSEUDOPOTENTIAL, checksum, "")


def test_a_changed_pseudopotential_is_named_with_both_checksums(
    settings: Settings, stored: str, tmp_path: Path
) -> None:
    path = settings.pseudo_directory / "Cu.UPF"
    before = file_checksum(path)
    path.write_text(upf_text("Cu", cutoff=1.0))
    result = rerun(settings, stored, tmp_path)
    assert "no-such-pw.x" in result.reason
    (found,) = result.differences
    assert (found.ground, found.recorded, found.now) == (Ground.PSEUDOPOTENTIAL, before, file_checksum(path))
    assert "Cu" in found.name


def test_a_damaged_pseudopotential_is_named_as_what_it_is(settings: Settings, stored: str, tmp_path: Path) -> None:
    path = settings.pseudo_directory / "Cu.UPF"
    path.write_text(path.read_text()[:200])
    result = rerun(settings, stored, tmp_path)
    assert [each.ground for each in result.differences] == [Ground.PSEUDOPOTENTIAL]
    assert "cut off or damaged" in result.reason


def test_a_pseudopotential_under_another_name_is_the_same(settings: Settings, stored: str, tmp_path: Path) -> None:
    (settings.pseudo_directory / "Cu.UPF").rename(settings.pseudo_directory / "copper.UPF")
    result = rerun(settings, stored, tmp_path)
    assert Ground.PSEUDOPOTENTIAL not in [each.ground for each in result.differences]
