"""Tests of suites of Great Expectations and pandera, run by these libraries where they are installed."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.evidence.runs import Check, CheckSeverity, Outcome
from flywheel_mlflow.operations.projects.suites import suite_checks
from flywheel_mlflow.promises.expectations import Suite
from flywheel_mlflow.promises.interfaces import InterfaceOut
from flywheel_mlflow.suites import MOST_RECORDS, run_suite

GOOD = [
    {"id": "a", "metadata": {"label": "bug"}, "score": 0.5},
    {"id": "b", "metadata": {"label": "question"}, "score": 0.75},
]
BAD = [*GOOD, {"id": "a", "metadata": {"label": "spam"}, "score": 7.5}, {"id": "c", "metadata": {}, "score": 0.0}]

EXPECTATIONS = json.dumps(
    {
        "name": "any",
        "expectations": [
            {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "id"}},
            {
                "type": "expect_column_values_to_be_between",
                "kwargs": {"column": "score", "max_value": 1.0},
                "severity": "warning",
            },
            {
                "type": "expect_column_values_to_be_in_set",
                "kwargs": {"column": "metadata.label", "value_set": ["bug", "question"]},
            },
        ],
    }
)
SCHEMA = """
schema_type: dataframe
columns:
  id: {dtype: str, unique: true}
  metadata.label: {dtype: str, isin: [bug, question]}
  score:
    dtype: float64
    greater_than_or_equal_to: 0
    less_than_or_equal_to: {max_value: 1, raise_warning: true}
  "extra.*": {dtype: float64, regex: true, required: false}
"""


def has(library: str) -> bool:
    """Whether a library is there; where it must be, its absence fails."""
    if os.environ.get("FLYWHEEL_REQUIRE_SUITES"):
        return True
    return find_spec(library) is not None


needs_gx = pytest.mark.skipif(not has("great_expectations"), reason="Great Expectations is not installed")
needs_pandera = pytest.mark.skipif(not has("pandera"), reason="pandera is not installed")


def run(suite: Suite, text: str, records: Iterable[dict[str, Any]] = GOOD) -> dict[str, Check]:
    """The checks of a suite by the end of their name."""
    checks = run_suite(suite, text, "tickets", list(records))
    assert all(check.name.startswith("tickets.good") for check in checks)
    return {check.name.removeprefix("tickets.good").removeprefix("."): check for check in checks}


def outcomes(found: dict[str, Check]) -> dict[str, str]:
    return {name: check.outcome.value for name, check in found.items()}


GX = Suite(great_expectations="suites/good.json")
PANDERA = Suite(pandera="suites/good.yaml")


@needs_gx
def test_a_suite_of_great_expectations_is_run() -> None:
    """Each expectation is a check with its severity, the suite's digest and the library's version."""
    found = run(GX, EXPECTATIONS)
    assert set(outcomes(found).values()) == {"passed"}
    found = run(GX, EXPECTATIONS, BAD)
    assert outcomes(found) == {
        "expect_column_values_to_be_unique.id": "failed",
        "expect_column_values_to_be_between.score": "failed",
        "expect_column_values_to_be_in_set.metadata.label": "failed",
    }
    between = found["expect_column_values_to_be_between.score"]
    assert between.severity is CheckSeverity.WARNING
    assert between.details["suite"] == "suites/good.json"
    assert between.details["library"].startswith("great_expectations 1.")
    assert len(between.details["suite_digest"]) == 12
    assert "spam" not in repr(found)


@needs_gx
@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"expectations": []}', '{"expectations": [{"type": "expect_nonsense", "kwargs": {}}]}', "{"],
)
def test_what_is_no_suite_of_great_expectations_is_unknown(text: str) -> None:
    """A file that the library cannot run is an error with the reason, never a pass."""
    (check,) = run(GX, text).values()
    assert check.outcome is Outcome.ERROR
    assert check.message.startswith("unknown: ")


@needs_gx
def test_a_column_that_is_not_there_is_an_error() -> None:
    """An expectation that could not be evaluated is no pass."""
    suite = {"expectations": [{"type": "expect_column_values_to_be_unique", "kwargs": {"column": "nope"}}]}
    assert set(outcomes(run(GX, json.dumps(suite))).values()) == {"error"}


@needs_pandera
def test_a_schema_of_pandera_is_run() -> None:
    """A column is a check, and so is each of its own, with its severity; one that need not be there is skipped."""
    found = run(PANDERA, SCHEMA)
    assert outcomes(found) == {
        "table": "passed",
        "id": "passed",
        "metadata.label": "passed",
        "metadata.label.isin": "passed",
        "score": "passed",
        "score.greater_than_or_equal_to": "passed",
        "score.less_than_or_equal_to": "passed",
        "extra.*": "skipped",
    }
    found = run(PANDERA, SCHEMA, [*BAD, {"id": "d", "extra.1": "text", "score": 1.0, "metadata": {"label": "bug"}}])
    assert outcomes(found) == {
        "table": "passed",
        "id": "failed",
        "metadata.label": "failed",
        "metadata.label.isin": "failed",
        "score": "passed",
        "score.greater_than_or_equal_to": "passed",
        "score.less_than_or_equal_to": "failed",
        "extra.*": "failed",
    }
    assert found["id"].message == "2 failures of field_uniqueness"
    assert found["score.less_than_or_equal_to"].severity is CheckSeverity.WARNING
    assert found["metadata.label.isin"].details["failure_cases"] == 1
    assert "spam" not in repr(found)


@needs_pandera
def test_checks_of_a_column_that_is_missing_or_of_another_type_are_errors() -> None:
    """What could not be looked at is neither good nor bad."""
    rows = [{"id": "a", "score": "high"}]
    found = outcomes(run(PANDERA, SCHEMA, rows))
    assert (found["metadata.label"], found["metadata.label.isin"]) == ("failed", "error")
    assert (found["score"], found["score.greater_than_or_equal_to"]) == ("failed", "error")


@needs_pandera
def test_a_rule_of_the_whole_table_is_a_check_of_the_table() -> None:
    """Columns nobody described, and rows that repeat."""
    schema = "schema_type: dataframe\ncolumns:\n  id: {dtype: str}\nstrict: true\nunique: [id]\n"
    assert run(PANDERA, schema, [{"id": "a"}])["table"].outcome is Outcome.PASSED
    assert run(PANDERA, schema, [{"id": "a"}, {"id": "a"}])["table"].outcome is Outcome.FAILED
    assert run(PANDERA, schema, [{"id": "a", "x": 1}])["table"].outcome is Outcome.FAILED


@needs_pandera
@pytest.mark.parametrize("text", ["", "[]", "a: 1", "{", "columns: {id: {dtype: nonsense}}", "columns: 3", "- 1"])
def test_what_is_no_schema_of_pandera_is_unknown(text: str) -> None:
    """A file that the library cannot run is an error with the reason, never a pass."""
    (check,) = run(PANDERA, text).values()
    assert check.outcome is Outcome.ERROR
    assert check.message.startswith("unknown: ")


@pytest.mark.parametrize(("suite", "library"), [(GX, "great_expectations"), (PANDERA, "pandera")])
def test_without_its_library_a_suite_is_unknown(suite: Suite, library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what to install, and is no pass."""
    monkeypatch.setitem(sys.modules, library, None)
    (check,) = run(suite, SCHEMA).values()
    assert (check.outcome, check.severity) == (Outcome.ERROR, CheckSeverity.BLOCKING)
    assert check.message == (f"unknown: {library} is not installed here (pip install 'flywheel-mlflow[expectations]')")


