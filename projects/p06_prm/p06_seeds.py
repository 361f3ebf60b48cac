"""Collects the problems that traces are made of: this project's own, and those other projects verified."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox import Limits, run_programs

#: How many problems are taken from each other project, so that none outweighs our own.
MOST_MATH, MOST_CODE, MOST_PICTURES = 24, 14, 10
LIMITS = Limits(cpu_s=1.0, wall_s=10.0, memory_mb=128)

_NAME = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True)
class SeedStep:
    """A step of a solution in mathematics: ``name = expression``; ``operands`` are what its wording mentions."""

    name: str
    expression: str
    form: str = "arithmetic"
    operands: tuple[str | int, ...] = ()


@dataclass(frozen=True, slots=True)
class Seed:
    """A problem. ``id`` begins with the project it comes from: ids of two sources never meet.

    Mathematics has ``parameters`` and ``steps``; code has ``lines`` of a function and ``tests``. ``split`` is that of
    the record it comes from, which it keeps, and empty for a problem of this project's own.
    """

    id: str
    domain: str
    topic: str
    prompt: str
    parameters: Mapping[str, float]
    steps: tuple[SeedStep, ...] = ()
    lines: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    split: str = ""

    @property
    def source(self) -> str:
        """The project the problem comes from."""
        return self.id.split(":", 1)[0]

    def program(self, wrong: tuple[int, float] | None = None) -> str:
        """A program that prints the values of all steps; ``wrong`` replaces the value of one step by another."""
        lines = ["import json", *(f"{name} = {value!r}" for name, value in self.parameters.items())]
        for index, step in enumerate(self.steps):
            lines.append(f"{step.name} = {step.expression}")
            if wrong is not None and wrong[0] == index:
                lines.append(f"{step.name} = {wrong[1]!r}")
        return "\n".join([*lines, f"print(json.dumps([{', '.join(step.name for step in self.steps)}]))"])


def own_seeds(rows: Iterable[Mapping[str, Any]]) -> list[Seed]:
    """The problems of this project."""
    return [
        Seed(
            id=f"p06:{row['id']}",
            domain="math",
            topic=row["topic"],
            prompt=row["prompt"],
            parameters=row["parameters"],
            steps=tuple(
                SeedStep(step["name"], step["expression"], step["form"], tuple(step["operands"]))
                for step in row["steps"]
            ),
        )
        for row in rows
    ]


def lesson_seeds(records: Iterable[Mapping[str, Any]]) -> list[Seed]:
    """Problems in mathematics of the teaching corpus: those whose program is nothing but assignments, one a seed."""
    found: dict[str, Seed] = {}
    for record in records:
        about = record["metadata"]
        if about.get("domain") != "math" or not isinstance(about.get("program"), str):
            continue
        parts = _assignments(about["program"])
        key = str(about.get("seed"))
        if parts is not None and key not in found:
            parameters, steps = parts
            prompt = str(about.get("question") or record["content"])
            found[key] = Seed(
                f"{record['id']}", "math", str(about.get("topic")), prompt, parameters, steps, split=record["split"]
            )
    return list(found.values())[:MOST_MATH]


def _assignments(program: str) -> tuple[dict[str, float], tuple[SeedStep, ...]] | None:
    """Parameters and steps of a program of assignments that ends by assigning ``answer``; None of another program."""
    try:
        body = ast.parse(program).body
    except SyntaxError:
        return None
    parameters: dict[str, float] = {}
    steps: list[SeedStep] = []
    for node in body:
        if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name):
            return None
        name, value = node.targets[0].id, node.value
        if name == "answer":
            break
        if isinstance(value, ast.Constant) and isinstance(value.value, int | float):
            parameters[name] = value.value
        else:
            steps.append(SeedStep(name, ast.unparse(value)))
    return (parameters, tuple(steps)) if steps else None


def code_seeds(records: Iterable[Mapping[str, Any]]) -> list[Seed]:
    """Programming tasks of the verified examples: one a seed, of functions of at least two lines."""
    found: dict[str, Seed] = {}
    for record in records:
        about = record["metadata"]
        if not isinstance(about.get("code"), str) or not about.get("tests"):
            continue
        lines = tuple(line for line in about["code"].splitlines() if line.strip())
        key = str(about.get("seed"))
        if len(lines) > 2 and lines[0].startswith("def ") and key not in found:
            tests = tuple(map(str, about["tests"]))
            prompt = str(about.get("prompt") or about.get("entry_point"))
            found[key] = Seed(
                str(record["id"]),
                "code",
                str(about.get("topic")),
                prompt,
                {},
                lines=lines,
                tests=tests,
                split=record["split"],
            )
    return list(found.values())[:MOST_CODE]


def picture_seeds(records: Iterable[Mapping[str, Any]]) -> list[Seed]:
    """Counting problems of pictures whose objects were counted: at least three kinds of object."""
    found = []
    for record in records:
        counts = record["metadata"].get("object_counts")
        if not isinstance(counts, Mapping) or len(counts) < 3:
            continue
        parameters = {f"n{number}": int(count) for number, count in enumerate(counts.values(), start=1)}
        shown = ", ".join(f"{count} {name}" + ("s" if count != 1 else "") for name, count in counts.items())
        names = list(parameters)
        steps = [SeedStep("pair", f"{names[0]} + {names[1]}")]
        steps += [SeedStep(f"with_{name}", f"{steps[-1].name} + {name}") for name in names[2:3]]
        for name in names[3:]:
            steps.append(SeedStep(f"with_{name}", f"{steps[-1].name} + {name}"))
        picture = record["metadata"]["asset_id"]
        prompt = f"The picture {picture} shows {shown}. How many objects does it show?"
        found.append(
            Seed(f"{record['id']}", "math", "counting", prompt, parameters, tuple(steps), split=record["split"])
        )
    return found[:MOST_PICTURES]


def executed_values(
    seeds: Sequence[Seed], wrong: Sequence[tuple[int, float] | None] | None = None
) -> list[list[float] | None]:
    """The values of every seed's steps as execution gives them; None of a seed whose program does not finish."""
    chosen = wrong if wrong is not None else [None] * len(seeds)
    programs = [seed.program(item) for seed, item in zip(seeds, chosen, strict=True)]
    found: list[list[float] | None] = []
    for seed, done in zip(seeds, run_programs(programs, LIMITS), strict=True):
        values = _numbers(done.output) if done.finished else None
        found.append(values if values is not None and len(values) == len(seed.steps) else None)
    return found


