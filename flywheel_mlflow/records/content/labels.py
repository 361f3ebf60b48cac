"""Labels of rare rows are kept as hashes: they can be compared with those of another profile, and not read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from flywheel_mlflow.records.fingerprints import hash_text
from flywheel_mlflow.records.personal import withheld

#: Characters of a label that count.
MAX_LABEL = 80
#: A label or phrase is kept as it is when this share of the rows has it, and at least so many of them: no single
#: person's words.
LEAST_SHARE = 0.01
LEAST_ROWS = 5

Values = Sequence[float | str | None]


def hashed_label(label: str) -> str:
    """What stands for a label that few rows have."""
    return f"#{hash_text(label).hex()[:10]}"


def same_labels(one: Values, other: Values) -> tuple[Values, Values]:
    """Both columns with equal labels spelled alike: what one of them names, the other does not hash."""
    kinds = set(one), set(other)
    names = {hashed_label(value): value for value in kinds[0] | kinds[1] if isinstance(value, str) and value[:1] != "#"}
    return _named(one, kinds[0] & names.keys(), names), _named(other, kinds[1] & names.keys(), names)


def _named(values: Values, hashed: set[float | str | None], names: dict[str, str]) -> Values:
    if not hashed:
        return values
    return [names[value] if value in hashed and isinstance(value, str) else value for value in values]


def shared_labels(values: Sequence[str | None]) -> list[str | None]:
    """Labels that many rows share as they are, the others by a hash: comparable, and no single row's words."""
    known = [value[:MAX_LABEL] for value in values if value is not None]
    counts = Counter(known)
    floor = max(LEAST_ROWS, LEAST_SHARE * len(known))
    names = {
        value: value if count >= floor and withheld(value) == value else hashed_label(value)
        for value, count in counts.items()
    }
    return [None if value is None else names[value[:MAX_LABEL]] for value in values]


def repeated(values: Sequence[str | None]) -> list[str | None]:
    """Whether a value stands in other rows of the sample, said of the first of them alone: each about another value."""
    counts = Counter(value for value in values if value)
    seen: set[str] = set()
    said: list[str | None] = []
    for value in values:
        said.append(None if not value or value in seen else "yes" if counts[value] > 1 else "no")
        seen.add(value or "")
    return said
