"""Understands what traces show: what people and judges said of them, and what went wrong while they ran."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

from flywheel_mlflow.base.canonical import canonical_json
from flywheel_mlflow.feedback.events import FeedbackEvent, parse_event
from flywheel_mlflow.promises.trace_rules import DEFAULT_TAGS, AssessmentRule, TraceRules

#: Words that need no rule, as people and MLflow's judges write them.
GOOD_WORDS = frozenset(
    {"yes", "true", "pass", "passed", "ok", "good", "correct", "safe", "positive", "accept", "accepted", "approved"}
)
BAD_WORDS = frozenset(
    {"no", "false", "fail", "failed", "bad", "incorrect", "wrong", "unsafe", "negative", "reject", "rejected"}
)
_SCALE = re.compile(r"\s*(-?[0-9]+(?:\.[0-9]+)?)\s*(?:/|out of)\s*([0-9]+(?:\.[0-9]+)?)\s*")
_NUMBER = re.compile(r"\s*-?[0-9]+(?:\.[0-9]+)?\s*")

#: Failures of one kind in one trace: an agent in a loop calls the same tool hundreds of times.
MOST_SPANS = 5
MAX_MESSAGE = 1_000


class Meaning(StrEnum):
    """What a value says."""

    GOOD = "good"
    BAD = "bad"
    UNDECLARED = "undeclared"


@dataclass(frozen=True, slots=True)
class AssessmentFacts:
    """One assessment of a trace, ``made`` and last ``changed`` then (UTC); ``error`` is why a judge gave no value.

    ``expected`` says that the value is what should have been the answer.
    """

    id: str
    name: str
    value: Any
    human: bool
    by: str
    made: datetime
    changed: datetime
    rationale: str = ""
    error: str = ""
    expected: bool = False
    replaced: bool = False
    run_id: str | None = None
    span_id: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SpanFacts:
    """One step of a trace; ``kind`` is MLflow's span type, ``message`` what it failed with, ``empty`` no output."""

    id: str
    name: str
    kind: str
    failed: bool
    message: str = ""
    empty: bool = False


@dataclass(frozen=True, slots=True)
class TraceFacts:
    """One trace as plain values; times are UTC.

    ``seconds`` and ``tokens`` are None where it does not say, ``spans`` where they were not or could not be read.
    """

    id: str
    begun: datetime
    failed: bool
    answer: str = ""
    seconds: float | None = None
    tokens: int | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    spans: tuple[SpanFacts, ...] | None = None
    assessments: tuple[AssessmentFacts, ...] = ()

    @property
    def ended(self) -> datetime:
        """When it ended, as far as it says."""
        return self.begun + timedelta(seconds=self.seconds or 0)


@dataclass(slots=True)
class TraceCounts:
    """What was read, and what of it is no event.

    ``content`` asks for nothing, ``replaced`` was overridden by its author. ``failed_judges`` and ``undeclared`` count
    by the assessment's name: the judge gave no value, or no rule says what its value means. Of ``unread`` traces the
    steps could not be read.
    """

    traces: int = 0
    content: int = 0
    replaced: int = 0
    unread: int = 0
    failed_judges: Counter[str] = field(default_factory=Counter)
    undeclared: Counter[str] = field(default_factory=Counter)


def meaning_of(value: Any, rule: AssessmentRule | None) -> Meaning:
    """What a value says: by the rule's values and thresholds, else by the words everybody uses.

    A scale such as ``3/5`` is the number 0.6. A number means nothing without a threshold.
    """
    said = value.strip().casefold() if isinstance(value, str) else value
    if rule is not None:
        if _among(said, rule.good):
            return Meaning.GOOD
        if _among(said, rule.bad):
            return Meaning.BAD
    if isinstance(said, bool):
        return Meaning.GOOD if said else Meaning.BAD
    if isinstance(said, str) and said in GOOD_WORDS | BAD_WORDS:
        return Meaning.GOOD if said in GOOD_WORDS else Meaning.BAD
    number = _number(said)
    if number is None or rule is None or (rule.at_least is None and rule.at_most is None):
        return Meaning.UNDECLARED
    low = rule.at_least is not None and number < rule.at_least
    high = rule.at_most is not None and number > rule.at_most
    return Meaning.BAD if low or high else Meaning.GOOD


def _among(said: Any, values: tuple[Any, ...]) -> bool:
    """Whether a value is one of those declared: texts whatever their case, True and 1 apart."""
    return any(
        (value.strip().casefold() if isinstance(value, str) else value) == said
        and isinstance(value, bool) == isinstance(said, bool)
        for value in values
    )


def _number(said: Any) -> float | None:
    if isinstance(said, int | float):
        return float(said)
    if not isinstance(said, str):
        return None
    scale = _SCALE.fullmatch(said)
    if scale and float(scale[2]):
        return float(scale[1]) / float(scale[2])
    return float(said) if _NUMBER.fullmatch(said) else None


def rule_for(name: str, rules: TraceRules) -> AssessmentRule | None:
    """The first rule that fits an assessment's name."""
    return next((rule for rule in rules.assessments if any(fnmatchcase(name, item) for item in rule.names)), None)


def read_trace(
    trace: TraceFacts, rules: TraceRules, counts: TraceCounts, since: datetime | None = None
) -> Iterator[FeedbackEvent | tuple[str, str]]:
    """The events of one trace; a pair is an id, and why it cannot be taken. ``counts`` learns what is no event.

    ``since`` leaves out what was said, or happened, before.
    """
    counts.traces += 1
    counts.unread += rules.needs_spans and trace.spans is None
    said = (item for item in trace.assessments if since is None or item.changed >= since)
    rows = [row for item in said if (row := _said(trace, item, rules, counts))]
    if since is None or trace.ended >= since:
        rows += _happened(trace, rules)
    for row in rows:
        event = parse_event(row)
        yield (str(row["id"]), event) if isinstance(event, str) else event


