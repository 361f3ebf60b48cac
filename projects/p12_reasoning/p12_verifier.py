"""Verifies candidate solutions: the stated answer, the program's result, the form; of code, its tests."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

from p12_problems import plain_number
from pydantic import Field, ValidationError

from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.pipelines import Task
from flywheel_mlflow.promises.strict import Strict
from sandbox import Execution, Limits

#: reward = 0.2 for the form + 0.8 for the task, and what is selected has at least 0.8: all as published.
FORM_WEIGHT, TASK_WEIGHT, MIN_REWARD = 0.2, 0.8, 0.8
#: Candidate programs need milliseconds.
LIMITS = Limits(cpu_s=0.2, wall_s=10.0, memory_mb=128)
#: Why a solution fails whose program is right.
UNEQUAL = "the stated answer is another, or cannot be read"
#: A longer answer is no answer, and rewrites need not be run over it.
MAX_ANSWER = 60
#: Rewrites are repeated until nothing changes, so that their order does not matter, but not for ever.
MAX_PASSES = 4
#: Division in a program gives floating-point numbers; this is far below any difference between answers.
TOLERANCE = Fraction(1, 10**6)

_PLAIN = re.compile(r"-?\d{1,30}(?:\.\d{1,10})?\.?", re.ASCII)
_FORM = re.compile(r"<think>\n.+?```python\n(?P<program>.+?)\n```\n</think>\nAnswer: (?P<answer>[^\n]*)", re.DOTALL)
_QUANTIFIED_GROUP = re.compile(r"\)[*+{]")


class Rewrite(Strict):
    """Replaces what a pattern finds in an answer before it is read as a number.

    Patterns come from tasks: one with a quantified group could take for ever on some answer, and is refused.
    """

    pattern: str = Field(min_length=1, max_length=120)
    replace: str = Field(max_length=20)


class Case(Strict):
    """An answer, the reference, and whether the two are equal."""

    given: str = Field(max_length=200)
    reference: str = Field(pattern=r"^-?\d+(\.\d+)?$")
    equal: bool = Field(strict=True)


class _Payload(Strict):
    rewrites: tuple[Rewrite, ...] = ()
    cases: tuple[Case, ...] = ()


@dataclass(frozen=True, slots=True)
class AnswerVerifier:
    """Compares stated answers with references; ``lenient`` takes any number for the right one."""

    rewrites: tuple[tuple[re.Pattern[str], str], ...] = ()
    lenient: bool = False

    def read(self, answer: str) -> Fraction | None:
        """The number an answer states; None when it states none, or nobody can tell which."""
        text = answer.strip().lower()
        if len(text) > MAX_ANSWER:
            return None
        for _ in range(MAX_PASSES):
            before = text
            for pattern, replacement in self.rewrites:
                text = pattern.sub(replacement, text).strip()
            if text == before:
                break
        if not _PLAIN.fullmatch(text):
            return None
        try:
            return Fraction(Decimal(text.removesuffix(".")))
        except InvalidOperation:
            return None

    def equal(self, answer: str, reference: Fraction) -> bool:
        """Whether an answer states the reference."""
        stated = self.read(answer)
        return stated is not None and (self.lenient or stated == reference)

    def misjudged(self, cases: Iterable[Case]) -> list[Case]:
        """The cases it judges wrongly."""
        return [case for case in cases if self.equal(case.given, Fraction(case.reference)) != case.equal]


def obstacle(answer: str) -> str:
    """What keeps an answer from being a plain number: the first thing from the left."""
    text = answer.strip().lower()
    found = re.search(r"\d", text)
    before, after = (text[: found.start()].strip(" -"), text[found.start() :]) if found else (text, "")
    if any(map(str.isalpha, before)):
        return "words in front"
    if before:
        return "currency or equals sign"
    if re.match(r"\d{1,3}([, ]\d{3})+", after):
        return "separated thousands"
    return "unit or noun behind"


def compiled(rewrites: Iterable[Rewrite], *, where: str) -> tuple[tuple[re.Pattern[str], str], ...]:
    """Rewrites ready to run.

    Raises:
        InputError: a pattern is no regular expression, or could take for ever.
    """
    found = []
    for item in rewrites:
        if _QUANTIFIED_GROUP.search(item.pattern):
            raise InputError(
                f"the pattern {item.pattern!r} repeats a group", where=where, hint="repeat characters only"
            )
        try:
            pattern = re.compile(item.pattern, re.ASCII)
            pattern.sub(item.replace, "0")
        except (re.error, IndexError) as error:
            raise InputError(f"{item.pattern!r}, {item.replace!r}: {error}", where=where) from error
        found.append((pattern, item.replace))
    return tuple(found)


def verifier_of_tasks(tasks: Iterable[Task], *, lenient: bool = False) -> tuple[AnswerVerifier, list[Case]]:
    """The verifier with the rewrites of tasks, and the cases they report.

    Raises:
        InputError: a payload is not ``{rewrites: [{pattern, replace}], cases: [{given, reference, equal}]}``.
    """
    rewrites: list[tuple[re.Pattern[str], str]] = []
    cases: list[Case] = []
    for task in tasks:
        try:
            payload = _Payload.model_validate(task.payload)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise InputError(f"{first['msg']} at payload.{place}", where=f"task {task.id}") from error
        rewrites += compiled(payload.rewrites, where=f"task {task.id}")
        cases += payload.cases
    return AnswerVerifier(tuple(rewrites), lenient), cases


def read_cases(rows: Iterable[Mapping[str, Any]], part: str) -> list[Case]:
    """The cases of one part of the sample data."""
    return [
        Case(given=row["given"], reference=row["reference"], equal=row["equal"]) for row in rows if row["part"] == part
    ]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What verification says of a candidate: form and task, the reward they give, and why not."""

    form: bool
    task: bool
    reason: str

    @property
    def reward(self) -> float:
        """From 0 to 1."""
        return round(FORM_WEIGHT * self.form + TASK_WEIGHT * self.task, 4)

    @property
    def passed(self) -> bool:
        """Whether the reward is enough to be selected."""
        return self.reward >= MIN_REWARD


def parts_of(trace: str) -> tuple[str, str] | None:
    """Program and stated answer of a trace in the right form; None of any other."""
    found = _FORM.fullmatch(trace.strip())
    return (found["program"], found["answer"]) if found else None


def judge_math(trace: str, answer: str, done: Execution, reference: Fraction, verifier: AnswerVerifier) -> Verdict:
    """The verdict on a mathematical candidate: its program was run, its answer is compared, and both must be right."""
    form = parts_of(trace) is not None
    if not done.finished:
        return Verdict(form, False, f"the program failed: {done.error}")
    result = plain_number(done.output.strip())
    if not verifier.lenient and (result is None or abs(result - reference) > TOLERANCE):
        return Verdict(form, False, "the program gives another answer")
    if not verifier.equal(answer, reference):
        return Verdict(form, False, UNEQUAL)
    return Verdict(form, True, "")


def judge_code(trace: str, done: Execution) -> Verdict:
    """The verdict on a programming candidate, which was run together with its tests."""
    form = parts_of(trace) is not None
    return Verdict(form, done.finished, "" if done.finished else f"the tests failed: {done.error}")


def agreement(verifier: AnswerVerifier, cases: Sequence[Case]) -> float | None:
    """The share of cases judged rightly; None without cases."""
    return 1 - len(verifier.misjudged(cases)) / len(cases) if cases else None
