"""Reads test results out of OpenLineage events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Literal

from pydantic import Field, model_validator

from flywheel_mlflow.base.documents import parse_json
from flywheel_mlflow.base.errors import DocumentError, Fault
from flywheel_mlflow.evidence.runs import Check, CheckSeverity, Outcome
from flywheel_mlflow.importers.findings import Findings, text_of
from flywheel_mlflow.importers.shapes import Shape, read_shape

SOURCE: Final = "openlineage"

_STATUSES: Final = {"pass": Outcome.PASSED, "fail": Outcome.FAILED, "skip": Outcome.SKIPPED}
_SEVERITIES: Final = {"error": CheckSeverity.BLOCKING, "warn": CheckSeverity.WARNING, None: CheckSeverity.BLOCKING}


class _Part(Shape):
    """A part of an event; null and a facet that its producer deleted are absent."""

    @model_validator(mode="before")
    @classmethod
    def _without_absent(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        gone = {key for key, item in value.items() if isinstance(item, dict) and item.get("_deleted") is True}
        return {key: item for key, item in value.items() if item is not None and key not in gone}


class _Finding(_Part):
    """What TestRunFacet 1-0-1 and DataQualityAssertionsDatasetFacet 1-1-0 have in common."""

    severity: Literal["error", "warn"] | None = None
    description: Any = None
    expected: Any = None
    actual: Any = None

    def message(self) -> str:
        """Expected against actual where the tool told, else what the test is about."""
        sides = (("expected", text_of(self.expected)), ("actual", text_of(self.actual)))
        return ", ".join(f"{side} {text}" for side, text in sides if text) or text_of(self.description)

    def details(self, kind: Any, column: str | None = None) -> dict[str, Any]:
        """The plain values around the result."""
        return {"type": kind, "column": column, "expected": self.expected, "actual": self.actual}


class _Test(_Finding):
    name: str
    status: Literal["pass", "fail", "skip"]
    type: Any = None


class _Assertion(_Finding):
    assertion: str
    success: bool
    column: str | None = None
    name: str | None = None


class _TestFacet(_Part):
    tests: list[_Test]


class _AssertionsFacet(_Part):
    assertions: list[_Assertion]


class _DatasetFacets(_Part):
    assertions: _AssertionsFacet | None = Field(default=None, alias="dataQualityAssertions")


class _Dataset(_Part):
    name: str
    facets: _DatasetFacets = _DatasetFacets()
    # The specification makes it an input facet; producers write it in either place.
    input_facets: _DatasetFacets = Field(default=_DatasetFacets(), alias="inputFacets")


class _RunFacets(_Part):
    test: _TestFacet | None = None


class _Run(_Part):
    run_id: Any = Field(default=None, alias="runId")
    facets: _RunFacets = _RunFacets()


class _Job(_Part):
    name: str


class _JobEvent(_Part):
    job: _Job
    run: _Run = _Run()
    inputs: list[_Dataset] = Field(default_factory=list)
    outputs: list[_Dataset] = Field(default_factory=list)


class _RunEvent(_JobEvent):
    run: _Run


class _DatasetEvent(_Part):
    dataset: _Dataset


def parse(text: str, *, name: str) -> tuple[Check, ...]:
    """The tests of each event, named ``job.test``, then its datasets' assertions, ``dataset.column.assertion``.

    Read are one event, a list of events, one event a line, and the answer of Marquez (``{"events": [...]}``): run
    events, job events and dataset events. What a run reports again in a later event is one result.

    Raises:
        DocumentError: not JSON, something that is no event, an unknown status or severity word, or neither a ``test``
            facet of a run nor a ``dataQualityAssertions`` facet of a dataset.
    """
    found = Findings(name, SOURCE)
    reported: set[tuple[str, str, str]] = set()
    for value, line, place in _events(text, name):
        try:
            for run, subject, facet in _facets(value, name):
                key = (run, subject, facet.model_dump_json())
                if key not in reported:
                    reported.add(key)
                    _add_facet(subject, facet, found)
        except DocumentError as error:
            faults = [Fault(f.file, line or f.line, f"{place}{f.path}", f.message) for f in error.faults]
            raise DocumentError(faults) from error
    return found.checks()


def _events(text: str, name: str) -> Iterator[tuple[Any, int, str]]:
    """Each event with its line, where that is known, and its place in the document."""
    lines = [(number, line) for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1) if line.strip()]
    if len(lines) > 1 and _is_object(lines[0][1]):
        for number, line in lines:
            try:
                yield parse_json(line, name=name, foreign=True), number, ""
            except DocumentError as error:
                raise DocumentError([Fault(f.file, number, f.path, f.message) for f in error.faults]) from error
        return
    value = parse_json(text, name=name, foreign=True)
    listed, prefix = (value["events"], "events") if _is_answer(value) else (value, "")
    if isinstance(listed, list):
        yield from ((event, 0, f"{prefix}[{index}].") for index, event in enumerate(listed))
    else:
        yield value, 0, ""


def _is_object(line: str) -> bool:
    try:
        return isinstance(parse_json(line, name="", foreign=True), dict)
    except DocumentError:
        return False


def _is_answer(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("events"), list) and "run" not in value


def _facets(value: Any, name: str) -> Iterator[tuple[str, str, _TestFacet | _AssertionsFacet]]:
    """The facets of an event that hold results: of which run, the job or dataset they are about, and the facet."""
    if isinstance(value, dict) and "dataset" in value:
        run, datasets = _Run(), [read_shape(_DatasetEvent, value, name=name).dataset]
    else:
        is_job = isinstance(value, dict) and "job" in value and "run" not in value
        event = read_shape(_JobEvent if is_job else _RunEvent, value, name=name)
        run, datasets = event.run, [*event.inputs, *event.outputs]
        if run.facets.test:
            yield text_of(run.run_id), event.job.name, run.facets.test
    for dataset in datasets:
        for facets in (dataset.facets, dataset.input_facets):
            if facets.assertions:
                yield text_of(run.run_id), dataset.name, facets.assertions


def _add_facet(subject: str, facet: _TestFacet | _AssertionsFacet, found: Findings) -> None:
    if isinstance(facet, _TestFacet):
        for test in facet.tests:
            _add(found, (subject, test.name), _STATUSES[test.status], test, test.details(test.type))
        return
    for assertion in facet.assertions:
        _add(
            found,
            (subject, assertion.column, assertion.name or assertion.assertion),
            Outcome.PASSED if assertion.success else Outcome.FAILED,
            assertion,
            assertion.details(assertion.assertion, assertion.column),
        )


def _add(
    found: Findings, name: tuple[str | None, ...], outcome: Outcome, finding: _Finding, details: dict[str, Any]
) -> None:
    severity = _SEVERITIES[finding.severity]
    found.add(
        ".".join(part for part in name if part), outcome, message=finding.message(), severity=severity, details=details
    )


def looks_like(value: dict[str, Any]) -> bool:
    """Whether a JSON object is meant to be an OpenLineage event, or to hold some."""
    if _is_answer(value):
        return any(isinstance(event, dict) and looks_like(event) for event in value["events"][:1])
    if "dataset" in value:
        return "eventTime" in value and isinstance(value["dataset"], dict)
    run, job = value.get("run"), value.get("job")
    return isinstance(job, dict) and ("eventTime" in value if run is None else isinstance(run, dict) and "runId" in run)
