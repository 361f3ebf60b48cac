"""The files an interface's data consists of, found without leaving the path that was given."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol, Self

from flywheel_mlflow.base.canonical import digest_of
from flywheel_mlflow.base.errors import InputError, StorageError
from flywheel_mlflow.base.names import unshowable

#: Bytes read at once: large enough that the calls cost nothing, small beside the memory limit.
BLOCK_BYTES = 1 << 20

#: Beside or inside the data, but no data: it describes them.
CARD_FILE = "card.json"

_SUFFIXES = {"jsonl": (".jsonl", ".ndjson", ".json"), "parquet": (".parquet", ".pq")}


class Named(Protocol):
    """What has a name relative to the data's root."""

    @property
    def name(self) -> str:
        """Its name."""


@dataclass(frozen=True, slots=True)
class DataFile:
    """One file: where it is, its name relative to the data's root, size in bytes, what shows a change."""

    path: Path
    name: str
    size: int
    state: tuple[int, int, int]

    @property
    def place(self) -> str:
        """Where it is, for messages."""
        return str(self.path)

    def open(self, *, seeks: bool = False) -> BinaryIO:  # noqa: ARG002 - a file of this machine always can
        """The file's bytes, to be read once from the beginning, or anywhere if it ``seeks``.

        Raises:
            OSError: it cannot be opened.
        """
        return self.path.open("rb")

    def arrow_source(self) -> Any:
        """What Arrow reads the file from, anywhere in it: a path, or an open file."""
        return self.path

    def check_unchanged(self) -> None:
        """Refuses a file that was written to while it was measured.

        Raises:
            InputError: its size, time or identity is another than at the start.
        """
        if _state(self.path) != self.state:
            raise InputError(
                "the file changed while it was being measured",
                where=str(self.path),
                hint="wait until its writer has finished, then log it again",
            )


class OpenedFile(Named, Protocol):
    """What measuring needs of a file, wherever it lies: :class:`DataFile` says what each means."""

    @property
    def size(self) -> int:
        """Bytes."""

    @property
    def place(self) -> str:
        """Where it is, for messages."""

    def open(self, *, seeks: bool = False) -> BinaryIO:
        """The file's bytes."""

    def arrow_source(self) -> Any:
        """What Arrow reads the file from."""

    def check_unchanged(self) -> None:
        """Refuses a file that was written to meanwhile."""


class HashedFile:
    """A file elsewhere that is read once: what is read of it is hashed on the way."""

    def __init__(self, file: OpenedFile) -> None:
        self.name, self.size, self.place = file.name, file.size, file.place
        self.arrow_source, self.check_unchanged = file.arrow_source, file.check_unchanged
        self._file = file
        self._sha = hashlib.sha256()
        self._stream: BinaryIO | None = None

    def open(self, *, seeks: bool = False) -> Any:
        """The file itself as a stream that is read from the beginning; it cannot seek."""
        del seeks
        self._sha = hashlib.sha256()
        self._stream = self._file.open()
        return self

    def read(self, size: int) -> bytes:
        """Some bytes more."""
        block = self._stream.read(size) if self._stream is not None else b""
        self._sha.update(block)
        return block

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._stream is not None:
            self._stream.close()

    @property
    def digest(self) -> str:
        """sha256 of what was read, 64 hex digits."""
        return self._sha.hexdigest()


@dataclass(frozen=True, slots=True)
class Data:
    """The files an interface's data consist of; ``single`` where they are one file and no folder of files."""

    files: tuple[OpenedFile, ...]
    single: bool
    place: str


def data_at(path: Path, data_format: str, *, media: bool = False) -> Data:
    """The data at a path of this machine; arguments and errors are those of :func:`find_files`."""
    return Data(find_files(path, data_format, media=media), single=not path.is_dir(), place=str(path))


@dataclass(frozen=True, slots=True)
class MeasuredFile:
    """One data file: name relative to the data's root, size in bytes, sha256 as 64 hex digits."""

    name: str
    size: int
    digest: str


