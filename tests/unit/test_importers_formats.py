"""What each tool's real document becomes, check by check."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from flywheel_mlflow.base.errors import DocumentError
from flywheel_mlflow.evidence.runs import Check, CheckSeverity, Outcome
from flywheel_mlflow.importers import read_checks, sniff

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures" / "importers"
PASSED, FAILED, SKIPPED, ERROR = Outcome.PASSED, Outcome.FAILED, Outcome.SKIPPED, Outcome.ERROR
BLOCKING, WARNING = CheckSeverity.BLOCKING, CheckSeverity.WARNING

Edit = Callable[[Any], None]


def fixture_document(file: str) -> Any:
    """A JSON fixture as values that a test may edit."""
    return json.loads((FIXTURES / file).read_text(encoding="utf-8"))


def read_document(document: Any, format_name: str) -> tuple[Check, ...]:
    """What ``read_checks`` makes of the values once they are a file (in the test's own folder)."""
    path = Path("document.json")
    path.write_text(json.dumps(document), encoding="utf-8")
    return read_checks(path, format_name)


def read_xml(text: str) -> tuple[Check, ...]:
    """What ``read_checks`` makes of an XML text."""
    path = Path("report.xml")
    path.write_text(text, encoding="utf-8")
    return read_checks(path, "junit")


def outcomes(checks: tuple[Check, ...]) -> dict[str, Outcome]:
    """Name to outcome, in order."""
    return {check.name: check.outcome for check in checks}


def faults_after(file: str, format_name: str, edit: Edit) -> str:
    """The diagnostics of a fixture after one edit that must make it unreadable."""
    document = deepcopy(fixture_document(file))
    edit(document)
    with pytest.raises(DocumentError) as caught:
        read_document(document, format_name)
    return caught.value.diagnostics()


# --- pytest -------------------------------------------------------------------------------------------------------


def test_every_ending_of_a_pytest_run_has_its_outcome() -> None:
    """Failures and strict unexpected passes fail, broken set-up and clean-up err, skips and xfails skip."""
    prefix = "checks_of_a_corpus"
    assert outcomes(read_checks(FIXTURES / "pytest_junit.xml", "junit")) == {
        f"{prefix}::test_rows_positive": PASSED,
        f"{prefix}::test_no_duplicates": FAILED,
        f"{prefix}::test_source_readable": ERROR,
        f"{prefix}::test_scratch_removed": ERROR,
        f"{prefix}::test_both_broken": ERROR,
        f"{prefix}::test_full_scan": SKIPPED,
        f"{prefix}::test_language_tags": SKIPPED,
        f"{prefix}::test_unexpected_pass": FAILED,
        f"{prefix}::test_shards": FAILED,
        f"{prefix}.TestSplits::test_not_empty[train-4]": PASSED,
        f"{prefix}.TestSplits::test_not_empty[val-0]": FAILED,
    }


def test_pytest_messages_are_one_line_without_the_terminal_colours_pytest_spells_out() -> None:
    """The colour codes that pytest writes as #x1B[31m are gone, the words around them are not."""
    checks = {check.name: check for check in read_checks(FIXTURES / "pytest_junit.xml", "junit")}
    duplicates = checks["checks_of_a_corpus::test_no_duplicates"]
    assert duplicates.message.startswith("AssertionError: ids repeat: a assert 2 == 3")
    assert "#x1B" not in duplicates.message + duplicates.details["output"]
    assert "\n" in duplicates.details["output"]
    assert checks["checks_of_a_corpus::test_shards"].message == "assert 1 != 1; contains 1 failed subtest"
    assert checks["checks_of_a_corpus::test_language_tags"].details == {"type": "pytest.xfail"}


def test_a_module_that_cannot_be_collected_is_an_error() -> None:
    """A collection failure has no class name and is not a skip."""
    assert outcomes(read_checks(FIXTURES / "pytest_collection_error.xml", "junit")) == {"cannot_be_imported": ERROR}


def test_a_failure_taken_out_of_a_junit_report_is_noticed() -> None:
    """The suite's counts are held against its cases."""
    text = (FIXTURES / "pytest_junit.xml").read_text(encoding="utf-8")
    start = text.index("<failure"), text.index("</failure>") + len("</failure>")
    with pytest.raises(DocumentError) as caught:
        read_xml(text[: start[0]] + text[start[1] :])
    assert "<testsuite failures>: states '6', the cases show 5" in caught.value.diagnostics()


def test_a_test_that_failed_in_its_last_attempt_is_one_check_that_failed() -> None:
    """Attempts of pytest-rerunfailures are one check; those it repeated without a mark had failed, says the total."""
    checks = {check.name: check for check in read_checks(FIXTURES / "pytest_reruns.xml", "junit")}
    assert {name: (check.outcome, check.severity) for name, check in checks.items()} == {
        "test_b::test_ok": (PASSED, BLOCKING),
        "test_b::test_fail": (FAILED, BLOCKING),
        "test_b::test_flaky": (FAILED, WARNING),
        "test_b::test_other": (PASSED, BLOCKING),
    }
    assert checks["test_b::test_fail"].message == "assert 0; 3 attempts: failed, failed, failed"
    assert checks["test_b::test_flaky"].details == {"attempts": 2, "outcomes": "failed, passed"}
    assert "the suite counts 4 tests and has 7 cases" in checks["test_b::test_flaky"].message


@pytest.mark.parametrize(
    ("cases", "outcome", "severity"),
    [
        ("<testcase name='a'><rerun message='x'/></testcase><testcase name='a'/>", FAILED, WARNING),
        ("<testcase name='a'><rerun/></testcase><testcase name='a'><failure/></testcase>", FAILED, BLOCKING),
        ("<testcase name='a'><rerun/></testcase>", FAILED, BLOCKING),
        ("<testcase name='a'><failure/></testcase><testcase name='a'/>", FAILED, BLOCKING),
        ("<testcase name='a'/><testcase name='a'><error/></testcase><testcase name='a'/>", ERROR, BLOCKING),
        ("<testcase name='a'><skipped/></testcase><testcase name='a'/>", SKIPPED, BLOCKING),
        ("<testcase name='a'/><testcase name='a'/>", PASSED, BLOCKING),
        ("<testcase name=' a'><failure/></testcase><testcase name='a '/>", FAILED, BLOCKING),
    ],
)
def test_one_attempt_that_failed_is_enough(cases: str, outcome: Outcome, severity: CheckSeverity) -> None:
    """The worst attempt counts, wherever it stands; only one that was repeated, and is marked so, is a warning."""
    (check,) = read_xml(f"<testsuite>{cases}</testsuite>")
    assert (check.name, check.outcome, check.severity) == ("a", outcome, severity)


def test_attempts_in_different_suites_are_one_check() -> None:
    """A failure under one interpreter is not undone by a pass under another."""
    suites = (
        "<testsuite><testcase name='a'/></testsuite>",
        "<testsuite><testcase name='a'><failure/></testcase></testsuite>",
    )
    for order in (suites, suites[::-1]):
        assert outcomes(read_xml(f"<testsuites>{''.join(order)}</testsuites>")) == {"a": FAILED}


def test_more_tests_than_the_suite_states_are_refused() -> None:
    """A test that was interrupted leaves a case that looks like a pass; the total does not count it."""
    with pytest.raises(DocumentError, match="states 1, the cases show 2 different tests"):
        read_xml("<testsuite tests='1'><testcase name='a'/><testcase name='b'/></testsuite>")
    assert len(read_xml("<testsuite tests='3'><testcase name='a'/><testcase name='b'/></testsuite>")) == 2


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("<testcase name='a'><passed/></testcase>", "unknown element <passed>"),
        ("<testcase name='a'><rerunFailure/></testcase>", "unknown element <rerunFailure>"),
        ("<testcase name='a' status='notrun'/>", "unknown attribute status='notrun'"),
        ("<testcase name='a' result='suppressed'/>", "unknown attribute result='suppressed'"),
        ("<testcase classname='a'/>", "a test case without a name"),
        ("<case name='a'/>", "unknown element <case>"),
        ("", "no check results"),
    ],
)
def test_a_junit_word_we_do_not_know_is_never_a_pass(body: str, words: str) -> None:
    """A case with an unknown child or attribute, without a name, or no case at all is refused."""
    with pytest.raises(DocumentError) as caught:
        read_xml(f"<testsuite>{body}</testsuite>")
    assert words in caught.value.diagnostics()


