"""People look at data before it is released: drawn, asked in MLflow's queue or by a table, judged by a gate."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import pytest
from flywheels import write_flywheel
from mlflow.entities import AssessmentSource, Feedback
from mlflow.tracing.client import TracingClient
from releases_bench import (
    INTERFACE,
    MANAGER,
    OTHER,
    REVIEWER,
    ReleasesBench,
    releases_blueprint,
    releases_contracts,
    write_directly,
)
from servers.embedded import EmbeddedStore
from servers.tracking import TrackingServerProcess
from workbench import Ended, bench_on, fresh_name, records, write_records

from flywheel_mlflow import InputError, project_run
from flywheel_mlflow.base.errors import Refused
from flywheel_mlflow.base.signing import new_key
from flywheel_mlflow.decisions.human_review import SUBMITTED
from flywheel_mlflow.decisions.ledger import Identity
from flywheel_mlflow.evidence.flywheel import load_flywheel
from flywheel_mlflow.operations.releases.review_documents import find_plan, keep_plan
from flywheel_mlflow.operations.releases.review_drawing import MAX_SHOWN
from flywheel_mlflow.tracking.review_traces import SUBJECT
from flywheel_mlflow.tracking.versions import numbers_of

QUESTIONS: list[dict[str, Any]] = [
    {"name": "right", "ask": "Is every sum right?"},
    {"name": "tone", "ask": "How does it read?", "answers": ["kind", "plain", "rude"], "good": ["kind", "plain"]},
]
SEEN = {
    "id": "people_looked",
    "kind": "human_review",
    "demand": "Two reviewers looked at six records, agree, and find at least half of them good.",
    "role": "reviewer",
    "limit": 0.5,
    "review": {"items": 6, "reviewers": 2, "agreement": 0.5},
}


def reviewed_flywheel(root: Path, uri: str, **more: Any) -> ReleasesBench:
    """The small flywheel of releases, whose gate to staging asks people about the producer's records."""
    blueprint = releases_blueprint(**more) | {"name": fresh_name()}
    blueprint["gates"][0]["criteria"].append(SEEN)
    contracts = releases_contracts()
    contracts["p01"]["review"] = {"human": True, "records_of": INTERFACE, "questions": QUESTIONS}
    flywheel = load_flywheel(write_flywheel(root, blueprint=blueprint, contracts=contracts))
    return ReleasesBench(bench_on(flywheel, uri))


@pytest.fixture
def bench(tmp_path: Path, sqlite_server: TrackingServerProcess) -> ReleasesBench:
    return reviewed_flywheel(tmp_path / "flywheel", sqlite_server.uri)


@pytest.fixture
def stored(tmp_path: Path, embedded_store: Callable[[], EmbeddedStore]) -> ReleasesBench:
    return reviewed_flywheel(tmp_path / "flywheel", embedded_store().uri)


def done(ended: Ended) -> Ended:
    assert ended.code == 0, ended.err + ended.out
    return ended


def opened(bench: ReleasesBench, *more: str, iteration: int = 1) -> Any:
    return done(bench.command("human-review", "open", "p01", "-i", str(iteration), *more, "--json")).json


def looked(bench: ReleasesBench) -> dict[str, Any]:
    """What the gate says about people."""
    criteria = bench.act(MANAGER, "gate", version=1, to="staging", dry_run=True)["result"]["criteria"]
    return next(dict(item) for item in criteria if item["id"] == SEEN["id"])


def fill(path: Path, wrong: set[int], *, tone: str = "plain", until: int = 99) -> None:
    """Answer in a table as a person would: ``wrong`` are places that are not right."""
    rows = list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))
    for row in rows:
        place = int(row["item"])
        if place <= until:
            row |= {"right": "No" if place in wrong else "YES", "tone": tone, "comment": f"seen {place}"}
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


def answer(bench: ReleasesBench, trace: str, who: str, **given: object) -> None:
    """What MLflow's page writes when somebody answers."""
    for name, value in given.items():
        source = AssessmentSource("HUMAN", who)
        TracingClient(bench.bench.uri).log_assessment(trace, Feedback(name=name, value=value, source=source))  # type: ignore[arg-type]


def traces_of(bench: ReleasesBench, review: dict[str, Any]) -> list[str]:
    plan = review["plan"]
    return [bench.bench.tracking.review_traces.id_of(plan["subject"], item["id"]) for item in plan["items"]]


