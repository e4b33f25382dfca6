"""The files of a run as its reader expects them: unpacked, under their plain names, in a folder of their own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from whiteline.database.ingest import Folder, Limits
from whiteline.database.ingest.limits import PACKED_SUFFIXES, check_file, check_lines, read_bytes, unpacked_name
from whiteline.errors import ParseError
from whiteline.provenance import content_checksum
from whiteline.workflows.kept_files import may_be_kept

__all__ = ["RunFiles", "select"]

_BINARY = (".h5",)


@dataclass(frozen=True)
class RunFiles:
    """The files of one calculation.

    Attributes:
        home: Folder of the calculation.
        origins: Where each file is, by the path that the code's reader knows it by.
    """

    home: Path
    origins: Mapping[str, Path]

    @contextmanager
    def staged(self, limits: Limits) -> Iterator[Path]:
        """Yield a folder with the files, links where they are not packed; messages of errors name the files themselves.

        Raises:
            ParseError: A file is too large or cannot be unpacked.
        """
        with TemporaryDirectory(prefix="whiteline-") as name:
            folder = Path(name)
            for inside, origin in self.origins.items():
                place = folder / inside
                place.parent.mkdir(parents=True, exist_ok=True)
                has_lines = not inside.endswith(_BINARY)
                if origin.name.endswith(PACKED_SUFFIXES):
                    place.write_bytes(read_bytes(origin, limits, has_lines=has_lines))
                    continue
                # A file shorter than the longest line need not be read to know its lines.
                if check_file(origin, limits) > (limits.max_line or 0) and has_lines:
                    check_lines(origin, limits)
                place.symlink_to(origin.resolve())
            yield folder

    def in_their_words(self, message: str, folder: Path) -> str:
        """Return a message about the staged folder with the paths of the files themselves."""
        for inside in sorted(self.origins, key=len, reverse=True):
            message = message.replace(str(folder / inside), str(self.origins[inside]))
        return message.replace(str(folder), str(self.home))

    def checksums(self, limits: Limits) -> dict[str, str]:
        """Return the checksum of the content of each file, by its path."""
        return {str(origin): content_checksum(read_bytes(origin, limits)) for origin in self.origins.values()}

    def raw(self, limits: Limits) -> dict[str, bytes]:
        """Return the content of the files that may be kept beside the spectrum, and are small enough, unpacked."""
        found = {}
        for inside, origin in self.origins.items():
            if not may_be_kept(inside):
                continue
            try:
                small = check_file(origin, limits) <= limits.max_raw_bytes
                content = read_bytes(origin, limits) if small else b""
            except ParseError:
                continue
            if small and len(content) <= limits.max_raw_bytes:
                found[inside] = content
        return found


def select(folder: Folder, patterns: Iterable[str], *, below: str = "") -> dict[str, Path]:
    """Return the files of a folder whose unpacked names match, by those names; a plain file goes before a packed one.

    Args:
        folder: The folder.
        patterns: Names, with `*` for any characters.
        below: Folder of the run directory that they lie in.
    """
    wanted = tuple(patterns)
    found: dict[str, Path] = {}
    for name in sorted(folder.files, key=lambda n: (unpacked_name(n), n)):
        plain = unpacked_name(name)
        if plain not in found and any(fnmatchcase(plain, pattern) for pattern in wanted):
            found[plain] = folder.path / name
    return {str(PurePosixPath(below) / plain): path for plain, path in found.items()}