ENTITY_BOMB = """<!DOCTYPE t [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>
<testsuite><testcase name="&b;"/></testsuite>"""
EXTERNAL_ENTITY = """<!DOCTYPE t [<!ENTITY x SYSTEM "file:///etc/hostname">]>
<testsuite><testcase name="a"><system-out>&x;</system-out></testcase></testsuite>"""
BARE_DTD = """<!DOCTYPE testsuite SYSTEM "http://localhost/t.dtd"><testsuite><testcase name="a"/></testsuite>"""


@pytest.mark.parametrize("text", [ENTITY_BOMB, EXTERNAL_ENTITY, BARE_DTD])
def test_xml_that_declares_anything_is_refused(text: str) -> None:
    """Neither expanding entities, nor external ones, nor a DTD are read."""
    with pytest.raises(DocumentError, match="a DTD or an entity is declared"):
        read_xml(text)


# --- Great Expectations -------------------------------------------------------------------------------------------


def test_an_expectation_fails_with_the_severity_its_author_gave() -> None:
    """Critical blocks, warning and info warn, and of two under one name the worse counts."""
    checks = read_checks(FIXTURES / "great_expectations_corpus_bad.json", "great_expectations")
    assert [(check.name, check.outcome, check.severity) for check in checks] == [
        ("corpus_bad.expect_column_values_to_be_between.score", FAILED, BLOCKING),
        ("corpus_bad.expect_column_values_to_be_unique.id", PASSED, BLOCKING),
        ("corpus_bad.expect_column_values_to_not_be_null.text", FAILED, WARNING),
    ]
    assert checks[0].message == "1 of 6 values are unexpected; 2 attempts: failed, passed"
    assert checks[0].details == {
        "severity": "critical",
        "arguments": '{"column": "score", "max_value": 1.0, "min_value": 0.0}',
        "element_count": 6,
        "unexpected_count": 1,
        "unexpected_percent": pytest.approx(100 / 6),
        "missing_count": 0,
        "attempts": 2,
        "outcomes": "failed, passed",
    }


