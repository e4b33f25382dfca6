"""What the typed parameters of all codes share: validation with helpful words, and presets."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import takewhile
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from whiteline.errors import ParameterError, did_you_mean

__all__ = ["Parameters", "build_parameters", "describe_preset", "list_presets", "load_preset"]

_PUBLISHED = "published-"
# Where a sentence turns to its sources and details.
_ASIDE = re.compile(r"[:;.]\s|\s\(")


class Parameters(BaseModel):
    """Base of every code's parameters: frozen, validated once, unknown names refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)


P = TypeVar("P", bound=Parameters)


def build_parameters(model: type[P], values: Mapping[str, Any]) -> P:
    """Return validated parameters.

    Raises:
        ParameterError: A name is unknown (the nearest one is named) or a value is out of range.
    """
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"]) or model.__name__
        if first["type"] == "extra_forbidden":
            raise ParameterError(f"unknown parameter {name!r}: {did_you_mean(name, model.model_fields)}") from error
        raise ParameterError(f"parameter {name}: {first['msg']}, got {first['input']!r}") from error


def list_presets(code: str) -> list[str]:
    """Return the names of a code's presets: its own first, then the published ones as `published:NAME`.

    >>> list_presets("feff")[:2]
    ['fast', 'standard']
    """
    folder = _preset_folder(code)
    if not folder.is_dir():
        return []
    stems = (entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))
    names = (f"published:{s.removeprefix(_PUBLISHED)}" if s.startswith(_PUBLISHED) else s for s in stems)
    return sorted(names, key=lambda name: (":" in name, name))


def load_preset(code: str, name: str) -> dict[str, Any]:
    """Return the values that a preset sets; everything else keeps the code's default.

    Raises:
        ParameterError: No such preset.
    """
    return dict(tomllib.loads(_read_preset(code, name))["parameters"])


def describe_preset(code: str, name: str) -> str:
    """Return what a preset is for, in one line: its `description`, else how its opening comment begins.

    Raises:
        ParameterError: No such preset.
    """
    text = _read_preset(code, name)
    if description := tomllib.loads(text).get("description", ""):
        return str(description)
    comment = " ".join(line.lstrip("# ") for line in takewhile(lambda line: line.startswith("#"), text.splitlines()))
    return _ASIDE.split(comment, maxsplit=1)[0].strip().rstrip(".")


def _read_preset(code: str, name: str) -> str:
    known = list_presets(code)
    if name not in known:
        raise ParameterError(f"{code} has no preset {name!r}: {did_you_mean(name, known)}")
    # A colon cannot stand in the name of a file everywhere.
    return (_preset_folder(code) / f"{name.replace(':', '-')}.toml").read_text(encoding="utf-8")


def _preset_folder(code: str) -> Traversable:
    return files("whiteline.calculators") / code / "presets"
