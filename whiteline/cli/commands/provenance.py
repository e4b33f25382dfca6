"""`whiteline provenance`: lineage in the formats of others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whiteline.cli.app import app
from whiteline.cli.filters import Filters, takes_filters
from whiteline.cli.options import Database, open_existing

if TYPE_CHECKING:
    from whiteline.database.store import SpectrumStore
    from whiteline.workflows.aiida.exporting import AiidaExport, Choice
    from whiteline.workflows.lineage import Tracer

_EXAMPLES = """
[bold]Examples[/bold]

  whiteline provenance export 3f9a2c --aiida anatase.aiida

  whiteline provenance export --absorber Ti --kind material --aiida titanium.aiida

  whiteline provenance export cu-k-feff --to-profile work --without-members

  whiteline provenance export 3f9a2c --prov-json anatase.prov.json
"""

provenance = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Write lineage for other programs: archives and profiles of AiiDA, W3C PROV-JSON.",
    epilog="[bold]Example[/bold]\n\n  whiteline provenance export 3f9a2c --aiida anatase.aiida",
)
app.add_typer(provenance, name="provenance")


@provenance.command(epilog=_EXAMPLES)
@takes_filters
def export(
    filters: Filters,
    ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ID|MODEL|DATASET…]", help="Spectra, models, datasets or files; beginnings of ids do."),
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=1, help="At most so many.")] = None,
    aiida: Annotated[Path | None, typer.Option("--aiida", metavar="FILE", help="Archive of AiiDA to write.")] = None,
    to_profile: Annotated[
        str | None, typer.Option("--to-profile", metavar="NAME", help="AiiDA profile to write into.")
    ] = None,
    create_profile: Annotated[
        bool, typer.Option("--create-profile", help="Make that profile first: SQLite, no broker.")
    ] = False,
    prov_json: Annotated[
        Path | None, typer.Option("--prov-json", metavar="FILE", help="W3C PROV-JSON to write.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="The graph as JSON, as `whiteline lineage` has it.")
    ] = None,
    without_members: Annotated[
        bool, typer.Option("--without-members", help="Leave out the spectra that datasets and models were made from.")
    ] = False,
    without_files: Annotated[
        bool, typer.Option("--without-files", help="Leave out inputs and outputs of runs; their checksums stay.")
    ] = False,
    with_sources: Annotated[
        bool,
        typer.Option("--with-sources", help="Structure files and pseudopotentials too, where they are as they were."),
    ] = False,
    group: Annotated[str, typer.Option("--group", help="Label of the group of results in AiiDA.")] = "",
    email: Annotated[
        str, typer.Option("--email", help="Whose the nodes are in AiiDA (default: the profile's user).")
    ] = "",
    models: Annotated[
        Path | None, typer.Option("--models", metavar="DIR", help="Folder in which models are looked for.")
    ] = None,
    is_forced: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
    database: Database = None,
) -> int:
    """Write results with all that is behind them, chosen by id or as in `whiteline query`."""
    from whiteline.errors import ParameterError
    from whiteline.settings import load_settings
    from whiteline.workflows.aiida.exporting import Choice
    from whiteline.workflows.learning.registry import registry_folder
    from whiteline.workflows.lineage import Tracer

    if bool(ids) == filters.is_given:
        raise ParameterError("give either ids or a query such as --absorber Fe, so that it is clear what to export")
    if not (aiida or to_profile or prov_json or json_file):
        raise ParameterError("say where to: --aiida FILE, --to-profile NAME, --prov-json FILE or --json FILE")
    if create_profile and not to_profile:
        raise ParameterError("--create-profile needs the name: --to-profile NAME")
    settings = load_settings(database=database)
    registry = registry_folder(settings, models)
    choice = Choice(with_members=not without_members, with_files=not without_files, email=email, group=group)
    with open_existing(database) as store:
        tracer = Tracer(store, registry)
        if ids:
            roots = [tracer.resolve(each) for each in ids]
        else:
            roots = [summary.id for summary in store.summaries(filters.query(limit=limit))]
        _write_graphs(tracer, roots, prov_json, json_file, is_forced=is_forced)
        options: dict[str, Any] = {"registry": registry, "is_forced": is_forced}
        if with_sources:
            from whiteline.workflows.aiida.exporting import file_reader

            options["read_file"] = file_reader(settings.pseudo_directory)
        if aiida:
            _write_archive(store, roots, aiida, choice, options)
        if to_profile:
            _write_to_profile(store, roots, to_profile, choice, options, is_new=create_profile)
    return 0


def _write_archive(
    store: SpectrumStore, roots: Sequence[str], path: Path, choice: Choice, options: dict[str, Any]
) -> None:
    from whiteline.provenance import Kind, utc_now
    from whiteline.workflows.aiida.exporting import export_archive
    from whiteline.workflows.recording import record_made

    started = utc_now()
    written = _with_bar(lambda tell: export_archive(store, roots, path, choice=choice, on_share=tell, **options))
    spectra = [each for each in roots if store.has(each)]
    record_made(store, "export", Kind.EXPORT, [path], spectra=spectra, started=started, parameters={"format": "aiida"})
    _tell(written, str(path), n_bytes=written.n_bytes)


def _write_to_profile(
    store: SpectrumStore,
    roots: Sequence[str],
    name: str,
    choice: Choice,
    options: dict[str, Any],
    *,
    is_new: bool,
) -> None:
    from whiteline.workflows.aiida.exporting import EMAIL, export_to_profile
    from whiteline.workflows.aiida.profile import create_profile

    if is_new:
        create_profile(name, email=choice.email or EMAIL)
        typer.echo(f"made the AiiDA profile {name}")
    written = _with_bar(lambda tell: export_to_profile(store, roots, name, choice=choice, on_share=tell, **options))
    _tell(written, f"the AiiDA profile {name}")


def _with_bar(write: Callable[[Callable[[float], None]], AiidaExport]) -> AiidaExport:
    from whiteline.cli.live import share_bar
    from whiteline.cli.tables import make_console

    with share_bar(make_console(is_error=True)) as show:
        return write(lambda share: show(share, "writing nodes"))


def _tell(written: AiidaExport, place: str, *, n_bytes: int = 0) -> None:
    size = f", {n_bytes / 1000:,.0f} kB" if n_bytes else ""
    typer.echo(
        f"wrote {_counted(written.n_results, 'result')} with {_counted(written.n_runs, 'calculation')} to {place}: "
        f"{written.n_nodes} nodes, {written.n_links} links{size}, in {written.seconds:.1f} s"
    )
    typer.echo(f"the results are in the group {written.group}")


def _counted(n: int, word: str) -> str:
    return f"{n} {word}{'' if n == 1 else 's'}"


def _write_graphs(
    tracer: Tracer, roots: Sequence[str], prov_json: Path | None, json_file: Path | None, *, is_forced: bool
) -> None:
    """Write the same graph as PROV-JSON and as our own JSON, where that was asked for."""
    if prov_json is None and json_file is None:
        return
    import json

    from whiteline.provenance.graph import LineageGraph
    from whiteline.provenance.prov_json import prov_document

    graph = LineageGraph.merge(tracer.ancestors(root) for root in roots)
    wanted: list[tuple[Path, dict[str, Any]]] = []
    wanted += [(prov_json, prov_document(graph))] if prov_json else []
    wanted += [(json_file, graph.to_dict())] if json_file else []
    for path, document in wanted:
        _place(path, json.dumps(document, indent=1) + "\n", is_forced=is_forced)
        typer.echo(f"wrote {len(graph.nodes)} nodes and {len(graph.links)} links to {path}")


def _place(path: Path, text: str, *, is_forced: bool) -> None:
    from whiteline.errors import StoreError

    if path.exists() and not is_forced:
        raise StoreError(f"{path} exists and is not overwritten: name another file, or give --force")
    draft = path.with_name(f".{path.name}.part")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        raise StoreError(f"cannot write {path} ({error.strerror}): choose a writable place") from error
    finally:
        draft.unlink(missing_ok=True)