def test_answers_in_the_queue_of_mlflow_pass_a_gate(bench: ReleasesBench, tmp_path: Path) -> None:
    """Records become traces in a queue with the contract's questions; what two reviewers answer there and submit
    passes the gate; what others wrote in their names counts for nothing.
    """
    bench.log(tmp_path, 1, rows=30)
    bench.assemble(1)
    bench.act(MANAGER, "create", iteration=1)
    assert looked(bench)["verdict"] == "INCONCLUSIVE"
    assert "nobody has submitted answers yet" in looked(bench)["reason"]
    assert opened(bench, "--items", "6", "--dry-run")["queues"] == {}
    review = opened(bench, "--items", "6")
    assert (review["people"], review["new_traces"], review["plan"]["pool"]) == ([REVIEWER, OTHER], 6, 30)
    assert opened(bench, "--items", "6") == review | {"new_traces": 0}
    tracing = TracingClient(bench.bench.uri)
    queues = {who: tracing._get_review_queue(queue) for who, queue in review["queues"].items()}
    assert {who: (queue.name, queue.users) for who, queue in queues.items()} == {
        who: (f"{review['review']} {who}", [who]) for who in (REVIEWER, OTHER)
    }
    queue = queues[REVIEWER]
    asked = [tracing._get_label_schema(schema) for schema in queue.schema_ids]
    assert {item.name: item.instruction for item in asked} == {item["name"]: item["ask"] for item in QUESTIONS}
    traces = traces_of(bench, review)
    shown: Any = bench.bench.client.get_trace(traces[0]).data.spans[0]
    assert shown.inputs["id"] == review["plan"]["items"][0]["id"]

    for place, trace in enumerate(traces):
        for who in (REVIEWER, OTHER):
            answer(bench, trace, who.upper(), right=place != 2, tone="plain")
        tracing._set_review_queue_item_status(queue.queue_id, item_id=trace, status="complete", completed_by=REVIEWER)
    answer(bench, traces[0], REVIEWER, tone="rude")
    answer(bench, traces[0], REVIEWER, tone="plain")  # the newest counts
    answer(bench, traces[0], MANAGER, right=True, tone="plain")
    assert "nobody has submitted" in looked(bench)["reason"]  # whoever may write traces may write these
    submit = ("human-review", "submit", review["review"])
    assert done(bench.command(*submit, "--dry-run", "--json", who=REVIEWER)).json["event"] is None
    assert bench.command(*submit, who="eve").code == 2
    assert "6 items" in done(bench.command(*submit, who=REVIEWER)).out
    assert "0 of 6 items finished by ben" in looked(bench)["reason"]
    done(bench.command(*submit, who=MANAGER))
    assert "ana does not hold the role reviewer" in looked(bench)["reason"]
    done(bench.command(*submit, who=OTHER))
    found = looked(bench)
    assert (found["verdict"], found["value"], found["n"]) == ("PASS", 5 / 6, 6)
    submitted = [item for item in bench.snapshot().ledger.events if item.kind == SUBMITTED]
    counted = [item.body["run_id"] for item in submitted if item.actor.name in (REVIEWER, OTHER)]
    assert sorted(found["evidence"]) == sorted(counted)
    listed = done(bench.command("human-review", "status", "--json")).json
    (status,) = listed["reviews"]
    assert status["queues"] == {REVIEWER: {"complete": 6}, OTHER: {"pending": 6}}
    assert (status["outcome"]["finished"], listed["without_review"]) == (6, [])
    assert [item["name"] for item in status["reviewers"] if not item["against"]] == [REVIEWER, OTHER]
    told = done(bench.command("feedback", "pull-traces", "--experiment", f"{bench.name}/p01", "-i", "1", "--json")).json
    assert told["new"] == 2, told  # what each of the two found wrong is feedback about the record
    events = done(bench.command("feedback", "list", "-i", "1", "--json")).json["events"]
    wrong = f"{INTERFACE}/{review['plan']['items'][2]['id']}"
    assert {(item["project"], tuple(item["record_ids"])) for item in events} == {("p01", (wrong,))}
    story = done(bench.command("release", "history", "--json")).out
    assert f"6 items of {review['plan']['subject']} (p01) looked at" in story


