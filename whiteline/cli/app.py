"""The application: options that every command shares, and one place where errors become words."""

from __future__ import annotations

import sys
from io import TextIOWrapper
from typing import Annotated

import typer

__all__ = ["app", "main"]

_INTERRUPTED = 130  # what typer returns after Ctrl-C

_EXAMPLES = """
[bold]Examples[/bold]

  whiteline doctor

  whiteline run anatase.cif --absorber Ti --preset fast

  whiteline query --absorber Ti
"""

app = typer.Typer(
    name="whiteline",
    epilog=_EXAMPLES,
    help="Core-level spectra from crystal structures: compute, store, query, plot.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        from whiteline import __version__

        typer.echo(f"whiteline {__version__}")
        raise typer.Exit


@app.callback()
def _shared(
    debug: Annotated[bool, typer.Option("--debug", help="Show the whole traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Core-level spectra from crystal structures: compute, store, query, plot."""


def main() -> None:
    """Run the command line; an error is one clear message and an exit code above zero."""
    from whiteline.cli import commands  # noqa: F401  # registers the commands

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A terminal that knows no Greek or dashes shows their codes; nothing is lost and nothing breaks.
            stream.reconfigure(errors="backslashreplace")
    is_debug = "--debug" in sys.argv
    # `whiteline run … --debug` means the same as `whiteline --debug run …`.
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    try:
        code = app(args=arguments, standalone_mode=False)
    except Exception as error:  # the one boundary at which every error becomes a message
        if is_debug:
            raise
        sys.exit(_explain(error))
    if code == _INTERRUPTED:
        _complain("interrupted: what was finished is stored, run the same command again to go on")
    sys.exit(code if isinstance(code, int) else 0)


def _explain(error: Exception) -> int:
    """Say what went wrong and return the exit code."""
    from whiteline.errors import WhitelineError

    exit_code = getattr(error, "exit_code", 1)
    if hasattr(error, "show"):  # usage errors of the command line itself
        error.show()
    elif isinstance(error, WhitelineError):
        _complain(str(error))
    elif isinstance(error, OSError):
        place = f" {error.filename}" if error.filename else ""
        _complain(
            f"{error.strerror or error}{place}: make room or choose another place, and run the same command again"
        )
    else:
        _complain(f"unexpected {type(error).__name__}: {error} (run it again with --debug and report what it shows)")
    return int(exit_code)


def _complain(message: str) -> None:
    sys.stderr.write(f"whiteline: error: {message}\n")
