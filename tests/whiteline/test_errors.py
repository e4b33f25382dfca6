import inspect
import pickle

import pytest

from whiteline import errors
from whiteline.errors import WhitelineError, did_you_mean

CLASSES = [value for value in vars(errors).values() if inspect.isclass(value) and issubclass(value, WhitelineError)]
BUILTINS = (ValueError, RuntimeError, ImportError, OSError)


@pytest.mark.parametrize("error", [c for c in CLASSES if c is not WhitelineError])
def test_every_error_is_also_a_builtin(error: type[WhitelineError]) -> None:
    assert issubclass(error, BUILTINS)


@pytest.mark.parametrize("error", CLASSES)
def test_every_error_is_exported_and_stands_in_the_tree_of_the_docstring(error: type[WhitelineError]) -> None:
    assert error.__name__ in errors.__all__
    assert errors.__doc__ is not None
    line = next(line for line in errors.__doc__.splitlines() if error.__name__ in line)
    builtin = next((base.__name__ for base in error.__bases__ if base in BUILTINS), "")
    assert f"{error.__name__}({builtin})" in line if builtin else True


@pytest.mark.parametrize("error", CLASSES)
def test_every_error_crosses_a_process_boundary_with_its_message(error: type[WhitelineError]) -> None:
    copy = pickle.loads(pickle.dumps(error("what, where, remedy")))  # noqa: S301  # our own bytes
    assert type(copy) is error
    assert str(copy) == "what, where, remedy"


def test_a_hint_names_the_nearest_name() -> None:
    assert did_you_mean("scf_raduis", ["fms_radius", "scf_radius"]) == "did you mean 'scf_radius'?"


def test_a_hint_looks_past_upper_and_lower_case() -> None:
    assert did_you_mean("FMS_RADIUS", ["scf_radius", "fms_radius", "Vi"]) == "did you mean 'fms_radius'?"
    assert did_you_mean("vI", ["scf_radius", "Vi"]) == "did you mean 'Vi'?"


def test_a_hint_without_a_near_name_lists_what_is_known() -> None:
    assert did_you_mean("zzz", iter(["K", "L3"])) == "known: K, L3"
