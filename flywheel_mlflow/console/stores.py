"""Opens the server's own stores in place of a connection, and finds artifacts behind the server's proxy."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote, urlsplit

from flywheel_mlflow.base.errors import InputError, ServerError
from flywheel_mlflow.base.settings import Settings
from flywheel_mlflow.tracking.versions import numbers_of

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from flywheel_mlflow.console.served import ServedFlywheel
    from flywheel_mlflow.tracking import Tracking
    from flywheel_mlflow.tracking.reading.columns import ColumnReader

#: A scheme that only this process knows: MLflow's client then works on the very objects that answer the server's own
#: requests, with their pool of connections, artifact root and registry store, and without a request to itself.
SCHEME = "flywheel-server"
#: What the mlflow-artifacts scheme of run addresses stands for.
PROXIED = "mlflow-artifacts"


def register_server_stores() -> None:
    """Let MLflow's client find the server's stores under :data:`SCHEME`, in this process."""
    from mlflow.server import handlers
    from mlflow.tracking._model_registry.utils import _get_store_registry
    from mlflow.tracking._tracking_service.utils import _register

    # Opened here, not by the functions below: these are called under the lock that opening a store takes.
    tracking = handlers._get_tracking_store()  # noqa: SLF001 - the handlers' own way to it
    registry = handlers._get_model_registry_store()  # noqa: SLF001 - likewise

    def tracking_store(**_: Any) -> Any:
        return tracking

    def registry_store(**_: Any) -> Any:
        return registry

    _register(SCHEME, tracking_store)  # type: ignore[no-untyped-call]  # MLflow leaves it untyped
    _get_store_registry().register(SCHEME, registry_store)  # type: ignore[no-untyped-call]  # likewise


def keep_store_private() -> None:
    """Let MLflow hand out no signed addresses of its artifact store, so that every file passes this server.

    It offers them (``/server-info``) wherever the store can sign, and its clients then ask the store itself for every
    file they download (tried on 3.17.2): where they do not reach it, nothing can be downloaded. Its handlers judge what
    a store can by these classes; of a store that cannot, clients take and send everything through the server.
    """
    from mlflow.server import handlers

    class CannotSign:
        """What no artifact store is."""

    for ability in ("MultipartDownloadMixin", "MultipartUploadMixin", "PresignedUploadMixin"):
        if not hasattr(handlers, ability):
            raise ServerError(f"this version of MLflow judges an artifact store by other means than {ability}")
        setattr(handlers, ability, CannotSign)


def engines() -> tuple[Any, Any]:
    """The databases of the server's tracking store and of its model registry.

    Raises:
        InputError: one of them is kept elsewhere, where nobody can see what is written, or in a way that fails later.
    """
    import mlflow
    from mlflow.server import handlers
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as Registry
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as Tracker

    tracking, registry = handlers._get_tracking_store(), handlers._get_model_registry_store()  # noqa: SLF001
    if not (isinstance(tracking, Tracker) and isinstance(registry, Registry)):
        raise InputError(
            "the flywheel's plugin guards databases only",
            hint="start `mlflow server` with a --backend-store-uri of sqlite, postgresql or mysql",
        )
    if numbers_of(mlflow.__version__) < (3, 16) and "psycopg" in (tracking.engine.driver, registry.engine.driver):
        raise InputError(
            f"MLflow {mlflow.__version__} compares numbers with texts, which PostgreSQL refuses from psycopg 3",
            hint="pip install psycopg2-binary, and start with a --backend-store-uri of postgresql+psycopg2://",
        )
    return _reading(tracking.engine), _reading(registry.engine)


def _reading(engine: Any) -> Any:
    """An engine for questions; a SQLite file opened anew for each of them costs as much as the request."""
    from sqlalchemy import create_engine

    return create_engine(engine.url, isolation_level="AUTOCOMMIT") if engine.dialect.name == "sqlite" else engine


def open_tracking(
    flywheel: str, *, root: Path, actor: str, addresses: ArtifactAddresses, served: ServedFlywheel | None = None
) -> Tracking:
    """The collaborators for one flywheel on this server, for one request: they remember what they read.

    ``root`` is the flywheel's folder, ``actor`` who is written into runs as their author; the seals that count are
    those that the served flywheel's files name.
    """
    from flywheel_mlflow.console.webhooks import AnnouncingReleases
    from flywheel_mlflow.tracking import connect

    settings = Settings(root=root, tracking_uri=f"{SCHEME}:", artifact_root=None, actor=actor)
    client = _client(settings)
    releases = AnnouncingReleases(client, uri=settings.shown_uri, flywheel=flywheel)
    keys = served.server_keys if served is not None and served.name == flywheel else ()
    return connect(
        settings,
        flywheel,
        client=client,
        resolve=addresses.resolve,
        releases=releases,
        server_keys=keys,
        opens_addresses=False,
    )


def _client(settings: Settings) -> MlflowClient:
    """A client of the server's stores, which reads by columns where it can."""
    from mlflow import MlflowClient

    from flywheel_mlflow.tracking.reading.client import ReadingClient

    client = MlflowClient(tracking_uri=settings.tracking_uri, registry_uri=settings.tracking_uri)
    reader = _reader(settings.shown_uri)
    return client if reader is None else cast("MlflowClient", ReadingClient(reader, client))


