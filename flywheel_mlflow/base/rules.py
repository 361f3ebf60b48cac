"""Rules over numbers, such as ``p01.quality_retention < 0.25``: parsed, never evaluated as code."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flywheel_mlflow.base.errors import InputError

#: The comparisons of every rule that people write.
COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_CONDITION = re.compile(
    r"\s*(?P<metric>[a-z][a-z0-9_]*(?:\.[a-z0-9_]+)+)\s*(?P<op><=|>=|==|!=|<|>)\s*"
    r"(?P<limit>-?\d{1,15}(?:\.\d{1,15})?(?:[eE][-+]?\d{1,2})?)\s*",
    re.ASCII,
)
#: The largest distance from a limit: with what it is multiplied, a rank stays a number.
MOST_DISTANT = 1e12
_UNLESS = re.compile(r"(?P<rule>.+?)\s+unless\s+(?P<metric>[a-z][a-z0-9_]*(?:\.[a-z0-9_]+)+)\s+is\s+known", re.ASCII)


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison: metric name, operator, limit in the metric's unit."""

    metric: str
    op: str
    limit: float

    def holds(self, value: float | None) -> bool | None:
        """Whether it holds; None when the value is unknown."""
        return None if value is None else COMPARE[self.op](value, self.limit)

    def distance(self, value: float | None) -> float | None:
        """How far beyond the limit the value is, as a share of the limit (0 on the limit).

        A limit of 0 has no share; there the distance is the plain difference. Beyond ``MOST_DISTANT`` all is the same.
        """
        if value is None:
            return None
        return min(abs(value - self.limit) / (abs(self.limit) or 1.0), MOST_DISTANT)

    def __str__(self) -> str:
        return f"{self.metric} {self.op} {self.limit:g}"


@dataclass(frozen=True, slots=True)
class Rule:
    """Conditions joined by all-``and`` or all-``or``.

    Where the number ``unless`` is known, the rule does not hold: a better number speaks in its place.
    """

    text: str
    conditions: tuple[Condition, ...]
    any_suffices: bool
    unless: str = ""

    def holds(self, values: Mapping[str, float | None]) -> bool | None:
        """Three-valued: True, False, or None when unknown values leave it open."""
        if values.get(self.unless) is not None:
            return False
        outcomes = [condition.holds(values.get(condition.metric)) for condition in self.conditions]
        decisive = self.any_suffices
        if decisive in outcomes:
            return decisive
        return None if None in outcomes else not decisive

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metric names the rule reads, in order."""
        return (*(condition.metric for condition in self.conditions), *filter(None, [self.unless]))


def parse_rule(text: str) -> Rule:
    """The rule a text says.

    Raises:
        InputError: the text is not ``METRIC OP NUMBER`` joined by only ``and`` or only ``or``, with
            ``unless METRIC is known`` behind them at most.
    """
    limited = _UNLESS.fullmatch(text.strip())
    parts = re.split(r"\s+(and|or)\s+", limited["rule"] if limited else text.strip())
    joins = set(parts[1::2])
    if len(joins) > 1:
        raise InputError(f"rule {text!r} mixes 'and' with 'or'", hint="write two rules")
    conditions = []
    for part in parts[0::2]:
        match = _CONDITION.fullmatch(part)
        if match is None:
            raise InputError(
                f"rule {text[:200]!r}: cannot read {part[:80]!r}",
                hint="write PROJECT.METRIC OP NUMBER, for example p01.quality_retention < 0.25",
            )
        conditions.append(Condition(match["metric"], match["op"], float(match["limit"])))
    return Rule(
        text.strip(), tuple(conditions), any_suffices=joins == {"or"}, unless=limited["metric"] if limited else ""
    )