def test_unexpected_values_of_the_data_stay_where_they_are() -> None:
    """The quoted data of a validation result reaches no check."""
    document = fixture_document("great_expectations_corpus_bad.json")
    document["results"][2]["result"]["partial_unexpected_list"] = ["someone@example.org"]
    assert "someone@example.org" not in repr(read_document(document, "great_expectations"))


def test_a_validation_that_is_met_passes_with_what_was_observed() -> None:
    """All three expectations of the good suite pass, and the observed mean is kept."""
    checks = read_checks(FIXTURES / "great_expectations_corpus_ok.json", "great_expectations")
    assert set(outcomes(checks).values()) == {PASSED}
    assert [check.details.get("observed_value") for check in checks] == [pytest.approx(3.4 / 6), None, 6]


@pytest.mark.parametrize(
    ("measured", "message"), [({"observed_value": 0.97}, "observed 0.97"), ({}, "the expectation is not met")]
)
def test_an_expectation_on_a_whole_column_fails_with_what_was_observed(measured: Any, message: str) -> None:
    """Without counts of unexpected values the observed one is the message, where GX gives one."""
    result = {"success": False, "expectation_config": {"type": "expect_mean"}, "result": measured}
    (check,) = read_document({"success": False, "results": [result], "suite_name": "s"}, "great_expectations")
    assert (check.name, check.outcome, check.message) == ("s.expect_mean", FAILED, message)


def test_an_expectation_that_raised_is_an_error_not_a_failure() -> None:
    """The exception of a metric (one object for each metric id) makes an error with its message."""
    checks = read_checks(FIXTURES / "great_expectations_corpus_broken.json", "great_expectations")
    assert [(check.name, check.outcome) for check in checks] == [
        ("corpus_broken.expect_column_values_to_be_unique.id", PASSED),
        ("corpus_broken.expect_column_values_to_not_be_null.no_such_column", ERROR),
    ]
    assert checks[1].message == 'Error: The column "no_such_column" in BatchData does not exist.'


