"""Feedback on a real store: taken in once, read back, routed, explained, sent elsewhere."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mlflow
import pytest
from feedback_columns import Row, batch, event, row, write_lines
from mlflow.entities import (
    AssessmentSource,
    Expectation,
    Feedback,
    SpanStatus,
    SpanStatusCode,
    TraceInfo,
    TraceLocation,
    TraceState,
)
from mlflow.tracing.client import TracingClient
from servers.embedded import EmbeddedStore
from workbench import Bench, Ended, copy_flywheel, flywheel_command

from flywheel_mlflow import OpenFlywheel
from flywheel_mlflow.base.errors import InputError, StorageError
from flywheel_mlflow.decisions.ledger import Identity
from flywheel_mlflow.evidence.flywheel import Flywheel
from flywheel_mlflow.feedback.dead_letters import DEAD_LETTERS_FILE
from flywheel_mlflow.feedback.identity import IdIndex
from flywheel_mlflow.operations.deciding import Session
from flywheel_mlflow.operations.feedback.feedback import ingest_files, pull_traces
from flywheel_mlflow.operations.feedback.routing import explain_event, list_events, reroute_event, route_iteration
from flywheel_mlflow.promises.trace_rules import TraceRules
from flywheel_mlflow.tracking import BatchContent

NOW = datetime(2026, 10, 11, 12, tzinfo=UTC)
ROWS: list[Row | bytes] = [
    row(1, text="the chart is wrong"),
    row(2, text="thanks"),
    row(3, text="odd", record_ids=["semantic_layer/t-1"]),
    b"not an event \x1b[31m\xff",
    row(1, text="the chart is wrong"),
    row(2, text="something else"),
]


def test_a_file_is_taken_in_once(bench: Bench, tmp_path: Path) -> None:
    """Good lines are stored with their routes, bad ones and conflicts kept as dead letters; again, nothing is added."""
    path = write_lines(tmp_path / "first.jsonl", ROWS)
    (done,) = ingest_files(bench.flywheel, bench.tracking, [path], 2)
    assert (done.taken.read, done.taken.new, done.taken.repeated, done.taken.conflicts, done.dead) == (5, 3, 1, 1, 2)
    assert done.taken.to == {"p05": 1, "p15": 1, "unroutable": 1}
    assert done.run_id is not None
    run = bench.run(done.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.tags["flywheel.iteration"] == "2"
    assert {key: run.data.metrics[key] for key in ("events", "to.p05", "unroutable", "dead_letters")} == {
        "events": 3, "to.p05": 1, "unroutable": 1, "dead_letters": 2,
    }  # fmt: skip
    letters = bench.tracking.artifacts.text(done.run_id, DEAD_LETTERS_FILE, tmp_path / "letters")
    assert letters is not None
    assert [json.loads(line)["line"] for line in letters.splitlines()] == [4, 6]
    (again,) = ingest_files(bench.flywheel, bench.tracking, [path], 3)
    assert again.already is not None
    assert (again.already.run_id, again.already.iteration, again.run_id) == (done.run_id, 2, None)
    assert (again.taken, again.dead, again.first) == (replace(done.taken, rules=Counter()), done.dead, done.first)
    (stored,) = bench.tracking.feedback.batches()
    rows = [item for part in bench.tracking.feedback.events([stored], tmp_path) for item in part.to_pylist()]
    assert [(item["id"], item["line"], item["to"]) for item in rows] == [
        ("e1", 1, "p05"),
        ("e2", 2, None),
        ("e3", 3, "p15"),
    ]
    assert bench.collect(2).skipped == ()


def test_an_event_is_known_over_files_formats_and_iterations(local_bench: Bench, tmp_path: Path) -> None:
    """The same id with the same content is a repetition, with another content a conflict; nothing is stored twice."""
    first = write_lines(tmp_path / "a.jsonl", [row(1), row(2)])
    second = tmp_path / "b.csv"
    second.write_text(
        "text,id,source,time\nword 1,e1,human,2026-10-01T14:00:00+02:00\nchanged,e2,human,2026-10-01T12:00:00Z\n"
    )
    done = ingest_files(local_bench.flywheel, local_bench.tracking, [first, second], 1)
    assert (done[1].taken.new, done[1].taken.repeated, done[1].taken.conflicts) == (0, 1, 1)
    (third,) = ingest_files(
        local_bench.flywheel, local_bench.tracking, [write_lines(tmp_path / "c.jsonl", [row(2), row(3)])], 2
    )
    assert (third.taken.new, third.taken.repeated) == (1, 1)
    assert list_events(local_bench.flywheel, local_bench.tracking, None, to="", limit=9)[0] == 3
    assert [item["id"] for item in list_events(local_bench.flywheel, local_bench.tracking, 2, to="", limit=9)[1]] == [
        "e3"
    ]


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_file_that_fails_keeps_no_other_out(local_bench: Bench, tmp_path: Path, dry_run: bool) -> None:
    """What fails in the middle leaves nothing: its events are new to the next file, and those before it are known."""
    first = write_lines(tmp_path / "a.jsonl", [row(1)])
    broken = tmp_path / "b.csv"
    lines = "".join(f"e{n},human,2026-10-01T12:00:00Z,word {n}\n" for n in range(2, 9000))
    broken.write_text("id,source,time,text\n" + lines)

    def change(read: int) -> None:
        if read > 1:
            broken.write_text(broken.read_text().replace("human", "robot"))

    paths = [first, broken, tmp_path / "none.jsonl", write_lines(tmp_path / "c.jsonl", [row(1), row(2)])]
    done = ingest_files(local_bench.flywheel, local_bench.tracking, paths, 1, dry_run=dry_run, progress=change)
    assert [item.failure.what if item.failure else None for item in done] == [
        None, "the file changed while it was read", "no such file", None,
    ]  # fmt: skip
    assert [(item.taken.new, item.taken.repeated) for item in done] == [(1, 0), (0, 0), (0, 0), (1, 1)]
    assert list_events(local_bench.flywheel, local_bench.tracking, None, to="", limit=9)[0] == (0 if dry_run else 2)


def test_a_dry_run_writes_nothing(local_bench: Bench, tmp_path: Path) -> None:
    """It counts as if, and the file is as new as before."""
    path = write_lines(tmp_path / "a.jsonl", [row(1)])
    (done,) = ingest_files(local_bench.flywheel, local_bench.tracking, [path], 1, dry_run=True)
    assert (done.taken.new, done.run_id) == (1, None)
    assert local_bench.tracking.feedback.batches() == ()
    assert ingest_files(local_bench.flywheel, local_bench.tracking, [path], 1)[0].taken.new == 1


def test_a_half_written_ingestion_never_counts(local_bench: Bench, tmp_path: Path) -> None:
    """An upload that fails leaves a failed run; nothing of it is read, and the same file can come again."""
    content = BatchContent(1, "x.jsonl", "0" * 64, "", "", {"events": 1}, (tmp_path / "missing.parquet",), "")
    with pytest.raises(StorageError):
        local_bench.tracking.feedback.write(content)
    store = local_bench.tracking.feedback
    assert store.batches() == ()
    assert store.ingested("0" * 64, "") is None
    index = IdIndex()
    store.load_index(index, store.batches(), tmp_path)
    assert len(index) == 0


def test_two_ingestions_at_once_are_read_as_one(local_bench: Bench, tmp_path: Path) -> None:
    """Both looked before either wrote, so both stored the event; readers see it once."""
    path = write_lines(tmp_path / "a.jsonl", [row(1), row(2)])
    (done,) = ingest_files(local_bench.flywheel, local_bench.tracking, [path], 1)
    assert done.run_id
    store = local_bench.tracking.feedback
    files = tuple(
        local_bench.tracking.artifacts.fetch(done.run_id, name, tmp_path)
        for name in ("events.parquet", "index.parquet")
    )
    store.write(BatchContent(1, "b.jsonl", "1" * 64, "", "", {"events": 2}, files, ""))
    assert len(store.batches(1)) == 2
    assert list_events(local_bench.flywheel, local_bench.tracking, 1, to="", limit=9)[0] == 2


def test_a_person_can_send_an_event_elsewhere(bench: Bench, tmp_path: Path) -> None:
    """It goes there from then on, counts as a misroute, and the explanation tells both."""
    ingest_files(bench.flywheel, bench.tracking, [write_lines(tmp_path / "a.jsonl", ROWS)], 1)
    session = Session(bench.flywheel, bench.tracking, Identity("ana"))
    reroute_event(session, "e1", to="p15", reason="a report's chart")
    found = route_iteration(bench.flywheel, bench.tracking, 1, now=NOW, out=tmp_path / "out")
    assert (found.total, dict(found.to), found.rerouted) == (3, {"p15": 2, "unroutable": 1}, 1)
    assert found.misroute_rate == 0.5
    assert found.unroutable_rate == pytest.approx(1 / 3)
    assert found.age is not None
    assert found.age.oldest == 10.0
    told = explain_event(bench.flywheel, bench.tracking, "e1")
    assert (told.event["to"], told.event["rules_to"], told.event["first_to"]) == ("p15", "p05", "p05")
    assert told.decision is not None
    assert told.decision.reason == "a report's chart"
    assert [item.route.id for item in told.asked if item.taken] == ["retrieval_error"]
    exported = (tmp_path / "out" / "feedback-001.csv").read_text(encoding="utf-8-sig").splitlines()
    assert len(exported) == 4
    with pytest.raises(InputError, match="goes to p15 already"):
        reroute_event(session, "e1", to="p15", reason="again")
    with pytest.raises(InputError, match="no event has the id"):
        reroute_event(session, "nobody", to="p15", reason="x")


def test_new_rules_reach_old_events(local_bench: Bench, tmp_path: Path) -> None:
    """Routing follows the rules of today; how many moved since they came in is told."""
    ingest_files(local_bench.flywheel, local_bench.tracking, [write_lines(tmp_path / "a.jsonl", ROWS)], 1)
    fewer = [item for item in local_bench.flywheel.blueprint.routing if item.id != "retrieval_error"]
    changed = replace(
        local_bench.flywheel, blueprint=local_bench.flywheel.blueprint.model_copy(update={"routing": tuple(fewer)})
    )
    found = route_iteration(changed, local_bench.tracking, 1, now=NOW)
    assert (dict(found.to), found.changed) == ({"unroutable": 2, "p15": 1}, 1)


def test_assessments_of_traces_become_events(bench: Bench) -> None:
    """Thumbs, scores and expectations with who said it; a bare yes and a replaced word are none; again adds nothing."""
    experiment = bench.client.create_experiment(f"{bench.name}-app")
    name = f"{bench.name}-app"
    human = AssessmentSource(source_type="HUMAN", source_id="alice")
    judge = AssessmentSource(source_type="LLM_JUDGE", source_id="judge-1")
    tracing = TracingClient(bench.uri)
    trace = tracing.start_trace(
        TraceInfo(
            trace_id=f"tr-{bench.name}",
            trace_location=TraceLocation.from_experiment_id(experiment),
            request_time=int(NOW.timestamp() * 1000),
            state=TraceState.OK,
            tags={"flywheel.interface": "knowledge_index"},
        )
    )

    def say(assessment: Feedback | Expectation) -> None:
        tracing.log_assessment(trace.trace_id, assessment)

    say(Feedback(name="thumb", value=True, source=human))
    say(Feedback(name="thumb", value=False, source=human, rationale="the cited page is wrong \x1b[31m"))
    say(Feedback(name="faithful", value=0.2, source=judge, rationale="not in the text"))
    say(Expectation(name="answer", value="42 pages", source=human))
    flywheel = _reading(bench, assessments=[{"names": ["faithful"], "at_least": 0.5}])
    pulled, done = pull_traces(flywheel, bench.tracking, name, 1)
    assert (pulled.traces, pulled.content, done.dead, done.taken.new) == (1, 1, 0, 3)
    rows = {
        item["text"].split(":")[0]: item for item in list_events(bench.flywheel, bench.tracking, 1, to="", limit=9)[1]
    }
    thumb, faithful, answer = rows["rated thumb"], rows["rated faithful"], rows["expected answer"]
    assert (thumb["source"], thumb["reporter"], thumb["response"]) == (
        "human",
        "alice",
        "the cited page is wrong \x1b[31m",
    )
    assert (faithful["source"], faithful["suggestion"], faithful["response"]) == ("evaluation", "not in the text", None)
    assert answer["correction"] == "42 pages"
    assert {item["to"] for item in rows.values()} == {"p05"}
    assert {item["trace_id"] for item in rows.values()} == {trace.trace_id}
    _, again = pull_traces(flywheel, bench.tracking, name, 1)
    assert (again.taken.new, again.taken.repeated, again.run_id) == (0, 3, None)
    future = datetime(2999, 1, 1, tzinfo=UTC)
    late, nothing = pull_traces(flywheel, bench.tracking, name, 1, since=future)
    assert (late.traces, nothing.taken.read) == (1, 0)
    assert pull_traces(flywheel, bench.tracking, name, 1, begun=future)[0].traces == 0
    told = OpenFlywheel(Session(flywheel, bench.tracking, Identity("alice"))).pull_traces(name, 1)
    assert (told.items[0]["new"], told.items[0]["repeated"]) == (0, 3)
    assert told.notes[0].startswith("1 traces, 1 that ask for nothing")
    with pytest.raises(InputError, match="no experiment is called"):
        pull_traces(bench.flywheel, bench.tracking, "nobody", 1)


def _reading(bench: Bench, **rules: Any) -> Flywheel:
    """The flywheel with other rules for traces."""
    traces = TraceRules.model_validate(rules)
    return replace(bench.flywheel, blueprint=bench.flywheel.blueprint.model_copy(update={"traces": traces}))


# What MLflow's tracing imports says that about its own type hints.
@pytest.mark.filterwarnings("ignore:.*Any type hint is inferred")
def test_what_failed_within_traces_becomes_events(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Failed tools, empty retrievals and crashes of real traces are events with their step; a good trace is none."""
    name = f"{bench.name}-agent"
    experiment, client = bench.client.create_experiment(name), bench.client
    monkeypatch.setenv("MLFLOW_TRACKING_URI", bench.uri)  # where MLflow's tracing sends what it is told
    mlflow.tracing.reset()  # type: ignore[no-untyped-call]

    def trace(tool_fails: bool, documents: list[str], crash: str = "") -> str:
        root = client.start_trace("answer", inputs={"q": "x"}, experiment_id=experiment)
        found = client.start_span("search", root.request_id, root.span_id, span_type="RETRIEVER")
        client.end_span(root.request_id, found.span_id, outputs=documents)
        tool = client.start_span("calculator", root.request_id, root.span_id, span_type="TOOL")
        client.end_span(root.request_id, tool.span_id, status="ERROR" if tool_fails else "OK", outputs=None)
        if crash:
            step = client.start_span(crash, root.request_id, root.span_id)
            client.end_span(root.request_id, step.span_id, status=SpanStatus(SpanStatusCode.ERROR, "no such key"))
        client.end_trace(root.request_id, outputs="42", status="ERROR" if crash else "OK")
        return str(root.request_id)

    good = trace(False, ["page 3"])
    failing, crashed = trace(True, []), trace(False, ["page 3"], crash="render")
    mlflow.flush_trace_async_logging()
    counts, done = pull_traces(bench.flywheel, bench.tracking, name, 1)
    assert (counts.traces, done.taken.new, done.dead) == (3, 3, 0)
    events = {item["id"]: item for item in list_events(bench.flywheel, bench.tracking, 1, to="", limit=9)[1]}
    assert set(events) == {f"{failing}/tool/calculator", f"{failing}/retrieval/search", f"{crashed}/error"}
    assert events[f"{crashed}/error"]["text"] == "the trace ended in an error in render: no such key"
    assert all(item["span_id"] for item in events.values())
    assert good not in {item["trace_id"] for item in events.values()}


