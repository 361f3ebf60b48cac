"""Looks at the pictures and sounds that sampled records name: numbers and labels, which drift compares like others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from flywheel_mlflow.base.canonical import digest_of
from flywheel_mlflow.base.errors import FlywheelError
from flywheel_mlflow.records.content import pictures, sounds
from flywheel_mlflow.records.content.labels import repeated, shared_labels
from flywheel_mlflow.records.content.pictures import Unreadable, describe_picture
from flywheel_mlflow.records.content.profile import STATE, ContentColumn, Unseen, VectorSketch
from flywheel_mlflow.records.content.sounds import NotRead, describe_sound
from flywheel_mlflow.records.content.vectors import sketch
from flywheel_mlflow.records.sources import OpenedFile

#: Files of one field and row that are looked at, and pixels of all pictures of an interface that are decoded.
MOST_A_ROW = 4
MOST_PIXELS = 1_000_000_000
#: Bytes of a file that is read.
MAX_BYTES = 64 << 20

_READ, _NOT_LOOKED_INTO = "read", "not looked into"

Facts = Mapping[str, float | str]


@dataclass(frozen=True, slots=True)
class MediaFile:
    """A file beside the records, and the sha256 of its bytes."""

    file: OpenedFile
    digest: str


@dataclass(frozen=True, slots=True)
class MediaContent:
    """What is known of the media of sampled rows.

    ``looked`` counts the files; ``faults`` are those that could not be read, each with its row and what is wrong.
    """

    columns: tuple[ContentColumn, ...] = ()
    vectors: tuple[VectorSketch, ...] = ()
    unseen: tuple[Unseen, ...] = ()
    looked: int = 0
    faults: tuple[tuple[int, str], ...] = ()


NO_MEDIA = MediaContent()


@dataclass(frozen=True, slots=True)
class _Look:
    """What is known of one file."""

    state: str
    facts: Facts = field(default_factory=dict)
    bits: npt.NDArray[np.bool_] | None = None


def named_files(value: Any, path: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    """What a record names at a path, through lists; a missing or null field names nothing."""
    if isinstance(value, list | tuple):
        for item in value:
            yield from named_files(item, path)
    elif value is None:
        return
    elif not path:
        yield value if isinstance(value, Mapping) else {"path": value}
    elif isinstance(value, Mapping):
        yield from named_files(value.get(path[0]), path[1:])


def look_at_media(
    records: Sequence[Mapping[str, Any]], fields: Sequence[str], files: Mapping[str, MediaFile]
) -> MediaContent:
    """What the files that these records name under ``fields`` look and sound like.

    Of each row the first ``MOST_A_ROW`` files count; rows after ``MOST_PIXELS`` are not looked at, and have no values.
    Only files among ``files``, by their very name, are opened.
    """
    looker = _Looker(files)
    columns: list[ContentColumn] = []
    vectors: list[VectorSketch] = []
    for name in fields:
        rows = [looker.look_at(row, record, name) for row, record in enumerate(records)]
        columns += _columns(name, rows)
        vectors += _vectors(name, rows)
    return MediaContent(tuple(columns), tuple(vectors), looker.unseen(), len(looker.known), tuple(looker.faults))


class _Looker:
    """Opens each file once."""

    def __init__(self, files: Mapping[str, MediaFile]) -> None:
        self._files = files
        self._pixels = 0
        self._unseen: set[str] = set()
        self.known: dict[str, _Look] = {}
        self.faults: list[tuple[int, str]] = []

    def look_at(self, row: int, record: Mapping[str, Any], name: str) -> list[_Look]:
        """What is known of the files that one record names; nothing once too many pixels were decoded."""
        paths = [item.get("path") for item in named_files(record, name.split("."))][:MOST_A_ROW]
        looks = []
        for path in paths:
            if not isinstance(path, str) or path not in self._files:
                looks.append(_Look("no such file"))
                continue
            if path not in self.known:
                if self._pixels >= MOST_PIXELS:
                    return []
                self.known[path] = look = self._opened(path)
                if look.state not in (_READ, _NOT_LOOKED_INTO):
                    self.faults.append((row, look.state))
            looks.append(self.known[path])
        return looks

    def _opened(self, path: str) -> _Look:
        suffix = _suffix(path)
        if suffix not in (*pictures.SUFFIXES, *sounds.SUFFIXES):
            self._unseen.add(suffix)
            return _Look(_NOT_LOOKED_INTO)
        file = self._files[path].file
        if file.size > MAX_BYTES:
            return _Look("too large")
        try:
            with file.open() as stream:
                data = _read(stream, file.size)
            if suffix in sounds.SUFFIXES:
                return _Look(_READ, describe_sound(data))
            found = describe_picture(data)
        except NotRead:
            self._unseen.add(suffix)
            return _Look(_NOT_LOOKED_INTO)
        except (Unreadable, FlywheelError, OSError) as error:
            return _Look(str(error) if isinstance(error, Unreadable) else "cannot be opened")
        self._pixels += found.pixels
        return _Look(_READ, found.facts, found.bits)

    def unseen(self) -> tuple[Unseen, ...]:
        """What is not looked into, by the ending of the files' names, with the digest of all such files."""
        return tuple(
            Unseen(
                f"{suffix or 'nameless'} files",
                "only pictures and WAV sounds are looked into",
                digest_of(sorted([name, file.digest] for name, file in self._files.items() if _suffix(name) == suffix)),
            )
            for suffix in sorted(self._unseen)
        )


