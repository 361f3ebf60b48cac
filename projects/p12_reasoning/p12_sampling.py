"""Samples candidate solutions, has them verified by execution, and selects: rejection sampling in rounds."""

from __future__ import annotations

import ast
import random
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from fractions import Fraction

from p12_policy import Example, Expression, Policy, holds
from p12_problems import CodeProblem, MathProblem
from p12_verifier import LIMITS, AnswerVerifier, Verdict, judge_code, judge_math

from sandbox import run_programs

#: As published: four samples a prompt, at most two of them selected.
SAMPLES, SELECTED_PER_PROMPT = 4, 2
#: After each round the model is trained anew, and tries again what it has not solved.
ROUNDS = 2
#: How models write: mostly with words and signs around the number; now and then they slip or forget the form.
STYLED, SLIPPED, FORMLESS = 0.8, 0.05, 0.05
#: How often a sampled program is the right one; of the other programs each breaks one place.
RIGHT_PROGRAM = 0.5

_NOUN = re.compile(r"[Hh]ow many (?:good )?([a-z]+)")
_QUANTITY = re.compile(r"\b(remainder|sum|area|average|speed|volume)\b")


@dataclass(frozen=True, slots=True)
class Candidate:
    """One sampled solution; ``expression`` is what the model chose, None for code."""

    problem: MathProblem | CodeProblem
    number: int
    program: str
    answer: str
    trace: str
    expression: Expression | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """A candidate with its verdict; ``lucky`` answers rightly but not for the problem's siblings."""

    candidate: Candidate
    verdict: Verdict
    lucky: bool = False


def trace_of(thought: str, program: str, answer: str, *, form: bool = True) -> str:
    """A trace in the form the verifier asks for, or without it."""
    if not form:
        return f"{program}\n{answer}"
    return f"<think>\n{thought}\n```python\n{program}\n```\n</think>\nAnswer: {answer}"


def plain(value: Fraction) -> str:
    """A number as digits."""
    return str(value.numerator) if value.denominator == 1 else f"{float(value):.2f}"


def styled(value: Fraction, question: str, rng: random.Random) -> str:
    """A number as models write it: with a noun, a sign or a name, and separators between thousands."""
    text = f"{value.numerator:,}" if value.denominator == 1 else f"{float(value):,.2f}"
    if "euros" in question:
        return rng.choice((f"€{text}", f"{text} euros"))
    if found := _NOUN.search(question):
        return f"{text} {found[1]}"
    if found := _QUANTITY.search(question):
        return rng.choice((f"the {found[1]} is {text}", f"= {text}"))
    return f"= {text}"


def sample_math(problem: MathProblem, policy: Policy, rng: random.Random, start: int) -> list[Candidate]:
    """Candidates for a word problem, numbered from ``start``."""
    found = []
    for number, expression in enumerate(policy.sample(problem.question, rng, SAMPLES), start=start):
        value = expression.value(problem.numbers)
        program = expression.program(problem.numbers)
        if value is None:
            answer = "unknown"
        else:
            value += rng.random() < SLIPPED
            answer = styled(value, problem.question, rng) if rng.random() < STYLED else plain(value)
        thought = f"The numbers are {', '.join(map(plain, problem.numbers))}; the words ask for {expression.text}."
        trace = trace_of(thought, program, answer, form=rng.random() >= FORMLESS)
        found.append(Candidate(problem, number, program, answer, trace, expression))
    return found


def sample_code(problem: CodeProblem, rng: random.Random) -> list[Candidate]:
    """Candidates for a programming task: the known solution, or one broken in a place."""
    broken = broken_programs(problem.solution)
    found = []
    for number in range(1, SAMPLES + 1):
        program = problem.solution if not broken or rng.random() < RIGHT_PROGRAM else rng.choice(broken)
        thought = f"The function {problem.entry_point} is asked for; it is written and tried."
        trace = trace_of(thought, program, problem.entry_point, form=rng.random() >= FORMLESS)
        found.append(Candidate(problem, number, program, problem.entry_point, trace))
    return found


def broken_programs(program: str) -> list[str]:
    """The program with one number raised by one, or one comparison turned, for each such place."""
    places = [place for place, node in enumerate(ast.walk(ast.parse(program))) if _breakable(node)]
    return list(dict.fromkeys(_broken(program, place) for place in places))


