"""Data that stay where they are: found there, written down as a manifest, fetched and compared with it.

A manifest is a small file on the run that logged the data. Its own digest stands in its name, and so in every release
that pins it: nobody can lead a reader elsewhere without that being seen before anything is opened.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal, Self, cast
from urllib.parse import quote, unquote

from pydantic import AfterValidator, Field, StringConstraints, ValidationError, model_validator

from flywheel_mlflow.base.addresses import checked_address, is_address, name_in
from flywheel_mlflow.base.canonical import document_json, sha256_text, short_digest
from flywheel_mlflow.base.documents import Document, faults_of, parse_json
from flywheel_mlflow.base.errors import DocumentError, InputError, Refused, SourceGone, StorageError
from flywheel_mlflow.base.names import Identifier
from flywheel_mlflow.promises.strict import Flag, Strict
from flywheel_mlflow.records.cards import DataCard, card_from_json
from flywheel_mlflow.records.filesystems import Found, find, open_file, pinned, reading
from flywheel_mlflow.records.hub_cards import card_from_markdown
from flywheel_mlflow.records.sources import (
    BLOCK_BYTES,
    CARD_FILE,
    Data,
    check_suffixes,
    data_at,
    is_data,
    joint_digest,
    path_fault,
)

RUNS = "runs:/"
#: Where manifests lie among a run's artifacts.
FOLDER = "flywheel/references"
#: Files fetched at once: they wait for the network, not for this machine.
FETCHERS = 4
#: Files that an error or a finding names; more are counted.
_NAMED = 3
MAX_CARD_BYTES = 1 << 20
#: Repositories of the Hub describe their data in a file beside them.
HUB_CARD = "README.md"


@dataclass(frozen=True, slots=True)
class ReferencedFile:
    """A file at an address: its name relative to the data's root, size in bytes, the store's tag of its bytes."""

    address: str
    name: str
    size: int
    etag: str | None

    @property
    def place(self) -> str:
        """Where it is, for messages."""
        return self.address

    def open(self, *, seeks: bool = False) -> BinaryIO:
        """The file's bytes, to be read once from the beginning, or anywhere if it ``seeks``.

        Raises:
            SourceGone, SourceUnreachable: also while it is read.
        """
        stream = _Reading(self.address, open_file(self.address, self.size, seeks=seeks))
        return cast("BinaryIO", io.BufferedReader(stream, BLOCK_BYTES) if seeks else stream)

    def arrow_source(self) -> Any:
        """What Arrow reads the file from."""
        return self.open(seeks=True)

    def check_unchanged(self) -> None:
        """Refuses a file that was written to while it was measured.

        Raises:
            InputError: its size or tag is another than at the start. SourceGone, SourceUnreachable.
        """
        if find(self.address) != Found(self.size, self.etag):
            raise InputError(
                "the file changed while it was being measured",
                where=self.address,
                hint="wait until its writer has finished, then log it again",
            )


class _Reading(io.RawIOBase):
    """An open file whose library's errors are ours."""

    def __init__(self, address: str, file: BinaryIO) -> None:
        super().__init__()
        self._address = address
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return bool(self._file.seekable())

    def read(self, size: int = -1) -> bytes:
        with reading(self._address):
            return self._file.read(size)

    def readinto(self, buffer: Any) -> int:
        block = self.read(len(buffer))
        buffer[: len(block)] = block
        return len(block)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        with reading(self._address):
            return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        self._file.close()
        super().close()


def _file_name(value: str) -> str:
    if fault := path_fault(value):
        raise ValueError(fault)
    return value


def _address(value: str) -> str:
    try:
        return checked_address(value, local=True)
    except InputError as error:
        raise ValueError(error.what) from error


