"""Spectra, models and datasets with all that is behind them, as an archive of AiiDA or into a profile."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from whiteline.errors import InputError, StoreError
from whiteline.fingerprint import content_hash
from whiteline.provenance import content_checksum, utc_now
from whiteline.workflows.aiida.archive import ArchiveWriter
from whiteline.workflows.aiida.checking import check_storage
from whiteline.workflows.aiida.collecting import concludes, plan_jobs, read_jobs
from whiteline.workflows.aiida.mapping import Mapper
from whiteline.workflows.aiida.process_rows import is_run
from whiteline.workflows.aiida.profile import opened_archive, opened_profile, require_aiida
from whiteline.workflows.kept_files import LARGEST_KEPT, may_be_kept

if TYPE_CHECKING:
    from collections.abc import Iterator

    from whiteline.database.store import SpectrumStore

__all__ = ["EMAIL", "AiidaExport", "Choice", "export_archive", "export_to_profile", "file_reader"]

_N_PACKED: Final = 500  # files at a time; a run keeps tens of kilobytes
EMAIL: Final = "whiteline@localhost"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What goes along with the results.

    Attributes:
        with_members: The spectra that datasets consist of and models learned from.
        with_files: Raw files: inputs and outputs of runs.
        email: Whose the nodes are; the user of the profile when empty, and in an archive Whiteline.
        group: Label of the group that the results are put into; follows from the results when empty.
    """

    with_members: bool = True
    with_files: bool = True
    email: str = ""
    group: str = ""


_ALL: Final = Choice()


@dataclass(frozen=True, kw_only=True)
class AiidaExport:
    """What was written.

    Attributes:
        n_results: Number of results that were asked for.
        n_runs: Number of runs of codes among what is behind them, and `n_workflows` of averages and convergences.
        nodes: Number of nodes of each class of AiiDA.
        links: Number of links of each type.
        n_bytes: Size of the archive.
        seconds: Wall time.
        group: Label of the group with the results.
    """

    n_results: int
    n_runs: int
    n_workflows: int
    nodes: Mapping[str, int]
    links: Mapping[str, int]
    n_bytes: int
    seconds: float
    group: str

    @property
    def n_nodes(self) -> int:
        """Number of all nodes."""
        return sum(self.nodes.values())

    @property
    def n_links(self) -> int:
        """Number of all links."""
        return sum(self.links.values())


def export_archive(
    store: SpectrumStore,
    roots: Sequence[str],
    path: Path,
    *,
    registry: Path | None = None,
    choice: Choice = _ALL,
    read_file: Callable[[str, str], bytes | None] = lambda _path, _checksum: None,
    on_share: Callable[[float], None] = lambda _share: None,
    is_forced: bool = False,
) -> AiidaExport:
    """Write an archive of the results and their lineage; it is there whole or not at all.

    Args:
        store: Where the results are.
        roots: Ids of spectra, models, datasets, figures and other files, or of the records of the jobs that made them.
        path: File to write.
        registry: Folder of models.
        choice: What goes along.
        read_file: Where contents of source files and pseudopotentials are looked for, by path and checksum.
        on_share: Told the share that is done, 0 to 1.
        is_forced: Replace a file that is there.

    Raises:
        MissingDependencyError: aiida-core is not installed.
        StoreError: The file exists, or cannot be written.
        InputError: Nothing was asked for, or no record tells of it.
        LineageCycleError: Records say that something came from itself.
    """
    require_aiida("an archive of AiiDA")
    _check_target(path, is_forced=is_forced)
    started = time.perf_counter()
    if not roots:
        raise InputError("nothing was chosen, so there is nothing to write")
    plan = plan_jobs(store, roots, registry=registry, with_members=choice.with_members)
    mapper, counts, results = Mapper(read_file), Counter[str](), list[str]()
    with _placed(path, is_forced=is_forced) as draft:
        with ArchiveWriter(draft, email=choice.email or EMAIL) as archive:
            for i, job in enumerate(read_jobs(store, plan, with_files=choice.with_files), start=1):
                rows = mapper.map(job)
                archive.add(rows.nodes, rows.links)
                counts["runs"] += is_run(job.record)
                counts["workflows"] += job.document is not None and concludes(job.record)
                key = job.record.id if job.document is None else job.document.id
                if key in plan.results and (result := mapper.result(job)) is not None:
                    results.append(result)
                on_share(i / len(plan.order))
            group = choice.group or f"whiteline/{content_hash(sorted(results))[:8]}"
            archive.add_group(group, results)
            archive.add_metadata(ctime=utc_now(), creation_parameters={"written_by": "whiteline"})
        _check(draft)
        n_bytes = draft.stat().st_size
    return AiidaExport(
        n_results=len(plan.results),
        n_runs=counts["runs"],
        n_workflows=counts["workflows"],
        nodes=archive.content.nodes,
        links=archive.content.links,
        n_bytes=n_bytes,
        seconds=time.perf_counter() - started,
        group=group,
    )


