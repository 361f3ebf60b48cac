"""The one flywheel whose decisions a server takes: its folder, its key, and its files as they are now."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from pathlib import Path

from flywheel_mlflow.base.errors import DocumentError, InputError, ServerError
from flywheel_mlflow.base.signing import SigningKey, read_key
from flywheel_mlflow.evidence.flywheel import Flywheel, contract_folders, load_flywheel
from flywheel_mlflow.promises.blueprint import BLUEPRINT_FILE, blueprint_files
from flywheel_mlflow.promises.contract import CONTRACT_FILE

ROOT_VARIABLE = "FLYWHEEL_ROOT"
KEY_VARIABLE = "FLYWHEEL_SERVER_KEY"
DIRECT_VARIABLE = "FLYWHEEL_DIRECT_ARTIFACTS"

Stamp = tuple[tuple[str, int, int], ...]


class ServedFlywheel:
    """A flywheel's files, read again when they change, and the key that seals what the server writes."""

    def __init__(self, root: Path, key: SigningKey | None) -> None:
        self.root = root
        self.key = key
        self._lock = threading.Lock()
        self._blueprint = blueprint_files(root)
        self._stamp = _stamp(root, self._blueprint)
        self._flywheel = load_flywheel(root)
        #: What the server announces; another name is another ledger, and needs another start.
        self.name = self._flywheel.name
        self._check(self._flywheel)

    @property
    def server_keys(self) -> tuple[str, ...]:
        """The keys whose seals count, as the files named them when they were read last."""
        return self._flywheel.blueprint.releases.server_keys

    def flywheel(self) -> Flywheel:
        """The flywheel as its files promise it now.

        Raises:
            ServerError: the files have faults, or no longer fit this server; nothing is decided until they do.
        """
        with self._lock:
            if _stamp(self.root, self._blueprint) != self._stamp:
                try:
                    files = blueprint_files(self.root)
                    stamp = _stamp(self.root, files)
                    found = load_flywheel(self.root)
                    self._check(found)
                except (DocumentError, InputError) as error:
                    raise ServerError(
                        f"the flywheel's files on the server cannot be used: {_told(error)}",
                        hint="correct them on the server: `flywheel validate` there tells every fault",
                    ) from error
                self._flywheel, self._stamp, self._blueprint = found, stamp, files
            return self._flywheel

    def _check(self, flywheel: Flywheel) -> None:
        if flywheel.name != self.name:
            raise InputError(
                f"flywheel.yaml now names {flywheel.name!r}, the server was started for {self.name!r}",
                hint="start the server again",
            )
        if self.key is not None and self.key.public_key not in flywheel.blueprint.releases.server_keys:
            # Events with a seal nobody knows would count as forged, each of them.
            raise InputError(
                "flywheel.yaml does not name the public key of this server",
                where=str(self.root / BLUEPRINT_FILE),
                hint=f"add it: releases: server_keys: ['{self.key.public_key}']",
            )


def _told(error: DocumentError | InputError) -> str:
    if isinstance(error, DocumentError):
        return "; ".join(str(fault) for fault in error.faults[:5])
    return f"{error.what} ({error.hint})"


def _stamp(root: Path, blueprint: Iterable[Path]) -> Stamp:
    """What tells that a file changed: path, nanoseconds of its last change, bytes; a missing file has zeros."""
    files = [*blueprint, *(folder / CONTRACT_FILE for folder in contract_folders(root))]
    return tuple(_facts(files))


def _facts(files: Iterable[Path]) -> Iterable[tuple[str, int, int]]:
    for path in files:
        try:
            found = path.stat()
        except OSError:
            yield str(path), 0, 0
        else:
            yield str(path), found.st_mtime_ns, found.st_size


def read_served(environ: Mapping[str, str], *, authentication: bool) -> ServedFlywheel | None:
    """The flywheel that the environment of the server names; None when it names none.

    Raises:
        DocumentError: the flywheel's files have faults.
        InputError: a key without a flywheel, an unknown key, or accounts without a key.
        StorageError: a file that cannot be read.
    """
    root, key = environ.get(ROOT_VARIABLE), environ.get(KEY_VARIABLE)
    if not root:
        if key:
            raise InputError(
                f"{KEY_VARIABLE} is set and {ROOT_VARIABLE} is not",
                hint=f"let {ROOT_VARIABLE} name the folder of the flywheel whose decisions this server takes",
            )
        return None
    if authentication and not key:
        # Without a seal nobody could tell the server's word from a client's: every event would count as forged.
        raise InputError(
            f"a server with accounts takes decisions only with a key of its own: {KEY_VARIABLE} is not set",
            hint="make one with `flywheel keys new --out FILE`, and name its public half in flywheel.yaml under "
            "releases: server_keys",
        )
    return ServedFlywheel(Path(root).resolve(), read_key(Path(key)) if key else None)


def gives_addresses(environ: Mapping[str, str]) -> bool:
    """Whether clients may be sent to the artifact store itself, as MLflow has it.

    Raises:
        InputError: the environment says neither true nor false.
    """
    said = environ.get(DIRECT_VARIABLE) or "true"
    if said.lower() not in ("true", "false"):
        raise InputError(
            f"{DIRECT_VARIABLE} is {said[:40]!r}", hint=f"{DIRECT_VARIABLE}=false keeps clients off the artifact store"
        )
    return said.lower() == "true"
