"""What all tests share: isolation, and embedded stores.

No test sees the settings of the person who runs it, and unit tests cannot reach a network.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis.database import DirectoryBasedExampleDatabase
from prepared import prepared
from servers.embedded import TEMPLATE, EmbeddedStore, copy_store, make_template
from servers.keeper import keeping
from stress import repetitions
from xdist.scheduler import LoadFileScheduling

ROOT = Path(__file__).resolve().parent.parent
FOREIGN_SETTINGS = ("MLFLOW_", "EVIDENTLY_", "FLYWHEEL_", "_MLFLOW_")
TELEMETRY_OFF = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}

# Test modules may import mlflow while they are collected, before any fixture: it must not phone home then either.
os.environ.update(TELEMETRY_OFF)

#: A file system in memory, and the room it must have: stores commit thousands of times, and a disk makes each of them
#: wait (3 ms measured, 0.1 in memory).
_MEMORY = Path("/dev/shm")  # noqa: S108 - pytest and tempfile make folders of their own in it
_ROOM = 6 * 2**30
if "TMPDIR" not in os.environ and _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK):
    # Some tests run programs that they put into their folder.
    runs_programs = not os.statvfs(_MEMORY).f_flag & os.ST_NOEXEC
    if runs_programs and shutil.disk_usage(_MEMORY).free >= _ROOM:
        os.environ["TMPDIR"] = tempfile.tempdir = str(_MEMORY)

# Deadlines are timed assertions. In CI the same examples every time, elsewhere new ones, kept beside the project since
# tests run in folders of their own.
settings.register_profile(
    "local",
    deadline=None,
    max_examples=repetitions(30, 300),
    database=DirectoryBasedExampleDatabase(ROOT / ".hypothesis/examples"),
)
settings.register_profile("ci", settings.get_profile("local"), derandomize=True, database=None, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


def pytest_configure(config: pytest.Config) -> None:
    """The first process of a session keeps the servers that it and its workers use."""
    if not hasattr(config, "workerinput"):
        kept = ExitStack()
        kept.enter_context(keeping())
        config.add_cleanup(kept.close)


#: Folders whose files share servers with people and releases, which take half a minute to make.
_SHARED = frozenset({"tests/browser", "tests/integration/console", "tests/integration/server_plugin"})


class _ByFileOrServer(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
    """Gives a worker whole files, which turn flywheels once for all of their tests, or the whole of such a folder."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        folder = file.rpartition("/")[0]
        return folder if folder in _SHARED else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """What `--dist loadfile` means here; `loadgroup` does nothing with pytest 9.2 (xdist 3.8.0)."""
    return _ByFileOrServer(config, log) if config.getvalue("dist") == "loadfile" else None


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


@pytest.fixture(scope="session")
def migrated_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite store as MLflow leaves it after its migrations, which take seconds; copies of it take none."""
    return prepared(tmp_path_factory, "store", make_template) / TEMPLATE


@pytest.fixture
def embedded_store(migrated_template: Path, tmp_path: Path) -> Callable[[], EmbeddedStore]:
    """Makes fresh embedded stores, below the test's own folder."""

    def make() -> EmbeddedStore:
        return copy_store(migrated_template, tmp_path / f"store-{sum(1 for _ in tmp_path.glob('store-*'))}")

    return make
