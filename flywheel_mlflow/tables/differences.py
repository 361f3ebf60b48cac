"""Tables of what differs between two releases."""

from __future__ import annotations

from collections.abc import Sequence

from flywheel_mlflow.assembly.diff import InterfaceChange, NumberChange
from flywheel_mlflow.drift.wording import WORDS, Tone
from flywheel_mlflow.tables.cells import Cell, Table, code, number
from flywheel_mlflow.tables.links import NO_LINKS, Links
from flywheel_mlflow.tables.texts import format_change, with_unit

_INTERFACE_TONES = {
    "gone": Tone.BAD,
    "other schema": Tone.ATTENTION,
    "schema unknown": Tone.UNKNOWN,
    "new": Tone.GOOD,
}


def numbers_table(
    found: Sequence[NumberChange], sides: tuple[str, str], caption: str, empty: str = "none.", *, folded: bool = False
) -> Table:
    """Numbers that differ; ``sides`` name what is compared, the earlier first."""
    rows = tuple(
        (
            Cell(item.name),
            Cell(item.word, WORDS[item.word]),
            number(with_unit(item.before, item.unit), Tone.UNKNOWN if item.before is None else Tone.NONE),
            number(with_unit(item.after, item.unit), Tone.UNKNOWN if item.after is None else Tone.NONE),
            number(_difference(item)),
            Cell(item.why),
        )
        for item in found
    )
    return Table(caption, ("number", "is", *sides, "change", "why"), rows, empty, folded)


def _difference(item: NumberChange) -> str:
    return "" if item.before is None or item.after is None else format_change(item.before, item.after, item.unit)


def interface_changes_table(
    found: Sequence[InterfaceChange], sides: tuple[str, str], *, links: Links = NO_LINKS
) -> Table:
    """Interfaces whose data or schema differ; ``sides`` as above."""
    rows = tuple(
        (
            Cell(item.name, href=links.interface(item.name)),
            Cell(item.word, _INTERFACE_TONES.get(item.word, Tone.NONE)),
            code(item.before),
            code(item.after),
        )
        for item in found
    )
    caption = "Interfaces that differ, by digest"
    return Table(caption, ("interface", "is", *sides), rows, "every interface has the very same data.")
