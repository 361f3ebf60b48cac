"""Reads worded steps by rules, and lets execution say whether what they claim is so."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from string import Formatter
from typing import Any

from flywheel_mlflow.base.errors import FlywheelError, InputError
from sandbox import Limits, run_program

#: Claimed and executed values are equal within this relative difference: both pass through decimal text.
TOLERANCE = 1e-6
MAX_PATTERN, MAX_STEP = 300, 300
LIMITS = Limits(cpu_s=2.0, wall_s=20.0, memory_mb=128)

_NUMBERS = re.compile(r"[\d., ]+(?: and [\d.]+)?")
_ALLOWED_CALLS = {"sum", "len", "min", "max"}
_ALLOWED = (
    ast.Expression,
    ast.BinOp,
    ast.UnaryOp,
    ast.USub,
    ast.Add,
    ast.Sub,
    ast.Mult,
    ast.Div,
    ast.FloorDiv,
    ast.Mod,
    ast.Constant,
    ast.Call,
    ast.Name,
    ast.Load,
    ast.List,
    ast.Tuple,
)


class Verdict(StrEnum):
    """What execution says of a step; UNREAD means no rule reads it, which is neither right nor wrong."""

    RIGHT = "right"
    WRONG = "wrong"
    UNREAD = "unread"


@dataclass(frozen=True, slots=True)
class Rule:
    """How one form of step is read.

    ``pattern`` has the named group ``claimed`` and those ``expression``, a template of Python arithmetic, is filled
    with.
    """

    name: str
    pattern: re.Pattern[str]
    expression: str


def make_rule(name: str, pattern: str, expression: str, *, where: str) -> Rule:
    """A rule from texts of a task or of this module.

    Raises:
        InputError: no regular expression, too long, no group ``claimed``, or a template of other groups.
    """
    if len(pattern) > MAX_PATTERN:
        raise InputError(f"the pattern of the rule {name!r} is longer than {MAX_PATTERN} characters", where=where)
    try:
        compiled = re.compile(pattern)
        parsed = [(field, spec, conversion) for _, field, spec, conversion in Formatter().parse(expression) if field]
    except (re.error, ValueError) as error:
        raise InputError(f"the rule {name!r} cannot be read: {error}", where=where) from error
    fields = {field for field, _, _ in parsed}
    if any(spec or conversion for _, spec, conversion in parsed):
        raise InputError(f"the rule {name!r} formats its groups; only their names may stand in braces", where=where)
    if "claimed" not in compiled.groupindex or not fields <= set(compiled.groupindex):
        raise InputError(f"the rule {name!r} needs the group 'claimed' and a group for {sorted(fields)}", where=where)
    return Rule(name, compiled, expression)


#: What the verifier reads from the start: a line of arithmetic after an optional name.
BASE_RULES = (
    make_rule(
        "arithmetic",
        r"^(?:[a-z_ ]+: )?(?P<expression>[\d(-][-+*/%(). \d]*) = (?P<claimed>-?\d+(?:\.\d+)?)$",
        "{expression}",
        where="base rules",
    ),
)


@dataclass(frozen=True, slots=True)
class Reading:
    """A step as a rule reads it: ``expression`` is checked arithmetic of numbers, ``claimed`` what it should give."""

    rule: str
    expression: str
    claimed: float


def read_step(text: str, rules: Iterable[Rule]) -> Reading | None:
    """The first reading a rule gives of a step, or None."""
    if len(text) > MAX_STEP:
        return None
    for rule in rules:
        found = rule.pattern.search(text)
        if found is None:
            continue
        groups = {name: _plain(value) for name, value in found.groupdict().items() if value is not None}
        try:
            expression = rule.expression.format(**groups)
            claimed = float(groups["claimed"])
        except (KeyError, IndexError, ValueError):
            continue
        if is_arithmetic(expression):
            return Reading(rule.name, expression, claimed)
    return None


def _plain(value: str) -> str:
    return value.replace(" and ", ", ") if _NUMBERS.fullmatch(value) else value


def is_arithmetic(expression: str) -> bool:
    """Whether a text is arithmetic of numbers and nothing else: no names but sums and the like, no powers."""
    try:
        tree = ast.parse(expression.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if not isinstance(node, _ALLOWED):
            return False
        if isinstance(node, ast.Constant) and type(node.value) not in (int, float):
            return False
        if isinstance(node, ast.Name) and (node.id not in _ALLOWED_CALLS or id(node) not in called):
            return False
        if isinstance(node, ast.Call) and (not isinstance(node.func, ast.Name) or node.keywords):
            return False
    return True


def values_of(expressions: Sequence[str]) -> list[float | None]:
    """What execution gives for each arithmetic expression; None where it raises.

    Raises:
        FlywheelError: the sandbox did not run the program to its end.
    """
    lines = ["import json", "values = []"]
    for expression in expressions:
        lines += ["try:", f"    values.append(float({expression}))", "except (ArithmeticError, ValueError):"]
        lines += ["    values.append(None)"]
    done = run_program("\n".join([*lines, "print(json.dumps(values))"]), _roomy(len(expressions)))
    if not done.finished:
        raise FlywheelError(f"the steps could not be executed: {done.error}")
    values: list[float | None] = json.loads(done.output)
    return values


def _roomy(count: int) -> Limits:
    return Limits(LIMITS.cpu_s, LIMITS.wall_s, LIMITS.memory_mb, output_bytes=1000 + 30 * count)


def equal(one: float, two: float) -> bool:
    """Whether two values are equal but for rounding."""
    return abs(one - two) <= TOLERANCE * max(1.0, abs(one), abs(two))


def verify_steps(texts: Sequence[str], rules: Sequence[Rule]) -> list[Verdict]:
    """The verdict on each step; all are executed in one program."""
    readings = [read_step(text, rules) for text in texts]
    read = [reading for reading in readings if reading is not None]
    values = iter(values_of([reading.expression for reading in read]))
    found = []
    for reading in readings:
        if reading is None:
            found.append(Verdict.UNREAD)
            continue
        value = next(values)
        right = value is not None and equal(value, reading.claimed)
        found.append(Verdict.RIGHT if right else Verdict.WRONG)
    return found


@dataclass(frozen=True, slots=True)
class Admission:
    """Which rules of tasks joined the verifier, and why others did not."""

    rules: tuple[Rule, ...]
    refused: Mapping[str, str]


def admit_rules(payloads: Iterable[tuple[str, Mapping[str, Any]]], base: Sequence[Rule]) -> Admission:
    """The base rules with those of tasks, given as (task id, payload), that judge their own cases as stated.

    A payload has ``rules`` ({name, pattern, expression}) and ``cases`` ({text, valid}). A rule without a case it reads
    is refused: nobody can say what it does.

    Raises:
        InputError: a payload is not of this shape, or a rule cannot be read.
    """
    rules, refused = list(base), {}
    for task, payload in payloads:
        cases = _cases(payload, task)
        for row in _rows(payload, "rules", ("name", "pattern", "expression"), task):
            rule = make_rule(row["name"], row["pattern"], row["expression"], where=task)
            read = [case for case in cases if read_step(case["text"], [rule]) is not None]
            verdicts = verify_steps([case["text"] for case in read], [rule])
            wrong = sum(
                (verdict is Verdict.RIGHT) != case["valid"] for verdict, case in zip(verdicts, read, strict=True)
            )
            if not read or wrong:
                refused[f"{task}/{rule.name}"] = f"{wrong} of {len(read)} cases it reads are judged otherwise"
            else:
                # Before the base rules: the special form is tried first.
                rules.insert(len(rules) - len(base), rule)
    return Admission(tuple(rules), refused)


def _rows(payload: Mapping[str, Any], key: str, names: tuple[str, ...], task: str) -> list[dict[str, str]]:
    rows = payload.get(key)
    if not isinstance(rows, list) or not all(
        isinstance(row, dict) and all(isinstance(row.get(name), str) for name in names) for row in rows
    ):
        raise InputError(f"the payload needs {key!r}: a list of objects with {', '.join(names)}", where=task)
    return rows


def _cases(payload: Mapping[str, Any], task: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = list(_rows(payload, "cases", ("text",), task))
    if not all(isinstance(row.get("valid"), bool) for row in rows):
        raise InputError("every case needs 'valid': true or false", where=task)
    return rows
