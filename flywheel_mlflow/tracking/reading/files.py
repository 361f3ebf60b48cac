"""Reads the artifacts of runs without MLflow: from a folder of this machine, or through a server that hands them on."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote, urlsplit

from flywheel_mlflow.tracking.connection import not_mlflow, refusal, refused
from flywheel_mlflow.tracking.reading.port import NotUnderstood

if TYPE_CHECKING:
    from flywheel_mlflow.tracking.rest.transport import HttpTransport

PROXIED = "mlflow-artifacts"
_ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
#: A file that somebody is uploading just now (mlflow.store.artifact.local_artifact_repo of 3.17.2).
UPLOADING = ".artifact.uploading."
#: A place that means the same to everybody: no way up, no escapes, no scheme.
_PART = r"(?!\.{1,2}(?:/|$))[\w.@ ()+,=-]+"
_PLACE = re.compile(rf"{_PART}(?:/{_PART})*")


class Files(Protocol):
    """The artifacts of one run; every method raises :class:`NotUnderstood` for a place that MLflow has to judge."""

    def readable(self, place: str, folder: Path) -> Path:
        """The file or folder at ``place`` to read from, below ``folder`` if it has to be fetched.

        Raises:
            FileNotFoundError: there is none. ServerRefused, ServerUnreachable.
        """

    def fetch(self, place: str, folder: Path) -> Path:
        """A copy of the file or folder at ``place``, below ``folder``; errors as of :meth:`readable`."""

    def listed(self, place: str) -> dict[str, bool]:
        """The names right below ``place``, and whether each is a folder; empty when there is no such folder."""


def files_at(address: str, transport: HttpTransport | None) -> Files | None:
    """The artifacts at an address; None for a store that only MLflow reads."""
    parts = urlsplit(address)
    if parts.netloc or parts.query or parts.fragment:
        return None
    if parts.scheme == PROXIED and transport is not None and _PLACE.fullmatch(parts.path.strip("/")):
        return ProxiedFiles(parts.path.strip("/"), transport)
    if parts.scheme == "file" or (not parts.scheme and address.startswith("/")):
        return LocalFiles(Path(unquote(parts.path)))
    return None


class LocalFiles:
    """Artifacts in a folder of this machine."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def readable(self, place: str, folder: Path) -> Path:  # noqa: ARG002 - nothing has to be fetched
        """The file or folder where it lies."""
        path = self._path(place)
        if not path.exists():
            raise FileNotFoundError(errno.ENOENT, "No such artifact", str(path))
        for _ in _walk(path):
            pass
        return path

    def fetch(self, place: str, folder: Path) -> Path:
        """A copy of the file or folder."""
        found = self.readable(place, folder)
        target = folder / place
        if found.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(found, target)
            return target
        target.mkdir(parents=True, exist_ok=True)
        for path in _walk(found):
            copy = target / path.relative_to(found)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
        return target

    def listed(self, place: str) -> dict[str, bool]:
        """The names right below ``place``."""
        path = self._path(place)
        entries = path.iterdir() if path.is_dir() else ()
        return {item.name: item.is_dir() for item in entries if not item.name.startswith(UPLOADING)}

    def _path(self, place: str) -> Path:
        if not _PLACE.fullmatch(place):
            raise NotUnderstood(place)
        path = self._root / place
        if not path.resolve().is_relative_to(self._root.resolve()):
            raise NotUnderstood(place)  # a link that leads out of the run: MLflow refuses it
        return path


def _walk(path: Path) -> Iterator[Path]:
    """The files below a folder, itself if it is one; what holds links is MLflow's to judge."""
    if path.is_file():
        return
    for parent, folders, files in os.walk(path):
        for name in (*folders, *files):
            if os.path.islink(os.path.join(parent, name)):  # noqa: PTH114, PTH118 - a Path for each is slow
                raise NotUnderstood(name)
        yield from (Path(parent, name) for name in files if not name.startswith(UPLOADING))


class ProxiedFiles:
    """Artifacts that a tracking server hands on, at ``root`` of its store."""

    def __init__(self, root: str, transport: HttpTransport) -> None:
        self._root = root
        self._transport = transport

    def readable(self, place: str, folder: Path) -> Path:
        """The file or folder, fetched."""
        return self.fetch(place, folder)

    def fetch(self, place: str, folder: Path) -> Path:
        """The file or folder, below ``folder``."""
        if not _PLACE.fullmatch(place):
            raise NotUnderstood(place)
        parent, _, name = place.rpartition("/")
        # The server tells of a missing file as its own failure, so it is looked for first.
        is_folder = self._entries(parent).get(name)
        if is_folder is None:
            raise refusal("RESOURCE_DOES_NOT_EXIST", f"No such artifact: '{place}'", self._transport.uri)
        self._take(place, folder, is_folder=is_folder)
        return folder / place

    def listed(self, place: str) -> dict[str, bool]:
        """The names right below ``place``."""
        if not _PLACE.fullmatch(place):
            raise NotUnderstood(place)
        found = self._entries(place)
        # Some stores list a file as itself.
        return {} if found == {place.rpartition("/")[2]: False} else found

    def _take(self, place: str, folder: Path, *, is_folder: bool) -> None:
        target = folder / place
        if is_folder:
            target.mkdir(parents=True, exist_ok=True)
            for name, below in self._entries(place).items():
                self._take(f"{place}/{name}", folder, is_folder=below)
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            answer = self._transport.ask("GET", f"{_ARTIFACTS}/{self._root}/{place}", into=file)
        if answer.status != 200:
            raise refused(answer.status, answer.text, self._transport.uri)

    def _entries(self, place: str) -> dict[str, bool]:
        path = f"{self._root}/{place}" if place else self._root
        answer = self._transport.ask("GET", _ARTIFACTS, query={"path": path})
        if answer.status != 200:
            raise refused(answer.status, answer.text, self._transport.uri)
        files = (answer.document() or {}).get("files", [])
        if not isinstance(files, list) or not all(isinstance(item, dict) for item in files):
            raise not_mlflow("its list of files is none", self._transport.uri)
        found = {str(item.get("path", "")): item.get("is_dir") is True for item in files}
        # Whoever names a file with a way up wants it to be written elsewhere.
        if not all(_PLACE.fullmatch(name) and "/" not in name for name in found):
            raise NotUnderstood(place)
        return found
