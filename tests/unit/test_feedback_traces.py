"""Tests of what traces are understood to say."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flywheel_mlflow.feedback.events import FeedbackEvent
from flywheel_mlflow.feedback.traces import (
    AssessmentFacts,
    Meaning,
    SpanFacts,
    TraceCounts,
    TraceFacts,
    meaning_of,
    read_trace,
)
from flywheel_mlflow.promises.trace_rules import AssessmentRule, TraceRules

NOW = datetime(2026, 10, 1, 12, tzinfo=UTC)
TRACE = TraceFacts("tr-1", NOW, failed=False, seconds=2.0)
THUMB = AssessmentFacts("a1", "thumb", False, human=True, by="alice", made=NOW, changed=NOW)
JUDGED = AssessmentFacts("a2", "faithful", "no", human=False, by="judge", made=NOW, changed=NOW, rationale="not there")


def events(
    trace: TraceFacts, since: datetime | None = None, **rules: Any
) -> tuple[list[FeedbackEvent], TraceCounts, list[tuple[str, str]]]:
    """What a trace gives by these rules: events, counts, and what could not be taken."""
    counts = TraceCounts()
    items = list(read_trace(trace, TraceRules.model_validate(rules), counts, since))
    return (
        [item for item in items if isinstance(item, FeedbackEvent)],
        counts,
        [item for item in items if isinstance(item, tuple)],
    )


def judged(value: Any, **more: Any) -> TraceFacts:
    """A trace with one judge's answer."""
    return replace(TRACE, assessments=(replace(JUDGED, value=value, **more),))


@pytest.mark.parametrize("value", ["yes", "Yes", " PASS ", "true", True, "correct", "ok"])
def test_a_judge_that_is_content_is_no_event(value: Any) -> None:
    """Yes, pass and true ask for nothing, however they are written and whatever the judge reasons."""
    made, counts, _ = events(judged(value))
    assert (made, counts.content) == ([], 1)


@pytest.mark.parametrize("value", ["no", "No", "fail", False, "incorrect"])
def test_a_judge_that_objects_is_an_event(value: Any) -> None:
    """No, fail and false are complaints, with the reasons as the machine's suggestion."""
    (event,), counts, _ = events(judged(value))
    assert (event.source, event.suggestion, event.trace_id, counts.content) == ("evaluation", "not there", "tr-1", 0)


def test_a_failed_judge_is_counted_apart() -> None:
    """A judge that gave no value says nothing about the answer: it is no complaint and no praise."""
    made, counts, _ = events(judged(None, error="timeout"))
    assert (made, counts.content, counts.failed_judges) == ([], 0, {"faithful": 1})


def test_a_number_needs_a_threshold() -> None:
    """Without one it is told by name and counts for neither side; with one it is judged."""
    made, counts, _ = events(judged(0.97))
    assert (made, counts.undeclared) == ([], {"faithful": 1})
    rule = {"names": ["faith*"], "at_least": 0.7}
    assert events(judged(0.97), assessments=[rule])[0] == []
    assert len(events(judged(0.2), assessments=[rule])[0]) == 1


@pytest.mark.parametrize(
    ("value", "rule", "meaning"),
    [
        ("3/5", {"at_least": 0.7}, Meaning.BAD),
        ("4 out of 5", {"at_least": 0.7}, Meaning.GOOD),
        ("2.5", {"at_most": 2}, Meaning.BAD),
        (0.5, {"at_least": 0.5, "at_most": 0.9}, Meaning.GOOD),
        (0.95, {"at_least": 0.5, "at_most": 0.9}, Meaning.BAD),
        ("no", {"good": ["no"]}, Meaning.GOOD),
        ("yes", {"bad": ["yes"]}, Meaning.BAD),
        (True, {"bad": [True]}, Meaning.BAD),
        (1, {"good": [True]}, Meaning.UNDECLARED),
        ("mostly", {"at_least": 1}, Meaning.UNDECLARED),
        ("3/0", {"at_least": 1}, Meaning.UNDECLARED),
        (["a"], {"good": ["a"]}, Meaning.UNDECLARED),
    ],
)
def test_values_mean_what_their_rule_says(value: Any, rule: dict[str, Any], meaning: Meaning) -> None:
    """Declared values come first, then thresholds; whether yes is good is the rule's to say."""
    assert meaning_of(value, AssessmentRule.model_validate({"names": ["*"], **rule})) is meaning


@given(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.integers())))
def test_any_value_has_one_meaning(value: Any) -> None:
    """Whatever a judge writes is understood or undeclared, never an error."""
    assert meaning_of(value, None) in Meaning
    assert meaning_of(value, AssessmentRule(names=("*",), at_least=0.5)) in Meaning


