"""docs/checks.md says what the checks say of themselves."""

from __future__ import annotations

import inspect

from docs_checks import DOCUMENT, RECORD_CHECKS, RECORD_FAULTS, with_tables, without_places

from flywheel_mlflow.records import checks, personal_check
from flywheel_mlflow.records.partials import PartialResult, Plan


def test_tables_are_current() -> None:
    """Names, claims and kinds of faults are those of the code (else run `python tests/docs_checks.py`)."""
    written = DOCUMENT.read_text(encoding="utf-8")
    assert without_places(with_tables(written)) == without_places(written)


def test_every_record_finding_is_documented() -> None:
    """Every finding that a measurement makes has a row with its name."""
    result = PartialResult(Plan("corpus", "record", expect=("id is not null",)))
    names = {finding.name for finding in (*result.checks, *result.findings)}
    written = DOCUMENT.read_text(encoding="utf-8")
    assert [name for name in sorted(names) if f"| `{name}` |" not in written] == []


def test_every_record_check_is_documented() -> None:
    """Every class of the modules that check records has a row, and a fault that turns it red."""
    named = {
        kind
        for module in (checks, personal_check)
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if kind.__module__ == module.__name__ and isinstance(getattr(kind, "name", None), str)
    }
    assert named == set(RECORD_CHECKS)
    assert {kind.name for kind in RECORD_CHECKS} == set(RECORD_FAULTS)