def test_an_expectation_that_raised_cannot_claim_success() -> None:
    """success=true beside a raised exception is still an error."""
    document = fixture_document("great_expectations_corpus_ok.json")
    document["results"][0]["exception_info"] = {"raised_exception": True, "exception_message": None}
    assert sorted(outcomes(read_document(document, "great_expectations")).values()) == [ERROR, PASSED, PASSED]


def test_a_checkpoint_in_full_says_the_same_as_its_validations() -> None:
    """run_results holds exactly the checks of the three validation results."""
    files = ("corpus_ok", "corpus_bad", "corpus_broken")
    single = [read_checks(FIXTURES / f"great_expectations_{file}.json", "great_expectations") for file in files]
    whole = read_checks(FIXTURES / "great_expectations_run_results.json", "great_expectations")
    assert list(whole) == [check for checks in single for check in checks]


def test_a_described_checkpoint_keeps_the_error_that_the_description_drops() -> None:
    """describe() leaves out a metric's exception; the empty result it leaves behind is read as an error."""
    found = outcomes(read_checks(FIXTURES / "great_expectations_checkpoint.json", "great_expectations"))
    assert {name: end for name, end in found.items() if end is not PASSED} == {
        "validation_2.expect_column_values_to_be_between.score": FAILED,
        "validation_2.expect_column_values_to_not_be_null.text": FAILED,
        "validation_3.expect_column_values_to_not_be_null.no_such_column": ERROR,
    }
    assert len(found) == 8  # two of the 9 expectations have one name


def test_a_described_validation_stands_alone() -> None:
    """describe() of one validation result is read too."""
    described = fixture_document("great_expectations_checkpoint.json")["validation_results"][1]
    assert list(outcomes(read_document(described, "great_expectations")).values()).count(FAILED) == 2


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda d: d.update(success=True), "success: states true, the list shows false"),
        (lambda d: d["results"].pop(), "statistics.evaluated_expectations: states 4, the list shows 3"),
        (lambda d: d["statistics"].update(successful_expectations=3), "successful_expectations: states 3"),
        (lambda d: d["results"][0].update(success="true"), "results[0].success"),
        (lambda d: d["results"][0].update(success=None), "success is neither true nor false"),
        (lambda d: d["results"][0].pop("success"), "results[0].success: missing"),
        (lambda d: d["results"][0]["expectation_config"].update(severity="mild"), "expectation_config.severity"),
        (lambda d: d["results"][0]["exception_info"].update(raised_exception="no"), "exception_info"),
        (lambda d: d.pop("results"), "neither a validation result nor a checkpoint result"),
        (lambda d: d.update(results=[], statistics={}, success=True), "no check results"),
    ],
)
def test_a_validation_result_that_contradicts_itself_is_refused(edit: Edit, words: str) -> None:
    """Totals, success and severity must be consistent and of the known words."""
    assert words in faults_after("great_expectations_corpus_bad.json", "great_expectations", edit)


@pytest.mark.parametrize("file", ["great_expectations_checkpoint.json", "great_expectations_run_results.json"])
def test_a_checkpoint_cannot_claim_success_over_a_failed_validation(file: str) -> None:
    """The checkpoint's own success is held against its validations."""
    assert "the validations show the contrary" in faults_after(
        file, "great_expectations", lambda document: document.update(success=True)
    )


def test_an_infinite_mean_is_observed_not_refused() -> None:
    """What no JSON number can say stands as text, in the message too."""
    (check,) = read_checks(FIXTURES / "great_expectations_infinity.json", "great_expectations")
    assert (check.outcome, check.message, check.details["observed_value"]) == (FAILED, "observed Infinity", "Infinity")


# --- dbt ----------------------------------------------------------------------------------------------------------


