"""Reads the server's own stores by columns, through the connections that they have open anyway."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as Registry
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as Tracker

from flywheel_mlflow.base.errors import FlywheelError
from flywheel_mlflow.tracking.reading.columns import ColumnReader, Rows, tables_of
from flywheel_mlflow.tracking.reading.port import NotUnderstood

#: Databases where reading by columns was compared with MLflow's own answers, and how they mark values.
DATABASES = {"sqlite": "?", "postgresql": "%s"}


def reader_of(tracker: Any, registry: Any, uri: str) -> ColumnReader | None:
    """A reader of the server's tables; None where MLflow has to answer.

    A store of another kind (workspaces, a plugin's) may hide things from some people, so it answers itself.
    """
    kinds = ((tracker, Tracker), (registry, Registry))
    if not all(type(store) is kind and store.engine.dialect.name in DATABASES for store, kind in kinds):
        return None
    runs, models = partial(_session, tracker), partial(_session, registry)
    for session in (runs, models):
        with session() as rows:
            if tables_of(rows) is None:
                return None
    return ColumnReader(runs, uri, models=models)


@contextmanager
def _session(store: Any) -> Iterator[Rows]:
    mark = DATABASES[store.engine.dialect.name]
    told: Exception | None = None
    with store.ManagedSessionMaker() as session:
        connection = session.connection()

        def ask(statement: str, values: Sequence[Any]) -> Sequence[Sequence[Any]]:
            found: Sequence[Sequence[Any]] = connection.exec_driver_sql(
                statement.replace("?", mark), tuple(values)
            ).fetchall()
            return found

        try:
            yield ask
        except (FlywheelError, NotUnderstood) as error:
            told = error  # MLflow would take it for a failure of the database
    if told is not None:
        raise told