def export_to_profile(store: SpectrumStore, roots: Sequence[str], profile: str, **options: Any) -> AiidaExport:
    """Write the results and their lineage into a profile; nodes that are there already are not doubled.

    Args:
        store: Where the results are.
        roots: As of `export_archive`.
        profile: Name of the profile.
        options: As of `export_archive`.

    Raises:
        MissingDependencyError: aiida-core is not installed.
        ParameterError: There is no such profile.
        StoreError: The profile cannot be written, or holds something that the results do not go with.
    """
    require_aiida("a profile of AiiDA")
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, opened_profile(profile, must_be_writable=True) as storage:
        path = Path(folder) / "whiteline.aiida"
        choice: Choice = options.get("choice", _ALL)
        options["choice"] = replace(choice, email=choice.email or _own_email())
        export = export_archive(store, roots, path, **options)
        _import(path, storage, profile)
    return replace(export, seconds=time.perf_counter() - started)


def _own_email() -> str:
    from aiida import orm

    user = orm.User.collection.get_default()
    return EMAIL if user is None else str(user.email)


def _import(path: Path, storage: Any, profile: str) -> None:
    """Import an archive; what a profile has of a node already stays, but our own extras are brought up to date."""
    from aiida.common.exceptions import AiidaException
    from aiida.common.log import LOG_LEVEL_REPORT, override_log_level
    from aiida.tools.archive import import_archive
    from sqlalchemy.exc import SQLAlchemyError

    try:
        _pack_files(path, storage)
        with override_log_level(LOG_LEVEL_REPORT):
            import_archive(path, merge_extras=("k", "c", "u"), create_group=False, backend=storage)
    except (AiidaException, SQLAlchemyError, OSError) as error:
        raise StoreError(f"the AiiDA profile {profile!r} could not be written, and is as it was: {error}") from error


def _pack_files(path: Path, storage: Any) -> None:
    """Put the files of an archive into packs of the profile before it is imported.

    The import would write each file by itself and wait for the disk, ten milliseconds a file. Files of an import that
    fails afterwards belong to no node; AiiDA's maintenance takes them away.
    """
    repository = storage.get_repository()
    container: Any = getattr(repository, "_container", None)  # AiiDA has no other way to it
    if not hasattr(container, "add_objects_to_pack"):
        return
    with opened_archive(path) as archive:
        source = archive.get_repository()
        keys = sorted(source.list_objects())
        for start in range(0, len(keys), _N_PACKED):
            some = keys[start : start + _N_PACKED]
            missing = [key for key, is_there in zip(some, repository.has_objects(some), strict=True) if not is_there]
            contents = [stream.read() for _, stream in source.iter_object_streams(missing)]
            container.add_objects_to_pack(contents, no_holes=True, no_holes_read_twice=False)


def file_reader(*folders: Path) -> Callable[[str, str], bytes | None]:
    """Return what finds files by their checksum: at their recorded path, or by their name in one of the folders.

    Files whose licence lets nobody pass them on are never read, nor large ones.
    """

    def read(path: str, checksum: str) -> bytes | None:
        name = Path(path.partition("#")[0])
        for place in (name, *(folder / name.name for folder in folders)):
            try:
                if may_be_kept(place.name) and place.is_file() and place.stat().st_size <= LARGEST_KEPT:
                    content = place.read_bytes()
                    if content_checksum(content) == checksum:
                        return content
            except OSError:
                continue
        return None

    return read


def _check_target(path: Path, *, is_forced: bool) -> None:
    if path.is_dir():
        raise StoreError(f"{path} is a folder: name a file such as {path / 'spectra.aiida'}")
    if path.exists() and not is_forced:
        raise StoreError(f"{path} exists and is not overwritten: name another file, or give --force")


@contextmanager
def _placed(path: Path, *, is_forced: bool) -> Iterator[Path]:
    """Yield a file to write beside the place where it will be; it goes there when all is well, else it is removed."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
            draft = Path(folder) / path.name
            yield draft
            _check_target(path, is_forced=is_forced)  # somebody may have put something there meanwhile
            draft.replace(path)
    except OSError as error:
        if isinstance(error, StoreError):
            raise
        raise StoreError(
            f"{path} cannot be written ({error.strerror or error}): check permissions and space"
        ) from error


def _check(path: Path) -> None:
    with opened_archive(path) as storage:
        problems = check_storage(storage).problems
    if problems:
        raise StoreError(
            f"the archive was not kept, since AiiDA would refuse it: {'; '.join(problems)}; records that were edited "
            "lead to such graphs, else please report this"
        )
