"""Tries the routing rules on labelled examples: precision and recall of each project."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints, ValidationError

from flywheel_mlflow.base.documents import Document, faults_of, parse_json, read_text
from flywheel_mlflow.base.errors import DocumentError, Fault, InputError
from flywheel_mlflow.base.names import Identifier
from flywheel_mlflow.feedback.events import FeedbackEvent, events_table, parse_event
from flywheel_mlflow.feedback.routing import RULE, TO, Router
from flywheel_mlflow.promises.routes import UNROUTABLE
from flywheel_mlflow.promises.strict import Strict, Text

#: An example needs no time and no place of its own; these stand in.
_TIME = "2026-01-01T00:00:00Z"


class Example(Strict):
    """One labelled example: fields of an event, and where it should go."""

    text: Text
    to: Identifier = Field(description=f"The project it should reach, or {UNROUTABLE}.")
    lang: Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")] = Field(description="ISO 639-1 code of the text.")
    source: str = "human"
    type: str | None = None
    scope: str | None = None
    severity: str | None = None
    project: str | None = None
    stage: str | None = None
    interface: str | None = None
    record_ids: tuple[str, ...] = ()
    reporter: str | None = None

    def event(self, number: int) -> FeedbackEvent | str:
        """The event this example stands for, or why it is none."""
        said = {name: value for name, value in self.model_dump(exclude={"to", "lang"}).items() if value is not None}
        return parse_event({"id": f"example-{number}", "time": _TIME, **said})


@dataclass(frozen=True, slots=True)
class Tried:
    """One example with what the rules said: the project (or ``unroutable``) and the rule, None when none took it."""

    place: str
    example: Example
    got: str
    rule: str | None

    @property
    def right(self) -> bool:
        """Whether it went where it should."""
        return self.got == self.example.to


@dataclass(frozen=True, slots=True)
class Score:
    """One project's examples: ``expected`` should reach it, ``got`` did, ``right`` both.

    Precision is right / got, recall right / expected (higher is better); None where nothing was got or expected.
    """

    to: str
    expected: int
    got: int
    right: int

    @property
    def precision(self) -> float | None:
        """The share of what it got that is its."""
        return self.right / self.got if self.got else None

    @property
    def recall(self) -> float | None:
        """The share of what is its that it got."""
        return self.right / self.expected if self.expected else None


def read_examples(paths: Iterable[Path]) -> tuple[tuple[str, Example], ...]:
    """The examples in JSONL files, each with its place (``file:line``).

    Raises:
        DocumentError: every fault of every file together.
        InputError: no example at all, which would pass any test.
    """
    found: list[tuple[str, Example]] = []
    faults: list[Fault] = []
    for path in paths:
        try:
            text = read_text(path)
        except DocumentError as error:
            faults += error.faults
            continue
        for number, line in enumerate(text.splitlines(), start=1):
            if not line.strip():
                continue
            value = None
            try:
                value = parse_json(line, name=path.name)
                example = Example.model_validate(value)
                event = example.event(number)
                if isinstance(event, str):
                    faults.append(Fault(path.name, number, "", event))
                found.append((f"{path.name}:{number}", example))
            except DocumentError as error:
                faults += [Fault(path.name, number, "", fault.message) for fault in error.faults]
            except ValidationError as error:
                found_here = faults_of(error, Document(path.name, value, {}))
                faults += [Fault(path.name, number, fault.path, fault.message) for fault in found_here]
    if faults:
        raise DocumentError(faults, hint="a labelled example is one JSON object a line, with text, to and lang")
    if not found:
        raise InputError("no labelled example", hint="one JSON object a line: text, to, lang")
    return tuple(found)


def try_examples(router: Router, examples: Sequence[tuple[str, Example]]) -> tuple[Tried, ...]:
    """What the rules say to each example."""
    events = []
    for number, (place, example) in enumerate(examples):
        event = example.event(number)
        if isinstance(event, str):
            raise InputError(f"not an event: {event}", where=place)
        events.append(event)
    routed = router.route(events_table(events))
    return tuple(
        Tried(place, example, to or UNROUTABLE, rule)
        for (place, example), to, rule in zip(
            examples, routed.column(TO).to_pylist(), routed.column(RULE).to_pylist(), strict=True
        )
    )


def scores(tried: Iterable[Tried]) -> tuple[Score, ...]:
    """The score of each project that some example names or some rule reached, by id; ``unroutable`` is one of them."""
    items = tuple(tried)
    names = sorted({item.example.to for item in items} | {item.got for item in items})
    return tuple(
        Score(
            to=name,
            expected=sum(item.example.to == name for item in items),
            got=sum(item.got == name for item in items),
            right=sum(item.got == name and item.right for item in items),
        )
        for name in names
    )


def pooled(tried: Iterable[Tried]) -> Score:
    """All projects as one: what should reach any, what reached any, and what reached the right one."""
    items = tuple(tried)
    return Score(
        to="all projects",
        expected=sum(item.example.to != UNROUTABLE for item in items),
        got=sum(item.got != UNROUTABLE for item in items),
        right=sum(item.right and item.got != UNROUTABLE for item in items),
    )


def by_language(tried: Iterable[Tried]) -> Mapping[str, tuple[int, int]]:
    """Right and all examples of each language."""
    found: dict[str, tuple[int, int]] = {}
    for item in tried:
        right, total = found.get(item.example.lang, (0, 0))
        found[item.example.lang] = (right + item.right, total + 1)
    return dict(sorted(found.items()))