def test_every_dbt_status_has_its_outcome() -> None:
    """Warn fails as a warning, partial success fails, what was not carried out is skipped."""
    checks = read_checks(FIXTURES / "dbt_run_results.json", "dbt")
    assert [(check.details["status"], check.outcome, check.severity) for check in checks] == [
        ("success", PASSED, BLOCKING),
        ("pass", PASSED, BLOCKING),
        ("pass", PASSED, BLOCKING),
        ("fail", FAILED, BLOCKING),
        ("warn", FAILED, WARNING),
        ("error", ERROR, BLOCKING),
        ("runtime error", ERROR, BLOCKING),
        ("skipped", SKIPPED, BLOCKING),
        ("partial success", FAILED, BLOCKING),
        ("no-op", SKIPPED, BLOCKING),
    ]
    assert checks[3].name == "test.corpus.not_null_records_text.0a1b2c3d4e"
    assert checks[3].message == "Got 2 results, configured to fail if != 0"
    assert checks[3].details == {"status": "fail", "failures": 2}


def test_the_times_of_a_dbt_run_do_not_change_its_checks() -> None:
    """Two invocations with equal results give equal checks, so their digest is the same."""
    document = fixture_document("dbt_run_results.json")
    document["elapsed_time"] = 99.0
    document["metadata"]["generated_at"] = "2027-01-01T00:00:00Z"
    for result in document["results"]:
        result.update(execution_time=9.9, thread_id="Thread-9")
    assert read_document(document, "dbt") == read_checks(FIXTURES / "dbt_run_results.json", "dbt")


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda d: d["results"][0].update(status="passed"), "results[0].status"),
        (lambda d: d["results"][0].update(status="PASS"), "results[0].status"),
        (lambda d: d["results"][0].update(status=None), "results[0].status"),
        (lambda d: d["results"][0].pop("status"), "results[0].status: missing"),
        (lambda d: d["results"][0].update(unique_id=" "), "check 1 has no name"),
        (lambda d: d["results"][8].update(status="success"), "yet 1 batches failed"),
        (lambda d: d["metadata"].update(dbt_schema_version="https://x/sources/v3.json"), "not run results of schema"),
        (lambda d: d["metadata"].update(dbt_schema_version="https://x/run-results/v7.json"), "not run results of"),
        (lambda d: d.update(results=[]), "no check results"),
        (lambda d: d.update(results={}), "results"),
    ],
)
def test_run_results_outside_the_documented_schema_are_refused(edit: Edit, words: str) -> None:
    """Unknown words, other artifacts, other versions and empty lists are faults at their place."""
    assert words in faults_after("dbt_run_results.json", "dbt", edit)


def test_a_count_of_failures_that_is_a_text_is_the_reason() -> None:
    """Some adapters write a text where the count belongs."""
    (check,) = read_checks(FIXTURES / "dbt_failures_text.json", "dbt")
    assert (check.outcome, check.message, check.details["failures"]) == (FAILED, "Test failure", "Test failure")


# --- OpenLineage --------------------------------------------------------------------------------------------------


def test_tests_of_a_run_and_assertions_on_its_datasets_are_read() -> None:
    """Status and severity words of both facets are mapped, and names carry job or dataset."""
    checks = read_checks(FIXTURES / "openlineage_event.json", "openlineage")
    assert [(check.name, check.outcome, check.severity, check.message) for check in checks] == [
        ("curate.assert_record_ids_unique", PASSED, BLOCKING, ""),
        ("curate.assert_row_count_reasonable", FAILED, WARNING, "expected 1000, actual 999"),
        ("curate.assert_no_orphans", FAILED, BLOCKING, "every answer has its question"),
        ("curate.assert_fresh", SKIPPED, BLOCKING, ""),
        ("raw.records.text.not_null", PASSED, BLOCKING, ""),
        ("raw.records.id.unique", FAILED, WARNING, "actual 2"),
        ("clean.records.rows_kept", PASSED, BLOCKING, ""),
    ]
    assert checks[1].details == {"type": "row_count", "expected": "1000", "actual": "999"}


def listed_tests(document: Any) -> Any:
    """The list of the test facet."""
    return document["run"]["facets"]["test"]["tests"]


