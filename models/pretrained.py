"""Pretrained weights: found on this machine, and fetched when asked. Nothing is downloaded otherwise."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

from platformdirs import user_cache_path

from whiteline.errors import MissingDependencyError, ParameterError, ParseError, StoreError, did_you_mean

__all__ = [
    "KNOWN_WEIGHTS",
    "KnownWeights",
    "PretrainedModel",
    "checksum",
    "fetch_weights",
    "fetched_folder",
    "find_pretrained",
    "find_weights",
    "identify_weights",
    "searched_folders",
]

_CARD = "model.json"
_STATE = "state.pt"
_CHUNK = 1 << 20
# s; without an answer for so long there is no connection.
_TIMEOUT = 60.0
_SCHEMES = ("https://", "http://", "file://")


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


@dataclass(frozen=True)
class KnownWeights:
    """Published weights that are told by their checksum.

    Attributes:
        name: As their authors call them.
        sha256: Of `state.pt`.
        url: Folder of the files on the network.
        n_bytes: Size of `state.pt`.
        licence: SPDX identifier and owner.
        doi: The publication.
    """

    name: str
    sha256: str
    url: str
    n_bytes: int
    licence: str
    doi: str


KNOWN_WEIGHTS = {
    weights.name: weights
    for weights in (
        KnownWeights(
            name="M3GNet-MP-2021.2.8-PES",
            sha256="b0bbb07e93642d0b632fb98f7af9d6905d366b94844e3141e81440cf518e3120",
            # Releases from 3.0 on have retrained weights under the same name.
            url="https://raw.githubusercontent.com/materialsvirtuallab/matgl/v0.8.5/pretrained_models/M3GNet-MP-2021.2.8-PES",
            n_bytes=1_193_097,
            licence="BSD-3-Clause, Materials Virtual Lab",
            doi="10.1038/s43588-022-00349-3",
        ),
    )
}


def find_pretrained(data: Path | None) -> list[PretrainedModel]:
    """Return the models below the data folder: folders with `model.json` and `state.pt`, as matgl writes them.

    A `model.json` that cannot be read, is not JSON or names no class is left out: it cannot be loaded either.
    """
    if data is None or not data.is_dir():
        return []
    found = []
    for card in sorted(data.glob(f"**/{_CARD}")):
        if not (card.parent / _STATE).is_file():
            continue
        try:
            name = json.loads(card.read_text(encoding="utf-8"))["@class"]
        except (OSError, json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError):
            continue
        if isinstance(name, str) and name:
            found.append(PretrainedModel(card.parent.name, name, card.parent))
    return found


def fetched_folder() -> Path:
    """Return the folder that `fetch_weights` writes to."""
    return user_cache_path("whiteline") / "models"


def searched_folders() -> list[Path]:
    """Return where weights are looked for: `WHITELINE_MODELS`, `WHITELINE_DATA`, and what was fetched."""
    named = [
        Path(os.environ[name]).expanduser() for name in ("WHITELINE_MODELS", "WHITELINE_DATA") if os.environ.get(name)
    ]
    return [*named, fetched_folder()]


def find_weights(name: str, *, folder: Path | None = None) -> Path:
    """Return the folder with weights of a name.

    Args:
        name: One of `KNOWN_WEIGHTS`.
        folder: Look here only: the folder itself, or one above it. `searched_folders` when None.

    Raises:
        MissingDependencyError: The weights are not there; the message says how to get them.
        ParseError: Folders of that name are there, and their weights are others, e.g. a later release's.
    """
    known = _known(name)
    folders = searched_folders() if folder is None else [folder.expanduser()]
    others = []
    for path in _candidates(name, folders):
        if checksum(path / _STATE) == known.sha256:
            return path
        others.append(path)
    if folder is not None and (folder / _STATE).is_file():
        return folder  # who reads it judges it
    if others:
        raise ParseError(
            f"{others[0] / _STATE} is not {name} as published (sha256 {checksum(others[0] / _STATE)[:16]}, expected "
            f"{known.sha256[:16]}): it is damaged or of another release; get it by `whiteline models fetch {name}`"
        )
    raise MissingDependencyError(
        f"no weights {name} in {', '.join(map(str, folders))}: get them by `whiteline models fetch {name}` "
        f"({known.n_bytes / 1e6:.1f} MB), or name their folder by WHITELINE_MODELS"
    )


def identify_weights(sha256: str) -> KnownWeights | None:
    """Return the published weights of a checksum, or None."""
    return next((known for known in KNOWN_WEIGHTS.values() if known.sha256 == sha256), None)


def fetch_weights(name: str, *, folder: Path | None = None, url: str | None = None) -> Path:
    """Download published weights and return their folder; weights that are there already are kept.

    The files are checked before they take their place, which they do together. Other weights in a folder of that name,
    damaged or of another release, are replaced; a folder with anything else in it is left alone.

    Args:
        name: One of `KNOWN_WEIGHTS`.
        folder: Where to make the folder NAME; `fetched_folder` when None.
        url: Folder of the files on the network, for a mirror.

    Raises:
        ParameterError: The name is unknown, or the address is none.
        MissingDependencyError: The files cannot be downloaded.
        ParseError: What came is not what was published.
        StoreError: The folder cannot be written.
    """
    known = _known(name)
    address = url or known.url
    if not address.startswith(_SCHEMES):
        raise ParameterError(f"{address!r} is no address: it must begin with {' or '.join(_SCHEMES)}")
    target = (folder or fetched_folder()) / name
    if (target / _STATE).is_file() and checksum(target / _STATE) == known.sha256 and (target / _CARD).is_file():
        return target
    if target.is_dir() and (others := {path.name for path in target.iterdir()} - {_CARD, _STATE}):
        raise StoreError(
            f"{target} also holds {min(others)}, which would be lost: name another folder, or move it away"
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=target.parent))
    except OSError as error:
        raise StoreError(f"cannot write below {target.parent} ({error.strerror}): choose another folder") from error
    try:
        for file in (_CARD, _STATE):
            _download(f"{address.rstrip('/')}/{file}", draft / file)
        found = checksum(draft / _STATE)
        if found != known.sha256:
            raise ParseError(
                f"{address}/{_STATE} has sha256 {found[:16]}…, expected {known.sha256[:16]}…: it is of another release "
                "or was changed on its way; nothing was kept"
            )
        draft.chmod(0o755)
        shutil.rmtree(target, ignore_errors=True)
        draft.rename(target)
    except OSError as error:
        raise StoreError(f"cannot write {target} ({error.strerror or error}): choose another folder") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return target


def checksum(path: Path) -> str:
    """Return the sha256 of a file, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _known(name: str) -> KnownWeights:
    if name not in KNOWN_WEIGHTS:
        raise ParameterError(f"unknown weights {name!r}: {did_you_mean(name, KNOWN_WEIGHTS)}")
    return KNOWN_WEIGHTS[name]


def _candidates(name: str, folders: list[Path]) -> Iterator[Path]:
    for folder in folders:
        if folder.name == name and (folder / _STATE).is_file():
            yield folder
        yield from (model.path for model in find_pretrained(folder) if model.name == name and model.path != folder)


def _download(url: str, path: Path) -> None:
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT) as answer, path.open("wb") as file:  # noqa: S310  # checked
            shutil.copyfileobj(answer, file, _CHUNK)
    except (URLError, TimeoutError, ConnectionError) as error:
        raise MissingDependencyError(
            f"cannot download {url} ({error}): connect to the network, or copy the files from another machine and name "
            "their folder by WHITELINE_MODELS"
        ) from error
