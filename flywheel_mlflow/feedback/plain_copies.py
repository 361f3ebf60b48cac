"""Writes a file of events anew as UTF-8 lines where it is a JSON array or of another encoding."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from pathlib import Path

from flywheel_mlflow.base.documents import parse_json, value_at
from flywheel_mlflow.base.errors import DocumentError, InputError, StorageError
from flywheel_mlflow.feedback.events import MAX_EVENT_BYTES

#: Read at once.
CHUNK = 1024 * 1024
#: A document whose rows are inside is held in memory: pages of answers are small.
MAX_DOCUMENT_BYTES = 256 * CHUNK
#: The longest mark first: that of UTF-32 begins like that of UTF-16.
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_BLANK = " \t\r\n"
#: What may stand behind an element.
_AFTER = tuple(f",]{_BLANK}")
_BLANKS = re.compile(f"[{_BLANK}]*")


def plain_copy(path: Path, folder: Path, encoding: str | None = None, rows: str | None = None) -> Path:
    """The file itself where it can be read as it is, else a copy below ``folder``.

    Elements of an array become lines, so that what is said about a line is about the element of that number. ``rows``
    is where the array is in a file .json that is one object, such as ``issues``.

    Raises:
        InputError: it is not of its encoding, or an array that is broken, or has an element that is too long, or there
            is no array at ``rows``.
        StorageError: it cannot be read, or there is no room for the copy.
    """
    text = path.suffix.lower() != ".parquet"
    try:
        with path.open("rb") as stream:
            start = stream.read(4096)
        marked = next((name for mark, name in _MARKS.items() if start.startswith(mark)), None)
        array = text and path.suffix.lower() not in (".csv", ".tsv") and _is_array(start, marked or encoding)
        if rows is not None and path.suffix.lower() == ".json" and not array:
            return _rows_of(path, marked or encoding or "utf-8-sig", rows, folder / "plain.jsonl")
        if not text or not (marked or encoding or array):
            return path
        copy = folder / f"plain{'.jsonl' if array else path.suffix.lower()}"
        pieces = _decoded(path, marked or encoding or "utf-8-sig")
        with copy.open("w", encoding="utf-8", newline="") as out:
            out.writelines(_elements(pieces, path) if array else pieces)
    except UnicodeDecodeError as error:
        raise InputError(
            f"not {error.encoding} from byte {error.start + 1} of a piece on",
            where=str(path),
            hint="say its encoding in a mapping: `encoding: cp1252`",
        ) from error
    except OSError as error:
        raise StorageError(f"cannot read the file: {error.strerror or error}", where=str(path)) from error
    return copy


def _rows_of(path: Path, encoding: str, rows: str, copy: Path) -> Path:
    """A copy with one line for each element of the array inside a document."""
    if path.stat().st_size > MAX_DOCUMENT_BYTES:
        raise InputError(
            f"a document of more than {MAX_DOCUMENT_BYTES:,} bytes",
            where=str(path),
            hint="write its rows as JSON lines",
        )
    text = "".join(_decoded(path, encoding))
    try:
        found = value_at(parse_json(text, name=path.name), rows)
    except DocumentError as error:
        raise InputError(error.faults[0].message, where=str(path), hint="write its rows as JSON lines") from error
    if not isinstance(found, list):
        raise InputError(f"no list of rows at {rows!r}", where=str(path), hint="correct `rows` in the mapping")
    with copy.open("w", encoding="utf-8", newline="") as out:
        out.writelines(json.dumps(item, ensure_ascii=True) + "\n" for item in found)
    return copy


def _is_array(start: bytes, encoding: str | None) -> bool:
    text = codecs.getincrementaldecoder(encoding or "utf-8-sig")("replace").decode(start)
    return text.lstrip(_BLANK).startswith("[")


def _decoded(path: Path, encoding: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(encoding)()
    with path.open("rb") as stream:
        while data := stream.read(CHUNK):
            yield decoder.decode(data)
    yield decoder.decode(b"", final=True)


def _elements(pieces: Iterator[str], path: Path) -> Iterator[str]:
    """Each element of an array as one line; white space within a value is inside quotes, and never a line's end."""
    array = _Array(pieces, path)
    array.take("[")
    if array.next() == "]":
        return
    while True:
        yield array.element().replace("\n", " ").replace("\r", " ") + "\n"
        if array.next() == "]":
            return
        array.take(",")


class _Array:
    """The text of an array, read piece by piece as far as it is asked for."""

    def __init__(self, pieces: Iterator[str], path: Path) -> None:
        self._pieces, self._path = pieces, path
        self._text, self._place, self._number = "", 0, 0
        self._decoder = json.JSONDecoder()

    def next(self) -> str:
        """The next character that is no white space, which stays."""
        while True:
            blank = _BLANKS.match(self._text, self._place)
            self._place = blank.end() if blank else self._place
            if self._place < len(self._text):
                return self._text[self._place]
            self._read_on("the array is cut off")

    def take(self, char: str) -> None:
        """Go on behind a character that must come next."""
        if self.next() != char:
            raise self._broken(f"{char} is missing before {self._text[self._place : self._place + 20]!a}")
        self._place += 1

    def element(self) -> str:
        """The text of the next value."""
        self._number += 1
        self.next()
        why = "the array is cut off"
        while True:
            start = self._place
            try:
                _, end = self._decoder.raw_decode(self._text, start)
                if self._text[end : end + 1] in _AFTER:
                    self._place = end
                    return self._text[start:end]
                if end < len(self._text):
                    why = f"no comma before {self._text[end : end + 20]!a}"  # unless a number goes on in the next piece
            except json.JSONDecodeError as error:
                why = error.msg
            except RecursionError:
                raise self._broken("nested too deeply") from None
            if len(self._text) - start > MAX_EVENT_BYTES:
                raise self._broken(f"no value within {MAX_EVENT_BYTES:,} characters: {why}")
            self._read_on(why)

    def _read_on(self, why: str) -> None:
        more = next(self._pieces, None)
        if more is None:
            raise self._broken(why)
        self._text, self._place = self._text[self._place :] + more, 0

    def _broken(self, why: str) -> InputError:
        return InputError(
            f"not a JSON array of events: {why}",
            where=f"{self._path}, element {self._number}",
            hint="write it again as JSON lines",
        )
