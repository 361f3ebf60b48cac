"""Complaints become test cases: one record for each question, each once, and a reason for each that becomes none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.evidence.evaluation_records import EvaluationRecord, record_rows
from flywheel_mlflow.feedback.cases import (
    EVENTS,
    EXPECTED,
    MAX_TAG,
    TASKS,
    THEMES,
    TracedQuestion,
    cases_of,
    is_case_of,
    merged_cases,
    refuse_without_events,
)
from flywheel_mlflow.feedback.tasks import Task


def _task(*events: str, name: str = "qa-1-2") -> Task:
    return Task(id=name, project="qa", iteration=2, theme="qa-1", request="Mend it.", events=events)


def _event(name: str, **more: Any) -> Mapping[str, Any]:
    return {"id": name, "trace_id": None, "response": None, **more}


def test_a_question_is_asked_again_once() -> None:
    """Two complaints about the same question are one record with both marks and what was expected on either trace."""
    questions = {
        "tr-1": TracedQuestion({"q": "a"}, {"tone": "kind"}),
        "tr-2": TracedQuestion({"q": "a"}, {"answer": "b"}),
    }
    events = [_event("e1", trace_id="tr-1"), _event("e2", trace_id="tr-2")]
    (record,) = cases_of(_task("e1", "e2"), events, questions).records
    assert record.inputs == {"q": "a"}
    assert record.expectations == {"tone": "kind", "answer": "b"}
    assert record.tags == {TASKS: "qa-1-2", THEMES: "qa-1", EVENTS: "e1,e2"}
    assert record.source == "tr-1"


def test_a_correction_is_what_is_expected() -> None:
    """A correction that came by file is the expected response; the reasons of a rating on the trace are none."""
    questions = {"tr-1": TracedQuestion({"q": "a"}), "tr-2": TracedQuestion({"q": "b"})}
    events = [
        _event("mail", trace_id="tr-1", response="forty-two"),
        _event("tr-2/a-9", trace_id="tr-2", response="The answer is rude."),
    ]
    first, second = cases_of(_task("mail", "tr-2/a-9"), events, questions).records
    assert (first.expectations, second.expectations) == ({EXPECTED: "forty-two"}, {})


def test_what_cannot_be_taken_is_listed_with_its_reason() -> None:
    """Events without trace, whose trace is gone or keeps nothing, and events that are gone are left out by name."""
    events = [_event("e1"), _event("e2", trace_id="tr-gone"), _event("e3", trace_id="tr-bare")]
    events += [_event("e4", trace_id="tr-text"), _event("e5", trace_id="tr-odd")]
    questions = {
        "tr-bare": TracedQuestion(None),
        "tr-text": TracedQuestion("what?"),
        "tr-odd": TracedQuestion({"q": float("nan")}),
    }
    found = cases_of(_task("e1", "e2", "e3", "e4", "e5", "e6"), events, questions)
    assert found.records == ()
    assert found.left_out == {
        "e1": "it names no trace, so what was asked is not known",
        "e2": "its trace tr-gone is gone",
        "e3": "its trace tr-bare keeps no named inputs",
        "e4": "its trace tr-text keeps no named inputs",
        "e5": "the inputs of trace tr-odd are no JSON",
        "e6": "it is not stored any more",
    }


def test_again_adds_nothing_and_another_task_adds_its_mark() -> None:
    """Merged a second time nothing is new; a second task marks the record, and what it expects already stays."""
    questions = {"tr-1": TracedQuestion({"q": "a"}, {"answer": "b"})}
    records = cases_of(_task("e1"), [_event("e1", trace_id="tr-1")], questions).records
    first = merged_cases(records, ())
    assert (len(first.new), first.same) == (1, 0)
    again = merged_cases(records, first.new)
    assert (again.new, again.grown, again.same) == ((), (), 1)
    other = cases_of(
        _task("e2", name="qa-1-3"),
        [_event("e2", trace_id="tr-2")],
        {"tr-2": TracedQuestion({"q": "a"}, {"answer": "c"})},
    )
    merged = merged_cases(other.records, first.new)
    (grown,) = merged.grown
    assert grown.expectations == {"answer": "b"}
    assert "the data set expects another answer, which stays" in merged.kept[0]
    assert is_case_of("qa-1-2", grown)
    assert is_case_of("qa-1-3", grown)
    assert not is_case_of("qa-1", grown)


def test_marks_fit_a_tag() -> None:
    """However many events ask the same, the tag that names them stays within its limit."""
    names = [f"event-{number:05d}" for number in range(1000)]
    events = [_event(name, trace_id="tr-1") for name in names]
    (record,) = cases_of(_task(*names), events, {"tr-1": TracedQuestion({"q": "a"})}).records
    assert len(record.tags[EVENTS]) <= MAX_TAG


def test_a_task_of_a_file_has_no_complaints() -> None:
    """A task without events says that it came as a file."""
    with pytest.raises(InputError, match="it came as a file"):
        refuse_without_events(_task())


_RECORDS = st.lists(
    st.builds(
        EvaluationRecord,
        st.dictionaries(st.text(max_size=4), st.text(max_size=4) | st.integers(), min_size=1, max_size=3),
        st.dictionaries(st.text(max_size=4), st.text(max_size=4), max_size=2),
    ),
    max_size=6,
    unique_by=lambda item: item.id,
)


@given(_RECORDS)
def test_rows_are_the_same_in_any_order(records: list[EvaluationRecord]) -> None:
    """The rows of an evaluation dataset do not depend on the order in which the store gives its records."""
    assert list(record_rows(records, "qa")) == list(record_rows(reversed(records), "qa"))


def test_rows_leave_out_who_wrote_them() -> None:
    """Tags of MLflow's own are no part of a row; the question is its content, one text or all inputs."""
    record = EvaluationRecord({"q": "why?"}, {"a": 1}, {"mlflow.user": "ana", "license": "CC0-1.0"}, "tr-1")
    (row,) = record_rows([record], "qa")
    assert row["metadata"] == {"license": "CC0-1.0"}
    assert (row["content"], row["source"]) == ("why?", {"name": "qa", "trace_id": "tr-1"})
    (row,) = record_rows([EvaluationRecord({"q": "why?", "n": 1})], "qa")
    assert row["content"] == '{"n":1,"q":"why?"}'
