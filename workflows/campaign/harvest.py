"""What is made of the spectra of a campaign at its end: a frozen dataset, and a model trained on it.

Both can be asked for again, by a job that a scheduler runs twice or a campaign that is submitted twice: what is there
and is the same is what they return.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from whiteline.database import open_store
from whiteline.database.datasets import Dataset, create_dataset
from whiteline.errors import InputError, StoreError, WhitelineError
from whiteline.settings import Settings
from whiteline.workflows.campaign.definition import CampaignDefinition

__all__ = ["freeze_dataset", "train_once"]


def freeze_dataset(definition: CampaignDefinition, settings: Settings) -> dict[str, Any]:
    """Freeze the dataset of a campaign; return its folder, name, content hash and number of spectra.

    Args:
        definition: What the campaign asks for.
        settings: Names the store.

    Raises:
        InputError: The campaign asks for no dataset, no spectrum fits, or another dataset is in its folder.
        StoreError: The store cannot be read, or the folder not be written.
    """
    query, asked = definition.dataset_query(), definition.dataset
    if asked is None:
        raise InputError(f"campaign {definition.name} makes no dataset: add [dataset] to its file")
    folder = Path(asked.folder)
    before = Dataset.open(folder) if folder.exists() else None
    place = folder
    if before is not None:
        place = folder.with_name(f".{folder.name}.again")
        shutil.rmtree(place, ignore_errors=True)
    with open_store(settings.database, must_exist=True) as store:
        made = create_dataset(
            store,
            query,
            place,
            grid=asked.make_grid(),
            split=asked.make_split(),
            intensity=asked.make_intensity(),
            is_extrapolated=asked.extrapolate,
            name=asked.name,
            is_recorded=before is None,
        )
    summary = {
        "folder": str(folder),
        "name": asked.name,
        "content_sha256": made.manifest.content_sha256,
        "n_spectra": made.manifest.n_spectra,
    }
    if before is not None:
        shutil.rmtree(place)
        if before.manifest.content_sha256 != made.manifest.content_sha256:
            raise InputError(
                f"{folder} holds another dataset ({before.manifest.n_spectra} spectra) than this campaign makes now "
                f"({made.manifest.n_spectra}): move it away and submit the campaign again, or make one of another name "
                "with `whiteline dataset create`"
            )
    return summary


def train_once(definition: CampaignDefinition, dataset: Mapping[str, Any], *, database: str = "") -> dict[str, Any]:
    """Train what a campaign asks for; return folder, content hash and metrics of the model.

    An attempt that was ended is gone on with, and a model of the same dataset that is there is taken as it is.

    Args:
        definition: What the campaign asks for.
        dataset: What `freeze_dataset` returned.
        database: Address of the store that keeps the record of the training, too; none when empty.

    Raises:
        InputError: The campaign asks for no training, or the dataset does not suffice for it.
        StoreError: Something else is in the folder of the model.
    """
    from whiteline.workflows.learning.makers import train_model  # the learning packages are optional

    asked = definition.training
    if asked is None:
        raise InputError(f"campaign {definition.name} trains nothing: add [training] to its file")
    if found := _trained_on(Path(asked.folder), dataset):
        return found
    plan = asked.plan(str(dataset["folder"]))
    original = train_model.original  # type: ignore[attr-defined]  # jobflow adds it
    summary: dict[str, Any] = original(plan, asked.folder, dict(dataset), None, database)
    return summary


def _trained_on(folder: Path, dataset: Mapping[str, Any]) -> dict[str, Any]:
    """Return the summary of a model that is there and was trained on this dataset; empty when there is none."""
    from whiteline.models.fingerprint import model_sha256
    from whiteline.models.model import SpectrumModel

    try:
        model = SpectrumModel.load(folder)
    except WhitelineError:
        return {}
    learned = model.card.lineage.get("dataset", {})
    if learned.get("content_sha256") != dataset["content_sha256"]:
        raise StoreError(
            f"{folder} holds a model of another dataset, and a model is never written over: move it away, then submit "
            "the campaign again"
        )
    return {
        "folder": str(folder),
        "model": model_sha256(model),
        "channels": [str(channel) for channel in model.channels],
        "metrics": dict(model.card.metrics),
        "notes": ["was there already"],
    }
