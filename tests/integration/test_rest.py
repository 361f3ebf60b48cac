"""Releases by plain requests: the same as by MLflow's client, without its import, whatever a server answers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import HTTP_STATUS_TO_ERROR_CODE
from mlflow.utils.credentials import get_default_host_creds
from releases_bench import INTERFACE, MANAGER, ReleasesBench, reconnected, releases_on
from servers.proxy import CountingProxy, Dropped, Meddler
from servers.tracking import TrackingServerProcess

from flywheel_mlflow.base.errors import ExitCode, FlywheelError, Refused, ServerError, ServerRefused, ServerUnreachable
from flywheel_mlflow.base.settings import read_settings
from flywheel_mlflow.decisions.ledger import Identity, write_event
from flywheel_mlflow.operations.releases.moving import promote
from flywheel_mlflow.tracking import LedgerPlace, LedgerStore, ReleaseStore, connect
from flywheel_mlflow.tracking.reading.client import LateClient
from flywheel_mlflow.tracking.rest import client as rest_client
from flywheel_mlflow.tracking.rest import transport as rest
from flywheel_mlflow.tracking.rest.client import RestClient
from flywheel_mlflow.tracking.rest.http_settings import http_settings_of
from flywheel_mlflow.tracking.rest.transport import HttpTransport

Store = ReleaseStore | LedgerStore


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory, tracking_server: TrackingServerProcess) -> ReleasesBench:
    """A whole life by requests: two releases in production in turn, a way back, one retired, one deleted."""
    folder = tmp_path_factory.mktemp("lived")
    found = releases_on(folder / "flywheel", tracking_server.uri)
    for iteration in (1, 2):
        found.release(folder, iteration)
        found.through(iteration, "staging")
        found.override(iteration, "production")
        found.act(MANAGER, "promote", version=iteration, to="production")
    found.act(MANAGER, "rollback", reason="to look at the way back")
    assert found.alike(2, 2) == (3, 4)
    found.act(MANAGER, "retire", version=3, reason="it was a copy")
    found.bench.tracking.releases.delete(3)
    found.bench.tracking.releases.tag(4, {"odd": 'ünïcode "quoted"\n', "empty": ""})
    return found


@pytest.fixture
def both(lived: ReleasesBench) -> list[tuple[ReleaseStore, LedgerStore]]:
    """The stores on MLflow's own client, and as they are."""
    found = lived.bench
    named = {"uri": found.uri, "flywheel": found.name}
    by_mlflow = ReleaseStore(found.client, **named), LedgerStore(found.client, **named, artifact_root=None)
    return [by_mlflow, (found.tracking.releases, found.tracking.ledger)]


def test_the_same_answers(lived: ReleasesBench, both: list[tuple[ReleaseStore, LedgerStore]]) -> None:
    """Everything a release store or a ledger can read is the same by requests as by MLflow's client."""
    place = lived.snapshot().place
    asked: list[list[object]] = []
    for releases, ledger in both:
        events = ledger.read(place)
        assert len(events.events) > 10
        assert events.faults == ()
        asked.append(
            [
                *(releases.look(), releases.versions()),
                *(releases.version(number) for number in (1, 2, 3, 4, 99)),
                *(releases.at_alias(name) for name in ("staging", "production", "nothing")),
                *(events, ledger.segments, ledger.read(place, deleted=True)),
            ]
        )
    by_mlflow, by_requests = asked
    assert by_requests == by_mlflow
    assert [view is None for view in by_requests[2:7]] == [False, False, True, False, True]


