"""Verifies exercises by running them: answers against references, solutions against tests, tests against mutants."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass

from p04_lessons import Exercise

from sandbox import Execution, Limits, run_programs

#: The exercises need milliseconds; what takes longer does not end.
LIMITS = Limits(cpu_s=0.2, wall_s=10.0, memory_mb=128)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What execution showed of an exercise.

    ``values`` are the numbers its steps gave, in order (mathematics). ``mutants`` and ``rejected`` count
    the broken variants of a solution, and those its tests noticed (code). ``reason`` says why it is not
    verified, and is empty when it is.
    """

    verified: bool
    reason: str
    values: tuple[str, ...] = ()
    mutants: int = 0
    rejected: int = 0


def verify(exercises: Sequence[Exercise]) -> list[Verdict]:
    """The verdict on each exercise, in order; everything runs in one call of the sandbox."""
    programs: list[str] = []
    spans: list[slice] = []
    for exercise in exercises:
        mine = [_program(exercise), *(mutated + "\n" + _tests(exercise) for mutated in mutants(exercise))]
        spans.append(slice(len(programs), len(programs) + len(mine)))
        programs += mine
    done = run_programs(programs, LIMITS)
    return [_verdict(exercise, done[span]) for exercise, span in zip(exercises, spans, strict=True)]


def _program(exercise: Exercise) -> str:
    if exercise.domain == "code":
        return exercise.program + "\n" + _tests(exercise)
    return "\n".join([exercise.program, *(f"print({name})" for name, _, _ in exercise.steps)])


def _tests(exercise: Exercise) -> str:
    return "\n".join(exercise.tests)


def _verdict(exercise: Exercise, done: Sequence[Execution]) -> Verdict:
    own, others = done[0], done[1:]
    if not own.finished:
        return Verdict(False, own.error)
    if exercise.domain == "math":
        values = tuple(own.output.split())
        if not values or values[-1] != exercise.reference:
            return Verdict(False, f"the program says {values[-1:]}, the reference {exercise.reference}", values)
        return Verdict(True, "", values)
    rejected = sum(not item.finished for item in others)
    if not exercise.tests or not others or others[0].finished:
        return Verdict(False, "the tests pass a function that does nothing", mutants=len(others), rejected=rejected)
    return Verdict(True, "", mutants=len(others), rejected=rejected)


def mutants(exercise: Exercise) -> list[str]:
    """Broken variants of a solution: first the function that does nothing, then one per number or comparison.

    Of a mathematical exercise, or a program that does not parse, there are none.
    """
    if exercise.domain != "code":
        return []
    try:
        tree = ast.parse(exercise.program)
    except SyntaxError:
        return []
    hollow = f"def {exercise.entry_point}(*given):\n    return None"
    places = [place for place, node in enumerate(ast.walk(tree)) if isinstance(node, ast.Constant | ast.Compare)]
    return [hollow, *(_mutated(exercise.program, place) for place in places[:2])]


def _mutated(program: str, place: int) -> str:
    tree = ast.parse(program)
    node = list(ast.walk(tree))[place]
    if isinstance(node, ast.Compare):
        node.ops[0] = ast.GtE() if isinstance(node.ops[0], ast.Lt) else ast.Lt()
    elif isinstance(node, ast.Constant):
        node.value = node.value + 1 if isinstance(node.value, int) else "?"
    return ast.unparse(tree)
