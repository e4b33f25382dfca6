"""Progress on the screen: what runs, how many sites are done, and the time left."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.spinner import Spinner
from rich.table import Table

from whiteline.cli.labels import duration
from whiteline.progress import Progress

__all__ = ["LiveProgress", "share_bar"]

_ENDS = ("done", "stored", "failed")


class LiveProgress:
    """A live display on a terminal, one line a finished site elsewhere.

    The time left is the expected cost of what remains, by the code's own estimate, at the pace seen so far.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lock = threading.Lock()
        self._running: dict[str, tuple[Progress, float]] = {}
        self._counts = dict.fromkeys(_ENDS, 0)
        self._estimates: dict[str, float] = {}
        self._n_expected = 0
        self._n_processes = 1
        self._computed: list[tuple[float, float]] = []
        self._note = "starting"
        self._started = time.monotonic()
        self._live = Live(console=console, get_renderable=self._render, refresh_per_second=4, transient=True)

    def __enter__(self) -> LiveProgress:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def announce(self, note: str) -> None:
        """Show what happens before the first site runs."""
        self._note = note

    def expect(self, estimates: dict[str, float], n_processes: int) -> None:
        """Say which sites will be computed, by label with their expected CPU time [s], and how many at a time."""
        with self._lock:
            self._estimates, self._n_expected, self._n_processes = (
                dict(estimates),
                len(estimates),
                n_processes,
            )
            self._note = ""

    def update(self, progress: Progress) -> None:
        """Take one step of one site."""
        with self._lock:
            now = time.monotonic()
            started = self._running.get(progress.label, (progress, now))[1]
            if progress.stage not in _ENDS:
                self._running[progress.label] = (progress, started)
                return
            self._running.pop(progress.label, None)
            self._counts[progress.stage] += 1
            estimate = self._estimates.pop(progress.label, 0.0)
            if progress.stage == "done":
                self._computed.append((estimate, now - started))
        if not self._console.is_terminal:
            self._console.print(f"{progress.label}: {progress.stage} ({self._summary()})", soft_wrap=True)

    def _summary(self) -> str:
        n_done = sum(self._counts.values())
        words = f"{n_done} of {self._n_expected} sites"
        if self._counts["failed"]:
            words += f", {self._counts['failed']} failed"
        left = self._time_left()
        return f"{words}, about {duration(left)} left" if left > 0 else words

    def _time_left(self) -> float:
        """Return the seconds left: expected cost over pace, less what the running sites have had."""
        expected, seen = (sum(column) for column in zip(*self._computed, strict=True)) if self._computed else (0.0, 0.0)
        pace = seen / expected if expected else 1.0
        spent = sum(time.monotonic() - started for _, started in self._running.values())
        return max(pace * sum(self._estimates.values()) - spent, 0.0) / self._n_processes

    def _render(self) -> Table:
        grid = Table.grid(padding=(0, 2))
        with self._lock:
            for label, (progress, started) in sorted(self._running.items()):
                elapsed = f"{time.monotonic() - started:.0f} s"
                grid.add_row(Spinner("dots", style="cyan"), label, progress.stage, elapsed)
            text = self._note or self._summary()
        grid.add_row("", text, "", f"{time.monotonic() - self._started:.0f} s in all")
        return grid


@contextmanager
def share_bar(console: Console) -> Iterator[Callable[[float, str], None]]:
    """Yield a function that shows the share that is done, 0 to 1, and what is being done; on a terminal only."""
    columns = (
        BarColumn(),
        TaskProgressColumn(),
        # Names of materials may hold square brackets.
        TextColumn("{task.description}", markup=False),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("reading structures", total=1.0)
        yield lambda share, label: bar.update(task, completed=share, description=label)