def test_pages(lived: ReleasesBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A listing of several pages is read to its end."""
    client = lived.bench.tracking.releases._client
    assert isinstance(client, RestClient)
    search = client.search_model_versions
    tokens: list[str | None] = []

    def small(text: str, *, max_results: int, page_token: str | None) -> object:
        assert max_results == 1000
        tokens.append(page_token)
        return search(text, max_results=1, page_token=page_token)

    monkeypatch.setattr(client, "search_model_versions", small)
    assert [view.version for view in lived.bench.tracking.releases.versions()] == [1, 2, 4]
    assert tokens[0] is None
    assert len(set(tokens)) == len(tokens) >= 3


def _told(act: Callable[[], object]) -> tuple[object, ...]:
    with pytest.raises(FlywheelError) as caught:
        act()
    error = caught.value
    return type(error), getattr(error, "code", None), error.what, error.where, error.hint


REFUSED: dict[str, Callable[[ReleaseStore, LedgerStore], object]] = {
    "an alias of a version that is gone": lambda releases, _: releases.point("staging", 99),
    "an alias that MLflow reserves": lambda releases, _: releases.point("latest", 1),
    "a stage there is none": lambda releases, _: releases.set_stage(1, "Nirvana", archive_others=False),
    "a stage of a version that is gone": lambda releases, _: releases.set_stage(99, "Staging", archive_others=False),
    "a tag of a version that is gone": lambda releases, _: releases.tag(99, {"a": "b"}),
    "a tag without a name": lambda releases, _: releases.tag(1, {"": "b"}),
}


@pytest.mark.parametrize("case", REFUSED)
def test_the_same_refusals(both: list[tuple[ReleaseStore, LedgerStore]], case: str) -> None:
    """What the server refuses is told in the same words, with the same code and hint."""
    by_mlflow, by_requests = (_told(lambda pair=pair: REFUSED[case](*pair)) for pair in both)  # type: ignore[misc]
    assert by_requests == by_mlflow
    assert by_requests[0] is ServerRefused


def test_a_taken_slot(lived: ReleasesBench, both: list[tuple[ReleaseStore, LedgerStore]]) -> None:
    """An event goes into a free slot once, again without harm, and another one never over it; by both ways."""
    snapshot = lived.snapshot()
    now = datetime.now(UTC)
    first, second = (
        write_event(snapshot.ledger, at=now, actor=Identity(MANAGER), kind=f"noted_{name}", body={}, seal=None)
        for name in ("first", "second")
    )
    (_, by_mlflow), (_, by_requests) = both
    by_mlflow.read(snapshot.place)
    by_requests.read(snapshot.place)
    assert by_requests.append(snapshot.place, first)
    assert by_requests.append(snapshot.place, first)
    assert by_mlflow.append(snapshot.place, first)
    assert not by_requests.append(snapshot.place, second)
    assert not by_mlflow.append(snapshot.place, second)
    assert by_requests.read(snapshot.place).events[-1].text == first.text


@pytest.mark.parametrize("tracking_server", ["sqlite"], indirect=True)  # no client knows the server's database
def test_mlflow_is_not_imported(lived: ReleasesBench) -> None:
    """What people do to releases all day loads neither MLflow nor anything else that takes seconds."""
    for arguments in (
        ("release", "list"),
        ("release", "history"),
        ("release", "who", "--at", "2026-01-01"),
        ("resolve", INTERFACE),
        ("promote", "1", "--to", "staging", "--dry-run"),
        ("promote", "1", "--to", "staging"),
        ("promote", "99", "--to", "staging"),
        ("release", "show", "1"),
    ):
        loaded = _loaded_by(lived, *arguments)
        assert loaded & {"mlflow", "pandas", "evidently", "pyarrow", "sqlalchemy"} == set()
        assert "requests" in loaded
    assert lived.snapshot().aliases["staging"] == 1


@pytest.mark.parametrize("tracking_server", ["sqlite"], indirect=True)
def test_an_import_is_seen(lived: ReleasesBench) -> None:
    """The measurement itself sees MLflow where a command makes something new."""
    assert "mlflow" in _loaded_by(lived, "init")


LOADED = """
import sys
from flywheel_mlflow.cli import main
try:
    main()
except SystemExit:
    pass
print("LOADED", *sorted({name.partition(".")[0] for name in sys.modules}))
"""


def _loaded_by(found: ReleasesBench, *arguments: str) -> set[str]:
    """The top-level packages a command loads in a process of its own."""
    before = ["--root", str(found.bench.flywheel.root), "--tracking-uri", found.bench.uri]
    ended = subprocess.run(
        [sys.executable, "-c", LOADED, *before, *arguments],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"MLFLOW_TRACKING_USERNAME": MANAGER},
    )
    mark, *loaded = ended.stdout.splitlines()[-1].split()
    assert mark == "LOADED", ended
    return set(loaded)


Reply = Callable[[str, str, dict[str, str]], tuple[int, bytes]]


@contextmanager
def _server(reply: Reply) -> Iterator[str]:
    """A server that answers what ``reply`` makes of method, path and headers."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            path = self.path.partition("?")[0]
            status, body = reply(self.command, path, {key.lower(): value for key, value in self.headers.items()})
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(abs(len(body))))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - the base class looks them up by these names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Nothing."""

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listener.daemon_threads = True
    thread = threading.Thread(target=listener.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.server_port}"
    finally:
        listener.shutdown()
        listener.server_close()
        thread.join()


def _stores(uri: str) -> tuple[ReleaseStore, LedgerStore]:
    """The stores at an address, without a greeting."""
    settings = read_settings(Path("/"), {}, tracking_uri=uri)
    client = RestClient(HttpTransport(settings), LateClient(settings))
    return (
        ReleaseStore(client, uri=settings.shown_uri, flywheel="fw"),
        LedgerStore(client, uri=settings.shown_uri, flywheel="fw", artifact_root=None),
    )


PLACE = LedgerPlace("1", "0" * 32)
ASKED: dict[str, Callable[[ReleaseStore, LedgerStore], object]] = {
    "look": lambda releases, _: releases.look(),
    "version": lambda releases, _: releases.version(1),
    "at_alias": lambda releases, _: releases.at_alias("production"),
    "versions": lambda releases, _: releases.versions(),
    "ledger": lambda _, ledger: ledger.read(PLACE),
}
TOLD: dict[str, Callable[[ReleaseStore, LedgerStore], object]] = {
    "point": lambda releases, _: releases.point("production", 1),
    "unpoint": lambda releases, _: releases.unpoint("production"),
    "stage": lambda releases, _: releases.set_stage(1, "Staging", archive_others=False),
    "tag": lambda releases, _: releases.tag(1, {"a": "b"}),
    "delete": lambda releases, _: releases.delete(1),
}
NONSENSE: dict[str, tuple[int, bytes]] = {
    "HTML": (200, b"<html>Welcome to nginx</html>"),
    "a list": (200, b"[1, 2]"),
    "truncated JSON": (200, b'{"registered_model": {"name": "fw", "tags": [{"key": "a"'),
    "half a letter": (200, b'{"registered_model": "\xff\xfe"}'),
    "too deep": (200, b'{"a":' * 100_000),
    "a bad request": (400, b'{"error_code": "BAD_REQUEST", "message": "no"}'),
    "an odd code": (418, b'{"error_code": {"a": 1}, "message": ["no"]}'),
    "a status for a code": (403, b'{"error_code": "403"}'),
    "401 in words": (401, b"You are not authenticated"),
    "404 in HTML": (410, b"<html>gone</html>"),
}


@pytest.mark.parametrize("case", NONSENSE)
def test_nonsense(case: str) -> None:
    """Whatever a server answers that is not MLflow's becomes an error of ours, by every request."""
    with _server(lambda *_: NONSENSE[case]) as uri:
        for name, ask in (ASKED | TOLD).items():
            with pytest.raises(ServerError) as caught:
                ask(*_stores(uri))
            assert caught.value.exit_code == ExitCode.FAILURE, name
            assert caught.value.where == uri
            assert caught.value.hint