def without_facets(document: Any) -> None:
    """Leave the event, take its results."""
    document["run"]["facets"] = {}
    document["inputs"] = document["outputs"] = []


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda d: listed_tests(d)[0].update(status="passed"), "run.facets.test.tests[0].status"),
        (lambda d: listed_tests(d)[0].update(status=True), "run.facets.test.tests[0].status"),
        (lambda d: listed_tests(d)[0].update(severity="fatal"), "run.facets.test.tests[0].severity"),
        (lambda d: d["run"]["facets"]["test"].pop("tests"), "run.facets.test.tests: missing"),
        (
            lambda d: d["inputs"][0]["inputFacets"]["dataQualityAssertions"]["assertions"][0].update(success=1),
            "success",
        ),
        (lambda d: d.pop("job"), "job: missing"),
        (without_facets, "no check results"),
    ],
)
def test_an_event_with_an_unknown_word_or_without_results_is_refused(edit: Edit, words: str) -> None:
    """An unknown status is never a pass, and an event without test facets is not evidence."""
    assert words in faults_after("openlineage_event.json", "openlineage", edit)


@pytest.mark.parametrize("file", ["openlineage_list.json", "openlineage.ndjson"])
def test_several_events_are_read_as_one_document(file: str) -> None:
    """A list of events and a file with one event a line give the checks of all of them, and are recognised."""
    assert sniff(FIXTURES / file) == "openlineage"
    assert outcomes(read_checks(FIXTURES / file, "openlineage")) == {"t.id.unique": PASSED, "t.id.not_null": FAILED}


def assertion_event(success: bool, run: str | None = "r1", **more: Any) -> dict[str, Any]:
    """A run event, or without a run a dataset event, with one assertion on its dataset."""
    facets = {"dataQualityAssertions": {"assertions": [{"assertion": "unique", "success": success}]}}
    dataset = {"namespace": "n", "name": "t", "facets": facets}
    if run is None:
        return {"eventTime": "2026-10-01T09:00:00Z", "dataset": dataset} | more
    return {"run": {"runId": run}, "job": {"namespace": "n", "name": "j"}, "inputs": [dataset], "outputs": None} | more


def test_what_a_run_reports_again_is_one_result() -> None:
    """The same facet in a later event of the same run is no second attempt; in another run it is."""
    (again,) = read_document([assertion_event(True), assertion_event(True)], "openlineage")
    assert (again.outcome, again.details) == (PASSED, {"type": "unique"})
    (changed,) = read_document([assertion_event(True), assertion_event(False)], "openlineage")
    assert (changed.outcome, changed.details["outcomes"]) == (FAILED, "passed, failed")
    (rerun,) = read_document([assertion_event(False), assertion_event(False, "r2")], "openlineage")
    assert rerun.details["attempts"] == 2


def test_dataset_events_job_events_and_the_answer_of_a_server_are_read() -> None:
    """An event may have no run, a facet may have been deleted, and events may lie in an object."""
    start = {"run": {"runId": "r"}, "job": {"name": "j"}, "inputs": [], "eventType": "START"}
    gone = assertion_event(True)
    gone["inputs"][0]["facets"]["dataQualityAssertions"] = {"_deleted": True}
    job = {key: value for key, value in assertion_event(False).items() if key != "run"}
    assert outcomes(read_document([start, assertion_event(True, None)], "openlineage")) == {"t.unique": PASSED}
    assert outcomes(read_document({"events": [start, gone, job], "totalCount": 3}, "openlineage")) == {
        "t.unique": FAILED
    }
    assert sniff(Path("document.json")) == "openlineage"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"run": {}, "job": {"name": "j"}}\n{"run": ', "document:2: not JSON"),
        ('{"run": {}, "job": {"name": "j"}}\n\n7', "document:3: the document must be a JSON object"),
        ('{"run": {}, "job": {"name": "j"}}\n{"run": {}, "job": {}}', "document:2: job.name: missing"),
        ('[{"run": {}, "job": {"name": "j"}}, {"job": {"name": 1}}]', "[1].job.name"),
        ('{"run": {}, "job": {"name": "j"}}\n{"run": {}, "job": {"name": "j"}}', "no check results"),
    ],
)
def test_one_event_that_is_none_spoils_the_document(text: str, words: str) -> None:
    """A document is taken whole or refused whole, with the line or the place in the list."""
    path = Path("document")
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DocumentError) as caught:
        read_checks(path, "openlineage")
    assert words in caught.value.diagnostics()


# --- published projects -------------------------------------------------------------------------------------------


