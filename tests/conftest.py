"""Isolation: no test sees the settings of the person who runs it, and unit tests cannot reach a network."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis.database import DirectoryBasedExampleDatabase

ROOT = Path(__file__).resolve().parent.parent
FOREIGN_SETTINGS = ("MLFLOW_", "EVIDENTLY_", "FLYWHEEL_", "_MLFLOW_")
TELEMETRY_OFF = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}

# Test modules may import mlflow while they are collected, before any fixture: it must not phone home then either.
os.environ.update(TELEMETRY_OFF)

# Deadlines are timed assertions. In CI the same examples every time, elsewhere new ones, kept beside the project since
# tests run in folders of their own.
settings.register_profile("local", deadline=None, database=DirectoryBasedExampleDatabase(ROOT / ".hypothesis/examples"))
settings.register_profile("ci", deadline=None, derandomize=True, database=None, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


#: Servers, with people and releases, that take half a minute to make: all files that use one are one worker's.
_SHARED = ("console", "accounts", "trusting", "released")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What one worker gets as a whole: a file, or the files of a folder that share a server.

    Files start servers and turn flywheels once for all of their tests.
    """
    groups: dict[Path, str] = {}
    for item in items:
        for name in _SHARED:
            if name in getattr(item, "fixturenames", ()):
                groups.setdefault(item.path, f"{item.path.parent.relative_to(ROOT)} {name}")
    for item in items:
        item.add_marker(pytest.mark.xdist_group(groups.get(item.path, str(item.path.relative_to(ROOT)))))


class _NetworkGuard:
    """Refuses connections while ``closed``; local sockets of the operating system stay open.

    An audit hook sees every connection of the process, whichever library makes it, and cannot be taken away again:
    hence the switch.
    """

    def __init__(self) -> None:
        self.closed = False

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.closed and event == "socket.connect" and isinstance(arguments[1], tuple):
            raise PermissionError(f"a unit test tried to connect to {arguments[1]}: mark it `integration`")


_GUARD = _NetworkGuard()
sys.addaudithook(_GUARD)


@pytest.fixture(autouse=True)
def isolation(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A folder of its own, no settings from outside, and no network unless the test is marked `integration`."""
    for name in list(os.environ):
        if name.startswith(FOREIGN_SETTINGS):
            monkeypatch.delenv(name)
    for name, value in TELEMETRY_OFF.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    _GUARD.closed = request.node.get_closest_marker("integration") is None
    yield
    _GUARD.closed = False


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout: tests run elsewhere, so paths into it start here."""
    return ROOT
