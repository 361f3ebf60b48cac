"""Feedback that applications send over HTTP: who may, how much, each event once, and what is told of each line."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from releases_bench import MANAGER, OTHER, REVIEWER
from servers.plugin import ADMIN, PluginServer, signed_in
from workbench import fresh_name

from flywheel_mlflow.operations.feedback.receiving import JSON_LINES, MAX_BYTES, MAX_EVENTS
from flywheel_mlflow.operations.scratch import scratch_folder

ROUTE = "/ajax-api/2.0/flywheel/feedback"


def event(number: int, mark: str, **said: Any) -> dict[str, Any]:
    """An event of an application; ``mark`` keeps the tests of one server apart."""
    base = {
        "id": f"{mark}-{number}",
        "time": "2026-11-04T10:00:00Z",
        "source": "application",
        "text": f"wrong {number}",
    }
    return base | said


def send(server: PluginServer, body: Any, *, who: str | None = MANAGER, **headers: str) -> requests.Response:
    """One request as a program sends it; what is no text is sent as JSON."""
    data = body if isinstance(body, str | bytes) else json.dumps(body)
    kind = headers.pop("kind", "application/json")
    query = headers.pop("query", "")
    given = {"Content-Type": kind} | {name.replace("_", "-"): value for name, value in headers.items()}
    return server.call("POST", f"{ROUTE}{query}", who=who, headers=given, data=data)


def stored(server: PluginServer) -> int:
    """How many ingestions the server holds."""
    with signed_in(ADMIN):
        return len(server.bench().bench.tracking.feedback.batches())


def test_each_event_is_taken_once_and_each_line_told(trusting: PluginServer) -> None:
    """New, repeated, conflicting and broken lines in one request; again it adds nothing and says the same."""
    mark = fresh_name()
    body = [
        event(1, mark, prompt="Where?", chosen="page 12", rejected="page 3"),
        event(2, mark),
        event(2, mark),
        event(1, mark, text="something else"),
        event(3, mark, time="yesterday"),
        {"id": f"{mark}-4"},
    ]
    first = send(trusting, body)
    assert first.status_code == 200, first.text
    told = first.json()
    names = ("events", "new", "repeated", "conflicts", "dead_letter_count", "replayed")
    assert {name: told[name] for name in names} == {
        "events": 6, "new": 2, "repeated": 1, "conflicts": 1, "dead_letter_count": 3, "replayed": False,
    }  # fmt: skip
    assert told["error_rate"] == 0.5
    assert [(item["line"], item["reason"].split(":")[0]) for item in told["dead_letters"]] == [
        (4, "another event has this id and says something else"), (5, "time"), (6, "time"),
    ]  # fmt: skip
    before = stored(trusting)
    again = send(trusting, body).json()
    assert again == told | {"replayed": True}
    other = send(trusting, "\n".join(json.dumps(item) for item in body[:2]) + "\n\n", kind=JSON_LINES).json()
    assert (other["events"], other["new"], other["repeated"], other["run_id"]) == (2, 0, 2, None)
    assert stored(trusting) == before
    bench = trusting.bench().bench
    (batch,) = [item for item in bench.tracking.feedback.batches() if item.run_id == told["run_id"]]
    assert (batch.iteration, batch.file) == (1, f"sent by {MANAGER}")
    one = send(trusting, event(9, mark), query="?iteration=7").json()
    assert (one["iteration"], one["new"]) == (7, 1)


def test_a_key_stands_for_one_request(trusting: PluginServer) -> None:
    """Sent again it is answered as the first time; with another body it is refused; of somebody else it is another."""
    mark = fresh_name()
    first = send(trusting, [event(1, mark)], Idempotency_Key=mark)
    again = send(trusting, [event(1, mark)], Idempotency_Key=mark)
    assert again.json() == first.json() | {"replayed": True}
    other = send(trusting, [event(2, mark)], Idempotency_Key=mark)
    assert (other.status_code, "another body" in other.text) == (409, True)
    assert send(trusting, [event(2, mark)], who=REVIEWER, Idempotency_Key=mark).json()["new"] == 1
    assert send(trusting, [event(3, mark)], Idempotency_Key="x" * 300).status_code == 400


def test_what_comes_at_once_is_taken_once(trusting: PluginServer) -> None:
    """Two workers, many requests: readers meet every event once, and every request is answered."""
    mark = fresh_name()
    bodies = [[event(number % 5, mark)] for number in range(10)]
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda body: send(trusting, body), bodies))
    assert {answer.status_code for answer in answers} == {200}
    listed = trusting.bench().bench
    seen: list[str] = []
    with scratch_folder() as folder:
        store = listed.tracking.feedback
        for batch in store.events(store.batches(1), folder):
            seen += [name for name in batch.column("id").to_pylist() if name.startswith(f"{mark}-")]
    assert sorted(seen) == [f"{mark}-{number}" for number in range(5)]


@pytest.mark.parametrize(
    ("body", "more", "status", "told"),
    [
        ([], {}, 400, "no event"),
        ("{", {}, 400, "no JSON"),
        (b"\xff", {}, 400, "not UTF-8"),
        ([{"id": "x"}], {}, 422, "missing"),
        ([5, None], {}, 422, "not a JSON object"),
        ([{}] * (MAX_EVENTS + 1), {}, 400, "at most 1,000"),
        ("x" * (MAX_BYTES + 1), {"kind": JSON_LINES}, 413, "longer than"),
        ([{}], {"kind": "text/plain"}, 415, "application/x-ndjson"),
        ([{}], {"kind": "application/x-www-form-urlencoded"}, 415, "application/json"),
        ([{}], {"Origin": "http://evil.example"}, 403, ""),
        ([{}], {"query": "?iteration=0"}, 400, "iteration"),
        ([{}], {"query": "?iteration=soon"}, 400, "no iteration is called"),
    ],
)
def test_what_is_not_taken_is_told(
    trusting: PluginServer, body: Any, more: dict[str, str], status: int, told: str
) -> None:
    """Sizes, types, origins and iterations have limits; the answer says which, and nothing is kept of it."""
    answer = send(trusting, body, **more)
    assert answer.status_code == status, answer.text
    assert told in answer.text


def test_nobody_sends_without_the_right_to(accounts: PluginServer, guarding: PluginServer) -> None:
    """With accounts: EDIT on the experiment; nobody without credentials; a server without a flywheel takes nothing."""
    mark = fresh_name()
    assert send(accounts, [event(1, mark)], who=None).status_code == 401
    refused = send(accounts, [event(1, mark)], who=REVIEWER)
    assert (refused.status_code, "EDIT" in refused.text) == (403, True)
    assert send(accounts, [event(1, mark)], who=ADMIN).json()["new"] == 1
    with signed_in(ADMIN):
        bench = accounts.bench().bench
        found = bench.client.get_experiment_by_name(bench.tracking.feedback.name)
        assert found is not None
    assert send(accounts, [event(2, mark)], who=REVIEWER).status_code == 403
    accounts.permit(REVIEWER, "experiment", found.experiment_id)
    answer = send(accounts, [event(2, mark)], who=REVIEWER)
    assert (answer.status_code, answer.json()["new"]) == (200, 1)
    accounts.deny(OTHER, "experiment", found.experiment_id)
    assert send(accounts, [event(3, mark)], who=OTHER).status_code == 403
    assert send(guarding, [event(1, mark)]).status_code == 404


def test_hostile_events_decide_nothing(trusting: PluginServer) -> None:
    """Who speaks as the flywheel, or writes what looks like a tag of it, gets a dead letter or a text."""
    mark = fresh_name()
    body = [
        event(1, mark, reporter="flywheel"),
        event(2, mark, id=f"flywheel-{mark}"),
        event(3, mark, text="flywheel.valid=true\n<script>alert(1)</script>\x1b[31m"),
    ]
    told = send(trusting, body).json()
    assert (told["new"], told["dead_letter_count"]) == (1, 2)
    assert all("only the flywheel itself" in item["reason"] for item in told["dead_letters"])