WRONG: dict[str, object] = {
    "model is a word": {"registered_model": "fw"},
    "tags are a word": {"registered_model": {"tags": "x"}, "model_version": {"version": "1", "tags": "x"}},
    "a tag is a list": {"registered_model": {"tags": [[]]}, "model_version": {"version": "1", "tags": [[]]}},
    "a key is a number": {
        "registered_model": {"tags": [{"key": 1, "value": "x"}]},
        "model_version": {"version": "1", "tags": [{"key": 1}]},
    },
    "a version is a word": {
        "registered_model": {"aliases": [{"alias": "production", "version": "first"}]},
        "model_version": {"version": "first"},
    },
    "a version is negative": {
        "registered_model": {"aliases": [{"alias": "production", "version": "-1"}]},
        "model_version": {"version": "0"},
    },
    "a version is endless": {
        "registered_model": {"aliases": [{"alias": "production", "version": "9" * 5000}]},
        "model_version": {"version": "9" * 5000},
    },
}
LISTED = ({"model_versions": 3, "runs": 3}, {"model_versions": [3], "runs": [3]}, {"next_page_token": 3})


@pytest.mark.parametrize("case", WRONG)
def test_wrong_types(case: str) -> None:
    """A field of another type is told by its name, and never taken for an empty one."""
    document: Any = WRONG[case]
    listed = {"model_versions": [document.get("model_version", 3)], "runs": [{"data": {"params": [{"value": 3}]}}]}
    with _server(lambda *_: (200, json.dumps({"model_version": 3} | document | listed).encode())) as uri:
        for ask in ASKED.values():
            with pytest.raises(ServerError, match="not one of MLflow's: its field"):
                ask(*_stores(uri))


