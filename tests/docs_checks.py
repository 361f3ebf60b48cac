"""Writes the tables of docs/checks.md from the checks themselves: `python tests/docs_checks.py`."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from consistency_flywheel import small_view

from flywheel_mlflow.consistency import CHECKS, PUBLISHED, prove
from flywheel_mlflow.evidence.runs import Check, Outcome
from flywheel_mlflow.promises.interfaces import InterfaceOut
from flywheel_mlflow.records import measure
from flywheel_mlflow.records.checks import (
    ExactDuplicates,
    LicenceAndSource,
    RequiredFields,
    SplitLeakage,
    UniqueIds,
)
from flywheel_mlflow.records.personal_check import RawPersonalData

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "checks.md"
SEED = 1
LONGEST_FAULT = 110
#: Random endings of invented names, and digits nobody reads.
_NOISE = re.compile(r"(?<=_)[0-9a-f]{6}\b|(?<=\.\d{3})\d+")
_FOLDER = re.compile(r"\b(?:processed|console|reports)/")

Record = dict[str, Any]

RECORD_CHECKS = (RequiredFields, UniqueIds, ExactDuplicates, SplitLeakage, RawPersonalData, LicenceAndSource)


def _without_content(records: list[Record]) -> None:
    del records[1]["content"]


def _same_id(records: list[Record]) -> None:
    records[2]["id"] = records[0]["id"]


def _same_content(records: list[Record]) -> None:
    records[2]["content"] = "  " + records[0]["content"].upper()


def _other_split(records: list[Record]) -> None:
    records[1]["split"] = "validation"


def _address(records: list[Record]) -> None:
    records[3]["metadata"]["contact"] = "jane.doe@mail.example.org"


def _without_licence(records: list[Record]) -> None:
    del records[0]["metadata"]["license"]


#: What turns each record check red, in words and in four good records.
RECORD_FAULTS: dict[str, tuple[str, Callable[[list[Record]], None]]] = {
    RequiredFields.name: ("a record without `content`", _without_content),
    UniqueIds.name: ("the id of an earlier record", _same_id),
    ExactDuplicates.name: ("an earlier content in capitals and indented", _same_content),
    SplitLeakage.name: ("a record of a training page moved to `validation`", _other_split),
    RawPersonalData.name: ("a mail address in `metadata.contact`", _address),
    LicenceAndSource.name: ("a record without `metadata.license`", _without_licence),
}


def consistency_table() -> str:
    """Name, claim and faults of every check; each fault was applied and turned its check red.

    Raises:
        ValueError: a check stayed green under one of its faults.
    """
    proofs = {proof.name: proof for proof in prove(small_view(), seed=SEED)}
    rows = []
    for check in CHECKS:
        proof = proofs[check.name]
        if not proof.proved:
            raise ValueError(f"{check.name} is not proved: {proof.message}")
        mark = " ¹" if check in PUBLISHED else ""
        faults = "<br>".join(_cell(trial.fault) for trial in proof.trials)
        rows.append(f"| `{check.name}`{mark} | {_cell(check.claim, None)} | {faults} |")
    return "\n".join(["| check | what it claims | faults that turn it red |", "|---|---|---|", *rows])


def record_table() -> str:
    """Name, claim and fault of every standard record check, with what the check says then.

    Raises:
        ValueError: a check stayed green under its fault.
    """
    rows = []
    for kind in RECORD_CHECKS:
        what, _ = RECORD_FAULTS[kind.name]
        found = red_record_check(kind.name)
        claim = (kind.__doc__ or "").splitlines()[0].rstrip(".")
        rows.append(f"| `{kind.name}` | {_cell(claim, None)} | {what} | {_cell(found.message)} |")
    return "\n".join(["| check | what it claims | fault | what it says then |", "|---|---|---|---|", *rows])


def red_record_check(name: str) -> Check:
    """The finding of a record check over four records with its fault.

    Raises:
        ValueError: it passed, or another check failed too.
    """
    records = [
        {
            "id": f"r{number}",
            "source": "https://example.org",
            "content": f"text number {number}",
            "metadata": {"license": "CC-BY-4.0", "page": f"page {number // 2}"},
            "quality_signals": {"length": 13},
            "split": "train",
            "audit_trace": ["made"],
        }
        for number in range(4)
    ]
    RECORD_FAULTS[name][1](records)
    promise = InterfaceOut(name="corpus", title="Four records", format="jsonl", group_key="metadata.page")
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "corpus.jsonl"
        data.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
        checks = measure(data, promise).checks
    red = [check for check in checks if check.outcome is not Outcome.PASSED]
    if [check.name for check in red] != [f"corpus.{name}"]:
        raise ValueError(f"{name} should be the one red check, these are: {[check.name for check in red]}")
    return red[0]


def _cell(text: str, longest: int | None = LONGEST_FAULT) -> str:
    found = _FOLDER.sub("", _NOISE.sub("…", text)).strip()
    if longest is not None and len(found) > longest:
        found = found[: longest - 1] + "…"
    return found.replace("|", "\\|").replace("<", "&lt;")


def with_tables(document: str) -> str:
    """The document with both tables between their markers written anew."""
    for name, table in (("consistency", consistency_table()), ("records", record_table())):
        start, end = f"<!-- {name}: generated -->\n", f"<!-- {name}: end -->"
        before, rest = document.split(start)
        document = f"{before}{start}\n{table}\n\n{end}{rest.split(end)[1]}"
    return document


def without_places(document: str) -> str:
    """The document with each row's faults counted instead of told.

    Which number a fault changes, and to what, follows from everything an assembly holds: a new
    metric would make the table stale without making it wrong.
    """

    def counted(row: re.Match[str]) -> str:
        return f"{row[1]} {row[2].count('<br>') + 1} faults |"

    return re.sub(r"^(\| `\w+`(?: ¹)? \| [^|]+ \|) ([^|]+) \|$", counted, document, flags=re.MULTILINE)


if __name__ == "__main__":
    DOCUMENT.write_text(with_tables(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
