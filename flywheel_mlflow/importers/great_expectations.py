"""Reads the validation results of Great Expectations 1.x."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import Field

from flywheel_mlflow.base.canonical import canonical_json
from flywheel_mlflow.base.documents import parse_json
from flywheel_mlflow.base.errors import DocumentError, Fault
from flywheel_mlflow.evidence.runs import Check, CheckSeverity, Outcome
from flywheel_mlflow.importers.findings import Findings, clean_line, text_of
from flywheel_mlflow.importers.shapes import Details, Shape, read_shape

SOURCE: Final = "great_expectations"

_SEVERITIES: Final = {
    "critical": CheckSeverity.BLOCKING,
    "warning": CheckSeverity.WARNING,
    "info": CheckSeverity.WARNING,
    None: CheckSeverity.BLOCKING,
}
#: Result values worth keeping. The lists of unexpected values are left behind: they quote the data,
#: personal data included.
_MEASURED: Final = ("observed_value", "element_count", "unexpected_count", "unexpected_percent", "missing_count")


class _Raised(Shape):
    raised_exception: bool
    exception_message: Any = None


class _Configuration(Shape):
    type: str
    kwargs: Details = Field(default_factory=dict)
    severity: Literal["critical", "warning", "info"] | None = None


class _Result(Shape):
    success: bool | None
    expectation_config: _Configuration
    result: Details = Field(default_factory=dict)
    # One object, or one for each metric that raised (seen in 1.24.1).
    exception_info: _Raised | dict[str, _Raised] | None = None


class _Described(Shape):
    """One expectation as ``describe()`` writes it: without severity, and without a metric's exception."""

    success: bool | None
    expectation_type: str
    kwargs: Details = Field(default_factory=dict)
    result: Details = Field(default_factory=dict)
    exception_info: _Raised | dict[str, _Raised] | None = None


class _Statistics(Shape):
    evaluated_expectations: int | None = None
    successful_expectations: int | None = None


class _Validation(Shape):
    success: bool | None
    results: list[_Result]
    suite_name: str | None = None
    statistics: _Statistics = _Statistics()


class _DescribedValidation(Shape):
    success: bool | None
    expectations: list[_Described]
    statistics: _Statistics = _Statistics()


class _RunResults(Shape):
    success: bool | None = None
    run_results: dict[str, _Validation]


class _DescribedCheckpoint(Shape):
    success: bool | None = None
    validation_results: list[_DescribedValidation]


def parse(text: str, *, name: str) -> tuple[Check, ...]:
    """The expectations of a validation result or of a checkpoint, named ``suite.expectation.column``.

    Read are ``to_json_dict()`` and ``describe()`` of a validation result, ``describe()`` of a checkpoint
    result, and ``{"run_results": {identifier: to_json_dict()}}``. Descriptions name no suite: their
    validations are numbered. An expectation that raised is an error, also when it claims success.

    Raises:
        DocumentError: not JSON, none of these shapes, an unknown severity word, a success that is
            neither true nor false, totals that disagree with the list, or no expectation.
    """
    found = Findings(name, SOURCE)
    overall, validations = _validations(parse_json(text, name=name, foreign=True), name)
    for place, prefix, validation in validations:
        _check_totals(validation, place, found)
        # GX lists what raised first, so its order depends on the outcome; ours must not.
        for result in sorted(validation.results, key=_order):
            _add(result, place, prefix, found)
    if overall is not None and overall != all(validation.success for _, _, validation in validations):
        found.fault("success", f"states {str(overall).lower()}, the validations show the contrary")
    return found.checks()


_Placed = tuple[str, str, _Validation]


def _validations(value: Any, name: str) -> tuple[bool | None, list[_Placed]]:
    """Each validation with its place and name prefix, whichever of the four shapes the document has."""
    keys = set(value) if isinstance(value, dict) else set()
    if "run_results" in keys:
        runs = read_shape(_RunResults, value, name=name)
        items = [(f"run_results[{i}].", v.suite_name or "", v) for i, v in enumerate(runs.run_results.values())]
        return runs.success, items
    if "validation_results" in keys:
        checkpoint = read_shape(_DescribedCheckpoint, value, name=name)
        described = enumerate(checkpoint.validation_results)
        items = [(f"validation_results[{i}].", f"validation_{i + 1}", _full(v)) for i, v in described]
        return checkpoint.success, items
    if "expectations" in keys and "results" not in keys:
        return None, [("", "", _full(read_shape(_DescribedValidation, value, name=name)))]
    if isinstance(value, dict) and "results" not in keys:
        raise DocumentError([Fault(name, 0, "", "neither a validation result nor a checkpoint result")])
    validation = read_shape(_Validation, value, name=name)
    return None, [("", validation.suite_name or "", validation)]


