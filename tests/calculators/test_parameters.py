import pytest
from pydantic import ValidationError

from whiteline.calculators.feff import FeffParameters
from whiteline.calculators.parameters import build_parameters, list_presets, load_preset
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