def test_a_table_does_the_same(stored: ReleasesBench, tmp_path: Path) -> None:
    """Without a queue reviewers fill in tables: faults have their lines, answers pass or block, the newest stand."""
    stored.log(tmp_path, 1, rows=30)
    stored.assemble(1)
    stored.act(MANAGER, "create", iteration=1)
    # MLflow before 3.14 has no queues, without being told so.
    asked = ["--no-queue"] if numbers_of(mlflow.__version__) >= (3, 14) else []
    review = opened(stored, "--items", "6", *asked)
    name = review["review"]
    assert (review["queues"], review["people"]) == ({}, [REVIEWER, OTHER])
    for who in (REVIEWER, OTHER):
        path = tmp_path / f"{who}.csv"
        done(stored.command("human-review", "export", name, "--out", path, who=who))
        again = stored.command("human-review", "export", name, "--out", path, who=who)
        assert "there is such a file already" in again.err
        fill(path, {3})
    table = tmp_path / f"{REVIEWER}.csv"
    submit = ("human-review", "submit", name, "--table", table)
    table.write_text(table.read_text().replace("No,plain", "perhaps,plain"))
    refused = stored.command(*submit, who=REVIEWER)
    assert (refused.code, "'perhaps' is no answer: yes, no" in refused.err) == (2, True)
    assert f"{table}:4: right" in refused.err
    fill(table, {3}, until=5)
    table.write_text(table.read_text().replace("YES,plain,seen 6", ",,"))
    told = done(stored.command(*submit, who=REVIEWER))
    assert "5 items" in told.out
    assert "1 not or not wholly answered" in told.out
    done(stored.command("human-review", "submit", name, "--table", tmp_path / f"{OTHER}.csv", who=OTHER))
    assert "5 of 6 items finished by ben, chen" in looked(stored)["reason"]

    done(stored.command("human-review", "export", name, "--out", tmp_path / "again.csv", who=REVIEWER))
    rows = list(csv.DictReader((tmp_path / "again.csv").read_text(encoding="utf-8-sig").splitlines()))
    assert [row["right"] for row in rows] == ["yes", "yes", "no", "yes", "yes", ""]
    assert rows[0]["comment"] == "seen 1"
    assert json.loads(rows[0]["shown"])["id"] == review["plan"]["items"][0]["id"]
    for who, wrong in ((REVIEWER, {1, 2, 3, 4}), (OTHER, {1, 2, 3, 4})):
        fill(tmp_path / "again.csv", wrong)
        done(stored.command("human-review", "submit", name, "--table", tmp_path / "again.csv", who=who))
    found = looked(stored)
    assert (found["verdict"], found["value"]) == ("BLOCK", 2 / 6)
    ran = stored.act(MANAGER, "gate", version=1, to="staging")
    assert stored.snapshot().state.release(1).gates[-1].projects == ("p01",), ran["rows"]


def test_nobody_picks_what_is_looked_at(stored: ReleasesBench, tmp_path: Path) -> None:
    """A review whose items somebody chose, data that changed, and another version are refused with the way on."""
    stored.log(tmp_path, 1, rows=30)
    stored.assemble(1)
    review = opened(stored, "--items", "6")
    session = stored.session(REVIEWER)
    plan = find_plan(session, review["review"]).plan
    more = opened(stored, "--items", "12")
    assert more["plan"]["items"][:6] == review["plan"]["items"]
    assert more["new_traces"] == 6
    picked = replace(plan, items=plan.items[:2] + plan.items[3:])
    keep_plan(session, picked)
    for command in ("submit", "export"):
        ended = stored.command("human-review", command, picked.id, who=REVIEWER)
        assert (ended.code, "are not those that the draw gives" in ended.err) == (1, True), ended.err
    trace = traces_of(stored, review)[0]
    for given in traces_of(stored, review):
        answer(stored, given, REVIEWER, right=True, tone="plain")
    stored.bench.tracking.review_traces._log(
        stored.bench.experiment("p01"), trace, {SUBJECT: plan.subject}, {"id": "something nice"}
    )
    ended = stored.command("human-review", "submit", review["review"], who=REVIEWER)
    assert (ended.code, f"the trace {trace} does not show" in ended.err) == (1, True), ended.err
    stored.log(tmp_path, 1, rows=31)
    ended = stored.command("human-review", "submit", review["review"], who=REVIEWER)
    assert (ended.code, "holds p01_data@" in ended.err, "human-review open p01 --iteration 1" in ended.err) == (
        1, True, True,
    ), ended.err  # fmt: skip
    assert "no review" in stored.command("human-review", "submit", "p01-00000000", who=REVIEWER).err


def test_answers_that_were_changed_count_for_nothing(stored: ReleasesBench, tmp_path: Path) -> None:
    """The ledger holds the digest of answers: other words under the same name, somebody else's, and a foreign review
    are told apart by the gate and refused by the act.
    """
    stored.log(tmp_path, 1, rows=30)
    stored.assemble(1)
    stored.act(MANAGER, "create", iteration=1)
    name = opened(stored, "--items", "6", "--no-queue")["review"]
    done(stored.command("human-review", "export", name, "--out", tmp_path / "t.csv", who=REVIEWER))
    fill(tmp_path / "t.csv", set())
    done(stored.command("human-review", "submit", name, "--table", tmp_path / "t.csv", who=REVIEWER))
    (event,) = [item for item in stored.snapshot().ledger.events if item.kind == SUBMITTED]
    kept = {"run_id": event.body["run_id"], "digest": event.body["digest"]}
    with pytest.raises(Refused, match="these are the answers of ben"):
        stored.act(OTHER, "human-review-submit", **kept)
    with pytest.raises(InputError, match="was changed after it was kept"):
        stored.act(REVIEWER, "human-review-submit", **(kept | {"digest": "0" * 64}))
    client = stored.bench.client
    (tmp_path / "answers.json").write_text("{}", encoding="utf-8")
    client.log_artifact(event.body["run_id"], str(tmp_path / "answers.json"))
    assert "the answers of ben cannot be read: answers.json was changed" in looked(stored)["reason"]


