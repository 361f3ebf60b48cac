"""Questions about numbers and changes from Python: where one comes from, who changed it, whom it reaches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from flywheel_mlflow.operations.printable import plain_cell, plain_row
from flywheel_mlflow.operations.reading.opening import ReadFlywheel
from flywheel_mlflow.operations.scripting.results import ExplainedNumber, Table

if TYPE_CHECKING:
    from flywheel_mlflow.evidence.provenance import Explanation


class QuestionMethods(ReadFlywheel):
    """What the commands `explain` and `impact` show."""

    def explain(self, name: str, iteration: int | None = None) -> ExplainedNumber:
        """The tree behind a number such as ``p05.retrieval_hit_rate``, of the newest iteration unasked.

        Raises:
            UnknownName: no such number. InputError: nothing was assembled.
        """
        from flywheel_mlflow.operations.assembly.explaining import explain_metric

        turn = iteration if iteration is not None else self.iterations[-1]
        found = explain_metric(self.session.flywheel, self.session.tracking, turn, name)
        return ExplainedNumber(name, turn, tuple(_tree(found, 0)))

    def suspects(self, name: str, before: int, after: int) -> Table:
        """Who may have changed a number between two iterations, most suspected first.

        Raises:
            UnknownName: no such number. InputError: one of the two was never assembled.
        """
        from flywheel_mlflow.operations.assembly.localising import localise

        found = localise(self.session.flywheel, self.session.tracking, name, before, after)
        names = ("project", "iteration", "suspicion", "distance", "through", "why", "next")
        title = f"{name}: {plain_cell(found.before)} in {before}, {plain_cell(found.value)} in {after} {found.verdict}"
        return Table(title.rstrip(), tuple(plain_row(item, *names) for item in found.suspects), found.notes)

    def run_budgets(self, iteration: int) -> Table:
        """A row for each number of the budgets of runs: limit, spent, share, forecast.

        Raises:
            InputError: the iteration was not assembled.
        """
        from flywheel_mlflow.operations.assembly.budgeting import budget_state

        found = budget_state(self.session.flywheel, self.session.tracking, iteration)
        rows = tuple({"number": name, **line.model_dump(mode="json")} for name, line in found.numbers.items())
        return Table(
            f"budgets in iteration {iteration}", rows, tuple(f"{name}: declared since" for name in found.declared_since)
        )

    def impact(self, changed: str, iteration: int | None = None) -> Table:
        """Everything downstream of an interface or a project.

        Raises:
            UnknownName: nobody declared it.
        """
        from flywheel_mlflow.operations.assembly.explaining import impact_of

        found = impact_of(
            self.session.flywheel, self.session.tracking if iteration is not None else None, iteration, changed
        )
        rows = tuple(_cells(item) for item in found.reached)
        return Table(f"{changed}, made by {found.producer}, reaches {len(rows)}", rows)

    def changed_records(self, interface: str, iteration: int, since: int) -> Table:
        """How many records of an interface are new, gone or other than in another iteration, with the first ids.

        Raises:
            UnknownName: no such interface. MissingVersion: it has no version there. InputError, RecordError: the data.
        """
        from flywheel_mlflow.operations.projects.record_changes import changed_records

        found = changed_records(self.session.flywheel, self.session.tracking, interface, iteration, since)
        rows = tuple(
            {"records": kind, "count": getattr(found.changes, kind), "ids": ", ".join(names)}
            for kind, names in found.changes.named.items()
        )
        return Table(f"{interface}, iteration {iteration} against {since}: {found.changes}", rows)


def _tree(found: Explanation, depth: int) -> Iterator[dict[str, Any]]:
    metric, source = found.metric, found.metric.source
    yield {
        "depth": depth,
        "name": metric.name,
        "value": metric.value,
        "unit": metric.unit,
        "rule": metric.rule,
        "source": f"{source.kind} {source.ref}" + (f", {source.place}" if source.place else "") if source else "",
        "note": metric.note,
    }
    for item in found.inputs:
        yield from _tree(item, depth + 1)


def _cells(item: Any) -> dict[str, Any]:
    """All public values of a small record as a row."""
    return plain_row(item, *(name for name in type(item).__dataclass_fields__))
