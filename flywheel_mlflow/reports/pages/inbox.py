"""What waits for somebody: one line each, with the page where it is done; and the projects that are theirs."""

from __future__ import annotations

from dataclasses import dataclass

from flywheel_mlflow.tables.cells import Cell


@dataclass(frozen=True, slots=True)
class Waiting:
    """One thing that waits; ``href`` is where it is done, ``who`` may do it, empty for whoever may read this."""

    title: str
    text: str
    href: str
    who: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Owned:
    """A project of the reader's: can others build on it, and how many of its ``tasks`` are open."""

    name: str
    state: Cell
    tasks: int
    href: str


@dataclass(frozen=True, slots=True)
class Inbox:
    """What waits for ``reader``, or for anybody when that is empty; ``others`` counts what waits for others alone.

    ``owned`` are the projects of the teams that the reader belongs to.
    """

    reader: str = ""
    items: tuple[Waiting, ...] = ()
    others: int = 0
    owned: tuple[Owned, ...] = ()
