"""A server with accounts tells people what it decides: it has the secrets, and its workers tell a fact once."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from releases_bench import INTERFACE, MANAGER, REVIEWER
from servers.plugin import ADMIN, PluginServer, signed_in
from servers.receiving import Receiver

from flywheel_mlflow.operations.acts.acting import act_somewhere

ROUTE = "/ajax-api/2.0/flywheel/feedback"
#: An iteration no other test of this folder uses.
ITERATION = 7
KEY = "a-key-that-nobody-guesses-easily"


@pytest.fixture
def release(accounts: PluginServer, receiver: Receiver, work: Path) -> Iterator[int]:
    """A candidate, on a server whose flywheel.yaml has a channel as long as the test lasts."""
    # Other tests of this folder know the first release as that of iteration 1.
    assert accounts.done(MANAGER, "create", iteration=1)["version"] == 1
    with signed_in(ADMIN):
        bench = accounts.bench()
        bench.log(work, ITERATION)
        bench.assemble(ITERATION)
    file = accounts.root / "flywheel.yaml"
    before = file.read_text(encoding="utf-8")
    channel = {"id": "ops", "kind": "webhook", "url": "${OPS_URL}", "key": "${OPS_KEY}"}
    wanted = ["gate_verdict", "approval_waiting"]
    document = yaml.safe_load(before) | {"notify": {"channels": [channel | {"events": wanted}]}}
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    receiver.posts.clear()
    yield int(accounts.done(MANAGER, "create", iteration=ITERATION)["version"])
    file.write_text(before, encoding="utf-8")


def test_the_server_tells_each_fact_once(accounts: PluginServer, receiver: Receiver, release: int) -> None:
    """Whichever worker evaluates the gate, however many at once, and whichever client asks for more afterwards."""
    with ThreadPoolExecutor(4) as pool:
        ran = list(pool.map(lambda _: accounts.done(MANAGER, "gate", version=release, to="staging"), range(4)))
    assert {item["result"]["verdict"] for item in ran} == {"INCONCLUSIVE"}
    assert [item["unsent"] for item in ran if "unsent" in item] == []
    with signed_in(REVIEWER):
        bench = accounts.bench()
        # The client knows neither address nor key, and needs none.
        told = act_somewhere(bench.session(REVIEWER), "notify-send", {"audit": False})
        assert told["unsent"] == []
        looked = bench.command("doctor", who=REVIEWER)
        assert "the server sends" in looked.out
        assert bench.command("notify", "test", "ops", who=REVIEWER).code == 0
    of_release = [post for post in receiver.posts if post.document["facts"].get("release") == release]
    assert sorted(post.document["event"] for post in of_release) == ["approval_waiting", "gate_verdict"]
    assert all(post.is_signed_with(KEY) for post in receiver.posts)
    assert receiver.posts[-1].document["lines"] == ["ben tries the channel ops. It works when you read this."]


def test_a_team_hears_of_what_an_application_sends(accounts: PluginServer, receiver: Receiver) -> None:
    """The server tells it when the answer has left, and a second request of the day is no more news."""
    file = accounts.root / "flywheel.yaml"
    before = file.read_text(encoding="utf-8")
    channel = {"id": "ops", "kind": "webhook", "url": "${OPS_URL}", "key": "${OPS_KEY}", "events": ["feedback_routed"]}
    rule = {"id": "makers", "match": "its data", "to": "producer", "why": "Who makes it can mend it."}
    added = {"notify": {"channels": [channel]}, "routing": [rule]}
    file.write_text(yaml.safe_dump(yaml.safe_load(before) | added), encoding="utf-8")
    receiver.posts.clear()
    try:
        for number in (1, 2):
            event = {"id": f"told-{number}", "time": "2026-11-04T10:00:00Z", "source": "application", "text": "wrong"}
            body = json.dumps(event | {"interface": INTERFACE}).encode()
            sent = accounts.call("POST", ROUTE, who=ADMIN, data=body, headers={"Content-Type": "application/json"})
            assert sent.json()["to"] == {"p01": 1}, sent.text
        # What others of this folder sent is told too, to the assembly layer: no rule took it.
        while not any("p01" in post.document["title"] for post in receiver.posts):
            time.sleep(0.05)
        with signed_in(ADMIN):
            told = act_somewhere(accounts.bench().session(ADMIN), "notify-send", {"audit": False})
        assert (told["notices"], told["unsent"]) == ([], [])
    finally:
        file.write_text(before, encoding="utf-8")
    (post,) = [post for post in receiver.posts if "p01" in post.document["title"]]
    assert post.document["title"].startswith("Feedback for p01: ")
    assert post.is_signed_with(KEY)
