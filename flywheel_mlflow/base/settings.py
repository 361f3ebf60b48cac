"""Where servers and files are: the environment, read once at the edge and handed down."""

from __future__ import annotations

import getpass
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

from flywheel_mlflow.base.errors import InputError

DATA_FOLDER = "mlflow-data"
DATABASE_FILE = "mlflow.db"
ARTIFACT_FOLDER = "artifacts"
#: Where `flywheel ui` listens: this machine alone reaches it.
UI_HOST = "127.0.0.1"
UI_PORT = 5000

#: What measures data: the processors of this machine, or the tasks of Ray.
Engine = Literal["local", "ray"]

#: One request may take this long: a search over a store of 100,000 runs answers in about a
#: second on a quiet machine, and a loaded server is slower, but nobody waits two minutes.
REQUEST_TIMEOUT_S = 60
#: Retries after a refused connection or a server error; MLflow's own default of 7 keeps a
#: command hanging for four minutes before it says that the server is gone.
REQUEST_RETRIES = 2
#: How long the first knock on a server's door may take.
CONNECT_TIMEOUT_S = 5.0
#: How long the first answer may take, whatever it is; a server busy with a long search still
#: answers ``/health``, which reads nothing.
ANSWER_TIMEOUT_S = 5.0

#: Up to the last @, so that a password that holds @ or / (which it should not) is covered too. A
#: file's path begins with / right after :// and has no credentials.
_CREDENTIALS = re.compile(r"(?<=://)(?!/).*@")
_SECRET_OPTION = re.compile(r"(?i)(?<=[?&])([^=&]*(?:password|passwd|token|secret|key)[^=&]*)=[^&]*")

_CREDENTIALS_IN_TEXT = re.compile(r"(?<=://)[^/\s]*@")
_SECRET_OPTION_IN_TEXT = re.compile(r"(?i)(?<=[?&])([^=&\s]*(?:password|passwd|token|secret|key)[^=&\s]*)=[^&\s]*")


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a command needs to know about its surroundings.

    ``artifact_root`` is a folder for the artifacts of new experiments when the store is a
    database file without a server, else None: then the server decides. ``run_id`` and
    ``experiment_id`` belong to the run that ``mlflow run`` already made, if any.
    """

    root: Path
    tracking_uri: str = field(repr=False)
    artifact_root: Path | None
    actor: str
    run_id: str | None = None
    experiment_id: str | None = None

    @property
    def shown_uri(self) -> str:
        """The tracking URI without its credentials, for messages."""
        return without_credentials(self.tracking_uri)

    @property
    def store_folder(self) -> Path:
        """The folder of the database file; the flywheel's own for data, unused so far, where a server has the store."""
        return self.artifact_root.parent if self.artifact_root else self.root / DATA_FOLDER

    @property
    def is_server(self) -> bool:
        """Whether an MLflow server stands between us and the store."""
        return is_server(self.tracking_uri)


def is_server(tracking_uri: str) -> bool:
    """Whether a tracking URI is the address of a server, rather than that of a store."""
    return tracking_uri.startswith(("http://", "https://"))


def read_settings(root: Path, environ: Mapping[str, str], *, tracking_uri: str | None = None) -> Settings:
    """The settings for a flywheel at ``root``; an explicit ``tracking_uri`` wins over the environment.

    Without either, everything is kept in a database file and a folder under ``mlflow-data``. ``mlflow run`` always sets
    the environment: to ``mlflow.db`` in the flywheel's folder where nobody chose a store, which is understood so.

    Raises:
        InputError: a tracking URI this product cannot use.
    """
    embedded = root / DATA_FOLDER / DATABASE_FILE
    chosen = environ.get("MLFLOW_TRACKING_URI") or ""
    unchosen = _is_default(root, chosen)
    uri = tracking_uri or ("" if unchosen else chosen) or f"sqlite:///{embedded}"
    if uri == "sqlite:///" or not uri.startswith(("sqlite:///", "http://", "https://")):
        raise InputError(
            f"cannot keep a flywheel at {without_credentials(uri)[:200]!r}",
            hint="use http(s)://HOST:PORT of an MLflow server (on PostgreSQL, say), or sqlite:///FILE",
        )
    artifact_root: Path | None = None
    if uri.startswith("sqlite:///"):
        database = Path(uri.removeprefix("sqlite:///").split("?")[0])
        artifact_root = database.absolute().parent / ARTIFACT_FOLDER
    return Settings(
        root=root,
        tracking_uri=uri,
        artifact_root=artifact_root,
        actor=environ.get("MLFLOW_TRACKING_USERNAME") or _login(),
        # What `mlflow run` made lies in the store it chose.
        run_id=None if unchosen else environ.get("MLFLOW_RUN_ID") or None,
        experiment_id=None if unchosen else environ.get("MLFLOW_EXPERIMENT_ID") or None,
    )


def openlineage_target(given: str | None, environ: Mapping[str, str]) -> str:
    """Where OpenLineage events go: ``on`` (as the client is configured), a file, or empty: nowhere.

    What is ``given`` wins over ``FLYWHEEL_OPENLINEAGE``; ``off`` is nowhere.
    """
    target = environ.get("FLYWHEEL_OPENLINEAGE", "") if given is None else given
    return "" if target == "off" else target


def _is_default(root: Path, uri: str) -> bool:
    """Whether ``uri`` is where MLflow itself keeps runs when it stands in ``root`` and nobody said where."""
    place = Path(unquote(uri.removeprefix("sqlite:///")))
    return uri.startswith("sqlite:///") and place.resolve() == root.resolve() / DATABASE_FILE


def without_credentials(uri: str) -> str:
    """``uri`` without user, password and secret options, for messages."""
    return _SECRET_OPTION.sub(r"\1=***", _CREDENTIALS.sub("", uri))


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container user without a passwd entry has no name; the ledger shows that.
        return "unknown"


def redacted(text: str) -> str:
    """Any text, such as another library's error, without the credentials of the addresses in it."""
    return _SECRET_OPTION_IN_TEXT.sub(r"\1=***", _CREDENTIALS_IN_TEXT.sub("", text))
