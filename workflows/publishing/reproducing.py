"""What makes it again: the commands, with the values that records name, and the libraries with their versions."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from whiteline.database.datasets.grid import DatasetGrid, GridOrigin
from whiteline.workflows.publishing.subject import Subject, SubjectKind

if TYPE_CHECKING:
    from whiteline.database.datasets.manifest import Manifest
    from whiteline.workflows.publishing.origin import Origin

__all__ = ["dataset_command", "make_requirements", "make_script", "one_line", "training_command"]

_QUERY_OPTIONS: Final = {
    "absorber": "--absorber",
    "edge": "--edge",
    "code": "--code",
    "fidelity": "--fidelity",
    "formula": "--formula",
    "chemical_system": "--system",
    "elements_all": "--elements",
    "elements_any": "--any",
    "elements_none": "--without",
    "space_group": "--space-group",
    "status": "--status",
    "kind": "--kind",
    "created_after": "--after",
    "created_before": "--before",
    "limit": "--limit",
}
_PLAN_OPTIONS: Final = {
    "architecture": "--architecture",
    "absorber": "--absorber",
    "edge": "--edge",
    "fidelity": "--fidelity",
    "from_fidelity": "--from-fidelity",
    "split_by": "--split-by",
    "split_seed": "--split-seed",
    "structures": "--structures",
    "precision": "--precision",
    "name": "--name",
    "licence": "--licence",
}
_OF_PARENT: Final = ("architecture",)
# Not the files: the keys of parameters may come in another order from another store.
_COMPARISON: Final = """\
python - <<'END'
from whiteline.database.datasets import Dataset

published, again = Dataset.open("data"), Dataset.open("again/data")
if published.ids() != again.ids() or not (published.matrix() == again.matrix()).all():
    raise SystemExit("again/data holds other spectra than data")
