"""The blocks a console page is made of: every text in them is ready to be placed."""

from __future__ import annotations

from dataclasses import dataclass, field

from flywheel_mlflow.tables.cells import Cell, Drawing, Table

#: Who a page is for; a section names the readers it serves.
READERS = ("business", "governance", "engineering")


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
class Chart:
    """A drawing under its name and value; ``change`` is what moved, in words, empty where nothing is to be said.

    ``narrow`` is the same for a phone, where it would be too small to be read.
    """

    title: Cell
    value: Cell
    change: Cell
    drawing: Drawing
    narrow: Drawing | None = None


@dataclass(frozen=True, slots=True)
class Charts:
    """Charts beside each other under one heading; a single one takes the whole width."""

    caption: str
    items: tuple[Chart, ...]


@dataclass(frozen=True, slots=True)
class Snippet:
    """Lines to copy, and where they are run."""

    title: str
    lines: str


@dataclass(frozen=True, slots=True)
class Embedded:
    """A report of its own inside a page, where it can do nothing to the page: ``address`` is on this server."""

    title: str
    address: str


@dataclass(frozen=True, slots=True)
class Choice:
    """One value a reader can choose."""

    value: str
    label: str


@dataclass(frozen=True, slots=True)
class Field:
    """What a form asks for; ``kind`` is hidden, line, area, choice or checks, the last two with ``choices``.

    ``name`` is that of the act's argument; ``longest`` its limit in characters.
    """

    name: str
    label: str
    kind: str = "line"
    value: str = ""
    choices: tuple[Choice, ...] = ()
    required: bool = True
    longest: int = 2_000


@dataclass(frozen=True, slots=True)
class Form:
    """Something a reader can do here: ``action`` is where it is sent, ``button`` what it is called.

    ``why`` says what it does before anybody presses it; ``grave`` marks what is not undone by another click.
    ``refused`` says why the act would be refused now; it then stands in place of the fields and the button. ``id``
    names it for the ticks of cards.
    """

    action: str
    title: str
    button: str
    why: str
    fields: tuple[Field, ...]
    grave: bool = False
    refused: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True)
class Tick:
    """A box that belongs to the form of that id, wherever on the page it stands."""

    form: str
    name: str
    value: str
    label: str


@dataclass(frozen=True, slots=True)
class Card:
    """One thing to look at: what it is, a word about it, the rest as lines, its picture, a box, a command.

    The picture is an ``image`` with colours of its own, or a ``drawing`` in those of the page.
    """

    title: Cell
    badge: Cell
    notes: tuple[Cell, ...]
    image: Image | None = None
    drawing: Drawing | None = None
    tick: Tick | None = None
    command: str = ""


@dataclass(frozen=True, slots=True)
class Cards:
    """Cards under one heading; ``folded`` ones are shown when the reader opens them."""

    caption: str
    items: tuple[Card, ...]
    folded: bool = False


@dataclass(frozen=True, slots=True)
class PathStep:
    """One step of a way; ``state`` is done, next or waiting.

    ``early`` names the fold behind which the forms of a waiting step stand, ``warning`` what is said there first.
    """

    title: str
    state: str
    notes: tuple[Cell, ...]
    forms: tuple[Form, ...] = ()
    early: str = ""
    warning: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """One part of a page; ``id`` is its anchor, ``readers`` those of ``READERS`` it serves.

    ``forms`` act and are sent with a token; ``filters`` only ask for another view of the page; ``links`` lead to the
    pages around this part.
    """

    id: str
    title: str
    readers: tuple[str, ...] = READERS
    notes: tuple[Cell, ...] = ()
    pairs: tuple[Pair, ...] = ()
    image: Image | None = None
    drawing: Drawing | None = None
    charts: tuple[Charts, ...] = ()
    tables: tuple[Table, ...] = ()
    commands: tuple[Command, ...] = field(default=())
    embedded: Embedded | None = None
    forms: tuple[Form, ...] = ()
    filters: tuple[Form, ...] = ()
    links: tuple[Cell, ...] = ()
    cards: tuple[Cards, ...] = ()
    steps: tuple[PathStep, ...] = ()
    snippets: tuple[Snippet, ...] = ()


@dataclass(frozen=True, slots=True)
class Command:
    """Something to run next, and why."""

    line: str
    why: str
