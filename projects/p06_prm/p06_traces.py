"""Makes of each problem a correct trace, a corrupted one and a repaired one."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from p06_seeds import Seed, executed_values, shown, word_step

TRACE_TYPES = ("positive", "negative", "repair")
#: Share of corrupted traces that reach the right answer in spite of a wrong step: only steps betray them.
COMPENSATED = 0.7


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a trace.

    ``kind`` is solve, error, carried (right in itself, built on an error) or repair; ``line`` is the number of the
    code line it writes, None in mathematics; ``code`` that line.
    """

    text: str
    kind: str
    line: int | None = None
    code: str = ""

    @property
    def label(self) -> int:
        """1 for a step to be rewarded, 0 for one that is wrong or builds on a wrong one."""
        return int(self.kind in {"solve", "repair"})


@dataclass(frozen=True, slots=True)
class Trace:
    """Steps towards the answer of a seed; ``answer`` is what the last step claims (None in code)."""

    seed: Seed
    trace_type: str
    steps: tuple[Step, ...]
    answer: float | None
    split: str = ""

    @property
    def id(self) -> str:
        """``<seed>_<type>``."""
        return f"{self.seed.id}_{self.trace_type}"

    @property
    def expected(self) -> bool:
        """Whether a trace of this type must pass: a corrupted one must not."""
        return self.trace_type != "negative"

    @property
    def standing(self) -> tuple[int, ...]:
        """Numbers of the steps that no later step takes back: a repair takes back the error before it."""
        repaired = any(step.kind == "repair" for step in self.steps)
        return tuple(number for number, step in enumerate(self.steps) if not (repaired and step.kind == "error"))


def math_traces(
    seeds: Sequence[Seed], draw: Callable[[str], random.Random], *, spoil: Callable[[Seed], bool]
) -> tuple[list[Trace], dict[str, float], list[Seed]]:
    """Traces of problems in mathematics, the executed answers by seed, and the seeds that could not be executed.

    ``spoil`` says of which seeds the corrupted step keeps its right value: the fault label_noise.
    """
    values = executed_values(seeds)
    usable = [(seed, found) for seed, found in zip(seeds, values, strict=True) if found is not None]
    plans = []
    for seed, found in usable:
        rng = draw(seed.id)
        place = rng.randrange(max(1, len(seed.steps) - 1))
        wrong = found[place] if spoil(seed) else _wrong_value(found[place], rng)
        plans.append((place, wrong, len(seed.steps) > 1 and rng.random() < COMPENSATED))
    carried = executed_values([seed for seed, _ in usable], [(place, wrong) for place, wrong, _ in plans])
    traces: list[Trace] = []
    for (seed, right), (place, wrong, compensated), after in zip(usable, plans, carried, strict=True):
        if after is not None:
            traces += _math_traces(seed, right, right if compensated else after, place, wrong)
    answers = {seed.id: found[-1] for seed, found in usable}
    return traces, answers, [seed for seed, found in zip(seeds, values, strict=True) if found is None]


def _wrong_value(value: float, rng: random.Random) -> float:
    """Another value near enough to look right."""
    return value + rng.choice((-1, 1)) * max(1, round(abs(value) * rng.choice((0.02, 0.1, 0.5))))


def _math_traces(
    seed: Seed, right: Sequence[float], after: Sequence[float], place: int, wrong: float
) -> Iterator[Trace]:
    good = [_worded(seed, right, index, right[index], "solve") for index in range(len(right))]
    yield Trace(seed, "positive", tuple(good), right[-1])
    error = _worded(seed, right, place, wrong, "error")
    kept = after[place + 1 :] == right[place + 1 :]
    rest = [
        _worded(seed, after, index, after[index], "solve" if kept else "carried")
        for index in range(place + 1, len(right))
    ]
    reached = after[-1] if place + 1 < len(right) else wrong
    yield Trace(seed, "negative", (*good[:place], error, *rest), reached)
    mended = replace(good[place], kind="repair", text=f"Step {place + 1} is wrong. {good[place].text}")
    yield Trace(seed, "repair", (*good[:place], error, mended, *good[place + 1 :]), right[-1])


