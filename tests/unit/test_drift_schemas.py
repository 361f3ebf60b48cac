"""A schema that changed is a finding of the comparison, and one that could not be compared is listed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from drift_cases import SETTINGS, promise

from flywheel_mlflow.base.errors import DocumentError
from flywheel_mlflow.cli.show_drift import after_assembly, compared
from flywheel_mlflow.decisions.explanations import answer, explainable
from flywheel_mlflow.drift import (
    DriftReport,
    ProjectSide,
    SchemaFound,
    Side,
    TaskEffect,
    Verdict,
    VersionRef,
    compare,
    drift_report_from_json,
    reasons_not_compared,
)
from flywheel_mlflow.drift.wording import word_of
from flywheel_mlflow.evidence.runs import SCHEMA_FORMAT, FieldType, KpiValue
from flywheel_mlflow.monitoring.tables import tables_of
from flywheel_mlflow.operations.assembly.drifting import DriftFound, Followed
from flywheel_mlflow.reports.drift import render_drift

LANGUAGE = FieldType("metadata.language", "string", True)
NULLABLE = FieldType("metadata.language", "string", False)
TURNS = (FieldType("turns", "list", True), FieldType("turns[]", "object", True))
ROLE, SPEAKER = FieldType("turns[].role", "string", True), FieldType("turns[].speaker", "string", True)
MADE = promise("corpus", content={"judged": False, "why": "schemas alone are compared here"})
BEFORE = (FieldType("metadata", "object", True), LANGUAGE, *TURNS, ROLE)


def side(
    iteration: int,
    fields: Sequence[FieldType] | None,
    *,
    digest: str = "",
    schema_format: int = SCHEMA_FORMAT,
    tasks: tuple[str, ...] = (),
) -> Side:
    """One iteration in which p01 made a corpus with these fields; None made none."""
    version = VersionRef(digest or str(iteration) * 32, f"run-{iteration}", "", tuple(fields or ()), schema_format)
    versions = {} if fields is None else {"corpus": version}
    project = ProjectSide(f"run-{iteration}", {"hit_rate": KpiValue(0.9)}, versions, tasks)
    return Side(iteration, f"assembly-{iteration}", str(iteration) * 8, {"p01": project})


def report(now: Sequence[FieldType] | None, before: Sequence[FieldType] | None = BEFORE, **more: Any) -> DriftReport:
    """Iteration 2 against iteration 1; the data themselves are not looked into."""
    return compare("test", {"p01": MADE}, side(2, now), side(1, before), settings=SETTINGS, **more)


def schema(found: DriftReport) -> SchemaFound:
    (one,) = found.schemas
    return one


@pytest.mark.parametrize(
    ("now", "words"),
    [
        ((BEFORE[0], NULLABLE, *BEFORE[2:]), "metadata.language is no longer in every row"),
        ((*BEFORE[:-1], SPEAKER), "turns[].role is gone"),
        ((*BEFORE[:-1], FieldType("turns[].role", "integer", True)), "turns[].role was string, is integer"),
        (BEFORE[2:], "metadata is gone"),
    ],
    ids=["null", "gone in a list", "retyped in a list", "gone"],
)
def test_a_breaking_change_blocks_until_somebody_explains_it(now: tuple[FieldType, ...], words: str) -> None:
    """The finding names the field; it is *changed*, so a gate may allow it and a person may explain it."""
    found = report(now)
    first = found.findings[0]
    assert (found.verdict, first.subject, first.outcome) == (Verdict.BLOCK, "corpus/schema change", "changed")
    assert words in first.text
    assert "1 schema changed" in found.headline
    assert explainable(found) == (first,)
    assert answer(found, ()).verdict == "BLOCK"
    assert answer(found, ()).allowing(1) == "PASS"
    assert (schema(found).change, word_of(schema(found))) == ("major", "changed")


@pytest.mark.parametrize(
    ("now", "change", "word"),
    [((*BEFORE, SPEAKER), "minor", "new"), (BEFORE, "patch", "unchanged")],
)
def test_what_breaks_nobody_decides_nothing(now: tuple[FieldType, ...], change: str, word: str) -> None:
    """A new field and the same fields are listed, and are no finding."""
    found = report(now)
    assert (schema(found).change, word_of(schema(found)), found.changed_schemas) == (change, word, 0)
    assert not [item for item in found.findings if item.kind == "schema"]
    assert "1 schema compared" in found.headline


def test_the_same_data_have_the_same_schema() -> None:
    """A version that is carried is unchanged, whatever recorded it."""
    found = compare(
        "test",
        {"p01": promise("corpus")},
        side(2, BEFORE, digest="d"),
        side(1, BEFORE[:1], digest="d", schema_format=1),
        settings=SETTINGS,
    )
    assert (schema(found).change, schema(found).text) == ("patch", "the same data")


def test_what_could_not_be_compared_is_listed_with_the_reason() -> None:
    """No version, no schema, an older format and opaque data are reasons, never a schema without a change."""
    contract = promise("corpus")
    old = side(1, (BEFORE[0], LANGUAGE, TURNS[0]), schema_format=1)
    reports = [
        report(None),
        report(BEFORE, None),
        report(BEFORE, ()),
        compare("test", {"p01": contract}, side(2, BEFORE), old, settings=SETTINGS),
    ]
    assert [next(reasons_not_compared(item.schemas)).split(",")[0] for item in reports] == [
        "corpus (no version in iteration 2)",
        "corpus (no version in iteration 1)",
        "corpus (no schema was recorded in iteration 1)",
        "corpus (an earlier version recorded one side",
    ]
    for item in reports:
        assert word_of(schema(item)) == "not tested"
        assert "0 schemas compared" in item.headline
        assert "Schemas not compared: corpus" in render_drift(item)


def test_a_task_may_intend_a_change_of_a_schema() -> None:
    """A task that says so, and whose KPI did not get worse, makes it *as intended*: somebody confirms it once."""
    now, before = side(2, BEFORE[2:], tasks=("t1",)), side(1, BEFORE)
    effect = TaskEffect("t1", "p01", "p01.hit_rate", ("corpus/schema change",))
    found = compare("test", {"p01": MADE}, now, before, settings=SETTINGS, tasks={"t1": effect})
    assert (found.verdict, word_of(schema(found)), found.changed_schemas) == (Verdict.PASS, "as intended", 0)
    (finding,) = found.intended
    assert finding.text.startswith("as intended by t1: MAJOR: metadata is gone")
    assert answer(found, ()).unconfirmed == (finding,)


def test_the_report_is_read_back_and_cannot_be_softened() -> None:
    """A document in which a breaking change is called harmless is refused; one without schemas is read as before."""
    found = report(BEFORE[2:])
    assert drift_report_from_json(found.to_json()) == found
    for change in ({"verdict": "unchanged", "outcome": None}, {"change": "minor"}, {"outcome": "better"}):
        document = json.loads(found.to_json())
        document["schemas"][0] |= change
        with pytest.raises(DocumentError, match=r"do(es)? not follow"):
            drift_report_from_json(json.dumps(document))
    older = json.loads(report(BEFORE).to_json())
    del older["schemas"]
    assert drift_report_from_json(json.dumps(older)).schemas == ()


def test_schemas_stand_wherever_drift_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """The terminal of drift and of assemble, the Markdown and Evidently's tables say what changed and what is open."""
    found = report(BEFORE[2:])
    compared(DriftFound(found, "run", ()), as_json=False)
    after_assembly(Followed(DriftFound(found, "run", ())))
    out, err = capsys.readouterr()
    assert "corpus/schema change changed: MAJOR: metadata is gone" in " ".join(out.split())
    assert "schema of corpus changed: MAJOR: metadata is gone" in " ".join(err.split())
    assert "MAJOR: metadata is gone" in render_drift(found)
    (table,) = (table for table in tables_of(found) if table.title == "Schemas")
    assert (table.counts, table.rows[0].status) == ((("changed", 1),), "FAIL")
    compared(DriftFound(report(None), "run", ()), as_json=False)
    assert "schema not compared: corpus (no version in iteration 2)" in capsys.readouterr().out