def test_who_has_a_key_signs(tmp_path: Path, embedded_store: Callable[[], EmbeddedStore]) -> None:
    """Without their own signature answers are refused, and those that went past the refusal count for nothing."""
    path = tmp_path / "ben.pem"
    people = [{"id": MANAGER}, {"id": REVIEWER, "public_key": new_key(path).public_key}, {"id": OTHER}]
    bench = reviewed_flywheel(tmp_path / "flywheel", embedded_store().uri, people=people)
    bench.log(tmp_path, 1, rows=30)
    bench.assemble(1)
    bench.act(MANAGER, "create", iteration=1)
    name = opened(bench, "--items", "6", "--no-queue")["review"]
    table = tmp_path / "t.csv"
    done(bench.command("human-review", "export", name, "--out", table, who=REVIEWER))
    fill(table, {2})
    submit = ("human-review", "submit", name, "--table", table)
    refused = bench.command(*submit, who=REVIEWER)
    assert (refused.code, "add --sign KEYFILE" in refused.err) == (1, True)
    done(bench.command(*submit, "--sign", path, who=REVIEWER))
    assert "finished by ben" in looked(bench)["reason"]
    event = bench.snapshot().ledger.events[-1]
    body = {key: value for key, value in event.body.items() if key != "signature"}
    write_directly(bench.bench, bench.snapshot(), [(SUBMITTED, body)], who=Identity(REVIEWER))
    assert "ben signs decisions, and these answers are not signed" in looked(bench)["reason"]


@pytest.mark.filterwarnings("ignore")  # MLflow's tracing warns of what it uses itself, and then drops the trace
def test_traces_of_a_run_are_looked_at_as_they_are(stored: ReleasesBench, tmp_path: Path) -> None:
    """Without `records_of` the traces of the project's run are drawn, no copies are made, and a long one is cut."""
    root = stored.bench.flywheel.root
    contract = root / "projects/p01/project.yaml"
    contract.write_text(contract.read_text().replace(f"  records_of: {INTERFACE}\n", ""))
    bench = ReleasesBench(bench_on(load_flywheel(root), stored.bench.uri))
    with project_run("p01", 1, root=root, tracking_uri=bench.bench.uri) as run:
        for number in range(5):
            with mlflow.start_span("answer") as span:
                span.set_inputs({"q": f"question {number}"})
                span.set_outputs("x" * (MAX_SHOWN if number == 0 else 3))
        mlflow.flush_trace_async_logging()
        run.log_metrics({"quality": 0.9})
        run.log_check("ready", True)
        run.log_interface(INTERFACE, write_records(tmp_path / "d.jsonl", records(8)))
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]
    review = opened(bench, "--items", "10")
    assert review["plan"]["subject"] == f"traces@{run.run_id}"
    assert (len(review["plan"]["items"]), review["plan"]["pool"], review["new_traces"]) == (5, 5, 0)
    for item in review["plan"]["items"]:
        answer(bench, item["id"], "default", right=True, tone="kind")
    submit = ("human-review", "submit", review["review"])
    assert bench.command(*submit, who=REVIEWER).code == 2
    done(bench.command(*submit, "--known-as", "default", who=REVIEWER))
    bench.assemble(1)
    bench.act(MANAGER, "create", iteration=1)
    assert "0 of 5 items finished by ben" in looked(bench)["reason"]


def test_what_cannot_be_reviewed_says_why(stored: ReleasesBench, tmp_path: Path) -> None:
    """A contract without questions, an iteration without data, and a question that MLflow has otherwise."""
    ended = stored.command("human-review", "open", "p10", "-i", "1")
    assert (ended.code, "asks reviewers nothing" in ended.err) == (2, True)
    assert "no version of p01_data for iteration 1" in stored.command("human-review", "open", "p01", "-i", "1").err
    stored.log(tmp_path, 1, rows=30)
    told = done(stored.command("human-review", "status"))
    assert "needs a review and has none: p01" in told.out
    opened(stored, "--items", "2")
    contract = stored.bench.flywheel.root / "projects/p01/project.yaml"
    contract.write_text(contract.read_text().replace("Is every sum right?", "Is it right?"))
    ended = stored.command("human-review", "open", "p01", "-i", "1")
    assert (ended.code, "another question called right" in ended.err) == (2, True)
    ended = stored.command("human-review", "open", "p01", "-i", "1", "--items", "0")
    assert ended.code == 2
