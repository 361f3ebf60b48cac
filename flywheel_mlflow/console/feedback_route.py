"""The server's route for applications: what users say there becomes feedback, without a file and without a shell."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from flywheel_mlflow.base.canonical import canonical_json
from flywheel_mlflow.base.errors import FlywheelError, Inconclusive, InputError, Refused, ServerError
from flywheel_mlflow.console.callers import bounded_body, claimed, foreign_origin, writing, wrong_type
from flywheel_mlflow.console.endpoints import acting, serving
from flywheel_mlflow.console.served import ROOT_VARIABLE
from flywheel_mlflow.decisions.ledger import Identity
from flywheel_mlflow.operations.acts.act_errors import error_document
from flywheel_mlflow.operations.acts.acting import perform
from flywheel_mlflow.operations.deciding import Session
from flywheel_mlflow.operations.feedback.feedback import KnownEvents
from flywheel_mlflow.operations.feedback.receiving import JSON, JSON_LINES, MAX_BYTES, Received, receive
from flywheel_mlflow.tracking.connection import ROUTES

if TYPE_CHECKING:
    from starlette.background import BackgroundTask
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from flywheel_mlflow.console.routes import Opener
    from flywheel_mlflow.console.served import ServedFlywheel

_log = logging.getLogger(__name__)

#: Requests of one worker that wait for the one that is being taken in; more are told to come again.
MOST_WAITING = 16
KEY_HEADER = "idempotency-key"
_TYPES = (JSON, JSON_LINES)


class FeedbackRoute:
    """Answers ``feedback``; what it writes is judged by the guard as any client's: it is no act of the server.

    ``served`` is None on a server that only guards; ``open_tracking`` opens the server's own stores for one request.
    """

    def __init__(self, served: ServedFlywheel | None, *, authentication: bool, open_tracking: Opener) -> None:
        from anyio import CapacityLimiter

        self._served = served
        self._authentication = authentication
        self._open = open_tracking
        self._known = KnownEvents()
        # One after the other: each must know what the one before brought.
        self._room = CapacityLimiter(1)

    def routes(self, prefix: str) -> list[Route]:
        """The route below the server's static prefix, for the front of its router."""
        from starlette.routing import Route

        return [Route(f"{prefix}{ROUTES}/feedback", self.take_feedback, methods=["POST"])]

    async def take_feedback(self, request: Request) -> Response:
        """Take events in for whoever calls; blocking work waits in a thread of its own."""
        from anyio import to_thread

        foreign = foreign_origin(request.headers)
        if foreign:
            return _answer(error_document(foreign), 403)
        kind = next((item for item in _TYPES if wrong_type(request.headers, item) is None), None)
        if kind is None:
            wrong = InputError("the body is of no type that is read here", hint=f"send {' or '.join(_TYPES)}")
            return _answer(error_document(wrong), 415)
        if self._room.statistics().tasks_waiting >= MOST_WAITING:
            busy = ServerError("too many requests wait already", hint="send it again in a second, with the same key")
            return _answer(error_document(busy), 429, {"Retry-After": "1"})
        body = await bounded_body(request, MAX_BYTES)
        if body is None:
            told = InputError(f"the body is longer than {MAX_BYTES:,} bytes", hint="send the events in parts")
            return _answer(error_document(told), 413)
        return await to_thread.run_sync(partial(self._take, request, kind, body), limiter=self._room)

    def _take(self, request: Request, kind: str, body: bytes) -> Response:
        served = self._served
        if served is None:
            told = ServerError(
                f"this server takes no feedback in: it was started without {ROOT_VARIABLE}",
                hint="run `flywheel feedback ingest` against it",
            )
            return _answer(error_document(told), 404)
        from starlette.background import BackgroundTask

        try:
            caller = self._caller(request, served.name)
            if not isinstance(caller, Identity):
                return caller
            received = self._receive(served, caller, request, kind, body)
        except FlywheelError as error:
            return _answer(error_document(error), _status(error))
        # Applications do not wait for mail: people are told when the answer has left.
        telling = BackgroundTask(self._tell, served, caller) if received.ingested.taken.new else None
        # A request of which nothing is an event is the sender's mistake; one with some good lines is not.
        return _answer(received.document(), 422 if received.error_rate == 1.0 else 200, then=telling)

    def _tell(self, served: ServedFlywheel, caller: Identity) -> None:
        """Tell the teams that answer for what came in; what fails is tried again by the next act, and is logged."""
        try:
            flywheel = served.flywheel()
            if any("feedback_routed" in channel.events for channel in flywheel.blueprint.notify.channels):
                session = Session(flywheel, self._open(flywheel.name, caller.name), caller, seal=served.key)
                with acting():
                    perform(session, "notify-send", {"audit": False, "patient": False})
        except FlywheelError as error:
            _log.warning("nobody was told of feedback: %s", error.what)

    def _receive(self, served: ServedFlywheel, caller: Identity, request: Request, kind: str, body: bytes) -> Received:
        flywheel = served.flywheel()
        tracking = self._open(flywheel.name, caller.name)
        with acting():
            tracking.feedback.experiment()  # the server's own, made when the first event comes
        with serving("take_feedback"):
            return receive(
                flywheel,
                tracking,
                body,
                self._known,
                sender=caller.name,
                media_type=kind,
                iteration=_iteration(request.query_params.get("iteration", "")),
                key=request.headers.get(KEY_HEADER, ""),
            )

    def _caller(self, request: Request, flywheel: str) -> Identity | Response:
        if not self._authentication:
            return claimed(request.headers)
        found = writing(request, f"{flywheel}/feedback")
        if isinstance(found, Refused):
            return _answer(error_document(found), 403)
        if isinstance(found, FlywheelError):
            return _answer(error_document(found), 401, {"WWW-Authenticate": 'Basic realm="mlflow"'})
        return found


def _iteration(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= len("999999")):
        raise InputError(f"no iteration is called {text[:40]!r}", hint="?iteration=3, or leave it out for the newest")
    return int(text)


def _status(error: FlywheelError) -> int:
    if isinstance(error, Refused | Inconclusive):
        return 409
    return 400 if isinstance(error, InputError) else 503


def _answer(
    document: dict[str, Any], status: int, headers: dict[str, str] | None = None, *, then: BackgroundTask | None = None
) -> Response:
    from starlette.responses import Response

    return Response(canonical_json(document), status, headers, media_type="application/json", background=then)
