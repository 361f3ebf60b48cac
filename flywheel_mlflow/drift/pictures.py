"""What of a difference is drawn: shares before and now, side by side, and the places of a few rows to look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import ConfigDict

if TYPE_CHECKING:
    from flywheel_mlflow.records.profiles import Value

#: Bars of a picture, and rows named as examples.
MOST_BARS = 10
MOST_EXAMPLES = 5
_NAME = 60


@dataclass(frozen=True, slots=True)
class Bar:
    """A label, a range of numbers or a phrase, with its share of the rows (0..1) before and now."""

    name: str
    before: float
    now: float

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, slots=True)
class Picture:
    """A difference as bars: of numbers in rising order, of labels and phrases the most changed first."""

    kind: Literal["numbers", "labels", "phrases"]
    bars: tuple[Bar, ...]

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")


def picture_of(before: Sequence[Value | None], now: Sequence[Value | None]) -> Picture | None:
    """The values of both samples as bars; None where either has none. Shares are of the rows with a value."""
    old, new = ([value for value in side if value is not None] for side in (before, now))
    if not old or not new:
        return None
    limits = _limits(old, new)
    if limits is not None and len(limits) > 1:
        names = [f"< {limits[0]:.4g}", *(f"{a:.4g} – {b:.4g}" for a, b in pairwise(limits))]
        names.append(f"≥ {limits[-1]:.4g}")
        counts = [Counter(_range(float(value), limits) for value in side) for side in (old, new)]
        bars = tuple(
            Bar(name, counts[0][place] / len(old), counts[1][place] / len(new)) for place, name in enumerate(names)
        )
        return Picture("numbers", bars)
    labels = [Counter(map(_name, side)) for side in (old, new)]
    ranked = sorted(
        labels[0].keys() | labels[1].keys(),
        key=lambda label: (-abs(labels[1][label] / len(new) - labels[0][label] / len(old)), label),
    )
    bars = tuple(Bar(label, labels[0][label] / len(old), labels[1][label] / len(new)) for label in ranked[:MOST_BARS])
    return Picture("labels", bars)


def examples_of(
    picture: Picture | None, before: Sequence[Value | None], now: Sequence[Value | None], places: Sequence[str]
) -> tuple[str, ...]:
    """Where rows lie whose value is the one that became more frequent; none where the places are unknown."""
    if picture is None or not places:
        return ()
    limits = _limits([value for value in before if value is not None], [value for value in now if value is not None])
    names = [bar.name for bar in picture.bars]
    risen = max(range(len(names)), key=lambda place: (picture.bars[place].now - picture.bars[place].before, -place))
    if picture.bars[risen].now <= picture.bars[risen].before:
        return ()

    def is_one(value: Value) -> bool:
        if picture.kind == "numbers" and limits is not None:
            return _range(float(value), limits) == risen
        return _name(value) == names[risen]

    rows = [place for value, place in zip(now, places, strict=False) if value is not None and is_one(value)]
    return tuple(rows[:MOST_EXAMPLES])


def _limits(old: Sequence[Value], new: Sequence[Value]) -> list[float] | None:
    """Where ranges of numbers begin: evenly between the outer hundredths; None where the values are no numbers."""
    both = [*old, *new]
    if any(isinstance(value, bool | str) for value in both):
        return None
    ranked = sorted(float(value) for value in both)
    low, high = ranked[len(ranked) // 100], ranked[-1 - len(ranked) // 100]
    if not low < high:
        low, high = ranked[0], ranked[-1]
    if not low < high or len(set(ranked)) <= 4:
        return None
    step = (high - low) / (MOST_BARS - 2)
    return [low + step * place for place in range(MOST_BARS - 1)]


def _range(value: float, limits: Sequence[float]) -> int:
    return sum(value >= limit for limit in limits)


def _name(value: Value) -> str:
    text = value if isinstance(value, str) else f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= _NAME else text[: _NAME - 1] + "…"
