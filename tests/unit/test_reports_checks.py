"""Check results as data, Markdown and JUnit XML."""

from __future__ import annotations

import json

from consistency_flywheel import small_view
from defusedxml import ElementTree
from hypothesis import given
from hypothesis import strategies as st

from flywheel_mlflow import importers
from flywheel_mlflow.base.canonical import document_json
from flywheel_mlflow.consistency import run_checks
from flywheel_mlflow.evidence.runs import Check, Outcome
from flywheel_mlflow.reports import checks as written

MIXED = (
    Check("good", Outcome.PASSED, details={"claim": "all is well"}),
    Check("bad | worse", Outcome.FAILED, "a; b", details={"claim": "c", "problems": ["a <b>", "b\x00\x1b[0m"]}),
    Check("broken", Outcome.ERROR, "no file", source="elsewhere"),
    Check("left out", Outcome.SKIPPED, "not here"),
)


def test_published_shape() -> None:
    """The results document reads back as the published shape, outcome by outcome, and its totals agree."""
    document = written.results_document(MIXED)
    found = importers.published.parse(document_json(document), name="p10_test_results.json")
    assert [(check.name, check.outcome is Outcome.PASSED) for check in found] == [
        (check.name, check.outcome is Outcome.PASSED) for check in MIXED
    ]
    assert (document["passed_checks"], document["total_checks"], document["overall_passed"]) == (1, 4, False)


def test_no_checks_are_no_pass() -> None:
    """An empty list of checks has not passed, in any form."""
    assert written.results_document(())["overall_passed"] is False
    assert "no check ran" in written.test_report((), 1)


def test_all_passed() -> None:
    """The results of an untouched assembly say that it passed, with the claim of each check."""
    document = written.results_document(run_checks(small_view()))
    assert document["overall_passed"] is True
    assert document["passed_checks"] == document["total_checks"] == len(document["checks"])
    assert all(check["claim"] for check in document["checks"])
    assert json.loads(document_json(document)) == document


def test_report_shows_what_is_wrong_first() -> None:
    """The Markdown report opens with the verdict, then what failed; hostile text neither renders nor breaks a table."""
    text = written.test_report(MIXED, 7)
    assert text.index("contradicts itself") < text.index("## failed") < text.index("## error") < text.index("## All")
    assert "<b>" not in text
    assert "\x00" not in text
    assert "\x1b" not in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {row.replace("\\|", "").count("|") for row in rows} == {4}


def test_junit_reads_back() -> None:
    """The JUnit XML reads back with every outcome, and its totals agree."""
    text = written.junit_xml(MIXED)
    suite = ElementTree.fromstring(text.encode()).find("testsuite")
    assert suite is not None
    assert {key: suite.get(key) for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "4",
        "failures": "1",
        "errors": "1",
        "skipped": "1",
    }
    found = importers.junit.parse(text, name="results.xml")
    assert [check.outcome for check in found] == [check.outcome for check in MIXED]


@given(name=st.text(), message=st.text(), outcome=st.sampled_from(list(Outcome)))
def test_junit_holds_any_text(name: str, message: str, outcome: Outcome) -> None:
    """Whatever characters a check's texts hold, the XML stays XML."""
    check = Check(name, outcome, message, source=message, details={"problems": [message]})
    assert ElementTree.fromstring(written.junit_xml([check]).encode("utf-8")).tag == "testsuites"


def test_equal_checks_give_equal_bytes() -> None:
    """Nothing written about checks depends on when it was written."""
    assert written.junit_xml(MIXED) == written.junit_xml(MIXED)
    assert "time" not in written.junit_xml(run_checks(small_view()))
