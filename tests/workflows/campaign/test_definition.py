from __future__ import annotations

import re
from pathlib import Path

import pytest

from whiteline.database.queue.tasks import Campaign
from whiteline.errors import InputError, ParameterError, ParseError
from whiteline.workflows.campaign.definition import (
    CampaignDefinition,
    changed_fields,
    definition_of,
    parse_definition,
    read_definition,
)
from whiteline.workflows.campaign.quantities import parse_core_time, parse_duration
from whiteline.workflows.campaign.toml_lines import find_line

EXAMPLE = Path(__file__).parents[3] / "docs/examples/campaign.toml"
FULL = """\
name = "cu-oxides"
priority = 5
budget = "500 core hours"

[structures]
paths = [
  "more/",
  "mp-390",
]
query = { chemical_system = "Cu-O", absorber = "Cu", kind = "site" }

[[spectra]]
absorbers = ["Cu"]
engine = "feff"
preset = "fast"

[[spectra]]
absorbers = ["Cu", "O"]
edges = ["K"]
priority = -1
set = { fms_radius = 6.0 }
converge = { knobs = ["fms_radius"], spearman = 0.01, budget = "2 h" }

[workers]
count = 2
cores = 4
walltime = "2h"
memory = 4000
cores_per_task = { xspectra = 2 }

[dataset]
name = "cu-k"
absorber = "Cu"
grid = "edge-relative -10:35:0.25"
split_by = "structure_id"

[training]
folder = "models/cu-k"
kind = "ensemble"
worker = "gpu"
"""


def parse(text: str = FULL) -> CampaignDefinition:
    return parse_definition(text, base=Path("/data/cu"), source="cu.toml")


def test_the_example_is_a_campaign() -> None:
    definition = read_definition(EXAMPLE)
    assert definition.structures.paths == (str(EXAMPLE.with_name("anatase.cif")),)
    assert (definition.budget, definition.workers.walltime) == (3600.0, 1800.0)


def test_every_table_is_read_with_times_in_seconds() -> None:
    definition = parse()
    first, second = definition.spectra
    assert (definition.priority, definition.budget, definition.workers.walltime) == (5, 1.8e6, 7200.0)
    assert (first.fidelity, first.converge, first.edges) == ("feff:fast", None, ("K",))
    assert second.converge is not None
    assert (second.converge.budget, second.converge.tolerance.spearman) == (7200.0, 0.01)
    assert (second.fidelity, second.stored_fidelity) == ("feff:standard", "feff:converged")
    assert definition.workers.cores_per_task == {"xspectra": 2}


def test_paths_count_from_the_folder_of_the_file_and_ids_of_databases_stay() -> None:
    definition = parse()
    assert definition.structures.paths == ("/data/cu/more", "mp-390")
    assert definition.dataset is not None
    assert definition.training is not None
    assert (definition.dataset.folder, definition.training.folder) == ("/data/cu/cu-k", "/data/cu/models/cu-k")


def test_a_pattern_is_one_only_behind_the_folder_of_the_file() -> None:
    text = FULL.replace('"more/"', '"*.cif"')
    found = parse_definition(text, base=Path("/data/[cu]"), source="cu.toml").structures.paths[0]
    assert found == "/data/[[]cu]/*.cif"


def test_the_dataset_takes_sites_of_what_the_campaign_has_one_of() -> None:
    query = parse().dataset_query()
    assert (query.absorber, query.edge, query.fidelity, query.kind) == ("Cu", "K", None, "site")
    with pytest.raises(InputError, match="makes no dataset"):
        read_definition(EXAMPLE).dataset_query()


def test_an_ensemble_has_five_seeds_unless_others_are_named() -> None:
    training = parse().training
    assert training is not None
    assert (training.plan("data").seeds, training.plan("data").data) == ((0, 1, 2, 3, 4), "data")
    fewer = parse(f"{FULL}seeds = [1, 2]\nencoder = 'soap'\n").training
    assert fewer is not None
    assert (fewer.plan("data").seeds, fewer.plan("data").encoder.name) == ((1, 2), "soap")  # type: ignore[union-attr]


def test_a_stored_campaign_is_read_as_its_file_was() -> None:
    definition = parse()
    stored = Campaign(
        name="cu-oxides",
        definition=definition.text,
        definition_id=definition.id,
        created_at=0.0,
        plan={"base": "/data/cu"},
    )
    assert definition_of(stored).structures == definition.structures
    assert definition_of(stored).id == definition.id