def test_a_last_weeks_trace_is_read_again_for_a_thumb_of_today(bench: Bench) -> None:
    """`since` counts when something was said, not when the trace began."""
    name = f"{bench.name}-late"
    experiment = bench.client.create_experiment(name)
    tracing = TracingClient(bench.uri)
    trace = tracing.start_trace(
        TraceInfo(
            trace_id=f"tr-{bench.name}-late",
            trace_location=TraceLocation.from_experiment_id(experiment),
            request_time=int(datetime(2020, 1, 1, tzinfo=UTC).timestamp() * 1000),
            state=TraceState.OK,
        )
    )
    tracing.log_assessment(
        trace.trace_id, Feedback(name="thumb", value=False, source=AssessmentSource(source_type="HUMAN", source_id="a"))
    )
    _, done = pull_traces(bench.flywheel, bench.tracking, name, 1, since=datetime(2021, 1, 1, tzinfo=UTC))
    assert done.taken.new == 1


def test_the_store_keeps_hostile_ids_apart(local_bench: Bench, tmp_path: Path) -> None:
    """An id is found by what it is, whatever it holds: quotes, slashes, letters of any script."""
    names = ["a'b", 'a"b', "a/b", "日本", "%x", "é"]
    lines: list[Row | bytes] = [row(number, id=name) for number, name in enumerate(names)]
    ingest_files(local_bench.flywheel, local_bench.tracking, [write_lines(tmp_path / "a.jsonl", lines)], 1)
    for name in names:
        assert explain_event(local_bench.flywheel, local_bench.tracking, name).event["id"] == name