def _breakable(node: ast.AST) -> bool:
    return isinstance(node, ast.Compare) or (isinstance(node, ast.Constant) and type(node.value) is int)


def _broken(program: str, place: int) -> str:
    tree = ast.parse(program)
    node = list(ast.walk(tree))[place]
    if isinstance(node, ast.Compare):
        node.ops[0] = ast.Gt() if isinstance(node.ops[0], ast.Lt) else ast.Lt()
    elif isinstance(node, ast.Constant) and isinstance(node.value, int):
        node.value += 1
    return ast.unparse(tree)


def verify(
    candidates: Sequence[Candidate], verifier: AnswerVerifier, families: Mapping[str, Sequence[MathProblem]]
) -> list[Judged]:
    """The verdict on each candidate; equal programs are run once."""
    sources = {_source(item): None for item in candidates}
    done = dict(zip(sources, run_programs(sources, LIMITS), strict=True))
    found = []
    for item in candidates:
        if isinstance(item.problem, CodeProblem):
            found.append(Judged(item, judge_code(item.trace, done[_source(item)])))
            continue
        verdict = judge_math(item.trace, item.answer, done[_source(item)], item.problem.reference, verifier)
        siblings = families.get(item.problem.family, ())
        lucky = verdict.task and item.expression is not None and not holds(item.expression, siblings)
        found.append(Judged(item, verdict, lucky))
    return found


def _source(candidate: Candidate) -> str:
    if isinstance(candidate.problem, CodeProblem):
        return "\n".join([candidate.program, *candidate.problem.tests])
    return candidate.program


def select(judged: Sequence[Judged]) -> list[Judged]:
    """Of each problem's candidates that passed, and not by luck, the best: different programs, at most two."""
    by_problem: dict[str, list[Judged]] = defaultdict(list)
    for item in judged:
        if item.verdict.passed and not item.lucky:
            by_problem[item.candidate.problem.id].append(item)
    chosen: list[Judged] = []
    for items in by_problem.values():
        items.sort(key=lambda item: (-item.verdict.reward, item.candidate.number))
        different = {item.candidate.trace: item for item in reversed(items)}
        chosen += sorted(different.values(), key=lambda item: (-item.verdict.reward, item.candidate.number))[
            :SELECTED_PER_PROMPT
        ]
    return chosen


@dataclass(frozen=True, slots=True)
class Sampled:
    """All rounds of rejection sampling: every judged candidate, the selected ones, and the model at the end."""

    judged: tuple[Judged, ...]
    selected: tuple[Judged, ...]
    policy: Policy


def rejection_sampling(
    problems: Sequence[MathProblem],
    tasks: Sequence[CodeProblem],
    cold: Sequence[Example],
    solved_before: AbstractSet[str],
    verifier: AnswerVerifier,
    draws: Callable[..., random.Random],
) -> Sampled:
    """Sample, verify, select, train; the next round takes on what is unsolved.

    ``cold`` is what the model knows beforehand, from the problems ``solved_before``, which are no prompts.
    ``draws`` gives a generator for a purpose: every prompt has its own, so that one more prompt changes no other.
    """
    families: dict[str, list[MathProblem]] = defaultdict(list)
    for problem in problems:
        families[problem.family].append(problem)
    coded = [item for task in tasks for item in sample_code(task, draws("code", task.id))]
    judged, selected = verify(coded, verifier, families), list[Judged]()
    policy = Policy(cold)
    for turn in range(ROUNDS):
        done = {item.candidate.problem.id for item in selected}
        todo = [problem for problem in problems if problem.id not in done | solved_before]
        drawn = [
            item
            for problem in todo
            for item in sample_math(problem, policy, draws("math", turn, problem.id), 1 + turn * SAMPLES)
        ]
        judged += verify(drawn, verifier, families)
        selected = select(judged)
        policy = Policy([*cold, *examples_of(selected)])
    return Sampled(tuple(judged), tuple(selected), policy)


def examples_of(selected: Sequence[Judged]) -> list[Example]:
    """What the model learns from selected candidates: code teaches it nothing."""
    return [
        Example(item.candidate.problem.question, item.candidate.expression)
        for item in selected
        if item.candidate.expression is not None
    ]
