"""How MLflow's settings want requests sent, read without importing MLflow.

They are read before each request, as MLflow does:

==============================================================  ==============================================
``MLFLOW_TRACKING_USERNAME``, ``_PASSWORD``, ``_TOKEN``         sent; a user beats a token
``~/.mlflow/credentials``                                       read where these name no user or no password
``MLFLOW_TRACKING_INSECURE_TLS``, ``_SERVER_CERT_PATH``         heeded; one of the two
``MLFLOW_TRACKING_CLIENT_CERT_PATH``                            heeded
``MLFLOW_HTTP_REQUEST_TIMEOUT``, ``_MAX_RETRIES``               heeded; ours are shorter where they are not set
``MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR``, ``_BACKOFF_JITTER``     heeded
``MLFLOW_ALLOW_HTTP_REDIRECTS``                                 heeded
any other ``MLFLOW_TRACKING_...`` or ``MLFLOW_HTTP_...``        MLflow sends the request itself, after its import
(such as ``MLFLOW_TRACKING_AWS_SIGV4``, ``_AUTH``)
``MLFLOW_WORKSPACE``, ``mlflow.set_workspace``, Databricks      likewise
a registered ``mlflow.request_header_provider``                 likewise
a value that cannot be read                                     likewise: MLflow says what is wrong with it
==============================================================  ==============================================
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.base.settings import REQUEST_RETRIES, REQUEST_TIMEOUT_S

#: MLflow's own defaults and limits (mlflow.environment_variables of 3.17.2).
_BACKOFF_FACTOR, _BACKOFF_JITTER = 2, 1.0
_MOST_RETRIES, _MOST_BACKOFF = 10, 120
_CARRIED = frozenset(
    {
        *(f"MLFLOW_TRACKING_{name}" for name in ("URI", "USERNAME", "PASSWORD", "TOKEN", "INSECURE_TLS")),
        *("MLFLOW_TRACKING_SERVER_CERT_PATH", "MLFLOW_TRACKING_CLIENT_CERT_PATH"),
        *(f"MLFLOW_HTTP_REQUEST_{name}" for name in ("TIMEOUT", "MAX_RETRIES", "BACKOFF_FACTOR", "BACKOFF_JITTER")),
    }
)
_NOT_CARRIED = ("MLFLOW_TRACKING_", "MLFLOW_HTTP_", "_MLFLOW_HTTP_", "_MLFLOW_DATABRICKS_", "DATABRICKS_RUNTIME")
_SWITCHES = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """How requests are sent.

    ``authorization`` is the header that says who asks; ``verify`` is whether to check the server's certificate, or by
    which authorities (a path); ``certificate`` is the client's own (a path); ``timeout`` counts seconds; ``retries``,
    ``backoff`` and ``jitter`` are as urllib3 takes them; ``redirects`` is whether to follow them.
    """

    authorization: str | None
    verify: bool | str
    certificate: str | None
    timeout: int
    retries: int
    backoff: int
    jitter: float
    redirects: bool


def http_settings_of(environ: Mapping[str, str]) -> HttpSettings | None:
    """How to send a request; None when MLflow has to do it, because of a setting that only it knows."""
    if _needs_mlflow(environ):
        return None
    try:
        retries = int(environ.get("MLFLOW_HTTP_REQUEST_MAX_RETRIES", REQUEST_RETRIES))
        backoff = int(environ.get("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", _BACKOFF_FACTOR))
        insecure = _SWITCHES[environ.get("MLFLOW_TRACKING_INSECURE_TLS", "false").lower()]
        authority = environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH")
        manner = HttpSettings(
            authorization=_authorization(environ),
            verify=not insecure if authority is None else authority,
            certificate=environ.get("MLFLOW_TRACKING_CLIENT_CERT_PATH"),
            timeout=int(environ.get("MLFLOW_HTTP_REQUEST_TIMEOUT", REQUEST_TIMEOUT_S)),
            retries=retries,
            backoff=backoff,
            jitter=float(environ.get("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", _BACKOFF_JITTER)),
            redirects=environ.get("MLFLOW_ALLOW_HTTP_REDIRECTS", "true").lower() in ("true", "1"),
        )
    except (ValueError, KeyError):
        return None
    sound = 0 <= retries <= _MOST_RETRIES and 0 <= backoff <= _MOST_BACKOFF
    return manner if sound and not (insecure and authority is not None) else None


def _needs_mlflow(environ: Mapping[str, str]) -> bool:
    foreign = any(name.startswith(_NOT_CARRIED) and name not in _CARRIED and environ[name] for name in environ)
    # mlflow.set_workspace writes the variable too.
    return foreign or bool(environ.get("MLFLOW_WORKSPACE", "").strip()) or _header_providers()


@lru_cache(maxsize=1)
def _header_providers() -> bool:
    """Whether a package of this environment adds headers to MLflow's requests."""
    from importlib.metadata import entry_points

    return bool(entry_points(group="mlflow.request_header_provider"))


def _authorization(environ: Mapping[str, str]) -> str | None:
    """The header that says who asks, as MLflow makes it: a user with a password, else a token.

    Raises:
        InputError: a token that no header can hold. ValueError: a file of credentials that cannot be read.
    """
    user, password = environ.get("MLFLOW_TRACKING_USERNAME"), environ.get("MLFLOW_TRACKING_PASSWORD")
    if not (user and password):
        kept = _credentials_file()
        user, password = user or kept.get("mlflow_tracking_username"), password or kept.get("mlflow_tracking_password")
    if user and password:
        return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"
    token = environ.get("MLFLOW_TRACKING_TOKEN")
    if token and any(letter in token for letter in "\r\n"):
        # requests would refuse the header too, and show it.
        raise InputError("MLFLOW_TRACKING_TOKEN holds a line break", hint="set it to the token alone")
    return f"Bearer {token}" if token else None


def _credentials_file() -> Mapping[str, str]:
    """What ``mlflow login`` and people keep in a file."""
    from configparser import ConfigParser, Error

    try:
        path = Path("~/.mlflow/credentials").expanduser()
    except RuntimeError:
        return {}  # a container's user without a home has no such file
    if not path.exists():
        return {}
    parser = ConfigParser()
    try:
        parser.read(path, encoding="utf-8")
        return dict(parser["mlflow"]) if "mlflow" in parser else {}
    except Error as error:
        raise ValueError(f"{path} cannot be read") from error
