"""Checkpoints: one safetensors file with weights, optimiser, random numbers, and as JSON in its header the rest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from torch import Tensor

from whiteline.errors import CorruptStoreError, InputError, SchemaVersionError
from whiteline.models.atomic_files import replaced

__all__ = ["Checkpoint", "read_checkpoint", "write_checkpoint"]

_FORMAT: Final = "whiteline-checkpoint"
_VERSION: Final = 1


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A training between two epochs.

    Attributes:
        identity: What is trained: architecture, parameters, seeds, content hashes of both parts and of the start.
        progress: Numbers that are no tensors: epochs done, history.
        tensors: Everything else, by name.
    """

    identity: Mapping[str, Any]
    progress: Mapping[str, Any]
    tensors: Mapping[str, Tensor]


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Put a checkpoint in the place of the last one, whole or not at all.

    Raises:
        StoreError: It cannot be written.
    """
    from safetensors.torch import save_file

    described = {"version": _VERSION, "identity": checkpoint.identity, "progress": checkpoint.progress}
    tensors = {name: tensor.detach().contiguous().cpu() for name, tensor in checkpoint.tensors.items()}
    with replaced(path) as temporary:
        save_file(tensors, temporary, {"format": _FORMAT, "state": json.dumps(described)})


def read_checkpoint(path: Path, identity: Mapping[str, Any]) -> Checkpoint | None:
    """Return the checkpoint of a training, None where there is none yet.

    Raises:
        InputError: It is of another training; what differs is named with both values.
        CorruptStoreError: The file is damaged.
        SchemaVersionError: A newer Whiteline wrote it.
    """
    from safetensors import SafetensorError, safe_open

    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no mapping
        if header.get("format") != _FORMAT:
            raise InputError(f"{path} is no checkpoint of a training: take another file")
        described = json.loads(header["state"])
    except (SafetensorError, OSError, KeyError, json.JSONDecodeError) as error:
        raise CorruptStoreError(f"{path} is damaged ({error}): delete it to train from the beginning") from error
    if described["version"] > _VERSION:
        raise SchemaVersionError(f"{path} was written by a newer Whiteline: upgrade with `pip install -U whiteline`")
    _check_identity(path, described["identity"], json.loads(json.dumps(identity)))
    return Checkpoint(identity=described["identity"], progress=described["progress"], tensors=tensors)


def _check_identity(path: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    for what in wanted:
        if found.get(what) != wanted[what]:
            raise InputError(
                f"{path} is of another training: its {what.replace('_', ' ')} is {_short(found.get(what))}, that of "
                f"this one {_short(wanted[what])}; give another checkpoint file, or delete it"
            )


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 300 else f"{text[:300]}…"
