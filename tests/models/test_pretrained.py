from __future__ import annotations

import json
from pathlib import Path

import pytest

from whiteline.models.pretrained import PretrainedModel, find_pretrained


def write_model(folder: Path, card: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "model.json").write_text(card, encoding="utf-8")
    (folder / "state.pt").write_bytes(b"weights")
    return folder


def test_a_model_is_named_by_its_folder_and_class(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "models" / "M3GNet-MP", json.dumps({"@class": "M3GNet"}))
    assert find_pretrained(tmp_path) == [PretrainedModel("M3GNet-MP", "M3GNet", folder)]


def test_models_come_in_the_order_of_their_paths(tmp_path: Path) -> None:
    for name in ("b", "c", "a"):
        write_model(tmp_path / name, json.dumps({"@class": "MEGNet"}))
    assert [model.name for model in find_pretrained(tmp_path)] == ["a", "b", "c"]


def test_a_card_without_weights_is_no_model(tmp_path: Path) -> None:
    (write_model(tmp_path / "half", json.dumps({"@class": "M3GNet"})) / "state.pt").unlink()
    assert find_pretrained(tmp_path) == []


@pytest.mark.parametrize("card", ["", "{", "[1, 2]", "{}", '"M3GNet"', "3", '{"@class": null}'])
def test_a_card_that_names_no_class_is_left_out(tmp_path: Path, card: str) -> None:
    write_model(tmp_path / "broken", card)
    assert find_pretrained(tmp_path) == []


def test_a_card_in_another_encoding_is_left_out(tmp_path: Path) -> None:
    (write_model(tmp_path / "broken", "") / "model.json").write_bytes(b"\xff\xfe{}")
    assert find_pretrained(tmp_path) == []


@pytest.mark.parametrize("data", [None, Path("no-such-folder")])
def test_without_a_data_folder_there_are_none(data: Path | None) -> None:
    assert find_pretrained(data) == []