class ManifestFile(Strict):
    """One file of a reference."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=1000), AfterValidator(_file_name)]
    size: int = Field(ge=0, description="Bytes.")
    etag: Annotated[str, StringConstraints(max_length=500)] | None = Field(
        default=None, description="What the store changes with the bytes, where it has such a tag."
    )
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Manifest(Strict):
    """Which bytes an interface version consists of, and where they lie."""

    format_version: Literal[1] = 1
    interface: Identifier
    address: Annotated[str, AfterValidator(_address)]
    single: Flag = Field(description="One file and no folder of files.")
    files: tuple[ManifestFile, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        if len({file.name for file in self.files}) != len(self.files) or (self.single and len(self.files) > 1):
            raise ValueError("files: named twice, or several where there is one")
        return self

    @property
    def digest(self) -> str:
        """The digest of the data, as a measurement gives it: 64 hex digits."""
        return joint_digest(self.files, [file.sha256 for file in self.files], single=self.single)

    @property
    def text(self) -> str:
        """The manifest as it is kept."""
        return document_json(self)

    @property
    def place(self) -> str:
        """Where it lies among the artifacts of the run that logged it: its own digest is in its name."""
        return f"{FOLDER}/{self.interface}.{short_digest(sha256_text(self.text))}.json"

    def data(self) -> Data:
        """Its files, where they lie."""
        files = (ReferencedFile(self.address_of(file), file.name, file.size, file.etag) for file in self.files)
        return Data(tuple(files), single=self.single, place=self.address)

    def address_of(self, file: ManifestFile) -> str:
        """Where one of its files lies."""
        return self.address if self.single else _below(self.address, file.name)


def is_manifest_uri(uri: str) -> bool:
    """Whether the URI of an interface version leads to the manifest of data by reference, not to the data."""
    return uri.startswith(RUNS) and uri.removeprefix(RUNS).partition("/")[2].startswith(f"{FOLDER}/")


def read_manifest(text: str, place: str) -> Manifest:
    """The manifest in a text that was found at a place among a run's artifacts.

    Raises:
        Refused: it is not the one that was logged there.
        DocumentError: it is none.
    """
    if f".{short_digest(sha256_text(text))}." not in place:
        raise Refused(
            "the manifest of data by reference is not what was logged",
            rule="a manifest matches the digest in its name",
            where=place,
            hint="do not use it; tell the producer, and run `flywheel audit --full`",
        )
    value = parse_json(text, name=place)
    try:
        return Manifest.model_validate(value)
    except ValidationError as error:
        raise DocumentError(faults_of(error, Document(place, value, {})), hint="log the interface again") from error


@dataclass(frozen=True, slots=True)
class Referenced:
    """Data found at an address, which is as lasting as the store can say it; the card that lies with them."""

    address: str
    data: Data
    card: DataCard | None = None

    def manifest(self, interface: str, digests: Mapping[str, str]) -> Manifest:
        """The manifest of these data, once they were measured; ``digests`` are the sha256 of the files by name."""
        files = [
            ManifestFile(name=file.name, size=file.size, etag=getattr(file, "etag", None), sha256=digests[file.name])
            for file in self.data.files
        ]
        return Manifest(interface=interface, address=self.address, single=self.data.single, files=tuple(files))


def refer(place: str | Path, data_format: str, *, media: bool = False) -> Referenced:
    """The data at an address, or at a path of this machine, that are to stay there; ``media`` as of ``find_files``.

    Raises:
        InputError: an address that is not taken, nothing there, or files of another format.
        SourceUnreachable: the place does not answer.
    """
    if not is_address(str(place)):
        path = Path(place).absolute()
        return Referenced(checked_address(path.as_uri(), local=True), data_at(path, data_format, media=media))
    checked = checked_address(str(place), local=True)
    if checked.startswith("file://"):
        return refer(unquote(checked.removeprefix("file://")), data_format, media=media)
    try:
        address = pinned(checked)
        found = find(address)
    except SourceGone as error:
        raise InputError(error.what, where=error.where, hint="write the data there, then log the interface") from error
    if isinstance(found, Found):
        single = ReferencedFile(address, name_in(address), found.size, found.etag)
        return Referenced(address, Data((single,), single=True, place=address))
    files = tuple(
        ReferencedFile(_below(address, _checked_name(name, address)), name, item.size, item.etag)
        for name, item in sorted(found.items())
        if is_data(name) and (data_format == "opaque" or name != HUB_CARD)
    )
    if not files:
        raise InputError("the folder holds no data file", where=address, hint="name the folder with the data")
    check_suffixes(files, data_format, media=media)
    return Referenced(address, Data(files, single=False, place=address), _card(address, found))


def _checked_name(name: str, address: str) -> str:
    try:
        return _file_name(name)
    except ValueError as error:
        raise InputError(f"a file there has a name that {error}", where=address, hint="rename it") from error


def _card(address: str, found: Mapping[str, Found]) -> DataCard | None:
    """The card that lies with the data: one of ours, or what the Hub has, which states less and may state nothing."""
    for name in (CARD_FILE, HUB_CARD):
        item = found.get(name)
        if item is None or item.size > MAX_CARD_BYTES:
            continue
        place = _below(address, name)
        with ReferencedFile(place, name, item.size, item.etag).open() as stream:
            text = stream.read(MAX_CARD_BYTES).decode("utf-8", "replace")
        if name == CARD_FILE:
            return card_from_json(text, name=place)
        with suppress(DocumentError):
            return card_from_markdown(text, name=place, source=address)
    return None


@dataclass(frozen=True, slots=True)
class Differences:
    """The files of a reference that are not there any more, and those that hold other bytes by now; by name."""

    gone: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.gone or self.changed)

    def __str__(self) -> str:
        told = (("gone", self.gone), ("changed", self.changed))
        return "; ".join(f"{_listed(names)} {word}" for word, names in told if names)


def compare(manifest: Manifest, *, full: bool = False) -> Differences:
    """What differs between a manifest and what lies at its address now.

    Sizes and the store's tags are compared. A file is read where there is no tag or another one, and with ``full``.

    Raises:
        SourceUnreachable: that cannot be told.
    """
    try:
        found = find(manifest.address)
    except SourceGone:
        return Differences(gone=tuple(file.name for file in manifest.files))
    if manifest.single:
        here = {manifest.files[0].name: found} if isinstance(found, Found) else {}
    else:
        here = {} if isinstance(found, Found) else found
    gone, changed = [], []
    for file in manifest.files:
        now = here.get(file.name)
        if now is None:
            gone.append(file.name)
        elif now.size != file.size:
            changed.append(file.name)
        elif full or file.etag is None or now.etag != file.etag:
            try:
                if not _copy(manifest, file, None):
                    changed.append(file.name)
            except SourceGone:
                gone.append(file.name)
    return Differences(tuple(gone), tuple(changed))


def fetch(manifest: Manifest, folder: Path) -> Path:
    """The file or folder that a manifest names, below ``folder``; every file is compared with its size and sha256.

    Raises:
        Refused: a file is gone or has other bytes by now.
        SourceUnreachable: the place does not answer. StorageError: this machine's disk.
    """
    root = folder / (manifest.files[0].name if manifest.single else manifest.interface)

    def one(file: ManifestFile) -> str | None:
        target = root if manifest.single else root / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            return None if _copy(manifest, file, target) else f"{file.name} changed"
        except SourceGone:
            return f"{file.name} gone"

    try:
        with ThreadPoolExecutor(FETCHERS) as pool:
            faults = [fault for fault in pool.map(one, manifest.files) if fault]
    except OSError as error:
        raise StorageError(f"cannot write there: {error.strerror or error}", where=str(folder)) from error
    if faults:
        raise Refused(
            f"the data of {manifest.interface} are not what was logged: {_listed(faults)}",
            rule="data by reference match their manifest",
            where=manifest.address,
            hint="tell the producer; `flywheel audit --full` shows which releases are hit",
        )
    return root


def _copy(manifest: Manifest, file: ManifestFile, target: Path | None) -> bool:
    """Whether a file has the bytes that the manifest says; they are written to ``target`` meanwhile."""
    source = ReferencedFile(manifest.address_of(file), file.name, file.size, file.etag)
    sha, left = hashlib.sha256(), file.size
    with source.open() as stream, target.open("xb") if target else io.BytesIO() as out:
        # One byte more than promised is enough to know.
        while left >= 0 and (block := stream.read(min(BLOCK_BYTES, left + 1))):
            left -= len(block)
            sha.update(block)
            if target:
                out.write(block)
    return left == 0 and sha.hexdigest() == file.sha256


def _below(address: str, name: str) -> str:
    """The address of a file in a folder; only paths of a machine are written with escapes."""
    return f"{address}/{quote(name) if address.startswith('file://') else name}"


def _listed(names: Iterable[str]) -> str:
    named = list(names)
    more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    return f"{', '.join(named[:_NAMED])}{more}"
