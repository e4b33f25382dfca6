from __future__ import annotations

import re
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from whiteline.workflows.deployment.deployment import Deployment, ManagerKind
from whiteline.workflows.deployment.environment import read_environment
from whiteline.workflows.deployment.example import example_files
from whiteline.workflows.deployment.rendering import RenderedFile, render_files
from whiteline.workflows.deployment.writing import write_files

DEPLOY = Path(__file__).parents[3] / "deploy"


def by_path(deployment: Deployment) -> dict[str, RenderedFile]:
    return {file.path: file for file in render_files(deployment)}


@pytest.mark.parametrize("file", example_files(), ids=lambda file: file.path)
def test_what_stands_in_deploy_is_what_init_writes(file: RenderedFile) -> None:
    remedy = "run: python -m whiteline.workflows.deployment.example deploy"
    assert (DEPLOY / file.path).read_text(encoding="utf-8") == file.text, remedy


@pytest.mark.parametrize("manager", list(ManagerKind))
@pytest.mark.parametrize("changes", [{}, {"partition": "", "gpu_partition": "", "modules": ("qe/7.2",), "memory": 9}])
def test_no_placeholder_is_left_and_every_yaml_is_one(
    make_deployment: Callable[..., Deployment], manager: ManagerKind, changes: dict[str, Any]
) -> None:
    for file in render_files(make_deployment(manager=manager, **changes)):
        assert not re.search(r"@\{|^@|None|\n\n\n", file.text), file.path
        if file.path.endswith(".yaml"):
            assert YAML(typ="safe").load(file.text)


@pytest.mark.parametrize("manager", list(ManagerKind))
def test_a_password_stands_only_in_files_for_their_owner(
    make_deployment: Callable[..., Deployment], manager: ManagerKind
) -> None:
    deployment = make_deployment(manager=manager)
    files = render_files(deployment)
    assert all("secret" not in file.text for file in files if not file.is_secret)
    write_files(deployment.folder, files)
    modes = {file.path: stat.S_IMODE((deployment.folder / file.path).stat().st_mode) for file in files}
    assert {path for path, mode in modes.items() if mode == 0o600} == {file.path for file in files if file.is_secret}


def test_every_script_is_one_of_bash(make_deployment: Callable[..., Deployment]) -> None:
    scripts = [file for file in by_path(make_deployment()).values() if file.path.endswith((".sbatch", ".sh", ".env"))]
    assert len(scripts) == 4
    for file in scripts:
        subprocess.run(["/bin/bash", "-n"], input=file.text, text=True, check=True)


def test_jobflow_remote_takes_the_project(make_deployment: Callable[..., Deployment]) -> None:
    config = pytest.importorskip("jobflow_remote.config.base", reason="pip install 'whiteline[remote]'")
    text = by_path(make_deployment(memory=4000))["jobflow-remote/project.yaml"].text
    project = config.Project.model_validate({**YAML(typ="safe").load(text), "base_dir": "/nowhere"})
    assert project.workers["cpu"].resources | {"mem": 4000, "partition": "main"} == project.workers["cpu"].resources
    assert project.workers["gpu"].resources["gres"] == "gpu:1"
    assert project.get_jobstore().docs_store.database == "spectra_jobflow"


def test_without_a_gpu_partition_there_is_no_gpu_worker(make_deployment: Callable[..., Deployment]) -> None:
    found = by_path(make_deployment(gpu_partition=""))
    assert set(YAML(typ="safe").load(found["jobflow-remote/project.yaml"].text)["workers"]) == {"cpu"}
    assert "slurm/train-gpu.sbatch" not in found


def test_one_worker_at_a_time_where_the_store_is_a_file(make_deployment: Callable[..., Deployment]) -> None:
    line = "#SBATCH --dependency=singleton"
    as_file = by_path(make_deployment(manager=ManagerKind.NONE, database="/home/me/spectra.db"))
    assert line in as_file["slurm/campaign-worker.sbatch"].text
    assert line not in by_path(make_deployment())["slurm/campaign-worker.sbatch"].text


@pytest.mark.parametrize("value", ["mpirun pw.x", 'it\'s $HOME `id` "x" # y', "", "a\\b"])
def test_a_value_reads_the_same_in_a_shell_and_here(make_deployment: Callable[..., Deployment], value: str) -> None:
    deployment = make_deployment(settings={"WHITELINE_PW_COMMAND": value})
    write_files(deployment.folder, render_files(deployment))
    path = deployment.folder / "whiteline.env"
    script = f'. {path}; printf "%s" "$WHITELINE_PW_COMMAND"'
    shell = subprocess.run(["/bin/bash", "-c", script], capture_output=True, text=True, check=True)
    assert shell.stdout == read_environment(deployment.folder)["WHITELINE_PW_COMMAND"] == value
