from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from whiteline.calculators import parameters
from whiteline.calculators.feff import FeffParameters
from whiteline.calculators.parameters import build_parameters, describe_preset, list_presets, load_preset
from whiteline.errors import ParameterError


def test_an_unknown_parameter_is_refused_with_the_nearest() -> None:
    with pytest.raises(ParameterError, match="unknown parameter 'fms_raduis': did you mean 'fms_radius'"):
        build_parameters(FeffParameters, {"fms_raduis": 5.0})


def test_an_unknown_preset_is_refused_with_the_nearest() -> None:
    with pytest.raises(ParameterError, match="feff has no preset 'fats': did you mean 'fast'"):
        load_preset("feff", "fats")


@pytest.mark.parametrize("name", ["../presets/fast", "fast.toml", ""])
def test_a_preset_is_a_name_and_no_path(name: str) -> None:
    with pytest.raises(ParameterError, match="has no preset"):
        load_preset("feff", name)


@pytest.mark.parametrize("name", list_presets("feff"))
def test_every_preset_holds_valid_parameters(name: str) -> None:
    build_parameters(FeffParameters, load_preset("feff", name))


def test_the_standard_preset_is_the_default() -> None:
    assert build_parameters(FeffParameters, load_preset("feff", "standard")) == FeffParameters()


def test_parameters_cannot_be_edited() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        FeffParameters().fms_radius = 3.0


@pytest.fixture
def presets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that the presets of every code are read from."""
    monkeypatch.setattr(parameters, "_preset_folder", lambda _: tmp_path / "presets")
    (tmp_path / "presets").mkdir()
    return tmp_path / "presets"


def test_published_presets_are_named_with_a_colon_and_come_last(presets: Path) -> None:
    for stem in ("published-ti-o-10", "standard", "published-lightshow"):
        (presets / f"{stem}.toml").write_text(f'[parameters]\nname = "{stem}"\n')
    assert list_presets("ocean") == ["standard", "published:lightshow", "published:ti-o-10"]
    assert load_preset("ocean", "published:ti-o-10") == {"name": "published-ti-o-10"}
    with pytest.raises(ParameterError, match="did you mean 'published:lightshow'"):
        load_preset("ocean", "published-lightshow")


@pytest.mark.parametrize(
    ("text", "description"),
    [
        ('description = "In one line."\n# Or in more.\n[parameters]\n', "In one line."),
        ('# A comment.\ndescription = "In one line."\n[parameters]\n', "In one line."),
        ("# A first look in\n# minutes: a small cell.\n[parameters]\n", "A first look in minutes"),
        ("# The published set (Author et al., 2018).\n[parameters]\n", "The published set"),
        ("[parameters]\n# of a value\n", ""),
    ],
)
def test_a_preset_is_described_by_its_line_or_by_how_its_comment_begins(
    presets: Path, text: str, description: str
) -> None:
    (presets / "fast.toml").write_text(text)
    assert describe_preset("ocean", "fast") == description
    assert load_preset("ocean", "fast") == {}


def test_a_code_without_presets_has_none(presets: Path) -> None:
    presets.rmdir()
    assert list_presets("ocean") == []