@pytest.fixture
def home(repository: Path, tmp_path: Path) -> Path:
    return copy_flywheel(repository, tmp_path / "home", "fw")


def test_the_commands_tell_what_happened(
    home: Path, embedded_store: Callable[[], EmbeddedStore], tmp_path: Path
) -> None:
    """Ingest, list, explain, reroute, route and test-rules, as tables and as JSON, with their exit codes."""
    uri = embedded_store().uri

    def run(*words: str | Path) -> Ended:
        return flywheel_command("feedback", *words, root=home, uri=uri)

    path = write_lines(tmp_path / "a.jsonl", ROWS)
    done = run("ingest", path, "-i", "1")
    assert (done.code, done.err) == (0, "")
    assert "3 new events, 1 known already, 2 dead letters (1 conflict)" in done.out
    assert "\x1b" not in done.out
    again = run("ingest", path, "-i", "1").out
    assert "nothing to add" in again
    assert "3 new events, 1 known already, 2 dead letters (1 conflict)" in again
    assert run("ingest", tmp_path / "none.jsonl", "-i", "1").code == 2
    wrong = write_lines(tmp_path / "bad.jsonl", [b"x"] * 120)
    both = run("ingest", tmp_path / "none.jsonl", path, wrong, "-i", "1", "--json")
    missing, known, bad = both.json["files"]
    assert (both.code, missing["error"]["what"], "none.jsonl" in both.err) == (2, "no such file", True)
    assert (known["already_ingested"], known["read"], known["new"], known["dead_letter_count"]) == (True, 5, 3, 2)
    assert [item["line"] for item in known["dead_letters"]] == [4, 6]
    assert (bad["dead_letter_count"], len(bad["dead_letters"]), bad["dead_letters"][0]["line"]) == (120, 100, 1)
    early = write_lines(tmp_path / "odd.jsonl", [row(7, time="1970-01-21T00:00:00Z")])
    odd = run("ingest", early, "-i", "1", "--dry-run").out
    assert "1 event is dated in the future or before 2000" in odd
    told = run("ingest", wrong, tmp_path / "none.jsonl", "-i", "1")
    assert (told.code, "none.jsonl: not taken in: no such file" in told.out) == (2, True)
    assert f"and 115 more\n  what they said: artifact dead_letters.jsonl of run {bad['run_id']}" in told.out
    queue = run("list", "--unroutable", "--json").json
    assert (queue["total"], queue["events"][0]["id"]) == (1, "e2")
    assert run("list", "--to", "p99").code == 2
    refused = run("list", "--to", "p05", "--unroutable")
    assert (refused.code, refused.out) == (2, "")
    assert "words: chart" in run("explain", "e1").out
    assert run("explain", "e1", "--json").json["rule"] == "retrieval_error"
    assert "would go to p15" in run("reroute", "e1", "--to", "p15", "--reason", "so", "--dry-run").out
    assert run("reroute", "e1", "--to", "p15", "--reason", "so", "--json").json["decision"]["to"] == "p15"
    assert "decided by" in run("explain", "e1").out
    assert run("route", "-i", "1", "--json").json["to"] == {"p15": 2, "unroutable": 1}
    assert "who answers: Application engineering: ben (email ben@example.org), chen" in run("explain", "e1").out
    assert "email ben@example.org" in run("route", "-i", "1").out
    people = run("list", "--to", "p15", "--json").json["events"][0]["owner"]["people"]
    assert [item["contacts"]["email"] for item in people] == ["ben@example.org", "chen@example.org"]
    assert "misrouted 50.0%" in run("route", "-i", "1").out
    assert run("pull-findings", "-i", "1", "--dry-run").code == 0
    assert run("pull-traces", "--experiment", "none", "-i", "1", "--since", "soon").code == 2
    examples = write_lines(tmp_path / "good.jsonl", [{"text": "the chart", "to": "p05", "lang": "en"}])
    assert run("test-rules", examples).code == 0
    wrong = write_lines(tmp_path / "wrong.jsonl", [{"text": "the chart", "to": "p01", "lang": "en"}])
    ended = run("test-rules", wrong, "--json")
    assert (ended.code, ended.json["sets"][0]["wrong"][0]["got"]) == (1, "p05")
    assert run("test-rules").code == 2
    assert "flywheel validate" not in run("test-rules", tmp_path / "nosuch.jsonl").err


def test_events_of_code_are_batches_too() -> None:
    """What code makes and what files bring have the same columns."""
    assert batch(row(1)).schema.equals(batch(row(2, severity="low")).schema)
    assert event(1).id == "e1"
