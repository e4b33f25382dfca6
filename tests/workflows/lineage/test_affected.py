from __future__ import annotations

from pathlib import Path

import pytest

from tests.workflows.learning.toy import SMALL as SMALL_MODEL
from tests.workflows.learning.toy import fill_store, freeze, install_toy_encoder, leave_out_reports
from whiteline.database import open_store
from whiteline.database.linked import RecordCondition
from whiteline.database.query import SpectrumQuery
from whiteline.errors import ParameterError
from whiteline.provenance import Kind, ProvenanceRecord, content_checksum, utc_now
from whiteline.workflows.lineage.affected import find_affected


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of copper crystals, a dataset of the sites, and a model of it."""
    from whiteline.workflows.learning import EncoderChoice, TrainingPlan, run_training

    folder = tmp_path_factory.mktemp("affected")
    with pytest.MonkeyPatch.context() as patch:
        install_toy_encoder(patch)
        leave_out_reports(patch)
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        address = fill_store(folder)
        freeze(address, folder / "copper", kind="site")
        plan = TrainingPlan(data=str(folder / "copper"), encoder=EncoderChoice("toy"), values=SMALL_MODEL, device="cpu")
        run_training(plan, folder / "models" / "cu")
    return folder


def test_a_changed_code_reaches_averages_the_dataset_and_the_model(home: Path) -> None:
    with open_store(home / "spectra.db") as store:
        n_sites = store.count(SpectrumQuery(kind="site"))
        found = find_affected(store, condition=RecordCondition(code_version="FEFF 1?"), registry=home / "models")
    assert found.counts == {"spectrum": n_sites, "average": n_sites - 1, "dataset": 1, "model": 1}


def test_one_input_file_reaches_its_spectrum_and_what_was_made_of_it_alone(home: Path) -> None:
    deck = content_checksum(b"TITLE CuO\n")
    with open_store(home / "spectra.db") as store:
        found = find_affected(store, things=[deck])
        (spectrum_id,) = found.found["spectrum"]
        assert store.get(spectrum_id).formula == "CuO"
    assert found.directly == (spectrum_id,)
    assert {kind: n for kind, n in found.counts.items() if kind != "model"} == {
        "spectrum": 1,
        "average": 1,
        "dataset": 1,
    }


def test_what_was_only_written_by_a_job_is_not_taken_for_what_it_used(tmp_path: Path, home: Path) -> None:
    picture = content_checksum(b"picture")
    with open_store(home / "spectra.db") as store:
        first = next(iter(store.summaries(SpectrumQuery(limit=1)))).id
        record = ProvenanceRecord(
            activity="plot",
            used={Kind.SPECTRUM: {"spectrum": first}},
            generated={Kind.FIGURE: {"a.png": picture}},
            code="whiteline",
            code_version="0",
            parameters={},
            started_at=utc_now(),
            ended_at=utc_now(),
        )
        store.put_activity(record)
        assert find_affected(store, things=[picture]).counts == {}
        assert find_affected(store, things=[first]).found["figure"] == {picture: "a.png"}


def test_marks_are_kept_found_by_queries_and_taken_away(home: Path) -> None:
    with open_store(home / "spectra.db") as store:
        found = find_affected(store, things=[content_checksum(b"TITLE CuF\n")])
        n_marked = store.mark(found.ids, "wrong lattice constant")
        assert n_marked == len(found.ids) > 2
        suspect = SpectrumQuery(is_suspect=True)
        assert {s.id for s in store.summaries(suspect)} == set(found.found["spectrum"]) | set(found.found["average"])
        assert store.count(SpectrumQuery(is_suspect=False)) == store.count(SpectrumQuery()) - 2
        assert store.marks(found.ids)[found.ids[0]].reason == "wrong lattice constant"
        assert store.unmark(found.ids) == len(found.ids)
        assert store.count(suspect) == 0


def test_a_condition_without_anything_to_look_for_is_an_error() -> None:
    with pytest.raises(ParameterError, match="something to look for"):
        RecordCondition()