def _worded(seed: Seed, values: Sequence[float], index: int, claimed: float, kind: str) -> Step:
    known: dict[str, float] = dict(seed.parameters)
    known |= {step.name: value for step, value in zip(seed.steps[:index], values[:index], strict=True)}
    return Step(word_step(seed.steps[index], known, claimed), kind)


#: Mutations of one line, tried in this order from a drawn start: (pattern, replacement).
_MUTATIONS = (
    (r" \+ ", " - "),
    (r" - ", " + "),
    (r" == ", " != "),
    (r" < ", " <= "),
    (r" > ", " >= "),
    (r" \* ", " + "),
    (r"\b0\b", "1"),
    (r"\b1\b", "2"),
    (r"\breturn (.+)", r"return not (\1)"),
    (r"\bTrue\b", "False"),
)


def code_traces(seeds: Sequence[Seed], draw: Callable[[str], random.Random]) -> list[Trace]:
    """Traces of programming tasks: a step writes a line of the function, the corrupted one writes it wrong."""
    traces: list[Trace] = []
    for seed in seeds:
        mutated = _mutated(seed.lines, draw(seed.id))
        if mutated is not None:
            traces += _code_traces(seed, *mutated)
    return traces


def _mutated(lines: Sequence[str], rng: random.Random) -> tuple[int, str] | None:
    places = list(range(1, len(lines)))
    rng.shuffle(places)
    for place in places:
        start = rng.randrange(len(_MUTATIONS))
        for pattern, new in (*_MUTATIONS[start:], *_MUTATIONS[:start]):
            changed = re.sub(pattern, new, lines[place], count=1)
            if changed != lines[place]:
                return place, changed
    return None


def _code_traces(seed: Seed, place: int, wrong: str) -> Iterator[Trace]:
    good = [Step(f"Write line {number + 1}: `{line}`", "solve", number, line) for number, line in enumerate(seed.lines)]
    yield Trace(seed, "positive", tuple(good), None)
    error = Step(f"Write line {place + 1}: `{wrong}`", "error", place, wrong)
    rest = [replace(step, kind="carried") for step in good[place + 1 :]]
    yield Trace(seed, "negative", (*good[:place], error, *rest), None)
    mended = replace(good[place], kind="repair", text=f"Line {place + 1} is wrong. {good[place].text}")
    yield Trace(seed, "repair", (*good[:place], error, mended, *good[place + 1 :]), None)


def prefix_programs(trace: Trace) -> list[str]:
    """For each step of a code trace, a program that tests what was written so far, completed by the reference.

    A prefix that no completion of the reference saves is where the trace goes wrong: step labels by completion, with
    one completion that is known to be right.
    """
    programs, written = [], dict(enumerate(trace.seed.lines))
    for step in trace.steps:
        if step.line is not None:
            written[step.line] = step.code
        lines = [written[number] for number in sorted(written)]
        programs.append("\n".join([*lines, *trace.seed.tests]))
    return programs


def describe(trace: Trace) -> str:
    """The problem and the numbered steps as one text."""
    steps = [f"{number}. {step.text}" for number, step in enumerate(trace.steps, start=1)]
    return "\n".join([f"Problem: {trace.seed.prompt}", *steps, *answer_line(trace)])


def answer_line(trace: Trace) -> list[str]:
    """``Answer: ...`` in mathematics, nothing in code."""
    return [] if trace.answer is None else [f"Answer: {shown(trace.answer)}"]


def by_seed(traces: Sequence[Trace]) -> Mapping[str, list[Trace]]:
    """Traces by the id of their seed."""
    found: dict[str, list[Trace]] = {}
    for trace in traces:
        found.setdefault(trace.seed.id, []).append(trace)
    return found
