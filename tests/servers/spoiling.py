"""Reaches behind a tracking server's back: rows of its database, files of its artifact folder; all is put back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mlflow import MlflowClient
from sqlalchemy import Connection, create_engine, text

from servers.tracking import TrackingServerProcess


@contextmanager
def _database(server: TrackingServerProcess) -> Iterator[Connection]:
    engine = create_engine(server.backend)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def params_of(server: TrackingServerProcess, run_id: str) -> dict[str, str]:
    """The params of a run as the database has them."""
    with _database(server) as database:
        rows = database.execute(text("SELECT key, value FROM params WHERE run_uuid = :run"), {"run": run_id})
        return {row.key: row.value for row in rows}


def set_params(server: TrackingServerProcess, run_id: str, params: dict[str, str]) -> None:
    """Let a run have exactly these params, as whoever can write the database can."""
    with _database(server) as database:
        database.execute(text("DELETE FROM params WHERE run_uuid = :run"), {"run": run_id})
        for key, value in params.items():
            row = {"run": run_id, "key": key, "value": value}
            database.execute(text("INSERT INTO params (run_uuid, key, value) VALUES (:run, :key, :value)"), row)


@contextmanager
def spoilt_params(
    server: TrackingServerProcess, run_id: str, spoil: Callable[[dict[str, str]], dict[str, str]]
) -> Iterator[None]:
    """A run whose params somebody changed in the database, until the block ends; what came on top goes with it."""
    good = params_of(server, run_id)
    set_params(server, run_id, spoil(dict(good)))
    try:
        yield
    finally:
        set_params(server, run_id, good)


def artifact_file(server: TrackingServerProcess, run_id: str, place: str) -> Path:
    """Where the server keeps a run's artifact on its disk."""
    address = str(MlflowClient(tracking_uri=server.uri).get_run(run_id).info.artifact_uri)
    assert address.startswith("mlflow-artifacts:/")
    return server.log.parent / "artifacts" / address.removeprefix("mlflow-artifacts:/") / place


@contextmanager
def spoilt_file(path: Path, old: str, new: str | None) -> Iterator[None]:
    """A file in which ``old`` reads ``new``, or that is gone, until the block ends."""
    good = path.read_text(encoding="utf-8")
    assert old in good
    if new is None:
        path.unlink()
    else:
        path.write_text(good.replace(old, new, 1), encoding="utf-8")
    try:
        yield
    finally:
        path.write_text(good, encoding="utf-8")
