"""Taking in what others computed or measured: folders of runs, tables, measured spectra, JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from whiteline.database.ingest import (
    AddressReader,
    FileReader,
    FolderReader,
    IngestOptions,
    IngestReport,
    ingest_with,
)

if TYPE_CHECKING:
    from whiteline.database.store import SpectrumStore
    from whiteline.settings import Settings

__all__ = ["KINDS", "ingest"]

# What `--as` takes: the kinds of the readers below.
KINDS = ("whiteline", "feff", "xspectra", "ocean", "exciting", "vasp", "table", "measured", "xas-json", "aiida")


def ingest(
    paths: Sequence[str | PathLike[str]],
    store: SpectrumStore | None,
    *,
    kind: str | None = None,
    options: IngestOptions | None = None,
    tables: Sequence[Path] = (),
    settings: Settings | None = None,
    is_dry_run: bool = False,
    on_path: Callable[[str], None] = lambda _: None,
) -> IngestReport:
    """Read files and folders, store the spectra in them, and return what was taken and what was not, and why.

    Folders are searched for finished runs of FEFF, XSpectra, OCEAN, exciting and VASP, whoever laid them out, and for
    files of spectra; archives of AiiDA, and profiles by their address (`aiida:PROFILE`), for work chains of XSpectra.
    What the store has already is not stored again.

    Args:
        paths: Files, folders and addresses.
        store: Where spectra go; None, in a dry run, for a store that is not there yet.
        kind: Read everything as this kind, one of `KINDS`; by what the files are when None.
        options: Absorber and edge where the files name none, licence, citation, and how much of a file is read.
        tables: TOML descriptions of tables that Whiteline does not know.
        settings: Machine facts; read from the environment when None.
        is_dry_run: Read everything and write nothing.
        on_path: Called with each folder and file before it is read.

    Raises:
        InputError: The kind is unknown, or there is no store to write to.
        ParseError: A description of a table cannot be read.
        StoreError: The store cannot be written.
    """
    from whiteline.settings import load_settings

    folder_readers, file_readers, address_readers = _readers(tuple(tables), settings or load_settings())
    return ingest_with(
        paths,
        store,
        folder_readers=folder_readers,
        file_readers=file_readers,
        address_readers=address_readers,
        options=options,
        kind=kind,
        is_dry_run=is_dry_run,
        on_path=on_path,
    )


def _readers(
    tables: tuple[Path, ...], settings: Settings
) -> tuple[list[FolderReader], list[FileReader], list[AddressReader]]:
    from whiteline.database.ingest.measured_files import MeasuredReader
    from whiteline.database.ingest.table_description import load_descriptions
    from whiteline.database.ingest.table_files import TableReader
    from whiteline.database.ingest.xas_json import XasJsonReader
    from whiteline.workflows.ingest.aiida.xspectra import AiidaReader
    from whiteline.workflows.ingest.exciting import ExcitingRuns
    from whiteline.workflows.ingest.feff import FeffRuns
    from whiteline.workflows.ingest.ocean import OceanRuns
    from whiteline.workflows.ingest.own import OwnRuns
    from whiteline.workflows.ingest.vasp import VaspRuns
    from whiteline.workflows.ingest.xspectra import XSpectraRuns

    load_descriptions(tables)
    runs: list[FolderReader] = [
        OwnRuns(settings), FeffRuns(), XSpectraRuns(), OceanRuns(), ExcitingRuns(), VaspRuns(),
    ]  # fmt: skip
    aiida = AiidaReader()
    return runs, [TableReader(tables), MeasuredReader(), XasJsonReader(), aiida], [aiida]
