"""No process outlives who asked for it, and none learns the caller's secrets."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from whiteline.calculators.process import (
    GuardedProcess,
    cause_of_end,
    find_executable,
    last_words,
    program_files,
    run_command,
)
from whiteline.causes import Cause
from whiteline.errors import MissingDependencyError, ParameterError

PARENT = """
import sys
from pathlib import Path
from whiteline.calculators.process import GuardedProcess

directory = Path(sys.argv[1])
command = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]
with GuardedProcess(command, directory=directory, log=directory / "log", timeout=60, environment={}) as process:
    process.wait()
"""


def wait_for_text(path: Path, text: str, *, patience: float = 30.0) -> None:
    deadline = time.monotonic() + patience
    while not (path.is_file() and text in path.read_text()):
        assert time.monotonic() < deadline, f"{path} never said {text}"
        time.sleep(0.05)


def run(directory: Path, code: str, *, timeout: float = 60.0, environment: dict[str, str] | None = None) -> int:
    with GuardedProcess(
        [sys.executable, "-c", code],
        directory=directory,
        log=directory / "log",
        timeout=timeout,
        environment=environment or {},
    ) as process:
        return process.wait()


def test_the_exit_status_and_both_outputs_arrive(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code = "import os, sys; os.write(1, b'out '); os.write(2, b'err'); sys.exit(3)"
    assert run(tmp_path, code) == 3
    assert (tmp_path / "log").read_text() == "out err"
    assert capfd.readouterr() == ("", "")


def test_death_by_a_signal_is_told_as_a_shell_tells_it(tmp_path: Path) -> None:
    assert run(tmp_path, "import os; os.kill(os.getpid(), 11)") == 128 + signal.SIGSEGV


def test_a_command_that_cannot_start_has_status_127_and_says_so(tmp_path: Path) -> None:
    with GuardedProcess(
        [str(tmp_path / "nothing")], directory=tmp_path, log=tmp_path / "log", timeout=60, environment={}
    ) as process:
        assert process.wait() == 127
    assert "cannot start" in last_words(tmp_path / "log")


def test_the_time_limit_takes_down_the_command_and_its_children(
    tmp_path: Path, left_behind: Callable[[Path], list[int]]
) -> None:
    code = "import subprocess; subprocess.run(['sleep', '60'])"
    with GuardedProcess(
        [sys.executable, "-c", code], directory=tmp_path, log=tmp_path / "log", timeout=0.7, environment={}
    ) as process:
        process.wait()
        assert process.is_timed_out
    assert left_behind(tmp_path) == []


def test_an_error_inside_the_block_takes_the_command_down(
    tmp_path: Path, left_behind: Callable[[Path], list[int]]
) -> None:
    with (
        pytest.raises(KeyboardInterrupt),
        GuardedProcess(["sleep", "60"], directory=tmp_path, log=tmp_path / "log", timeout=60, environment={}),
    ):
        raise KeyboardInterrupt
    assert left_behind(tmp_path) == []


def test_kill_9_of_the_caller_takes_the_command_down(tmp_path: Path, left_behind: Callable[[Path], list[int]]) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)])
    try:
        wait_for_text(tmp_path / "log", "up")
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    assert left_behind(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MY_API_KEY", "hush"),
        ("github_token", "hush"),
        ("AWS_SECRET_ACCESS_KEY", "hush"),
        ("DB_PASSWORD", "hush"),
        ("PGPASSWD", "hush"),
        ("WHITELINE_DATABASE", "mongodb://user:hush@host/db"),
    ],
)
def test_secrets_of_the_caller_do_not_reach_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    run(tmp_path, "import os; print(*os.environ)")
    seen = (tmp_path / "log").read_text().split()
    assert "PATH" in seen
    assert name not in seen


def test_the_callers_other_variables_and_those_given_reach_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCRATCH_HOME", "here")
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    code = "import os; print(os.environ['SCRATCH_HOME'], os.environ['OMP_NUM_THREADS'])"
    run(tmp_path, code, environment={"OMP_NUM_THREADS": "1"})
    assert (tmp_path / "log").read_text().split() == ["here", "1"]


def test_the_command_works_in_its_directory_whatever_its_name(tmp_path: Path) -> None:
    directory = tmp_path / "Lauf 1 – ö"
    directory.mkdir()
    run(directory, "import pathlib; pathlib.Path('made').touch()")
    assert (directory / "made").is_file()
    assert Path.cwd() != directory


def test_last_words_are_the_last_lines_that_say_something(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"one\n\ntwo \xff\n   \nthree\n\n")
    assert last_words(log, n_lines=2) == "two \ufffd | three"


def test_a_command_reads_no_standard_input(tmp_path: Path) -> None:
    assert run(tmp_path, "import sys; sys.exit(len(sys.stdin.read()))") == 0


def test_last_words_leave_out_the_addresses_of_a_fortran_crash(tmp_path: Path) -> None:
    (tmp_path / "log").write_text(
        "Calculating SCF potentials ...\n"
        "forrtl: No space left on device\n"
        "forrtl: severe (38): error during write, unit 11, file pot.bin\n"
        "Image              PC                Routine            Line        Source             \n"
        "_feff10.abi3.so    00007FCF1461AB96  Unknown               Unknown  Unknown\n"
        "libc.so.6          00007FCF598A71F5  Unknown               Unknown  Unknown\n"
    )
    assert last_words(tmp_path / "log", n_lines=2) == (
        "forrtl: No space left on device | forrtl: severe (38): error during write, unit 11, file pot.bin"
    )


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo no atoms; exit 255", "exit status 255 [no atoms]"),  # Perl's way to die
        ("echo out of luck; kill -9 $$", "killed by signal 9 [out of luck]"),
        ("exit 0", ""),
    ],
)
def test_how_a_command_ended_is_told_in_its_own_words(tmp_path: Path, script: str, words: str) -> None:
    assert run_command(["sh", "-c", script], directory=tmp_path, log=tmp_path / "log", timeout=60) == words


@pytest.mark.parametrize("command", ["no-such-program -x", "", "/etc/passwd"])
def test_a_program_that_is_not_there_or_not_executable_is_named_with_the_remedy(command: str) -> None:
    with pytest.raises(MissingDependencyError, match=r"not there or not executable: correct WHITELINE_X, or buy it"):
        find_executable(command, variable="WHITELINE_X", remedy="buy it")


def test_a_program_by_a_relative_path_is_found_from_the_folder_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "bin" / "code").write_text("#!/bin/sh\ntouch made\n")
    (tmp_path / "bin" / "code").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    words = find_executable("bin/code", variable="WHITELINE_X", remedy="buy it")
    assert run_command(words, directory=tmp_path / "run", log=tmp_path / "log", timeout=60) == ""
    assert (tmp_path / "run" / "made").is_file()


def test_a_command_with_an_open_quote_is_refused() -> None:
    with pytest.raises(ParameterError, match="is not a command"):
        find_executable("mpirun 'pw.x", variable="WHITELINE_X", remedy="buy it")


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        ("scf: stopped after 7200 s: raise WHITELINE_TIMEOUT", Cause.TIME_LIMIT),
        ("FeffPipelineError: stage 'fms' failed [slurmstepd: error: *** DUE TO TIME LIMIT ***]", Cause.TIME_LIMIT),
        ("killed by signal 9 [SCF ITERATION NUMBER 3]", Cause.MEMORY),
        ("exit status 41 [forrtl: severe (41): insufficient virtual memory]", Cause.MEMORY),
        ("exit status 1 [Error allocating wfc: Cannot allocate memory]", Cause.MEMORY),
        ("exit status 38 [forrtl: No space left on device]", Cause.DISK_FULL),
        ("exit status 1 [write: Disk quota exceeded]", Cause.DISK_FULL),
        ("killed by signal 15 []", Cause.WORKER_LOST),
        ("killed by signal 11 [Segmentation fault]", Cause.CRASH),
        ("exit status 127 [cannot start pw.x]", Cause.SETUP),
        ("exit status 2 [At line 15 of file it ran out of ideas]", Cause.CRASH),
        ("", None),
    ],
)
def test_what_ended_a_command_is_told_from_its_words(words: str, cause: Cause | None) -> None:
    assert cause_of_end(words) is cause


def test_the_cause_of_an_end_without_words_is_looked_for_in_the_log(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("forrtl: No space left on device\n" + 9 * "and so on\n")
    assert cause_of_end("exit status 1 [and so on]", tmp_path / "nothing", tmp_path / "log") is Cause.DISK_FULL


def test_a_command_that_was_stopped_for_its_time_says_so(tmp_path: Path) -> None:
    words = run_command(["sleep", "60"], directory=tmp_path, log=tmp_path / "log", timeout=0.2)
    assert cause_of_end(words, tmp_path / "log") is Cause.TIME_LIMIT


def test_the_launcher_and_the_program_behind_it_are_found_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("mpirun", "pw.x"):
        (tmp_path / name).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert program_files("mpirun -np 4 --bind-to core pw.x") == (tmp_path / "mpirun", tmp_path / "pw.x")
    assert program_files("absent.x -in none", "pw.x", "it's") == (tmp_path / "pw.x",)
