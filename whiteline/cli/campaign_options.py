"""The command group `whiteline campaign`, and what its commands share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from whiteline.cli.app import app

if TYPE_CHECKING:
    from whiteline.database.queue import CampaignQueue

__all__ = ["Causes", "Json", "Name", "Project", "campaign", "open_campaigns", "parse_causes"]

campaign = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Many calculations as one campaign: priced, submitted, watched, mended, reported; nothing runs twice.",
    epilog="[bold]Examples[/bold]\n\n  whiteline campaign create oxides.toml\n\n"
    "  whiteline campaign submit oxides --where local\n\n  whiteline campaign watch oxides",
)
app.add_typer(campaign, name="campaign")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the campaign; `whiteline campaign list` has them.")]
Project = Annotated[
    str | None,
    typer.Option(
        "--project", metavar="NAME", help="Project of jobflow-remote (default: JFREMOTE_PROJECT, or the only one)."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object instead of tables.")]
Causes = Annotated[
    list[str] | None, typer.Option("--cause", metavar="CAUSE", help="Only what failed for this; repeatable.")
]


def parse_causes(given: list[str] | None) -> list[str]:
    """Return causes of failure as the queue has them.

    Raises:
        ParameterError: One is unknown; the nearest is named.
    """
    from whiteline.causes import Cause
    from whiteline.database.query_values import member

    return [member(Cause, cause.strip()).value for text in given or [] for cause in text.split(",")]


@contextmanager
def open_campaigns(database: str | None) -> Iterator[CampaignQueue]:
    """Yield the queue of a store."""
    from whiteline.database.queue import open_queue
    from whiteline.settings import load_settings

    with open_queue(load_settings(database=database).database) as queue:
        yield queue
