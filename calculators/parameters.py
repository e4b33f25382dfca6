"""What the typed parameters of all codes share: validation with helpful words, and presets."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from whiteline.errors import ParameterError, did_you_mean

__all__ = ["Parameters", "build_parameters", "list_presets", "load_preset"]


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
    """Return the names of a code's presets.

    >>> list_presets("feff")
    ['fast', 'standard']
    """
    folder = files("whiteline.calculators") / code / "presets"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def load_preset(code: str, name: str) -> dict[str, Any]:
    """Return the values that a preset sets; everything else keeps the code's default.

    Raises:
        ParameterError: No such preset.
    """
    known = list_presets(code)
    if name not in known:
        raise ParameterError(f"{code} has no preset {name!r}: {did_you_mean(name, known)}")
    text = (files("whiteline.calculators") / code / "presets" / f"{name}.toml").read_text(encoding="utf-8")
    return dict(tomllib.loads(text)["parameters"])
