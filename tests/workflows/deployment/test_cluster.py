from __future__ import annotations

from pathlib import Path

import pytest

from whiteline.errors import CalculationError, MissingDependencyError, ParameterError
from whiteline.workflows.deployment.cluster import Partition, check_partition, read_partitions

SINFO = """main*|1-00:00:00|32|64000|(null)
main*|1-00:00:00|64+|128000+|(null)
gpu|infinite|16|32000|gpu:4
"""


def put_command(folder: Path, name: str, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a program on the PATH, alone with those of the system."""
    path = folder / name
    path.write_text(f"#!/bin/bash\n{script}\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_partitions_are_read_with_the_largest_of_their_nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_command(tmp_path, "sinfo", f"printf '%s' '{SINFO}'", monkeypatch)
    assert read_partitions() == {
        "main": Partition(name="main", is_default=True, walltime=86400.0, cores=64, memory=128000),
        "gpu": Partition(name="gpu", cores=16, memory=32000, has_gpu=True),
    }


def test_a_controller_that_is_away_is_an_error_with_its_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_command(tmp_path, "sinfo", "echo 'slurm_load: error: Unable to contact controller' >&2; exit 1", monkeypatch)
    with pytest.raises(CalculationError, match="Unable to contact controller"):
        read_partitions()


def test_without_slurm_it_says_where_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingDependencyError, match="login node"):
        read_partitions()


@pytest.mark.parametrize(
    ("name", "walltime", "cores", "memory", "words"),
    [
        ("mian", 60.0, 1, None, "no partition 'mian': did you mean 'main'?"),
        ("", 90000.0, 1, None, "walltime of at most 24 h, got 25 h"),
        ("main", 60.0, 65, None, "cores of at most 64, got 65"),
        ("main", 60.0, 1, 200000, "memory of at most 128000 MB"),
    ],
)
def test_a_job_that_fits_nowhere_is_refused(
    name: str, walltime: float, cores: int, memory: int | None, words: str
) -> None:
    main = Partition(name="main", is_default=True, walltime=86400.0, cores=64, memory=128000)
    with pytest.raises(ParameterError, match=words.replace("?", r"\?")):
        check_partition([main], name, walltime=walltime, cores=cores, memory=memory)


def test_no_limit_is_no_limit() -> None:
    gpu = Partition(name="gpu")
    assert check_partition([gpu], "gpu", walltime=1e9, cores=10**6) is gpu
    assert check_partition([gpu], "", walltime=60.0) is None
