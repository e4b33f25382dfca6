import json
from dataclasses import FrozenInstanceError, replace
from datetime import datetime
from importlib.metadata import version

import pytest

from whiteline.errors import SchemaVersionError
from whiteline.provenance import (
    PROVENANCE_SCHEMA_VERSION,
    Kind,
    ProvenanceRecord,
    library_versions,
    scheduler_job,
    utc_now,
)


@pytest.fixture
def record() -> ProvenanceRecord:
    return ProvenanceRecord(
        activity="feff-site",
        used={Kind.INPUT: {"feff.inp": "sha256:ab"}, Kind.SPECTRUM: {"site 0": "p1", "site 1": "p2"}},
        generated={Kind.SPECTRUM: {"spectrum": "cd"}},
        code="feff",
        code_version="FEFF 10.0.0",
        parameters={"fms_radius": 9.0, "energy_grid": [{"kind": "k_grid"}]},
        started_at="2026-01-05T10:00:00.000+00:00",
        ended_at="2026-01-05T10:01:30.500+00:00",
        timings={"pot": 60.0},
    )


def test_a_record_survives_json(record: ProvenanceRecord) -> None:
    assert ProvenanceRecord.from_dict(json.loads(json.dumps(record.to_dict()))) == record


def test_a_stored_record_states_its_schema_version(record: ProvenanceRecord) -> None:
    assert record.to_dict()["schema_version"] == PROVENANCE_SCHEMA_VERSION


def test_a_record_of_a_newer_whiteline_is_refused_with_the_remedy(record: ProvenanceRecord) -> None:
    with pytest.raises(SchemaVersionError, match=r"schema version 99.*pip install -U"):
        ProvenanceRecord.from_dict({**record.to_dict(), "schema_version": 99})


def test_the_wall_time_is_that_from_start_to_end_across_time_zones(record: ProvenanceRecord) -> None:
    assert record.wall_time == 90.5
    assert replace(record, ended_at="2026-01-05T11:01:30.500+01:00").wall_time == 90.5


def test_a_record_is_named_by_what_it_says(record: ProvenanceRecord) -> None:
    assert ProvenanceRecord.from_dict(json.loads(json.dumps(record.to_dict()))).id == record.id == record.content_id
    assert replace(record, started_at="2026-01-05T10:00:00.001+00:00").id != record.id
    edited = ProvenanceRecord.from_dict({**record.to_dict(), "code_version": "FEFF 9"})
    assert edited.id == record.id != edited.content_id


def test_a_record_of_version_1_is_told_by_kinds_and_keeps_its_id() -> None:
    old = {
        "schema_version": 1,
        "activity": "xspectra-site",
        "inputs": {"structure": "a1", "site": "b2", "scf.in": "sha256:c3"},
        "outputs": {"spectrum": "d4", "xanes.dat": "sha256:e5"},
        "parents": ["f6"],
        "code": "xspectra",
        "code_version": "6.7",
        "parameters": {"pseudopotentials": {"Ti": "sha256:77"}},
        "started_at": "2026-01-05T10:00:00.000+00:00",
        "ended_at": "2026-01-05T10:01:30.500+00:00",
        "libraries": {},
        "host": "node",
        "system": "Linux",
        "id": "0" * 32,
    }
    record = ProvenanceRecord.from_dict(old)
    assert record.used == {
        "structure": {"structure": "a1"},
        "site": {"site": "b2"},
        "input": {"scf.in": "sha256:c3"},
        "spectrum": {"spectrum 1": "f6"},
        "pseudopotential": {"Ti": "sha256:77"},
    }
    assert record.generated == {"spectrum": {"spectrum": "d4"}, "output": {"xanes.dat": "sha256:e5"}}
    assert (record.id, record.parents, record.commit) == ("0" * 32, ("f6",), "")


def test_a_record_cannot_be_edited(record: ProvenanceRecord) -> None:
    with pytest.raises(FrozenInstanceError):
        record.code = "other"  # type: ignore[misc]  # what the test is about


def test_changing_what_to_dict_returned_leaves_the_record_alone(record: ProvenanceRecord) -> None:
    record.to_dict()["parameters"].clear()
    assert record.parameters["fms_radius"] == 9.0


def test_library_versions_are_the_installed_ones_and_leave_absent_ones_out() -> None:
    found = library_versions("feff10-rs", "no-such-distribution")
    assert found["feff10-rs"] == version("feff10-rs")
    assert "no-such-distribution" not in found


def test_the_present_time_is_in_utc() -> None:
    offset = datetime.fromisoformat(utc_now()).utcoffset()
    assert offset is not None
    assert offset.total_seconds() == 0


def test_attempts_and_the_job_of_a_scheduler_survive_json_and_are_left_out_where_there_are_none(
    record: ProvenanceRecord,
) -> None:
    plain = replace(record, scheduler={})
    assert not {"attempts", "scheduler"} & set(plain.to_dict())
    attempts = ({"repair": "", "cause": "scf"}, {"repair": "scf_mixing 0.1", "cause": None})
    tried = replace(record, attempts=attempts, scheduler={"SLURM_JOB_ID": "4711"})
    assert ProvenanceRecord.from_dict(json.loads(json.dumps(tried.to_dict()))) == tried


def test_a_job_of_slurm_is_noted_and_a_record_without_one_does_not_get_that_of_its_reader(
    record: ProvenanceRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    monkeypatch.setenv("SLURM_JOB_NODELIST", "node[1-2]")
    assert scheduler_job() == {"SLURM_JOB_ID": "4711", "SLURM_JOB_NODELIST": "node[1-2]"}
    assert ProvenanceRecord.from_dict(replace(record, scheduler={}).to_dict()).scheduler == {}


def test_the_name_of_a_record_does_not_depend_on_the_order_in_which_it_is_read(record: ProvenanceRecord) -> None:
    text = json.dumps(record.to_dict(), sort_keys=True)
    assert ProvenanceRecord.from_dict(json.loads(text)).content_id == record.id
