"""From a prediction back to the files of the crystals."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.workflows.learning.conftest import plan_of
from tests.workflows.learning.toy import fill_store, freeze, install_toy_encoder, leave_out_reports, rock_salt
from whiteline.database import open_store
from whiteline.database.query import SpectrumQuery
from whiteline.database.store import SpectrumStore, UnknownIdError
from whiteline.models.registry import find_model
from whiteline.structures import NamedStructure
from whiteline.workflows.learning import run_training
from whiteline.workflows.learning.keeping import store_prediction
from whiteline.workflows.learning.prediction import MaterialPrediction, Predictor
from whiteline.workflows.lineage import LineageNode, Tracer


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with store, dataset, model, and a stored prediction whose id is in `id`."""
    home = tmp_path_factory.mktemp("lineage")
    with pytest.MonkeyPatch.context() as patch:
        install_toy_encoder(patch)
        leave_out_reports(patch)
        freeze(fill_store(home), home / "copper", kind="site")
        run_training(plan_of(home / "copper"), home / "model")
        rock_salt("Cu", "I").to(str(home / "CuI.cif"), fmt="cif")
        predictor = Predictor.load(home / "model")
        named = NamedStructure(rock_salt("Cu", "I"), "CuI", str(home / "CuI.cif"))
        (answer,) = predictor.predict([named], "Cu")
        assert isinstance(answer, MaterialPrediction)
        with open_store(str(home / "spectra.db")) as store:
            identity, _ = store_prediction(store, answer, predictor)
    (home / "id").write_text(identity, encoding="utf-8")
    return home


@pytest.fixture
def home(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage; what records say of places is about the original."""
    shutil.copytree(made, tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def store(home: Path) -> Iterator[SpectrumStore]:
    with open_store(str(home / "spectra.db")) as opened:
        yield opened


def kinds_on_the_way(node: LineageNode, last: str) -> list[str]:
    """Return the kinds from a node to the first node of a kind below it."""
    if node.kind == last:
        return [last]
    for child in node.made_from:
        if below := kinds_on_the_way(child, last):
            return [node.kind, *below]
    return []


def test_a_prediction_leads_to_the_input_files_and_crystals_of_what_was_learned_from(
    home: Path, store: SpectrumStore
) -> None:
    tree = Tracer(store, home).trace_spectrum((home / "id").read_text(encoding="utf-8"))
    chain = ["prediction", "prediction", "model", "dataset", "spectra", "spectrum"]
    assert kinds_on_the_way(tree, "input file") == [*chain, "calculation", "input file"]
    assert kinds_on_the_way(tree, "source") == [*chain, "structure", "source"]
    assert [node.label for node in tree.walk() if node.is_missing] == []
    files = [node for node in tree.walk() if node.kind == "input file"]
    assert files[0].label == "feff.inp (kept)"
    assert files[0].id.startswith("sha256:")


def test_all_spectra_are_listed_when_asked_for(home: Path, store: SpectrumStore) -> None:
    entry = find_model(home, str(home / "model"))
    lists = json.loads((home / "model" / "spectra.json").read_text(encoding="utf-8"))
    some = Tracer(store, home).trace_model(entry)
    every = Tracer(store, home, is_complete=True).trace_model(entry)
    assert [sum(node.kind == "spectrum" for node in tree.walk()) for tree in (some, every)] == [
        1,
        sum(len(lists[part]) for part in ("train", "validation", "test")),
    ]
    assert any(node.label == f"{len(lists['train'])} train spectra, 1 shown" for node in some.walk())


def test_links_that_lead_nowhere_are_named_and_not_guessed(home: Path, made: Path, store: SpectrumStore) -> None:
    lists = json.loads((home / "model" / "spectra.json").read_text(encoding="utf-8"))
    store.delete(lists["train"][0])
    tree = Tracer(store, home).trace_model(find_model(home, str(home / "model")))
    missing = [node for node in tree.walk() if node.is_missing]
    assert [(node.kind, node.id) for node in missing] == [("spectrum", lists["train"][0])]


def test_a_model_that_is_gone_is_named_by_its_hash(home: Path, made: Path, store: SpectrumStore) -> None:
    identity = (home / "id").read_text(encoding="utf-8")
    model_id = store.get(identity).parameters["model"]
    moved = made / "model"
    moved.rename(made / "elsewhere")
    try:
        tree = Tracer(store, home / "empty").trace_spectrum(identity)
        found = Tracer(store, made).trace_spectrum(identity)
    finally:
        (made / "elsewhere").rename(moved)
    assert [(node.kind, node.id) for node in tree.walk() if node.is_missing] == [("model", model_id)]
    # A folder of models is searched by content, whatever the names in it.
    assert [node.id for node in found.walk() if node.kind == "model"] == [model_id]


def test_a_list_of_spectra_that_was_changed_is_marked(home: Path, store: SpectrumStore) -> None:
    path = home / "model" / "spectra.json"
    lists = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**lists, "train": lists["train"][1:]}), encoding="utf-8")
    tree = Tracer(store, home).trace_model(find_model(home, str(home / "model")))
    assert {node.kind for node in tree.walk() if node.is_missing} == {"spectra"}


def test_a_source_file_is_compared_with_the_crystal_that_came_from_it(home: Path, made: Path) -> None:
    crystal = made / "crystals" / "CuO.cif"
    content = crystal.read_bytes()
    with open_store(str(home / "spectra.db")) as store:
        (oxide,) = store.summaries(SpectrumQuery(formula="CuO", kind="site"))
        tracer = Tracer(store, home)
        words = []
        try:
            words.append(_source(tracer, oxide.id))
            rock_salt("Cu", "F").to(str(crystal), fmt="cif")
            words.append(_source(tracer, oxide.id))
            crystal.unlink()
            words.append(_source(tracer, oxide.id))
        finally:
            crystal.write_bytes(content)
    assert words == ["there, the same crystal", "holds another crystal now", "not there any more"]


def _source(tracer: Tracer, spectrum_id: str) -> str:
    (node,) = [each for each in tracer.trace_spectrum(spectrum_id).walk() if each.kind == "source"]
    return node.label.rpartition("(")[2].rstrip(")")


def test_an_average_leads_to_its_sites(home: Path, store: SpectrumStore) -> None:
    (average,) = store.summaries(SpectrumQuery(formula="Cu4N", kind="material", code="feff"))
    tree = Tracer(store, home).trace_spectrum(average.id)
    assert [node.kind for node in tree.made_from] == ["spectrum", "spectrum"]
    assert {node.id for node in tree.made_from} == set(store.get(average.id).parents)


def test_an_unknown_id_is_an_error(home: Path, store: SpectrumStore) -> None:
    with pytest.raises(UnknownIdError, match="abcdef"):
        Tracer(store, home).trace_spectrum("abcdef")
