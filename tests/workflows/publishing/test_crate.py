"""The machine-readable description, held against the validator of RO-Crates and its profiles."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from whiteline.workflows.publishing.crate import METADATA

_VALIDATOR = shutil.which("rocrate-validator")
_CONTEXT = Path(__file__).parents[2] / "data" / "ro_crate" / "context-1.1.jsonld"
needs_validator = pytest.mark.skipif(
    _VALIDATOR is None,
    reason="rocrate-validator is not on the PATH: `pip install roc-validator` into an environment of its own",
)
# Recommendations that only the publisher, or Whiteline's homepage, could meet.
_LEFT = {
    "process-run-crate-0.5_3.2",  # the address of an application: neither Whiteline nor the script has one
    "process-run-crate-0.5_5.1",  # absolute names, which the check asks of the script inside the crate, too
    "workflow-ro-crate-1.0_8.1",  # the workflow does not claim to follow Bioschemas
    "ro-crate-1.1_22.3",  # the publisher is the archive that the folder will be in
}


def findings(crate: Path) -> list[tuple[str, str, str]]:
    """Return severity, check and message of all that the validator finds."""
    assert _VALIDATOR is not None
    python = Path(_VALIDATOR).resolve().parent / "python"
    script = Path(__file__).with_name("validate_crate.py")
    command = [str(python), str(script), str(crate), str(_CONTEXT), "workflow-run-crate-0.5"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    return [(severity, check, message) for severity, check, message in json.loads(done.stdout)]


def entities(crate: Path) -> dict[str, dict[str, Any]]:
    """Return the entities of a crate by their ids."""
    graph: list[dict[str, Any]] = json.loads((crate / METADATA).read_bytes())["@graph"]
    return {entity["@id"]: entity for entity in graph}


@needs_validator
@pytest.mark.parametrize("kind", ["dataset", "model"])
def test_a_publication_is_a_valid_workflow_run_crate(kind: str, request: pytest.FixtureRequest) -> None:
    found = findings(request.getfixturevalue(kind))
    assert [each for each in found if each[0] == "REQUIRED"] == []
    assert {check for _, check, _ in found} <= _LEFT


@needs_validator
def test_the_validator_refuses_a_crate_without_its_workflow_and_with_a_file_missing(
    dataset: Path, tmp_path: Path
) -> None:
    crate = Path(shutil.copytree(dataset, tmp_path / "crate"))
    described = json.loads((crate / METADATA).read_bytes())
    root = next(entity for entity in described["@graph"] if entity["@id"] == "./")
    del root["mainEntity"]
    (crate / METADATA).write_text(json.dumps(described), encoding="utf-8")
    (crate / "data/spectra.parquet").unlink()
    required = {message for severity, _, message in findings(crate) if severity == "REQUIRED"}
    assert any("mainEntity" in message for message in required)
    assert any("spectra.parquet" in message for message in required)


def test_every_file_is_described_with_its_checksum_and_every_source_with_its_licence(dataset: Path) -> None:
    known = entities(dataset)
    files = {path.relative_to(dataset).as_posix() for path in dataset.rglob("*") if path.is_file()} - {METADATA}
    assert files <= known.keys()
    assert [name for name in files if "sha256" not in known[name]] == ["SHA256SUMS"]
    licences = [known[each["@id"]] for each in known["data/spectra.parquet"]["license"]]
    assert {(each["name"], each["description"]) for each in licences} == {
        ("CC-BY-4.0", "Licence of 1 of its parts"),
        ("ODbL <1.0>", "Licence of 1 of its parts"),
    }
    assert known["./"]["license"] == {"@id": "https://spdx.org/licenses/CC-BY-4.0"}
    assert {each["@id"] for each in known["./"]["citation"]} == {
        "https://doi.org/10.1107/S1600577521008614",
        "https://doi.org/10.1038/cuo",
        "https://doi.org/10.1038/cus",
    }


def test_calculations_are_one_action_a_code_and_version_with_times_and_software(dataset: Path) -> None:
    known = entities(dataset)
    actions = [known[each["@id"]] for each in known["./"]["mentions"]]
    assert [action["@id"] for action in actions] == ["#making", "#calculations-1", "#freezing"]
    feff = known[actions[1]["instrument"]["@id"]]
    assert (feff["name"], feff["softwareVersion"]) == ("feff", "FEFF 10")
    assert actions[1]["name"].startswith("12 spectra computed with feff FEFF 10")
    assert actions[1]["startTime"] <= actions[1]["endTime"]
    assert actions[0]["instrument"] == known["./"]["mainEntity"] == {"@id": "reproduce.sh"}


def test_a_model_names_its_training_and_the_calculations_that_it_learned_from(model: Path) -> None:
    known = entities(model)
    assert [each["@id"] for each in known["./"]["mentions"]] == ["#making", "#calculations-1", "#training"]
    assert known["#training"]["result"][0] == {"@id": "model/config.json"}
    assert known["./"]["name"] == "Copper <b>K</b> & 'more' # heading"
    assert "unknown" in known["./"]["conditionsOfAccess"]