def _state(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except OSError as error:
        raise StorageError(f"cannot read the file: {error.strerror or error}", where=str(path)) from error
    return found.st_size, found.st_mtime_ns, found.st_ino


def find_files(path: Path, data_format: str, *, media: bool = False) -> tuple[DataFile, ...]:
    """The data files at ``path``, sorted by relative name; with ``media`` also files of a folder that are no records.

    A file stands for itself. Of a directory every file below it counts, except hidden ones, names
    that begin with ``_`` (the marks of a writer such as ``_SUCCESS``) and the card ``card.json``
    at its top. The directory is uploaded whole, so none of its entries may lead out or be no file.

    Raises:
        InputError: nothing there, no data file, a file of another format, a link that leads out, or a name that is
            not UTF-8.
        StorageError: the system refuses to list or read it.
    """
    if path.is_symlink():
        # Whoever can write into a results folder could have any file of this machine uploaded.
        raise InputError(
            "a link, which is not followed",
            where=_shown(path),
            hint="copy the data there, or give the path it leads to",
        )
    _check_name(path, path.name)
    if path.is_file():
        return (_data_file(path, path.name),)
    if not path.is_dir():
        what = "there is no such file or directory" if not path.exists() else "neither a file nor a directory"
        raise InputError(what, where=str(path), hint="give the path of the interface's data")
    root = path.resolve()
    entries = _walk(path, root)
    files = tuple(sorted((_data_file(path / name, name) for name in entries if is_data(name)), key=lambda f: f.name))
    if not files:
        raise InputError(
            "the directory holds no data file",
            where=str(path),
            hint="hidden files, names beginning with '_' and card.json are not data",
        )
    check_suffixes(files, data_format, media=media)
    return files


def _walk(folder: Path, root: Path) -> list[str]:
    """The names of all files below ``folder``, relative to it; ``root`` is the folder with links resolved."""

    def fail(error: OSError) -> None:
        raise StorageError(f"cannot list the directory: {error.strerror or error}", where=str(folder)) from error

    found = []
    for parent, folders, names in os.walk(folder, onerror=fail):
        for name in folders:
            if Path(parent, name).is_symlink():
                # Followed it could lead out or around in circles; passed over, data would be missing silently.
                inner = Path(parent, name)
                raise InputError(
                    "a link to a directory", where=_shown(inner), hint="replace it with the directory itself"
                )
        for name in names:
            item = Path(parent, name)
            relative = item.relative_to(folder).as_posix()
            _check_name(item, relative)
            _check_member(item, root)
            found.append(relative)
    return found


def _check_name(path: Path, name: str) -> None:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        raise InputError(
            "a file name that is not UTF-8", where=_shown(path), hint="rename the file: its name is kept and shown"
        ) from None


def _shown(path: Path) -> str:
    """The path as text that can be printed, whatever bytes its name has."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def is_data(name: str) -> bool:
    """Whether a file in a folder of data is one of them, by its name."""
    return name != CARD_FILE and not any(part.startswith((".", "_")) for part in name.split("/"))


def _check_member(item: Path, root: Path) -> None:
    if item.is_symlink() and not item.resolve().is_relative_to(root):
        raise InputError(
            "a link that leads out of the directory", where=str(item), hint="copy the file in, or log its own directory"
        )
    if not item.is_file():
        raise InputError("not a regular file", where=str(item), hint="only files can be interface data")


def _data_file(path: Path, name: str) -> DataFile:
    state = _state(path)
    return DataFile(path, name, state[0], state)


def check_suffix(file: OpenedFile, data_format: str) -> None:
    """Refuses a file that does not end as the contract's format says.

    Raises:
        InputError: it ends otherwise.
    """
    allowed = _SUFFIXES.get(data_format, ())
    if allowed and not file.name.lower().endswith(allowed):
        raise InputError(
            f"the contract says {data_format}, and this name does not end in {', '.join(allowed)}",
            where=file.place,
            hint="remove the file from the directory, or begin its name with '_' if it is not data",
        )


def check_suffixes(files: Sequence[OpenedFile], data_format: str, *, media: bool) -> None:
    """Refuses files of a folder that do not end as the contract's format says, with ``media`` only if none does.

    Raises:
        InputError: one ends otherwise, or none as it should.
    """
    if media and any(is_records(file.name, data_format) for file in files):
        return
    for file in files:
        check_suffix(file, data_format)


def is_records(name: str, data_format: str = "") -> bool:
    """Whether a file of a folder holds records of a format, or of any, by its name."""
    suffixes = _SUFFIXES.get(data_format) or tuple(suffix for known in _SUFFIXES.values() for suffix in known)
    return name.lower().endswith(suffixes)


def record_files(path: Path, data_format: str) -> tuple[DataFile, ...]:
    """The files at a path that hold records; a folder may hold the files that these name beside them.

    Raises:
        InputError, StorageError: as :func:`find_files`.
    """
    files = find_files(path, data_format, media=True)
    if not path.is_dir() or data_format not in _SUFFIXES:
        return files
    return tuple(file for file in files if is_records(file.name, data_format))


def path_fault(name: str) -> str | None:
    """Why a name is no path below a folder; None when it is one."""
    parts = name.split("/")
    if any(part in ("", ".", "..") for part in parts) or "\\" in name or next(unshowable(name), None):
        return "must be a path below the data's folder, without '..'"
    return None


def file_digest(file: OpenedFile) -> str:
    """sha256 of the file's bytes, 64 hex digits.

    Raises:
        StorageError: it cannot be read.
    """
    try:
        with file.open() as stream:
            sha = hashlib.sha256()
            while block := stream.read(BLOCK_BYTES):
                sha.update(block)
            return sha.hexdigest()
    except OSError as error:
        raise StorageError(f"cannot read the file: {error.strerror or error}", where=file.place) from error


def joint_digest(files: Sequence[Named], digests: Sequence[str], *, single: bool) -> str:
    """The digest of the data: a single file's own, or one over sorted names with their digests."""
    if single:
        return digests[0]
    return digest_of([[file.name, digest] for file, digest in zip(files, digests, strict=True)])


def content_digest(path: Path | str) -> str:
    """The digest a measurement of the data at ``path`` has, without measuring it: 64 hex digits.

    Raises:
        InputError: no data there, or a link that leads out.
        StorageError: it cannot be read.
    """
    root = Path(path)
    files = find_files(root, "opaque")
    return joint_digest(files, [file_digest(file) for file in files], single=not root.is_dir())