def _numbers(output: str) -> list[float] | None:
    try:
        values = json.loads(output)
    except ValueError:
        return None
    good = isinstance(values, list) and all(type(value) in (int, float) for value in values)
    return values if good else None


def shown(value: float) -> str:
    """A number as steps write it: whole where it is whole, else to six decimals."""
    return str(int(value)) if float(value).is_integer() else f"{value:.6f}".rstrip("0")


def word_step(step: SeedStep, known: Mapping[str, float], claimed: float) -> str:
    """A step in words, with the values known before it and the value it claims."""
    if step.form == "arithmetic":
        filled = _NAME.sub(lambda found: shown(known[found[0]]) if found[0] in known else found[0], step.expression)
        return f"{step.name.replace('_', ' ')}: {filled} = {shown(claimed)}"
    parts = [item if isinstance(item, int) else shown(known[item]) for item in step.operands]
    result = shown(claimed)
    if step.form == "percent":
        return f"{parts[0]}% of {parts[1]} is {result}"
    if step.form == "fraction":
        return f"{parts[0]}/{parts[1]} of {parts[2]} is {result}"
    if step.form == "average":
        return f"the average of {', '.join(map(str, parts[:-1]))} and {parts[-1]} is {result}"
    if step.form == "remainder":
        return f"{parts[0]} divided by {parts[1]} leaves {result}"
    return f"{parts[0]} hours and {parts[1]} minutes are {result} minutes"