print("the spectra are the same to the last bit")
END"""


def one_line(text: object) -> str:
    """Return text that stays on its line: a line break in a name must not begin a command or a heading."""
    return " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())


def make_script(subject: Subject, *, has_store: bool) -> str:
    """Return a shell script with the commands that make the subject again.

    Args:
        subject: What is published.
        has_store: Whether `store.tar` is published with it.
    """
    lines = [
        "#!/usr/bin/env bash",
        f"# Makes the {subject.kind} {one_line(subject.name)} again, with the commands and values that its",
        "# records name. Its content is",
        f"# {subject.id}.",
        "# Run it in a copy of this folder; what it makes goes into the folder again.",
        "set -euo pipefail",
        'cd "$(dirname "$0")"',
        "mkdir -p again",
        "",
        "# The libraries, in the versions that were recorded.",
        "python3 -m venv again/environment",
        ". again/environment/bin/activate",
        "python -m pip install -r requirements.txt",
        "",
        *_store_step(has_store=has_store),
    ]
    steps = _dataset_steps(subject) if subject.kind is SubjectKind.DATASET else _model_steps(subject)
    return "\n".join([*lines, *steps]) + "\n"


def _store_step(*, has_store: bool) -> Iterator[str]:
    if has_store:
        yield "# The spectra with their records and raw files."
        yield "whiteline db restore store.tar --db again/spectra.db"
        yield "export WHITELINE_DATABASE=again/spectra.db"
    else:
        yield "# No store was at hand when this was published: ask its authors for one."
        yield ': "${WHITELINE_DATABASE:?name a store of the spectra}"'
    yield ""


def _rerun(folder: str) -> Iterator[str]:
    yield "# The calculations, each again from its record, compared with what is stored. Engines have to be installed."
    yield f"whiteline rerun --all-of {folder} --output again/calculations ||"
    yield "  echo 'not all came out the same: again/calculations says which, and why'"


def _dataset_steps(subject: Subject) -> Iterator[str]:
    if subject.dataset is None:
        return
    manifest = subject.dataset.manifest
    command, unsaid = dataset_command(manifest, "again/data")
    yield "# Every file is as it was published."
    yield "whiteline dataset verify data"
    yield ""
    yield "# The dataset from the spectra."
    for name, value in unsaid.items():
        yield f"# The query also had {name} = {one_line(value)}, for which the command line has no option."
    yield shlex.join(command)
    yield _COMPARISON
    yield ""
    yield from _rerun("data")


def _model_steps(subject: Subject) -> Iterator[str]:
    parameters = {} if subject.making is None else subject.making.parameters
    described: Mapping[str, Any] = {} if subject.model is None else subject.model.card.lineage.get("dataset") or {}
    content = one_line(described.get("content_sha256", "not on record"))
    if subject.dataset is not None:
        command, unsaid = dataset_command(subject.dataset.manifest, "again/data")
        yield f"# The dataset {one_line(subject.dataset.manifest.name)}, content {content}, from the spectra."
        for name, value in unsaid.items():
            yield f"# The query also had {name} = {one_line(value)}, for which the command line has no option."
        yield shlex.join(command)
    else:
        yield f"# It learned from {one_line(described.get('name') or 'a dataset')}, content {content},"
        yield "# which was not at hand when this was published: put it into the folder again/data."
        yield "whiteline dataset verify again/data"
    yield ""
    if not parameters:
        yield "# No record of the training is with the model: its card says what is known."
        return
    if parameters.get("parent"):
        yield "# The model that it begins with has to lie in the folder again/parent."
    yield shlex.join(training_command(parameters, "again/data", "again/model"))
    yield "# Weights agree to the last bit only on the same machine; metrics are to be those of the card."
    yield "whiteline models show again/model"
    yield ""
    yield from _rerun("again/data")


def dataset_command(manifest: Manifest, folder: str) -> tuple[list[str], dict[str, Any]]:
    """Return the command that makes a dataset, and what of its query the command line cannot say."""
    words = ["whiteline", "dataset", "create", folder]
    unsaid = {}
    for name, value in manifest.query.items():
        if name == "parameters":
            words += [word for c in value for word in ("--where", f"{c[0]}{c[1]}{json.dumps(c[2])}")]
        elif name in _QUERY_OPTIONS:
            values = value if isinstance(value, list) else [value]
            words += [word for each in values for word in (_QUERY_OPTIONS[name], str(each))]
        else:
            unsaid[name] = value
    split = manifest.split
    words += ["--grid", _grid_text(manifest.grid), "--intensity", manifest.intensity]
    words += ["--split", ",".join(map(repr, split.fractions)), "--split-by", split.by.value, "--seed", str(split.seed)]
    return words + ["--extrapolate"] * (manifest.extrapolation != "none"), unsaid


def _grid_text(grid: DatasetGrid) -> str:
    if grid.origin is GridOrigin.OMNIXAS:
        return grid.origin.value
    stop = grid.start + grid.step * (grid.n_points - 1)
    return f"{grid.origin.value} {grid.start!r}:{stop!r}:{grid.step!r}"


def training_command(plan: Mapping[str, Any], data: str, folder: str) -> list[str]:
    """Return the command that trains what a plan, as a record keeps it, says."""
    kind = str(plan.get("kind", "expert"))
    has_parent = bool(plan.get("parent"))
    words = {
        "finetune": ["whiteline", "finetune", "again/parent", data],
        "transfer": ["whiteline", "transfer", "--from", "again/parent", "--to", data],
    }.get(kind, ["whiteline", "train", kind, data])
    words += ["--output", folder]
    for name, option in _PLAN_OPTIONS.items():
        if plan.get(name) not in (None, "", 0) and not (has_parent and name in _OF_PARENT):
            words += [option, str(plan[name])]
    encoder = plan.get("encoder") or {}
    if encoder and not has_parent:
        words += ["--encoder", str(encoder["name"])]
        words += ["--blocks", ",".join(encoder["blocks"])] * bool(encoder.get("blocks"))
    words += [word for name, value in (plan.get("values") or {}).items() for word in ("--set", _assigned(name, value))]
    words += ["--seeds", ",".join(map(str, plan.get("seeds") or (0,)))]
    words += ["--split", ",".join(map(repr, plan["fractions"]))] * bool(plan.get("split_by"))
    return words + ["--skip-bad"] * bool(plan.get("skips_bad"))


def _assigned(name: str, value: object) -> str:
    return f"{name}={json.dumps(value)}"


def make_requirements(subject: Subject, origin: Origin) -> str:
    """Return the libraries as pip takes them, each in the version that was recorded."""
    libraries = origin.libraries or {"whiteline": subject.whiteline_version}
    # A version such as 2.13.0+cpu is of a build that the index does not have; pip takes any build of 2.13.0.
    lines = [f"{name}=={version.partition('+')[0]}" for name, version in sorted(libraries.items())]
    builds = [f"{name} {version}" for name, version in sorted(libraries.items()) if "+" in version]
    comments = ["# Recorded versions of the libraries that shaped the results."]
    if origin.making is not None and origin.making.commit:
        comments.append(f"# Whiteline ran from a checkout, at commit {one_line(origin.making.commit)}.")
    if builds:
        comments.append(f"# Recorded builds: {one_line(', '.join(builds))}.")
    if not origin.libraries:
        comments.append("# No record of the making was at hand: only the version of Whiteline is known.")
    for name, versions in origin.other_libraries.items():
        comments.append(f"# Some calculations ran with {one_line(name)} {', '.join(map(one_line, versions))}.")
    return "\n".join([*comments, *map(one_line, lines)]) + "\n"
