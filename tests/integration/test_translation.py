"""Foreign errors at the wall: every code MLflow can send, and every error below it, becomes ours with a hint."""

from __future__ import annotations

import errno
import shutil
import sqlite3

import pytest
import requests
from google.protobuf.json_format import ParseError  # type: ignore[import-untyped]  # ships no types
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import ErrorCode
from sqlalchemy.exc import OperationalError

from flywheel_mlflow.base.errors import (
    ExitCode,
    FlywheelError,
    InputError,
    ServerError,
    ServerRefused,
    ServerUnreachable,
    StorageError,
)
from flywheel_mlflow.tracking.connection import hint_for, refusal, translate, translated

URI = "http://mlflow.example.org"


@pytest.mark.parametrize("code", ErrorCode.keys())
def test_every_code_has_a_hint(code: str) -> None:
    """Each error code of MLflow's own table becomes a refusal that carries the code, the address and a hint."""
    ours = translate(MlflowException("it said no", error_code=ErrorCode.Value(code)), URI)
    assert isinstance(ours, ServerRefused)
    assert (ours.code, ours.where, ours.exit_code) == (code, URI, ExitCode.FAILURE)
    assert ours.hint
    assert "it said no" in ours.what


def test_hints_differ_by_what_to_do() -> None:
    """The table is no single sentence: what can be retried, asked for or corrected is told apart."""
    assert len({hint_for(code) for code in ErrorCode.keys()}) >= 10  # noqa: SIM118 - protobuf's wrapper is no mapping


def _caused(by: BaseException) -> MlflowException:
    error = MlflowException("API request failed")
    error.__cause__ = by
    return error


FOREIGN: list[tuple[BaseException, type[FlywheelError], str]] = [
    (requests.ConnectionError("refused"), ServerUnreachable, "refused"),
    (requests.ReadTimeout("no answer"), ServerUnreachable, "no answer"),
    (_caused(requests.ConnectionError("refused")), ServerUnreachable, "refused"),
    (requests.exceptions.RetryError("too many 500 error responses"), ServerUnreachable, "too many 500"),
    (MlflowException("odd"), ServerRefused, "odd"),
    (OperationalError("SELECT 1", {}, Exception("database is locked")), ServerError, "database is locked"),
    (sqlite3.DatabaseError("file is not a database"), ServerError, "not a database"),
    (ParseError("Failed to parse"), ServerError, "not one of MLflow's"),
    (OSError(errno.ENOSPC, "No space left on device", "/data/x"), StorageError, "disk is full"),
    (_caused(OSError(errno.EDQUOT, "Quota exceeded")), StorageError, "disk is full"),
    (OperationalError("INSERT", {}, Exception("database or disk is full")), StorageError, "disk is full"),
    (shutil.Error([("a", "b", "[Errno 28] No space left on device: 'b'")]), StorageError, "disk is full"),
    (PermissionError(errno.EACCES, "Permission denied", "/data/x"), StorageError, "Permission denied"),
]


@pytest.mark.parametrize(("foreign", "kind", "words"), FOREIGN, ids=lambda value: type(value).__name__)
def test_foreign_errors(foreign: BaseException, kind: type[FlywheelError], words: str) -> None:
    """Errors of requests, SQLAlchemy, SQLite, protobuf and the system become ours with place, hint and exit code 4."""
    ours = translate(foreign, URI)
    assert type(ours) is kind
    assert words in ours.what
    assert ours.where
    assert ours.hint
    assert ours.exit_code is ExitCode.FAILURE


def test_our_errors_pass_untouched() -> None:
    """An error of ours crosses the wall as it is, and keeps its exit code."""
    with pytest.raises(InputError, match="mine") as caught, translated(URI):
        raise InputError("mine")
    assert caught.value.exit_code is ExitCode.USAGE


def test_defects_are_not_dressed_up() -> None:
    """A programming error is not called a server's fault: it passes, and the command line reports a defect."""
    with pytest.raises(AttributeError), translated(URI):
        raise AttributeError("a bug")


def test_cause_is_kept() -> None:
    """The foreign error stays attached as the cause, for --verbose."""
    foreign = requests.ConnectionError("refused")
    with pytest.raises(ServerUnreachable) as caught, translated(URI):
        raise foreign
    assert caught.value.__cause__ is foreign


def test_credentials_are_redacted() -> None:
    """A foreign message that quotes an address with a password loses it on the way."""
    ours = translate(requests.ConnectionError("GET http://user:s3cret@host/api failed"), URI)
    assert ours is not None
    assert "s3cret" not in ours.diagnostics()


@pytest.mark.parametrize(("status", "code"), [(403, "PERMISSION_DENIED"), (404, "NOT_FOUND"), (507, "HTTP_507")])
def test_an_http_error_is_an_answer(status: int, code: str) -> None:
    """A server that says no is not told as one that does not answer."""
    response = requests.Response()
    response.status_code = status
    ours = translate(requests.HTTPError("no", response=response), "http://h")
    assert isinstance(ours, ServerRefused)
    assert (ours.code, ours.hint is not None) == (code, True)


@pytest.mark.parametrize(
    "said",
    [
        "(psycopg.errors.ReadOnlySqlTransaction) cannot execute INSERT in a read-only transaction [SQL: INSERT x]",
        "(sqlite3.OperationalError) attempt to write a readonly database [SQL: INSERT INTO params]",
    ],
)
def test_a_database_that_takes_no_writes_is_told_as_that(said: str) -> None:
    """Neither the database's words nor the statement with its values, and nothing about versions of MLflow."""
    told = refusal("BAD_REQUEST", said, URI).diagnostics()
    assert "read-only" in told
    assert "SQL" not in told.replace("read-only", "")
    assert "version" not in told


def test_statements_stay_out_of_messages() -> None:
    """What the database refused is told, not what was to be written."""
    told = refusal("BAD_REQUEST", "(IntegrityError) duplicate key [SQL: INSERT secret] [parameters: secret]", URI)
    assert "duplicate key" in told.what
    assert "secret" not in told.what
