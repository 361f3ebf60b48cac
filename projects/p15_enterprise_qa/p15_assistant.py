"""Answers a question in steps, and keeps a trace in which every step names what it was given and what it made."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from p15_layer import Layer, Vocabulary
from p15_sql import Plan, columns_in, generate, plan, refusal, tables_in
from p15_warehouse import Rows, Warehouse

from flywheel_mlflow.base.canonical import digest_of
from flywheel_mlflow.base.errors import InputError

#: The steps of an answer; a refused question ends at the guard, one without definition at generate.
STEPS = ("recall", "plan", "generate", "guard", "execute", "answer")
_ENDS = {"done": "answer", "failed": "execute", "refused": "guard", "undefined": "generate"}


@dataclass(frozen=True, slots=True)
class Step:
    """One step of an answer, with the digests of what it was given and what it made."""

    name: str
    given: str
    made: str


@dataclass(frozen=True, slots=True)
class Answer:
    """How a question ended: done, failed (SQL error), refused (guard) or undefined (no definition).

    ``recalled`` are the tables and columns the question was linked to.
    """

    question: str
    state: str
    plan: Plan
    recalled: frozenset[str]
    sql: str | None
    rows: Rows
    text: str
    reason: str
    trace: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Assistant:
    """The main agent with its sub-agent: a layer, its vocabulary, a warehouse and a limit of rows."""

    layer: Layer
    vocabulary: Vocabulary
    warehouse: Warehouse
    row_limit: int
    guarded: bool = True

    def ask(self, question: str) -> Answer:
        """Answer one question."""
        trace = _Trace(question)
        found, _ = self.vocabulary.matches(question)
        trace.note("recall", [[place, phrase.words] for place, phrase in found])
        understood = plan(question, self.vocabulary)
        trace.note("plan", understood)
        sql = generate(understood, self.layer)
        recalled = frozenset() if sql is None else frozenset(tables_in(sql) | columns_in(sql))
        trace.note("generate", sql)
        if sql is None:
            reason = f"nothing is known of: {', '.join(understood.missing) or 'what is asked'}"
            return Answer(question, "undefined", understood, recalled, None, _NOTHING, "", reason, trace.steps)
        reason = refusal(sql, self.warehouse) if self.guarded else ""
        trace.note("guard", reason)
        if reason:
            return Answer(question, "refused", understood, recalled, sql, _NOTHING, "", reason, trace.steps)
        rows = self.warehouse.read(sql, limit=self.row_limit, guarded=self.guarded)
        trace.note("execute", [rows.columns, rows.rows, rows.error])
        if rows.error:
            return Answer(question, "failed", understood, recalled, sql, rows, "", rows.error, trace.steps)
        text = wording(understood, rows)
        trace.note("answer", text)
        return Answer(question, "done", understood, recalled, sql, rows, text, "", trace.steps)


_NOTHING = Rows((), ())


class _Trace:
    """Collects steps, each given what the one before it made."""

    def __init__(self, question: str) -> None:
        self._last = digest_of(question)
        self.steps: tuple[Step, ...] = ()

    def note(self, name: str, made: Any) -> None:
        digest = digest_of(made)
        self.steps = (*self.steps, Step(name, self._last, digest))
        self._last = digest


def wording(understood: Plan, rows: Rows) -> str:
    """The answer in words: what was asked for, with every value that was found."""
    what = understood.metric or ", ".join(column.split(".")[1] for column in understood.columns)
    when = f" in {understood.year}" if understood.year else ""
    where = "".join(f", {value}" for _, value in understood.filters)
    told = "; ".join(" ".join(_written(value) for value in row) for row in rows.rows)
    return f"{what.capitalize()}{when}{where}: {told or 'nothing found'}."


def _written(value: Any) -> str:
    if value is None:
        return "unknown"
    return f"{value:,.2f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def is_faithful(answer: Answer, rows: Rows) -> bool:
    """Whether the words of an answer say every value of a result, and no number that is not in it."""
    _, _, told = answer.text.rpartition(": ")
    written = [_written(value) for row in rows.rows for value in row]
    numbers = set(re.findall(r"\d[\d,.]*\d|\d", told))
    allowed = {number for value in written for number in re.findall(r"\d[\d,.]*\d|\d", value)}
    return all(value in told for value in written) and numbers <= allowed


def is_complete(answer: Answer) -> bool:
    """Whether a trace has every step up to where the answer ended, each given what the one before it made."""
    wanted = STEPS[: STEPS.index(_ENDS[answer.state]) + 1]
    given = [digest_of(answer.question), *(step.made for step in answer.trace[:-1])]
    return tuple(step.name for step in answer.trace) == wanted and [step.given for step in answer.trace] == given


def read_agent(path: Path) -> Mapping[str, Any]:
    """The main agent's configuration together with its sub-agent's, whose file must lie beside it.

    Raises:
        InputError: a file is missing, or does not say what it must.
    """
    agent = _configuration(path, ("name", "sub_agents", "steps", "probe"))
    place = (agent["sub_agents"] or {}).get("nl2sql_sub_agent_tool")
    if not isinstance(place, str):
        raise InputError("the agent names no nl2sql_sub_agent_tool", where=path.name)
    tool = _configuration(path.parent / place, ("semantic_layer", "schema", "dialect", "row_limit"))
    for key in ("semantic_layer", "schema"):
        if not (path.parent / str(tool[key])).is_file():
            raise InputError(f"there is no file {tool[key]}", where=place)
    return {**agent, **tool}


def _configuration(path: Path, keys: Sequence[str]) -> Mapping[str, Any]:
    if not path.is_file():
        raise InputError(f"there is no file {path.name}", where=str(path.parent))
    value: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    lacking = [key for key in keys if not isinstance(value, Mapping) or value.get(key) is None]
    if lacking:
        raise InputError(f"the configuration lacks {', '.join(lacking)}", where=path.name)
    return dict(value)


def missing_words(answers: Iterable[Answer]) -> tuple[str, ...]:
    """The words nothing is known of, over all answers, sorted."""
    return tuple(sorted({word for answer in answers for word in answer.plan.missing}))
