"""The page in place of one that cannot be shown, or of an act that was not done: what, by which rule, what next."""

from __future__ import annotations

from collections.abc import Mapping

from flywheel_mlflow.base.errors import DocumentError, FlywheelError, Refused
from flywheel_mlflow.drift.wording import Tone
from flywheel_mlflow.reports.dashboard_blocks import Form, Pair, Section
from flywheel_mlflow.reports.pages.frame import Page
from flywheel_mlflow.tables.cells import Cell, code, sentence


def trouble_page(
    error: FlywheelError,
    title: str,
    *,
    trail: tuple[Cell, ...] = (),
    typed: Mapping[str, str] | None = None,
    again: Form | None = None,
    reader: str = "",
) -> Page:
    """What went wrong, for the person who asked.

    Args:
        error: what went wrong; every word of it is shown as text.
        title: the kind of trouble, in a few words.
        trail: the way back.
        typed: what they had filled in, by label, so that it is not lost.
        again: the same form with all that, to be sent once more.
        reader: who asked; a name is never written in another way.
    """
    sections = [Section("trouble", "What is known", pairs=tuple(_facts(error)))]
    if typed and again is None:
        pairs = tuple(Pair(label, Cell(value)) for label, value in typed.items())
        sections.append(Section("typed", "What you had filled in", pairs=pairs))
    if again is not None:
        sections.append(Section("again", "Try again", forms=(again,)))
    return Page(
        title=title,
        part="",
        trail=trail,
        lead=(Cell(_first(error, reader), Tone.BAD),),
        sections=tuple(section for section in sections if section.pairs or section.forms),
    )


def _first(error: FlywheelError, reader: str) -> str:
    """What happened, as a sentence; what begins with a person, an id or a file stays as it is spelt."""
    word = error.what.partition(" ")[0]
    found = error.value if isinstance(error, Refused) else ""
    named = any(name and error.what.startswith(f"{name} ") for name in (reader, found))
    return error.what if named or not word.rstrip(",:;").isalpha() else sentence(error.what)


def _facts(error: FlywheelError) -> list[Pair]:
    facts: list[Pair] = []
    if isinstance(error, DocumentError):
        facts += [Pair("Fault", code(str(fault))) for fault in error.faults[:20]]
    if isinstance(error, Refused):
        facts.append(Pair("Rule", Cell(error.rule)))
        facts += [Pair("Found", Cell(str(error.value)))] if error.value is not None else []
        facts += [Pair("Demanded", Cell(str(error.limit)))] if error.limit is not None else []
    facts += [Pair("Where", code(error.where))] if error.where else []
    facts += [Pair("What to do", Cell(error.hint))] if error.hint else []
    return facts
