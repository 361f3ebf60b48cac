"""Phrases that came or went between two samples of texts, by name."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flywheel_mlflow.drift.distributions import LEAST_TOLD, Comparison, Method, compare_shares, share_high
from flywheel_mlflow.drift.pictures import Bar
from flywheel_mlflow.records.content.profile import Phrase
from flywheel_mlflow.records.content.wording import rows_at_most

if TYPE_CHECKING:
    from flywheel_mlflow.records.content.profile import Wording

#: How sure a single phrase must be of its own to be named (adjusted for all phrases of the field).
NAMED_AT = 0.05
#: Phrases named.
NAMED = 6
#: Two phrases that overlap and whose counts differ by less are told as one.
_SAME_COUNT = 0.2


@dataclass(frozen=True, slots=True)
class PhrasesFound:
    """All phrases compared, and those that came or went (shares of the texts), the clearest first.

    The comparison is that of the clearest one, its p-value corrected for their number.
    """

    comparison: Comparison
    changes: tuple[Bar, ...]


def compare_phrases(old: Wording, new: Wording) -> PhrasesFound | None:
    """Every phrase that many rows of either side have; None where there is none that could tell anything.

    A phrase that one side does not name stands there in at most as many rows as that side says (``least``), and as hold
    its word pairs; this bound is taken for its count, which makes differences smaller, never larger.
    """
    sizes = old.texts, new.texts
    if not min(sizes) or not (old.phrases or new.phrases):
        return None
    keys = sorted({(item.text, item.words) for side in (old, new) for item in side.phrases})
    tested = []
    for (text, _), (before, sure_before), (now, sure_now) in zip(
        keys, _counts(old, keys), _counts(new, keys), strict=True
    ):
        if before + now < LEAST_TOLD:
            continue
        change = Bar(text, before / sizes[0], now / sizes[1])
        # The side that does not name it must have fewer, or the bound says nothing.
        if (sure_before or change.before < change.now) and (sure_now or change.now < change.before):
            p, effect = compare_shares((before, sizes[0]), (now, sizes[1]))
        else:
            p, effect = 1.0, 0.0
        tested.append((p, effect, change, sure_before and sure_now))
    if not tested:
        return None
    tested.sort(key=lambda item: (item[0], -item[1], item[2].name))
    p, effect, *_ = tested[0]
    # Phrases that neither side names were looked at as well: about as many again could have been named.
    corrected = 2 * len(tested)
    sure = [(change, exact) for p, _, change, exact in tested if p * corrected <= NAMED_AT]
    changes = tuple(_joined(change for change, _ in sure)[:NAMED])
    bounded = {change.name for change, exact in sure if not exact}
    comparison = Comparison(
        method=Method.PHRASE,
        p=min(1.0, p * corrected),
        effect=effect,
        effect_high=share_high(effect, sum(sizes)),
        n_reference=sizes[0],
        n_current=sizes[1],
        reference=", ".join(_told(item, item.before, bounded) for item in changes),
        current=", ".join(_told(item, item.now, bounded) for item in changes),
    )
    return PhrasesFound(comparison, changes)


def _told(change: Bar, share: float, bounded: Collection[str]) -> str:
    """A phrase with its share: the smaller one may be no more than a bound, of the phrase or of a part of it."""
    at_most = share == min(change.before, change.now) and share > 0 and any(name in change.name for name in bounded)
    return f"{change.name!r} {'at most ' if at_most else ''}{share:.1%}"


def _counts(side: Wording, keys: Sequence[tuple[str, int]]) -> list[tuple[int, bool]]:
    """In how many rows of a side each phrase stands, and whether that is its count and no bound."""
    counts = {(item.text, item.words): item.rows for item in side.phrases}
    least = dict(side.least)
    unnamed = [Phrase(text, words, 0) for text, words in keys if (text, words) not in counts]
    bounds = {
        (item.text, item.words): min(most, least.get(item.words, most), side.texts)
        for item, most in zip(unnamed, rows_at_most(side, unnamed), strict=True)
    }
    return [(counts[key], True) if key in counts else (bounds[key], False) for key in keys]


def _joined(changes: Iterable[Bar]) -> list[Bar]:
    """Phrases that overlap and changed alike as one longer phrase; single words within a longer one are left out."""
    joined: list[Bar] = []
    for change in changes:
        for place, other in enumerate(joined):
            merged = _overlapped(other, change)
            if merged is not None:
                joined[place] = merged
                break
        else:
            joined.append(change)
    return joined


def _overlapped(one: Bar, other: Bar) -> Bar | None:
    if (one.now > one.before) != (other.now > other.before):
        return None
    high = max(one.now, one.before), max(other.now, other.before)
    if abs(high[0] - high[1]) > _SAME_COUNT * max(high):
        return None
    words, added = one.name.split(" "), other.name.split(" ")
    if f" {other.name} " in f" {one.name} ":
        return one
    if f" {one.name} " in f" {other.name} ":
        return other
    for size in range(min(len(words), len(added)) - 1, 0, -1):
        if words[-size:] == added[:size]:
            return Bar(" ".join(words + added[size:]), one.before, one.now)
        if added[-size:] == words[:size]:
            return Bar(" ".join(added + words[size:]), one.before, one.now)
    return None
