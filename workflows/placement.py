"""Putting the inputs of a site into its folder: all of them or none, and never over something else unasked."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from whiteline.provenance import content_checksum
from whiteline.workflows.run_folders import write_files
from whiteline.workflows.site_file import SITE_FILE, SiteFile, read_listed_files

__all__ = ["InputState", "file_checksums", "place_inputs"]


class InputState(StrEnum):
    """What came of the inputs of one site.

    Written, left as they were, or put in the place of others; incomplete when a file that goes with them is not on
    this machine; refused where other inputs are; failed when there is nothing to write.
    """

    WRITTEN = "written"
    UNCHANGED = "unchanged"
    REPLACED = "replaced"
    INCOMPLETE = "incomplete"
    REFUSED = "refused"
    FAILED = "failed"


def file_checksums(inputs: Mapping[str, str], files: Mapping[str, Path], known: dict[Path, str]) -> dict[str, str]:
    """Return the checksum of every input by its path inside the folder.

    Args:
        inputs: Texts by path.
        files: Files to copy by path.
        known: Checksums of files read before; those read now are added, for one file serves many sites.
    """
    sums = {name: content_checksum(text.encode()) for name, text in inputs.items()}
    for name, path in files.items():
        if path not in known:
            known[path] = content_checksum(path.read_bytes())
        sums[name] = known[path]
    return sums


def place_inputs(
    folder: Path, inputs: Mapping[str, str], files: Mapping[str, Path], site_file: SiteFile, *, is_forced: bool
) -> tuple[InputState, str]:
    """Return whether the inputs are in the folder now, and what there is to say of it.

    Inputs that are there already stay untouched. Where the folder holds others nothing is written unless forced;
    then what the earlier inputs had and these have not is removed, and everything else, such as the outputs of a run,
    is left and named.

    Raises:
        OSError: The folder cannot be written.
    """
    differing = _differing(folder, site_file)
    missing = [name for name in site_file.files if not (folder / name).exists()]
    has_site_file = (folder / SITE_FILE).exists()
    if has_site_file and not differing and not missing:
        return InputState.UNCHANGED, ""
    if differing and not is_forced:
        return (
            InputState.REFUSED,
            f"the folder holds other inputs ({', '.join(differing)} differs): --force replaces them",
        )
    outdated = set(read_listed_files(folder)) - {*site_file.files} if is_forced else set()
    staging = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(staging, ignore_errors=True)
    try:
        write_files(staging, {**inputs, SITE_FILE: site_file.to_text()}, files)
        if not folder.exists():
            staging.rename(folder)
            return InputState.WRITTEN, ""
        for name in outdated:
            (folder / name).unlink(missing_ok=True)
        # The file that says what the others are comes last.
        for name in (*site_file.files, SITE_FILE):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (staging / name).replace(folder / name)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return (InputState.REPLACED if differing else InputState.WRITTEN), _older_files(folder, site_file)


def _differing(folder: Path, site_file: SiteFile) -> list[str]:
    """Return the names of files in the folder that are not what is to be written."""
    if not folder.exists():
        return []
    names = [
        name
        for name, checksum in site_file.files.items()
        if (folder / name).exists() and content_checksum((folder / name).read_bytes()) != checksum
    ]
    known = folder / SITE_FILE
    if not names and known.exists() and not site_file.is_same_as(known.read_bytes()):
        names.append(SITE_FILE)
    return names


def _older_files(folder: Path, site_file: SiteFile) -> str:
    own = {*site_file.files, SITE_FILE}
    found = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
    others = [name for name in found if name not in own]
    if not others:
        return ""
    return (
        f"the folder also holds {len(others)} other file(s), e.g. {others[0]}: "
        "outputs among them belong to the earlier inputs"
    )
