"""Models in a folder: list them, find one by name or content hash, look at its card, export it to share."""

from __future__ import annotations

import gzip
import logging
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from whiteline.errors import InputError, ParameterError, StoreError, WhitelineError, did_you_mean
from whiteline.models.atomic_files import replaced
from whiteline.models.card import Card
from whiteline.models.folder import CONFIG, files_of, load_model, read_card, read_config
from whiteline.models.model import SpectrumModel

__all__ = ["ModelEntry", "add_model", "export_model", "find_model", "list_models"]

logger = logging.getLogger(__name__)

# As many digits of a content hash as name a model among some thousands, with room.
_SHORTEST_ID: Final = 6


@dataclass(frozen=True, kw_only=True)
class ModelEntry:
    """A model in a registry, without its weights.

    Attributes:
        name: Name of its folder.
        id: Content hash of the model.
        path: The folder.
        config: Content of `config.json`.
        card: What it was made from.
    """

    name: str
    id: str
    path: Path
    config: dict[str, Any]
    card: Card

    @property
    def channels(self) -> tuple[str, ...]:
        """What it predicts, e.g. `Cu K feff`."""
        return tuple(" ".join(channel) for channel in self.config["channels"])

    def load(self) -> SpectrumModel:
        """Return the model; see `models.folder.load_model`."""
        return load_model(self.path)


def list_models(
    registry: Path, *, absorber: str | None = None, edge: str | None = None, fidelity: str | None = None
) -> list[ModelEntry]:
    """Return the models below a folder in the order of their names; damaged ones are left out with a warning.

    Args:
        registry: The folder; none is as good as an empty one.
        absorber: Only models that predict this element.
        edge: Only this edge.
        fidelity: Only this fidelity.
    """
    found = []
    for path in sorted(registry.glob(f"*/{CONFIG}")):
        try:
            entry = _entry(path.parent)
        except WhitelineError as error:
            logger.warning("left out: %s", error)
            continue
        wanted = (absorber, edge, fidelity)
        if any(all(w in (None, c) for w, c in zip(wanted, each, strict=True)) for each in entry.config["channels"]):
            found.append(entry)
    return found


def find_model(registry: Path, name: str) -> ModelEntry:
    """Return the model of a name, of the first digits of a content hash, or in a folder anywhere.

    Raises:
        ParameterError: There is none, or several begin so.
        InputError: The folder is no model.
    """
    if (Path(name) / CONFIG).is_file():
        return _entry(Path(name))
    entries = list_models(registry)
    by_name = [entry for entry in entries if entry.name == name]
    by_id = [entry for entry in entries if len(name) >= _SHORTEST_ID and entry.id.startswith(name)]
    if len(found := by_name or by_id) == 1:
        return found[0]
    if found:
        raise ParameterError(f"{len(found)} models begin with {name}: give more digits of {_listed(found)}")
    if not entries:
        raise ParameterError(f"there is no model {name!r}: {registry} has none, train one or name another folder")
    raise ParameterError(f"there is no model {name!r} in {registry}: {did_you_mean(name, [e.name for e in entries])}")


def add_model(registry: Path, model: SpectrumModel, *, name: str) -> ModelEntry:
    """Put a model into a registry under a name.

    Raises:
        ParameterError: The name is no plain folder name.
        StoreError: The name is taken, or the folder cannot be written.
    """
    if not name or name.startswith(".") or Path(name).name != name:
        raise ParameterError(f"the name of a model is a plain folder name such as cu-k-feff, got {name!r}")
    model.save(registry / name)
    return _entry(registry / name)


def export_model(entry: ModelEntry, target: Path) -> Path:
    """Write a model as one `.tar.gz` file, after looking whether it is whole; return the file.

    Times, owners and permissions are left out, so that the same model gives the same file. So is what else lies in the
    folder.

    Raises:
        InputError: The target does not end in .tar.gz.
        StoreError: It exists already, or cannot be written.
        CorruptStoreError: A file of the model was changed or cut off.
    """
    if not target.name.endswith(".tar.gz"):
        raise InputError(f"a model is exported as NAME.tar.gz, got {target}")
    if target.exists():
        raise StoreError(f"{target} exists: name another file, or remove it")
    entry.load()
    with (
        replaced(target) as temporary,
        temporary.open("wb") as file,
        gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as archive,
    ):
        for path in files_of(entry.path):
            content = path.read_bytes()  # of a link, the file that it leads to
            member = tarfile.TarInfo(f"{entry.name}/{path.relative_to(entry.path).as_posix()}")
            member.size = len(content)
            archive.addfile(member, BytesIO(content))
    return target


def _entry(folder: Path) -> ModelEntry:
    config = read_config(folder)
    card = read_card(folder, config)
    return ModelEntry(name=folder.resolve().name, id=config["sha256"], path=folder, config=config, card=card)


def _listed(entries: Sequence[ModelEntry]) -> str:
    return ", ".join(f"{entry.id[:12]} ({entry.name})" for entry in entries)
