"""Evidence: how findings are counted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flywheel_mlflow.evidence.runs import Check, CheckSeverity, Outcome, summarize_checks

CHECKS = st.lists(
    st.builds(
        Check,
        name=st.sampled_from("abcdefgh"),
        outcome=st.sampled_from(Outcome),
        severity=st.sampled_from(CheckSeverity),
    ),
    unique_by=lambda check: check.name,
)


@given(CHECKS, st.sets(st.sampled_from("abcdefgh")))
def test_every_check_is_counted_once(checks: list[Check], required: set[str]) -> None:
    """Whatever the outcomes and severities are, each check is in exactly one count."""
    summary = summarize_checks(checks, required)
    assert summary.total == len(checks)
    assert summary.passed == sum(check.outcome is Outcome.PASSED for check in checks)
    assert set(summary.not_passed) == {check.name for check in checks if check.outcome is not Outcome.PASSED}


def test_a_failed_warning_is_shown_and_not_held_against_the_project() -> None:
    """A failure of severity warning lowers no pass rate, yet it is named."""
    checks = [Check("a", Outcome.PASSED), Check("b", Outcome.FAILED, severity=CheckSeverity.WARNING)]
    summary = summarize_checks(checks, [])
    assert (summary.pass_rate, summary.warned, summary.failed) == (1.0, 1, 0)
    assert summary.not_passed == {"b": Outcome.FAILED}


def test_a_required_check_counts_whatever_its_severity() -> None:
    """What a contract requires is never only a warning."""
    checks = [Check("a", Outcome.PASSED), Check("b", Outcome.ERROR, severity=CheckSeverity.WARNING)]
    summary = summarize_checks(checks, ["b"])
    assert (summary.pass_rate, summary.warned, summary.error) == (0.5, 0, 1)


def test_no_check_is_no_pass() -> None:
    """Without a check that was due the pass rate is unknown."""
    assert summarize_checks([], []).pass_rate is None
    assert summarize_checks([Check("a", Outcome.SKIPPED)], []).pass_rate is None
