"""A model as a folder: what is in it, and the proof that it is whole.

    config.json             architecture, channels, unit, encoder, `format_version`, and sha256 of the other files
    weights.safetensors     weights by name, and under `scaling.` and `bands.` the arrays that go with them
    domain.safetensors      training features for the domain check, if the model has them
    card.json               what it was made from
    delta/                  the model whose predictions are added, if there is one

The format is read by `format_version`; a folder of an older version keeps loading. The checksums find what was cut off
or edited; they are no signature, and whoever writes all files anew writes another model.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from whiteline.errors import CorruptStoreError, InputError, SchemaVersionError, StoreError, WhitelineError
from whiteline.models.architectures import make_architecture
from whiteline.models.bands import Bands
from whiteline.models.card import Card
from whiteline.models.domain import Domain
from whiteline.models.model import Delta, SpectrumModel
from whiteline.models.scaling import Channel, Conditions, Scaling

__all__ = [
    "CARD",
    "CONFIG",
    "FORMAT_VERSION",
    "WEIGHTS",
    "files_of",
    "load_model",
    "read_card",
    "read_config",
    "save_model",
]

FORMAT_VERSION: Final = 1
CONFIG: Final = "config.json"
WEIGHTS: Final = "weights.safetensors"
DOMAIN: Final = "domain.safetensors"
CARD: Final = "card.json"
_DELTA: Final = "delta"
_FORMAT: Final = "whiteline-model"
# What a config may list: a name from elsewhere would make us read any file or device of the machine.
_LISTED: Final = {WEIGHTS, DOMAIN, CARD}
_KEYS: Final = {"sha256": str, "architecture": dict, "channels": list, "files": dict}
# Checksum of the config without this key; folders from before there was one lack it.
_OWN: Final = "config_sha256"
_SCALING: Final = ("feature_mean", "feature_sd", "zeros", "zero_spreads", "offsets", "scales")


def save_model(model: SpectrumModel, folder: Path) -> Path:
    """Write a model into a folder that does not exist or is empty; it appears there whole or not at all.

    Raises:
        StoreError: The folder has something in it, or cannot be written.
        InputError: The card holds something that JSON has no word for.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise StoreError(f"{folder} is not empty: a model is written into a folder of its own, name another")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as name:
            whole = Path(name) / "model"
            whole.mkdir()
            _write(model, whole)
            if folder.exists():
                folder.rmdir()
            # Fails where another process has put something there meanwhile; a move would go inside of it.
            whole.rename(folder)
    except OSError as error:
        if isinstance(error, WhitelineError):
            raise
        raise StoreError(f"{folder} cannot be written ({error.strerror or error}): check permissions") from error
    return folder


def _write(model: SpectrumModel, folder: Path) -> None:
    arrays: dict[str, Any] = {f"scaling.{name}": getattr(model.scaling, name) for name in _SCALING}
    arrays["points"] = model.points
    if model.bands is not None:
        arrays |= {"bands.levels": model.bands.levels, "bands.factors": model.bands.factors}
    contents = {WEIGHTS: save_tensors(_as_tensors(model, arrays))}
    if model.domain is not None:
        contents[DOMAIN] = save_arrays(model.domain.to_arrays(), {"domain": json.dumps(model.domain.to_dict())})
    try:
        contents[CARD] = (json.dumps(model.card.to_dict(), indent=1, allow_nan=False) + "\n").encode()
    except (TypeError, ValueError) as error:
        raise InputError(
            f"the card of the model cannot be written as JSON ({error}): give it texts, finite numbers, lists and "
            "dictionaries of these"
        ) from error
    if model.delta is not None:
        save_model(model.delta.source, folder / _DELTA)
    config = {
        "format": _FORMAT,
        "format_version": FORMAT_VERSION,
        "sha256": model.sha256,
        "architecture": model.architecture.to_dict(),
        "n_member": model.n_member,
        "channels": [list(channel) for channel in model.channels],
        "subjects": list(model.conditions.subjects),
        "fidelities": list(model.conditions.fidelities),
        "unit": model.unit,
        "encoder": model.encoder,
        "bands": None if model.bands is None else {"floor": model.bands.floor, "n_sample": model.bands.n_sample},
        "delta": None
        if model.delta is None
        else {
            "fidelity": model.delta.fidelity,
            "slopes": [model.delta.slopes[channel] for channel in model.channels],
            "sha256": model.delta.source.sha256,
        },
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()},
    }
    config[_OWN] = _sha256_of(config)
    contents[CONFIG] = (json.dumps(config, indent=1, allow_nan=False) + "\n").encode()
    for name, content in contents.items():
        (folder / name).write_bytes(content)


def _as_tensors(model: SpectrumModel, arrays: Mapping[str, Any]) -> dict[str, Any]:
    import torch

    weights = {f"network.{name}": tensor.contiguous() for name, tensor in model.weights.items()}
    return weights | {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}


