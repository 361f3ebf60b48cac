"""Run events as they leave, into a file that our own importer reads."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from lineage_receiving import DATA, RUNS, VERSION, assert_valid, unconfigured

from flywheel_mlflow.base.settings import openlineage_target
from flywheel_mlflow.evidence.runs import CheckSeverity, FieldType, Outcome
from flywheel_mlflow.importers import read_checks, sniff
from flywheel_mlflow.lineage_events import RunFacts, run_id_of, send_runs
from flywheel_mlflow.promises.interfaces import InterfaceOut
from flywheel_mlflow.records import measure


@pytest.fixture(autouse=True)
def _no_configuration(tmp_path: Path) -> Iterator[None]:
    with unconfigured(tmp_path):
        yield


def sent(target: Path, runs: tuple[RunFacts, ...] = RUNS) -> list[dict[str, Any]]:
    """The events that a file holds after they were sent there."""
    answer = send_runs(runs, flywheel="llm", target=str(target))
    assert (answer.sent, answer.total, answer.why) == (len(runs), len(runs), "")
    return [json.loads(line) for line in target.read_text().splitlines()]


def test_events_are_what_openlineage_says_they_are(tmp_path: Path) -> None:
    """The client's classes take every event and facet; names, times and ids are those of the runs."""
    events = sent(tmp_path / "events.ndjson")
    for event in events:
        assert_valid(event)
    assert [(event["job"]["namespace"], event["job"]["name"]) for event in events] == [
        ("llm", "p01"),
        ("llm", "assemble"),
    ]
    assert {event["eventTime"] for event in events} == {"2026-11-30T11:00:01.500+00:00"}
    assert [UUID(event["run"]["runId"]) for event in events] == [
        UUID(run_id_of("llm", "1/p01")),
        UUID(run_id_of("llm", "1/assemble")),
    ]
    assert events[1]["run"]["facets"]["parent"]["run"]["runId"] == events[0]["run"]["runId"]


def test_a_dataset_has_schema_statistics_owner_and_version(tmp_path: Path) -> None:
    """What a version is stands on it wherever it appears; of one whose digest alone is known, the digest."""
    (made,), (read,) = (sent(tmp_path / "events.ndjson")[0][side] for side in ("outputs", "inputs"))
    facets = made["facets"]
    assert facets["version"]["datasetVersion"] == "d" * 32
    assert facets["ownership"]["owners"] == [{"name": "team:makers", "type": "OWNER"}]
    assert facets["dataSource"]["uri"] == VERSION.uri
    nested = facets["schema"]["fields"][1]
    assert (nested["name"], nested["type"]) == ("m", "object")
    assert [(inner["name"], inner["type"]) for inner in nested["fields"]] == [("a.b", "integer")]
    assert (facets["dataQualityMetrics"]["rowCount"], facets["dataQualityMetrics"]["bytes"]) == (3, 120)
    assert (made["outputFacets"]["outputStatistics"]["rowCount"]) == 3
    assert set(read["facets"]) == {"version"}


def test_lists_of_a_schema_have_an_element(tmp_path: Path) -> None:
    """Arrays are written as OpenLineage has them: what is in one is a field called ``_element``."""
    fields = [
        FieldType("turns", "list", True),
        FieldType("turns[]", "object", True),
        FieldType("turns[].role", "string", True),
    ]
    made_of = replace(DATA, version=replace(VERSION, fields=tuple(fields)))
    run = replace(RUNS[0], outputs=(made_of,))
    (made,) = sent(tmp_path / "events.ndjson", (run,))[0]["outputs"]
    (turns,) = made["facets"]["schema"]["fields"]
    (element,) = turns["fields"]
    assert (element["name"], element["type"]) == ("_element", "object")
    assert [(inner["name"], inner["type"]) for inner in element["fields"]] == [("role", "string")]


