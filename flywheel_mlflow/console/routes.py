"""The server's own routes: what the plugin is, and the acts on the ledger."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import flywheel_mlflow
from flywheel_mlflow.base.canonical import canonical_json
from flywheel_mlflow.base.documents import parse_json
from flywheel_mlflow.base.errors import DocumentError, FlywheelError, Inconclusive, InputError, Refused, ServerError
from flywheel_mlflow.console.callers import (
    MAX_BODY_BYTES,
    authenticated,
    bounded_body,
    claimed,
    foreign_origin,
    wrong_type,
)
from flywheel_mlflow.console.endpoints import serving
from flywheel_mlflow.decisions.ledger import Identity
from flywheel_mlflow.operations.acts.act_errors import error_document
from flywheel_mlflow.operations.acts.acting import perform
from flywheel_mlflow.operations.deciding import Session
from flywheel_mlflow.tracking.connection import ROUTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from flywheel_mlflow.console.served import ServedFlywheel
    from flywheel_mlflow.tracking import Tracking

    #: Opens a flywheel by its name, for one person.
    Opener = Callable[[str, str], Tracking]

FORMAT_VERSION = 1
#: Acts of one worker at a time: evaluating a gate takes seconds, and MLflow's own requests need threads too.
ACTS_AT_ONCE = 8


class ActRoutes:
    """Answers ``about`` and ``acts/{name}``.

    ``served`` is None on a server that only guards; ``open_tracking`` opens the server's own stores for one request;
    ``console`` is the address of its pages, below the server's own.
    """

    def __init__(
        self, served: ServedFlywheel | None, *, authentication: bool, open_tracking: Opener, console: str
    ) -> None:
        from anyio import CapacityLimiter

        self._served = served
        self._authentication = authentication
        self._open = open_tracking
        self._console = console if served else None
        self._room = CapacityLimiter(ACTS_AT_ONCE)

    def routes(self, prefix: str) -> list[Route]:
        """The routes below the server's static prefix, for the front of its router."""
        from starlette.routing import Route

        return [
            Route(f"{prefix}{ROUTES}/about", self.about, methods=["GET"]),
            Route(f"{prefix}{ROUTES}/acts/{{name}}", self.act, methods=["POST"]),
        ]

    async def about(self, request: Request) -> Response:  # noqa: ARG002 - Starlette hands it over
        """What clients ask before anything else: public, and nothing secret."""
        return _answer(
            {
                "plugin": "flywheel",
                "version": flywheel_mlflow.__version__,
                "flywheel": self._served.name if self._served else None,
                "authentication": self._authentication,
                "console": self._console,
                "format_version": FORMAT_VERSION,
            }
        )

    async def act(self, request: Request) -> Response:
        """Do an act for whoever calls; blocking work waits in a thread of its own."""
        from anyio import to_thread

        foreign = foreign_origin(request.headers)
        if foreign:
            return _answer(error_document(foreign), 403)
        wrong = wrong_type(request.headers)
        if wrong:
            return _answer(error_document(wrong), 415)
        body = await bounded_body(request)
        if body is None:
            told = InputError(f"the body is longer than {MAX_BODY_BYTES} bytes", hint="shorten the reason")
            return _answer(error_document(told), 413)
        return await to_thread.run_sync(partial(self._act, request, body), limiter=self._room)

    def _act(self, request: Request, body: bytes) -> Response:
        served = self._served
        if served is None:
            told = ServerError(
                "this server takes no decisions: it was started without FLYWHEEL_ROOT",
                hint="run the command against it again: it is then done by the command itself",
            )
            return _answer(error_document(told), 404)
        try:
            caller = self._caller(request, served.name)
            if not isinstance(caller, Identity):
                return caller
            result = self._perform(served, caller, str(request.path_params["name"]), body)
        except FlywheelError as error:
            return _answer(error_document(error), _status(error))
        return _answer(result)

    def _caller(self, request: Request, model: str) -> Identity | Response:
        if not self._authentication:
            return claimed(request.headers)
        found = authenticated(request, model)
        if isinstance(found, Refused):
            return _answer(error_document(found), 403)
        if isinstance(found, FlywheelError):
            return _answer(error_document(found), 401, {"WWW-Authenticate": 'Basic realm="mlflow"'})
        return found

    def _perform(self, served: ServedFlywheel, caller: Identity, name: str, body: bytes) -> dict[str, Any]:
        arguments = _arguments(body)
        flywheel = served.flywheel()
        tracking = self._open(flywheel.name, caller.name)
        with serving("act"):
            return perform(Session(flywheel, tracking, caller, seal=served.key), name, arguments)


def _arguments(body: bytes) -> dict[str, Any]:
    try:
        document = parse_json(body.decode("utf-8"), name="the body")
    except UnicodeDecodeError as error:
        raise InputError("the body is not UTF-8", hint="send a JSON object") from error
    except DocumentError as error:
        raise InputError(str(error.faults[0]), hint="send a JSON object") from error
    if not isinstance(document, dict):
        raise InputError("the body is no object", hint="send a JSON object")
    return document


def _status(error: FlywheelError) -> int:
    if isinstance(error, Refused | Inconclusive):
        return 409
    return 400 if isinstance(error, InputError) else 500


def _answer(document: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> Response:
    from starlette.responses import Response

    return Response(canonical_json(document), status, headers, media_type="application/json")
