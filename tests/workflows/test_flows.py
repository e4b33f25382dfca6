from __future__ import annotations

import json

import numpy as np
import pytest
from jobflow import Flow, Job
from monty.json import MontyDecoder, MontyEncoder
from pymatgen.core import Structure

from whiteline.absorber import find_absorbers
from whiteline.calculators.feff import FeffCalculator, FeffParameters
from whiteline.database.documents import DocumentKind, SpectrumDocument
from whiteline.edges import Edge
from whiteline.spectrum import EnergyReference, Spectrum
from whiteline.status import Status
from whiteline.workflows import MaterialSpectrumMaker, SiteSpectrumMaker, Workspace
from whiteline.workflows.jobs import _average


def make_flow(structure: Structure) -> Flow:
    maker = SiteSpectrumMaker(Workspace("spectra.db", "runs"), FeffCalculator(FeffParameters(fms_radius=5.0)))
    return MaterialSpectrumMaker(maker).make(structure, "Cu", Edge.K, title="copper")


def test_flow_has_one_job_a_site_and_one_for_the_average(copper: Structure) -> None:
    flow = make_flow(copper)
    assert [job.name for job in flow.jobs] == ["copper Cu0 K", "copper Cu K average"]


def test_flow_survives_json_so_that_a_remote_worker_can_run_it(copper: Structure) -> None:
    flow = make_flow(copper)
    restored = json.loads(json.dumps(flow, cls=MontyEncoder), cls=MontyDecoder)
    (job, _), (restored_job, _) = flow.jobs, restored.jobs
    assert isinstance(job, Job)
    absorber, calculator, workspace = restored_job.function_args[:3]
    assert absorber.site_id == job.function_args[0].site_id
    assert calculator == FeffCalculator(FeffParameters(fms_radius=5.0))
    assert workspace == Workspace("spectra.db", "runs")


@pytest.mark.parametrize(("beam", "status"), [([1.0, 1.0, 0.0], "unconverged"), (None, "converged")])
def test_a_beam_that_equivalent_sites_meet_otherwise_makes_no_material_spectrum(
    ti_o_10: dict[str, Structure], beam: list[float] | None, status: str
) -> None:
    """The two titanium atoms of rutile are turned against each other by a quarter turn about c."""
    rutile = ti_o_10["mp-2657"]
    absorber = find_absorbers(rutile, "Ti", Edge.K)[0]
    energy = np.arange(3.0)
    spectrum = Spectrum(energy, energy + 1, energy_reference=EnergyReference.FERMI)
    parameters = {} if beam is None else {"orientation": absorber.orientation_id}
    document = SpectrumDocument(
        id="ab",
        kind=DocumentKind.SITE,
        spectrum=spectrum,
        status=Status.CONVERGED,
        absorber="Ti",
        edge="K",
        code="feff",
        code_version="10",
        fidelity="feff:x",
        parameters=parameters,
        structure_id="cd",
        structure=rutile.as_dict(),
        formula="TiO2",
        chemical_system="O-Ti",
        elements=("O", "Ti"),
        space_group=136,
        space_group_symbol="P4_2/mnm",
    )
    outcome = _average([document], [{"site_index": 0, "multiplicity": 2}], absorber)
    assert outcome.status == status
    assert ("direction of site 0" in outcome.reason) == (beam is not None)
