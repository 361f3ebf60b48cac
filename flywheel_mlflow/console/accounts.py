"""Prepares MLflow's accounts before any worker of the server runs, whichever MLflow it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flywheel_mlflow.base.errors import InputError

#: What MLflow before 3.16.1 gives every administrator who chose none (GHSA-gq3w-7jj3-x7gr); later ones refuse it.
_KNOWN_PASSWORD = "password1234"  # noqa: S105 - refused, not used
_SECRET_KEY = "MLFLOW_FLASK_SERVER_SECRET_KEY"  # noqa: S105 - the variable's name
_CONFIG = "MLFLOW_AUTH_CONFIG_PATH"


def prepare_accounts(environ: Mapping[str, str]) -> None:
    """Make the accounts' database and the administrator, once: workers that do it together collide.

    Raises:
        InputError: settings that no server with accounts should start with.
    """
    auth = _imported()
    if not environ.get(_SECRET_KEY):
        raise InputError(
            f"a server with accounts signs its forms with a key of its own: {_SECRET_KEY} is not set",
            hint="set it to a long random text, the same for all servers of these accounts",
        )
    config = auth.auth_config
    if not hasattr(auth, "_authenticate_custom_for_fastapi") and not _is_default(config.authorization_function):
        raise InputError(
            f"this MLflow does not ask {config.authorization_function} for what the flywheel's plugin answers",
            hint="take MLflow 3.15 or newer, or leave out authorization_function",
        )
    if hasattr(auth, "bootstrap_admin_user"):
        auth.bootstrap_admin_user()
        return
    if config.admin_password == _KNOWN_PASSWORD:
        raise InputError(
            "the administrator's password is the one that MLflow was published with",
            hint=f"let {_CONFIG} name an ini file with another admin_password",
        )
    auth.store.init_db(config.database_uri)
    auth.create_admin_user(config.admin_username, config.admin_password)


def _imported() -> Any:
    """MLflow's module of accounts, which reads their settings when it is imported."""
    try:
        from mlflow.server import auth
    except ImportError as error:
        raise InputError(
            f"accounts need what `mlflow[auth]` brings: {error}", hint="pip install 'flywheel-mlflow[auth]'"
        ) from error
    except KeyError as error:
        raise InputError(
            f"the settings of MLflow's accounts have no {error}",
            hint=f"add it to the ini file of {_CONFIG}; MLflow before 3.16.1 reads the password from there alone",
        ) from error
    return auth


def _is_default(function: str) -> bool:
    from mlflow.server.auth.config import DEFAULT_AUTHORIZATION_FUNCTION

    return function == DEFAULT_AUTHORIZATION_FUNCTION
