"""Calculations run again: by FEFF, or from what FEFF had computed when a rerun was killed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.workflows.rerun.conftest import Made, change
from whiteline.database import open_store
from whiteline.database.store import SpectrumStore
from whiteline.provenance import Kind, content_checksum
from whiteline.settings import Settings
from whiteline.spectrum import Spectrum
from whiteline.status import Status
from whiteline.workflows.rerun import Ground, RerunPlace, RerunResult, Tolerance, Verdict, run_again


def rerun(place: RerunPlace, spectrum_id: str) -> RerunResult:
    return run_again([spectrum_id], place)[spectrum_id]


def grounds(result: RerunResult) -> list[Ground]:
    return [each.ground for each in result.differences]


def spectrum_of(store: SpectrumStore, spectrum_id: str) -> Spectrum:
    spectrum = store.get(spectrum_id).spectrum
    assert spectrum is not None
    return spectrum


def test_feff_gives_the_same_bits_again(made: Made) -> None:
    site, average = made.results[made.site], made.results[made.average]
    assert (site.verdict, average.verdict) == (Verdict.IDENTICAL, Verdict.IDENTICAL)
    assert (site.differences, site.notes) == ((), ())
    assert average.parts == {made.site: Verdict.IDENTICAL}


def test_the_store_of_what_is_on_record_is_only_read(made: Made) -> None:
    with open_store(made.home / "spectra.db") as store:
        assert [len(store.records(each)) for each in (made.site, made.average)] == [1, 1]
        assert list(store.activities()) == []
    assert list((made.home / "runs").glob("*")) == []


def test_run_directories_are_removed_and_what_was_computed_stays(made: Made) -> None:
    assert list((made.home / "again" / "runs").glob("*")) == []
    with open_store(made.home / "again" / "reruns.db") as store:
        assert store.status_of(made.results[made.site].rerun_id) is Status.CONVERGED


def test_what_was_computed_before_a_kill_is_not_computed_again(computed: RerunPlace, made: Made) -> None:
    assert rerun(computed, made.site).verdict is Verdict.IDENTICAL
    with open_store(computed.settings.database) as store:
        assert len(store.records(made.site)) == 1


def test_an_input_that_is_written_otherwise_now_is_shown_with_its_lines(
    computed: RerunPlace, made: Made, store: SpectrumStore
) -> None:
    text = store.read_file(made.site, "feff.inp").replace(b"XANES", b"* as others wrote it\nXANES", 1)
    (record,) = store.records(made.site)
    used = {**record.used, Kind.INPUT: {"feff.inp": content_checksum(text)}}
    change(store, made.site, record={"used": used}, files={"feff.inp": text})
    result = rerun(computed, made.site)
    assert result.verdict is Verdict.IDENTICAL
    (found,) = result.differences
    assert (found.ground, found.name) == (Ground.INPUT, "feff.inp")
    assert "\n-* as others wrote it" in found.detail


def test_an_input_that_the_record_does_not_name_is_told_by_its_checksum(
    computed: RerunPlace, made: Made, store: SpectrumStore
) -> None:
    (record,) = store.records(made.site)
    change(store, made.site, record={"used": {**record.used, Kind.INPUT: {"feff.inp": "sha256:" + 64 * "0"}}})
    (found,) = rerun(computed, made.site).differences
    assert found.recorded == "sha256:" + 64 * "0"
    assert found.detail.startswith("the store keeps another file than the record names")
    assert found.detail.endswith("it says what is written now")


def test_a_file_that_its_code_wrote_anew_is_compared_without_comments_and_spaces(
    computed: RerunPlace, made: Made, store: SpectrumStore
) -> None:
    (record,) = store.records(made.site)
    lines = store.read_file(made.site, "feff.inp").decode().replace("FMS 2.7", "FMS 3.1").splitlines()
    anew = "\n".join(line.strip() for line in lines if line.strip() and not line.lstrip().startswith("*"))
    used = {**record.used, Kind.INPUT: {"feff.inp": "sha256:" + 64 * "0"}}
    change(store, made.site, record={"used": used}, files={"feff.inp": anew.encode()})
    (found,) = rerun(computed, made.site).differences
    changed = [line for line in found.detail.splitlines()[3:] if line[0] in "+-"]
    assert changed == ["-FMS 3.1 0", "+FMS 2.7 0"]


def test_other_parameters_give_another_spectrum_and_the_changed_input_is_the_first_reason(
    place: RerunPlace, made: Made, store: SpectrumStore
) -> None:
    (record,) = store.records(made.site)
    parameters = {**record.parameters, "fms_radius": 4.0}
    change(store, made.site, record={"parameters": parameters, "libraries": {**record.libraries, "numpy": "0.1"}})
    result = rerun(place, made.site)
    assert result.verdict is Verdict.DIFFERENT
    assert result.comparison is not None
    assert result.comparison.largest is not None
    assert result.comparison.largest > 1e-3
    assert grounds(result) == [Ground.INPUT, Ground.LIBRARY]
    assert "changed input: feff.inp" in result.explanation


def test_another_library_is_named_and_does_not_make_the_same_spectrum_another(
    computed: RerunPlace, made: Made, store: SpectrumStore
) -> None:
    (record,) = store.records(made.site)
    change(store, made.site, record={"libraries": {**record.libraries, "numpy": "0.1", "gone": "2"}})
    result = rerun(computed, made.site)
    assert result.verdict is Verdict.IDENTICAL
    named = {each.name: (each.recorded, each.now) for each in result.differences}
    assert named["gone"] == ("2", "")
    assert named["numpy"] == ("0.1", record.libraries["numpy"])


def test_programs_come_before_libraries_and_the_machine_last(
    computed: RerunPlace, made: Made, store: SpectrumStore
) -> None:
    (record,) = store.records(made.site)
    others = {
        "host": "elsewhere",
        "libraries": {**record.libraries, "numpy": "0.1", "whiteline": "0.0.1"},
        "executables": dict.fromkeys(record.executables, "sha256:" + 64 * "1"),
        "code_version": "FEFF 9.6.4",
    }
    assert record.executables
    change(store, made.site, record=others)
    order = list(dict.fromkeys(grounds(rerun(computed, made.site))))
    assert order == [Ground.PROGRAM, Ground.WHITELINE, Ground.LIBRARY, Ground.MACHINE]


def test_a_difference_that_no_record_explains_is_said_to_be_one(
    computed: RerunPlace, made: Made, store: SpectrumStore
) -> None:
    old = spectrum_of(store, made.site)
    change(store, made.site, spectrum=replace(old, components=old.components * 1.01))
    result = rerun(computed, made.site)
    assert result.verdict is Verdict.DIFFERENT
    assert result.explanation.endswith("no difference on record explains it")


@pytest.mark.parametrize(("tolerance", "verdict"), [(1e-6, Verdict.EQUAL), (1e-10, Verdict.DIFFERENT)])
def test_what_is_within_the_stated_tolerance_is_equal(
    computed: RerunPlace, made: Made, store: SpectrumStore, tolerance: float, verdict: Verdict
) -> None:
    old = spectrum_of(store, made.site)
    change(store, made.site, spectrum=replace(old, components=old.components * (1 + 1e-8)))
    result = rerun(replace(computed, intensity=tolerance), made.site)
    assert (result.verdict, result.tolerance) == (verdict, Tolerance(intensity=tolerance))


def test_a_document_that_was_edited_is_said_to_be(computed: RerunPlace, made: Made, store: SpectrumStore) -> None:
    parameters = store.get(made.site).parameters
    change(store, made.site, parameters={**parameters, "s02": 0.9})
    result = rerun(computed, made.site)
    assert (result.verdict, grounds(result)) == (Verdict.IDENTICAL, [Ground.EDITED])


def test_a_parameter_that_this_version_does_not_know_could_not_run(
    place: RerunPlace, made: Made, store: SpectrumStore
) -> None:
    (record,) = store.records(made.site)
    change(store, made.site, record={"parameters": {**record.parameters, "fms_radios": 4.0}})
    result = rerun(place, made.site)
    assert result.verdict is Verdict.COULD_NOT_RUN
    assert "did you mean 'fms_radius'?" in result.reason


def test_a_program_that_is_not_there_could_not_run(made: Made, settings: Settings, tmp_path: Path) -> None:
    facts = settings.model_copy(update={"feff_command": "no-such-feff"})
    place = RerunPlace.make(tmp_path / "again", facts, tolerance=Tolerance(), keeps_runs=False)
    result = rerun(place, made.site)
    assert result.verdict is Verdict.COULD_NOT_RUN
    assert "no-such-feff" in result.reason


def test_what_failed_and_fails_again_is_equal(
    made: Made, settings: Settings, store: SpectrumStore, tmp_path: Path
) -> None:
    change(store, made.site, spectrum=None, status=Status.FAILED, reason="FEFF stopped")
    facts = settings.model_copy(update={"feff_command": "false"})
    place = RerunPlace.make(tmp_path / "again", facts, tolerance=Tolerance(), keeps_runs=False)
    result = rerun(place, made.site)
    assert result.verdict is Verdict.EQUAL
    assert result.reason.startswith("failed on record, and fails again: feff: ")


def test_a_record_of_a_newer_whiteline_could_not_run_and_says_what_to_do(
    place: RerunPlace, made: Made, store: SpectrumStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    (record,) = store.records(made.site)
    document = store.get(made.site)
    store.delete(made.site)
    with monkeypatch.context() as patch:
        patch.setattr("whiteline.provenance.record.PROVENANCE_SCHEMA_VERSION", 99)
        store.put(document, replace(record, given_id=""))
    result = rerun(place, made.site)
    assert result.verdict is Verdict.COULD_NOT_RUN
    assert "schema version 99" in result.reason
    assert "upgrade" in result.reason


def test_a_spectrum_without_a_record_of_its_run_runs_and_says_so(
    computed: RerunPlace, made: Made, store: SpectrumStore
) -> None:
    document = store.get(made.site)
    store.delete(made.site)
    store.put(document)
    result = rerun(computed, made.site)
    assert result.verdict is Verdict.IDENTICAL
    assert result.notes == ("no record tells how it ran: inputs and versions cannot be compared",)
