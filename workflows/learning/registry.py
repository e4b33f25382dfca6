"""Where models are: the folder of this machine, and a model by its content hash."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from whiteline.errors import WhitelineError

if TYPE_CHECKING:
    from whiteline.models.registry import ModelEntry
    from whiteline.settings import Settings

__all__ = ["entry_by_id", "registry_folder"]


def registry_folder(settings: Settings, chosen: Path | None = None) -> Path:
    """Return the folder of models: what the user chose, or the setting."""
    return chosen or settings.models


def entry_by_id(model_id: str, *, registry: Path, places: Iterable[str] = ()) -> ModelEntry | None:
    """Return the model with a content hash; None where it is neither in one of the places nor in the registry.

    Args:
        model_id: Content hash.
        registry: Folder of models.
        places: Folders where it was at some time.
    """
    from whiteline.models.folder import CONFIG
    from whiteline.models.registry import find_model, list_models

    for place in places:
        if place and (Path(place) / CONFIG).is_file():
            try:
                entry = find_model(registry, place)
            except WhitelineError:
                continue  # damaged since; another copy may be whole
            if entry.id == model_id:
                return entry
    return next((entry for entry in list_models(registry) if entry.id == model_id), None)
