"""Opens the MLflow client, and turns MLflow's errors into ours."""

from __future__ import annotations

import errno
import logging
import os
import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from flywheel_mlflow.errors import FlywheelError, ServerError, ServerRefused, ServerUnreachable, StorageError
from flywheel_mlflow.settings import (
    ANSWER_TIMEOUT_S,
    CONNECT_TIMEOUT_S,
    REQUEST_RETRIES,
    REQUEST_TIMEOUT_S,
    Settings,
    redacted,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.store.entities import PagedList
    from requests import Response

Item = TypeVar("Item")

#: Where the flywheel's plugin listens inside an MLflow server; below /ajax-api, since there MLflow refuses
#: state-changing calls from other origins.
ROUTES = "/ajax-api/2.0/flywheel"
#: Who acts, for a server without accounts; percent-encoded, since names have letters that headers have not.
ACTOR_HEADER = "X-Flywheel-Actor"

#: What to try after the error codes an MLflow server sends; the library's list has many more,
#: of a hosted product, which the endings below and the fallback cover.
HINTS = {
    "INTERNAL_ERROR": "look into the server's log; a retry may help",
    "TEMPORARILY_UNAVAILABLE": "the server is busy: try again in a moment",
    "IO_ERROR": "the server could not read or write: look into its log and at its disk",
    "BAD_REQUEST": "check that client and server have the same MLflow version",
    "INVALID_PARAMETER_VALUE": "the server refused a value: check names and limits",
    "ENDPOINT_NOT_FOUND": "the address is not an MLflow server, or an older one: check the tracking URI",
    "MALFORMED_REQUEST": "check that client and server have the same MLflow version",
    "UNPARSEABLE_HTTP_ERROR": "the address may not be an MLflow server: check the tracking URI",
    "INVALID_STATE": "the object changed meanwhile: run the command again",
    "PERMISSION_DENIED": "ask the server's administrator for the permission",
    "FEATURE_DISABLED": "the server has this feature switched off",
    "CUSTOMER_UNAUTHORIZED": "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD",
    "UNAUTHENTICATED": "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD",
    "REQUEST_LIMIT_EXCEEDED": "the server limits requests: try again in a moment",
    "RESOURCE_CONFLICT": "somebody else changed it at the same time: run the command again",
    "ABORTED": "somebody else changed it at the same time: run the command again",
    "DEADLINE_EXCEEDED": "the server took too long: try again, or look at its load",
    "NOT_IMPLEMENTED": "this server's MLflow does not have it: check its version",
    "NOT_FOUND": "it is not on this server: check the tracking URI and the name",
    "DATA_LOSS": "the server reports lost data: look at its store before going on",
}
_HINTS_BY_ENDING = {
    "DOES_NOT_EXIST": "it is not on this server: check the tracking URI and the name",
    "ALREADY_EXISTS": "it exists already; choose another name or use the existing one",
    "EXCEEDED": "a limit of the server is reached: ask its administrator",
    "EXHAUSTED": "the server has no room left: ask its administrator",
    "MAINTENANCE": "the server is under maintenance: try again later",
    "UNAVAILABLE": "the server is busy: try again in a moment",
}
_FALLBACK_HINT = "look into the server's log"


def hint_for(code: str) -> str:
    """What to try after an MLflow error code."""
    by_ending = next((hint for ending, hint in _HINTS_BY_ENDING.items() if code.endswith(ending)), _FALLBACK_HINT)
    return HINTS.get(code, by_ending)


def open_client(settings: Settings) -> MlflowClient:
    """An MLflow client whose retries and timeouts are bounded, on a store that is ready; :func:`greet` comes first.

    Raises:
        StorageError: a database file that cannot be made or opened.
    """
    # MLflow reads these from the environment at every request; a value the user set stays.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(REQUEST_TIMEOUT_S))
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", str(REQUEST_RETRIES))
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    # Alembic tells every one of its migrations, MLflow every default it chose.
    for name in ("alembic", "mlflow.store.db.utils"):
        logging.getLogger(name).setLevel(logging.WARNING)
    with translated(settings.shown_uri):
        from mlflow import MlflowClient

        with _first_opening(settings):
            client = MlflowClient(tracking_uri=settings.tracking_uri, registry_uri=settings.tracking_uri)
            if not settings.is_server:
                # The store is opened by the first call, not by the constructor.
                client.search_experiments(max_results=1)
    return client


def _knock(settings: Settings) -> None:
    """Fail within seconds when nobody listens; MLflow would try for minutes."""
    address = urlsplit(settings.tracking_uri)
    host = address.hostname or ""
    if getproxies().get(address.scheme) and not proxy_bypass(host):
        return  # the proxy is the one to reach, and requests knows how
    try:
        port = address.port or (443 if address.scheme == "https" else 80)
        with socket.create_connection((host, port), timeout=CONNECT_TIMEOUT_S):
            return
    except (OSError, ValueError) as error:
        raise _unreachable(settings.shown_uri, str(error)) from error


def greet(settings: Settings) -> dict[str, Any] | None:
    """What the flywheel's plugin in the server says about itself; None without server or plugin.

    Fails within seconds when something listens and never answers; any answer at all will do, so a server without
    the plugin costs no second request.

    Raises:
        ServerUnreachable.
    """
    if not settings.is_server:
        return None
    _knock(settings)
    with translated(settings.shown_uri):
        answer = _ask_about(settings)
    try:
        document = answer.json() if answer.status_code == 200 else None
    except ValueError:
        return None
    return document if isinstance(document, dict) and document.get("plugin") == "flywheel" else None


def _ask_about(settings: Settings) -> Response:
    from mlflow.utils.credentials import get_default_host_creds
    from mlflow.utils.rest_utils import http_request

    answer: Response = http_request(  # type: ignore[no-untyped-call]  # MLflow leaves it untyped
        get_default_host_creds(settings.tracking_uri),  # type: ignore[no-untyped-call]  # likewise
        f"{ROUTES}/about",
        "GET",
        max_retries=0,
        timeout=ANSWER_TIMEOUT_S,
        raise_on_status=False,
    )
    return answer


def _unreachable(uri: str, reason: str) -> ServerUnreachable:
    return ServerUnreachable(
        f"no MLflow server answers ({reason})",
        where=uri,
        hint="start it, or correct MLFLOW_TRACKING_URI; without it everything is kept in ./mlflow-data",
    )


@contextmanager
def _first_opening(settings: Settings) -> Iterator[None]:
    """Let one process at a time make a new database file.

    Two processes that open a fresh SQLite store together corrupt its first migration: 7 of 8
    failed (measured on 3.17.2).
    """
    if not settings.tracking_uri.startswith("sqlite:///"):
        yield
        return
    database = Path(settings.tracking_uri.removeprefix("sqlite:///").split("?")[0]).absolute()
    try:
        database.parent.mkdir(parents=True, exist_ok=True)
        with database.with_suffix(".opening").open("w", encoding="utf-8") as lock:
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
    except OSError as error:
        raise StorageError(
            f"cannot keep a database file there: {error.strerror or error}",
            where=str(database),
            hint="choose a folder you can write to with MLFLOW_TRACKING_URI or --root",
        ) from error


@contextmanager
def translated(uri: str) -> Iterator[None]:
    """Raise our errors where MLflow, requests, SQLAlchemy or the disk raise theirs.

    Raises:
        ServerUnreachable, ServerRefused, ServerError, StorageError.
    """
    try:
        yield
    except FlywheelError:
        raise
    except Exception as error:
        ours = translate(error, uri)
        if ours is None:
            raise
        raise ours from error


def translate(error: BaseException, uri: str) -> FlywheelError | None:
    """Our error for a foreign one; None when it is not the store's fault but a defect of ours."""
    from google.protobuf.json_format import ParseError  # type: ignore[import-untyped]  # ships no types
    from mlflow.exceptions import MlflowException
    from requests.exceptions import HTTPError, RequestException
    from sqlalchemy.exc import SQLAlchemyError

    chain = list(_chain(error))
    for cause in chain:
        if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
            return StorageError("the disk is full", where=cause.filename or uri, hint="free some space, then run again")
    text = redacted(" ".join(str(error).split()))
    # `shutil.copytree`, which copies artifacts, keeps the system's words and drops the number.
    if "database or disk is full" in text or os.strerror(errno.ENOSPC) in text:
        return StorageError("the disk is full", where=uri, hint="free some space, then run again")
    answers = [cause.response for cause in chain if isinstance(cause, HTTPError) and cause.response is not None]
    if answers:
        return _refused(answers[0].status_code, text, uri)
    if any(isinstance(cause, RequestException) for cause in chain):
        return _unreachable(uri, _last_words(chain))
    if isinstance(error, MlflowException):
        code = str(error.error_code)
        return ServerRefused(f"MLflow: {text[:500]}", code=code, where=uri, hint=hint_for(code))
    if isinstance(error, ParseError):
        return ServerError(
            f"the answer is not one of MLflow's: {text[:200]}",
            where=uri,
            hint="the address may not be an MLflow server: check the tracking URI",
        )
    if isinstance(error, SQLAlchemyError | sqlite3.Error):
        return ServerError(f"the store failed: {text[:300]}", where=uri, hint="check the database and its permissions")
    if isinstance(error, OSError):
        return StorageError(
            f"{error.strerror or error}", where=error.filename or uri, hint="check path and permissions"
        )
    return None


#: What to try after the HTTP statuses that servers and the proxies before them answer with.
_STATUS_HINTS = {
    401: HINTS["UNAUTHENTICATED"],
    403: HINTS["PERMISSION_DENIED"],
    404: HINTS["NOT_FOUND"],
    413: "the file is larger than the server takes: ask its administrator for the limit",
    507: "the server's disk is full: ask its administrator",
}


def _refused(status: int, text: str, uri: str) -> ServerRefused:
    """An HTTP error status: somebody answered, and the answer is no."""
    code = {401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND"}.get(status, f"HTTP_{status}")
    hint = _STATUS_HINTS.get(status, _FALLBACK_HINT)
    return ServerRefused(f"the server answers {status}: {text[:300]}", code=code, where=uri, hint=hint)


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def _last_words(chain: list[BaseException]) -> str:
    return redacted(" ".join(str(chain[-1]).split()))[:200]


def pages(fetch: Callable[[str | None], PagedList[Item]]) -> Iterator[Item]:
    """Every item of a paged MLflow listing; ``fetch`` gets the token of the page, None for the first."""
    token: str | None = None
    while True:
        page = fetch(token)
        yield from page
        token = page.token
        if not token:
            return
