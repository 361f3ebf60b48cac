"""What holds for every imported document, however broken it is."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flywheel_mlflow.base.canonical import digest_of
from flywheel_mlflow.base.documents import MAX_DOCUMENT_BYTES
from flywheel_mlflow.base.errors import DocumentError, ExitCode, UnknownName
from flywheel_mlflow.base.names import label_fault
from flywheel_mlflow.evidence.runs import Check, Outcome
from flywheel_mlflow.importers import FORMATS, MAX_FAULTS, read_checks, sniff
from flywheel_mlflow.importers.findings import MAX_DETAILS, MAX_MESSAGE, Findings, clean_line, clean_text, plain_details

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures" / "importers"
SAMPLES = {
    "junit": "pytest_junit.xml",
    "great_expectations": "great_expectations_corpus_bad.json",
    "dbt": "dbt_run_results.json",
    "openlineage": "openlineage_event.json",
    "published": "p05_test_results.json",
}
JSON_FORMATS = sorted(set(FORMATS) - {"junit"})
#: The only words that may make a check pass, as they stand in the file.
PASS_WORDS = {
    "great_expectations": ("true",),
    "dbt": ('"success"', '"pass"'),
    "openlineage": ("true", '"pass"'),
    "published": ("true",),
}


def written(text: str | bytes) -> Path:
    """A file with this content in the test's own folder."""
    path = Path("document")
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def refused(text: str | bytes, format_name: str) -> str:
    """The diagnostics of a document that must be refused."""
    with pytest.raises(DocumentError) as caught:
        read_checks(written(text), format_name)
    assert caught.value.exit_code is ExitCode.USAGE
    return caught.value.diagnostics()


def sample(format_name: str) -> str:
    """The text of a format's fixture."""
    return (FIXTURES / SAMPLES[format_name]).read_text(encoding="utf-8")


def test_every_format_has_a_fixture_and_recognises_it() -> None:
    """Each fixture is sniffed as its own format and read with unique labels, each naming its tool."""
    assert set(SAMPLES) == set(FORMATS)
    for path in sorted(FIXTURES.glob("*.[jx]*")):
        found = sniff(path)
        assert found is not None, path.name
        checks = read_checks(path, found)
        names = [check.name for check in checks]
        assert len(set(names)) == len(names)
        assert [fault for fault in map(label_fault, names) if fault] == []
        assert len({check.source for check in checks}) == 1
        assert digest_of(checks) == digest_of(read_checks(path, found))


@pytest.mark.parametrize("text", ["", "hello", "[]", "{}", "null", '{"a": 1}', "<html/>", "<", "{", "NaN"])
def test_a_file_of_another_kind_has_no_format(text: str) -> None:
    """Sniffing what no tool wrote answers None and does not raise."""
    assert sniff(written(text)) is None


def test_an_unknown_format_names_the_known_ones() -> None:
    """A misspelt format is a usage error with the nearest names."""
    with pytest.raises(UnknownName) as caught:
        read_checks(FIXTURES / SAMPLES["junit"], "junitt")
    assert "known: junit" in caught.value.diagnostics()