def _full(described: _DescribedValidation) -> _Validation:
    results = [
        _Result(
            success=item.success,
            expectation_config=_Configuration(type=item.expectation_type, kwargs=item.kwargs),
            result=item.result,
            # describe() drops the exceptions of metrics and leaves an empty result: not a finding but an error.
            exception_info=item.exception_info or _Raised(raised_exception=not item.success and not item.result),
        )
        for item in described.expectations
    ]
    return _Validation(success=described.success, results=results, statistics=described.statistics)


def _check_totals(validation: _Validation, place: str, found: Findings) -> None:
    passed = sum(result.success is True for result in validation.results)
    total = len(validation.results)
    stated = (
        ("success", validation.success, passed == total),
        ("statistics.evaluated_expectations", validation.statistics.evaluated_expectations, total),
        ("statistics.successful_expectations", validation.statistics.successful_expectations, passed),
    )
    for key, said, counted in stated:
        if said is not None and said != counted:
            found.fault(f"{place}{key}", f"states {str(said).lower()}, the list shows {str(counted).lower()}")


def _add(result: _Result, place: str, prefix: str, found: Findings) -> None:
    config = result.expectation_config
    raised = _raised(result)
    if raised is None and result.success is None:
        found.fault(f"{place}results", f"{clean_line(config.type, 80)}: success is neither true nor false")
    measured = result.result
    found.add(
        ".".join(part for part in (prefix, config.type, _columns(config.kwargs)) if part),
        Outcome.ERROR if raised is not None else Outcome.PASSED if result.success else Outcome.FAILED,
        message=raised if raised is not None else "" if result.success else _reason(measured),
        severity=_SEVERITIES[config.severity],
        details={"severity": config.severity, "arguments": _arguments(config.kwargs) or None}
        | {key: measured.get(key) for key in _MEASURED},
    )


def _raised(result: _Result) -> str | None:
    """The message of the exception, or None when none was raised."""
    info = result.exception_info
    infos = list(info.values()) if isinstance(info, dict) else [info] if info else []
    messages = [text_of(item.exception_message) or "the expectation could not be evaluated" for item in infos]
    raised = [message for item, message in zip(infos, messages, strict=True) if item.raised_exception]
    return "; ".join(sorted(set(raised))) if raised else None


def _reason(measured: dict[str, Any]) -> str:
    unexpected, elements = measured.get("unexpected_count"), measured.get("element_count")
    if isinstance(unexpected, int) and isinstance(elements, int):
        return f"{unexpected} of {elements} values are unexpected"
    if isinstance(measured.get("observed_value"), str | int | float):
        return f"observed {measured['observed_value']}"
    return "the expectation is not met"


def _arguments(kwargs: dict[str, Any]) -> dict[str, Any]:
    # The batch id names a run of the tool, not the expectation.
    return {key: value for key, value in kwargs.items() if key != "batch_id"}


def _columns(kwargs: dict[str, Any]) -> str:
    names = [kwargs.get(key) for key in ("column", "column_A", "column_B")]
    listed = kwargs.get("column_list") or kwargs.get("column_set")
    names += listed if isinstance(listed, list) else []
    return "+".join(name for name in names if isinstance(name, str))


def _order(result: _Result) -> tuple[str, str, str]:
    config = result.expectation_config
    try:
        arguments = canonical_json(_arguments(config.kwargs))
    except RecursionError:
        arguments = ""
    return config.type, _columns(config.kwargs), arguments


def looks_like(value: dict[str, Any]) -> bool:
    """Whether a JSON object is meant to be a validation or checkpoint result."""
    if {"run_results", "validation_results"} & value.keys():
        return True
    return "success" in value and "statistics" in value and bool({"results", "expectations"} & value.keys())