def test_too_many_records_are_unknown() -> None:
    """What nobody looked at as a whole has not passed."""
    (check,) = run_suite(GX, EXPECTATIONS, "tickets", None)
    assert check.outcome is Outcome.ERROR
    assert f"more than {MOST_RECORDS:,} records" in check.message


def promised(**more: Any) -> InterfaceOut:
    return InterfaceOut.model_validate({"name": "tickets", "title": "T", "format": "jsonl", "schema": "free"} | more)


def test_suites_and_expectations_stand_side_by_side() -> None:
    """A contract may say both; each is asked for where it belongs."""
    found = promised(expect=["score >= 0", {"pandera": "suites/good.yaml"}])
    assert (found.expected_rows, found.suites) == (("score >= 0",), (PANDERA,))


@pytest.mark.parametrize(
    "suite",
    [{}, {"pandera": "../up.yaml"}, {"pandera": "/etc/x"}, {"pandera": "a", "great_expectations": "b"}, {"x": "y"}],
)
def test_what_names_no_suite_is_refused(suite: dict[str, str]) -> None:
    """One library with one file below the project's folder."""
    with pytest.raises(ValidationError):
        promised(expect=[suite])


def test_a_suite_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """A file that is missing, or a link that leads out of the project, is told before anything is logged."""
    (tmp_path / "project").mkdir()
    (tmp_path / "secret.yaml").write_text(SCHEMA)
    data = tmp_path / "tickets.jsonl"
    data.write_text('{"id": "a"}\n')
    spec = promised(expect=[{"pandera": "good.yaml"}])
    with pytest.raises(InputError, match="no such suite"):
        suite_checks(spec, tmp_path / "project", data)
    (tmp_path / "project" / "good.yaml").symlink_to(tmp_path / "secret.yaml")
    with pytest.raises(InputError, match="no such suite"):
        suite_checks(spec, tmp_path / "project", data)


def test_all_records_of_a_folder_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file of records counts, files that records name do not, and too many records are none."""
    (tmp_path / "good.yaml").write_text(SCHEMA)
    (tmp_path / "data").mkdir()
    for name in ("a", "b"):
        (tmp_path / "data" / f"{name}.jsonl").write_text(f'{{"id": "{name}", "file": "p.png"}}\n' * 2)
    (tmp_path / "data" / "p.png").write_bytes(b"no records")
    spec = promised(expect=[{"pandera": "good.yaml"}], media=["file"])
    seen: list[Any] = []

    def record(_: Suite, __: str, interface: str, records: Any) -> tuple[Check, ...]:
        seen.append((interface, None if records is None else [item["id"] for item in records]))
        return ()

    monkeypatch.setattr("flywheel_mlflow.suites.run_suite", record)
    suite_checks(spec, tmp_path, tmp_path / "data")
    monkeypatch.setattr("flywheel_mlflow.suites.MOST_RECORDS", 3)
    suite_checks(spec, tmp_path, tmp_path / "data")
    assert seen == [("tickets", ["a", "a", "b", "b"]), ("tickets", None)]
