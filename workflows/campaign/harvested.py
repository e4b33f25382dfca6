"""What a campaign has made of its spectra so far: its dataset and its model, in words."""

from __future__ import annotations

from pathlib import Path

from whiteline.database.datasets import Dataset
from whiteline.database.queue import Campaign
from whiteline.errors import InputError, WhitelineError
from whiteline.workflows.campaign.definition import definition_of

__all__ = ["describe_harvest"]

_N_HASH = 12


def describe_harvest(campaign: Campaign) -> tuple[tuple[str, str], ...]:
    """Return name and description of the dataset and the model that a campaign asks for; empty without.

    They lie in folders, which another machine than the one that looks may have.
    """
    try:
        definition = definition_of(campaign)
    except InputError:
        # Of an older Whiteline, which knew another field or preset: no reason to show nothing else.
        return ()
    rows = []
    if definition.dataset is not None:
        rows.append(("dataset", _dataset(Path(definition.dataset.folder))))
    if definition.training is not None:
        rows.append(("model", _model(Path(definition.training.folder))))
    return tuple(rows)


def _dataset(folder: Path) -> str:
    try:
        manifest = Dataset.open(folder).manifest
    except WhitelineError:
        return f"not in {folder} yet, or not on this machine"
    counts = f"{manifest.n_spectra} spectra of {manifest.n_structures} structures"
    return (
        f"{manifest.name}: {counts}, {manifest.grid.describe()}, content {manifest.content_sha256[:_N_HASH]}, {folder}"
    )


def _model(folder: Path) -> str:
    missing = f"not in {folder} yet, or not on this machine"
    if not folder.is_dir():
        return missing
    try:
        from whiteline.models.folder import read_card, read_config

        card = read_card(folder, read_config(folder))
    except ImportError:
        return f"in {folder}; the learning packages are not installed here"
    except WhitelineError:
        return missing
    numbers = ", ".join(f"{name} {value:.4g}" for name, value in card.metrics.items())
    learned = str(card.lineage.get("dataset", {}).get("content_sha256", ""))[:_N_HASH]
    return f"{card.name or folder.name}: learned from {learned or 'what its card says'}; {numbers}; {folder}"
