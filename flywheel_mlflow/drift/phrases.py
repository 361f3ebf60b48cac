"""Phrases that came or went between two samples of texts, by name."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flywheel_mlflow.drift.distributions import compare_shares
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
class PhraseChange:
    """A phrase and the share of texts it stands in, before and now; ``bounded`` where one of them is an upper bound."""

    text: str
    before: float
    now: float
    bounded: bool


@dataclass(frozen=True, slots=True)
class PhrasesFound:
    """What became of all phrases together: the clearest one's p-value, corrected for their number, its effect (phi)."""

    p: float
    effect: float
    effect_high: float
    texts_before: int
    texts_now: int
    changes: tuple[PhraseChange, ...]


def compare_phrases(old: Wording, new: Wording) -> PhrasesFound | None:
    """Every phrase that many rows of either side have; None where neither has any.

    A phrase that one side does not name stands there in at most as many rows as that side says (``least``), and as hold
    its word pairs; this bound is taken for its count, which makes differences smaller, never larger.
    """
    sizes = old.texts, new.texts
    if not min(sizes) or not (old.phrases or new.phrases):
        return None
    keys = sorted({(item.text, item.words) for side in (old, new) for item in side.phrases})
    held = [_counts(side, keys) for side in (old, new)]
    tested = []
    for place, key in enumerate(keys):
        (before, sure_before), (now, sure_now) = held[0][place], held[1][place]
        shares = before / sizes[0], now / sizes[1]
        if (not sure_before and shares[0] >= shares[1]) or (not sure_now and shares[1] >= shares[0]):
            tested.append((1.0, 0.0, PhraseChange(key[0], *shares, bounded=True)))
            continue
        p, effect = compare_shares((before, sizes[0]), (now, sizes[1]))
        tested.append((p, effect, PhraseChange(key[0], *shares, bounded=not (sure_before and sure_now))))
    tested.sort(key=lambda item: (item[0], -item[1], item[2].text))
    p, effect, _ = tested[0]
    # Phrases that neither side names were looked at as well: about as many again could have been named.
    corrected = 2 * len(tested)
    sure = [change for p, _, change in tested if p * corrected <= NAMED_AT]
    return PhrasesFound(
        p=min(1.0, p * corrected),
        effect=effect,
        effect_high=min(1.0, effect + 1.96 / math.sqrt(sum(sizes))),
        texts_before=sizes[0],
        texts_now=sizes[1],
        changes=tuple(_joined(sure)[:NAMED]),
    )


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


def _joined(changes: Iterable[PhraseChange]) -> list[PhraseChange]:
    """Phrases that overlap and changed alike as one longer phrase; single words within a longer one are left out."""
    joined: list[PhraseChange] = []
    for change in changes:
        for place, other in enumerate(joined):
            merged = _overlapped(other, change)
            if merged is not None:
                joined[place] = merged
                break
        else:
            joined.append(change)
    return joined


def _overlapped(one: PhraseChange, other: PhraseChange) -> PhraseChange | None:
    if (one.now > one.before) != (other.now > other.before):
        return None
    high = max(one.now, one.before), max(other.now, other.before)
    if abs(high[0] - high[1]) > _SAME_COUNT * max(high):
        return None
    words, added = one.text.split(" "), other.text.split(" ")
    if f" {other.text} " in f" {one.text} ":
        return one
    if f" {one.text} " in f" {other.text} ":
        return other
    for size in range(min(len(words), len(added)) - 1, 0, -1):
        if words[-size:] == added[:size]:
            return PhraseChange(" ".join(words + added[size:]), one.before, one.now, one.bounded or other.bounded)
        if added[-size:] == words[:size]:
            return PhraseChange(" ".join(added + words[size:]), one.before, one.now, one.bounded or other.bounded)
    return None
