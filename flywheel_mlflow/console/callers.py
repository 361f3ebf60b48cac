"""Finds out who calls, and turns away calls that no program of ours and no page of this server sends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from flywheel_mlflow.base.errors import FlywheelError, InputError, Refused, ServerRefused
from flywheel_mlflow.base.names import check_label
from flywheel_mlflow.decisions.ledger import AUTHENTICATED, Identity
from flywheel_mlflow.tracking import tags
from flywheel_mlflow.tracking.connection import ACTOR_HEADER, translated
from flywheel_mlflow.tracking.server_facts import said_name

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


def wrong_type(headers: Mapping[str, str], wanted: str = "application/json") -> InputError | None:
    """Why a body is not read; None when it says that it is of the wanted type.

    No form of a web page can say that it is JSON.
    """
    told = headers.get("content-type", "")
    if told.split(";")[0].strip().casefold() == wanted:
        return None
    return InputError(f"the body is {told[:80] or 'of no type'}", hint=f"send {wanted}")


async def bounded_body(request: Request, most: int = MAX_BODY_BYTES) -> bytes | None:
    """The body; None when it is longer than ``most`` bytes, beyond which nothing is read."""
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > most:
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

    A custom authorisation function of MLflow's may answer itself: its response is passed on.
    """
    user = _user(request)
    if user is None:
        return ServerRefused(
            "you are not authenticated",
            code="UNAUTHENTICATED",
            hint="set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD",
        )
    if not hasattr(user, "username"):
        return user  # type: ignore[no-any-return]  # a response of the custom function
    if not _reads_model(user, model):
        return Refused(
            f"{user.username} may not read {model}",
            rule="whoever decides about releases can read the registered model",
            value=user.username,
            hint="ask the server's administrator for READ on it",
        )
    return Identity(str(user.username), AUTHENTICATED)


def reading(request: Request, model: str, experiments: Iterable[str]) -> Identity | Response | FlywheelError:
    """Whom MLflow's basic-auth knows, and lets read the registered model and every one of the experiments, by name.

    ``model`` is empty on a server that shows no flywheel. What does not exist yet is nobody's secret.

    Raises:
        FlywheelError: the store failed; nobody may then read anything.
    """
    user = _user(request)
    if user is None:
        return ServerRefused(
            "you are not signed in",
            code="UNAUTHENTICATED",
            hint="reload the page: the browser asks for the name and the password of your account on this server",
        )
    if not hasattr(user, "username"):
        return user  # type: ignore[no-any-return]  # a response of the custom function
    with translated("this server"):
        hidden = [] if not model or _reads_model(user, model) else [f"the registered model {model}"]
        hidden += [f"the experiment {name}" for name in experiments if not _reads_experiment(user, name)]
    if hidden:
        return Refused(
            f"{user.username} may not read {' and '.join(hidden)}",
            rule="whoever reads a page of the console can read what it is made from",
            value=user.username,
            hint=f"ask the server's administrator for READ on {' and '.join(hidden)}",
        )
    return Identity(str(user.username), AUTHENTICATED)


def writing(request: Request, experiment: str) -> Identity | Response | FlywheelError:
    """Whom MLflow's basic-auth knows, and lets make runs in an experiment, by name.

    One that does not exist yet is made for an administrator alone, as everywhere else.
    """
    user = _user(request)
    if user is None:
        return ServerRefused(
            "you are not authenticated", code="UNAUTHENTICATED", hint="send the name and password of an account"
        )
    if not hasattr(user, "username"):
        return user  # type: ignore[no-any-return]  # a response of the custom function
    with translated("this server"):
        if _makes_runs_in(user, experiment):
            return Identity(str(user.username), AUTHENTICATED)
    return Refused(
        f"{user.username} may not write into the experiment {experiment}",
        rule="whoever sends feedback may make runs in the experiment that holds it",
        value=user.username,
        hint=f"ask the server's administrator for EDIT on {experiment}; the first event must be an administrator's",
    )


