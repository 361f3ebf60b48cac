"""Problems to be solved: those taught by the textbook project, and those kept for the evaluation."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?![\w.]*\d)")
#: An exponent of four digits would be a number that fills the memory.
_PLAIN = re.compile(r"-?\d{1,400}(?:\.\d{1,40})?(?:e[+-]?\d{1,3})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class MathProblem:
    """A word problem with its right answer; problems of one ``family`` differ in their numbers only."""

    id: str
    family: str
    domain: str
    question: str
    reference: Fraction
    source: str

    @property
    def numbers(self) -> tuple[Fraction, ...]:
        """The numbers in the question, in their order."""
        return numbers_in(self.question)


@dataclass(frozen=True, slots=True)
class CodeProblem:
    """A programming task with its tests, and a solution known to pass them."""

    id: str
    family: str
    question: str
    entry_point: str
    solution: str
    tests: tuple[str, ...]
    source: str


def numbers_in(question: str) -> tuple[Fraction, ...]:
    """The numbers written in digits, in their order."""
    return tuple(Fraction(text) for text in _NUMBER.findall(question))


def plain_number(text: str) -> Fraction | None:
    """The number a text is, in plain digits or as Python prints a float; None of anything else, or anything huge."""
    return Fraction(text) if _PLAIN.fullmatch(text) else None


def masked(question: str) -> str:
    """The question in lower case with every number replaced: what siblings have in common."""
    return " ".join(_NUMBER.sub("#", question.lower()).split())


def math_problems(records: Iterable[Mapping[str, Any]], *, split: str = "train") -> list[MathProblem]:
    """The mathematical problems in a split of the teaching corpus; lessons that carry no answer are passed over."""
    found = []
    for record in records:
        metadata = record.get("metadata") or {}
        question, answer = metadata.get("question"), metadata.get("answer")
        reference = plain_number(answer) if isinstance(answer, str) else None
        if record.get("split") != split or not isinstance(question, str) or reference is None:
            continue
        family = str(metadata.get("seed", record["id"]))
        found.append(MathProblem(record["id"], family, "math", question, reference, "teaching_corpus"))
    return found


def code_problems(records: Iterable[Mapping[str, Any]], *, split: str = "train") -> list[CodeProblem]:
    """The programming tasks in a split of the verified examples; those without code or tests are passed over."""
    found = []
    for record in records:
        metadata = record.get("metadata") or {}
        wanted = ("prompt", "entry_point", "code", "tests")
        if record.get("split") != split or not all(metadata.get(name) for name in wanted):
            continue
        question, name, code, tests = (metadata[name] for name in wanted)
        family = str(metadata.get("seed", record["id"]))
        found.append(CodeProblem(record["id"], family, question, name, code, tuple(tests), "verified_code_examples"))
    return found


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The problems of the evaluation: ``public`` ones are published as an interface, ``hidden`` ones never."""

    public: tuple[MathProblem, ...]
    hidden: tuple[MathProblem, ...]

    @classmethod
    def read(cls, rows: Iterable[Mapping[str, Any]]) -> Evaluation:
        """The evaluation in rows of sample data."""
        parts: dict[str, list[MathProblem]] = {"public": [], "hidden": []}
        for row in rows:
            problem = MathProblem(
                row["prompt_id"],
                row["kind"],
                row["domain"],
                row["question"],
                Fraction(row["reference"]),
                "eval_problems",
            )
            parts[row["part"]].append(problem)
        return cls(tuple(parts["public"]), tuple(parts["hidden"]))

    def seen_in(self, questions: Iterable[str]) -> list[str]:
        """Ids of problems that are among ``questions``, whatever their numbers."""
        known = {masked(question) for question in questions}
        return [item.id for item in (*self.public, *self.hidden) if masked(item.question) in known]
