"""What moved between the previous assembly of a flywheel and this one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from flywheel_mlflow.assembly.assembly import Assembly
from flywheel_mlflow.drift.wording import number_word, same_number
from flywheel_mlflow.tables.texts import UNKNOWN, format_change, format_value

#: The order in which readers of a review want to meet them.
_ORDER = ("now unknown", "worse", "better", "newly known", "moved")


@dataclass(frozen=True, slots=True)
class Change:
    """One number that moved; ``judgement`` is one of ``_ORDER``, "moved" where no direction is known."""

    name: str
    before: str
    now: str
    difference: str
    judgement: str


@dataclass(frozen=True, slots=True)
class StatusChange:
    """A stage whose status is not what it was."""

    stage: str
    before: str
    now: str


def changes(assembly: Assembly) -> tuple[Change, ...]:
    """Every number that moved since the previous assembly, those that matter most to a review first.

    Empty when nothing moved, and in a first iteration, where there is nothing to compare with.
    """
    if assembly.previous is None:
        return ()
    earlier = assembly.previous.metrics
    found: list[tuple[int, float, Change]] = []
    for name, metric in assembly.metrics.items():
        before, now = earlier.get(name), metric.value
        if before == now:
            continue
        difference, size = "", 0.0
        if before is not None and now is not None:
            if same_number(before, now):
                continue
            difference, size = format_change(before, now, metric.unit), abs(now - before) / (abs(before) or 1.0)
        judgement = number_word(before, now, metric.direction)
        change = Change(name, format_value(before, metric.unit), format_value(now, metric.unit), difference, judgement)
        found.append((_ORDER.index(judgement), -size, change))
    return tuple(change for *_, change in sorted(found, key=lambda item: (item[0], item[1], item[2].name)))


def status_changes(assembly: Assembly) -> tuple[StatusChange, ...]:
    """The stages whose status changed since the previous assembly, in the blueprint's order."""
    if assembly.previous is None:
        return ()
    earlier = assembly.previous.statuses
    return tuple(
        StatusChange(run.stage.title, earlier.get(run.stage.id, UNKNOWN), run.status.value)
        for run in assembly.stage_runs
        if earlier.get(run.stage.id, UNKNOWN) != run.status.value
    )


def change_summary(assembly: Assembly, moved: Iterable[Change]) -> str:
    """One sentence on what changed since the previous iteration."""
    if assembly.previous is None:
        return "First iteration: there is nothing to compare with."
    since = f"Since iteration {assembly.previous.iteration}"
    counts = Counter(change.judgement for change in moved)
    if not counts:
        return f"{since}: no number moved."
    parts = [f"{counts[judgement]} {_SAYS[judgement]}" for judgement in _ORDER if counts[judgement]]
    total = counts.total()
    return f"{since}: {total} {'number' if total == 1 else 'numbers'} moved: {', '.join(parts)}."


_SAYS = {"moved": "without a declared direction"} | {word: word for word in _ORDER[:-1]}
