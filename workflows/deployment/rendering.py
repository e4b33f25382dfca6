"""Filling the templates of `whiteline deploy init`."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

from whiteline.workflows.campaign.managers.interface import clock_text
from whiteline.workflows.deployment.deployment import Deployment, ManagerKind

__all__ = ["RenderedFile", "fill", "render_files"]

_PLACEHOLDER: Final = re.compile(r"@\{(\w+)\}")
_OWN_DATABASE: Final = {ManagerKind.JOBFLOW_REMOTE: "jobflow", ManagerKind.FIREWORKS: "fireworks"}


@dataclass(frozen=True, kw_only=True)
class RenderedFile:
    """A file to write.

    Attributes:
        path: Where, below the folder of the deployment.
        text: Its content.
        is_secret: Whether it may hold a password.
    """

    path: str
    text: str
    is_secret: bool = False


def render_files(deployment: Deployment) -> list[RenderedFile]:
    """Return the files of a deployment; the same deployment gives the same files."""
    values = _values(deployment)
    return [
        RenderedFile(path=path, text=fill(_template(path), values, quote=_quoting(path)), is_secret=is_secret)
        for path, is_secret in _paths(deployment)
    ]


def fill(template: str, values: Mapping[str, Any], *, quote: Callable[[Any], str] = str) -> str:
    """Return a template with its values in place.

    `@{name}` becomes a value; a line with a value that is None or empty is left out, as is what stands between
    `@if name` and `@end` where the value is none.

    >>> print(fill("a: @{a}\\nb: @{b}\\n@if b\\nc\\n@end", {"a": 1, "b": None}), end="")
    a: 1
    """
    lines = []
    is_wanted = True
    for line in template.splitlines():
        if line.startswith("@if "):
            is_wanted = bool(values[line.removeprefix("@if ")])
        elif line == "@end":
            is_wanted = True
        elif is_wanted and all(values[name] not in (None, "") for name in _PLACEHOLDER.findall(line)):
            lines.append(_PLACEHOLDER.sub(lambda match: quote(values[match[1]]), line))
    return "\n".join(lines) + "\n"


def _paths(deployment: Deployment) -> Iterator[tuple[str, bool]]:
    """Yield the files that a deployment has, and whether they may hold a password."""
    has_gpu = bool(deployment.gpu_partition)
    yield "README.md", False
    yield "activate.sh", False
    yield "whiteline.env", True
    yield "slurm/campaign-worker.sbatch", False
    if has_gpu:
        yield "slurm/train-gpu.sbatch", False
    if deployment.manager is ManagerKind.JOBFLOW_REMOTE:
        yield "jobflow-remote/project.yaml", True
    elif deployment.manager is ManagerKind.FIREWORKS:
        for name in ("FW_config", "my_fworker", "my_qadapter", *(["my_fworker-gpu", "my_qadapter-gpu"] * has_gpu)):
            yield f"fireworks/{name}.yaml", False
        yield "fireworks/my_launchpad.yaml", True
        yield "fireworks/jobflow.yaml", True


def _template(path: str) -> str:
    name = path.rpartition("/")[2]
    return (files(__package__) / "templates" / name).read_text(encoding="utf-8")


def _quoting(path: str) -> Callable[[Any], str]:
    """Return what makes a value a scalar of YAML (JSON is one) or a word of a shell; the rest is text."""
    if path.endswith(".yaml"):
        return lambda value: json.dumps(value, ensure_ascii=False)
    if path.endswith(".env"):
        return lambda value: str(value) if isinstance(value, _Exports) else shlex.quote(str(value))
    return str  # paths and words, which `Deployment` has checked


class _Exports(str):
    """Lines of a shell that are quoted already."""

    __slots__ = ()


def _values(deployment: Deployment) -> dict[str, Any]:
    folder, manager = deployment.folder, deployment.manager
    manager_folder = folder / manager.value
    rlaunch = f"rlaunch -c {manager_folder} -w {manager_folder}"
    exports = [f"export {name}={shlex.quote(value)}" for name, value in sorted(deployment.settings.items())]
    return {
        "folder": str(folder),
        "project": deployment.project,
        "database": deployment.database,
        "manager_database": _manager_database(deployment),
        "manager_folder": str(manager_folder),
        "launchpad": str(manager_folder / "my_launchpad.yaml"),
        "work_directory": str(deployment.work_directory),
        "run_directory": str(deployment.work_directory / "calculations"),
        "environment": str(deployment.environment),
        "activate": str(folder / "activate.sh"),
        "pre_run": f". {folder / 'activate.sh'}",
        "rocket_launch": f"{rlaunch}/my_fworker.yaml singleshot",
        "gpu_rocket_launch": f"{rlaunch}/my_fworker-gpu.yaml singleshot",
        "modules": " ".join(deployment.modules),
        "settings": _Exports("\n".join(exports)),
        "partition": deployment.partition,
        "gpu_partition": deployment.gpu_partition,
        "account": deployment.account,
        "walltime": clock_text(deployment.walltime),
        "cores": deployment.cores,
        "memory": deployment.memory,
        "n_workers": 4 if deployment.is_mongo else 1,
        "is_file": not deployment.is_mongo,
        "is_jobflow_remote": manager is ManagerKind.JOBFLOW_REMOTE,
        "is_fireworks": manager is ManagerKind.FIREWORKS,
        "has_fireworks_gpu": manager is ManagerKind.FIREWORKS and deployment.gpu_partition,
        "is_bare": manager is ManagerKind.NONE,
    }


def _manager_database(deployment: Deployment) -> str:
    """Return the database that the manager has for itself, beside that of the store."""
    if deployment.manager is ManagerKind.NONE:
        return ""
    from pymongo.uri_parser import parse_uri

    from whiteline.database.mongo import DEFAULT_DATABASE

    # A record of the domain name service (mongodb+srv) holds options, not the name of the database.
    plain = deployment.database.replace("mongodb+srv://", "mongodb://", 1)
    name = parse_uri(plain, validate=False, warn=False)["database"] or DEFAULT_DATABASE
    return f"{name}_{_OWN_DATABASE[deployment.manager]}"
