"""Keeps the lines that are no events: where they stood, why they were refused, and what they said."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from flywheel_mlflow.base.errors import StorageError

#: So much of a refused line is kept; the rest stays in the file, whose digest is on the run.
MAX_RAW_CHARACTERS = 4000
MAX_REASON_CHARACTERS = 500

#: So many of a file are held in memory, to be shown.
MAX_FIRST = 100

DEAD_LETTERS_FILE = "dead_letters.jsonl"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One refused line: its number (from 1), the reason, its beginning as text, its length in bytes."""

    line: int
    reason: str
    raw: str
    size: int


def read_letters(path: Path) -> tuple[DeadLetter, ...]:
    """The first dead letters of a file that :class:`DeadLetters` wrote, at most :data:`MAX_FIRST`."""
    with path.open(encoding="ascii") as stream:
        return tuple(DeadLetter(**json.loads(line)) for line in islice(stream, MAX_FIRST))


def as_text(raw: bytes) -> str:
    """The beginning of some bytes as text; bytes that are not UTF-8 are written as Python escapes."""
    return raw[: 4 * MAX_RAW_CHARACTERS].decode("utf-8", "backslashreplace")[:MAX_RAW_CHARACTERS]


class DeadLetters:
    """Writes dead letters to a file as they come, so that a file full of them needs no memory.

    The file is JSONL in ASCII: whatever a line held, nothing but letters, digits and punctuation is in there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stream: IO[str] | None = None
        self.count = 0
        #: Lines that a mapping does not take: they ask for nothing, and are only counted.
        self.passed_over = 0
        #: The first ones to come, at most :data:`MAX_FIRST`.
        self.first: list[DeadLetter] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stream is not None:
            self._stream.close()

    def add(self, line: int, reason: str, raw: bytes | str, *, size: int | None = None) -> None:
        """Keep one line; ``size`` is its length in bytes where ``raw`` is only its beginning.

        Raises:
            StorageError: the file cannot be written.
        """
        data = raw.encode("utf-8", "surrogateescape") if isinstance(raw, str) else raw
        letter = DeadLetter(
            line, reason[:MAX_REASON_CHARACTERS], as_text(data), size if size is not None else len(data)
        )
        self.count += 1
        if len(self.first) < MAX_FIRST:
            self.first.append(letter)
        document = {"line": letter.line, "reason": letter.reason, "raw": letter.raw, "size": letter.size}
        try:
            if self._stream is None:
                self._stream = self._path.open("w", encoding="ascii")
            self._stream.write(json.dumps(document, ensure_ascii=True) + "\n")
        except OSError as error:
            raise StorageError(
                f"cannot keep the dead letters: {error.strerror or error}",
                where=str(self._path),
                hint="free some space",
            ) from error
