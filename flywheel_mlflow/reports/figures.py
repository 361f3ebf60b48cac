"""The numbers a report states, kept while it is written, so that a check can compare text with metrics."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from flywheel_mlflow.base.canonical import canonical_json
from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.evidence.provenance import Metrics
from flywheel_mlflow.reports.escaping import Markdown
from flywheel_mlflow.reports.numbers import format_value, with_unit

_COMMENT = re.compile(r"^<!-- figures: (\{.*\}) -->$", re.MULTILINE)


class Figures:
    """Writes metrics for people and remembers which it wrote; ``stated`` maps their names to values."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self.stated: dict[str, float | None] = {}

    def show(self, name: str) -> str:
        """The metric without its unit, "unknown" when nobody computed it."""
        return format_value(self._value(name), self._unit(name))

    def with_unit(self, name: str) -> str:
        """The metric with its unit."""
        return with_unit(self._value(name), self._unit(name))

    def comment(self) -> Markdown:
        """The stated metrics as a comment that ends a Markdown report: one JSON object by metric name."""
        # "--" would end the comment in old HTML; inside JSON it only ever stands in a string.
        figures = canonical_json(self.stated).replace("--", "-\\u002d")
        return Markdown(f"<!-- figures: {figures} -->")

    def _value(self, name: str) -> float | None:
        self.stated[name] = self._metrics.value(name)
        return self.stated[name]

    def _unit(self, name: str) -> str:
        return self._metrics[name].unit if name in self._metrics else ""


def read_figures(report: str) -> Mapping[str, float | None]:
    """The metrics a report says it states, by name.

    Raises:
        InputError: the report has no such comment, or something other than numbers in it.
    """
    comments = _COMMENT.findall(report)
    if not comments:
        raise InputError("the report lists no figures", hint="write the report again with `flywheel assemble --force`")
    try:
        figures = json.loads(comments[-1])
    except ValueError as error:
        raise InputError(f"the report's list of figures is not JSON: {error}") from error
    for name, value in figures.items():
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise InputError(f"the report's figure {name!r} is not a number")
    return dict(figures)
