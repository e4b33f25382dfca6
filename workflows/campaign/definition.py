"""The campaign file: which spectra of which crystals, with what workers, and what is made of them at the end."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from glob import escape, has_magic
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError

from whiteline.database.query import SpectrumQuery
from whiteline.database.queue.tasks import Campaign
from whiteline.errors import InputError, ParameterError, ParseError, did_you_mean
from whiteline.fingerprint import content_hash
from whiteline.workflows.campaign.checking import find_faults
from whiteline.workflows.campaign.requests import (
    EVERY_ELEMENT,
    CampaignFile,
    DatasetRequest,
    SpectraRequest,
    StructureRequest,
    TrainingRequest,
    WorkersRequest,
    make_query,
)
from whiteline.workflows.campaign.toml_lines import KeyPath, find_line

__all__ = [
    "CampaignDefinition",
    "changed_fields",
    "definition_of",
    "parse_definition",
    "read_definition",
]

# Tables that say how a campaign is worked on and not what it computes: they may change.
_CHANGEABLE: Final = ("workers",)
# Key of `Campaign.plan` under which the folder of the file stands.
BASE: Final = "base"
_LONGEST_SHOWN: Final = 80
_IDS: Final = ("mp-", "mvc-")


@dataclass(frozen=True, kw_only=True)
class CampaignDefinition:
    """A campaign as its file says it, with all paths complete.

    Attributes:
        name: Unique name.
        priority: Of all its tasks; larger is sooner.
        budget: Most core time [s]; None sets no limit.
        structures: Which crystals.
        spectra: Which spectra of each.
        workers: What a manager is asked for.
        dataset: What is frozen at the end; None without one.
        training: What is learned from it; None without one.
        text: The file as it was given.
        base: Folder that relative paths are counted from.
        source: File, for messages.
    """

    name: str
    priority: int
    budget: float | None
    structures: StructureRequest
    spectra: tuple[SpectraRequest, ...]
    workers: WorkersRequest
    dataset: DatasetRequest | None
    training: TrainingRequest | None
    text: str
    base: Path
    source: str

    @property
    def id(self) -> str:
        """Content hash of what the file says, comments and `[workers]` aside."""
        content = {key: value for key, value in tomllib.loads(self.text).items() if key not in _CHANGEABLE}
        # As text: TOML holds dates, and numbers that JSON does not have.
        return content_hash(["campaign-1", json.dumps(content, sort_keys=True, default=str)])

    def dataset_query(self) -> SpectrumQuery:
        """Return which spectra the dataset holds: those of sites, unless the file says otherwise.

        Where the campaign has a single absorber, edge or level of theory and the file names none, it is that.

        Raises:
            InputError: The campaign has no dataset.
        """
        if self.dataset is None:
            raise InputError(f"campaign {self.name} makes no dataset: add [dataset] to its file")
        absorbers = {name for request in self.spectra for name in request.absorbers}
        edges = {name for request in self.spectra for name in request.edges}
        fidelities = {request.stored_fidelity for request in self.spectra}
        found = {"absorber": absorbers - {EVERY_ELEMENT}, "edge": edges, "fidelity": fidelities}
        only = {name: next(iter(values)) for name, values in found.items() if len(values) == 1}
        return make_query({"kind": "site", **only, **self.dataset.filters})


def read_definition(path: str | Path) -> CampaignDefinition:
    """Return the campaign of a file.

    Raises:
        InputError: There is no such file, it is no UTF-8, or it says something impossible; the message names file,
            line and field.
        ParseError: It is no TOML.
    """
    file = Path(path).expanduser()
    if file.is_dir():
        raise InputError(f"{file} is a folder: name the campaign file in it, e.g. {file / 'campaign.toml'}")
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        raise InputError(f"there is no campaign file {file}: docs/campaigns.md shows one") from None
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror})") from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ParseError(f"{file}, line {line}: expected UTF-8, got byte 0x{content[error.start]:02x}") from error
    definition = parse_definition(text, base=file.absolute().parent, source=str(file))
    given = tomllib.loads(text)["structures"].get("paths", [])
    for i, written in enumerate([given] if isinstance(given, str) else given):
        if not _is_there(definition.structures.paths[i]):
            raise _wrong(text, definition.source, ("structures", "paths", i), f"there is no {written}", written)
    return definition


def parse_definition(text: str, *, base: Path, source: str) -> CampaignDefinition:
    """Return the campaign that a text states, whether or not the files that it names are there.

    Args:
        text: TOML.
        base: Folder that relative paths are counted from.
        source: Where the text came from, for messages.

    Raises:
        InputError: It says something impossible; the message names source, line and field.
        ParseError: It is no TOML.
    """
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _no_toml(text, source, error) from error
    try:
        file = CampaignFile.model_validate(values)
    except ValidationError as error:
        raise _explained(error, text, source) from error
    for path, words, value in find_faults(file):
        raise _wrong(text, source, path, words, value)
    return CampaignDefinition(
        **{name: getattr(file, name) for name in ("name", "priority", "budget", "spectra", "workers")},
        structures=file.structures.model_copy(
            update={"paths": tuple(_complete_source(path, base) for path in file.structures.paths)}
        ),
        dataset=file.dataset
        and file.dataset.model_copy(update={"folder": _complete(file.dataset.folder or file.dataset.name, base)}),
        training=file.training and file.training.model_copy(update={"folder": _complete(file.training.folder, base)}),
        text=text,
        base=base,
        source=source,
    )


def definition_of(campaign: Campaign) -> CampaignDefinition:
    """Return the definition of a stored campaign."""
    base = Path(campaign.plan.get(BASE) or ".")
    return parse_definition(campaign.definition, base=base, source=f"campaign {campaign.name}")


def changed_fields(old: str, new: str) -> list[str]:
    """Return the fields in which two campaign files differ, `[workers]` aside.

    >>> changed_fields("name = 'a'\\n[workers]\\ncores = 1", "name = 'a'\\nbudget = '2 core hours'")
    ['budget']
    """
    before, after = (_flat(tomllib.loads(text)) for text in (old, new))
    names = sorted({*before, *after})
    return [name for name in names if before.get(name) != after.get(name) and name.split(".")[0] not in _CHANGEABLE]


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        value = {str(i): member for i, member in enumerate(value, start=1)}
    if not isinstance(value, Mapping):
        return {name: value}
    return {k: v for key, member in value.items() for k, v in _flat(member, f"{name}.{key}" if name else key).items()}


def _complete(path: str, base: Path) -> str:
    return str(base / Path(path).expanduser())


def _complete_source(path: str, base: Path) -> str:
    """Return where structures are, complete; ids of databases stay, and a pattern is one only behind the folder."""
    complete = base / Path(path).expanduser()
    if path.startswith(_IDS) and not complete.exists():
        return path
    if has_magic(path) and not complete.exists():
        return str(Path(escape(str(base))) / Path(path).expanduser())
    return str(complete)


def _is_there(source: str) -> bool:
    """Return whether there is something to read; what a pattern matches and an id means is found out later."""
    path = Path(source)
    return path.exists() or has_magic(source) or source.startswith(_IDS) or Path(source.rpartition("#")[0]).is_file()


def _no_toml(text: str, source: str, error: tomllib.TOMLDecodeError) -> ParseError:
    words, line = str(error), len(text.splitlines())
    if match := re.search(r"\s*\(at line (\d+), column (\d+)\)", words):
        words, line = words.replace(match[0], f" in column {match[2]}"), int(match[1])
    return ParseError(f"{source}, line {line}: {words}: this is no TOML")


def _explained(error: ValidationError, text: str, source: str) -> ParameterError:
    """Return the first fault in words, with the nearest name where one is unknown."""
    first = error.errors()[0]
    path: KeyPath = tuple(first["loc"])
    value = first["input"]
    if first["type"] == "extra_forbidden":
        known = _model_at(path[:-1]).model_fields
        return _wrong(
            text, source, path[:-1], f"unknown field {path[-1]!r}: {did_you_mean(str(path[-1]), known)}", key=path
        )
    if first["type"] == "missing":
        return _wrong(text, source, path[:-1], f"{path[-1]!r} is missing")
    words = (
        first["msg"].removeprefix("Value error, ").replace("valid tuple", "list").replace("Input should", "it should")
    )
    if first["type"] != "value_error":
        shown = repr(value)
        words += f", got {shown if len(shown) <= _LONGEST_SHOWN else shown[:_LONGEST_SHOWN] + '…'}"
    return _wrong(text, source, path, words, value)


def _model_at(path: KeyPath) -> type[BaseModel]:
    """Return the model of a table of the file."""
    model: type[BaseModel] = CampaignFile
    for part in path:
        if isinstance(part, str) and part in model.model_fields:
            model = _model_in(model.model_fields[part].annotation) or model
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)


def _wrong(
    text: str, source: str, path: KeyPath, words: str, value: object = None, *, key: KeyPath | None = None
) -> ParameterError:
    """Return the error of a field, with its line."""
    line = find_line(text, path if key is None else key, value)
    place = f"{source}, line {line}" if line else source
    return ParameterError(": ".join(filter(None, (place, _field(path), words))))


def _field(path: KeyPath) -> str:
    """Return the name of a field as people count: members from 1.

    >>> _field(("spectra", 0, "preset"))
    'spectra 1, preset'
    """
    words = [f"{part + 1}" if isinstance(part, int) else part for part in path]
    return re.sub(r", (\d+)", r" \1", ", ".join(words))
