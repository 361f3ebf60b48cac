"""Writes the outcome of the assembly's own checks: as data, for people, and for tools that read JUnit XML."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from xml.etree import ElementTree as ET

from flywheel_mlflow.base.text import visible
from flywheel_mlflow.evidence.runs import Check, Outcome
from flywheel_mlflow.reports.escaping import markdown_code, markdown_text

FORMAT_VERSION = 1

#: The order of the report: what somebody must look at comes first.
_ORDER = (Outcome.FAILED, Outcome.ERROR, Outcome.SKIPPED, Outcome.PASSED)

_PROBLEMS_SHOWN = 50


def results_document(checks: Iterable[Check]) -> dict[str, Any]:
    """The published shape of check results, with the outcome and its reasons beside each pass or fail.

    ``overall_passed`` is True only if there are checks and every one of them passed.
    """
    found = tuple(checks)
    counts = Counter(check.outcome for check in found)
    return {
        "format_version": FORMAT_VERSION,
        "overall_passed": _all_passed(found),
        "passed_checks": counts[Outcome.PASSED],
        "failed_checks": len(found) - counts[Outcome.PASSED],
        "total_checks": len(found),
        "checks": [
            {
                "name": check.name,
                "passed": check.outcome is Outcome.PASSED,
                "outcome": check.outcome.value,
                "severity": check.severity.value,
                "message": check.message,
                "claim": _claim(check),
                "problems": _problems(check),
            }
            for check in found
        ],
    }


def _all_passed(checks: Sequence[Check]) -> bool:
    return bool(checks) and all(check.outcome is Outcome.PASSED for check in checks)


def _claim(check: Check) -> str:
    return str(check.details.get("claim", ""))


def _problems(check: Check) -> list[str]:
    return [str(problem) for problem in check.details.get("problems", ())]


def test_report(checks: Iterable[Check], iteration: int) -> str:
    """The outcome of the checks as Markdown: the verdict, what is wrong, then every check with its claim."""
    found = sorted(checks, key=lambda check: _ORDER.index(check.outcome))
    passed = sum(check.outcome is Outcome.PASSED for check in found)
    lines = [
        f"# Checks of the assembly, iteration {iteration}",
        "",
        f"**{_verdict(found)}** {passed} of {len(found)} checks passed.",
        "",
    ]
    for check in found:
        if check.outcome is not Outcome.PASSED:
            lines += _section(check)
    lines += ["## All checks", "", "| Outcome | Check | What it claims |", "| --- | --- | --- |"]
    lines += [
        f"| {check.outcome.value} | {markdown_code(check.name)} | {markdown_text(_claim(check))} |" for check in found
    ]
    return "\n".join(lines) + "\n"


# pytest would take it for a test wherever it is imported by this name.
test_report.__test__ = False  # type: ignore[attr-defined]


def _verdict(checks: Sequence[Check]) -> str:
    if not checks:
        return "Nothing is known: no check ran."
    if _all_passed(checks):
        return "The assembly agrees with itself."
    return "The assembly contradicts itself: do not use it before this is cleared up."


def _section(check: Check) -> list[str]:
    problems = _problems(check) or [check.message or "no reason was given"]
    left = len(problems) - _PROBLEMS_SHOWN
    return [
        f"## {check.outcome.value}: {markdown_code(check.name)}",
        "",
        *(f"- {markdown_text(problem)}" for problem in problems[:_PROBLEMS_SHOWN]),
        *([f"- and {left} more"] if left > 0 else []),
        "",
    ]


def junit_xml(checks: Iterable[Check]) -> str:
    """The outcome of the checks as JUnit XML, one test case for each; it holds no times, so that equal is equal."""
    found = tuple(checks)
    counts = Counter(check.outcome for check in found)
    totals = {
        "tests": len(found),
        "failures": counts[Outcome.FAILED],
        "errors": counts[Outcome.ERROR],
        "skipped": counts[Outcome.SKIPPED],
    }
    root = ET.Element("testsuites", _attributes(totals))
    suite = ET.SubElement(root, "testsuite", _attributes({"name": "assembly", **totals}))
    for check in found:
        case = ET.SubElement(
            suite, "testcase", _attributes({"classname": check.source or "checks", "name": check.name})
        )
        _add_outcome(case, check)
    ET.indent(root)
    text = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


_TAGS: Mapping[Outcome, str] = {Outcome.FAILED: "failure", Outcome.ERROR: "error", Outcome.SKIPPED: "skipped"}


def _add_outcome(case: ET.Element, check: Check) -> None:
    if check.outcome in _TAGS:
        reason = ET.SubElement(case, _TAGS[check.outcome], _attributes({"message": check.message}))
        reason.text = "\n".join(visible(problem) for problem in _problems(check)) or None


def _attributes(values: Mapping[str, object]) -> dict[str, str]:
    """Values as XML can hold them: on one line, without control characters."""
    return {name: visible(value) for name, value in values.items()}
