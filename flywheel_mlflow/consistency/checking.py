"""One consistency check: a claim about an assembly, how to examine it, and how to break it."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from flywheel_mlflow.assembly.deliverables import stored_name
from flywheel_mlflow.base.canonical import canonical_json
from flywheel_mlflow.base.errors import FlywheelError
from flywheel_mlflow.consistency.view import AssemblyView, parse, unparse
from flywheel_mlflow.evidence.runs import Check, Outcome

SOURCE = "flywheel_mlflow.consistency"

#: A message must fit a table; the details hold every problem.
PROBLEMS_IN_MESSAGE = 5

#: What was summed in another order may differ in the last digits, and in no more.
RELATIVE_TOLERANCE = 1e-9

Examine = Callable[[AssemblyView], Iterable[str]]

#: Makes a seeded fault: says what it broke, and gives a view of the broken copy. None when the
#: assembly has no place where this fault could be (no bottleneck to falsify, say).
MakeFault = Callable[[AssemblyView, random.Random], tuple[str, AssemblyView] | None]

#: Changes plain values in place and says what it changed; None when there was nothing to change.
Change = Callable[[Any, random.Random], str | None]


@dataclass(frozen=True, slots=True)
class ConsistencyCheck:
    """A claim that ``examine`` tests, and at least one fault it must find.

    ``examine`` yields the problems. It may raise ``FlywheelError`` where it cannot be carried out.
    """

    name: str
    claim: str
    examine: Examine
    faults: tuple[MakeFault, ...]

    def __post_init__(self) -> None:
        """Refuse a check that nobody could ever see fail."""
        if not self.faults:
            raise ValueError(f"the check {self.name} names no fault that it would find")


def carry_out(check: ConsistencyCheck, view: AssemblyView) -> Check:
    """The outcome of one check: passed without problems, failed with, error when it could not be carried out."""
    prefix = view.now.flywheel.blueprint.deliverables.prefix
    try:
        problems = [stored_name(problem, prefix) for problem in check.examine(view)]
    except FlywheelError as error:
        faults = [stored_name(str(fault), prefix) for fault in getattr(error, "faults", ())] or [error.what]
        return _finding(check, Outcome.ERROR, f"cannot be carried out: {_first(faults)}", faults)
    return _finding(check, Outcome.FAILED if problems else Outcome.PASSED, _first(problems), problems)


def _finding(check: ConsistencyCheck, outcome: Outcome, message: str, problems: list[str]) -> Check:
    details: dict[str, Any] = {"claim": check.claim}
    if problems:
        details["problems"] = problems
    return Check(check.name, outcome, message, source=SOURCE, details=details)


def _first(problems: Sequence[str]) -> str:
    shown = "; ".join(problems[:PROBLEMS_IN_MESSAGE])
    left = len(problems) - PROBLEMS_IN_MESSAGE
    return f"{shown}; and {left} more" if left > 0 else shown


def same(found: Any, expected: Any) -> bool:
    """Whether two plain values agree; numbers within ``RELATIVE_TOLERANCE``, everything else exactly."""
    if _is_number(found) and _is_number(expected):
        return math.isclose(found, expected, rel_tol=RELATIVE_TOLERANCE, abs_tol=1e-12)
    if isinstance(found, list | tuple) and isinstance(expected, list | tuple):
        return len(found) == len(expected) and all(same(one, two) for one, two in zip(found, expected, strict=True))
    # True is not 1 here, although Python says so.
    return isinstance(found, bool) == isinstance(expected, bool) and bool(found == expected)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def unequal(what: str, found: Any, expected: Any) -> Iterator[str]:
    """The problem that ``what`` is not as expected, if it is not."""
    if not same(found, expected):
        yield f"{what} is {_shown(found)}, expected {_shown(expected)}"


def _shown(value: Any) -> str:
    if value is None:
        return "unknown"
    text = canonical_json(value)
    return text if len(text) <= 120 else f"{text[:117]}..."


def members(what: str, found: Iterable[str], expected: Iterable[str]) -> Iterator[str]:
    """The names that ``what`` lacks, has too many, or has twice."""
    # iter(): a Counter made of a mapping would take its values for counts.
    have, want = Counter(iter(found)), set(expected)
    for name in sorted(want - have.keys()):
        yield f"{what}: {name} is missing"
    for name in sorted(have.keys() - want):
        yield f"{what}: {name} does not belong there"
    for name in sorted(name for name, count in have.items() if count > 1):
        yield f"{what}: {name} is there {have[name]} times"


def edited(name: str, change: Change) -> MakeFault:
    """The fault of changing one deliverable's values."""

    def make(view: AssemblyView, rng: random.Random) -> tuple[str, AssemblyView] | None:
        document = parse(name, view.text(name))
        what = change(document, rng)
        return None if what is None else (f"{name}: {what}", view.with_file(name, unparse(name, document)))

    return make


def dropped(name: str, *path: str, key: str) -> MakeFault:
    """The fault of removing one item, known by ``key``, from the list at ``path`` of a deliverable."""

    def change(document: Any, rng: random.Random) -> str | None:
        for part in path:
            document = document[part]
        if not document:
            return None
        item = document.pop(rng.randrange(len(document)))
        return f"{item[key]} removed"

    return edited(name, change)


def replaced(name: str, *path: str, key: str, field: str, value: Callable[[Any, random.Random], Any]) -> MakeFault:
    """The fault of another value in ``field`` of one item of the list at ``path`` of a deliverable.

    ``value`` gets the old value; items for which it returns the same are passed over.
    """

    def change(document: Any, rng: random.Random) -> str | None:
        for part in path:
            document = document[part]
        for item in rng.sample(document, len(document)):
            old, new = item[field], value(item[field], rng)
            if new != old:
                item[field] = new
                return f"{field} of {item[key]} is {_shown(new)} instead of {_shown(old)}"
        return None

    return edited(name, change)


def another_number(old: float | None, rng: random.Random) -> float | int:
    """A number that is not ``old``, of the same kind."""
    if old is None:
        return rng.randint(1, 9)
    step = rng.randint(1, 9)
    return old + step if isinstance(old, int) else old + step / 16


def another_name(old: str | None, rng: random.Random) -> str:
    """A name that nothing has."""
    return f"{old or 'nobody'}_{rng.randrange(16**6):06x}"


def with_stranger(old: list[str], rng: random.Random) -> list[str]:
    """A list of names with one more, which nothing has."""
    return [*old, another_name("stranger", rng)]


def without_one(old: list[str], rng: random.Random) -> list[str]:
    """A list of names without one of them."""
    gone = rng.randrange(len(old)) if old else 0
    return [name for place, name in enumerate(old) if place != gone]


def emptied(_old: list[str], _rng: random.Random) -> list[str]:
    """A list of names without any."""
    return []
