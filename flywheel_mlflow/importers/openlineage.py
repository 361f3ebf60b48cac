"""Reads test results out of an OpenLineage run event."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import Field

from flywheel_mlflow.base.documents import parse_json
from flywheel_mlflow.evidence.runs import Check, CheckSeverity, Outcome
from flywheel_mlflow.importers.findings import Findings
from flywheel_mlflow.importers.shapes import Shape, read_shape

SOURCE: Final = "openlineage"

_STATUSES: Final = {"pass": Outcome.PASSED, "fail": Outcome.FAILED, "skip": Outcome.SKIPPED}
_SEVERITIES: Final = {"error": CheckSeverity.BLOCKING, "warn": CheckSeverity.WARNING, None: CheckSeverity.BLOCKING}


class _Finding(Shape):
    """What TestRunFacet 1-0-1 and DataQualityAssertionsDatasetFacet 1-1-0 have in common."""

    severity: Literal["error", "warn"] | None = None
    description: str | None = None
    expected: str | None = None
    actual: str | None = None

    def message(self) -> str:
        """Expected against actual where the tool told, else what the test is about."""
        sides = [f"{side} {value}" for side, value in (("expected", self.expected), ("actual", self.actual)) if value]
        return ", ".join(sides) or self.description or ""

    def details(self, kind: str | None, column: str | None = None) -> dict[str, Any]:
        """The plain values around the result."""
        return {"type": kind, "column": column, "expected": self.expected, "actual": self.actual}


class _Test(_Finding):
    name: str
    status: Literal["pass", "fail", "skip"]
    type: str | None = None


class _Assertion(_Finding):
    assertion: str
    success: bool
    column: str | None = None
    name: str | None = None


class _TestFacet(Shape):
    tests: list[_Test]


class _AssertionsFacet(Shape):
    assertions: list[_Assertion]


class _DatasetFacets(Shape):
    assertions: _AssertionsFacet | None = Field(default=None, alias="dataQualityAssertions")


class _Dataset(Shape):
    name: str
    facets: _DatasetFacets = _DatasetFacets()
    # The specification makes it an input facet; producers write it in either place.
    input_facets: _DatasetFacets = Field(default=_DatasetFacets(), alias="inputFacets")


class _RunFacets(Shape):
    test: _TestFacet | None = None


class _Run(Shape):
    facets: _RunFacets = _RunFacets()


class _Job(Shape):
    name: str


class _RunEvent(Shape):
    run: _Run
    job: _Job
    inputs: list[_Dataset] = Field(default_factory=list)
    outputs: list[_Dataset] = Field(default_factory=list)


def parse(text: str, *, name: str) -> tuple[Check, ...]:
    """The tests of an event, named ``job.test``, then its datasets' assertions, named ``dataset.column.assertion``.

    Raises:
        DocumentError: not JSON, not one run event, an unknown status or severity word, or neither a
            ``test`` facet of the run nor a ``dataQualityAssertions`` facet of a dataset.
    """
    event = read_shape(_RunEvent, parse_json(text, name=name), name=name)
    found = Findings(name, SOURCE)
    for test in event.run.facets.test.tests if event.run.facets.test else ():
        _add(found, f"{event.job.name}.{test.name}", _STATUSES[test.status], test, test.details(test.type))
    for dataset in (*event.inputs, *event.outputs):
        for facets in (dataset.facets, dataset.input_facets):
            for assertion in facets.assertions.assertions if facets.assertions else ():
                _add_assertion(dataset.name, assertion, found)
    return found.checks()


def _add_assertion(dataset: str, assertion: _Assertion, found: Findings) -> None:
    parts = (dataset, assertion.column, assertion.name or assertion.assertion)
    outcome = Outcome.PASSED if assertion.success else Outcome.FAILED
    details = assertion.details(assertion.assertion, assertion.column)
    _add(found, ".".join(part for part in parts if part), outcome, assertion, details)


def _add(found: Findings, name: str, outcome: Outcome, finding: _Finding, details: dict[str, Any]) -> None:
    found.add(name, outcome, message=finding.message(), severity=_SEVERITIES[finding.severity], details=details)


def looks_like(value: dict[str, Any]) -> bool:
    """Whether a JSON object is meant to be an OpenLineage run event."""
    run = value.get("run")
    return isinstance(run, dict) and "runId" in run and isinstance(value.get("job"), dict)