@pytest.mark.parametrize("format_name", sorted(FORMATS))
def test_a_document_cut_anywhere_is_refused(format_name: str) -> None:
    """Whatever the place of the cut, half a document is no document."""
    text = sample(format_name).rstrip()
    for end in range(0, len(text), max(1, len(text) // 40)):
        assert "not " in refused(text[:end], format_name)


@pytest.mark.parametrize("format_name", sorted(FORMATS))
def test_a_document_of_17_megabytes_is_refused_unread(format_name: str) -> None:
    """The size is checked before the parser sees a byte."""
    assert "bytes, at most" in refused(sample(format_name) + " " * (17 * 1024 * 1024), format_name)
    assert MAX_DOCUMENT_BYTES < 17 * 1024 * 1024


@pytest.mark.parametrize("format_name", sorted(FORMATS))
@pytest.mark.parametrize("text", [b"\xff\xfe<\x00", b"", b"\x00", b"[]", b"[1]", b"null", b"true", b'"pass"', b"<a/>"])
def test_a_document_of_the_wrong_kind_is_refused(format_name: str, text: bytes) -> None:
    """Other roots, other encodings and empty files are faults in every format."""
    assert "1 fault in document" in refused(text, format_name)


@pytest.mark.parametrize("format_name", sorted(FORMATS))
def test_a_missing_file_is_named(format_name: str) -> None:
    """A file that is not there is a document fault under the name the caller gave it."""
    with pytest.raises(DocumentError, match="results of p05: no such file"):
        read_checks(Path("nowhere"), format_name, name="results of p05")


@pytest.mark.parametrize("format_name", JSON_FORMATS)
@pytest.mark.parametrize("token", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_number_that_is_none_beside_a_verdict_changes_nothing(format_name: str, token: str) -> None:
    """NaN and infinities in fields we do not read leave every check as it is."""
    text = sample(format_name)
    spoilt = text.replace("{", f'{{"ratio": {token}, ', 1)
    assert read_checks(written(spoilt), format_name) == read_checks(written(text), format_name)


#: A place of each format that holds a detail, and the same with something else in it.
DETAILS = {
    "dbt": ('"failures": null', '"failures": {}'),
    "great_expectations": ('"element_count": 6', '"element_count": {}'),
    "openlineage": ('"expected": "1000"', '"expected": {}'),
    "published": ('"stdout": ""', '"stdout": {}'),
}


@pytest.mark.parametrize("format_name", sorted(DETAILS))
@pytest.mark.parametrize("value", ["NaN", "-1e999", "null", "true", "[1, [2]]", '{"a": {}}', "3.5", '"a \\ud83d b"'])
def test_whatever_stands_in_a_detail_the_verdicts_stand(format_name: str, value: str) -> None:
    """A message, a count or an output may be of any type: names, outcomes and severities are the same."""
    text, (before, after) = sample(format_name), DETAILS[format_name]
    assert before in text, "the fixture no longer has this detail"
    checks = read_checks(written(text.replace(before, after.format(value))), format_name)
    expected = [(check.name, check.outcome, check.severity) for check in read_checks(written(text), format_name)]
    assert [(check.name, check.outcome, check.severity) for check in checks] == expected


@pytest.mark.parametrize("format_name", sorted(FORMATS))
def test_a_byte_order_mark_is_no_fault(format_name: str) -> None:
    """Some shells write one before the text."""
    text = sample(format_name)
    assert read_checks(written("\ufeff" + text), format_name) == read_checks(written(text), format_name)


def test_keys_that_half_a_character_tells_apart_are_refused() -> None:
    """Mending the text must not let one result hide another."""
    assert "half a character" in refused('{"run_results": {"a\\ud800": 1, "a\\ud801": 2}}', "great_expectations")


@pytest.mark.parametrize("format_name", JSON_FORMATS)
def test_a_key_written_twice_is_refused(format_name: str) -> None:
    """Two values for one key leave open which one counts."""
    text = sample(format_name).replace("{", '{"again": 1, "again": 2, ', 1)
    assert "written twice" in refused(text, format_name)


@pytest.mark.parametrize("format_name", JSON_FORMATS)
def test_deep_nesting_is_a_fault_or_a_note_never_a_crash(format_name: str) -> None:
    """Nesting beyond the parser's limit is refused; nesting just below it is survived."""
    text = sample(format_name)
    assert "nested too deeply" in refused(text.replace("{", '{"deep": ' + "[" * 100_000 + ",", 1), format_name)
    for depth in range(50, 1000, 50):
        deep = "[" * depth + "]" * depth
        results(text.replace("{", f'{{"deep": {deep}, ', 1), format_name)
        for field in ("details", "kwargs", "params"):
            results(text.replace(f'"{field}": {{', f'"{field}": {{"deep": {deep}, '), format_name)


def test_a_detail_nested_to_the_last_level_the_parser_allows_is_survived() -> None:
    """The parser's limit lies a few levels from the writer's; no depth in between gets through as an error."""
    for depth in range(900, 1000):
        deep = "[" * depth + "]" * depth
        results(f'{{"checks": [{{"name": "a", "passed": true, "details": {{"deep": {deep}}}}}]}}', "published")


def test_deeply_nested_xml_is_refused() -> None:
    """Elements inside elements that no report has are faults, at any depth."""
    assert "unknown element" in refused("<testsuite>" + "<a>" * 50_000 + "</a>" * 50_000 + "</testsuite>", "junit")


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1", "no-such-encoding"])
def test_the_encoding_an_xml_file_claims_does_not_matter(encoding: str) -> None:
    """Files are read as UTF-8 whatever their first line says, so nothing can hide in another encoding."""
    text = f'<?xml version="1.0" encoding="{encoding}"?><testsuite><testcase name="é"/></testsuite>'
    assert [check.name for check in read_checks(written(text), "junit")] == ["é"]


def test_thousands_of_faults_are_counted_not_listed() -> None:
    """A wrong file reports its first faults and how many more there are."""
    text = json.dumps({"checks": [{"name": "a", "passed": index} for index in range(3000)]})
    lines = refused(text, "published").splitlines()
    assert len(lines) == MAX_FAULTS + 3
    assert any(line.endswith("2950 more faults") for line in lines)


def test_faults_that_quote_the_document_are_safe_to_print() -> None:
    """A key with terminal escapes arrives in the fault without them."""
    key = "\x1b[2J\u202eevil_checks"
    shown = refused(json.dumps({key: [{"name": "a" * 900, "passed": 1}]}), "published")
    assert "evil_checks" in shown
    assert not {"\x1b", "\u202e"} & set(shown)


# --- names, messages, details -------------------------------------------------------------------------------------


def test_names_that_read_the_same_are_one_check() -> None:
    """A name is what people read: terminal colours make no other check of it, and a suffix is part of it."""
    found = Findings("d", "s")
    for name in ("a", "a", "a#2", "\x1b[1ma\x1b[0m"):
        found.add(name, Outcome.PASSED)
    assert [(check.name, check.details.get("attempts")) for check in found.checks()] == [("a", 3), ("a#2", None)]


def test_one_name_a_hundred_thousand_times_is_one_check() -> None:
    """One failure among very many passes counts, and the attempts are counted instead of listed."""
    found = Findings("d", "s")
    for index in range(100_000):
        found.add("same", Outcome.FAILED if index == 50_000 else Outcome.PASSED)
    (check,) = found.checks()
    assert check.outcome is Outcome.FAILED
    assert check.details == {"attempts": 100_000, "outcomes": "99,999 passed, 1 failed"}


@given(st.lists(st.sampled_from(list(Outcome)), min_size=1, max_size=30), st.text("ax", max_size=3000))
def test_merging_attempts_loses_no_bad_one(attempts: list[Outcome], message: str) -> None:
    """For any attempts: one check with the worst outcome, and a message within its limit."""
    found = Findings("d", "s")
    for outcome in attempts:
        found.add("a", outcome, message=message)
    (check,) = found.checks()
    order = [Outcome.ERROR, Outcome.FAILED, Outcome.SKIPPED, Outcome.PASSED]
    assert check.outcome is min(attempts, key=order.index)
    assert len(check.message) <= MAX_MESSAGE


def test_long_names_are_cut_but_stay_distinct() -> None:
    """Names that differ only beyond the limit keep different labels within it."""
    found = Findings("d", "s")
    for end in ("x", "y", "y"):
        found.add("n" * 5000 + end, Outcome.FAILED)
    names = [check.name for check in found.checks()]
    assert {len(name) for name in names} == {250}
    assert len(set(names)) == 2


def test_messages_are_bounded_and_clean() -> None:
    """Escapes, controls, direction overrides and lone surrogates go; the text and its length limit stay."""
    dirty = (
        "\x1b[31mred\x1b[0m \x1b]0;title\x07\x9b1mbold\x00\x7f \u202etxt\u2066 \ud800 \u2028line\tend\r\n" + "x" * 9000
    )
    line = clean_line(dirty)
    assert line.startswith("red bold txt line end xxx")
    assert len(line) == MAX_MESSAGE
    assert clean_text("a\n\x1b[1mb\r\nc") == "a\nb\nc"


@given(st.text(st.characters(), max_size=300), st.integers(1, 50))
def test_clean_text_never_lets_a_control_character_through(text: str, limit: int) -> None:
    """For any text: within the limit, encodable, and nothing below space but the line break."""
    cleaned = clean_text(text, limit)
    assert len(cleaned) <= limit
    assert cleaned.encode("utf-8").decode("utf-8") == cleaned
    assert not any((ord(char) < 32 and char != "\n") or 0x7F <= ord(char) < 0xA0 for char in cleaned)


def test_details_are_few_short_and_plain() -> None:
    """Unknown values are left out, huge and nested ones become short text, and there are at most thirty."""
    details = plain_details({"none": None, "big": 10**4000, "nested": {"a": [1, None]}, "flag": True, "n": 0, "": 1})
    assert details == {"big": "1" + "0" * 498 + "…", "nested": '{"a": [1, null]}', "flag": True, "n": 0}
    assert len(plain_details({str(index): index for index in range(100)})) == MAX_DETAILS


def test_a_document_without_findings_is_not_a_pass() -> None:
    """No finding at all is a fault that says so."""
    with pytest.raises(DocumentError, match="no check results"):
        Findings("empty.json", "s").checks()


# --- any document -------------------------------------------------------------------------------------------------

WORDS = ["pass", "fail", "passed", "success", "skip", "skipped", "error", "warn", "no-op", "a", "", "\ud800", "\x1b[0m"]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(WORDS)
)
SHARED_KEYS = ["success", "status", "passed", "name", "results", "checks", "kwargs", "type", "other"]
OWN_KEYS = ["run", "job", "facets", "tests", "unique_id", "metadata", "expectation_config", "run_results"]
KEYS = st.sampled_from([*SHARED_KEYS, *OWN_KEYS, "validation_results", "expectations"])
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=25
)
PER_EXAMPLE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


def results(text: str, format_name: str) -> tuple[Check, ...]:
    """The checks of a document, or none when it is refused; nothing else may happen."""
    try:
        checks = read_checks(written(text), format_name)
    except DocumentError:
        return ()
    assert checks, "an empty tuple would read as a pass"
    digest_of(checks)
    assert {type(check) for check in checks} == {Check}
    assert [fault for fault in (label_fault(check.name) for check in checks) if fault] == []
    return checks


def assert_earned(text: str, format_name: str) -> None:
    """No more passes than pass words stand in the text."""
    passes = sum(check.outcome is Outcome.PASSED for check in results(text, format_name))
    assert passes <= sum(text.count(word) for word in PASS_WORDS[format_name])


@pytest.mark.parametrize("format_name", JSON_FORMATS)
@PER_EXAMPLE
@given(document=VALUES)
def test_no_random_document_passes_without_a_pass_word(format_name: str, document: Any) -> None:
    """Any JSON gives checks or a DocumentError, and each pass has its word in the text."""
    assert_earned(json.dumps(document), format_name)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) of a document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in list(items):
        yield value, key
        yield from places(item)


