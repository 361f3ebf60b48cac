"""Finds out who calls, and turns away calls that no program of ours and no page of this server sends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from flywheel_mlflow.errors import FlywheelError, InputError, Refused, ServerRefused
from flywheel_mlflow.ledger import AUTHENTICATED, Identity
from flywheel_mlflow.names import check_label
from flywheel_mlflow.tracking.connection import ACTOR_HEADER

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

#: The arguments of an act are a few names and one reason of at most 2,000 characters.
MAX_BODY_BYTES = 65_536


def foreign_origin(headers: Mapping[str, str]) -> Refused | None:
    """Why a call that a page of another server sent is refused; None for our own pages, and for programs.

    MLflow's own check lets every page of ``localhost`` through, and can be switched off.
    """
    origin = headers.get("origin")
    site = headers.get("sec-fetch-site", "same-origin")
    same = origin is None or (urlsplit(origin).netloc.casefold() == headers.get("host", "").casefold() != "")
    if same and site in ("same-origin", "none"):
        return None
    return Refused(
        "a page of another server sent this call",
        rule="decisions are taken by programs, and by pages of this server",
        value=(origin or site)[:200],
        limit=headers.get("host", "")[:200],
    )


def wrong_type(headers: Mapping[str, str]) -> InputError | None:
    """Why a body is not read; None when it says that it is JSON, which no form of a web page can say."""
    told = headers.get("content-type", "")
    if told.split(";")[0].strip().casefold() == "application/json":
        return None
    return InputError(f"the body is {told[:80] or 'of no type'}", hint="send application/json")


async def bounded_body(request: Request) -> bytes | None:
    """The body; None when it is longer than :data:`MAX_BODY_BYTES`, of which no more is read."""
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BODY_BYTES:
            return None
        parts.append(part)
    return b"".join(parts)


def claimed(headers: Mapping[str, str]) -> Identity:
    """Who the client says acts, on a server without accounts.

    Raises:
        InputError: it does not say, or no name can look so.
    """
    name = unquote(headers.get(ACTOR_HEADER, ""), errors="replace")
    if not name:
        raise InputError(
            "nobody says who acts",
            hint=f"send the name in {ACTOR_HEADER}; the `flywheel` commands take MLFLOW_TRACKING_USERNAME or the login",
        )
    return Identity(check_label("the name", name))


def authenticated(request: Request, model: str) -> Identity | Response | FlywheelError:
    """Whom MLflow's basic-auth knows by the request's credentials, and lets read the registered model.

    Routes of a plugin pass MLflow's own authentication by, so it is asked here. A custom authorisation function of
    MLflow's may answer itself: its response is passed on.
    """
    from mlflow.server import auth
    from mlflow.server.auth.config import DEFAULT_AUTHORIZATION_FUNCTION

    user: Any
    if auth.auth_config.authorization_function == DEFAULT_AUTHORIZATION_FUNCTION:
        user = auth._authenticate_fastapi_request(request)  # noqa: SLF001 - what MLflow's own routes call
    else:
        user = auth._authenticate_custom_for_fastapi(request)  # noqa: SLF001 - likewise
    if user is None:
        return ServerRefused(
            "you are not authenticated",
            code="UNAUTHENTICATED",
            hint="set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD",
        )
    if not hasattr(user, "username"):
        return user  # type: ignore[no-any-return]  # a response of the custom function
    if not user.is_admin and not auth._graphql_can_read_model(model, user.username):  # noqa: SLF001 - takes names
        return Refused(
            f"{user.username} may not read {model}",
            rule="whoever decides about releases can read the registered model",
            value=user.username,
            hint="ask the server's administrator for READ on it",
        )
    return Identity(str(user.username), AUTHENTICATED)
