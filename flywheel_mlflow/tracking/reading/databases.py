"""Opens a tracking store that is a database file, without MLflow where its tables are known."""

from __future__ import annotations

import os
import sqlite3
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from flywheel_mlflow.base.settings import Settings
from flywheel_mlflow.tracking.reading.columns import ColumnReader, Rows, Session, tables_of
from flywheel_mlflow.tracking.reading.port import NotUnderstood

#: How long a question waits for somebody who is writing; as long as MLflow does.
_BUSY_S = 20
#: Settings with which MLflow looks at other tables, or elsewhere.
_ELSEWHERE = ("MLFLOW_ENABLE_WORKSPACES", "MLFLOW_WORKSPACE", "MLFLOW_READ_REPLICA_BACKEND_STORE_URI")


def open_reader(settings: Settings) -> ColumnReader | None:
    """A reader of the store's tables; None where only MLflow can open it, or has to make it first."""
    if any(os.environ.get(name, "").strip().lower() not in ("", "false", "0") for name in _ELSEWHERE):
        return None
    session = _sqlite(settings.tracking_uri)
    if session is None or _tables(session) is None:
        return None
    return ColumnReader(session, settings.shown_uri)


def read_tables(settings: Settings) -> str | None:
    """The MLflow, such as 3.17, whose tables the database file has; None for any that are not known here."""
    session = _sqlite(settings.tracking_uri)
    return _tables(session) if session is not None else None


def _tables(session: Session) -> str | None:
    try:
        with session() as rows:
            return tables_of(rows)
    except NotUnderstood:
        return None


def _sqlite(uri: str) -> Session | None:
    """Questions to a database file; None where there is none yet, or its address says more than its path."""
    scheme, found, place = uri.partition("sqlite:///")
    if scheme or not found or "?" in place or "#" in place or "%" in place or not Path(place).is_file():
        return None
    try:
        # Opened to read: nothing here can change it.
        connection = sqlite3.connect(
            f"file:{quote(str(Path(place).absolute()))}?mode=ro",
            uri=True,
            timeout=_BUSY_S,
            isolation_level=None,
            check_same_thread=False,
        )
    except sqlite3.Error:
        return None
    turn = threading.RLock()

    def ask(statement: str, values: Sequence[Any]) -> list[Any]:
        return connection.execute(statement, values).fetchall()

    @contextmanager
    def session() -> Iterator[Rows]:
        with turn:
            try:
                connection.execute("BEGIN")
                yield ask
            except sqlite3.Error as error:
                raise NotUnderstood("the database") from error
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    # Python 3.13 warns of a connection that nobody closed.
    weakref.finalize(session, connection.close)
    return session
