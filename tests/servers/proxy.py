"""A reverse proxy that counts what a client asks of a server."""

from __future__ import annotations

import http.client
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

#: Headers that speak of one connection, not of the message (RFC 9110, 7.6.1); Content-Length is written anew.
_HOP_BY_HOP = frozenset(
    {
        *("connection", "content-length", "host", "keep-alive", "proxy-authenticate", "proxy-authorization"),
        *("te", "trailer", "transfer-encoding", "upgrade"),
    }
)
_UPSTREAM_TIMEOUT_S = 120


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request with its answer; ``path`` is without the query, sizes are bodies in bytes."""

    method: str
    path: str
    status: int
    sent: int
    received: int

    @property
    def is_artifact(self) -> bool:
        """Whether it carried artifact data rather than tracking data, or asked how to."""
        return is_artifact(self.path)


def is_artifact(path: str) -> bool:
    """Whether a path belongs to the moving of artifacts; before the first MLflow's client asks what the server can."""
    return "/mlflow-artifacts/" in path or path.endswith("/server-info")


class Dropped(Exception):
    """A meddler wants the connection closed without an answer."""


class Meddler:
    """What may come between a client and its server; this one lets everything pass."""

    def before(self, method: str, path: str) -> tuple[int, bytes] | None:
        """Called before a request is passed on; a status and a JSON body instead of the server's own answer, or None.

        Raises:
            Dropped: the request is lost.
        """

    def after(self, method: str, path: str) -> None:
        """Called when the server has answered and the client has not heard of it.

        Raises:
            Dropped: the answer is lost.
        """


class CountingProxy:
    """A server's stand-in: ``url`` answers as the server does, ``exchanges`` holds what was asked.

    They are in the order of their answers.
    """

    def __init__(self, upstream: str, meddler: Meddler | None = None) -> None:
        self._listener = _Listener(upstream, meddler or Meddler())
        self.url = f"http://127.0.0.1:{self._listener.server_port}"

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """Everything asked since the start, or since ``reset``."""
        return tuple(self._listener.exchanges)

    @property
    def tracking_exchanges(self) -> tuple[Exchange, ...]:
        """The same without artifact uploads and downloads."""
        return tuple(exchange for exchange in self.exchanges if not exchange.is_artifact)

    def reset(self) -> None:
        """Forget what was asked so far."""
        self._listener.exchanges.clear()

    @contextmanager
    def running(self) -> Iterator[CountingProxy]:
        """The proxy, answering until the block ends."""
        thread = threading.Thread(target=self._listener.serve_forever, args=(0.02,), name="counting-proxy", daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._listener.shutdown()
            self._listener.server_close()
            thread.join()


class _Listener(ThreadingHTTPServer):
    # Clients keep their connections open: waiting for those threads would wait for the clients.
    daemon_threads = True
    block_on_close = False

    def __init__(self, upstream: str, meddler: Meddler) -> None:
        super().__init__(("127.0.0.1", 0), _Forwarder)
        self.meddler = meddler
        self.upstream = urlsplit(upstream).netloc
        # list.append is atomic: the handler threads need no lock.
        self.exchanges: list[Exchange] = []

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a client that went away, which is what some tests are about."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # sockets, whatever their type


class _Forwarder(BaseHTTPRequestHandler):
    server: _Listener
    protocol_version = "HTTP/1.1"
    # Header and body leave in two writes, which Nagle's algorithm would hold apart by 40 ms.
    disable_nagle_algorithm = True

    def _forward(self) -> None:
        try:
            self._meddle()
        except Dropped:
            self.close_connection = True

    def _meddle(self) -> None:
        body = self._body()
        path = urlsplit(self.path).path
        instead = self.server.meddler.before(self.command, path)
        if instead is not None:
            status, content = instead
            self.server.exchanges.append(Exchange(self.command, path, status, len(body), len(content)))
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self._send(content)
            return
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
        connection = http.client.HTTPConnection(self.server.upstream, timeout=_UPSTREAM_TIMEOUT_S)
        try:
            connection.request(self.command, self.path, body=body, headers=headers)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        self.server.meddler.after(self.command, path)
        self.server.exchanges.append(Exchange(self.command, path, answer.status, len(body), len(content)))
        self.send_response(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in _HOP_BY_HOP | {"date", "server"}:
                self.send_header(name, value)
        self._send(content)

    def _send(self, content: bytes) -> None:
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    # The base class looks methods up by these names.
    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _forward  # noqa: N815

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return b"".join(self._chunks())
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline().split(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Nothing: the exchanges are the log."""
