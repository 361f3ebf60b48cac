"""A field that a consumer needs and its producer no longer gives is a finding of the comparison."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest
from drift_cases import SETTINGS, promise
from flywheels import contract

from flywheel_mlflow.base.errors import DocumentError
from flywheel_mlflow.decisions.explanations import answer, explainable
from flywheel_mlflow.drift import DriftReport, ProjectSide, Side, Verdict, VersionRef, compare
from flywheel_mlflow.drift.report import drift_report_from_json
from flywheel_mlflow.evidence.runs import FieldType, KpiValue

ID, TEXT = FieldType("id", "string", True), FieldType("content", "string", True)


def side(iteration: int, fields: Sequence[FieldType]) -> Side:
    """One iteration in which p01 made a corpus with these fields, of the same records."""
    version = VersionRef(str(iteration) * 32, f"run-{iteration}", fields=tuple(fields), records_digest="same records")
    project = ProjectSide(f"run-{iteration}", {"hit_rate": KpiValue(0.9)}, {"corpus": version})
    return Side(iteration, f"assembly-{iteration}", str(iteration) * 8, {"p01": project})


def report(before: Sequence[FieldType], now: Sequence[FieldType]) -> DriftReport:
    """p02 needs ``content`` of the corpus."""
    needs = [{"name": "corpus", "fields": ["content"]}]
    contracts = {"p01": promise("corpus"), "p02": contract("p02", interfaces_in=needs, results={})}
    return compare("test", contracts, side(2, now), side(1, before), settings=SETTINGS)


@pytest.mark.parametrize(
    "now",
    [
        [ID],
        [ID, FieldType("content", "integer", True)],
        [ID, FieldType("content", "string", False)],
    ],
    ids=["gone", "retyped", "optional"],
)
def test_a_needed_field_that_is_gone_blocks(now: list[FieldType]) -> None:
    """Gone, of another type or missing in some rows: the finding comes first and names consumer, field and producer.

    What became of the schema, whoever needs it, is a finding of its own.
    """
    found = report([ID, TEXT], now)
    first = found.findings[0]
    assert (found.verdict, first.subject, first.outcome) == (Verdict.BLOCK, "corpus/p02", "worse")
    assert "p02 needs content" in first.text
    assert "p01 no longer gives" in first.text
    assert "1 consumer without fields it needs" in found.headline
    assert [item.subject for item in explainable(found)] == ["corpus/p02", "corpus/schema change"]
    assert answer(found, ()).allowing(5) == "BLOCK"


@pytest.mark.parametrize("now", [[ID, TEXT], [ID, TEXT, FieldType("more", "string", True)], [TEXT]])
def test_what_nobody_needs_may_change(now: list[FieldType]) -> None:
    """The same fields, one more, or one less that no consumer names: no finding."""
    assert report([ID, TEXT], now).lost_fields == 0


def test_what_was_lacking_before_is_no_change() -> None:
    """A field that the reference lacked too is told by `collect`, and is no difference between the two."""
    assert report([ID], [ID]).lost_fields == 0


def test_what_an_older_schema_could_not_say_is_no_loss() -> None:
    """A need inside a list that the reference, recorded by an earlier version, knows nothing of was not met before."""
    turns = (ID, TEXT, FieldType("turns", "list", True))
    elements = (FieldType("turns[]", "object", True), FieldType("turns[].who", "string", True))
    needs = [{"name": "corpus", "fields": ["content", "turns.role"]}]
    contracts = {"p01": promise("corpus"), "p02": contract("p02", interfaces_in=needs, results={})}
    now, before = side(2, (*turns, *elements)), side(1, turns)
    now, before = (replace_format(one, one.iteration) for one in (now, before))
    assert compare("test", contracts, now, before, settings=SETTINGS).lost_fields == 0


def replace_format(one: Side, schema_format: int) -> Side:
    """The same side, its schema recorded in a format."""
    project = one.projects["p01"]
    version = replace(project.versions["corpus"], schema_format=schema_format)
    return replace(one, projects={"p01": replace(project, versions={"corpus": version})})


def test_the_report_is_read_back_and_cannot_be_softened() -> None:
    """The document holds the finding; one in which it decides nothing is refused."""
    found = report([ID, TEXT], [ID])
    assert drift_report_from_json(found.to_json()) == found
    document = json.loads(found.to_json())
    document["findings"][0]["decides"] = False
    with pytest.raises(DocumentError, match="decides nothing"):
        drift_report_from_json(json.dumps(document))