def _suffix(path: str) -> str:
    return PurePosixPath(path).suffix.lower()[:10]


def _read(stream: Any, size: int) -> bytes:
    """All bytes of a stream, which may give fewer at once than it is asked for; no more than it promised."""
    blocks = []
    while size > 0 and (block := stream.read(size)):
        blocks.append(block)
        size -= len(block)
    return b"".join(blocks)


def _columns(name: str, rows: Sequence[Sequence[_Look]]) -> Iterator[ContentColumn]:
    states = [_joined(look.state for look in looks) for looks in rows]
    yield ContentColumn(f"{name}: {STATE}", name, "label", tuple(states))
    facts = {fact: value for looks in rows for look in looks for fact, value in look.facts.items()}
    for fact, example in facts.items():
        values = [[look.facts[fact] for look in looks if fact in look.facts] for looks in rows]
        column = f"{name}: {fact}"
        if isinstance(example, str):
            labels = shared_labels([_joined(map(str, row)) for row in values])
            yield ContentColumn(column, name, "label", tuple(labels))
        else:
            means = [float(f"{sum(map(float, row)) / len(row):.6g}") if row else None for row in values]
            yield ContentColumn(column, name, "number", tuple(means))
    hashes = [None if bits is None else np.packbits(bits).tobytes().hex() for bits in map(_first_bits, rows)]
    if any(hashes):
        yield ContentColumn(f"{name}: hash", name, "label", tuple(shared_labels(hashes)))
        yield ContentColumn(f"{name}: repeated picture", name, "label", tuple(repeated(hashes)))


def _vectors(name: str, rows: Sequence[Sequence[_Look]]) -> Iterator[VectorSketch]:
    found = [_first_bits(looks) for looks in rows]
    known = [bits for bits in found if bits is not None]
    if known:
        nothing = np.full(known[0].shape, np.nan)
        matrix = np.stack([nothing if bits is None else np.where(bits, 1.0, -1.0) for bits in found])
        yield sketch(f"{name}: hash", matrix)[0]


def _first_bits(looks: Sequence[_Look]) -> npt.NDArray[np.bool_] | None:
    return next((look.bits for look in looks if look.bits is not None), None)


def _joined(values: Iterator[str] | map[str]) -> str | None:
    return ", ".join(sorted(set(values))) or None


def fault_counts(content: MediaContent) -> dict[str, int]:
    """How many files could not be looked at, by what is wrong with them."""
    return dict(sorted(Counter(fault for _, fault in content.faults).items()))