@pytest.mark.parametrize("document", LISTED)
def test_wrong_listings(document: object) -> None:
    """A listing that is none is told too."""
    with _server(lambda *_: (200, json.dumps(document).encode())) as uri:
        for name in ("versions", "ledger"):
            with pytest.raises(ServerError, match="not one of MLflow's: its field"):
                ASKED[name](*_stores(uri))


def test_empty_answers_are_answers() -> None:
    """What is missing in an answer is empty, as protobuf has it; nothing at all is an empty answer."""
    with _server(lambda *_: (200, b"")) as uri:
        releases, ledger = _stores(uri)
        assert releases.versions() == ()
        releases.point("production", 1)
        assert "is gone" in ledger.read(PLACE).faults[0].what


def test_too_long_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer is given up as soon as it is longer than any of MLflow's can be."""
    monkeypatch.setattr(rest, "MAX_ANSWER_BYTES", 1_000_000)
    with _server(lambda *_: (200, b"{}" + b" " * 2_000_000)) as uri, pytest.raises(ServerError, match="bytes"):
        _stores(uri)[0].look()


def test_trouble_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server in trouble is asked as often as MLflow would ask, and then told to be away; the greeting asks once."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "0")
    asked: list[str] = []

    def reply(method: str, path: str, headers: dict[str, str]) -> tuple[int, bytes]:
        del headers
        asked.append(f"{method} {path}")
        return 503, b""

    with _server(reply) as uri:
        for ask in (ASKED["look"], TOLD["point"]):
            asked.clear()
            with pytest.raises(ServerUnreachable, match="503"):
                ask(*_stores(uri))
            assert len(asked) == 4
        asked.clear()
        connect(read_settings(Path("/"), {}, tracking_uri=uri), "fw")
        assert asked == ["GET /ajax-api/2.0/flywheel/about"]


def test_codes_of_statuses() -> None:
    """A status without a code of MLflow's gets the code that MLflow's client gives it."""
    for status, code in HTTP_STATUS_TO_ERROR_CODE.items():
        assert rest_client._CODES.get(status, "INTERNAL_ERROR") == code


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"MLFLOW_TRACKING_USERNAME": "ana", "MLFLOW_TRACKING_PASSWORD": "söcret:%"},
        {"MLFLOW_TRACKING_USERNAME": "ana"},
        {"MLFLOW_TRACKING_TOKEN": "abc"},
        {"MLFLOW_TRACKING_TOKEN": "abc", "MLFLOW_TRACKING_USERNAME": "ana", "MLFLOW_TRACKING_PASSWORD": "x"},
        {"MLFLOW_TRACKING_INSECURE_TLS": "true"},
        {"MLFLOW_TRACKING_SERVER_CERT_PATH": "ca.pem", "MLFLOW_TRACKING_CLIENT_CERT_PATH": "me.pem"},
    ],
)
def test_settings_mean_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, environ: dict[str, str]) -> None:
    """Who asks, and by which certificates, is what MLflow's own client makes of the settings."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    for name in ("ca.pem", "me.pem"):
        (tmp_path / name).touch()  # that they are there is all that is asked of them without https
    creds = get_default_host_creds("http://127.0.0.1")  # type: ignore[no-untyped-call]  # MLflow leaves it untyped
    found = http_settings_of(os.environ)
    assert found is not None
    assert (found.verify, found.certificate) == (creds.verify, creds.client_cert_path)
    seen: list[str | None] = []

    def reply(method: str, path: str, headers: dict[str, str]) -> tuple[int, bytes]:
        del method, path
        seen.append(headers.get("authorization"))
        return 200, b'{"registered_model": {}}'

    with _server(reply) as uri:
        _stores(uri)[0].look()
        MlflowClient(tracking_uri=uri, registry_uri=uri).get_registered_model("fw")
    assert len(seen) == 2
    assert seen[0] == seen[1] == found.authorization


PROVIDER = """
from mlflow.tracking.request_header.abstract_request_header_provider import RequestHeaderProvider