def test_comments_and_workers_are_no_part_of_what_a_campaign_is() -> None:
    assert parse(f"# of copper\n{FULL}".replace("cores = 4", "cores = 8")).id == parse().id
    assert parse(FULL.replace('"fast"', '"standard"')).id != parse().id


def test_what_two_files_differ_in_is_named() -> None:
    assert changed_fields(FULL, FULL.replace('"fast"', '"standard"').replace("count = 2", "count = 3")) == [
        "spectra.1.preset"
    ]


# What is replaced by what, the line that is named, and words of the message.
WRONG = {
    "a syntax error": ("[workers]", "[workers", 24, "this is no TOML"),
    "a key twice": ("priority = 5", 'name = "x"', 2, "this is no TOML"),
    "an unknown table": ("[workers]", "[worker]", 24, "unknown field 'worker': did you mean 'workers'"),
    "an unknown key": ("walltime", "wall_time", 27, "workers: unknown field 'wall_time': did you mean 'walltime'"),
    "an unknown key of a request": ("preset =", "presets =", 15, "spectra 1: unknown field 'presets'"),
    "an unknown key in line": ("spearman", "spaerman", 22, "spectra 2, converge: unknown field 'spaerman': did you"),
    "a missing key": ('absorbers = ["Cu"]\n', "", 12, "spectra 1: 'absorbers' is missing"),
    "a text for a number": (
        "count = 2",
        'count = "two"',
        25,
        "workers, count: it should be a valid integer, got 'two'",
    ),
    "a number as text": ("count = 2", 'count = "2"', 25, "workers, count: it should be a valid integer, got '2'"),
    "no workers": ("count = 2", "count = 0", 25, "greater than or equal to 1, got 0"),
    "a number for a list": ('edges = ["K"]', "edges = 3", 19, "spectra 2, edges: it should be a list, got 3"),
    "an unknown engine": ('"feff"', '"fef"', 14, "spectra 1, engine: unknown engine 'fef': did you mean 'feff'"),
    "an unknown preset": ('"fast"', '"fsat"', 15, "spectra 1, preset: feff has no preset 'fsat': did you mean 'fast'"),
    "an unknown element": ('"O"]', '"Oo"]', 18, "spectra 2, absorbers 2: 'Oo' is no element: did you mean 'O'"),
    "an unknown edge": ('edges = ["K"]', 'edges = ["k1"]', 19, "spectra 2, edges 1: unknown edge 'k1'"),
    "an edge that oxygen lacks": ('edges = ["K"]', 'edges = ["K", "M1"]', 18, "absorbers 2: O has no M1 edge"),
    "an unknown knob": (
        '["fms_radius"]',
        '["fms_rad"]',
        22,
        "converge, knobs: there is no knob 'fms_rad': did you mean",
    ),
    "an unknown parameter": ("fms_radius = 6.0", "fms_radios = 6.0", 21, "set, fms_radios: unknown parameter"),
    "a parameter out of range": ("fms_radius = 6.0", "fms_radius = -6.0", 21, "set, fms_radius: parameter fms_radius"),
    "a duration without unit": ('"2h"', "7200", 27, "workers, walltime: expected a time with its unit"),
    "a duration of nothing": ('"2 h"', '"0 h"', 22, "converge, budget: expected a time above 0"),
    "a budget that is no core time": ('"500 core hours"', '"500 h"', 3, "budget: expected core time such as"),
    "a correlation for a tolerance": ("= 0.01", "= 0.99", 22, "got 0.99: did you mean 0.01?"),
    "an absorber twice": ('"Cu", "O"', '"Cu", "Cu"', 18, "absorbers 2: 'Cu' stands there twice"),
    "all elements and one": ('"Cu", "O"', '"Cu", "*"', 18, "'*' stands alone"),
    "an unsafe name": ('"cu-oxides"', '"../cu"', 1, "name: a name has up to 64 letters"),
    "a bad query": ('"Cu-O"', '"Cu-Oo"', 10, "structures, query: unknown element 'Oo'"),
    "a query of an unknown field": ("chemical_system", "system", 10, "a query has no field 'system'"),
    "cores of an unknown engine": ("xspectra = 2", "xspectre = 2", 29, "unknown engine 'xspectre'"),
    "more cores than a worker has": ("xspectra = 2", "xspectra = 8", 29, "fits into no worker of 4"),
    "an unknown field of the dataset": ("split_by = ", "splitby = ", 35, "dataset, splitby: a dataset has no field"),
    "a bad grid": ("edge-relative", "edge-relativ", 34, "dataset, grid:"),
    "an unknown field of the training": (
        'kind = "ens',
        'kin = "ens',
        39,
        "training, kin: a training has no field 'kin'",
    ),
    "an unknown kind of training": ('"ensemble"', '"ensembel"', 39, "training, kind: "),
    "training without a dataset": ("[dataset]\nname", "[structures.x]\nname", 31, "structures: unknown field 'x'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_a_campaign_file_says_wrong_is_named_with_its_line(case: str) -> None:
    old, new, line, words = WRONG[case]
    assert old in FULL
    with pytest.raises((InputError, ParseError), match=rf"cu.toml, line {line}: .*{re.escape(words)}"):
        parse(FULL.replace(old, new, 1))


def test_training_without_a_dataset_is_refused() -> None:
    text = FULL[: FULL.index("[dataset]")] + FULL[FULL.index("[training]") :]
    with pytest.raises(ParameterError, match=r"line 31: training: learns from the dataset.*add \[dataset\]"):
        parse(text)


@pytest.mark.parametrize("empty", ["", "paths = []", "skip_bad = false"])
def test_no_structures_are_refused(empty: str) -> None:
    text = f'name = "a"\n[structures]\n{empty}\n[[spectra]]\nabsorbers = ["Cu"]\n'
    with pytest.raises(ParameterError, match="line 2: structures: names no structures"):
        parse(text)


def test_the_same_request_twice_is_refused() -> None:
    twice = FULL.replace("[workers]", '[[spectra]]\nabsorbers = "Cu"\npreset = "fast"\n[workers]')
    with pytest.raises(ParameterError, match="line 24: spectra 3: asks for the same as spectra 1"):
        parse(twice)


def test_what_is_missing_altogether_has_no_line() -> None:
    with pytest.raises(ParameterError, match=r"^cu.toml: 'name' is missing"):
        parse(FULL.replace('name = "cu-oxides"\n', "", 1))


def test_a_path_that_is_not_there_is_named_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "cu.toml"
    file.write_text(FULL, encoding="utf-8")
    with pytest.raises(ParameterError, match=r"cu.toml, line 7: structures, paths 1: there is no more/"):
        read_definition(file)
    (tmp_path / "more").mkdir()
    assert read_definition(file).name == "cu-oxides"


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no campaign file .*missing.toml"):
        read_definition(tmp_path / "missing.toml")
    with pytest.raises(InputError, match="is a folder: name the campaign file in it"):
        read_definition(tmp_path)
    (tmp_path / "latin.toml").write_bytes('name = "a"\n# Köln\n'.encode("latin-1"))
    with pytest.raises(ParseError, match=r"latin.toml, line 2: expected UTF-8, got byte 0xf6"):
        read_definition(tmp_path / "latin.toml")


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "cu.toml").write_bytes(b"\xef\xbb\xbf" + FULL.encode())
    assert read_definition(tmp_path / "cu.toml").name == "cu-oxides"


@pytest.mark.parametrize("text", ["2", "h", "-1 h", "1 fortnight", "", "1:30", "1e3 h", 5, None, True, "9999999 d"])
def test_what_is_no_time_is_refused(text: object) -> None:
    with pytest.raises(ParameterError, match="expected a time"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["500 hours", "core hours", 500, "-1 core hours"])
def test_what_is_no_core_time_is_refused(text: object) -> None:
    with pytest.raises(ParameterError, match="expected core time"):
        parse_core_time(text)


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("a", "b"), 1),
        (("c", "d", "e"), 3),
        (("f", 0, "g"), 5),
        (("f", 1, "h", "i"), 10),
        (("f", 1, "k"), 7),
        (("z",), None),
    ],
)
def test_lines_of_dotted_quoted_and_nested_keys_are_found(path: tuple[str | int, ...], line: int | None) -> None:
    text = 'a.b = 1\n[c."d"]\ne = [ # [\n[[f]]\n'.replace("e = [ # [", 'e = ["[", 2] # [')
    text += "g = 1\n# [[f]]\n[[f]]\nx = '''=='''\n[f.h]\ni = 2\n"
    assert find_line(text, path) == line
