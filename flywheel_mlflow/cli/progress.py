"""Shows the progress of long work on standard error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from flywheel_mlflow.cli.console import clean, open_console, say

if TYPE_CHECKING:
    from flywheel_mlflow.operations.projects.running import Ran


def _silent(*_: object) -> None:
    """Progress nobody watches."""


@contextmanager
def rows_measured() -> Iterator[Callable[..., None]]:
    """Progress over rows, with a bar once the share of the data that they are is told, shown on a terminal only."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = open_console(stderr=True)
    if not console.is_terminal:
        yield _silent
        return
    with Progress(
        TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=console, transient=True
    ) as progress:
        bar = progress.add_task("measuring", total=None)

        def show(rows: int, share: float | None = None) -> None:
            total = None if share is None else 1.0
            progress.update(bar, description=f"measuring: {rows:,} rows", completed=share, total=total)

        yield show


@contextmanager
def steps() -> Iterator[Callable[[str], None]]:
    """Progress over steps, shown on a terminal only."""
    console = open_console(stderr=True)
    if not console.is_terminal:
        yield _silent
        return
    with console.status("starting") as status:
        yield lambda text: status.update(clean(text))


@contextmanager
def working(text: str) -> Iterator[None]:
    """One piece of work that does not tell how far it is, shown on a terminal only."""
    with steps() as step:
        step(text)
        yield


@contextmanager
def pipelines() -> Iterator[Callable[[str, Ran | None], None]]:
    """A line when a pipeline starts, one when it has ended, shown on a terminal only."""
    console = open_console(stderr=True)
    if not console.is_terminal:
        yield _silent
        return

    def describe_events(name: str, ran: Ran | None) -> None:
        if ran is None:
            say(console, f"{name} started")
        else:
            say(console, f"{name} {'logged' if ran.run_id else 'FAILED'} after {ran.duration_s:.1f} s")

    yield describe_events