class Provider(RequestHeaderProvider):
    def in_context(self):
        return True

    def request_headers(self):
        return {"X-Gateway-Key": "open sesame"}
"""


def test_packages_that_add_headers_are_heard(tmp_path: Path) -> None:
    """Where a package adds headers to MLflow's requests, every request has them: MLflow sends it."""
    info = tmp_path / "gateway-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: gateway\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[mlflow.request_header_provider]\ngateway = gateway:Provider\n")
    (tmp_path / "gateway.py").write_text(PROVIDER)
    keys: list[str | None] = []

    def reply(method: str, path: str, headers: dict[str, str]) -> tuple[int, bytes]:
        del method
        keys.append(headers.get("x-gateway-key"))
        if path.endswith("/about"):
            return 404, b""  # as MLflow says where there is no plugin
        body = {"model_version": {"version": "7", "tags": []}} if path.endswith("/alias") else {}
        return 200, json.dumps(body).encode()

    with _server(reply) as uri:
        ended = subprocess.run(
            [sys.executable, "-m", "flywheel_mlflow", "resolve", "x", "--flywheel", "fw"],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"PYTHONPATH": str(tmp_path), "MLFLOW_TRACKING_URI": uri},
        )
    assert "unknown interface 'x'" in ended.stderr
    assert keys == ["open sesame", "open sesame"]


def test_a_missing_certificate_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate that is not there is told by its path, before anything is sent."""
    monkeypatch.setenv("MLFLOW_TRACKING_CLIENT_CERT_PATH", "/nowhere/me.pem")
    with _server(lambda *_: (200, b"{}")) as uri, pytest.raises(FlywheelError, match=r"/nowhere/me\.pem"):
        _stores(uri)[0].look()


class Hanging(Meddler):
    """A server that takes the move of an alias, says nothing more, and never does it."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self.asked = 0

    def before(self, method: str, path: str) -> None:
        """Wait until the test is over, for an alias that is to be moved.

        Raises:
            Dropped: always, for such a request.
        """
        if method == "POST" and path.endswith("/registered-models/alias"):
            self.asked += 1
            self.over.wait()
            raise Dropped


def test_a_hanging_server_does_not_outlive_the_lease(lived: ReleasesBench) -> None:
    """A mover whose server hangs gives up while its lease still runs, so nobody mends a move that goes on."""
    hanging = Hanging()
    with CountingProxy(lived.bench.uri, hanging).running() as proxy:
        behind = reconnected(lived, proxy.url)
        target = 3 - lived.snapshot().aliases["staging"]
        ended: type[Exception] = Refused
        # The shortest lease with which this machine, however busy, gets as far as the alias.
        for lease_s in (8, 32, 128, 512):
            rules = lived.bench.flywheel.blueprint.releases.model_copy(update={"move_lease_s": lease_s})
            blueprint = lived.bench.flywheel.blueprint.model_copy(update={"releases": rules})
            lived.override(target, "staging")
            with pytest.raises((ServerUnreachable, Refused)) as raised:
                promote(
                    replace(behind.session(), flywheel=replace(lived.bench.flywheel, blueprint=blueprint)),
                    target,
                    "staging",
                )
            ended = raised.type
            if hanging.asked:
                break
        assert ended is ServerUnreachable
        move = lived.snapshot().state.open_move
        assert move is not None
        assert behind.session().now() < move.lease_ends()
        hanging.over.set()
    lived.act(MANAGER, "reconcile", force=True)
    assert lived.snapshot().state.open_move is None
    assert lived.findings() == {}