def read_config(folder: Path) -> dict[str, Any]:
    """Return the config of a model.

    Raises:
        InputError: There is no model.
        CorruptStoreError: It was cut off or edited.
        SchemaVersionError: A newer Whiteline wrote it.
    """
    path = folder / CONFIG
    try:
        config = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(f"there is no model in {folder}: it has no {CONFIG}") from error
    except OSError as error:
        raise StoreError(f"{path} cannot be read ({error.strerror}): check its permissions") from error
    except ValueError as error:
        raise CorruptStoreError(f"{path} is no JSON ({error}): it was cut off or edited, take a whole copy") from error
    if not isinstance(config, dict) or config.get("format") != _FORMAT:
        raise InputError(f"{path} is not that of a spectrum model: expected format {_FORMAT!r}")
    if not isinstance(config.get("format_version"), int):
        raise CorruptStoreError(f"{path} has no format_version: take a whole copy")
    if config["format_version"] > FORMAT_VERSION:
        raise SchemaVersionError(
            f"{folder} has format version {config['format_version']}, this Whiteline reads up to {FORMAT_VERSION}: "
            "upgrade with `pip install -U whiteline`"
        )
    for key, kind in _KEYS.items():
        if not isinstance(config.get(key), kind):
            raise CorruptStoreError(f"{path} has no {key}, or another one than was saved: take a whole copy")
    if not all(isinstance(each, list) and [*map(type, each)] == [str] * 3 for each in config["channels"]):
        raise CorruptStoreError(f"{path} has channels that are not absorber, edge and fidelity: take a whole copy")
    if foreign := sorted(set(config["files"]) - _LISTED):
        raise CorruptStoreError(f"{path} lists {foreign[0]!r}, which is no file of a model: take a whole copy")
    wanted = _sha256_of(config)
    if config.pop(_OWN, wanted) != wanted:
        raise CorruptStoreError(f"{path} was edited, its {_OWN} is that of another content: take a whole copy")
    return config


def read_card(folder: Path, config: Mapping[str, Any]) -> Card:
    """Return the card of a model, after comparing it with its checksum.

    Args:
        folder: The folder.
        config: What `read_config` gave.

    Raises:
        CorruptStoreError: It was changed or cut off.
    """
    content = _checked(folder / CARD, config["files"].get(CARD, ""))
    try:
        return Card.from_dict(json.loads(content))
    except (TypeError, ValueError) as error:
        if isinstance(error, WhitelineError):
            raise
        raise CorruptStoreError(f"{folder / CARD} is no card of a model ({error}): take a whole copy") from error


def files_of(folder: Path) -> list[Path]:
    """Return the files that a model consists of, in a fixed order; what else lies in the folder is none of it.

    Raises:
        InputError: There is no model.
        CorruptStoreError: The config was cut off or edited.
        SchemaVersionError: A newer Whiteline wrote it.
    """
    config = read_config(folder)
    own = [folder / name for name in sorted((CONFIG, *config["files"]))]
    return own if config.get("delta") is None else [*own, *files_of(folder / _DELTA)]


def load_model(folder: Path) -> SpectrumModel:
    """Return the model in a folder; every file is compared with its checksum first.

    Raises:
        InputError: There is no model.
        CorruptStoreError: A file was changed or cut off.
        SchemaVersionError: A newer Whiteline wrote it.
    """
    config = read_config(folder)
    try:
        contents = {name: _checked(folder / name, wanted) for name, wanted in config["files"].items() if name != CARD}
        tensors = load_tensors(contents[WEIGHTS])
        arrays = {name: tensor.numpy() for name, tensor in tensors.items() if not name.startswith("network.")}
        channels = tuple(Channel(*channel) for channel in config["channels"])
        architecture = dict(config["architecture"])
        model = SpectrumModel(
            architecture=make_architecture(architecture.pop("name"), **architecture),
            weights={
                name.removeprefix("network."): tensor for name, tensor in tensors.items() if name.startswith("network.")
            },
            scaling=Scaling(channels=channels, **{name: arrays[f"scaling.{name}"] for name in _SCALING}),
            conditions=Conditions(tuple(config["subjects"]), tuple(config["fidelities"])),
            points=arrays["points"],
            unit=config["unit"],
            encoder=config["encoder"],
            card=read_card(folder, config),
            bands=None
            if config["bands"] is None
            else Bands(levels=arrays["bands.levels"], factors=arrays["bands.factors"], **config["bands"]),
            domain=_domain(contents[DOMAIN]) if DOMAIN in contents else None,
            delta=_delta(folder, channels, config["delta"]),
        )
    except (KeyError, TypeError, ValueError, SafetensorError) as error:
        if isinstance(error, WhitelineError):
            raise
        raise CorruptStoreError(f"the model in {folder} lacks or garbles {error}: take a whole copy") from error
    if model.sha256 != config["sha256"]:
        raise CorruptStoreError(
            f"{folder}: config and weights are not those that were saved together: take a whole copy"
        )
    return model


def _sha256_of(config: Mapping[str, Any]) -> str:
    """Return the checksum of a config without the checksum that is in it."""
    others = {key: value for key, value in config.items() if key != _OWN}
    return hashlib.sha256(json.dumps(others, sort_keys=True).encode()).hexdigest()


def _checked(path: Path, wanted: str) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CorruptStoreError(f"{path} of a model cannot be read ({error.strerror}): take a whole copy") from error
    found = hashlib.sha256(content).hexdigest()
    if found != wanted:
        raise CorruptStoreError(
            f"{path} was changed or cut off: its sha256 is {found}, that of the saved model {wanted}; take a whole copy"
        )
    return content


def _domain(content: bytes) -> Domain:
    length = int.from_bytes(content[:8], "little")
    described = json.loads(content[8 : 8 + length])["__metadata__"]["domain"]
    return Domain.from_parts(load_arrays(content), json.loads(described))


def _delta(folder: Path, channels: tuple[Channel, ...], described: Mapping[str, Any] | None) -> Delta | None:
    if described is None:
        return None
    source = load_model(folder / _DELTA)
    if source.sha256 != described["sha256"]:
        raise CorruptStoreError(
            f"{folder / _DELTA} is another model than the one that was corrected: take a whole copy"
        )
    slopes = dict(zip(channels, described["slopes"], strict=True))
    return Delta(source=source, fidelity=described["fidelity"], slopes=slopes)
