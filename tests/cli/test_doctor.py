from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Command


@pytest.fixture(autouse=True)
def _no_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether this machine has Quantum ESPRESSO, which takes seconds to say its version, is no part of a test."""
    for name in ("PW", "XSPECTRA", "LD1"):
        monkeypatch.setenv(f"WHITELINE_{name}_COMMAND", "no-such-program")


def line_of(text: str, part: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(part))


def test_a_fresh_machine_is_ready_and_the_store_is_not_made(whiteline: Command, tmp_path: Path) -> None:
    answer = whiteline("doctor")
    assert answer.code == 0
    assert "Ready: `whiteline run STRUCTURE --absorber ELEMENT`." in answer.out
    assert "(made by the first run)" in answer.out
    assert not (tmp_path / "spectra.db").exists()


def test_extras_keep_their_square_brackets(whiteline: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.metadata import PackageNotFoundError

    import whiteline.cli.commands.doctor as doctor

    def version(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(doctor, "version", version)
    text = whiteline("doctor").out
    assert "pip install 'whiteline[mp]' and set MP_API_KEY" in line_of(text, "Materials Project")
    assert "pip install 'whiteline[learn]'" in line_of(text, "GPU")


def test_a_machine_without_feff_is_not_ready(whiteline: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHITELINE_FEFF_COMMAND", "no-such-feff --fast")
    answer = whiteline("doctor")
    assert answer.code == 1
    assert line_of(answer.out, "FEFF").split()[:4] == ["FEFF", "no", "no", "no-such-feff"]
    assert "correct or unset WHITELINE_FEFF_COMMAND" in answer.out


def test_a_store_is_counted(whiteline: Command, store: Path) -> None:
    text = whiteline("doctor").out
    assert line_of(text, "store").split()[:3] == ["store", "yes", f"sqlite:///{store},"]
    assert "4 spectra" in text


def test_a_store_that_cannot_take_a_run_is_not_ready(
    whiteline: Command, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # An administrator may write anywhere, so that permissions alone would not show it.
    monkeypatch.setattr("os.access", lambda path, _: Path(path) != store)
    answer = whiteline("doctor")
    assert (answer.code, line_of(answer.out, "store").split()[1]) == (1, "no")
    assert "read-only" in answer.out


def test_a_damaged_store_is_a_finding_and_the_rest_is_still_shown(whiteline: Command, tmp_path: Path) -> None:
    (tmp_path / "spectra.db").write_bytes(b"not a database" * 100)
    answer = whiteline("doctor")
    assert answer.code == 1
    assert line_of(answer.out, "store").split()[1] == "no"
    assert "Materials Project" in answer.out


def test_pretrained_models_are_named(whiteline: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "data" / "M3GNet-MP"
    folder.mkdir(parents=True)
    (folder / "model.json").write_text('{"@class": "M3GNet"}')
    (folder / "state.pt").write_bytes(b"")
    monkeypatch.setenv("WHITELINE_DATA", str(tmp_path / "data"))
    assert "M3GNet-MP (M3GNet)" in line_of(whiteline("doctor").out, "pretrained models")


def write_program(path: str, text: str) -> str:
    """Write a program below the current folder: its short path is not folded in the table."""
    program = Path(path)
    program.parent.mkdir(exist_ok=True)
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)
    return path


def test_an_engine_is_looked_for_where_the_settings_say(whiteline: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    program = write_program("bin/pw.x", "echo '     Program PWSCF v.7.4.1 starts on  1Jan2026'")
    monkeypatch.setenv("WHITELINE_PW_COMMAND", f"{program} -nk 2")
    monkeypatch.setenv("WHITELINE_VASP_COMMAND", "no-such-vasp")
    text = whiteline("doctor").out
    assert line_of(text, "XSpectra pw.x").split()[2] == "yes"
    # Long paths break over lines.
    assert f"yes{Path.cwd()}/bin/pw.x-nk2,version7.4.1" in "".join(text.split())
    assert "no no-such-vasp (WHITELINE_VASP_COMMAND)" in line_of(text, "VASP")


def test_the_version_of_ocean_is_read_from_beside_it(whiteline: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHITELINE_OCEAN_COMMAND", write_program("bin/ocean.pl", "exit 1"))
    Path("bin/Version").write_text("3.2.1\n")
    assert f"OCEANyes{Path.cwd()}/bin/ocean.pl,version3.2.1" in "".join(whiteline("doctor").out.split())


def test_folders_of_engines_say_how_much_they_hold(whiteline: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("upf").mkdir()
    Path("upf/Ti.UPF").write_text("")
    monkeypatch.setenv("WHITELINE_PSEUDO_DIRECTORY", "upf")
    monkeypatch.setenv("WHITELINE_EXCITING_SPECIES", "nowhere")
    text = whiteline("doctor").out
    assert "upf, 1 found" in line_of(text, "XSpectra UPF")
    assert "nowhere, nothing there" in line_of(text, "exciting species")