def test_commands_and_data_checks_of_a_published_project_keep_their_names() -> None:
    """Names stay bare, since contracts require them by these names; a failed command shows its last line."""
    checks = read_checks(FIXTURES / "p05_test_results.json", "published")
    assert [(check.name, check.outcome, check.message) for check in checks] == [
        ("py_compile", PASSED, ""),
        ("evaluate_rag", FAILED, "return code 1: FileNotFoundError: data/eval/questions.jsonl"),
        ("required_files_exist", PASSED, ""),
        ("page_index_non_empty", PASSED, ""),
        ("retrieval_hit_rate_reasonable", FAILED, "the check did not pass"),
    ]
    assert checks[0].details == {"command": "python -m py_compile src/build_index.py", "returncode": 0}
    assert checks[4].details == {"hit_rate": 0.62, "limit": 0.7, "unit": "share"}


def test_a_plain_list_of_checks_is_enough() -> None:
    """Totals are optional and the list may simply be called checks."""
    assert outcomes(read_document({"checks": [{"name": "a", "passed": True}]}, "published")) == {"a": PASSED}


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda d: d.update(overall_passed=True), "overall_passed: states true, the list shows false"),
        (lambda d: d.update(passed_checks=5), "passed_checks: states 5, the list shows 3"),
        (lambda d: d.update(total_checks=4), "total_checks: states 4, the list shows 5"),
        (lambda d: d.update(failed_checks=0), "failed_checks: states 0, the list shows 2"),
        (lambda d: d["command_checks"][1].update(passed=True), "command_checks[1]: passed is true, but the return"),
        (lambda d: d["dataset_checks"][0].update(passed="yes"), "dataset_checks[0].passed"),
        (lambda d: d["dataset_checks"][0].update(passed=1), "dataset_checks[0].passed"),
        (lambda d: d["dataset_checks"][0].update(passed=None), "dataset_checks[0].passed"),
        (lambda d: d["dataset_checks"][0].pop("passed"), "dataset_checks[0].passed: missing"),
        (lambda d: d["dataset_checks"].append("ok"), "dataset_checks[3]"),
        (lambda d: d.update(dataset_checks={"a": True}), "dataset_checks"),
        (lambda d: d.update(dataset_checks=[], command_checks=[]), "no check results"),
        (lambda d: (d.pop("dataset_checks"), d.pop("command_checks")), "no check results"),
    ],
)
def test_published_totals_never_stand_in_for_the_list(edit: Edit, words: str) -> None:
    """Totals without a list, or that disagree with it, and entries without a plain truth value are faults."""
    assert words in faults_after("p05_test_results.json", "published", edit)


@pytest.mark.parametrize("passed", [[True, False], [False, True], [True, False, True]])
def test_a_name_listed_twice_is_one_check_in_every_format(passed: list[bool]) -> None:
    """Whatever the tool, the worst result under one name counts, and the order does not matter."""
    documents = {
        "published": {"checks": [{"name": "a", "passed": p} for p in passed]},
        "dbt": {
            "metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/run-results/v6.json"},
            "results": [{"unique_id": "a", "status": "pass" if p else "fail"} for p in passed],
        },
        "openlineage": {
            "run": {"facets": {"test": {"tests": [{"name": "a", "status": "pass" if p else "fail"} for p in passed]}}},
            "job": {"name": "j"},
        },
        "great_expectations": {
            "success": False,
            "results": [{"success": p, "expectation_config": {"type": "a"}} for p in passed],
        },
    }
    for format_name, document in documents.items():
        (check,) = read_document(document, format_name)
        assert (check.outcome, check.details["attempts"]) == (FAILED, len(passed)), format_name


def test_a_warning_never_hides_what_blocks() -> None:
    """Of a warning and a failure that blocks, the failure counts; of a warning and a pass, the warning."""
    results = [
        {"unique_id": "a", "status": "warn"},
        {"unique_id": "a", "status": "fail"},
        {"unique_id": "b", "status": "warn"},
        {"unique_id": "b", "status": "pass"},
    ]
    document = {
        "metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/run-results/v6.json"},
        "results": results,
    }
    checks = read_document(document, "dbt")
    assert [(check.outcome, check.severity) for check in checks] == [(FAILED, BLOCKING), (FAILED, WARNING)]
