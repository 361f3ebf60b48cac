"""Makes test cases of what was complained about: what the trace was asked, what people expected of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.evidence.evaluation_records import EvaluationRecord
from flywheel_mlflow.feedback.tasks import Task

#: The tags of a record that feedback became: its tasks, themes and events, separated by commas.
TASKS, THEMES, EVENTS = "flywheel.tasks", "flywheel.themes", "flywheel.events"
#: What MLflow's scorers call the answer that would have been right.
EXPECTED = "expected_response"
#: Characters of a tag: the events that made a record are for people, who need no more.
MAX_TAG = 4_000


@dataclass(frozen=True, slots=True)
class TracedQuestion:
    """What a trace was asked, and what people expected of it by name; ``inputs`` is None where it keeps none."""

    inputs: Any
    expectations: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cases:
    """The records that events became, and by event why it became none."""

    records: tuple[EvaluationRecord, ...]
    left_out: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class MergedCases:
    """What is written into a data set: records that are ``new``, and those whose tags or expectations grow.

    ``same`` counts those that it holds as they are. ``kept`` says where the data set expects something else than was
    corrected now: what it holds stays.
    """

    new: tuple[EvaluationRecord, ...]
    grown: tuple[EvaluationRecord, ...]
    same: int
    kept: tuple[str, ...]


def cases_of(task: Task, events: Iterable[Mapping[str, Any]], questions: Mapping[str, TracedQuestion]) -> Cases:
    """One record for each different question of a task's events.

    ``events`` are rows with ``id``, ``trace_id``, ``correction`` and ``response``. What people expect stands on the
    trace; the correction, else the response, of an event that came another way is the expected response. The same
    inputs are one record.
    """
    rows = {str(row["id"]): row for row in events}
    left_out: dict[str, str] = {}
    made: dict[str, EvaluationRecord] = {}
    for event in task.events:
        row = rows.get(event)
        trace = str((row or {}).get("trace_id") or "")
        question = questions.get(trace)
        why = _why_not(row, trace, question)
        if why or row is None or question is None:
            left_out[event] = why
            continue
        expected = dict(question.expectations)
        corrected = row.get("correction") or row.get("response")
        if corrected and not event.startswith(f"{trace}/"):
            expected.setdefault(EXPECTED, corrected)
        tags = {TASKS: task.id, THEMES: task.theme, EVENTS: event}
        record = EvaluationRecord(question.inputs, expected, tags, trace)
        try:
            known = made.get(record.id)
        except (TypeError, ValueError, RecursionError):
            left_out[event] = f"the inputs of trace {trace} are no JSON"
            continue
        made[record.id] = record if known is None else _joined(known, record)
    return Cases(tuple(made.values()), left_out)


def _why_not(row: Mapping[str, Any] | None, trace: str, question: TracedQuestion | None) -> str:
    if row is None:
        return "it is not stored any more"
    if not trace:
        return "it names no trace, so what was asked is not known"
    if question is None:
        return f"its trace {trace} is gone"
    if not isinstance(question.inputs, Mapping) or not question.inputs:
        return f"its trace {trace} keeps no named inputs"
    return ""


def merged_cases(records: Iterable[EvaluationRecord], there: Iterable[EvaluationRecord]) -> MergedCases:
    """The records to write into a data set that holds ``there``: a second time there are none."""
    known = {item.id: item for item in there}
    new: list[EvaluationRecord] = []
    grown: list[EvaluationRecord] = []
    kept: list[str] = []
    same = 0
    for item in records:
        old = known.get(item.id)
        if old is None:
            new.append(item)
            continue
        kept += [
            f"record {item.id[:8]}: the data set expects another {name}, which stays"
            for name, value in item.expectations.items()
            if name in old.expectations and old.expectations[name] != value
        ]
        joined = _joined(old, item)
        if (joined.tags, joined.expectations) == (dict(old.tags), dict(old.expectations)):
            same += 1
        else:
            grown.append(joined)
    return MergedCases(tuple(new), tuple(grown), same, tuple(kept))


def _joined(old: EvaluationRecord, new: EvaluationRecord) -> EvaluationRecord:
    """Both as one: what the older expects stays, marks are added to."""
    marks = {key: _listed(old.tags.get(key, ""), new.tags.get(key, "")) for key in (TASKS, THEMES, EVENTS)}
    return replace(old, expectations={**new.expectations, **old.expectations}, tags={**old.tags, **marks})


def _listed(old: str, new: str) -> str:
    """Two lists of names as one, each name once; what does not fit is left out."""
    text = old
    for name in (item for item in new.split(",") if item and item not in old.split(",")):
        longer = f"{text},{name}" if text else name
        text = longer if len(longer) <= MAX_TAG else text
    return text


def is_case_of(task: str, record: EvaluationRecord) -> bool:
    """Whether a record was made of a task's events."""
    return task in record.tags.get(TASKS, "").split(",")


def refuse_without_events(task: Task) -> None:
    """Refuse a task that no events stand behind.

    Raises:
        InputError: it came as a file.
    """
    if not task.events:
        raise InputError(
            f"the task {task.id} holds no events: it came as a file", hint="name a task that a theme became"
        )
