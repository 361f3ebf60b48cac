"""The numbers a report states, kept while it is written, so that a check can compare text with metrics."""

from __future__ import annotations

from flywheel_mlflow.base.canonical import canonical_json
from flywheel_mlflow.evidence.provenance import Metrics
from flywheel_mlflow.reports.escaping import Markdown
from flywheel_mlflow.tables.texts import format_value, with_unit


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
