"""Whenever a writer is killed, no spectrum stands without the record of how it came about."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

from pymongo import MongoClient

from whiteline.database import SpectrumQuery, open_store
from whiteline.database.administration import verify_store
from whiteline.database.query import ANY_STATUS

ALL = SpectrumQuery(status=ANY_STATUS)
EXAMPLE = Path(__file__).parents[1] / "data" / "documents" / "spectrum-v1.json"
N_KILLS = 10
# Writes and deletes without end: spectra with and without a record, one by one and in groups, and jobs with members.
WRITER = """
import hashlib, itertools, json, sys
from dataclasses import replace
from whiteline.database import SpectrumDocument, open_store
from whiteline.provenance import Kind, ProvenanceRecord

def record_of(made, used, i):
    return ProvenanceRecord(
        activity="feff-site", used=used, generated=made, code="feff", code_version="10.0.1", parameters={"i": i % 5},
        started_at=f"2026-01-05T10:00:00.{i % 1000:03d}+00:00", ended_at="2026-01-05T10:00:01.000+00:00", commit="")

example = SpectrumDocument.from_dict(json.load(open(sys.argv[2])))
with open_store(sys.argv[1]) as store:
    print("at work", flush=True)
    for i in itertools.count(int(sys.argv[3])):
        ids = [hashlib.sha256(f"{i} {n}".encode()).hexdigest() for n in range(20)]
        documents = [replace(example, id=each[:40], site_id=each[20:60]) for each in ids]
        items = [
            (d, record_of({Kind.SPECTRUM: {"spectrum": d.id}}, {Kind.SITE: {"site": d.site_id}}, i) if n % 2 else None)
            for n, d in enumerate(documents)]
        for item in items[:4]:
            store.put(*item)
        store.put_many(items[4:])
        job = record_of({Kind.DATASET: {"all": ids[0]}}, {Kind.SPECTRUM: {"first": documents[0].id}}, i)
        store.put_activity(job, [d.id for d in documents])
        store.mark([documents[2].id], "a bug")
        store.delete(documents[1].id)
"""


def write_and_kill(address: str, moments: random.Random) -> None:
    """Let a writer work for a random time, then kill it."""
    command = [sys.executable, "-c", WRITER, address, str(EXAMPLE), str(moments.randrange(10**9))]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"at work\n"
        time.sleep(moments.uniform(0.05, 0.6))
        process.send_signal(signal.SIGKILL)
        process.wait()


def test_file_of_a_writer_that_is_killed_ten_times_holds_no_result_without_ancestry(tmp_path: Path) -> None:
    moments = random.Random(8)
    address = f"sqlite:///{tmp_path}/spectra.db"
    n_spectra = [0]
    for _ in range(N_KILLS):
        write_and_kill(address, moments)
        with open_store(address, must_exist=True) as store:
            # Records, their ids, links and members: all of it is looked at.
            assert verify_store(store).faults == ()
            for summary in store.summaries(ALL):
                (record,) = store.records(summary.id)
                assert (record.id, summary.id) in [(r.record.id, r.spectrum_id) for r in store.linked([record.id])]
            n_spectra.append(store.count(ALL))
    assert n_spectra == sorted(n_spectra)
    assert len(set(n_spectra)) > N_KILLS // 2, "most kills came before anything was written"


def test_database_of_a_writer_that_is_killed_ten_times_holds_no_spectrum_without_a_record(mongo_address: str) -> None:
    moments = random.Random(9)
    name = f"whiteline_test_{uuid.uuid4().hex}"
    base, _, options = mongo_address.partition("?")
    address = f"{base.rstrip('/')}/{name}" + (f"?{options}" if options else "")
    n_spectra = [0]
    for _ in range(N_KILLS):
        write_and_kill(address, moments)
        with open_store(address) as store:
            assert all(store.records(summary.id) for summary in store.summaries(ALL))
            n_spectra.append(store.count(ALL))
    with open_store(address) as store:
        named = [each.id for each in store.summaries(ALL)]
        assert {each.spectrum_id for each in store.linked(named) if each.spectrum_id} == set(named)
    assert len(set(n_spectra)) > N_KILLS // 2, "most kills came before anything was written"
    with MongoClient[dict[str, object]](mongo_address) as client:
        client.drop_database(name)