@lru_cache(maxsize=1)
def _reader(uri: str) -> ColumnReader | None:
    """The one reader of this process; it remembers nothing but whether the tables are known."""
    from mlflow.server import handlers

    from flywheel_mlflow.console.light_reads import reader_of

    return reader_of(handlers._get_tracking_store(), handlers._get_model_registry_store(), uri)  # noqa: SLF001


def server_addresses(environ: Mapping[str, str]) -> ArtifactAddresses:
    """Where ``mlflow server`` told its workers that artifacts are kept."""
    from mlflow.server.constants import ARTIFACT_ROOT_ENV_VAR, ARTIFACTS_DESTINATION_ENV_VAR

    return ArtifactAddresses(environ.get(ARTIFACTS_DESTINATION_ENV_VAR), environ.get(ARTIFACT_ROOT_ENV_VAR))


class ArtifactAddresses:
    """Turns the artifact addresses of runs into ones this process may open.

    Clients choose the artifact location of the experiments they make. So that nobody lets the server read or write
    elsewhere in its name, only what lies below the server's own artifact stores is opened.

    Args:
        destination: what the server's proxy stands for, a folder or the URI of a store; None without a proxy.
        root: where new experiments keep their artifacts, which without a proxy is a store clients reach themselves.
    """

    def __init__(self, destination: str | None, root: str | None) -> None:
        self._destination = destination
        own = [destination, root if root and urlsplit(root).scheme != PROXIED else None]
        self._roots = tuple(one_spelling(item) for item in own if item)

    def resolve(self, address: str) -> str:
        """The address behind the proxy.

        Raises:
            InputError: it does not lie in an artifact store of this server.
        """
        parts = urlsplit(address)
        found = address
        if parts.scheme == PROXIED:
            if parts.netloc or not self._destination:
                raise _elsewhere(address)
            found = f"{self._destination.rstrip('/')}/{parts.path.lstrip('/')}"
        normal = one_spelling(found)
        # What one parser takes for the end of a path another takes for a part of it.
        unclear = parts.query or parts.fragment or any(mark in address for mark in "?#\\")
        if unclear or not any(normal.startswith(f"{root}/") for root in self._roots):
            raise _elsewhere(address)
        return found


def one_spelling(address: str) -> str:
    """One spelling for one place: no dots, no percent signs, local paths absolute, the same with and without file:."""
    parts = urlsplit(address)
    path = parts.path
    for _ in range(4):  # encoded more than once it means the same to somebody
        path = unquote(path)
    if parts.scheme in ("", "file"):
        host = parts.netloc.casefold().removeprefix("localhost")
        return f"file:{host}{posixpath.normpath(posixpath.join(Path.cwd().as_posix(), path))}"
    return f"{parts.scheme}://{parts.netloc}{posixpath.normpath('/' + path)}".rstrip("/")


def _elsewhere(address: str) -> InputError:
    return InputError(
        f"the artifacts at {address[:200]!r} lie in no artifact store of this server",
        hint="start it with --artifacts-destination (or --default-artifact-root) where they are",
    )
