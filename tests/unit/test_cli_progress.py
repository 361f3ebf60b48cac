"""Progress is for people who wait at a terminal, and for nobody else."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest

from flywheel_mlflow.cli import progress
from flywheel_mlflow.operations.projects.running import Ran

RAN = Ran("p01", None, consumable=False, reason="it broke", reasons=(), duration_s=1.5)


class Terminal(io.StringIO):
    """A terminal that remembers what was written to it."""

    def isatty(self) -> bool:
        return True


def _steps(describe_events: Callable[..., None]) -> None:
    describe_events("collecting \x1b[31m[bold]p01")


def _rows(describe_events: Callable[..., None]) -> None:
    describe_events(12_345)


def _pipelines(describe_events: Callable[..., None]) -> None:
    describe_events("p01", None)
    describe_events("p01", RAN)


KINDS: list[tuple[Callable[[], AbstractContextManager[Any]], Callable[..., None], str]] = [
    (progress.steps, _steps, "collecting"),
    (progress.rows_measured, _rows, "12,345 rows"),
    (progress.pipelines, _pipelines, "p01 FAILED after 1.5 s"),
    (lambda: progress.working("collecting iteration 3"), lambda _: None, "collecting iteration 3"),
]


@pytest.mark.parametrize(("kind", "use", "words"), KINDS)
def test_progress_is_shown_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch,
    kind: Callable[[], AbstractContextManager[Any]],
    use: Callable[..., None],
    words: str,
) -> None:
    """On a terminal the work says what it does, on standard error, with other people's names as plain text."""
    terminal, out = Terminal(), io.StringIO()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(sys, "stdout", out)
    with kind() as describe_events:
        use(describe_events)
        # The line is redrawn a dozen times a second; leaving the block draws the last one in any case.
    assert words in terminal.getvalue()
    assert "\x1b[31m" not in terminal.getvalue()
    assert out.getvalue() == ""


@pytest.mark.parametrize(("kind", "use", "words"), KINDS)
def test_progress_is_quiet_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
    kind: Callable[[], AbstractContextManager[Any]],
    use: Callable[..., None],
    words: str,
) -> None:
    """In a pipe, a file or a scheduler's log no character of progress is written."""
    out, error = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stderr", error)
    monkeypatch.setattr(sys, "stdout", out)
    with kind() as describe_events:
        use(describe_events)
    assert (out.getvalue(), error.getvalue()) == ("", "")


def test_an_error_ends_the_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails inside is raised, and the terminal's cursor is shown again."""
    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", terminal)
    with pytest.raises(ZeroDivisionError), progress.working("dividing"):
        _ = 1 / 0
    assert "\x1b[?25h" in terminal.getvalue()
