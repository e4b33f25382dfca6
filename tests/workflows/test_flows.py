from __future__ import annotations

import json

from jobflow import Flow, Job
from monty.json import MontyDecoder, MontyEncoder
from pymatgen.core import Structure

from whiteline.calculators.feff import FeffCalculator, FeffParameters
from whiteline.edges import Edge
from whiteline.workflows import MaterialSpectrumMaker, SiteSpectrumMaker, Workspace


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
