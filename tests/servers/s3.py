"""An S3 of this machine: moto's server, as a process."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from servers.tracking import START_LIMIT_S, free_port

#: What the server signs with; clients of the tracking server have none.
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "team", "AWS_SECRET_ACCESS_KEY": "secret-of-the-store"}


@dataclass(frozen=True, slots=True)
class S3Server:
    """A running S3."""

    uri: str
    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        """End it, with all it holds."""
        self.process.terminate()
        self.process.wait()

    def client(self) -> Any:
        """A client with the store's credentials, which reaches every object past the tracking server."""
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.uri,
            region_name="us-east-1",
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        )


@contextmanager
def running_s3(folder: Path) -> Iterator[S3Server]:
    """An empty S3 on a free port of 127.0.0.1, until the block ends.

    Raises:
        RuntimeError: it ended or did not answer within START_LIMIT_S.
    """
    uri = f"http://127.0.0.1:{(port := free_port())}"
    with (folder / "s3.log").open("wb") as log:
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
    server = S3Server(uri, process)
    try:
        _wait_until_there(process, uri)
        yield server
    finally:
        server.stop()


def _wait_until_there(process: subprocess.Popen[bytes], uri: str) -> None:
    limit = time.monotonic() + START_LIMIT_S
    while time.monotonic() < limit and process.poll() is None:
        try:
            if requests.get(f"{uri}/moto-api/data.json", timeout=5).ok:
                return
        except requests.RequestException:
            time.sleep(0.1)
    raise RuntimeError(f"no S3 at {uri}")
