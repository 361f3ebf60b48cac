"""Measures answers against reference SQL that was run on the same data."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from p15_assistant import Answer, Assistant, is_complete, is_faithful
from p15_sql import literals_in, refusal
from p15_warehouse import Rows, Warehouse

#: Results that differ by less were summed in another order.
DIGITS = 6
TIMED_QUESTIONS = 7
TIMED_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Outcome:
    """A question with its answer, and what of it is right; what cannot be told of a refused question is None."""

    question: Mapping[str, Any]
    answer: Answer
    recalled: bool | None
    executed: bool | None
    accurate: bool | None
    values_match: bool | None
    faithful: bool | None
    complete: bool
    violation: bool


def evaluate(
    assistant: Assistant, reference: Warehouse, questions: Iterable[Mapping[str, Any]], *, stale_words: bool = False
) -> tuple[Outcome, ...]:
    """Ask every question and compare with the reference.

    ``stale_words`` words each answer from the rows of the answer before it.
    """
    outcomes: list[Outcome] = []
    before: Answer | None = None
    for question in questions:
        given = assistant.ask(question["question"])
        text = before.text if stale_words and before is not None and given.state == "done" else given.text
        outcomes.append(_compare(question, given, text, assistant, reference))
        before = given if given.state == "done" else before
    return tuple(outcomes)


def _compare(
    question: Mapping[str, Any], given: Answer, text: str, assistant: Assistant, reference: Warehouse
) -> Outcome:
    told = replace(given, text=text)
    ran = given.state in ("done", "failed")
    forbidden = ran and given.sql is not None and bool(refusal(given.sql, reference))
    violation = forbidden or (question["expected"] == "refused" and given.state == "done")
    if question["expected"] == "refused":
        return Outcome(question, told, None, None, None, None, None, is_complete(given), violation)
    expected = reference.read(question["reference_sql"], limit=assistant.row_limit)
    literals = literals_in(question["reference_sql"])
    known = {value for _, value in assistant_values(assistant)}
    return Outcome(
        question=question,
        answer=told,
        recalled=set(question["expected_tables"]) <= given.recalled,
        executed=given.state == "done",
        accurate=given.state == "done" and same_result(given.rows, expected, ordered=question["ordered"]),
        values_match=given.sql is not None and literals & known == literals_in(given.sql) & known,
        faithful=is_faithful(told, given.rows) if given.state == "done" else None,
        complete=is_complete(given),
        violation=violation,
    )


def assistant_values(assistant: Assistant) -> set[tuple[str, str]]:
    """The (column, value) pairs the assistant has words for."""
    return {phrase.target for phrase in assistant.vocabulary.phrases if phrase.kind == "value"}


def same_result(one: Rows, two: Rows, *, ordered: bool) -> bool:
    """Whether two results hold the same rows, in the same order if that was asked for; column names do not count."""
    if one.error or two.error:
        return False
    first, second = _comparable(one), _comparable(two)
    return first == second if ordered else sorted(first, key=repr) == sorted(second, key=repr)


def _comparable(rows: Rows) -> list[tuple[Any, ...]]:
    return [tuple(round(float(v), DIGITS) if isinstance(v, int | float) else v for v in row) for row in rows.rows]


def rate(outcomes: Sequence[Outcome], name: str) -> float | None:
    """The share of outcomes of which ``name`` is true, among those of which it can be told; None without any."""
    told = [value for item in outcomes if (value := getattr(item, name)) is not None]
    return sum(told) / len(told) if told else None


def latency_ms(assistant: Assistant, questions: Sequence[Mapping[str, Any]]) -> float | None:
    """The median time of an answer in milliseconds, over some questions asked several times; None without questions.

    Processor time: what else the machine does is no property of the assistant.
    """
    chosen = questions[:: max(1, len(questions) // TIMED_QUESTIONS)][:TIMED_QUESTIONS]
    taken = []
    for question in [*chosen] * TIMED_ROUNDS:
        started = time.process_time()
        assistant.ask(question["question"])
        taken.append((time.process_time() - started) * 1000)
    return statistics.median(taken) if taken else None


def failure_of(outcome: Outcome) -> str:
    """What kind of failure an answer is: none, missing_definition, sql_error, wrongly_refused or wrong_result."""
    if outcome.accurate:
        return "none"
    kinds = {"undefined": "missing_definition", "failed": "sql_error", "refused": "wrongly_refused"}
    return kinds.get(outcome.answer.state, "wrong_result")