def test_statistics_of_columns_are_those_of_the_profile(tmp_path: Path) -> None:
    """Counts, missing values, extremes and quantiles of a signal; different values of texts alone."""
    rows = [{"id": str(number), "quality_signals": {"n": number, "kind": "ab"[number % 2]}} for number in range(10)]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in [*rows, {"id": "x", "quality_signals": {"kind": "a"}}]))
    spec = InterfaceOut.model_validate({"name": "rows", "title": "Rows", "format": "jsonl", "schema": "record"})
    profile = measure(path, spec).profile
    run = replace(RUNS[0], outputs=(replace(DATA, profile=profile),))
    (event,) = sent(tmp_path / "events.ndjson", (run,))
    assert_valid(event)
    columns = event["outputs"][0]["facets"]["dataQualityMetrics"]["columnMetrics"]
    numbers, texts = columns["quality_signals.n"], columns["quality_signals.kind"]
    assert (numbers["count"], numbers["nullCount"], numbers["min"], numbers["max"], numbers["sum"]) == (10, 1, 0, 9, 45)
    assert "distinctCount" not in numbers
    assert texts["distinctCount"] == 2


def test_our_importer_reads_the_checks_back(tmp_path: Path) -> None:
    """Names, outcomes and severities come back; an error is a failure there, and a skipped check of data is absent."""
    target = tmp_path / "events.ndjson"
    sent(target)
    assert sniff(target) == "openlineage"
    found = {check.name: (check.outcome, check.severity) for check in read_checks(target, "openlineage")}
    assert found == {
        "p01.made": (Outcome.PASSED, CheckSeverity.BLOCKING),
        "p01.broken": (Outcome.FAILED, CheckSeverity.BLOCKING),
        "p01.later": (Outcome.SKIPPED, CheckSeverity.BLOCKING),
        "rows.unique_ids": (Outcome.PASSED, CheckSeverity.BLOCKING),
        "rows.exact_duplicates": (Outcome.FAILED, CheckSeverity.WARNING),
    }
    sent_again = read_checks(target, "openlineage")
    send_runs(RUNS, flywheel="llm", target=str(target))
    assert read_checks(target, "openlineage") == sent_again


def test_sending_again_names_the_same_runs(tmp_path: Path) -> None:
    """The same flywheel and key give the same id; another flywheel or another key gives another."""
    first, again = sent(tmp_path / "a"), sent(tmp_path / "b")
    assert first == again
    ids = {run_id_of(name, key) for name in ("llm", "other") for key in ("1/p01", "2/p01", "1/p02")}
    assert len(ids) == 6


def test_what_cannot_be_sent_is_an_answer_and_no_error(tmp_path: Path) -> None:
    """Without a configuration, and with a folder for a file, the answer says why."""
    nowhere = send_runs(RUNS, flywheel="llm", target="on")
    assert (nowhere.sent, nowhere.total) == (0, 2)
    assert "OPENLINEAGE_URL" in nowhere.why
    assert "0 of 2 OpenLineage events sent" in str(nowhere)
    assert "Failed to write" in send_runs(RUNS, flywheel="llm", target=str(tmp_path)).why


def test_openlineages_own_switch_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where OpenLineage is disabled nothing is sent, and that is no failure."""
    monkeypatch.setenv("OPENLINEAGE_DISABLED", "true")
    answer = send_runs(RUNS, flywheel="llm", target="on")
    assert (answer.sent, answer.total, answer.why) == (0, 0, "")


def test_without_the_client_the_answer_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra may be missing where somebody switched events on."""
    monkeypatch.setitem(sys.modules, "openlineage.client", None)
    answer = send_runs(RUNS, flywheel="llm", target="on")
    assert (answer.sent, answer.total) == (0, 2)
    assert "pip install 'flywheel-mlflow[openlineage]'" in answer.why


@pytest.mark.parametrize(
    ("given", "environ", "target"),
    [
        (None, {}, ""),
        (None, {"FLYWHEEL_OPENLINEAGE": "on"}, "on"),
        (None, {"FLYWHEEL_OPENLINEAGE": "off"}, ""),
        ("off", {"FLYWHEEL_OPENLINEAGE": "on"}, ""),
        ("events.ndjson", {"FLYWHEEL_OPENLINEAGE": "on"}, "events.ndjson"),
        (None, {"OPENLINEAGE_URL": "http://lineage"}, ""),
    ],
)
def test_events_are_sent_where_somebody_asked(given: str | None, environ: dict[str, str], target: str) -> None:
    """An option wins over the environment; an address alone switches nothing on."""
    assert openlineage_target(given, environ) == target


def test_times_are_in_utc(tmp_path: Path) -> None:
    """Whatever the zone of a run, its event is in UTC."""
    (event,) = sent(tmp_path / "e", (replace(RUNS[0], ended=datetime(2026, 1, 1, tzinfo=UTC)),))
    assert event["eventTime"] == "2026-01-01T00:00:00.000+00:00"
