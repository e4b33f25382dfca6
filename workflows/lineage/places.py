"""Where things are, or were when a record was written: folders of models and datasets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from whiteline.provenance import Kind, ProvenanceRecord

__all__ = ["Choice", "Places"]

# Parameters of jobs that are folders, or files, of what they used or made.
_USED: Final[Mapping[Kind, Sequence[str]]] = {
    Kind.MODEL: ("model folder", "parent"),
    Kind.DATASET: ("data", "dataset folder"),
}
_MADE: Final[Mapping[Kind, Sequence[str]]] = {Kind.MODEL: ("folder",), Kind.DATASET: ("folder", "path")}
# Spectra that stand for all of a list.
_N_SHOWN: Final = 1


class Places:
    """Folders and files by the id of what is, or was, in them; it learns as records are read."""

    def __init__(self) -> None:
        self._known: dict[str, dict[str, None]] = {}

    def add(self, thing: str, *places: str) -> None:
        """Remember where something may be."""
        self._known.setdefault(thing, {}).update({place: None for place in places if place})

    def of(self, thing: str) -> tuple[str, ...]:
        """Return where something may be, what was told first at the front."""
        return tuple(self._known.get(thing, ()))

    def learn(self, record: ProvenanceRecord) -> None:
        """Remember what a record says of places."""
        for things, names in ((record.used, _USED), (record.generated, _MADE)):
            for kind, parameters in names.items():
                told = [str(record.parameters.get(each) or "") for each in parameters]
                for thing in things.get(kind, {}).values():
                    self.add(thing, *told)


class Choice:
    """Which spectra of a long list are followed: all, or as few as stand for it, the same ones in every list."""

    def __init__(self, *, is_complete: bool) -> None:
        self._is_complete = is_complete
        self._chosen: set[str] = set()

    def of(self, ids: Sequence[str], *, always: frozenset[str] = frozenset()) -> list[str]:
        """Return those that are followed.

        Args:
            ids: The list.
            always: Those that were asked for; these alone, where there are any.
        """
        if self._is_complete:
            return list(ids)
        if always:
            return [each for each in ids if each in always]
        chosen = [each for each in ids if each in self._chosen][:_N_SHOWN] or list(ids[:_N_SHOWN])
        self._chosen.update(chosen)
        return chosen

    def forget(self) -> None:
        """Begin anew: what is followed in one lineage says nothing for the next."""
        self._chosen.clear()
