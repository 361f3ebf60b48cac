"""Days, weeks, months, quarters and years of the calendar, in UTC: which one a moment lies in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from flywheel_mlflow.base.quarters import quarter_of


class Cadence(StrEnum):
    """How often something happens."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    QUARTERLY = "quarterly"
    YEARLY = "yearly"


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """A stretch of the calendar: ``start`` belongs to it, ``end`` does not, both UTC.

    Its ``name`` is a date, 2026-W49, 2026-12, 2026Q4 or 2026.
    """

    start: datetime
    end: datetime
    name: str

    def holds(self, moment: datetime) -> bool:
        """Whether a moment lies in it."""
        return self.start <= moment < self.end


def period_of(cadence: Cadence, moment: datetime) -> Period:
    """The period of that length a moment lies in; weeks begin on Monday, as ISO 8601 counts them."""
    there = moment.astimezone(UTC)
    midnight = there.replace(hour=0, minute=0, second=0, microsecond=0)
    if cadence is Cadence.DAILY:
        return Period(midnight, midnight + timedelta(days=1), f"{there:%Y-%m-%d}")
    if cadence is Cadence.WEEKLY:
        year, week, day = there.isocalendar()
        monday = midnight - timedelta(days=day - 1)
        return Period(monday, monday + timedelta(days=7), f"{year}-W{week:02}")
    if cadence is Cadence.MONTHLY:
        first = midnight.replace(day=1)
        return Period(first, (first + timedelta(days=31)).replace(day=1), f"{there:%Y-%m}")
    if cadence is Cadence.QUARTERLY:
        quarter = quarter_of(there)
        return Period(quarter.start, quarter.end, str(quarter))
    first = midnight.replace(month=1, day=1)
    return Period(first, first.replace(year=there.year + 1), f"{there:%Y}")


def period_before(cadence: Cadence, moment: datetime) -> Period:
    """The last whole period before a moment."""
    return period_of(cadence, period_of(cadence, moment).start - timedelta(microseconds=1))
