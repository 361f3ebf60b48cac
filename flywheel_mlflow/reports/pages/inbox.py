"""What waits for somebody: one line each, with the page where it is done."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Waiting:
    """One thing that waits; ``href`` is where it is done, ``who`` may do it, empty for whoever may read this."""

    title: str
    text: str
    href: str
    who: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Inbox:
    """What waits for ``reader``, or for anybody when that is empty; ``others`` counts what waits for others alone."""

    reader: str = ""
    items: tuple[Waiting, ...] = ()
    others: int = 0
