"""The blocks a console page is made of: every text in them is ready to be placed."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

#: Who a page is for; a section names the readers it serves.
READERS = ("business", "governance", "engineering")


class Tone(StrEnum):
    """What a text means for the reader, said by a mark and a colour beside its words."""

    NONE = "plain"
    GOOD = "good"
    ATTENTION = "attention"
    UNKNOWN = "unknown"
    BAD = "bad"


_MARKS = {
    Tone.NONE: "",
    Tone.GOOD: "\N{CHECK MARK}",
    Tone.ATTENTION: "!",
    Tone.UNKNOWN: "?",
    Tone.BAD: "\N{MULTIPLICATION SIGN}",
}


@dataclass(frozen=True, slots=True)
class Spark:
    """A small line over iterations, in pixels from the top left.

    ``lines`` are the stretches without a gap as SVG point lists, ``dots`` the values that stand alone, ``end`` the last
    known value; ``label`` says it all in words.
    """

    label: str
    width: str
    height: str
    lines: tuple[str, ...]
    dots: tuple[tuple[str, str], ...]
    end: tuple[str, str] | None


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table, or any short text with a tone; ``kind`` is text, number or code."""

    text: str
    tone: Tone = Tone.NONE
    kind: str = "text"
    spark: Spark | None = None

    @property
    def mark(self) -> str:
        """The sign beside the text, so that no meaning hangs on colour."""
        return _MARKS[self.tone]


@dataclass(frozen=True, slots=True)
class Table:
    """A table; the first cell of a row is its head. ``empty`` is said in place of a table without rows.

    ``folded`` ones are shown when the reader opens them.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    empty: str
    folded: bool = False


@dataclass(frozen=True, slots=True)
class Pair:
    """A name with its value."""

    name: str
    value: Cell


@dataclass(frozen=True, slots=True)
class Image:
    """An SVG drawing as text, and what it shows in words."""

    svg: str
    alt: str


@dataclass(frozen=True, slots=True)
class Section:
    """One part of a page; ``id`` is its anchor, ``readers`` those of ``READERS`` it serves."""

    id: str
    title: str
    readers: tuple[str, ...]
    notes: tuple[Cell, ...] = ()
    pairs: tuple[Pair, ...] = ()
    image: Image | None = None
    tables: tuple[Table, ...] = ()
    commands: tuple[Command, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Command:
    """Something to run next, and why."""

    line: str
    why: str


def sentence(text: str) -> str:
    """The text with a capital first letter."""
    return text[:1].upper() + text[1:]


def number(text: str, tone: Tone = Tone.NONE) -> Cell:
    """A cell that holds a number."""
    return Cell(text, tone, "number")


def code(text: str) -> Cell:
    """A cell that holds what people copy: a command, an id, a rule."""
    return Cell(text, kind="code")
