"""Campaigns through FireWorks and a real SLURM."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.cluster.campaigns import ask_slurm, create, feff_command, n_runs_of_each_site, tasks, wait_until
from tests.cluster.conftest import CampaignEnvironment
from whiteline.database.queue import TaskState, open_queue
from whiteline.errors import ParameterError
from whiteline.workflows.campaign.flows import ROLE_KEY
from whiteline.workflows.campaign.submission import cancel_manager_jobs, submit

pytest.importorskip("fireworks", reason='FireWorks is not installed: pip install "whiteline[remote]"')
BIN = Path(sys.executable).parent


@pytest.fixture
def launchpad(
    campaign_environment: CampaignEnvironment, slurm: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """Return the file of an empty launchpad; beside it lie the files that `qlaunch` needs."""
    from fireworks import LaunchPad  # type: ignore[import-untyped]  # it comes without types

    folder, address = campaign_environment.folder, urlsplit(campaign_environment.database)
    place = {"host": f"mongodb://{address.netloc}", "name": f"{address.path[1:]}-fireworks"}
    file = folder / "my_launchpad.json"
    file.write_text(json.dumps({**place, "uri_mode": True, "strm_lvl": "WARNING"}), encoding="utf-8")
    (folder / "my_fworker.json").write_text(json.dumps({"name": "cpu", "category": "__none__", "query": "{}"}))
    adapter = {
        "_fw_name": "CommonAdapter",
        "_fw_q_type": "SLURM",
        "rocket_launch": f"{BIN}/rlaunch -l {file} -w {folder}/my_fworker.json singleshot",
        "queue": "main",
        "pre_rocket": f"export PATH={BIN}:$PATH",
    }
    (folder / "my_qadapter.json").write_text(json.dumps(adapter), encoding="utf-8")
    store = {"type": "MongoStore", "host": place["host"], "database": place["name"], "collection_name": "outputs"}
    (folder / "jobflow.yaml").write_text(json.dumps({"JOB_STORE": {"docs_store": store}}), encoding="utf-8")
    monkeypatch.setenv("JOBFLOW_CONFIG_FILE", str(folder / "jobflow.yaml"))
    monkeypatch.setenv("WHITELINE_FEFF_COMMAND", feff_command(0.5))
    pad = LaunchPad.from_file(str(file))
    pad.reset("", require_password=False)
    pad.connection.close()
    yield file
    ask_slurm("scancel", "--user", str(os.getuid()))


def states(launchpad: Path, role: str) -> list[str]:
    from fireworks import LaunchPad

    pad = LaunchPad.from_file(str(launchpad))
    found = [pad.get_fw_dict_by_id(fw_id)["state"] for fw_id in pad.get_fw_ids({f"spec.{ROLE_KEY}": role})]
    pad.connection.close()
    return found


def launch(launchpad: Path) -> None:
    """Let the scheduler have what is ready."""
    folder = launchpad.parent
    files = {"-l": launchpad, "-w": folder / "my_fworker.json", "-q": folder / "my_qadapter.json"}
    options = [str(word) for pair in files.items() for word in pair]
    words = [str(BIN / "qlaunch"), "-r", *options, f"--launch_dir={folder}", "rapidfire", "--nlaunches=0"]
    subprocess.run(words, check=True, capture_output=True, timeout=120, cwd=folder)


def test_a_campaign_runs_through_fireworks_and_slurm(
    campaign_environment: CampaignEnvironment, launchpad: Path
) -> None:
    name, where = create(campaign_environment.folder, n_sites=4), f"fireworks:{launchpad}"
    submission = submit(name, where)
    assert (submission.n_workers, len(submission.ids)) == (2, 3)
    assert not submit(name, where).is_new

    def is_concluded() -> bool:
        launch(launchpad)
        return states(launchpad, "conclusion") == ["COMPLETED"]

    wait_until(is_concluded)
    assert {task.state for task in tasks(name)} == {TaskState.DONE}
    assert n_runs_of_each_site() == [1] * 4
    scripts = [path.read_text(encoding="utf-8") for path in campaign_environment.folder.rglob("FW_submit.script")]
    assert sum("#SBATCH --time=00:10:00" in script and "#SBATCH --mem=900" in script for script in scripts) == 2


def test_cancelled_jobs_are_not_launched(campaign_environment: CampaignEnvironment, launchpad: Path) -> None:
    name, where = create(campaign_environment.folder, n_sites=2), f"fireworks:{launchpad}"
    submit(name, where)
    with open_queue(campaign_environment.database) as queue:
        queue.cancel(name)
    assert len(cancel_manager_jobs(name, where)) == 3
    launch(launchpad)
    assert not ask_slurm("squeue", "--noheader")
    assert set(states(launchpad, "worker")) == {"DEFUSED"}


def test_a_launchpad_that_is_not_there_is_refused(campaign_environment: CampaignEnvironment) -> None:
    name = create(campaign_environment.folder, n_sites=1)
    with pytest.raises(ParameterError, match=r"no launchpad file nowhere.yaml: `whiteline deploy init"):
        submit(name, "fireworks:nowhere.yaml")
    (campaign_environment.folder / "odd.yaml").write_text("- 1\n", encoding="utf-8")
    with pytest.raises(ParameterError, match=r"odd.yaml is no launchpad file"):
        submit(name, f"fireworks:{campaign_environment.folder / 'odd.yaml'}")
