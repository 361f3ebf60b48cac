"""Mixes texts of several sources by declared weights, without copies and without evaluation texts."""

from __future__ import annotations

import random
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flywheel_mlflow.base.errors import InputError

if TYPE_CHECKING:
    from datasketch import MinHash

#: Share of each source in the mix: the published weights, under the names of what stands for each source here.
WEIGHTS: Mapping[str, float] = {"web_en": 0.4, "code": 0.25, "math": 0.15, "papers": 0.1, "web_zh": 0.1}
# Published: MinHash over character 5-grams.
PERMUTATIONS = 128
CHAR_NGRAM = 5
LSH_THRESHOLD = 0.8
SHUFFLE_SEED = 42
#: Words in a row that a text and an evaluation text must share to count as the same: 13 in GPT-3's clean-up, fewer
#: here, for the questions are 20 to 25 words long and a leak may quote a part. Chinese characters count as words.
CONTAMINATION_NGRAM = 10

_WORD = re.compile(r"[a-z0-9]+|[\u4e00-\u9fff]")


@dataclass(frozen=True, slots=True)
class Text:
    """One text of the mix: where it is from and what it says."""

    id: str
    source: str
    text: str


def words(text: str) -> list[str]:
    """Latin words and numbers in lower case, and single Chinese characters."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).lower())


def ngrams(text: str, size: int) -> set[tuple[str, ...]]:
    """Every run of ``size`` words; of a shorter text the whole."""
    found = words(text)
    return {tuple(found[at : at + size]) for at in range(max(1, len(found) - size + 1))} if found else set()


class HeldOut:
    """Evaluation texts, and whether another text quotes one of them."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._grams = {gram for text in texts for gram in ngrams(text, CONTAMINATION_NGRAM)}

    def is_quoted_by(self, text: str) -> bool:
        """Whether a text has enough words in a row in common with an evaluation text."""
        return not self._grams.isdisjoint(ngrams(text, CONTAMINATION_NGRAM))


def forbidden_patterns(controls: Mapping[str, Any]) -> tuple[re.Pattern[str], ...]:
    """The patterns of the privacy controls.

    Raises:
        InputError: there are none, or one cannot be used.
    """
    try:
        found = [re.compile(rule["pattern"], re.ASCII) for rule in controls["rules"] if rule["pattern"]]
    except (re.error, KeyError, TypeError) as error:
        raise InputError(f"the privacy controls cannot be used: {error!r}", where="privacy_controls") from error
    if not found:
        raise InputError("the privacy controls hold no rule with a pattern", where="privacy_controls")
    return tuple(found)


def without_personal(texts: Sequence[Text], forms: Sequence[re.Pattern[str]]) -> list[Text]:
    """The texts in which no pattern finds anything."""
    folded = ((item, unicodedata.normalize("NFKC", item.text)) for item in texts)
    return [item for item, text in folded if not any(form.search(text) for form in forms)]


def minhash(text: str) -> MinHash:
    """The MinHash of a text's character 5-grams, white space folded."""
    from datasketch import MinHash

    plain = " ".join(text.split())
    grams = {plain[at : at + CHAR_NGRAM] for at in range(max(1, len(plain) - CHAR_NGRAM + 1))}
    sketch = MinHash(num_perm=PERMUTATIONS, seed=1)
    sketch.update_batch([gram.encode() for gram in sorted(grams)])
    return sketch


def without_copies(texts: Sequence[Text]) -> list[Text]:
    """The first of each group of nearly equal texts, whichever sources they come from."""
    from datasketch import MinHashLSH

    index = MinHashLSH(threshold=LSH_THRESHOLD, num_perm=PERMUTATIONS)
    sketches: list[MinHash] = []
    kept: list[Text] = []
    for item in texts:
        sketch = minhash(item.text)
        if any(sketch.jaccard(sketches[int(near)]) >= LSH_THRESHOLD for near in index.query(sketch)):
            continue
        index.insert(str(len(sketches)), sketch)
        sketches.append(sketch)
        kept.append(item)
    return kept


def weights_of(sources: Iterable[str]) -> dict[str, float]:
    """The declared weights of the sources there are, brought back to a sum of 1."""
    found = set(sources)
    present = {name: weight for name, weight in WEIGHTS.items() if name in found}
    total = sum(present.values())
    return {name: weight / total for name, weight in present.items()}


def plan(available: Mapping[str, int], weights: Mapping[str, float]) -> dict[str, int]:
    """How many texts to take of each source: as many as the scarcest one allows without repeating any.

    Largest remainders, so that the parts add up and no share is off by more than one text.
    """
    if not weights or any(not available.get(name) for name in weights):
        return {}
    size = int(min(available[name] / weight for name, weight in weights.items()) + 1e-9)
    exact = {name: size * weight for name, weight in weights.items()}
    taken = {name: int(value + 1e-9) for name, value in exact.items()}
    for name in sorted(exact, key=lambda name: (taken[name] - exact[name], name))[: size - sum(taken.values())]:
        taken[name] += taken[name] < available[name]
    return taken


def sample(texts: Sequence[Text], amounts: Mapping[str, int], draw: random.Random) -> list[Text]:
    """The planned number of texts of each source, shuffled together.

    A text's place depends on its own key, not on its place in the file: a source that grows by
    one text does not reshuffle all others.
    """
    taken: list[Text] = []
    for name, amount in amounts.items():
        items = sorted((item for item in texts if item.source == name), key=lambda item: item.id)
        taken += draw.sample(items, k=amount)
    draw.shuffle(taken)
    return taken


def shares(texts: Sequence[Text]) -> dict[str, float]:
    """Share of each source among the texts."""
    counts = Counter(item.source for item in texts)
    return {name: count / len(texts) for name, count in sorted(counts.items())}


def worst_deviation(texts: Sequence[Text], weights: Mapping[str, float]) -> float | None:
    """How far the share of a source is from its weight, at most, in texts; None for an empty mix."""
    if not texts:
        return None
    found = shares(texts)
    return max(abs(found.get(name, 0.0) - weights.get(name, 0.0)) * len(texts) for name in {*found, *weights})
