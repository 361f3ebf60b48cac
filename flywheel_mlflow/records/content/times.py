"""Times that stand in records as text, read as numbers."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_LOOKS_LIKE = re.compile(
    r"\d{4}-?\d{2}-?\d{2}(?:[T ]\d{2}:?\d{2}(?::?\d{2}(?:[.,]\d{1,9})?)?\s?(?:Z|[+-]\d{2}:?\d{2})?)?"
)


def seconds_of(text: str) -> float | None:
    """Seconds since 1970 of an ISO 8601 date or time, taken for UTC where it names no zone; None for anything else."""
    if len(text) > 40 or not _LOOKS_LIKE.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
