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
    kinds = set(one), set(other)
    names = {hashed_label(value): value for value in kinds[0] | kinds[1] if isinstance(value, str) and value[:1] != "#"}
    return _named(one, kinds[0] & names.keys(), names), _named(other, kinds[1] & names.keys(), names)


def _named(values: Values, hashed: set[float | str | None], names: dict[str, str]) -> Values:
    if not hashed:
        return values
    return [names[value] if value in hashed and isinstance(value, str) else value for value in values]
