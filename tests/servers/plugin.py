"""MLflow servers with the flywheel's plugin, and people who call them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import mlflow
import requests
from releases_bench import LEASE_S, ReleasesBench, releases_flywheel
from workbench import bench_on

from flywheel_mlflow.base.signing import new_key
from flywheel_mlflow.evidence.flywheel import Flywheel, load_flywheel
from flywheel_mlflow.tracking.versions import numbers_of

ADMIN = "admin"
#: MLflow's acts, below a server's address.
ACTS = "/ajax-api/2.0/flywheel/acts"
AUTH_SETTINGS = """[mlflow]
default_permission = READ
database_uri = sqlite:///{folder}/accounts.db
admin_username = admin
admin_password = {password}
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
auth_cache_ttl_seconds = 60
"""


def password(who: str) -> str:
    """Everybody's password; MLflow wants twelve characters."""
    return f"password-of-{who}"


def account_settings(folder: Path) -> dict[str, str]:
    """The environment of a server with accounts, which are kept below ``folder``."""
    settings = folder / "accounts.ini"
    settings.write_text(AUTH_SETTINGS.format(folder=folder, password=password(ADMIN)))
    return {
        "MLFLOW_AUTH_CONFIG_PATH": str(settings),
        "MLFLOW_AUTH_ADMIN_PASSWORD": password(ADMIN),
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "for a test",
    }


def keyed_flywheel(folder: Path, **more: Any) -> tuple[Flywheel, Path]:
    """A flywheel that names a server's key, and the file that holds it."""
    path = folder / "server.key"
    rules = {"may_move": ["release_manager"], "move_lease_s": LEASE_S, "server_keys": [new_key(path).public_key]}
    return releases_flywheel(folder / "flywheel", releases=rules, **more), path


@contextmanager
def signed_in(who: str) -> Iterator[None]:
    """MLflow's own clients, within this block, call as somebody."""
    names = {"MLFLOW_TRACKING_USERNAME": who, "MLFLOW_TRACKING_PASSWORD": password(who)}
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(names)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


@dataclass(frozen=True, slots=True)
class PluginServer:
    """A running server; ``root`` holds the flywheel whose decisions it takes, ``accounts`` says that it has some."""

    uri: str
    root: Path
    accounts: bool
    log: Path

    def bench(self) -> ReleasesBench:
        """Its flywheel, seen by a client; on a server with accounts within :func:`signed_in`."""
        return ReleasesBench(bench_on(load_flywheel(self.root), self.uri))

    def call(
        self, method: str, path: str, *, who: str | None = None, headers: Mapping[str, str] | None = None, **more: Any
    ) -> requests.Response:
        """A raw request; ``who`` signs in where there are accounts, and is claimed where there are none."""
        given = dict(headers or {})
        auth = (who, password(who)) if who and self.accounts else None
        if who and not self.accounts:
            given.setdefault("X-Flywheel-Actor", quote(who))
        return requests.request(method, self.uri + path, auth=auth, headers=given, timeout=120, **more)

    def act(self, who: str | None, name: str, /, **arguments: Any) -> requests.Response:
        """Ask the server to do an act."""
        return self.call("POST", f"{ACTS}/{name}", who=who, json=arguments)

    def done(self, who: str, name: str, /, **arguments: Any) -> dict[str, Any]:
        """The result of an act that is done."""
        answer = self.act(who, name, **arguments)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def deny(self, who: str, kind: str, resource: str) -> None:
        """Take a right from somebody."""
        self._grant(who, kind, resource, "DENY")

    def permit(self, who: str, kind: str, resource: str) -> None:
        """Let somebody write something."""
        self._grant(who, kind, resource, "EDIT")

    def _grant(self, who: str, kind: str, resource: str, permission: str) -> None:
        grant = {"username": who, "resource_type": kind, "resource_id": resource, "permission": permission}
        path = "/api/3.0/mlflow/users/permissions/grant"
        if numbers_of(mlflow.__version__) < (3, 13):
            grant = {
                "username": who,
                f"{kind}_id": resource,
                "permission": permission.replace("DENY", "NO_PERMISSIONS"),
            }
            path = f"/api/2.0/mlflow/{kind}s/permissions/create"
        answer = self.call("POST", path, who=ADMIN, json=grant)
        assert answer.status_code == 200, answer.text
