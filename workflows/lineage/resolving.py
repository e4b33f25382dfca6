"""From what a person types to the id of what is meant."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from whiteline.database.datasets.manifest import MANIFEST, read_manifest
from whiteline.database.query import ANY_STATUS, SpectrumQuery
from whiteline.database.store import AmbiguousIdError, SpectrumStore, UnknownIdError, resolve_id
from whiteline.errors import ParameterError, StructureError, did_you_mean
from whiteline.fingerprint import fingerprint_crystal
from whiteline.provenance import file_checksum
from whiteline.structures import read_structure

if TYPE_CHECKING:
    from whiteline.workflows.lineage.cards import ModelLineage

__all__ = ["resolve"]

_CONFIG: Final = "config.json"
# Beginnings of this many digits are tried when the nearest id is looked for: errors of typing come late or early.
_BEGINNINGS: Final = (24, 12, 8, 6, 4, 3, 2)
_N_NEAR: Final = 10
# Shorter beginnings are taken for names.
_SHORTEST_MODEL: Final = 6


def resolve(text: str, *, store: SpectrumStore | None, models: ModelLineage) -> str:
    """Return the id of what a text names; `Tracer.resolve` says how.

    Raises:
        UnknownIdError: There is no such thing.
        AmbiguousIdError: There are several.
    """
    path = Path(text)
    if path.is_dir() and (found := _folder(path, models)):
        return found
    if path.is_file() and (found := _file(text, path, store, models)):
        return found
    found = _stored(text, store) or _model_named(text, models) or _named(text, store) or _model(text, models)
    if found:
        return found
    raise UnknownIdError(_unknown(text, store, models))


def _folder(path: Path, models: ModelLineage) -> str:
    """Return the dataset or the model in a folder."""
    if (path / MANIFEST).is_file():
        found = read_manifest(path).content_sha256
    elif (path / _CONFIG).is_file():
        from whiteline.models.registry import find_model

        found = find_model(models.registry, str(path)).id
    else:
        return ""
    models.places.add(found, str(path))
    return found


def _file(text: str, path: Path, store: SpectrumStore | None, models: ModelLineage) -> str:
    """Return the checksum of a file where it is on record, else what is: its name, or the crystal in it."""
    checksum = file_checksum(path)
    plain = checksum.removeprefix("sha256:")
    if store is None:
        return next((each for each in (checksum, plain) if any(models.effects([each]))), "")
    for each in (checksum, plain):
        if _is_on_record(each, store):
            return each
    try:
        crystal = fingerprint_crystal(read_structure(text)).crystal_id
    except StructureError:
        crystal = ""
    # Records of earlier versions name a source by its text, if at all: the crystal finds all that was made of it.
    return next((each for each in (crystal, text, str(path.absolute())) if each and _is_on_record(each, store)), "")


def _is_on_record(thing: str, store: SpectrumStore) -> bool:
    return thing in store.linked_ids(thing)


def _stored(text: str, store: SpectrumStore | None) -> str:
    """Return the spectrum whose id begins so."""
    if store is None:
        return ""
    try:
        return resolve_id(store, text)
    except AmbiguousIdError:
        raise
    except UnknownIdError:
        return ""


def _model_named(text: str, models: ModelLineage) -> str:
    return _folder(models.registry / text, models) if Path(text).name == text else ""


def _model(text: str, models: ModelLineage) -> str:
    """Return the model whose id begins so."""
    is_id = len(text) >= _SHORTEST_MODEL
    return _only(text, {entry.id: None for entry in models.entries if is_id and entry.id.startswith(text)}, "models")


def _named(text: str, store: SpectrumStore | None) -> str:
    """Return what records name by an id that begins so, or by this very text."""
    if store is None:
        return ""
    return _only(text, dict.fromkeys(store.linked_ids(text)), "things")


def _only(text: str, found: dict[str, None], what: str) -> str:
    if len(found) > 1 and text not in found:
        raise AmbiguousIdError(
            f"several {what} have ids that begin with {text!r}, among them {', '.join(found)}: give more digits"
        )
    return text if text in found else next(iter(found), "")


def _unknown(text: str, store: SpectrumStore | None, models: ModelLineage) -> str:
    where = "no store is open (name one with --db)" if store is None else f"nothing in {store.address}"
    near = _near(text.removeprefix("sha256:"), store) + [entry.name for entry in models.entries]
    hint = f"; {did_you_mean(text, near)}" if near else ""
    return (
        f"{where}, no model in {models.registry} and no file or folder on record is called {text!r}{hint}; ids are in "
        "`whiteline query` and `whiteline models list`"
    )


def _near(text: str, store: SpectrumStore | None) -> list[str]:
    """Return ids that begin most like a text, as long as that."""
    if store is None:
        return []
    for n_digits in (n for n in _BEGINNINGS if n < len(text)):
        try:
            query = SpectrumQuery(id_prefix=text[:n_digits], status=ANY_STATUS, limit=_N_NEAR, sort="id")
        except ParameterError:
            return []  # no id of anything looks so
        found = {summary.id for summary in store.summaries(query)} | set(store.linked_ids(text[:n_digits], _N_NEAR))
        if found:
            return sorted({each.removeprefix("sha256:")[: max(len(text), 12)] for each in found})
    return []
