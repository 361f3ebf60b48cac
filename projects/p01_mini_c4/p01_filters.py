"""The heuristics of C4 as filters, each with its rule, its constant and the reason for it.

Rules and constants are those of Raffel et al. 2020 (T5, section 2.2) where the reason says "C4", and the thresholds
published for this project otherwise.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

from p01_extract import Fetched

Loss = Literal["scope", "quality", "duplicate"]

ENDS = '.!?。！？…"”』」'
CJK = re.compile(r"[\u4e00-\u9fff]")
WORD = re.compile(r"[A-Za-z][A-Za-z'\-]*|[\u4e00-\u9fff]")
_SENTENCE_END = re.compile(r"[.!?](?=\s|$)|[。！？]")
_CITATION = re.compile(r"\[(?:\d{1,3}|citation needed|edit)\]")
_POLICIES = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")
#: A stand-in for the public list of words not to be used in company; the real list has 400 entries.
BLOCKED_WORDS = frozenset({"casino", "jackpot", "porn", "xxx", "viagra"})

MIN_WORDS_PER_LINE = 3
MIN_SENTENCES = 5
DUPLICATE_LINE_RATIO_MAX = 0.2
NAV_RATIO_MAX = 0.35
DIGIT_RATIO_MAX = 0.2
MIN_CHARS = {"en": 160, "zh": 120}
#: Words of a text that other texts use, too. Natural text of one crawl shares nearly all; random letters share none.
KNOWN_WORD_RATIO_MIN = 0.6


@dataclass(frozen=True, slots=True)
class Document:
    """A page on its way to the corpus: what it says, and what is known of it so far."""

    page: Fetched
    lines: tuple[str, ...]
    lang: str = ""
    lang_confidence: float = 0.0
    signals: tuple[tuple[str, float], ...] = ()
    masked: int = 0

    @property
    def text(self) -> str:
        """Its lines as one text."""
        return "\n".join(self.lines)

    def with_signals(self, **values: float) -> Document:
        """The same with more quality signals."""
        return replace(self, signals=self.signals + tuple(values.items()))


@dataclass(frozen=True, slots=True)
class Rule:
    """One filter: a document that does not pass ``keeps`` is dropped, and counted under ``loss``."""

    name: str
    loss: Loss
    constant: float | str | None
    reason: str
    keeps: Callable[[Document], bool]


@dataclass(frozen=True, slots=True)
class Effect:
    """What one filter did."""

    rule: str
    loss: Loss
    constant: float | str | None
    reason: str
    rows_in: int
    rows_out: int

    @property
    def dropped(self) -> int:
        """Documents it took out."""
        return self.rows_in - self.rows_out


def apply(rules: Iterable[Rule], documents: Sequence[Document]) -> tuple[list[Document], list[Effect]]:
    """The documents every rule keeps, and the effect of each rule on what the ones before it left."""
    left, effects = list(documents), []
    for rule in rules:
        kept = [document for document in left if rule.keeps(document)]
        effects.append(Effect(rule.name, rule.loss, rule.constant, rule.reason, len(left), len(kept)))
        left = kept
    return left, effects


def words(text: str) -> list[str]:
    """Latin words in lower case and single Chinese characters."""
    return [word.lower() for word in WORD.findall(text)]


def sentence_count(text: str) -> int:
    """How many sentences end in a text, English or Chinese."""
    return len(_SENTENCE_END.findall(text))


def keeps_line(line: str) -> bool:
    """Whether C4 keeps a line: it ends as sentences do, has a few words, speaks of no scripts or policies."""
    low = line.lower()
    return (
        line[-1:] in ENDS
        and len(words(line)) >= MIN_WORDS_PER_LINE
        and "javascript" not in low
        and not any(policy in low for policy in _POLICIES)
    )


def without_bad_lines(document: Document) -> Document:
    """The document with the lines C4 keeps, citation marks removed."""
    return replace(document, lines=tuple(_CITATION.sub("", line) for line in document.lines if keeps_line(line)))


def measured(document: Document) -> Document:
    """The document with the ratios its page rules look at, taken from the text as extracted."""
    lines, text = document.lines, document.text
    repeats = sum(count - 1 for count in Counter(lines).values())
    short = sum(line[-1:] not in ENDS and len(words(line)) < MIN_WORDS_PER_LINE + 2 for line in lines)
    solid = [char for char in text if not char.isspace()]
    return document.with_signals(
        duplicate_line_ratio=round(repeats / len(lines), 4) if lines else 0.0,
        navigation_line_ratio=round(short / len(lines), 4) if lines else 0.0,
        digit_ratio=round(sum(char.isdigit() for char in solid) / len(solid), 4) if solid else 0.0,
    )


def _signal(document: Document, name: str) -> float:
    return dict(document.signals)[name]


PAGE_RULES: tuple[Rule, ...] = (
    Rule(
        "no_placeholder_text",
        "quality",
        "lorem ipsum",
        "C4: placeholder text",
        lambda d: "lorem ipsum" not in d.text.lower(),
    ),
    Rule("no_curly_bracket", "quality", "{", "C4: curly brackets mean code, not prose", lambda d: "{" not in d.text),
    Rule(
        "no_blocked_words",
        "quality",
        len(BLOCKED_WORDS),
        "C4: pages with words not to be used in company",
        lambda d: BLOCKED_WORDS.isdisjoint(words(d.text)),
    ),
    Rule(
        "few_repeated_lines",
        "quality",
        DUPLICATE_LINE_RATIO_MAX,
        "published: pages that repeat themselves",
        lambda d: _signal(d, "duplicate_line_ratio") <= DUPLICATE_LINE_RATIO_MAX,
    ),
    Rule(
        "little_navigation",
        "quality",
        NAV_RATIO_MAX,
        "published: menus and lists of links",
        lambda d: _signal(d, "navigation_line_ratio") <= NAV_RATIO_MAX,
    ),
    Rule(
        "few_digits",
        "quality",
        DIGIT_RATIO_MAX,
        "published: tables of numbers",
        lambda d: _signal(d, "digit_ratio") <= DIGIT_RATIO_MAX,
    ),
)

#: Looked at once the bad lines are gone.
SENTENCE_RULE = Rule(
    "enough_sentences",
    "quality",
    MIN_SENTENCES,
    "C4: fewer than five sentences in lines that were kept",
    lambda d: sentence_count(d.text) >= MIN_SENTENCES,
)

LENGTH_RULE = Rule(
    "long_enough",
    "quality",
    ", ".join(f"{lang} {least}" for lang, least in MIN_CHARS.items()),
    "published: 160 characters of English, 120 of Chinese",
    lambda d: len(d.text) >= MIN_CHARS[d.lang],
)

KNOWN_WORDS_RULE = Rule(
    "words_others_use",
    "quality",
    KNOWN_WORD_RATIO_MIN,
    "random strings share no words with the rest of the crawl",
    lambda d: _signal(d, "known_word_ratio") >= KNOWN_WORD_RATIO_MIN,
)


def with_known_words(documents: Sequence[Document]) -> list[Document]:
    """Each document with the share of its different words (or pairs of characters) that another document has."""
    vocabularies = [_vocabulary(document.text) for document in documents]
    seen = Counter(word for vocabulary in vocabularies for word in vocabulary)
    return [
        document.with_signals(
            known_word_ratio=round(sum(seen[word] > 1 for word in vocabulary) / len(vocabulary), 4)
            if vocabulary
            else 0.0
        )
        for document, vocabulary in zip(documents, vocabularies, strict=True)
    ]


def _vocabulary(text: str) -> set[str]:
    found = words(text)
    pairs = {a + b for a, b in pairwise(found) if CJK.match(a) and CJK.match(b)}
    return {word for word in found if not CJK.match(word)} | pairs
