"""Receives OpenLineage events as a server does, and holds each against the classes of OpenLineage's own client."""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from flywheel_mlflow.evidence.runs import Check, CheckSeverity, FieldType, InterfaceVersion, Outcome
from flywheel_mlflow.lineage_events import DatasetFacts, RunFacts

FIELDS = (
    FieldType("id", "string", True),
    FieldType("m", "object", True),
    FieldType("m.a\\.b", "integer", False),
)
VERSION = InterfaceVersion("rows", "runs:/" + "a" * 32 + "/interfaces/rows", "d" * 32, "s" * 32, FIELDS, 3, 120)
DATA_CHECKS = (
    Check("rows.unique_ids", Outcome.PASSED),
    Check("rows.exact_duplicates", Outcome.FAILED, "2 of 3 rows", CheckSeverity.WARNING),
    Check("rows.split_leakage", Outcome.SKIPPED),
)
CHECKS = (
    Check("made", Outcome.PASSED, "3 records"),
    Check("broken", Outcome.ERROR, "no such file"),
    Check("later", Outcome.SKIPPED),
)
ENDED = datetime(2026, 11, 30, 12, 0, 1, 500_000, tzinfo=timezone(timedelta(hours=1)))
DATA = DatasetFacts("rows", VERSION, VERSION.digest, "Rows", "makers", checks=DATA_CHECKS)
RUNS = (
    RunFacts("p01", "1/p01", ENDED, "Corpus", "makers", (DatasetFacts("raw", digest="e" * 32),), (DATA,), CHECKS),
    RunFacts("assemble", "1/assemble", ENDED, inputs=(DATA,), labels={"iteration": "1"}, parent=("p01", "1/p01")),
)


@contextmanager
def unconfigured(home: Path) -> Iterator[None]:
    """Without any configuration of the client, which reads the home folder and writes into the environment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        yield
        for name in [name for name in os.environ if name.startswith("OPENLINEAGE__")]:
            del os.environ[name]


class Receiver:
    """What a server received, and its address; ``status`` is what it answers."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.status = 201
        self.events: list[dict[str, Any]] = []
        self.paths: list[str] = []


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A server that takes events at any path."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.events.append(json.loads(body))
            receiver.paths.append(self.path)
            self.send_response(receiver.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base class has it
            """Tests print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver = Receiver(f"http://127.0.0.1:{server.server_port}")
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@cache
def _classes() -> dict[str, Any]:
    """Every class of the client's generated modules by the address of its schema."""
    package = importlib.import_module("openlineage.client.generated")
    found = {}
    for item in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"{package.__name__}.{item.name}")
        for value in vars(module).values():
            if isinstance(value, type) and hasattr(value, "_get_schema"):
                found[value._get_schema()] = value
    return found


def assert_valid(event: Mapping[str, Any]) -> None:
    """The client's classes, generated from OpenLineage's schemas, take the event and each of its facets as they are."""
    base = importlib.import_module("openlineage.client.generated.base")
    assert event["schemaURL"] == base.RunEvent._get_schema()
    parts = ("eventTime", "producer", "eventType")
    base.RunEvent(
        **{name: event[name] for name in parts},
        run=base.Run(event["run"]["runId"]),
        job=base.Job(event["job"]["namespace"], event["job"]["name"]),
    )
    assert event["eventType"] in {item.value for item in base.EventType}
    facets = [*event["run"]["facets"].values(), *event["job"]["facets"].values()]
    for dataset in (*event["inputs"], *event["outputs"]):
        assert {"namespace", "name", "facets"} < set(dataset)
        groups = (dataset["facets"], dataset.get("inputFacets", {}), dataset.get("outputFacets", {}))
        facets += [facet for group in groups for facet in group.values()]
    for facet in facets:
        values = {key: value for key, value in facet.items() if not key.startswith("_")}
        _classes()[facet["_schemaURL"]](**values, producer=facet["_producer"])
