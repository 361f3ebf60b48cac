"""Labels of rare rows are kept as hashes: they can be compared with those of another profile, and not read."""

from __future__ import annotations

from collections.abc import Sequence

from flywheel_mlflow.records.fingerprints import hash_text

#: Characters of a label that count.
MAX_LABEL = 80

Values = Sequence[float | str | None]


def hashed_label(label: str) -> str:
    """What stands for a label that few rows have."""
    return f"#{hash_text(label).hex()[:10]}"


def same_labels(one: Values, other: Values) -> tuple[Values, Values]:
    """Both columns with equal labels spelled alike: what one of them names, the other does not hash."""
    names = {hashed_label(value): value for value in {*one, *other} if isinstance(value, str) and value[:1] != "#"}
    return tuple(
        [names.get(value, value) if isinstance(value, str) else value for value in values] for values in (one, other)
    )  # type: ignore[return-value]
