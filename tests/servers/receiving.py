"""Servers that people's notifications reach: one that takes webhooks, one that takes mail."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller

#: How long a request is held at the most while a test does not let it go on.
LONGEST_S = 60.0


@dataclass(frozen=True, slots=True)
class Post:
    """One request as it came; headers by lower-case name."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> dict[str, Any]:
        """Its JSON."""
        found = json.loads(self.body)
        assert isinstance(found, dict)
        return found

    def is_signed_with(self, key: str) -> bool:
        """Whether the signature is right, by the standard library alone, as the docs tell receivers to verify it."""
        signed = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.".encode() + self.body
        digest = hmac.new(key.encode(), signed, hashlib.sha256).digest()
        expected = "v1," + base64.b64encode(digest).decode()
        return hmac.compare_digest(expected, self.headers["webhook-signature"])


@dataclass
class Receiver:
    """What arrived, and how it answers: ``statuses`` one after the other, then 200; ``hold`` is awaited before."""

    url: str = ""
    posts: list[Post] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    hold: threading.Event | None = None
    redirect: str = ""

    def titles(self) -> list[str]:
        """The titles of all notices, as they came."""
        return [str(post.document["title"]) for post in self.posts]

    def events(self) -> list[str]:
        """The events of all notices, as they came."""
        return [str(post.document["event"]) for post in self.posts]


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A server that takes posts on a port of its own, until the block ends."""
    receiver = Receiver()
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            if receiver.hold is not None:
                receiver.hold.wait(LONGEST_S)
            with lock:
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.posts.append(Post(self.path, headers, body))
                status = receiver.statuses.pop(0) if receiver.statuses else 200
            self.send_response(status)
            if receiver.redirect:
                self.send_header("Location", receiver.redirect)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver.url = f"http://127.0.0.1:{server.server_port}/hooks/secret-path"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        if receiver.hold is not None:
            receiver.hold.set()
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Mailbox:
    """A mail server's messages as they came."""

    address: str
    messages: list[EmailMessage] = field(default_factory=list)

    async def handle_DATA(self, _server: object, _session: object, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        """Keep a message."""
        found = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(found, EmailMessage)
        found["X-Recipients"] = ",".join(envelope.rcpt_tos)
        self.messages.append(found)
        return "250 OK"


@contextmanager
def mailing(port: int) -> Iterator[Mailbox]:
    """A mail server without encryption or accounts on a port of this machine, until the block ends."""
    mailbox = Mailbox(f"127.0.0.1:{port}")
    controller = Controller(mailbox, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield mailbox
    finally:
        controller.stop()
