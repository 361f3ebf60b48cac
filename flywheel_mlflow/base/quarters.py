"""Quarters of a year, as people name them: 2026Q4."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from flywheel_mlflow.base.errors import InputError

#: The kind of the ledger's events that say that a quarter was reviewed.
REVIEWED = "reviewed"
#: The kind of those that name the run which remembers what people were told about a quarter.
NOTIFICATIONS_OPENED = "notifications_opened"

_NAME = re.compile(r"(2[0-9]{3})-?Q([1-4])")


@dataclass(frozen=True, slots=True, order=True)
class Quarter:
    """Three months: ``number`` counts from 1 to 4; ``start`` belongs to it, ``end`` does not; both UTC."""

    year: int
    number: int

    def __str__(self) -> str:
        return f"{self.year}Q{self.number}"

    @property
    def start(self) -> datetime:
        """Its first moment."""
        return datetime(self.year, 3 * self.number - 2, 1, tzinfo=UTC)

    @property
    def end(self) -> datetime:
        """The first moment after it."""
        return Quarter(self.year + 1, 1).start if self.number == 4 else Quarter(self.year, self.number + 1).start

    def holds(self, moment: datetime) -> bool:
        """Whether a moment lies in it."""
        return self.start <= moment < self.end


def read_quarter(text: str) -> Quarter:
    """The quarter a text names.

    Raises:
        InputError: it names none.
    """
    found = _NAME.fullmatch(text.strip().upper())
    if not found:
        raise InputError(f"cannot read the quarter {text[:40]!r}", hint="write 2026Q4")
    return Quarter(int(found[1]), int(found[2]))


def quarter_of(moment: datetime) -> Quarter:
    """The quarter a moment lies in, UTC."""
    there = moment.astimezone(UTC)
    return Quarter(there.year, (there.month + 2) // 3)


def quarter_before(moment: datetime) -> Quarter:
    """The last whole quarter before a moment."""
    return quarter_of(quarter_of(moment).start - timedelta(seconds=1))
