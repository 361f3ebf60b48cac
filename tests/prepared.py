"""States that take long to make: one of a session's workers makes each, in a folder that all of them copy."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

#: pytest-xdist's name of a worker; without it there is one process.
_WORKER = "PYTEST_XDIST_WORKER"
_MADE = ".made"


def session_folder(factory: pytest.TempPathFactory) -> Path:
    """The temporary folder of the whole session, which its workers share."""
    base = factory.getbasetemp()
    return base.parent if _WORKER in os.environ else base


def prepared(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """The folder that ``make`` filled: whoever needs it first makes it, others wait for that. It is only read."""
    folder = session_folder(factory) / f"prepared-{name}"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / _MADE).exists():
            shutil.rmtree(folder, ignore_errors=True)  # somebody failed halfway
            folder.mkdir()
            make(folder)
            (folder / _MADE).touch()
    return folder


def copied(source: Path, target: Path, database: str) -> Path:
    """A copy of a folder that holds a SQLite store with its artifacts, whose addresses lead into the copy."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(_MADE), dirs_exist_ok=True)
    with closing(sqlite3.connect(target / database)) as store, store:
        tables = [name for (name,) in store.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            columns = [row[1] for row in store.execute("SELECT * FROM pragma_table_info(?)", (table,))]
            for column in columns:
                # Tables and columns are MLflow's own.
                change = f'UPDATE "{table}" SET "{column}" = replace("{column}", ?1, ?2) WHERE instr("{column}", ?1)'  # noqa: S608
                store.execute(change, (str(source), str(target)))
    return target
