"""Reads check results of other tools as they are.

    checks = read_checks(Path("report.xml"), "junit")

A document is taken whole or refused whole: an unknown status word, totals that disagree with the
list, or a list without entries is a ``DocumentError``, never a pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Protocol

from flywheel_mlflow.base.documents import parse_json, read_text
from flywheel_mlflow.base.errors import DocumentError, Fault, UnknownName
from flywheel_mlflow.evidence.runs import Check
from flywheel_mlflow.importers import dbt, great_expectations, junit, openlineage, published
from flywheel_mlflow.importers.findings import clean_line

__all__ = ["FORMATS", "CheckFormat", "read_checks", "sniff"]

#: Faults shown of one document; a wrong file can have one in every entry.
MAX_FAULTS: Final = 50


class _Parse(Protocol):
    def __call__(self, text: str, *, name: str) -> tuple[Check, ...]: ...


@dataclass(frozen=True, slots=True)
class CheckFormat:
    """One document format: what it is called in prose, and the function that reads its text."""

    title: str
    parse: _Parse


#: The formats by the name a contract or a command uses for them.
FORMATS: Final[Mapping[str, CheckFormat]] = MappingProxyType(
    {
        "junit": CheckFormat("JUnit XML as pytest writes it", junit.parse),
        "great_expectations": CheckFormat("Great Expectations 1.x results", great_expectations.parse),
        "dbt": CheckFormat("dbt run_results.json, schema v4 to v6", dbt.parse),
        "openlineage": CheckFormat("OpenLineage events with test results", openlineage.parse),
        "published": CheckFormat("a published project's pN_test_results.json", published.parse),
    }
)

_JSON_FORMATS: Final = (
    ("dbt", dbt.looks_like),
    ("openlineage", openlineage.looks_like),
    ("great_expectations", great_expectations.looks_like),
    ("published", published.looks_like),
)


def read_checks(path: Path, format: str, *, name: str | None = None) -> tuple[Check, ...]:  # noqa: A002 - what it is
    """The checks of one file, at least one; results under one name are one check, of which the worst result counts.

    Args:
        path: the file as the tool wrote it, at most 16 MiB.
        format: a key of ``FORMATS``.
        name: how to call the file in faults; its path when not given.

    Raises:
        UnknownName: no such format.
        DocumentError: the file is missing, is not what the format says, or holds no check results.
        StorageError: the system refused to read it.
    """
    if format not in FORMATS:
        raise UnknownName("check format", format, FORMATS)
    shown = name or str(path)
    try:
        return FORMATS[format].parse(read_text(path, name=shown), name=shown)
    except DocumentError as error:
        hint = f"give the file as the tool wrote it ({FORMATS[format].title}), or name its real format"
        raise DocumentError(_shown(error.faults), hint=hint) from error


def _shown(faults: tuple[Fault, ...]) -> list[Fault]:
    """The first faults, their text safe to print: paths and messages may quote the document."""
    kept = [
        Fault(clean_line(f.file, 1000), f.line, clean_line(f.path, 200), clean_line(f.message, 300))
        for f in faults[:MAX_FAULTS]
    ]
    if len(faults) > MAX_FAULTS:
        kept.append(Fault(kept[0].file, 0, "", f"{len(faults) - MAX_FAULTS} more faults"))
    return kept


def sniff(path: Path) -> str | None:
    """The format a file is meant to be in, or None when none is recognised; it may still have faults.

    Raises:
        DocumentError: the file is missing, too large or not UTF-8.
        StorageError: the system refused to read it.
    """
    text = read_text(path)
    if text.lstrip("\ufeff \t\r\n").startswith("<"):
        return "junit" if "<testsuite" in text[:10_000] else None
    value = _first_object(text, str(path))
    return next((name for name, matches in _JSON_FORMATS if value is not None and matches(value)), None)


def _first_object(text: str, name: str) -> dict[str, Any] | None:
    """A document that is an object, or the first of a list of objects or of one object a line."""
    for part in (text, text.strip().partition("\n")[0]):
        try:
            value = parse_json(part, name=name, foreign=True)
        except DocumentError:
            continue
        first = value[0] if isinstance(value, list) and value else value
        return first if isinstance(first, dict) else None
    return None
