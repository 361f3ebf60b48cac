"""Reads the check results that the published projects write (`pN_test_results.json`)."""

from __future__ import annotations

from typing import Any, Final

from pydantic import ConfigDict

from flywheel_mlflow.base.documents import parse_json
from flywheel_mlflow.evidence.runs import Check, Outcome
from flywheel_mlflow.importers.findings import Findings, text_of
from flywheel_mlflow.importers.shapes import Shape, read_shape

SOURCE: Final = "published"


class _Totals(Shape):
    """What the document says about its lists; each is optional, and held against them when given."""

    overall_passed: bool | None = None
    passed_checks: int | None = None
    failed_checks: int | None = None
    total_checks: int | None = None


class _Entry(Shape):
    """A data check, or a command check, which also has command, return code and output."""

    model_config = ConfigDict(extra="allow")

    name: str
    passed: bool
    command: Any = None
    returncode: int | None = None
    stdout: Any = ""
    stderr: Any = ""
    details: Any = None


class _Lists(Shape):
    """Every list of entries, whatever it is called."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, list[_Entry]]


def parse(text: str, *, name: str) -> tuple[Check, ...]:
    """The entries of every list whose key is ``checks`` or ends in ``_checks``, under their own names.

    Raises:
        DocumentError: not JSON, no list of checks, an entry without a plain true or false, totals that
            disagree with the lists, or a command said to have passed with a return code other than 0.
    """
    value = parse_json(text, name=name, foreign=True)
    totals = read_shape(_Totals, value, name=name)
    lists = read_shape(_Lists, {key: items for key, items in value.items() if _is_list_key(key)}, name=name)
    found = Findings(name, SOURCE)
    outcomes = []
    for key, entries in (lists.__pydantic_extra__ or {}).items():
        for index, entry in enumerate(entries):
            outcomes.append(entry.passed)
            _add(entry, f"{key}[{index}]", found)
    if outcomes:
        _hold_against(totals, outcomes, found)
    return found.checks()


def _is_list_key(key: str) -> bool:
    return (key == "checks" or key.endswith("_checks")) and key not in _Totals.model_fields


def _add(entry: _Entry, place: str, found: Findings) -> None:
    if entry.returncode is not None and entry.passed != (entry.returncode == 0):
        found.fault(place, f"passed is {str(entry.passed).lower()}, but the return code is {entry.returncode}")
    more = entry.details if isinstance(entry.details, dict) else {"details": entry.details}
    command = " ".join(map(text_of, entry.command)) if isinstance(entry.command, list) else entry.command
    found.add(
        entry.name,
        Outcome.PASSED if entry.passed else Outcome.FAILED,
        message="" if entry.passed else _reason(entry),
        details={"command": command, "returncode": entry.returncode, **more, **(entry.model_extra or {})},
        # The end of an output tells why it stopped.
        output="\n".join(text[-1000:] for text in (text_of(entry.stdout), text_of(entry.stderr)) if text),
    )


def _reason(entry: _Entry) -> str:
    lines = text_of(entry.stderr).strip().splitlines() or text_of(entry.stdout).strip().splitlines()
    if entry.returncode is None:
        return "the check did not pass"
    return f"return code {entry.returncode}" + (f": {lines[-1]}" if lines else "")


def _hold_against(totals: _Totals, outcomes: list[bool], found: Findings) -> None:
    """A total that disagrees with the lists means that one of them was edited: neither counts."""
    passed, total = sum(outcomes), len(outcomes)
    counted = {
        "overall_passed": passed == total,
        "passed_checks": passed,
        "failed_checks": total - passed,
        "total_checks": total,
    }
    for key, count in counted.items():
        said = getattr(totals, key)
        if said is not None and said != count:
            found.fault(key, f"states {str(said).lower()}, the list shows {str(count).lower()}")


def looks_like(value: dict[str, Any]) -> bool:
    """Whether a JSON object is meant to be a published project's check results."""
    return "overall_passed" in value or any(isinstance(value[key], list) for key in value if _is_list_key(key))
