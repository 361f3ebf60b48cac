"""Prepares accounts for `flywheel ui --auth`: the server's key and MLflow's accounts, kept beside the store."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.base.settings import Settings
from flywheel_mlflow.base.signing import SigningKey, new_key, read_key
from flywheel_mlflow.base.writing import write_files
from flywheel_mlflow.evidence.flywheel import Flywheel
from flywheel_mlflow.promises.blueprint import BLUEPRINT_FILE

KEY_FILE, CONFIG_FILE, ACCOUNTS_FILE = "server.key", "accounts.ini", "accounts.db"
ADMINISTRATOR = "admin"
#: What the key is derived for: MLflow's protection against forged forms wants a secret that outlives a restart.
_FORMS = b"flywheel-mlflow flask secret"
#: Bytes of a password that nobody chose; MLflow wants twelve characters at least.
_PASSWORD_BYTES = 15
#: https://mlflow.org/docs/latest/self-hosting/security/basic-http-auth: its own settings, kept beside the store.
_CONFIG = """[mlflow]
default_permission = READ
database_uri = sqlite:///{database}
admin_username = {administrator}
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
"""


@dataclass(frozen=True, slots=True)
class LocalAccounts:
    """The environment of a server with accounts; ``password`` is the administrator's where it was made just now."""

    environment: Mapping[str, str]
    password: str = ""


def local_accounts(flywheel: Flywheel, settings: Settings, environ: Mapping[str, str]) -> LocalAccounts:
    """What a server with accounts reads: as ``environ`` has it, else from beside the store, made when missing.

    Raises:
        InputError: flywheel.yaml does not name the server's key, or the key cannot be used, or Flask-WTF is missing.
        StorageError: the folder cannot be written.
    """
    if find_spec("flask_wtf") is None:
        raise InputError("MLflow's accounts need Flask-WTF", hint="pip install 'flywheel-mlflow[auth]'")
    folder = settings.store_folder
    own_key = folder / KEY_FILE
    path = Path(environ.get("FLYWHEEL_SERVER_KEY") or own_key)
    key = new_key(path) if path == own_key and not path.exists() else read_key(path)
    _check_named(key, flywheel)
    made = {"FLYWHEEL_SERVER_KEY": str(path.absolute())}
    if not environ.get("MLFLOW_FLASK_SERVER_SECRET_KEY"):
        made["MLFLOW_FLASK_SERVER_SECRET_KEY"] = key.derived(_FORMS).hex()
    password = ""
    if not environ.get("MLFLOW_AUTH_CONFIG_PATH"):
        made["MLFLOW_AUTH_CONFIG_PATH"] = str(_config(folder))
        if not (folder / ACCOUNTS_FILE).exists() and not environ.get("MLFLOW_AUTH_ADMIN_PASSWORD"):
            password = made["MLFLOW_AUTH_ADMIN_PASSWORD"] = secrets.token_urlsafe(_PASSWORD_BYTES)
    return LocalAccounts(made, password)


def _check_named(key: SigningKey, flywheel: Flywheel) -> None:
    """Who seals decisions is named by people, not by the server that wants to be believed."""
    if key.public_key not in flywheel.blueprint.releases.server_keys:
        raise InputError(
            "with accounts the server seals its decisions, and flywheel.yaml does not name its key yet",
            where=str(flywheel.root / BLUEPRINT_FILE),
            hint="add these two lines, or the key to those there are, then start again (and assemble again what is to "
            f"be released):\n\nreleases:\n  server_keys: ['{key.public_key}']\n",
        )


def _config(folder: Path) -> Path:
    """MLflow's settings of the accounts; what somebody changed in the file stays."""
    path = folder / CONFIG_FILE
    if not path.exists():
        # configparser takes a percent sign for the start of a reference.
        database = str((folder / ACCOUNTS_FILE).absolute()).replace("%", "%%")
        write_files({CONFIG_FILE: _CONFIG.format(database=database, administrator=ADMINISTRATOR)}, folder)
    return path.absolute()
