"""Fills seeds with parameters: the question, the program that answers it, and the lesson that teaches it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flywheel_mlflow.base.errors import InputError

#: Below this a lesson explains nothing (the shortest good one has about 30 words).
MIN_LESSON_WORDS = 20
_WORD = re.compile(r"\w+|[^\w\s]")
_PLACEHOLDER = re.compile(r"\{[A-Za-z_]*\}")


@dataclass(frozen=True, slots=True)
class Exercise:
    """One exercise: a seed filled with parameters.

    ``question`` is what a pupil reads; ``program`` is Python source that assigns ``answer`` (mathematics)
    or defines the function asked for (code); ``tests`` are assertions, one a line, of code only;
    ``reference`` is the answer of the problem set, empty for code.
    """

    id: str
    seed: str
    domain: str
    topic: str
    difficulty: str
    question: str
    program: str
    reference: str
    tests: tuple[str, ...]
    entry_point: str
    steps: tuple[tuple[str, str, str], ...]


def fill(seed: Mapping[str, Any], drawn: Mapping[str, Any]) -> Exercise:
    """The exercise of a seed with drawn parameters.

    Raises:
        InputError: the seed's domain is neither math nor code.
    """
    values = drawn["parameters"]
    common = (drawn["id"], seed["seed"], seed["domain"], seed["topic"], seed["difficulty"])
    if seed["domain"] == "math":
        steps = tuple((name, expression, sentence) for name, expression, sentence in seed["steps"])
        return Exercise(
            *common,
            question=seed["question"].format(**values),
            program=_math_program(values, steps),
            reference=drawn["reference"],
            tests=(),
            entry_point="",
            steps=steps,
        )
    if seed["domain"] == "code":
        name = seed["entry_point"]
        return Exercise(
            *common,
            question=f"Write a function `{name}` that {seed['prompt'].format(**values)}.",
            program=seed["solution"].format(**values),
            reference="",
            tests=tuple(f"assert {name}({given!r}) == {expected!r}" for given, expected in drawn["reference"]),
            entry_point=name,
            steps=(),
        )
    raise InputError(f"a seed is of math or code, not of {seed['domain']!r}", where=str(seed["seed"]))


def _math_program(values: Mapping[str, int], steps: Sequence[tuple[str, str, str]]) -> str:
    lines = [f"{name} = {value}" for name, value in values.items()]
    lines += [f"{name} = {expression}" for name, expression, _ in steps]
    return "\n".join([*lines, f"answer = {steps[-1][0]}"])


def math_lesson(exercise: Exercise, values: Sequence[str]) -> str:
    """The worked lesson of a mathematical exercise; ``values`` are what execution gave for its steps."""
    worked = [
        f"Step {number}. {sentence} {name.replace('_', ' ')} = {expression} = {value}"
        for number, ((name, expression, sentence), value) in enumerate(zip(exercise.steps, values, strict=True), 1)
    ]
    numbers = ", ".join(line for line in exercise.program.splitlines()[: _parameters(exercise)])
    return "\n".join(
        [
            f"{exercise.topic.capitalize()} ({exercise.difficulty})",
            f"Question: {exercise.question}",
            f"Call the numbers {numbers}.",
            *worked,
            f"Answer: {values[-1]}",
        ]
    )


def _parameters(exercise: Exercise) -> int:
    return len(exercise.program.splitlines()) - len(exercise.steps) - 1


def code_lesson(exercise: Exercise) -> str:
    """The lesson of a programming task: what is asked, what examples say, how the solution is read."""
    examples = [test.removeprefix("assert ").replace(" == ", " gives ", 1) for test in exercise.tests[:2]]
    return "\n".join(
        [
            f"{exercise.topic.capitalize()} ({exercise.difficulty})",
            f"Task: {exercise.question}",
            *(f"Example: {example}" for example in examples),
            "First say in words what happens to one item, then to all of them, then to an empty input.",
            f"Solution:\n{exercise.program}",
            f"It was run against {len(exercise.tests)} tests and passed them all.",
        ]
    )


def code_example(exercise: Exercise) -> str:
    """The bare example: prompt as comment, solution, tests."""
    return "\n".join([f"# {exercise.question}", exercise.program, "", *exercise.tests])


def audit(lesson: str) -> tuple[str, ...]:
    """What is wrong with a lesson as text, whatever its answer."""
    flags = []
    if _PLACEHOLDER.search(lesson.split("Solution:", maxsplit=1)[0]):
        flags.append("open placeholder")
    if len(lesson.split()) < MIN_LESSON_WORDS:
        flags.append("too short")
    if not lesson.rstrip().splitlines()[-1].strip().strip(":"):
        flags.append("no ending")
    return tuple(flags)


def tokens_in(text: str) -> int:
    """Estimated tokens: words and punctuation marks, which is what a tokenizer makes of short plain English."""
    return len(_WORD.findall(text))
