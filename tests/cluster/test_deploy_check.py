"""`whiteline deploy check` through a real SLURM and each manager, and what it says when something is wrong."""

from __future__ import annotations

import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cluster.conftest import CampaignEnvironment
from tests.servers import start_mongo_server
from whiteline.calculators.interface import Finding, Level
from whiteline.workflows.deployment.answers import Answers, build_deployment
from whiteline.workflows.deployment.checking import check_deployment
from whiteline.workflows.deployment.deployment import ManagerKind
from whiteline.workflows.deployment.rendering import render_files
from whiteline.workflows.deployment.writing import write_files

Deploy = Callable[..., Path]
MANAGERS = [
    ManagerKind.NONE,
    pytest.param(ManagerKind.JOBFLOW_REMOTE, id="jobflow-remote"),
    pytest.param(ManagerKind.FIREWORKS, id="fireworks"),
]


@pytest.fixture
def deploy(slurm: Path, campaign_environment: CampaignEnvironment, monkeypatch: pytest.MonkeyPatch) -> Deploy:
    """A function that writes the deployment of a manager and returns its folder."""

    def write(manager: ManagerKind = ManagerKind.NONE, **changes: str) -> Path:
        if manager is not ManagerKind.NONE:
            module = manager.value.replace("-", "_")
            pytest.importorskip(module, reason=f"no {manager}: pip install 'whiteline[remote]'")
        if manager is ManagerKind.FIREWORKS:
            from fireworks.utilities import fw_serializers  # type: ignore[import-untyped]  # it has none

            # Else it imports all of FireWorks to find it, its tests included, whose marks are unknown here.
            home = "fireworks.user_objects.queue_adapters.common_adapter"
            monkeypatch.setitem(fw_serializers.SAVED_FW_MODULES, "CommonAdapter", home)
        folder = campaign_environment.folder / "deployment"
        answers = Answers(
            manager=manager.value,
            database=campaign_environment.database,
            partition="main",
            gpu_partition="gpu",
            walltime="30",
            cores=2,
            memory=1000,
            venv=Path(sys.prefix),
            work_dir=campaign_environment.folder / "work",
        )
        deployment = build_deployment(folder, answers)
        write_files(folder, render_files(deployment))
        deployment.work_directory.mkdir()
        return folder

    return write


def complaints(findings: list[Finding]) -> list[str]:
    return [f"{finding.subject}: {finding.detail}" for finding in findings if finding.level is Level.ERROR]


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def n_jobs() -> int:
    command = ["squeue", "--noheader", "--states=PENDING,RUNNING"]
    return len(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines())


@pytest.mark.parametrize("manager", MANAGERS)
def test_a_real_job_goes_out_and_its_findings_come_back(deploy: Deploy, manager: ManagerKind) -> None:
    folder = deploy(manager)
    states: list[str] = []
    found = list(check_deployment(folder, timeout=240.0, on_state=states.append))
    assert complaints(found) == []
    assert {"test job", "software", "store on the node", "scratch", "FEFF on the node"} <= {f.subject for f in found}
    assert states
    left = [path for path in (folder.parent / "work").rglob("*") if path.is_file()]
    assert left == []


def test_the_gpu_partition_that_has_none_is_found_out(deploy: Deploy) -> None:
    found = list(check_deployment(deploy(), worker="gpu", timeout=240.0))
    assert [line.partition(":")[0] for line in complaints(found)] in ([], ["GPU"])
    assert found[-1].subject == "GPU"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("--partition=main", "--partition=mian", "no partition 'mian': did you mean 'main'?"),
        ("--time=00:30:00", "--time=2-00:00:00", "walltime of at most 24 h, got 48 h"),
        ("--mem=1000", "--mem=999999999", "memory of at most"),
        ("--ntasks=2", "--ntasks=9999", "cores of at most"),
        ("--nodes=1", "--nodes=7", "SLURM refuses"),
    ],
)
def test_what_slurm_would_refuse_is_found_before_anything_is_submitted(
    deploy: Deploy, old: str, new: str, words: str
) -> None:
    folder = deploy()
    change(folder / "slurm" / "campaign-worker.sbatch", old, new)
    found = list(check_deployment(folder))
    assert words in " ".join(complaints(found))
    assert found[-1].subject == "resources"


@pytest.mark.parametrize("manager", MANAGERS[:2])
def test_an_environment_that_lacks_the_package_is_named(deploy: Deploy, manager: ManagerKind, tmp_path: Path) -> None:
    venv.create(tmp_path / "empty", with_pip=False)
    folder = deploy(manager)
    change(folder / "activate.sh", f"{sys.prefix}/bin", f"{tmp_path}/empty/bin")
    found = list(check_deployment(folder, timeout=240.0))
    (problem,) = [finding for finding in found if finding.level is Level.ERROR]
    # Where SLURM hands the PATH on, `jf` of another environment may be found; that is told as well.
    assert problem.subject in ("test job", "software")
    assert "activate.sh activates" in problem.remedy
    assert n_jobs() == 0


def test_a_node_that_has_another_database_is_found_out(deploy: Deploy) -> None:
    folder = deploy()
    with (folder / "activate.sh").open("a") as file:
        file.write(f"export WHITELINE_DATABASE={folder}/other.db\n")
    (line,) = complaints(list(check_deployment(folder, timeout=240.0)))
    assert line.startswith("store on the node: ")
    assert "other.db is another store than the one here" in line


def test_a_job_that_does_not_start_in_time_is_cancelled(deploy: Deploy) -> None:
    folder = deploy()
    set_state = ["scontrol", "update", "PartitionName=main"]
    subprocess.run([*set_state, "State=DOWN"], check=True)
    try:
        found = list(check_deployment(folder, timeout=3.0))
    finally:
        subprocess.run([*set_state, "State=UP"], check=True)
    assert "is pending (PartitionDown) after 3 s" in complaints(found)[0]
    assert "--timeout" in found[-1].remedy
    assert n_jobs() == 0


def test_a_database_that_is_down_is_named_without_its_password(
    deploy: Deploy, campaign_environment: CampaignEnvironment, tmp_path: Path
) -> None:
    server = start_mongo_server(tmp_path / "down")
    server.kill()
    folder = deploy()
    address = server.address.replace("://", "://me:secret@")
    change(folder / "whiteline.env", campaign_environment.database, f"{address}/x?serverSelectionTimeoutMS=500")
    (line,) = complaints(list(check_deployment(folder)))
    assert line.startswith("store: the store mongodb://***@127.0.0.1")
    assert "secret" not in line


def test_a_manager_whose_database_is_down_is_named(deploy: Deploy, campaign_environment: CampaignEnvironment) -> None:
    folder = deploy(ManagerKind.JOBFLOW_REMOTE)
    nobody = "mongodb://127.0.0.1:1/x?serverSelectionTimeoutMS=500"
    change(folder / "jobflow-remote" / "project.yaml", campaign_environment.database, nobody)
    (line,) = complaints(list(check_deployment(folder)))
    assert line.startswith("manager: the database of jobflow-remote does not answer")
