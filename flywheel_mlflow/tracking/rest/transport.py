"""Sends single requests to an MLflow server without importing MLflow, whose import takes longer than most commands.

The transport is ``requests``, as in MLflow's own client, with the same kind of retries: what ``requests`` itself heeds
(proxies, ``REQUESTS_CA_BUNDLE``, ``.netrc``, credentials in the address) counts here as it does there.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, BinaryIO

from flywheel_mlflow.base.settings import CONNECT_TIMEOUT_S, REQUEST_TIMEOUT_S, Settings
from flywheel_mlflow.tracking.connection import bound_requests, not_mlflow, translated, unreachable
from flywheel_mlflow.tracking.rest.http_settings import HttpSettings, http_settings_of

if TYPE_CHECKING:
    from requests import Response, Session

_LOG = logging.getLogger(__name__)
#: A whole page of a ledger's segments has at most half of this; whoever sends more wants our memory.
MAX_ANSWER_BYTES = 256 * 1024 * 1024
_CHUNK_BYTES = 256 * 1024
#: Below this much time a request is not worth sending: on its way it would outlive whoever waits for it.
LEAST_TIMEOUT_S = 0.05
#: The statuses after which MLflow's client asks again (mlflow.utils.request_utils of 3.17.2).
_RETRIED = frozenset({408, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered: status, headers by lower-case name, the body as it came."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text, whatever it is."""
        return self.body.decode("utf-8", errors="replace")

    def document(self) -> dict[str, Any] | None:
        """The JSON object in the body; None when it is something else."""
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) else None


@dataclass(frozen=True, slots=True)
class _Asked:
    """One request; ``raising`` is whether a status that tells of trouble is an error."""

    method: str
    path: str
    query: Mapping[str, str] | None
    body: Any
    headers: dict[str, str]
    timeout: float | tuple[float, float] | None
    retries: int | None
    raising: bool


class HttpTransport:
    """Sends requests to the server that ``settings`` name."""

    def __init__(self, settings: Settings) -> None:
        self.uri = settings.shown_uri
        self._address = settings.tracking_uri
        self._root = settings.tracking_uri.removesuffix("/")
        #: The server's clock as its last answer told it, word for word.
        self.last_date: str | None = None

    def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        retries: int | None = None,
        until: float | None = None,
        any_status: bool = False,
        into: BinaryIO | None = None,
    ) -> Answer:
        """The answer to one request.

        Args:
            method: ``GET``, ``POST``, ``DELETE``.
            path: from the root of the server on.
            query: what follows the path.
            body: sent as JSON.
            headers: besides those every request has.
            timeout: seconds until the connection stands, and between two parts of the answer; MLflow's setting if
                left out.
            retries: how often a request without an answer, or with one that tells of trouble, is sent again.
            until: when to be done with it, by ``time.monotonic``; it is sent once then, and ``timeout`` and ``retries``
                do not count.
            any_status: an answer that tells of trouble is an answer too.
            into: where to write the body of an answer 200, however long it is; ``body`` is empty then.

        Raises:
            ServerUnreachable: no answer, or one that tells of trouble (408, 429, 500, 502, 503, 504), after the
                retries. ServerError: too long an answer.
        """
        limits = timeout if until is None else self._left(until)
        times = retries if until is None else 0
        asked = _Asked(method, path, query, body, dict(headers or {}), limits, times, not any_status)
        started = time.perf_counter()
        with translated(self.uri):
            manner = http_settings_of(os.environ)
            answer = self._by_mlflow(asked) if manner is None else self._directly(asked, manner)
            with answer:
                told = {name.lower(): word for name, word in answer.headers.items()}
                self.last_date = told.get("date")
                if into is not None and answer.status_code == 200:
                    for chunk in answer.iter_content(_CHUNK_BYTES):
                        into.write(chunk)
                    found = Answer(answer.status_code, told, b"")
                else:
                    found = Answer(answer.status_code, told, self._read(answer))
        _LOG.debug("%s %s: %d in %.0f ms", method, path, found.status, (time.perf_counter() - started) * 1000)
        return found

    def _left(self, until: float) -> tuple[float, float]:
        """Seconds for connecting and for the answer, which together end in time."""
        left = until - time.monotonic()
        if left < LEAST_TIMEOUT_S:
            raise unreachable(self.uri, "there was no time left for the request")
        left = min(left, REQUEST_TIMEOUT_S)
        connect = min(left / 2, CONNECT_TIMEOUT_S)
        return connect, left - connect

    def _directly(self, asked: _Asked, manner: HttpSettings) -> Response:
        retries = manner.retries if asked.retries is None else asked.retries
        session = _session(retries, manner.backoff, manner.jitter, asked.raising, os.getpid())
        signed = {"Authorization": manner.authorization} if manner.authorization else {}
        return session.request(
            asked.method,
            f"{self._root}{asked.path}",
            params=asked.query,
            json=asked.body,
            headers=asked.headers | signed,
            timeout=manner.timeout if asked.timeout is None else asked.timeout,
            verify=manner.verify,
            cert=manner.certificate,
            allow_redirects=manner.redirects,
            stream=True,
        )

    def _by_mlflow(self, asked: _Asked) -> Response:
        from mlflow.utils.credentials import get_default_host_creds
        from mlflow.utils.rest_utils import http_request

        bound_requests()
        answer: Response = http_request(  # type: ignore[no-untyped-call]  # MLflow leaves it untyped
            get_default_host_creds(self._address),  # type: ignore[no-untyped-call]  # likewise
            asked.path,
            asked.method,
            max_retries=asked.retries,
            timeout=asked.timeout,
            raise_on_status=asked.raising,
            extra_headers=asked.headers,
            params=asked.query,
            json=asked.body,
            stream=True,
        )
        return answer

    def _read(self, answer: Response) -> bytes:
        found = bytearray()
        for chunk in answer.iter_content(_CHUNK_BYTES):
            found += chunk
            if len(found) > MAX_ANSWER_BYTES:
                raise not_mlflow(f"it has more than {MAX_ANSWER_BYTES} bytes", self.uri)
        return bytes(found)


@lru_cache(maxsize=8)
def _session(retries: int, backoff: int, jitter: float, raising: bool, process: int) -> Session:
    """A session for each way of trying again; ``process`` keeps forked processes off each other's connections."""
    del process
    from requests import Session
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    again = Retry(
        total=retries,
        connect=retries,
        read=retries,
        redirect=retries,
        status=retries,
        status_forcelist=_RETRIED,
        backoff_factor=backoff,
        backoff_jitter=jitter,
        allowed_methods=None,
        raise_on_status=raising,
    )
    session = Session()
    session.headers["User-Agent"] = _agent()
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(max_retries=again))
    return session


def _agent() -> str:
    from flywheel_mlflow import __version__

    return f"flywheel-mlflow/{__version__}"
