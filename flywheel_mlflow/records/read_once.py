"""Reads a file that lies elsewhere once, from its first byte to its last, though its reader jumps about in it.

Parquet is read column by column: a piece of each, over and over. What was passed on the way is kept until it is asked
for, and the sha256 is that of the stream.
"""

from __future__ import annotations

import hashlib
import io
from collections import OrderedDict
from typing import Any, BinaryIO

from flywheel_mlflow.records.sources import OpenedFile

#: Bytes of the stream that are kept, and let go, together.
BLOCK_BYTES = 1 << 20
#: The end of a file, where Parquet says what is in it: read first, by itself. Arrow asks for as many.
TAIL_BYTES = 64 << 10
#: Bytes that are kept at most; what has to go is read again when it is asked for.
MOST_KEPT = 256 << 20
#: Where a read lies further ahead, it is made by itself, and the stream comes there later.
AHEAD = 64 << 20


class HashedParquet:
    """A file elsewhere that is hashed while its records are read in order."""

    def __init__(self, file: OpenedFile) -> None:
        self.name, self.size, self.place = file.name, file.size, file.place
        self.check_unchanged = file.check_unchanged
        self._file = file
        self._stream: BinaryIO | None = None
        self._apart: BinaryIO | None = None
        self._sha = hashlib.sha256()
        #: Bytes of the stream so far.
        self._at = 0
        self._tail: bytes | None = None
        #: Blocks by their number, each with how many of its bytes nobody asked for yet, the oldest first.
        self._kept: OrderedDict[int, tuple[bytes, int]] = OrderedDict()

    def open(self, *, seeks: bool = False) -> Any:
        """The file as a stream that can seek."""
        del seeks
        return _Cursor(self)

    def arrow_source(self) -> Any:
        """What Arrow reads the file from."""
        return _Cursor(self)

    @property
    def digest(self) -> str:
        """sha256 of the file, 64 hex digits; reads what was not read yet, and no more of it afterwards.

        Raises:
            OSError, SourceGone, SourceUnreachable: as when it is read.
        """
        if self.size <= TAIL_BYTES and self._at == 0:
            return hashlib.sha256(self._end()).hexdigest()
        while self._at < self.size and self._advance():
            self._kept.clear()
        self.close()
        return self._sha.hexdigest()

    def close(self) -> None:
        """Closes what is open; whatever is read later is read by itself."""
        for stream in (self._stream, self._apart):
            if stream is not None:
                stream.close()
        self._stream = self._apart = None

    def read_at(self, start: int, size: int) -> bytes:
        """Some bytes from anywhere, fewer at the end of the file."""
        end = min(start + size, self.size)
        if start >= end:
            return b""
        first = max(0, self.size - TAIL_BYTES)
        if start >= first:
            return self._end()[start - first : end - first]
        if start - self._at > AHEAD:
            return self._by_itself(start, end)
        while self._at < end and self._advance():
            pass
        numbers = range(start // BLOCK_BYTES, (end - 1) // BLOCK_BYTES + 1)
        if any(number not in self._kept for number in numbers):
            return self._by_itself(start, end)
        return b"".join(self._taken(number, start, end) for number in numbers)

    def _taken(self, number: int, start: int, end: int) -> bytes:
        block, left = self._kept[number]
        first = number * BLOCK_BYTES
        taken = block[max(0, start - first) : end - first]
        if left <= len(taken):
            del self._kept[number]
        else:
            self._kept[number] = block, left - len(taken)
        return taken

    def _advance(self) -> bool:
        """Reads the next block of the stream; False where it ended before its time, which the digest shows."""
        if self._stream is None:
            if self._at:
                return False
            self._stream = self._file.open()
        wanted = min(BLOCK_BYTES, self.size - self._at)
        block = _whole(self._stream, wanted)
        self._sha.update(block)
        self._kept[self._at // BLOCK_BYTES] = block, len(block)
        self._at += len(block)
        while len(self._kept) > MOST_KEPT // BLOCK_BYTES:
            self._kept.popitem(last=False)
        return len(block) == wanted

    def _by_itself(self, start: int, end: int) -> bytes:
        if self._apart is None:
            self._apart = self._file.open(seeks=True)
        self._apart.seek(start)
        return _whole(self._apart, end - start)

    def _end(self) -> bytes:
        if self._tail is None:
            self._tail = self._by_itself(max(0, self.size - TAIL_BYTES), self.size)
        return self._tail


def _whole(stream: BinaryIO, size: int) -> bytes:
    """So many bytes of a stream, which may give fewer at once; fewer only at its end."""
    blocks = []
    while size > 0 and (block := stream.read(size)):
        blocks.append(block)
        size -= len(block)
    return b"".join(blocks)


class _Cursor(io.RawIOBase):
    """A place in the file; several may be open at once."""

    def __init__(self, file: HashedParquet) -> None:
        super().__init__()
        self._file = file
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._file.size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        return self._position

    def read(self, size: int = -1) -> bytes:
        block = self._file.read_at(self._position, self._file.size if size < 0 else size)
        self._position += len(block)
        return block

    def readinto(self, buffer: Any) -> int:
        block = self.read(len(buffer))
        buffer[: len(block)] = block
        return len(block)
