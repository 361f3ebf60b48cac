"""Opens the MLflow client, and turns MLflow's errors into ours."""

from __future__ import annotations

import errno
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from flywheel_mlflow.base.errors import FlywheelError, ServerError, ServerRefused, ServerUnreachable, StorageError
from flywheel_mlflow.base.settings import REQUEST_RETRIES, REQUEST_TIMEOUT_S, Settings, redacted

if TYPE_CHECKING:
    from mlflow import MlflowClient

_LOG = logging.getLogger(__name__)

Item = TypeVar("Item")
Item_co = TypeVar("Item_co", covariant=True)

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
    "PERMISSION_DENIED": "ask the server's administrator: reading needs READ, writing EDIT on the experiment or model",
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
#: What PostgreSQL and SQLite say to a write they may not do; MLflow hands it on as a bad request.
_READ_ONLY = ("ReadOnlySqlTransaction", "attempt to write a readonly database")
#: What MLflow says to tables of another version, newer ones included.
_OTHER_TABLES = "out-of-date database schema"
_FALLBACK_HINT = "look into the server's log"


def hint_for(code: str) -> str:
    """What to try after an MLflow error code."""
    by_ending = next((hint for ending, hint in _HINTS_BY_ENDING.items() if code.endswith(ending)), _FALLBACK_HINT)
    return HINTS.get(code, by_ending)


def open_client(settings: Settings) -> MlflowClient:
    """An MLflow client whose retries and timeouts are bounded, on a store that is ready; greet a server first.

    Raises:
        StorageError: a database file that cannot be made or opened.
    """
    bound_requests()
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    # Alembic tells every one of its migrations, MLflow every default it chose.
    # What a database file refuses MLflow logs with its traceback, and raises; we tell what was raised.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING if settings.is_server else logging.CRITICAL)
    started = time.perf_counter()
    with translated(settings.shown_uri):
        from mlflow import MlflowClient

        with _first_opening(settings):
            client = MlflowClient(tracking_uri=settings.tracking_uri, registry_uri=settings.tracking_uri)
            if not settings.is_server:
                # The store is opened by the first call, not by the constructor.
                client.search_experiments(max_results=1)
    _LOG.debug("opened %s with MLflow in %.0f ms", settings.shown_uri, (time.perf_counter() - started) * 1000)
    return client


def bound_requests() -> None:
    """Let MLflow's requests end soon; a value the user set stays."""
    # MLflow reads these from the environment at every request.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(REQUEST_TIMEOUT_S))
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", str(REQUEST_RETRIES))


def unreachable(uri: str, reason: str) -> ServerUnreachable:
    """Nobody answers; ``reason`` says how that was noticed."""
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
    with ExitStack() as stack:
        try:
            database.parent.mkdir(parents=True, exist_ok=True)
            lock = stack.enter_context(database.with_suffix(".opening").open("w", encoding="utf-8"))
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError as error:
            # Where nothing can be written a database that is there can be read: nobody makes it now.
            if not database.is_file():
                raise StorageError(
                    f"cannot keep a database file there: {error.strerror or error}",
                    where=str(database),
                    hint="choose a folder you can write to with MLFLOW_TRACKING_URI or --root",
                ) from error
        yield


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
    full = disk_full(error, uri)
    if full is not None:
        return full
    chain = list(_chain(error))
    text = redacted(" ".join(str(error).split()))
    http_error = _kind("requests.exceptions", "HTTPError")
    answers = [getattr(cause, "response", None) for cause in chain if isinstance(cause, http_error)]
    statuses = [answer.status_code for answer in answers if answer is not None]
    if statuses:
        return refused(statuses[0], text, uri)
    if any(isinstance(cause, _kind("requests.exceptions", "RequestException")) for cause in chain):
        return unreachable(uri, _last_words(chain))
    if isinstance(error, _kind("mlflow.exceptions", "MlflowException")):
        return refusal(str(getattr(error, "error_code", "")), text, uri)
    if isinstance(error, _kind("google.protobuf.json_format", "ParseError")):
        return not_mlflow(text, uri)
    if isinstance(error, (_kind("sqlalchemy.exc", "SQLAlchemyError"), _kind("sqlite3", "Error"))):
        return ServerError(f"the store failed: {text[:300]}", where=uri, hint="check the database and its permissions")
    if isinstance(error, OSError):
        return StorageError(
            f"{error.strerror or error}", where=error.filename or uri, hint="check path and permissions"
        )
    return None


def disk_full(error: BaseException, place: str) -> StorageError | None:
    """Our error for a foreign one that says there is no space left, at ``place`` if it does not say where."""
    hint = "free some space, then run again"
    for cause in _chain(error):
        if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
            return StorageError("the disk is full", where=cause.filename or place, hint=hint)
    # `shutil.copytree`, which copies artifacts, keeps the system's words and drops the number.
    if "database or disk is full" in str(error) or os.strerror(errno.ENOSPC) in str(error):
        return StorageError("the disk is full", where=place, hint=hint)
    return None


def _kind(module: str, name: str) -> type[BaseException] | tuple[()]:
    """A library's error class; none where the library was never imported: then nobody can have raised it.

    Importing it to find out would take longer than most commands do.
    """
    loaded = sys.modules.get(module)
    found: type[BaseException] | tuple[()] = getattr(loaded, name) if loaded is not None else ()
    return found


def refusal(code: str, text: str, uri: str) -> ServerRefused:
    """What MLflow's server said, by its error code, without the statement its database refused."""
    if any(sign in text for sign in _READ_ONLY):
        told = "the server's database takes no writes: it is read-only"
        return ServerRefused(told, code=code, where=uri, hint="ask its administrator; what was to be written was not")
    if _OTHER_TABLES in text:
        told = "the tables are not those of the MLflow that is installed"
        hint = "`flywheel doctor` tells whose they are: install that MLflow, or copy the database and upgrade it"
        return ServerRefused(told, code=code, where=uri, hint=hint)
    told = text.split(" [SQL: ", maxsplit=1)[0]
    return ServerRefused(f"MLflow: {told[:500]}", code=code, where=uri, hint=hint_for(code))


def not_mlflow(text: str, uri: str) -> ServerError:
    """An answer that MLflow does not give; ``text`` says what is wrong with it."""
    return ServerError(
        f"the answer is not one of MLflow's: {text[:200]}",
        where=uri,
        hint="the address may not be an MLflow server: check the tracking URI",
    )


#: What to try after the HTTP statuses that servers and the proxies before them answer with.
_STATUS_HINTS = {
    401: HINTS["UNAUTHENTICATED"],
    403: HINTS["PERMISSION_DENIED"],
    404: HINTS["NOT_FOUND"],
    413: "the file is larger than the server takes: ask its administrator for the limit",
    507: "the server's disk is full: ask its administrator",
}


def refused(status: int, text: str, uri: str) -> ServerRefused:
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


class Page(Protocol[Item_co]):
    """One page of a listing; ``token`` asks for the next one, falsy on the last."""

    @property
    def token(self) -> str | None:
        """What to ask for the next page with."""

    def __iter__(self) -> Iterator[Item_co]:
        """The page's items."""


def pages(fetch: Callable[[str | None], Page[Item]]) -> Iterator[Item]:
    """Every item of a paged MLflow listing; ``fetch`` gets the token of the page, None for the first."""
    token: str | None = None
    while True:
        page = fetch(token)
        yield from page
        token = page.token
        if not token:
            return
