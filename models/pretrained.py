"""Pretrained weights on this machine."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

__all__ = ["PretrainedModel", "find_pretrained"]


@dataclass(frozen=True)
class PretrainedModel:
    """A folder with pretrained weights.

    Attributes:
        name: Name of the folder, e.g. `M3GNet-MP-2021.2.8-PES`.
        architecture: Class that the weights belong to, as `model.json` names it.
        path: The folder.
    """

    name: str
    architecture: str
    path: Path


def find_pretrained(data: Path | None) -> list[PretrainedModel]:
    """Return the models below the data folder: folders with `model.json` and `state.pt`, as matgl writes them.

    A `model.json` that is not JSON, or that names no class, is left out: it cannot be loaded either.
    """
    if data is None or not data.is_dir():
        return []
    found = []
    for card in sorted(data.glob("**/model.json")):
        if not (card.parent / "state.pt").is_file():
            continue
        try:
            name = json.loads(card.read_text(encoding="utf-8"))["@class"]
        except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError):
            continue
        if isinstance(name, str) and name:
            found.append(PretrainedModel(card.parent.name, name, card.parent))
    return found
