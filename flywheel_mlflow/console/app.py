"""The applications that ``mlflow server --app-name flywheel`` and ``--app-name flywheel-auth`` start."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from flywheel_mlflow.base.errors import FlywheelError, InputError
from flywheel_mlflow.console.accounts import prepare_accounts

if TYPE_CHECKING:
    from fastapi import FastAPI

    from flywheel_mlflow.tracking import Tracking

#: Set by the parent for its workers: MLflow sets it itself for an application that is called basic-auth.
_BOOTSTRAPPED = "_MLFLOW_AUTH_ADMIN_BOOTSTRAPPED"


def _plain() -> FastAPI:
    """MLflow's server with the guard and the routes."""
    from mlflow.server import app as flask_app
    from mlflow.server.fastapi_app import create_fastapi_app

    return _extended(create_fastapi_app(flask_app), authentication=False)


def _with_basic_auth() -> FastAPI:
    """MLflow's basic-auth server with the guard and the routes."""
    from mlflow.server import auth

    # Its hook comes first: whom it turns away learns nothing from the guard.
    return _extended(auth.create_app(), authentication=True)


def _extended(app: object, *, authentication: bool) -> FastAPI:
    from fastapi import FastAPI
    from mlflow.server import app as flask_app
    from mlflow.server.constants import ARTIFACTS_ONLY_ENV_VAR
    from mlflow.server.handlers import _add_static_prefix

    from flywheel_mlflow.console import banner
    from flywheel_mlflow.console.callers import is_administrator
    from flywheel_mlflow.console.feedback_route import FeedbackRoute
    from flywheel_mlflow.console.files import Files
    from flywheel_mlflow.console.forms import FormRoutes
    from flywheel_mlflow.console.front import Front
    from flywheel_mlflow.console.governed import Governed
    from flywheel_mlflow.console.guard import Guard
    from flywheel_mlflow.console.pages import PageRoutes
    from flywheel_mlflow.console.routes import ActRoutes
    from flywheel_mlflow.console.rules import Rules
    from flywheel_mlflow.console.served import gives_addresses, read_served
    from flywheel_mlflow.console.stores import (
        engines,
        keep_store_private,
        open_tracking,
        register_server_stores,
        server_addresses,
    )
    from flywheel_mlflow.console.watch import watch

    if not isinstance(app, FastAPI) or os.environ.get(ARTIFACTS_ONLY_ENV_VAR):
        raise InputError(
            "the flywheel's plugin needs MLflow's own kind of server",
            hint="start `mlflow server` without --gunicorn-opts, --waitress-opts and --artifacts-only",
        )
    if not gives_addresses(os.environ):
        keep_store_private()
    register_server_stores()
    served = read_served(os.environ, authentication=authentication)
    root = served.root if served else Path.cwd()
    opening = partial(open_tracking, root=root, addresses=server_addresses(os.environ), served=served)
    tracking, registry = engines()
    name = served.name if served else None
    governed = Governed(partial(opening, actor="server"), served=name, tracking=tracking, registry=registry)
    files = Files(governed)
    guard = Guard(Rules(governed, is_administrator if authentication else lambda: True), files, name)
    guard.install(flask_app)
    watch(guard.judge)
    prefix = _add_static_prefix("")

    def open_for(flywheel: str, actor: str) -> Tracking:
        return opening(flywheel, actor=actor)

    front = Front(served, authentication=authentication, open_tracking=open_for, prefix=prefix)
    acts = ActRoutes(served, authentication=authentication, open_tracking=open_for, console=front.addresses.overview())
    feedback = FeedbackRoute(served, authentication=authentication, open_tracking=open_for)
    if served and banner.shows_banner(os.environ):
        banner.install(flask_app, prefix, front.addresses.overview(), front.addresses.banner_script())
    # Behind MLflow's mount of everything at / nothing is ever reached.
    app.router.routes[:0] = [
        *acts.routes(prefix),
        *feedback.routes(prefix),
        *FormRoutes(front).routes(prefix),
        *PageRoutes(front).routes(prefix),
        *files.routes(),
    ]
    # What is loaded by now stays for good. Looking through all of it stopped a page for some 200 ms every few seconds.
    gc.collect()
    gc.freeze()
    return app


_FACTORIES: dict[str, Callable[[], FastAPI]] = {"plain": _plain, "with_basic_auth": _with_basic_auth}


def __getattr__(name: str) -> Callable[[], FastAPI]:
    """``plain`` and ``with_basic_auth``, once the server's settings have proved usable.

    MLflow looks the factory up in the parent process before it starts any worker. That is the one moment to refuse:
    a worker that fails is started again for ever, and several that prepare the accounts' database together collide.
    """
    if name not in _FACTORIES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if _BOOTSTRAPPED not in os.environ:
        try:
            _prepare(authentication=name == "with_basic_auth")
        except FlywheelError as error:
            raise SystemExit(error.diagnostics()) from error
    return _FACTORIES[name]


def _prepare(*, authentication: bool) -> None:
    from flywheel_mlflow.console.banner import shows_banner
    from flywheel_mlflow.console.served import gives_addresses, read_served

    gives_addresses(os.environ)
    shows_banner(os.environ)
    read_served(os.environ, authentication=authentication)
    if authentication:
        prepare_accounts(os.environ)
        os.environ[_BOOTSTRAPPED] = "true"
