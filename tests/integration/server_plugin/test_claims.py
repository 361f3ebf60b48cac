"""Decisions taken by a server without accounts, on PostgreSQL: names are claims; webhooks hear what the server does."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities.webhook import WebhookAction, WebhookEntity, WebhookEvent
from releases_bench import MANAGER, REVIEWER
from servers.plugin import ACTS, PluginServer

from flywheel_mlflow.decisions.ledger import CLAIMED, Identity

SECRET = "the secret of a test"
RISK = {"title": "It may rain", "owner": MANAGER, "due": "2099-01-01T00:00:00+00:00", "likelihood": 2, "impact": 2}


@dataclass
class Listener:
    """What a webhook's receiver got: headers and body of each delivery."""

    url: str
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    def events(self, count: int) -> list[dict[str, Any]]:
        """The first deliveries, once so many have come."""
        limit = time.monotonic() + 300
        while len(self.got) < count and time.monotonic() < limit:
            time.sleep(0.05)
        return [json.loads(body) for _, body in self.got]


@contextmanager
def listening() -> Iterator[Listener]:
    """A receiver on a free port of this machine."""
    found = Listener("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.got.append((dict(self.headers), body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def is_genuine(headers: dict[str, str], body: bytes, secret: str) -> bool:
    """The check that docs/server.md shows to receivers."""
    given = {name.lower(): value for name, value in headers.items()}
    signed = f"{given['x-mlflow-delivery-id']}.{given['x-mlflow-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()
    return hmac.compare_digest(given["x-mlflow-signature"], f"v1,{expected}")


def test_webhooks_hear_what_the_server_does(trusting: PluginServer) -> None:
    """A version made and an alias moved by acts reach MLflow's webhooks, signed, as direct calls would."""
    client = MlflowClient(tracking_uri=trusting.uri)
    events: list[Any] = [
        WebhookEvent(WebhookEntity.MODEL_VERSION, WebhookAction.CREATED),
        WebhookEvent(WebhookEntity.MODEL_VERSION_ALIAS, WebhookAction.CREATED),
    ]
    with listening() as receiver:
        hook = client.create_webhook("ci", receiver.url, events, secret=SECRET)
        version = trusting.done(MANAGER, "create", iteration=1)["version"]
        trusting.done(REVIEWER, "approve", version=version, role="reviewer", reason="it is good")
        assert trusting.done(MANAGER, "gate", version=version, to="staging")["result"]["verdict"] == "PASS"
        trusting.done(MANAGER, "promote", version=version, to="staging")
        told = receiver.events(2)
        client.delete_webhook(hook.webhook_id)
    assert [(item["entity"], item["action"]) for item in told] == [
        ("model_version", "created"),
        ("model_version_alias", "created"),
    ]
    name = trusting.bench().name
    assert told[1]["data"] == {"name": name, "alias": "staging", "version": str(version)}
    assert (told[0]["data"]["name"], told[0]["data"]["version"]) == (name, str(version))
    assert all(is_genuine(headers, body, SECRET) for headers, body in receiver.got)
    headers, body = receiver.got[0]
    assert not is_genuine(headers, body + b" ", SECRET)


def test_names_are_claims(trusting: PluginServer) -> None:
    """The ledger keeps the name the client gave, as a claim without a seal; any letters a name has arrive whole."""
    trusting.done("żółw", "risk-open", **RISK)
    last = trusting.bench().snapshot().ledger.events[-1]
    assert (last.actor, last.witness) == (Identity("żółw", CLAIMED), None)


@pytest.mark.parametrize("name", ["", "%0A", "%E2%80%AE", "x" * 300])
def test_nobody_acts_without_a_name(name: str, trusting: PluginServer) -> None:
    """Without a name that can be shown nothing is decided."""
    answer = trusting.call("POST", f"{ACTS}/risk-open", headers={"X-Flywheel-Actor": name}, json=RISK)
    assert answer.status_code == 400, answer.text


def test_decisions_of_two_workers_line_up(trusting: PluginServer) -> None:
    """Twelve people decide at once on a server of two processes: every event is there, once, in one whole chain."""
    trusting.done(MANAGER, "risk-open", **RISK)
    before = len(trusting.bench().snapshot().ledger.events)
    with ThreadPoolExecutor(12) as pool:
        done = list(pool.map(lambda n: trusting.act(f"person-{n}", "risk-open", **RISK).status_code, range(12)))
    ledger = trusting.bench().snapshot().ledger
    assert done == [200] * 12
    assert ledger.faults == ()
    assert {event.actor.name for event in ledger.events[before:]} == {f"person-{n}" for n in range(12)}


def test_commands_go_to_the_server(trusting: PluginServer) -> None:
    """A client with direct access to the tracking server does not write the ledger: the guard would refuse it."""
    bench = trusting.bench()
    place = bench.snapshot().place
    answer = trusting.call(
        "POST",
        "/api/2.0/mlflow/runs/log-parameter",
        json={"run_id": place.first_run, "key": "event.000999", "value": "{}"},
    )
    assert answer.status_code == 403
    assert "`flywheel` commands" in answer.json()["message"]