@pytest.mark.parametrize("format_name", JSON_FORMATS)
@PER_EXAMPLE
@given(data=st.data())
def test_no_edit_of_a_real_document_makes_an_unearned_pass(format_name: str, data: st.DataObject) -> None:
    """Replacing or removing any value of a real document gives checks with earned passes, or a DocumentError."""
    document = json.loads(sample(format_name))
    for _ in range(data.draw(st.integers(1, 3))):
        spots = list(places(document))
        container, key = spots[data.draw(st.integers(0, len(spots) - 1))]
        if data.draw(st.booleans()):
            del container[key]
        else:
            container[key] = data.draw(VALUES)
    assert_earned(json.dumps(document), format_name)


@pytest.mark.parametrize("format_name", sorted(FORMATS))
@PER_EXAMPLE
@given(content=st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
def test_random_bytes_are_refused_as_documents(format_name: str, content: bytes) -> None:
    """Bytes that no tool wrote raise DocumentError and nothing else."""
    with pytest.raises(DocumentError):
        read_checks(written(content), format_name)


TAGS = st.sampled_from(["failure", "error", "skipped", "system-out", "properties", "passed", "testcase"])
XML_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=20)


@PER_EXAMPLE
@given(cases=st.lists(st.tuples(XML_TEXT, st.lists(TAGS, max_size=3), XML_TEXT), max_size=6))
def test_a_junit_case_passes_only_without_an_ending(cases: list[tuple[str, list[str], str]]) -> None:
    """For any mix of children: refused, or a name passes exactly if none of its cases has more than captured output."""
    body = "".join(
        f"<testcase name={quoteattr(name)}>"
        + "".join(f"<{tag} message={quoteattr(message)}/>" for tag in tags)
        + "</testcase>"
        for name, tags, message in cases
    )
    checks = results(f"<testsuite>{body}</testsuite>".replace("\ufffe", "").replace("\uffff", ""), "junit")
    names = {clean_line(name.replace("\ufffe", "").replace("\uffff", "")) for name, _, _ in cases}
    ended = {
        clean_line(name.replace("\ufffe", "").replace("\uffff", ""))
        for name, tags, _ in cases
        if not set(tags) <= {"system-out", "properties"}
    }
    assert not checks or {check.name for check in checks if check.outcome is Outcome.PASSED} == names - ended


def test_importing_the_importers_is_cheap() -> None:
    """Neither mlflow nor pandas nor an XML parser is loaded until a document needs it."""
    heavy = ["mlflow", "pandas", "pyarrow", "defusedxml", "evidently"]
    code = f"import sys, flywheel_mlflow.importers; print([name for name in {heavy} if name in sys.modules])"
    root = Path(__file__).resolve().parents[2]
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert answer.stdout.strip() == "[]"
