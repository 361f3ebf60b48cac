"""Cells and tables: what a value is told with, wherever it is shown.

The terminal, the pages and Evidently's page each have one renderer of them; every text is ready to be placed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from flywheel_mlflow.drift.wording import WORDS, Tone, word_order
from flywheel_mlflow.tables.texts import format_value

_MARKS = {
    Tone.NONE: "",
    Tone.GOOD: "\N{CHECK MARK}",
    Tone.INTENDED: "\N{BULLSEYE}",
    Tone.ATTENTION: "!",
    Tone.UNKNOWN: "?",
    Tone.BAD: "\N{MULTIPLICATION SIGN}",
}


@dataclass(frozen=True, slots=True)
class Series:
    """Values over iterations, oldest first, None where one is unknown; ``label`` says them all in words."""

    label: str
    values: tuple[float | None, ...]

    def shares(self) -> tuple[float | None, ...]:
        """Where each value lies between the smallest, 0, and the largest, 1; a half where all are the same."""
        known = [value for value in self.values if value is not None]
        low, span = (min(known), max(known) - min(known)) if known else (0.0, 0.0)
        return tuple(None if value is None else (value - low) / span if span else 0.5 for value in self.values)


@dataclass(frozen=True, slots=True)
class Drawing:
    """An SVG that this package drew itself, every text in it escaped; ``label`` names it.

    It stands in the page, not in an image, so that it follows the theme and its parts can be links.
    """

    svg: str
    label: str


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table, or any short text with a tone; ``kind`` is text, number or code.

    ``href`` is where a click leads, an address that :class:`~flywheel_mlflow.tables.addresses.Addresses` made;
    pages that leave the server have none. ``also`` are more of the same in this place, each with its own address.
    A ``series`` or a ``drawing`` stands in place of the text.
    """

    text: str
    tone: Tone = Tone.NONE
    kind: str = "text"
    series: Series | None = None
    drawing: Drawing | None = None
    href: str = ""
    also: tuple[Cell, ...] = ()

    @property
    def words(self) -> str:
        """Its text with what stands beside it in the same place."""
        return ", ".join((self.text, *(cell.words for cell in self.also)))

    @property
    def mark(self) -> str:
        """The sign beside the text, so that no meaning hangs on colour."""
        return _MARKS[self.tone]


@dataclass(frozen=True, slots=True)
class Table:
    """A table; the first cell of a row is its head. ``empty`` is said in place of a table without rows.

    ``folded`` ones are shown when the reader opens them. The head of a column may hold the axis of its drawings.
    ``brief`` names the columns that are shown where room is short: in a terminal, in Evidently's page; all of them when
    it is empty.
    """

    caption: str
    columns: tuple[str | Drawing, ...]
    rows: tuple[tuple[Cell, ...], ...]
    empty: str
    folded: bool = False
    brief: tuple[str, ...] = ()

    @property
    def headings(self) -> tuple[str, ...]:
        """The columns in words."""
        return tuple(column.label if isinstance(column, Drawing) else column for column in self.columns)

    def narrow(self) -> Table:
        """The same with the columns of ``brief`` alone."""
        if not self.brief:
            return self
        places = [self.columns.index(name) for name in self.brief]
        rows = tuple(tuple(row[place] for place in places) for row in self.rows)
        return replace(self, columns=self.brief, rows=rows, brief=())


def counted_cells(words: Iterable[str]) -> tuple[Cell, ...]:
    """How many there are of each word of ``WORDS``, the worst first, each in its own tone."""
    counts = Counter(words)
    return tuple(Cell(f"{counts[word]} {word}", WORDS[word]) for word in sorted(counts, key=word_order))


def spark(name: str, unit: str, values: Mapping[int, float | None]) -> Cell:
    """The values of a number by iteration, oldest first, as a small line; an unknown value is a gap, never a zero."""
    told = ", ".join(f"{turn}: {format_value(value, unit)}" for turn, value in values.items())
    return Cell("", series=Series(f"{name} by iteration: {told}", tuple(values.values())))


def listed(cells: Sequence[Cell]) -> Cell:
    """Several texts in one place, each with its own address; none of them is the word "none"."""
    return replace(cells[0], also=tuple(cells[1:])) if cells else Cell("none")


def sentence(text: str) -> str:
    """The text with a capital first letter."""
    return text[:1].upper() + text[1:]


def number(text: str, tone: Tone = Tone.NONE) -> Cell:
    """A cell that holds a number."""
    return Cell(text, tone, "number")


def code(text: str) -> Cell:
    """A cell that holds what people copy: a command, an id, a rule."""
    return Cell(text, kind="code")
