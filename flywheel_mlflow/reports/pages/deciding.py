"""What pages about decisions have in common: the ledger in sentences, the fields that acts ask for."""

from __future__ import annotations

from collections.abc import Iterable

from flywheel_mlflow.assembly.history import LedgerLine
from flywheel_mlflow.base.errors import FlywheelError, Refused
from flywheel_mlflow.drift.wording import Tone
from flywheel_mlflow.reports.dashboard_blocks import Choice, Field
from flywheel_mlflow.reports.dashboard_facts import LedgerFacts
from flywheel_mlflow.tables.cells import Cell, sentence

#: Events of the ledger on one page; `flywheel release history` has all of them.
MOST_EVENTS = 50
#: What people type as a reason, in characters, as the acts take it.
LONGEST_REASON = 2_000


def refusal_text(error: FlywheelError) -> str:
    """Why an act would be refused now, by which rule, what was found and demanded, and what to do, as one text.

    What stands in another part already is not said again: a value in the first sentence, people in the hint.
    """
    hint = error.hint or ""
    parts = [error.what]
    if isinstance(error, Refused):
        said = f"{error.what} {error.rule} {hint}"
        parts.append(f"rule: {error.rule}")
        known = (("found", error.value), ("demanded", error.limit))
        parts += [f"{name}: {value}" for name, value in known if value is not None and str(value) not in said]
    if hint:
        parts.append(f"next: {hint}")
    return "; ".join(parts)


def ledger_notes(ledger: LedgerFacts) -> tuple[Cell, ...]:
    """What keeps the ledger from being believed, worst first; empty when nothing does."""
    if ledger.unknown:
        return (Cell(f"The ledger is unknown: {ledger.unknown}.", Tone.UNKNOWN),)
    faults = [Cell(f"The ledger has a fault: {fault}.", Tone.BAD) for fault in ledger.faults]
    disputed = ledger.state.disputed if ledger.state else ()
    faults += [Cell(f"Event {number} is disputed: it {what}.", Tone.BAD) for number, what in disputed]
    return tuple(faults)


def said(story: Iterable[LedgerLine], event: int | None, *, about: Iterable[int] | None = None) -> tuple[Cell, ...]:
    """The sentence of an event that was just written, as the ledger has it; nothing when it is none of ``about``.

    The address names a number alone: whatever else stands there is never shown as something that happened.
    """
    allowed = None if about is None else frozenset(about)
    if event is None or (allowed is not None and event not in allowed):
        return ()
    found = next((item for item in story if item.number == event), None)
    if found is None:
        return ()
    return (Cell(f"Event {found.number}, by {found.actor}: {sentence(found.text)}.", Tone.GOOD),)


def hidden(name: str, value: object) -> Field:
    """What a form sends without asking."""
    return Field(name, name, "hidden", str(value))


def reason_field(label: str = "Reason, kept for good") -> Field:
    """What every decision asks for."""
    return Field("reason", label, "area", longest=LONGEST_REASON)


def choice_field(name: str, label: str, choices: Iterable[tuple[str, str]], *, value: str = "") -> Field:
    """One of several values; ``choices`` are values with their labels."""
    return Field(name, label, "choice", value, tuple(Choice(key, told) for key, told in choices))
