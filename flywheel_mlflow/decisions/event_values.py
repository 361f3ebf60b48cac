"""Reads the values of an event's body: whole numbers, texts, moments. Nothing is guessed: the ledger is input too."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any


def whole(value: Any, *, least: int = 1) -> int:
    """A whole number of an event's body, at least ``least``: versions and iterations count from 1, events from 0.

    Raises:
        TypeError, ValueError: it is something else; nothing is rounded or read out of text.
    """
    if type(value) is not int:
        raise TypeError(f"{str(value)[:40]!r} is no whole number")
    if value < least:
        raise ValueError(f"{value} is below {least}")
    return value


def word(value: Any) -> str:
    """A text of an event's body.

    Raises:
        TypeError: it is something else.
    """
    if not isinstance(value, str):
        raise TypeError(f"{str(value)[:40]!r} is no text")
    return value


def optional_word(value: Any) -> str | None:
    """A text of an event's body, or None.

    Raises:
        TypeError: it is something else.
    """
    return None if value is None else word(value)


def words(value: Any) -> tuple[str, ...]:
    """The texts of a list in an event's body.

    Raises:
        TypeError: it is something else; a text is not read letter by letter.
    """
    if not isinstance(value, list):
        raise TypeError(f"{str(value)[:40]!r} is no list of texts")
    return tuple(word(item) for item in value)


def moment(value: Any) -> datetime:
    """A time of an event's body, in UTC.

    Raises:
        TypeError, ValueError, OverflowError: it is none, or has no time zone.
    """
    at = datetime.fromisoformat(word(value))
    if at.tzinfo is None:
        raise ValueError("a time without a time zone")
    return at.astimezone(UTC)
