"""Tests of the error tree."""

from __future__ import annotations

import pytest

from flywheel_mlflow.base import errors
from flywheel_mlflow.base.errors import (
    DocumentError,
    ExitCode,
    Fault,
    FlywheelError,
    Inconclusive,
    InputError,
    Refused,
    UnknownName,
)


def test_diagnostics_say_what_where_and_what_to_try() -> None:
    """Each part given is a line of its own, and none is invented."""
    full = FlywheelError("It broke.", where="run 7", hint="mend it")
    assert full.diagnostics().splitlines() == ["It broke.", "  where: run 7", "  try:   mend it"]
    assert str(FlywheelError("It broke.")) == "It broke."


def test_a_refusal_shows_its_rule_with_value_and_limit() -> None:
    """Rule, value and limit are lines of their own between fact and advice; a value of 0 is a value."""
    full = Refused("No.", rule="at most one", value=2, limit=0, where="run 7", hint="wait")
    assert [line.strip().split(":")[0] for line in full.diagnostics().splitlines()[1:]] == [
        "rule",
        "value",
        "limit",
        "where",
        "try",
    ]
    assert "  limit: 0" in full.diagnostics().splitlines()
    assert Refused("No.", rule="never").diagnostics().splitlines() == ["No.", "  rule:  never"]


def test_exit_codes_follow_the_tree() -> None:
    """What the caller can correct exits with 2, what a rule refuses with 1, what is open with 3, all else with 4."""
    kinds = [item for item in vars(errors).values() if isinstance(item, type) and issubclass(item, FlywheelError)]
    assert len(kinds) > 8
    for kind in kinds:
        expected = ExitCode.USAGE if issubclass(kind, InputError) else ExitCode.FAILURE
        expected = ExitCode.BLOCK if issubclass(kind, Refused) else expected
        expected = ExitCode.INCONCLUSIVE if issubclass(kind, Inconclusive) else expected
        assert kind.exit_code is expected


def test_a_document_error_lists_every_fault_once_in_order() -> None:
    """Faults are sorted by file and line, repeated ones shown once, files beyond three counted."""
    faults = [Fault(f"{name}.yaml", line, "a[0]", "bad") for name in "dcba" for line in (9, 2)]
    error = DocumentError([*faults, *faults])
    assert error.faults == tuple(sorted(faults))
    assert error.what == "8 faults in a.yaml, b.yaml, c.yaml and 1 more files"
    assert "a.yaml:2: a[0]: bad" in error.diagnostics()


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (Fault("f", 3, "a.b", "missing"), "f:3: a.b: missing"),
        (Fault("f", 0, "", "no such file"), "f: no such file"),
    ],
)
def test_a_fault_names_its_place(fault: Fault, text: str) -> None:
    """File, line and path as far as there are any."""
    assert str(fault) == text


def test_an_unknown_name_offers_the_nearest_first() -> None:
    """A slip of the pen is answered with what was meant; with nothing known the hint says so."""
    error = UnknownName("project", "p5_rag", ["p01", "p05_rag", "p06"])
    assert error.hint == "known: p05_rag, p01, p06"
    assert UnknownName("project", "p1", []).hint == "no project is known yet"
    assert len((UnknownName("project", "x", map(str, range(500))).hint or "").split(",")) == 16
