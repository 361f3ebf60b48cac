"""Places where data lie by reference: an S3 server, a web server that can be told to misbehave, a small Hub."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import md5, sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import requests

BUCKET = "corpora"


@dataclass
class ObjectStore:
    """An S3 server with one bucket."""

    uri: str
    client: Any

    def put(self, **files: str) -> str:
        """Objects below a folder by name, ``__`` for a dot; the folder's address."""
        for name, text in files.items():
            self.client.put_object(Bucket=BUCKET, Key=f"folder/{name.replace('__', '.')}", Body=text.encode())
        return f"s3://{BUCKET}/folder"

    def delete(self, name: str) -> None:
        """Delete an object of the folder."""
        self.client.delete_object(Bucket=BUCKET, Key=f"folder/{name}")


def s3_settings(uri: str) -> dict[str, str]:
    """The environment in which its clients find it."""
    return {
        "AWS_ENDPOINT_URL": uri,
        "AWS_ACCESS_KEY_ID": "tester",
        "AWS_SECRET_ACCESS_KEY": "open-sesame",
        "AWS_DEFAULT_REGION": "us-east-1",
    }


@contextmanager
def running_object_store() -> Iterator[ObjectStore]:
    """An S3 server on a free port of this machine; its bucket is new."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        uri = f"http://{host}:{port}"
        requests.post(f"{uri}/moto-api/reset", timeout=60).raise_for_status()  # all of a process share their objects
        client = boto3.client(
            "s3",
            endpoint_url=uri,
            region_name="us-east-1",
            aws_access_key_id="tester",
            aws_secret_access_key="open-sesame",
        )
        client.create_bucket(Bucket=BUCKET)
        yield ObjectStore(uri, client)
        client.close()
    finally:
        server.stop()


@dataclass
class FileServer:
    """Files by path, and what is answered instead of them: a status, or an address to go to."""

    uri: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    instead: dict[str, int | str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    tagged: bool = True


@contextmanager
def running_file_server() -> Iterator[FileServer]:
    """A web server on a free port of this machine, which knows ranges and tags."""
    served = FileServer()

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def log_message(self, *_: object) -> None:
            pass

        def _answer(self, *, with_body: bool) -> None:
            served.asked.append(f"{self.command} {self.path}")
            instead = served.instead.get(self.path)
            body = served.files.get(self.path)
            if isinstance(instead, str):
                self.send_response(302)
                self.send_header("Location", instead)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            if instead is not None or body is None:
                self.send_response(instead or 404)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            tag = md5(body, usedforsecurity=False).hexdigest()
            wanted = self.headers.get("Range", "")
            if wanted.startswith("bytes="):
                first, _, last = wanted.removeprefix("bytes=").partition("-")
                end = min(int(last) + 1 if last else len(body), len(body))
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {first}-{end - 1}/{len(body)}")
                body = body[int(first) : end]
            else:
                self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            if served.tagged:
                self.send_header("ETag", f'"{tag}"')
            self.end_headers()
            if with_body:
                self.wfile.write(body)

    with _serving(Handler) as served.uri:
        yield served


HUB_COMMIT = "a" * 40
HUB_DATASET = "hf://datasets/owner/name"


@contextmanager
def running_hub() -> Iterator[FileServer]:
    """As much of the Hugging Face Hub as one public dataset needs; every other one asks for a login."""
    served = FileServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            served.asked.append(f"{self.command} {path}")
            if path.startswith(f"/datasets/owner/name/resolve/{HUB_COMMIT}/"):
                self._send(200, served.files.get(path.partition(f"{HUB_COMMIT}/")[2], b""))
            elif path.startswith("/api/datasets/owner/name/tree/"):
                below = path.partition(f"{HUB_COMMIT}/")[2]
                found = [name for name in served.files if name.startswith(below)]
                entries = [
                    {"type": "file", "path": name, "size": len(served.files[name]), "oid": _oid(served.files[name])}
                    for name in found
                ]
                self._send(200 if found else 404, json.dumps(entries).encode())
            elif path.startswith("/api/datasets/owner/name"):
                about = {"id": "owner/name", "sha": HUB_COMMIT, "private": False, "siblings": [], "tags": []}
                self._send(200, json.dumps(about).encode())
            else:
                self._send(401, b"{}")

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

        def _send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            if status == 401:
                self.send_header("X-Error-Code", "RepoNotFound")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    with _serving(Handler) as served.uri:
        yield served


def _oid(body: bytes) -> str:
    return sha1(body, usedforsecurity=False).hexdigest()


@contextmanager
def _serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
