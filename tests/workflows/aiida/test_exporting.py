"""What arrives in AiiDA: native nodes, links that it accepts itself, each thing once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.workflows.aiida.stores import CIF, INPUT, MODEL, absorbers, average, run_record, site, two_sites
from whiteline.database import SpectrumQuery, open_store
from whiteline.database.query import ANY_STATUS
from whiteline.errors import InputError, LineageCycleError, MissingDependencyError, ParameterError, StoreError
from whiteline.provenance import Kind, file_checksum
from whiteline.status import Status
from whiteline.workflows.aiida.checking import check_storage
from whiteline.workflows.aiida.exporting import AiidaExport, Choice, export_archive, export_to_profile, file_reader
from whiteline.workflows.aiida.profile import create_profile, opened_archive, opened_profile


def everything(address: Path) -> list[str]:
    with open_store(address) as store:
        return [summary.id for summary in store.summaries(SpectrumQuery(status=ANY_STATUS, sort="id"))]


def export(address: Path, path: Path, roots: list[str] | None = None, **options: Any) -> AiidaExport:
    with open_store(address) as store:
        return export_archive(store, everything(address) if roots is None else roots, path, **options)


@pytest.fixture(scope="module")
def archive(spectra: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("archive") / "all.aiida"
    export(spectra, path)
    return path


def nodes(storage: Any, kind: str, **extras: Any) -> list[Any]:
    from aiida import orm

    filters = {f"extras.whiteline.{name}": value for name, value in extras.items()}
    return list(orm.QueryBuilder(backend=storage).append(getattr(orm, kind), filters=filters).all(flat=True))


def test_an_archive_holds_what_was_counted_and_nothing_that_aiida_refuses(spectra: Path, tmp_path: Path) -> None:
    made = export(spectra, tmp_path / "all.aiida")
    with opened_archive(tmp_path / "all.aiida") as storage:
        check = check_storage(storage)
    assert check.problems == ()
    assert (check.nodes, check.links) == (made.nodes, made.links)
    # Five runs; averages of two materials and one convergence, each in a workflow of its own.
    assert (made.n_runs, made.n_workflows) == (5, 3)
    assert {name: check.nodes[name] for name in ("CalcJobNode", "WorkChainNode", "InstalledCode")} == {
        "CalcJobNode": 5,
        "WorkChainNode": 3,
        "InstalledCode": 1,
    }
    # What read two crystals, two averages, a convergence, a dataset, a training and a prediction.
    assert check.nodes["CalcFunctionNode"] == 8
    # Every spectrum but those of the failed run and of its average.
    assert check.nodes["XyData"] == len(everything(spectra)) - 2


def test_aiidas_own_validation_accepts_every_link(archive: Path) -> None:
    """Nodes without links first, then each link as AiiDA would add it."""
    from aiida import orm
    from aiida.common.links import LinkType
    from aiida.orm.entities import EntityTypes
    from aiida.orm.utils.links import validate_link
    from aiida.storage.sqlite_temp import SqliteTempBackend

    target = SqliteTempBackend(SqliteTempBackend.create_profile("replay"))
    with opened_archive(archive) as source:
        users = _copy(source, target, EntityTypes.USER, orm.User)
        computers = _copy(source, target, EntityTypes.COMPUTER, orm.Computer)
        keys = _copy(source, target, EntityTypes.NODE, orm.Node, user_id=users, dbcomputer_id=computers)
        by_pk = {node.pk: node for node in orm.QueryBuilder(backend=target).append(orm.Node).all(flat=True)}
        links = orm.QueryBuilder(backend=source).append(
            entity_type="link", project=["input_id", "output_id", "type", "label"]
        )
        for cause, effect, kind, label in (found := links.all()):
            row = {"input_id": keys[cause], "output_id": keys[effect], "type": kind, "label": label}
            validate_link(by_pk[keys[cause]], by_pk[keys[effect]], LinkType(kind), label, backend=target)
            target.bulk_insert(EntityTypes.LINK, [row])
    target.close()
    assert len(found) > 50


def _copy(source: Any, target: Any, table: Any, kind: Any, **keys: dict[int, int]) -> dict[int, int]:
    """Copy a table, and return the new keys by the old ones."""
    from aiida import orm

    query = orm.QueryBuilder(backend=source).append(kind, project=["**"], tag="each")
    rows = [row["each"] for row in query.dict()]
    for row in rows:
        row |= {name: new.get(row[name]) for name, new in keys.items()}
    old = [row.pop("id") for row in rows]
    return dict(zip(old, target.bulk_insert(table, rows), strict=True))


def test_a_spectrum_arrives_as_it_is_stored(spectra: Path, archive: Path) -> None:
    document = site(absorbers()[0])
    with opened_archive(archive) as storage:
        (node,) = nodes(storage, "XyData", id=document.id)
        name, energy, unit = node.get_x()
        curves = {label: values for label, values, _ in node.get_y()}
        units = {unit for *_, unit in node.get_y()}
    assert document.spectrum is not None
    assert (name, unit, units) == ("energy", "eV", {"Mbarn"})
    np.testing.assert_array_equal(energy, document.spectrum.energy)
    np.testing.assert_array_equal(curves["intensity"], document.spectrum.intensity)
    np.testing.assert_array_equal(curves["intensity y"], document.spectrum.components[1])


def test_a_structure_is_what_aiida_makes_of_it_itself(archive: Path, aiida_profile: str) -> None:
    from aiida import orm

    structure = two_sites()
    with opened_profile(aiida_profile):
        own = orm.StructureData(pymatgen=structure)
        own_kinds = [kind.get_raw() for kind in own.kinds]
        own_sites = [each.get_raw() for each in own.sites]
    with opened_archive(archive) as storage:
        found = nodes(storage, "StructureData", structure_id=site(absorbers()[0]).structure_id)
        (node,) = found
        assert [each.get_raw()["kind_name"] for each in node.sites] == [each["kind_name"] for each in own_sites]
        assert [(k.name, k.symbols) for k in node.kinds] == [(k["name"], k["symbols"]) for k in own_kinds]
        assert [k.mass for k in node.kinds] == pytest.approx([k["mass"] for k in own_kinds], rel=1e-3)  # other tables
        np.testing.assert_allclose(
            [each.position for each in node.sites], [each["position"] for each in own_sites], atol=1e-12
        )
        np.testing.assert_array_equal(node.cell, structure.lattice.matrix)


def test_oxidation_states_survive_in_the_extras() -> None:
    from whiteline.workflows.aiida.data_rows import structure_row

    structure = two_sites()
    structure.add_oxidation_state_by_element({"Cu": 1, "N": -3})
    document = site(absorbers()[0])
    plain = structure_row(document, run_record(document, 0), ())
    from dataclasses import replace

    charged = replace(document, structure=structure.as_dict())
    row = structure_row(charged, run_record(charged, 0), ())
    assert {kind["name"] for kind in row.attributes["kinds"]} == {"Cu", "N"}
    assert row.extras["whiteline"]["pymatgen"]["sites"][0]["species"][0]["oxidation_state"] == 1
    assert "pymatgen" not in plain.extras["whiteline"]
    assert row.uuid != plain.uuid


def test_a_run_has_its_inputs_and_outputs_where_aiida_looks_for_them(archive: Path) -> None:
    document = site(absorbers()[0])
    with opened_archive(archive) as storage:
        (run,) = nodes(storage, "CalcJobNode", id=document.id)
        links = run.base.links
        assert run.base.repository.get_object_content("feff.inp", mode="rb") == INPUT
        assert links.get_outgoing().get_node_by_label("retrieved").list_object_names("out") == ["xmu.dat"]
        assert set(links.get_incoming().all_link_labels()) >= {"structure", "absorber", "parameters", "code"}
        assert (run.exit_status, run.is_finished_ok, run.get_job_id()) == (0, True, "17")
        assert (run.computer.label, run.inputs.code.full_label) == ("node1", run.inputs.code.label + "@node1")
        assert run.inputs.parameters.get_dict() == {"fms_radius": 6.0, "l_max": 3}
        assert run.caller.process_label == "MaterialSpectrumWorkChain"


def test_what_went_wrong_is_an_exit_status_with_its_message(archive: Path) -> None:
    with opened_archive(archive) as storage:
        ends = {
            node.exit_status: node.exit_message
            for node in (*nodes(storage, "CalcJobNode"), *nodes(storage, "WorkChainNode"))
        }
        (failed,) = nodes(storage, "CalcJobNode", status="failed")
        assert "spectrum" not in failed.base.links.get_outgoing().all_link_labels()
    # Memory, no convergence of the potentials, and an average that lacks a site.
    assert ends[110] == "feff: killed"
    assert ends[410] == "SCF stopped after 30 of 30 iterations"
    assert ends[305] == "no spectrum of site 1"


def test_a_run_has_one_caller_and_who_comes_later_takes_its_spectrum(archive: Path) -> None:
    """The first site was computed for the average, and the convergence found it in the store."""
    with opened_archive(archive) as storage:
        (run,) = nodes(storage, "CalcJobNode", id=site(absorbers()[0]).id)
        (series,) = nodes(storage, "WorkChainNode", activity="convergence")
        called = [each.process_label for each in series.called]
        inputs = series.base.links.get_incoming().all_link_labels()
        assert run.caller.label == "Cu4N Cu K"
    assert sorted(called) == ["Convergence", "FeffCalculation"]
    assert "spectra__fms_radius_6" in inputs
    assert "spectra__fms_radius_7" not in inputs


def test_a_prediction_leads_through_its_model_to_the_files_of_the_crystals(spectra: Path, tmp_path: Path) -> None:
    from aiida import orm

    export(spectra, tmp_path / "one.aiida", ["c" * 40])
    with opened_archive(tmp_path / "one.aiida") as storage:
        above = orm.QueryBuilder(backend=storage)
        above.append(orm.XyData, filters={"extras.whiteline.id": "c" * 40}, tag="prediction")
        above.append(
            orm.Dict, with_descendants="prediction", filters={"extras.whiteline.is": "source"}, project="label"
        )
        assert set(above.all(flat=True)) == {"Cu4N.cif"}
        assert len(nodes(storage, "CalcJobNode")) == 2


def test_without_members_a_dataset_is_where_the_lineage_ends(spectra: Path, tmp_path: Path) -> None:
    made = export(spectra, tmp_path / "one.aiida", [MODEL], choice=Choice(with_members=False))
    assert made.n_runs == 0
    assert made.nodes == {"Dict": 3, "CalcFunctionNode": 2, "FolderData": 1}


def test_the_same_results_are_the_same_nodes(spectra: Path, archive: Path, tmp_path: Path) -> None:
    from aiida import orm

    one = [site(absorbers()[0]).id]
    export(spectra, tmp_path / "one.aiida", one)
    uuids = []
    for path in (archive, tmp_path / "one.aiida"):
        with opened_archive(path) as storage:
            uuids.append(set(orm.QueryBuilder(backend=storage).append(orm.Node, project="uuid").all(flat=True)))
    assert len(uuids[1]) == 10
    assert uuids[1] < uuids[0]


@pytest.fixture
def aiida_profile(request: pytest.FixtureRequest) -> str:
    name = f"p{abs(hash(request.node.name)) % 10**8}"
    create_profile(name, email="someone@example.org")
    return name


def test_writing_into_a_profile_twice_doubles_nothing(spectra: Path, archive: Path, aiida_profile: str) -> None:
    from aiida import orm

    checks = []
    with open_store(spectra) as store:
        for roots in (everything(spectra)[:3], everything(spectra), everything(spectra)):
            export_to_profile(store, roots, aiida_profile)
            with opened_profile(aiida_profile) as storage:
                checks.append(check_storage(storage))
                # The nodes belong to whose profile it is.
                assert orm.QueryBuilder().append(orm.User, project="email").all(flat=True) == ["someone@example.org"]
    with opened_archive(archive) as storage:
        assert checks[1] == checks[2] == check_storage(storage)


def test_aiida_finds_spectra_by_what_they_were_made_with(spectra: Path, aiida_profile: str) -> None:
    from aiida import orm

    with open_store(spectra) as store:
        export_to_profile(store, everything(spectra), aiida_profile)
    with opened_profile(aiida_profile):
        query = orm.QueryBuilder()
        query.append(orm.StructureData, filters={"extras.whiteline.formula": "Cu4N"}, tag="structure")
        query.append(orm.CalcJobNode, with_incoming="structure", tag="run", filters={"attributes.exit_status": 0})
        query.append(orm.Dict, with_outgoing="run", filters={"attributes.fms_radius": {">=": 6.5}})
        query.append(orm.XyData, with_incoming="run", project="extras.whiteline.id")
        assert query.all(flat=True) == [site(absorbers()[0], radius=7.0).id]


def test_a_mark_of_suspicion_arrives_also_where_the_node_is_already(tmp_path: Path, aiida_profile: str) -> None:
    document = site(absorbers()[0])
    with open_store(tmp_path / "spectra.db") as store:
        store.put(document, run_record(document, 0))
        export_to_profile(store, [document.id], aiida_profile)
        store.mark([document.id], "wrong potentials")
        export_to_profile(store, [document.id], aiida_profile)
    with opened_profile(aiida_profile) as storage:
        (node,) = nodes(storage, "XyData")
        assert node.base.extras.get("whiteline")["suspect"] == "wrong potentials"


def test_contents_of_source_files_come_along_only_if_they_are_what_was_used(spectra: Path, tmp_path: Path) -> None:
    folder, root = tmp_path / "files", [site(absorbers()[0]).id]
    folder.mkdir()
    for content, kind in ((CIF, "SinglefileData"), (b"changed", "Dict")):
        (folder / "Cu4N.cif").write_bytes(content)
        export(spectra, tmp_path / f"{kind}.aiida", root, read_file=file_reader(folder))
        with opened_archive(tmp_path / f"{kind}.aiida") as storage:
            assert len(nodes(storage, kind, **{"is": "source"})) == 1


@pytest.mark.filterwarnings("ignore:The .aiida.orm.nodes.data.upf. module is deprecated")
def test_a_pseudopotential_is_what_aiida_reads_from_its_file(data: Path, tmp_path: Path) -> None:
    from aiida.common.files import md5_file
    from aiida.orm.nodes.data import upf

    parse: Callable[[Path], dict[str, Any]] = upf.parse_upf
    paths = {path.name: path for path in (data / "upf").glob("*.UPF")}
    document = site(absorbers()[0])
    record = run_record(document, 0)
    used = {**record.used, Kind.PSEUDOPOTENTIAL: {name: file_checksum(path) for name, path in paths.items()}}
    with open_store(tmp_path / "spectra.db") as store:
        store.put(document, _with_used(record, used))
    export(tmp_path / "spectra.db", tmp_path / "one.aiida", [document.id], read_file=file_reader(data / "upf"))
    with opened_archive(tmp_path / "one.aiida") as storage:
        found = {node.filename: node for node in nodes(storage, "UpfData")}
        assert set(found) == set(paths)
        for name, node in found.items():
            assert (node.element, node.md5sum) == (parse(paths[name])["element"], md5_file(paths[name]))
            assert node.get_content() == paths[name].read_text()


def test_an_archive_that_exists_is_replaced_only_when_asked(spectra: Path, tmp_path: Path) -> None:
    path = tmp_path / "one.aiida"
    path.write_bytes(b"mine")
    with pytest.raises(StoreError, match="exists and is not overwritten"):
        export(spectra, path)
    assert path.read_bytes() == b"mine"
    export(spectra, path, is_forced=True)
    with opened_archive(path) as storage:
        assert check_storage(storage).problems == ()


def test_an_archive_is_there_whole_or_not_at_all(
    spectra: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("whiteline.workflows.aiida.archive.ArchiveWriter.add_group", full)
    with pytest.raises(StoreError, match="No space left"):
        export(spectra, tmp_path / "one.aiida")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_profile_is_refused_with_the_nearest_and_a_way_to_make_one(
    spectra: Path, aiida_profile: str
) -> None:
    with open_store(spectra) as store, pytest.raises(ParameterError, match=f"{aiida_profile}.*verdi presto"):
        export_to_profile(store, ["c" * 40], f"{aiida_profile}x")
    with pytest.raises(ParameterError, match="already"):
        create_profile(aiida_profile, email="someone@example.org")


def test_a_profile_that_is_an_archive_cannot_be_written(spectra: Path, archive: Path) -> None:
    from aiida.manage.configuration import get_config

    config = get_config(create=True)
    config.create_profile(
        name="shut", storage_backend="core.sqlite_zip", storage_config={"filepath": str(archive)}, broker_backend=None
    )
    with open_store(spectra) as store, pytest.raises(StoreError, match="read-only"):
        export_to_profile(store, ["c" * 40], "shut")


def test_what_nothing_on_record_made_is_refused(spectra: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no record in .* made deadbeef"):
        export(spectra, tmp_path / "one.aiida", ["deadbeef"])
    with pytest.raises(InputError, match="nothing was chosen"):
        export(spectra, tmp_path / "one.aiida", [])


def test_a_loop_in_edited_records_is_named(tmp_path: Path) -> None:
    one, two = (site(absorber) for absorber in absorbers())
    with open_store(tmp_path / "spectra.db") as store:
        for document, other in ((one, two), (two, one)):
            record = run_record(document, 0)
            store.put(document, _with_used(record, {**record.used, Kind.SPECTRUM: {"other": other.id}}))
        with pytest.raises(LineageCycleError, match="came from itself"):
            export_archive(store, [one.id], tmp_path / "one.aiida")
    assert not (tmp_path / "one.aiida").exists()


def _with_used(record: Any, used: dict[str, Any]) -> Any:
    from dataclasses import replace

    return replace(record, used=used)


def test_an_average_that_lost_its_sites_says_so(tmp_path: Path) -> None:
    document, record = average([site(absorber) for absorber in absorbers()], 3)
    with open_store(tmp_path / "spectra.db") as store:
        store.put(document, record)
        export_archive(store, [document.id], tmp_path / "one.aiida")
    with opened_archive(tmp_path / "one.aiida") as storage:
        (node,) = nodes(storage, "CalcFunctionNode", activity="material-average")
        assert len(node.base.extras.get("whiteline")["without_spectra"]) == 2
        assert check_storage(storage).problems == ()


def test_without_aiida_the_message_says_what_to_install(
    spectra: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "aiida.manage.configuration", None)
    with pytest.raises(MissingDependencyError, match=r"whiteline\[aiida\]"):
        export(spectra, tmp_path / "one.aiida")


def test_failed_runs_have_an_exit_status_for_every_cause() -> None:
    from whiteline.causes import Cause
    from whiteline.workflows.aiida.process_rows import exit_status

    assert len({exit_status(Status.FAILED, cause) for cause in Cause}) == len(Cause)
