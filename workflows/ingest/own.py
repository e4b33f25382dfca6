"""Folders of `whiteline inputs` whose calculations ran elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from whiteline.database.ingest import Entry, Folder, IngestOptions, Skipped
from whiteline.database.ingest.limits import unpacked_name
from whiteline.database.ingest.walk import walk
from whiteline.errors import ParseError
from whiteline.settings import Settings
from whiteline.workflows.benchmark.outputs import changed_inputs, has_outputs, site_identity, with_changed_inputs
from whiteline.workflows.engines import make_calculator
from whiteline.workflows.ingest.run_document import failed
from whiteline.workflows.ingest.staging import RunFiles
from whiteline.workflows.jobs import site_document
from whiteline.workflows.plan import SITE_ERRORS
from whiteline.workflows.recording import source_file
from whiteline.workflows.site_file import SITE_FILE, read_site_file

__all__ = ["OwnRuns"]

# Wave functions, densities and what licences keep from being passed on: neither read nor kept.
_LEFT_OUT: Final = (
    *("POTCAR*", "*.[uU][pP][fF]", "*.wfc*", "*.wav*", "WAVECAR*", "CHG*", "STATE.OUT", "EVEC*"),
    *("*.save*", "*.bin", "*.lock", "*.hdf5", "*.dmp"),
)


class OwnRuns:
    """Recognises folders with a `whiteline.json`."""

    kind = "whiteline"

    def __init__(self, settings: Settings) -> None:
        """Take the facts of this machine, from which calculators are made."""
        self._settings = settings

    def find(self, folder: Folder) -> _OwnRun | None:
        """Return the calculation of a folder; None where no `whiteline.json` is."""
        return _OwnRun(folder.path, self._settings) if SITE_FILE in folder.files else None


@dataclass(frozen=True)
class _OwnRun:
    """A folder of `whiteline inputs`."""

    home: Path
    settings: Settings
    takes_subfolders: bool = True

    def read(self, options: IngestOptions) -> Iterator[Entry | Skipped]:
        """Yield the spectrum of the site, or why there is none.

        Raises:
            ParseError: The site file is damaged.
        """
        note = read_site_file(self.home)
        if not has_outputs(self.home, note.files):
            yield Skipped(str(self.home), "holds inputs and no outputs yet: run them, then ingest again")
            return
        calculator = make_calculator(note.code, values=note.parameters, settings=self.settings)
        files = RunFiles(self.home, _files(self.home))
        with files.staged(options.limits) as folder:
            try:
                outcome = calculator.parse(folder, note.absorber)
            except SITE_ERRORS as error:
                outcome = failed(files.in_their_words(str(error), folder))
            outcome = replace(outcome, reason=files.in_their_words(outcome.reason, folder))
        changed = changed_inputs(self.home, note, calculator)
        identity = {**note.parameters, **note.circumstances}
        is_known = not changed and site_identity(note.absorber, note.code, identity) == note.calculation_id
        checksums = files.checksums(options.limits)
        if not is_known:
            # Nobody knows what else decided them: such spectra are what is in their files.
            identity["imported_files"] = {
                name: checksums[str(files.origins[name])] for name in outcome.output_files if name in files.origins
            }
        document = site_document(
            site_identity(note.absorber, note.code, identity),
            note.absorber,
            with_changed_inputs(outcome, changed),
            code=note.code,
            parameters=identity,
            source=note.source,
            fidelity=note.fidelity,
        )
        document = replace(document, licence=options.licence, citation=options.citation)
        read = {**checksums, **source_file(note.source, note.source_checksum)}
        yield Entry(document, read, files.raw(options.limits))


def _files(home: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for one in walk(home):
        if isinstance(one, Skipped):
            raise ParseError(one.reason)
        folder, _ = one
        for name in sorted(folder.files):
            path = folder.path / name
            inside = path.relative_to(home).parent / unpacked_name(name)
            if not any(fnmatchcase(name, pattern) for pattern in _LEFT_OUT):
                found.setdefault(inside.as_posix(), path)
    return found
