"""Writes text other people wrote to a terminal or a pipe: clean, never as markup, never folded where it is copied."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from flywheel_mlflow.base.canonical import document_json
from flywheel_mlflow.drift.wording import Tone
from flywheel_mlflow.tables import cells as shown

#: Width of tables when nobody looks at them: a pipe or a file has no width of its own.
PIPE_WIDTH = 160
#: Characters a column keeps at least of what it holds: text in narrower ones is a letter heap.
READABLE_WIDTH = 18
STYLES = {
    "passed": "green",
    "completed": "green",
    "yes": "green",
    "failed": "red",
    "error": "red",
    "blocked": "red",
    "no": "red",
    "at risk": "yellow",
    "skipped": "yellow",
    "missing": "dim",
    "unknown": "dim",
}


def open_console(*, stderr: bool = False) -> Console:
    """A console on standard output or error, wide enough when nobody looks at it."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else PIPE_WIDTH
    return Console(stderr=stderr, width=width, highlight=False, soft_wrap=False)


def clean(value: object) -> Text:
    """Any text without control characters or markup: names and messages come from other people."""
    if isinstance(value, Text):
        return value
    text = _printable(str(value))
    return Text(text, style=STYLES.get(text, ""))


def _printable(text: str) -> str:
    return text if text.isprintable() else "".join(char if char.isprintable() or char == "\n" else "�" for char in text)


class FittedTable(Table):
    """A table; where the terminal is too narrow for its columns, each row stands as lines of heading and text."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Rich's hook: what is drawn on this console."""
        if self._fits(options.max_width):
            yield from super().__rich_console__(console, options)
            return
        yield Text.assemble(self.title or "")
        for cells in zip(*(column.cells for column in self.columns), strict=True):
            lines = Table.grid(padding=(0, 2, 0, 0))
            lines.add_column(style="dim", no_wrap=True)
            lines.add_column(overflow="fold")
            for column, cell in zip(self.columns, cells, strict=True):
                if str(cell):
                    lines.add_row(column.header, cell)
            yield lines
            yield ""

    def _fits(self, width: int) -> bool:
        wanted = (max(cell_len(str(text)) for text in (item.header, *item.cells)) for item in self.columns)
        # Each column has a border and two blanks.
        return sum(min(one, READABLE_WIDTH) + 3 for one in wanted) < width


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """A table of texts that may come from anybody."""
    table = FittedTable(title=clean(title), title_justify="left", show_lines=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(clean(cell) for cell in row))
    return table


#: What a tone looks like in a terminal; the words say it as well.
TONE_STYLES = {Tone.GOOD: "green", Tone.BAD: "red", Tone.ATTENTION: "yellow", Tone.INTENDED: "magenta"}


def draw(found: shown.Table) -> None:
    """A table of a subject, with the columns that fit a terminal; without rows what it says of that."""
    console, narrow = open_console(), found.narrow()
    if not narrow.rows:
        say(console, f"{found.caption}: {found.empty}")
        return
    drawn = table(narrow.caption, narrow.headings, [[_text_of(cell) for cell in row] for row in narrow.rows])
    console.print(drawn)


def draw_list(found: shown.Table) -> None:
    """The same for tables that can have thousands of rows."""
    narrow = found.narrow()
    listing(narrow.caption, narrow.headings, [[cell.words for cell in row] for row in narrow.rows])


def _text_of(cell: shown.Cell) -> Text:
    return Text(_printable(cell.words), style=TONE_STYLES.get(cell.tone, ""))


def listing(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A list that can have thousands of lines, as plain columns: drawing them as a table takes seconds."""
    lines = [columns, *([_printable(str(cell)).replace("\n", " ") for cell in row] for row in rows)]
    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    text = [f"{_printable(title)}\n"]
    for line in lines:
        padded = (cell + " " * (width - cell_len(cell)) for cell, width in zip(line, widths, strict=True))
        text.append("  ".join(padded).rstrip() + "\n")
    sys.stdout.write("".join(text))


def say(console: Console, text: object) -> None:
    """Text as it is, never folded: people copy commands, paths and run ids out of it."""
    console.print(clean(text), soft_wrap=True)


def counted(count: int, noun: str) -> str:
    """``3 runs``, ``1 run``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def yes(claim: bool) -> str:
    """A claim as a word."""
    return "yes" if claim else "no"


def print_json(document: Any) -> None:
    """JSON whose text is the same to a machine, and to a terminal has nothing but characters it shows."""
    text = document_json(document)
    sys.stdout.write("".join(char if char.isprintable() or char == "\n" else json.dumps(char)[1:-1] for char in text))
