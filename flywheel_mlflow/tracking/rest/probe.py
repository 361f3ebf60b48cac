"""Greets a server: whether it is there, and what the flywheel's plugin in it says about itself."""

from __future__ import annotations

import socket
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from flywheel_mlflow.base.errors import ServerUnreachable
from flywheel_mlflow.base.settings import ANSWER_TIMEOUT_S, CONNECT_TIMEOUT_S, Settings
from flywheel_mlflow.tracking.connection import ROUTES, unreachable
from flywheel_mlflow.tracking.rest.transport import HttpTransport


def probe_server(settings: Settings, transport: HttpTransport) -> dict[str, Any] | None:
    """What the flywheel's plugin in the server says about itself; None without plugin.

    Fails within seconds when something listens and never answers; an MLflow server without the plugin says that there
    is no such address, and costs no second request.

    Raises:
        ServerUnreachable: also when what answers is no MLflow server: one that says yes to everything, and no more,
            would look like an empty flywheel.
    """
    _knock(settings)
    answer = transport.ask("GET", f"{ROUTES}/about", timeout=ANSWER_TIMEOUT_S, retries=0, any_status=True)
    if answer.status != 200:
        return None
    document = answer.document()
    if document is None or document.get("plugin") != "flywheel":
        raise ServerUnreachable(
            "what answers there is no MLflow server: it knows an address that MLflow does not have",
            where=settings.shown_uri,
            hint="correct MLFLOW_TRACKING_URI, or what stands between you and the server (a proxy, a sign-in page)",
        )
    return document


def _knock(settings: Settings) -> None:
    """Fail within seconds when nobody listens; MLflow would try for minutes."""
    address = urlsplit(settings.tracking_uri)
    host = address.hostname or ""
    if getproxies().get(address.scheme) and not proxy_bypass(host):
        return  # the proxy is the one to reach, and requests knows how
    try:
        port = address.port or (443 if address.scheme == "https" else 80)
        with socket.create_connection((host, port), timeout=CONNECT_TIMEOUT_S):
            return
    except (OSError, ValueError) as error:
        raise unreachable(settings.shown_uri, str(error)) from error
