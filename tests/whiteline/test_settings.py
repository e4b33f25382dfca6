from pathlib import Path

import pytest
from pydantic import ValidationError

from whiteline.errors import ParameterError
from whiteline.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"WHITELINE_{name.upper()}", raising=False)


def test_every_field_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHITELINE_DATABASE", "mongodb://somewhere/db")
    monkeypatch.setenv("WHITELINE_KEEP_RUNS", "true")
    monkeypatch.setenv("WHITELINE_TIMEOUT", "60")
    settings = load_settings()
    assert (settings.database, settings.keep_runs, settings.timeout) == ("mongodb://somewhere/db", True, 60.0)


def test_an_override_beats_the_environment_and_none_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHITELINE_FEFF_COMMAND", "feff9")
    assert load_settings(feff_command="feff10").feff_command == "feff10"
    assert load_settings(feff_command=None).feff_command == "feff9"


def test_an_unknown_variable_is_refused_with_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHITELINE_DATABSE", "x")
    with pytest.raises(ParameterError, match="WHITELINE_DATABSE: did you mean 'WHITELINE_DATABASE'"):
        load_settings()


def test_variables_for_the_tests_are_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHITELINE_TEST_ANYTHING", "x")
    load_settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KEEP_RUNS", "perhaps"),
        ("TIMEOUT", "0"),
        ("TIMEOUT", "-5"),
        ("TIMEOUT", "soon"),
        ("TIMEOUT", "inf"),
        ("TIMEOUT", "nan"),
        ("TIMEOUT", ""),
    ],
)
def test_a_bad_value_is_refused_with_its_name_and_itself(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"WHITELINE_{name}", value)
    with pytest.raises(ParameterError, match=f"WHITELINE_{name}.*{value}"):
        load_settings()


def test_an_unknown_override_is_refused() -> None:
    with pytest.raises(ParameterError, match="WHITELINE_DATABSE"):
        load_settings(databse="x")


def test_the_home_folder_is_written_as_a_tilde(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load_settings(run_directory="~/runs").run_directory == tmp_path / "runs"


def test_settings_cannot_be_edited() -> None:
    settings = load_settings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.database = "other"
