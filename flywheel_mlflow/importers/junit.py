"""Reads the JUnit XML that pytest writes (`--junitxml`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flywheel_mlflow.errors import DocumentError, Fault
from flywheel_mlflow.evidence import Check, Outcome
from flywheel_mlflow.importers.findings import Findings

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

SOURCE: Final = "pytest"

_OUTCOMES: Final = {"error": Outcome.ERROR, "failure": Outcome.FAILED, "skipped": Outcome.SKIPPED}
_WORST_FIRST: Final = (Outcome.ERROR, Outcome.FAILED, Outcome.SKIPPED)
_IGNORED: Final = frozenset({"properties", "system-out", "system-err"})
_SUITE_COUNTS: Final = {"errors": "error", "failures": "failure", "skipped": "skipped"}


def parse(text: str, *, name: str) -> tuple[Check, ...]:
    """The test cases of a report, named ``classname::test``.

    A case without child elements passed, which is how JUnit says so; every other child must be one
    we know. An expected failure (``xfail``) arrives as skipped, an unexpected strict pass as failed.

    Raises:
        DocumentError: not XML, a DTD or entity, another root, an unknown child element or ``status``
            word, counts that disagree with the cases, or no case at all.
    """
    root = _root(text, name)
    found = Findings(name, SOURCE)
    suites = [root, *root.iter("testsuite")] if root.tag == "testsuites" else list(root.iter("testsuite"))
    for suite in suites:
        _check_suite(suite, found)
    for case in root.iter("testcase"):
        _add_case(case, found)
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

    ``tests`` cannot be held against the cases: pytest 9.2 counts each passed subtest and each test
    whose clean-up fails a second time, without a case of its own.
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


def _add_case(case: Element, found: Findings) -> None:
    name = case.get("name", "")
    classname = case.get("classname", "")
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
    ends.sort(key=lambda child: _WORST_FIRST.index(_OUTCOMES[child.tag]))
    found.add(
        f"{classname}::{name}" if classname else name,
        _OUTCOMES[ends[0].tag] if ends else Outcome.PASSED,
        message="; ".join(filter(None, (child.get("message", "") for child in ends))),
        details={"type": ends[0].get("type")} if ends else None,
        output=ends[0].text or "" if ends else "",
    )