def test_a_persons_words_are_always_an_event() -> None:
    """A thumb up with a wish, or a rating nobody explained to us, is read by people."""
    wish = replace(THUMB, value=True, rationale="good, but name the page")
    stars = replace(THUMB, id="a3", name="stars", value=3, rationale="too long")
    made, counts, _ = events(replace(TRACE, assessments=(wish, stars, replace(THUMB, id="a4", value=True))))
    assert [event.response for event in made] == ["good, but name the page", "too long"]
    assert counts.content == 1


def test_an_expectation_is_a_correction_only_where_a_person_gave_it() -> None:
    """An evaluation writes what its dataset expects on every trace, whether the answer was right or not."""
    said = replace(THUMB, name="answer", value="42 pages", expected=True)
    (event,), _, _ = events(replace(TRACE, assessments=(said,)))
    assert (event.correction, event.response) == ("42 pages", None)
    assert events(replace(TRACE, assessments=(replace(said, run_id="r1"),)))[0] == []
    assert events(replace(TRACE, assessments=(replace(said, human=False),)))[0] == []


def test_what_was_said_since_counts_whenever_the_trace_began() -> None:
    """A thumb given today on last week's trace is found; yesterday's is left out, and so is the old failure."""
    old = replace(TRACE, begun=NOW - timedelta(days=7), failed=True)
    today = replace(THUMB, id="new", changed=NOW)
    yesterday = replace(THUMB, id="old", changed=NOW - timedelta(days=1))
    made, _, _ = events(replace(old, assessments=(yesterday, today)), since=NOW - timedelta(hours=1))
    assert [event.id for event in made] == ["tr-1/new"]


def test_failures_within_a_trace_are_events_with_their_step() -> None:
    """A failed tool, an empty retrieval and a crash are told once each, by the innermost step that failed."""
    spans = (
        SpanFacts("s1", "answer", "CHAIN", failed=True, message="ToolError: no network"),
        SpanFacts("s2", "search", "RETRIEVER", failed=False, empty=True),
        SpanFacts("s3", "calculator", "TOOL", failed=True, message="ToolError: no network"),
        SpanFacts("s4", "calculator", "TOOL", failed=True, message="again"),
    )
    made, _, _ = events(replace(TRACE, failed=True, spans=spans))
    assert [(event.id, event.span_id, event.type) for event in made] == [
        ("tr-1/tool/calculator", "s3", "process_gap"),
        ("tr-1/retrieval/search", "s2", "retrieval_gap"),
    ]
    (crash,), _, _ = events(replace(TRACE, failed=True, spans=spans[:1]))
    assert (crash.id, crash.text) == ("tr-1/error", "the trace ended in an error in answer: ToolError: no network")
    assert events(replace(TRACE, failed=True, spans=spans), errors=False, tools=False, retrievals=False)[0] == []


def test_budgets_and_refusals_are_looked_for_where_they_are_declared() -> None:
    """Tokens, seconds and refusing answers become events once a limit or a beginning is stated."""
    slow = replace(TRACE, tokens=5000, seconds=31.0, answer='"I cannot help with that."')
    assert events(slow)[0] == []
    made, _, _ = events(slow, max_tokens=4000, max_seconds=30, refusals=["I cannot"])
    assert [event.id for event in made] == ["tr-1/refusal", "tr-1/tokens", "tr-1/latency"]
    assert made[1].text == "5,000 tokens, allowed are 4,000"


def test_tags_fill_the_fields_that_routes_and_priorities_need() -> None:
    """Project, interface, scope, severity, type and record come from tags, through declared words; rules speak last."""
    trace = replace(
        judged("no", metadata={"prio": "P1"}),
        labels={"flywheel.project": "p05", "sample": "q-17", "flywheel.scope": "chain", "app.kind": "rag"},
    )
    (event,), _, _ = events(
        trace,
        tags={"severity": ["prio"], "record": ["sample"]},
        values={"severity": {"P1": "high"}},
        assessments=[{"names": ["faithful"], "type": "retrieval_gap", "scope": "single_sample"}],
    )
    assert (event.project, event.severity, event.record_ids, event.type, event.scope) == (
        "p05", "high", ("q-17",), "retrieval_gap", "single_sample",
    )  # fmt: skip


def test_a_tag_that_no_event_may_have_is_told() -> None:
    """A severity nobody declared a meaning for is named with the trace, and nothing is guessed."""
    made, _, ((place, why),) = events(replace(judged("no"), labels={"flywheel.severity": "P1"}))
    assert (made, place) == ([], "tr-1/a2")
    assert why.startswith("severity:")


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"names": []}, "at least 1"),
        ({"names": ["a"], "at_least": 2, "at_most": 1}, "at_least must not exceed"),
        ({"names": ["a"], "good": ["x"], "bad": ["x"]}, "good and bad at once"),
    ],
)
def test_a_rule_that_cannot_be_met_is_refused(rule: dict[str, Any], message: str) -> None:
    """A rule says at least one name and does not contradict itself."""
    with pytest.raises(ValueError, match=message):
        AssessmentRule.model_validate(rule)