def _said(trace: TraceFacts, item: AssessmentFacts, rules: TraceRules, counts: TraceCounts) -> dict[str, Any] | None:
    """An assessment as the fields of an event, not yet judged; None when nobody has to act.

    What a judge or a program reasons is a machine's suggestion; what a person writes is a response, what one expects a
    correction.
    """
    rule = rule_for(item.name, rules)
    if item.replaced:
        counts.replaced += 1
        return None
    if item.error:
        counts.failed_judges[item.name] += 1
        return None
    if rule is not None and rule.ignore:
        counts.content += 1
        return None
    if item.expected:
        # An evaluation writes what its dataset expects on every trace, right or wrong: only a person's is a correction.
        meaning = Meaning.BAD if item.human and item.run_id is None else Meaning.GOOD
    else:
        meaning = meaning_of(item.value, rule)
    if meaning is Meaning.UNDECLARED and not (item.human and item.rationale):
        counts.undeclared[item.name] += 1
        return None
    if meaning is Meaning.GOOD and not (item.human and item.rationale):
        counts.content += 1
        return None
    said = item.value if isinstance(item.value, str) else canonical_json(item.value)
    words = item.rationale or (said if item.expected else None)
    field = "suggestion" if not item.human else "correction" if item.expected else "response"
    verb = "expected" if item.expected else "rated"
    row = {
        "id": f"{trace.id}/{item.id}",
        "time": item.made,
        "source": "human" if item.human else "evaluation",
        "text": f"{verb} {item.name}: {said}" + (f". {item.rationale}" if item.rationale else ""),
        "run_id": item.run_id,
        "span_id": item.span_id,
        field: words,
        "reporter": item.by,
    }
    return _complete(row, trace, rules, rule, item.metadata)


def _happened(trace: TraceFacts, rules: TraceRules) -> Iterator[dict[str, Any]]:
    """What went wrong while a trace ran, each once for a trace (tools and retrievals: once for a name)."""
    for kind, text, span, more in _signals(trace, rules):
        row = {
            "id": f"{trace.id}/{kind}",
            "time": trace.ended,
            "source": "application",
            "text": text,
            "span_id": span,
            "reporter": "trace",
            **more,
        }
        yield _complete(row, trace, rules, None, {})


def _signals(trace: TraceFacts, rules: TraceRules) -> Iterator[tuple[str, str, str | None, dict[str, str]]]:
    spans = trace.spans or ()
    # The innermost one that failed: those around it fail with it.
    broken = next((span for span in reversed(spans) if span.failed), None)
    told_by_tool = rules.tools and broken is not None and broken.kind == "TOOL"
    if rules.errors and trace.failed and not told_by_tool:
        where = f" in {broken.name}{_message(broken)}" if broken else ""
        yield "error", f"the trace ended in an error{where}", broken.id if broken else None, {"type": "process_gap"}
    if rules.tools:
        for span in _by_name(item for item in spans if item.kind == "TOOL" and item.failed):
            text = f"tool {span.name} failed{_message(span)}"
            yield f"tool/{span.name[:120]}", text, span.id, {"type": "process_gap"}
    if rules.retrievals:
        for span in _by_name(item for item in spans if item.kind == "RETRIEVER" and item.empty):
            text = f"retriever {span.name} found nothing"
            yield f"retrieval/{span.name[:120]}", text, span.id, {"type": "retrieval_gap"}
    answer = trace.answer.strip().strip('"').casefold()
    refusal = next((item for item in rules.refusals if answer.startswith(item.strip().casefold())), None)
    if refusal is not None:
        yield "refusal", f"the answer refuses: it begins with {refusal}", None, {"type": "model_gap"}
    if rules.max_tokens is not None and trace.tokens is not None and trace.tokens > rules.max_tokens:
        yield "tokens", f"{trace.tokens:,} tokens, allowed are {rules.max_tokens:,}", None, {}
    if rules.max_seconds is not None and trace.seconds is not None and trace.seconds > rules.max_seconds:
        yield "latency", f"{trace.seconds:.1f} s, allowed are {rules.max_seconds:g}", None, {}


def _message(span: SpanFacts) -> str:
    return f": {span.message[:MAX_MESSAGE]}" if span.message else ""


def _by_name(spans: Iterator[SpanFacts]) -> list[SpanFacts]:
    first: dict[str, SpanFacts] = {}
    for span in spans:
        first.setdefault(span.name, span)
    return list(first.values())[:MOST_SPANS]


def _complete(
    row: dict[str, Any],
    trace: TraceFacts,
    rules: TraceRules,
    rule: AssessmentRule | None,
    metadata: Mapping[str, str],
) -> dict[str, Any]:
    """The row with its evidence, and with what tags, metadata and the rule say about it; the rule speaks last."""
    row["trace_id"] = trace.id
    for name in DEFAULT_TAGS:
        value = next((held[key] for key in rules.keys_of(name) for held in (metadata, trace.labels) if key in held), "")
        if value:
            ours = rules.values.get(name, {}).get(value, value)
            row["record_ids" if name == "record" else name] = (ours,) if name == "record" else ours
    if rule is not None:
        named = ("project", "interface", "scope", "severity", "type")
        row |= {name: value for name in named if (value := getattr(rule, name)) is not None}
    return {name: value for name, value in row.items() if value not in (None, "")}
