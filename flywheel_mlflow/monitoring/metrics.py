"""Our metrics as Evidently sees them: one by-label metric for each kind of thing compared, a test for each label.

One metric for all KPIs, not one each: 750 metrics take 46 s, one takes 2 (evidently 0.7.23). The verdicts are
made in ``flywheel_mlflow.drift``; here they only become results and tests, so that they stand in the report.
Evidently keys classes by their bare name: these must stay unique and stable.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.core.metric_types import (
    ByLabelCalculation,
    ByLabelMetric,
    MetricTest,
    MetricTestResult,
    SingleValue,
)
from evidently.legacy.renderers.html_widgets import (
    ColumnDefinition,
    ColumnType,
    CounterData,
    RichTableDataRow,
    counter,
    rich_table_data,
)
from evidently.legacy.tests.base_test import TestStatus

from flywheel_mlflow.drift.wording import COLOURS, Tone
from flywheel_mlflow.monitoring.tables import ComparedTable, Row, scaled_points
from flywheel_mlflow.tables.cells import sentence

#: Every kind of column named: Evidently guesses the kinds of columns it is not told (0.7.23).
_NO_COLUMNS = DataDefinition(
    numerical_columns=["value"],
    categorical_columns=[],
    text_columns=[],
    datetime_columns=[],
    unknown_columns=[],
    list_columns=[],
)

#: Evidently stamps its reports with the local time unless told one; ours say when nothing but what was compared.
_NO_TIME = datetime(2000, 1, 1, tzinfo=UTC)

_ROWS_PER_PAGE = 20


class FlywheelVerdictTest(MetricTest):  # type: ignore[misc]  # Evidently ships no types
    """Turns the verdict of a label into an Evidently test result."""

    def to_test(self) -> Callable[[Any, Any, Any], Any]:
        """The test, as Evidently calls it: context, calculation, value of one label."""

        def run(_context: Any, calculation: Any, value: SingleValue) -> MetricTestResult:
            row: Row = calculation.row(value.metric_value_location.params()["label"])
            return MetricTestResult(
                id="flywheel_verdict",
                name=row.title,
                description=row.text,
                status=TestStatus(row.status),
                metric_config=calculation.to_metric_config(),
                test_config=self.dict(),
            )

        return run


class FlywheelComparison(ByLabelMetric):  # type: ignore[misc]  # Evidently ships no types
    """All comparisons of one kind; ``kind`` names the table they come from."""

    kind: str

    def get_bound_tests(self, context: Any) -> list[Any]:
        """A test for each label, which are known only once the metric was calculated."""
        if not context.configuration.include_tests:
            return []
        test = FlywheelVerdictTest()
        labels = context.get_metric_result(self).labels()
        return [test.bind_by_label(self.get_fingerprint(), label=label) for label in labels]


class FlywheelComparisonCalculation(ByLabelCalculation[FlywheelComparison]):  # type: ignore[misc]  # likewise
    """Reads the table of its kind from the report's additional data, and draws it."""

    def calculate(self, context: Any, _current: Any, _reference: Any) -> Any:
        """The value of each label with the widgets that show them."""
        frame = context.additional_data[self.metric.kind].as_dataframe()
        table: ComparedTable = frame.attrs["table"]
        self._rows = {row.label: row for row in table.rows}
        result = self.result({row.label: row.value for row in table.rows})
        result.widget = _widgets(table)
        return result

    def row(self, label: str) -> Row:
        """The row behind a label."""
        return self._rows[label]

    def display_name(self) -> str:
        """What the report calls it."""
        return str(self.metric.kind)

    def label_display_name(self, label: Any) -> str:
        """What the report calls one label."""
        return str(label)


def _widgets(table: ComparedTable) -> list[Any]:
    places = range(len(table.columns))
    lines = {table.columns[place] for place in places if any(row.cells[place].series for row in table.rows)}
    counters = [CounterData(label, str(count)) for label, count in table.counts]
    columns = [
        ColumnDefinition(
            sentence(column),
            column,
            ColumnType.LINE if column in lines else ColumnType.STRING,
            options={"xField": "x", "yField": "y", "color": COLOURS[Tone.GOOD]} if column in lines else None,
        )
        for column in table.columns
    ]
    rows = [
        RichTableDataRow(
            fields={
                column: scaled_points(cell.series) if column in lines else cell.words
                for column, cell in zip(table.columns, row.cells, strict=True)
            }
        )
        for row in table.rows
    ]
    return [
        counter(title=table.title, counters=counters),
        rich_table_data(title="", rows_per_page=_ROWS_PER_PAGE, columns=columns, data=rows),
    ]


def snapshot_widgets(tables: list[ComparedTable]) -> list[Any]:
    """Run one report over all tables; the widgets of its metrics and tests.

    Raises:
        RuntimeError: Evidently made another number of tests than there are rows: a report without its tests is green.
    """
    frames = {table.title: _dataset(table) for table in tables}
    report = Report([FlywheelComparison(kind=table.title) for table in tables], include_tests=True)
    empty = Dataset.from_pandas(pd.DataFrame({"value": [0.0]}), data_definition=_NO_COLUMNS)
    snapshot = report.run(empty, None, additional_data=frames, timestamp=_NO_TIME)
    expected = sum(len(table.rows) for table in tables)
    if len(snapshot.tests_results) != expected:
        raise RuntimeError(f"{len(snapshot.tests_results)} tests for {expected} comparisons")
    from evidently.legacy.renderers.html_widgets import group_widget

    grouped = group_widget(title="", widgets=snapshot._widgets)  # noqa: SLF001 - no public way to the widgets
    return [grouped, *snapshot._tests_widgets]  # noqa: SLF001 - likewise


def _dataset(table: ComparedTable) -> Dataset:
    frame = pd.DataFrame({"value": [row.value for row in table.rows]})
    frame.attrs["table"] = table
    dataset = Dataset.from_pandas(frame, data_definition=_NO_COLUMNS)
    dataset.as_dataframe().attrs["table"] = table
    return dataset