def _makes_runs_in(user: Any, experiment: str) -> bool:
    from mlflow.server import auth

    found = tuple(_experiments_of(experiment))
    if user.is_admin or not found:
        return bool(user.is_admin)
    if not hasattr(auth, "authorize"):
        # Before MLflow 3.17 runs have no permissions but those of their experiment.
        return all(auth._graphql_get_permission_for_experiment(item, user.username).can_update for item in found)  # noqa: SLF001
    from mlflow.server.auth.permissions import RESOURCE_TYPE_EXPERIMENT, RESOURCE_TYPE_RUN
    from mlflow.server.auth.requirements import ACTION_NOT_DENIED, Requirement

    for experiment_id in found:
        itself = (RESOURCE_TYPE_EXPERIMENT, experiment_id)
        needs = [Requirement(*itself, "update"), Requirement(RESOURCE_TYPE_RUN, "*", ACTION_NOT_DENIED)]
        if not auth.authorize(user.username, itself, needs):
            return False
    return True


def is_administrator() -> bool:
    """Whether MLflow's administrator sent the Flask request at work; nobody did outside of one."""
    from flask import has_request_context
    from mlflow.server import auth

    return has_request_context() and bool(auth.sender_is_admin())  # type: ignore[no-untyped-call]  # MLflow leaves it untyped


def _user(request: Request) -> Any:
    """MLflow's account behind the request's credentials, None when they are none, or a custom function's response.

    Routes of a plugin pass MLflow's own authentication by, so it is asked here.
    """
    from mlflow.server import auth
    from mlflow.server.auth.config import DEFAULT_AUTHORIZATION_FUNCTION

    if auth.auth_config.authorization_function == DEFAULT_AUTHORIZATION_FUNCTION:
        return auth._authenticate_fastapi_request(request)  # noqa: SLF001 - what MLflow's own routes call
    return auth._authenticate_custom_for_fastapi(request)  # noqa: SLF001 - likewise


def _reads_model(user: Any, model: str) -> bool:
    from mlflow.server import auth

    return bool(user.is_admin or auth._graphql_can_read_model(model, user.username))  # noqa: SLF001 - takes names


def _reads_experiment(user: Any, name: str) -> bool:
    """Whether somebody may read an experiment of the flywheel and its runs, as MLflow decides it for a run.

    Who renamed it did not make it anybody's: what says that it is the one is then asked about, and its runs.
    """
    from mlflow.server import auth

    if user.is_admin:
        return True
    if not hasattr(auth, "authorize"):
        # Before MLflow 3.17 runs have no permissions but those of their experiment.
        return all(auth._graphql_can_read_experiment(found, user.username) for found in _experiments_of(name))  # noqa: SLF001 - takes ids
    from mlflow.server.auth.permissions import RESOURCE_TYPE_EXPERIMENT, RESOURCE_TYPE_RUN
    from mlflow.server.auth.requirements import Requirement

    for experiment_id in _experiments_of(name):
        itself = (RESOURCE_TYPE_EXPERIMENT, experiment_id)
        runs = Requirement(RESOURCE_TYPE_RUN, "*", "read", fallback_if_no_grant=(itself,))
        if not auth.authorize(user.username, itself, [Requirement(*itself, "read"), runs]):
            return False
    return True


def _experiments_of(name: str) -> Iterable[str]:
    """The ids of the experiment of a name, deleted or not; without one, of all that were made with that name.

    None is left when there never was one.
    """
    from mlflow.entities import ViewType
    from mlflow.server import handlers

    store: Any = handlers._get_tracking_store()  # noqa: SLF001 - the handlers' own way to it
    found = store.get_experiment_by_name(name)
    if found is not None:
        return [str(found.experiment_id)]
    flywheel, _, part = name.partition("/")
    said = f"tags.`{tags.NAME}` = '{flywheel}'"
    made = store.search_experiments(view_type=ViewType.ALL, filter_string=said, max_results=1000)
    ids = [str(item.experiment_id) for item in made if said_name(flywheel, item.tags) == name]
    every = [str(item.experiment_id) for item in store.search_experiments(view_type=ViewType.ALL, max_results=1000)]
    ours = f"{said} and tags.`{tags.PROJECT}` = '{part}'" if part else f"{said} and tags.`{tags.KIND}` = 'assembly'"
    runs = store.search_runs(every, ours, ViewType.ALL, max_results=1000) if every else []
    return sorted({*ids, *(str(run.info.experiment_id) for run in runs)})
