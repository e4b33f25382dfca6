"""Outputs in somebody else's folders, shown to a code's reader as a run directory of its own.

A layout maps the path that the reader expects inside the run directory to a path below the material's folder. In that,
`{site}` is the index of the site, `{element}` and `{edge}` what it is of, and a part with `*` stands for the folder
whose name has the largest numbers, the finest k grid. The key `.` stands for the run directory itself.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from whiteline.absorber import Absorber
from whiteline.errors import ParameterError

__all__ = ["ForeignRun", "check_layout", "find_run"]

_ITSELF = "."


@dataclass(frozen=True)
class ForeignRun:
    """The files of one site in somebody else's folders.

    Attributes:
        origins: Where each path of the run directory is, or should be.
    """

    origins: Mapping[str, Path]

    @contextmanager
    def as_run_directory(self) -> Iterator[Path]:
        """Yield a folder of links in which the files lie as the code's reader expects them."""
        with TemporaryDirectory(prefix="whiteline-") as name:
            folder = Path(name)
            for inside, origin in self.origins.items():
                if inside == _ITSELF and origin.is_dir():
                    for entry in origin.iterdir():
                        _link(entry, folder / entry.name)
                elif origin.exists():
                    _link(origin, folder / inside)
            yield folder

    def in_its_words(self, message: str, folder: Path) -> str:
        """Return a message about the folder of links with the paths of the files themselves."""
        for inside in sorted(self.origins, key=len, reverse=True):
            if inside != _ITSELF:
                message = message.replace(str(folder / inside), str(self.origins[inside]))
        itself = self.origins.get(_ITSELF) or _common(self.origins.values())
        return message.replace(str(folder), str(itself))

    def origin_of(self, name: str) -> Path:
        """Return where a file of the run directory is."""
        path = PurePosixPath(name)
        for parent in (path, *path.parents):
            if str(parent) in self.origins and str(parent) != _ITSELF:
                return self.origins[str(parent)] / path.relative_to(parent)
        return self.origins.get(_ITSELF, _common(self.origins.values())) / name


def find_run(layout: Mapping[str, str], root: Path, absorber: Absorber) -> ForeignRun | None:
    """Return the files of a site below a material's folder; None where there are none of it.

    The published index may be that of any site equivalent to the absorber.

    Args:
        layout: Where the files are.
        root: Folder of the material.
        absorber: The site.
    """
    structure, orbits = absorber.structure, absorber.symmetry.orbits
    equivalent = [i for i in range(len(structure)) if orbits[i] == orbits[absorber.site_index]]
    for site in (absorber.site_index, *equivalent):
        paths = {inside: _expand(pattern, absorber, site) for inside, pattern in layout.items()}
        # Files that all sites share say nothing of this one.
        own = [inside for inside, pattern in layout.items() if "{site" in pattern] or list(layout)
        origins = {inside: _resolve(root, path) for inside, path in paths.items()}
        if any(origins[inside].exists() for inside in own):
            return ForeignRun(origins)
    return None


def check_layout(layout: Mapping[str, str]) -> None:
    """Refuse a layout with a placeholder that means nothing.

    Raises:
        ParameterError: It has one.
    """
    for inside, pattern in layout.items():
        try:
            pattern.format(site=0, element="Ti", edge="K")
        except (KeyError, IndexError, ValueError) as error:
            raise ParameterError(
                f"layout of {inside!r}: cannot read {pattern!r} ({error}): its placeholders are {{site}}, {{element}} "
                "and {edge}"
            ) from error


def _expand(pattern: str, absorber: Absorber, site: int) -> str:
    return pattern.format(site=site, element=absorber.element, edge=absorber.edge.value)


def _resolve(root: Path, path: str) -> Path:
    """Return the path with each part that has a `*` replaced by the match with the largest numbers."""
    place = root
    for part in PurePosixPath(path).parts:
        matches = sorted(place.glob(part), key=_fineness) if "*" in part else []
        place = matches[-1] if matches else place / part
    return place


def _fineness(path: Path) -> tuple[int, str]:
    numbers = [int(word) for word in re.findall(r"\d+", path.name)]
    return math.prod(numbers) if numbers else 0, path.name


def _link(origin: Path, link: Path) -> None:
    link.parent.mkdir(parents=True, exist_ok=True)
    if link.is_symlink():
        link.unlink()
    link.symlink_to(origin.resolve(), target_is_directory=origin.is_dir())


def _common(paths: Iterable[Path]) -> Path:
    return Path(os.path.commonpath([*paths]))
