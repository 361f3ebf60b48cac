"""Servers whose console the tests read, each started once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from servers.console import PUBLIC_NAME, ConsoleServer, running_console


@pytest.fixture(scope="session")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsoleServer]:
    """A server with accounts and three releases: SQLite, two workers, a path and a public name of its own."""
    named = {
        "MLFLOW_SERVER_ALLOWED_HOSTS": f"{PUBLIC_NAME},127.0.0.1:*",
        "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": f"https://{PUBLIC_NAME}",
    }
    folder = tmp_path_factory.mktemp("console")
    with running_console(folder, workers=2, prefix="/ml", environ=named) as server:
        yield server
