"""Moves files between this machine and the artifacts of runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from flywheel_mlflow.base.errors import ServerRefused, StorageError
from flywheel_mlflow.base.writing import write_files
from flywheel_mlflow.tracking.connection import refusal, translated
from flywheel_mlflow.tracking.reading.files import UPLOADING, Files, files_at
from flywheel_mlflow.tracking.reading.port import NotUnderstood

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.store.artifact.artifact_repo import ArtifactRepository

    from flywheel_mlflow.tracking.rest.transport import HttpTransport

Item = TypeVar("Item")

#: How the kinds of artifact store say that there is no such file.
_ABSENT = frozenset({"RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"})


class Artifacts:
    """The artifacts of the runs on one tracking server.

    ``resolve`` turns a run's artifact address into one this process can reach; inside the server that is the folder
    or bucket behind its proxy. ``transport`` leads to the server that hands artifacts on, if there is one.
    """

    def __init__(
        self,
        client: MlflowClient,
        *,
        uri: str,
        resolve: Callable[[str], str] | None = None,
        transport: HttpTransport | None = None,
    ) -> None:
        self._client = client
        self._transport = transport
        self._uri = uri
        self._resolve = resolve or (lambda address: address)
        self._addresses: dict[str, str] = {}

    def fetch(self, run_id: str, place: str, folder: Path) -> Path:
        """The file or folder at ``place`` of a run, below ``folder``.

        Raises:
            ServerRefused, StorageError: there is none, as :func:`is_absent` tells, or it cannot be had. ServerError.
        """
        with self._knowing_absence(run_id, place), translated(self._uri):
            folder.mkdir(parents=True, exist_ok=True)
            return self._by_hand(run_id, lambda files: files.fetch(place, folder)) or self._fetch(run_id, place, folder)

    def reachable(self, address: str) -> str:
        """A run's artifact address as this process reaches it, for whoever made the run and knows it."""
        return self._resolve(address)

    def texts(self, run_id: str, place: str, folder: Path) -> dict[str, str]:
        """The text files below ``place`` by their path below it; empty when there is no such folder."""
        found = self.files(run_id, place, folder)
        return {name: data.decode("utf-8", errors="replace") for name, data in found.items()}

    def files(self, run_id: str, place: str, folder: Path) -> dict[str, bytes]:
        """The files below ``place`` by their path below it; empty when there is no such folder."""
        try:
            root = self._readable(run_id, place, folder)
        except (ServerRefused, StorageError) as error:
            if not is_absent(error):
                raise
            return {}
        return {
            path.relative_to(root).as_posix(): path.read_bytes()
            for path in sorted(root.rglob("*"))
            if path.is_file() and not path.name.startswith(UPLOADING)
        }

    def text(self, run_id: str, place: str, folder: Path) -> str | None:
        """The text file at ``place``; None when there is none."""
        path = self.file(run_id, place, folder)
        return path.read_text(encoding="utf-8", errors="replace") if path is not None else None

    def file(self, run_id: str, place: str, folder: Path) -> Path | None:
        """The file at ``place``, to be read and left as it is; None when there is none."""
        try:
            path = self._readable(run_id, place, folder)
        except (ServerRefused, StorageError) as error:
            if not is_absent(error):
                raise
            return None
        return path if path.is_file() else None

    def names(self, run_id: str, place: str) -> tuple[str, ...]:
        """The names of the files right below ``place``, sorted; empty when there is no such folder."""
        with translated(self._uri):
            found = self._listed(run_id, place)
        return tuple(sorted(name for name, is_folder in found.items() if not is_folder))

    def put(self, run_id: str, files: Mapping[str, str], folder: Path) -> None:
        """Upload texts by artifact path; ``folder`` is an empty one to write them into first."""
        write_files(files, folder)
        with translated(self._uri):
            self._repository(run_id).log_artifacts(str(folder), None)  # type: ignore[no-untyped-call]

    def address(self, run_id: str) -> str:
        """Where the artifact store keeps a run's artifacts, as the server says it; one request, once."""
        with translated(self._uri):
            return self._address(run_id)

    def known(self, run_id: str, address: str) -> None:
        """Spare the request for a run whose address somebody wrote down."""
        self._addresses.setdefault(run_id, address)

    @contextmanager
    def _knowing_absence(self, run_id: str, place: str) -> Iterator[None]:
        """Within the block an error about a file that the store does not list says so.

        A server that hands artifacts on tells the client of a missing file as its own internal error, and MLflow tells
        of one missing in S3 as of an S3 that is away (tried on 3.17.2): nothing but the listing tells the two apart.
        """
        try:
            yield
        except (ServerRefused, StorageError) as error:
            if is_absent(error):
                raise
            parent, _, name = place.rpartition("/")
            with translated(self._uri):
                is_there = name in self._listed(run_id, parent)
            if is_there:
                raise
            raise refusal("RESOURCE_DOES_NOT_EXIST", f"No such artifact: '{place}'", self._uri) from error

    def _readable(self, run_id: str, place: str, folder: Path) -> Path:
        """What lies at ``place``, to be read and left as it is."""
        with self._knowing_absence(run_id, place), translated(self._uri):
            found = self._by_hand(run_id, lambda files: files.readable(place, folder))
            if found is None:
                folder.mkdir(parents=True, exist_ok=True)
                found = self._fetch(run_id, place, folder)
        return found

    def _listed(self, run_id: str, place: str) -> dict[str, bool]:
        found = self._by_hand(run_id, lambda files: files.listed(place))
        if found is None:
            items = self._repository(run_id).list_artifacts(place or None)
            found = {item.path.rpartition("/")[2]: bool(item.is_dir) for item in items}
        return found

    def _by_hand(self, run_id: str, ask: Callable[[Files], Item]) -> Item | None:
        """What ``ask`` makes of the run's files; None where MLflow has to be asked."""
        files = files_at(self._resolve(self._address(run_id)), self._transport)
        try:
            return None if files is None else ask(files)
        except NotUnderstood:
            return None

    def _fetch(self, run_id: str, place: str, folder: Path) -> Path:
        return Path(self._repository(run_id).download_artifacts(place, str(folder)))  # type: ignore[no-untyped-call]

    def _address(self, run_id: str) -> str:
        if run_id not in self._addresses:
            self._addresses[run_id] = str(self._client.get_run(run_id).info.artifact_uri)
        return self._addresses[run_id]

    def _repository(self, run_id: str) -> ArtifactRepository:
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        return get_artifact_repository(self._resolve(self._address(run_id)), tracking_uri=self._client.tracking_uri)


def is_absent(error: ServerRefused | StorageError) -> bool:
    """Whether an error only says that a file is not there."""
    if isinstance(error, ServerRefused):
        # Of several files MLflow tells the failures in one error of its own, the 404 inside (tried on 3.17.2).
        return error.code in _ABSENT or "404 Client Error" in f"{error.what} {error.__cause__}"
    # MLflow's local store raises an OSError that has the system's words and not its number (tried on 3.17.2).
    return isinstance(error.__cause__, FileNotFoundError) or "No such" in error.what
