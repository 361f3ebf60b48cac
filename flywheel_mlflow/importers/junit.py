"""Reads the JUnit XML that pytest writes (`--junitxml`)."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from flywheel_mlflow.base.errors import DocumentError, Fault
from flywheel_mlflow.evidence.runs import Check, CheckSeverity, Outcome
from flywheel_mlflow.importers.findings import Findings

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

SOURCE: Final = "pytest"

#: pytest-rerunfailures may mark with ``rerun`` an attempt that failed and was repeated.
RERUN: Final = "rerun"

_OUTCOMES: Final = {
    "error": Outcome.ERROR,
    "failure": Outcome.FAILED,
    RERUN: Outcome.FAILED,
    "skipped": Outcome.SKIPPED,
}
_WORST_FIRST: Final = tuple(_OUTCOMES)
_IGNORED: Final = frozenset({"properties", "system-out", "system-err"})
_SUITE_COUNTS: Final = {"errors": "error", "failures": "failure", "skipped": "skipped"}


def parse(text: str, *, name: str) -> tuple[Check, ...]:
    """The test cases of a report, named ``classname::test``.

    A case without child elements passed, which is how JUnit says so; every other child must be one
    we know. An expected failure (``xfail``) arrives as skipped, an unexpected strict pass as failed.

    A test that was repeated (pytest-rerunfailures) has a case for each attempt, all of one name. An attempt that was
    repeated had failed: that is a failure of severity warning where a later attempt ended otherwise. The plugin marks
    such an attempt with ``<rerun>`` or not at all; then the suite counts fewer tests than it has cases.

    Raises:
        DocumentError: not XML, a DTD or entity, another root, an unknown child element or ``status``
            word, counts that disagree with the cases, or no case at all.
    """
    root = _root(text, name)
    found = Findings(name, SOURCE)
    suites = [root, *root.iter("testsuite")] if root.tag == "testsuites" else list(root.iter("testsuite"))
    for suite in suites:
        _check_suite(suite, found)
        _add_cases(suite, found)
    return found.checks()


def _root(text: str, name: str) -> Element:
    # Imported here: a command that reads no XML should not pay for the parser.
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import ParseError, fromstring

    try:
        # Entities can expand without bound or read other files; no test report needs a DTD.
        root: Element = fromstring(text, forbid_dtd=True, forbid_entities=True, forbid_external=True)
    except DefusedXmlException as error:
        raise DocumentError([Fault(name, 0, "", "a DTD or an entity is declared, which is not allowed")]) from error
    except ParseError as error:
        line, column = error.position
        reason = str(error).split(":")[0]
        raise DocumentError([Fault(name, line, "", f"not XML: {reason} (column {column})")]) from error
    if root.tag not in {"testsuites", "testsuite"}:
        raise DocumentError([Fault(name, 1, "", f"the root element is <{root.tag}>, not <testsuites>")])
    return root


def _check_suite(suite: Element, found: Findings) -> None:
    """Counts of a suite must agree with its elements: a failure taken out of a report is noticed.

    ``tests`` may be more than the cases: pytest 9.2 counts each passed subtest and each test whose clean-up fails
    a second time, without a case of its own. It is never less than the different tests, unless one was interrupted:
    that one has a case without a child, like one that passed.
    """
    for child in suite:
        if child.tag not in {"testsuite", "testcase"} | _IGNORED:
            found.fault(f"<{suite.tag}>", f"unknown element <{child.tag}>")
    if suite.find("testsuite") is not None or suite.tag != "testsuite":
        return
    for attribute, tag in _SUITE_COUNTS.items():
        stated = suite.get(attribute)
        actual = len(suite.findall(f"testcase/{tag}"))
        if stated is not None and stated.strip() != str(actual):
            found.fault(f"<testsuite {attribute}>", f"states {stated[:40]!r}, the cases show {actual}")
    different = len({_name(case) for case in suite.findall("testcase")})
    if (stated_tests := _stated_tests(suite)) is not None and stated_tests < different:
        found.fault("<testsuite tests>", f"states {stated_tests}, the cases show {different} different tests")


def _stated_tests(suite: Element) -> int | None:
    """How many tests a suite without inner suites says it has; None where it does not."""
    stated = suite.get("tests", "").strip()
    return int(stated) if suite.find("testsuite") is None and stated.isdecimal() and len(stated) < 10 else None


def _name(case: Element) -> str:
    name, classname = case.get("name", ""), case.get("classname", "")
    return f"{classname}::{name}" if classname else name


def _add_cases(suite: Element, found: Findings) -> None:
    """The cases of one suite; an attempt is a repeated one if another case of its name follows."""
    cases = suite.findall("testcase")
    left = Counter(_name(case) for case in cases)
    stated = _stated_tests(suite)
    unmarked = ""
    if stated is not None and len(cases) > stated:
        unmarked = f"repeated without a mark: the suite counts {stated} tests and has {len(cases)} cases"
    for case in cases:
        left[_name(case)] -= 1
        _add_case(case, found, repeated=left[_name(case)] > 0, unmarked=unmarked)


def _add_case(case: Element, found: Findings, *, repeated: bool, unmarked: str) -> None:
    """One case; ``unmarked`` says why an attempt without a child that was ``repeated`` did not pass, if it did not."""
    name = case.get("name", "")
    place = f"<testcase {name[:120]}>"
    if not name.strip():
        found.fault(place, "a test case without a name")
        return
    # Other writers of this format say "not run" in an attribute, where no child element means nothing.
    for attribute in ("status", "result"):
        if attribute in case.attrib:
            found.fault(place, f"unknown attribute {attribute}={case.attrib[attribute][:40]!r}; pytest writes none")
    ends = [child for child in case if child.tag in _OUTCOMES]
    for child in case:
        if child.tag not in _OUTCOMES and child.tag not in _IGNORED:
            found.fault(place, f"unknown element <{child.tag}>")
    ends.sort(key=lambda child: _WORST_FIRST.index(child.tag))
    if not ends and repeated and unmarked:
        found.add(_name(case), Outcome.FAILED, message=unmarked, severity=CheckSeverity.WARNING)
        return
    found.add(
        _name(case),
        _OUTCOMES[ends[0].tag] if ends else Outcome.PASSED,
        message="; ".join(filter(None, (child.get("message", "") for child in ends))),
        severity=CheckSeverity.WARNING if ends and ends[0].tag == RERUN and repeated else CheckSeverity.BLOCKING,
        details={"type": ends[0].get("type")} if ends else None,
        output=ends[0].text or "" if ends else "",
    )
