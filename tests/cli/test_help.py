from __future__ import annotations

import json
import subprocess
import sys

import pytest

from .conftest import Command

STORE_COMMANDS = [
    "run",
    "converge",
    "query",
    "show",
    "plot",
    "compare",
    "benchmark",
    "export",
    "doctor",
    "files",
    "ingest",
]
COMMANDS = [*STORE_COMMANDS, "check", "inputs", "presets", "pseudo", "db", "dataset", "search", "campaign", "deploy"]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_every_command_has_an_example(whiteline: Command, command: str) -> None:
    answer = whiteline(command, "--help")
    assert answer.code == 0
    assert "Example" in answer.out
    assert f"whiteline {command} " in answer.out.partition("Example")[2]


def test_the_help_lists_every_command_and_where_to_begin(whiteline: Command) -> None:
    text = whiteline("--help").out
    assert all(f" {command} " in text for command in COMMANDS)
    assert "whiteline doctor" in text.partition("Examples")[2]


@pytest.mark.parametrize("command", STORE_COMMANDS)
def test_the_default_store_is_explained(whiteline: Command, command: str) -> None:
    assert "WHITELINE_DATABASE" in whiteline(command, "--help").out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["qery"], "Did you mean 'query'?"),
        (["run", "x.cif", "--absorbr", "Cu"], "--absorber"),
        (["query", "--formla", "TiO2"], "--formula"),
        (["run", "x.cif"], "Missing option '--absorber'"),
        (["run", "--absorber", "Cu"], "Missing argument 'STRUCTURE'"),
        (["run", "x.cif", "-a", "Cu", "-j", "0"], "'--processes' / '-j'"),
        (["plot", "3f9a"], "Missing option '--output'"),
    ],
)
def test_a_usage_error_names_the_nearest_and_returns_two(whiteline: Command, arguments: list[str], words: str) -> None:
    answer = whiteline(*arguments)
    assert (answer.code, answer.out) == (2, "")
    assert words in answer.err


def test_the_version_is_that_of_the_package(whiteline: Command) -> None:
    from whiteline import __version__ as version

    assert whiteline("--version").out == f"whiteline {version}\n"


@pytest.mark.parametrize("doing", ["", "from whiteline.cli import main; sys.argv = ['whiteline', '--help']; main()"])
def test_importing_and_helping_load_nothing_heavy(doing: str) -> None:
    program = (
        "import atexit, json, sys; "
        "atexit.register(lambda: print(json.dumps(list(sys.modules)), file=sys.stderr)); "
        f"import whiteline; {doing}"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in json.loads(done.stderr.splitlines()[-1])}
    assert "whiteline" in loaded
    assert not loaded & {"numpy", "scipy", "pymatgen", "jobflow", "matplotlib", "ase", "pymongo", "torch"}
