"""Held-out cases compared with the texts of tasks by containment: what a task gives away measures nothing.

Example::

    case = HeldOutCase("q-7", "What did Kestrel pay for Aeromap?", answers=("12.3",), sources=("kestrel-p13",))
    leakage = find_leaks([case], {"t-1": {"pages": [{"text": "Kestrel acquired Aeromap for 12.3 million."}]}})
    leakage.leaks[0].part, leakage.leaks[0].place     # 'answer', 'pages.0.text'
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Part = Literal["question", "answer", "term", "passage", "source"]
Gram = tuple[str, ...]

#: From which share of its pairs of words a question or passage counts as contained: rewording a word in ten leaves
#: more than this, and another case of the same form less.
CONTAINED = 0.6
#: An answer of this many words says something by itself, and counts as contained from this share of its pairs.
LONG_ANSWER, ANSWER_CONTAINED = 3, 0.8
#: A shorter answer counts only with this share of the question's longer words within this many words of it.
CONTEXT, CONTEXT_SPAN = 0.5, 25
#: A question or passage is looked for within this many times its own length, and a few words more.
SPREAD, SLACK = 2, 8

_SCRIPT = "\u3040-\u30ff\u4e00-\u9fff"
_WORD = re.compile(rf"\d+(?:[.,]\d+)*|[{_SCRIPT}]+|[^\W\d_{_SCRIPT}]+")


@dataclass(frozen=True, slots=True)
class HeldOutCase:
    """One case an improvement is measured on, with all that must stand in no task.

    ``answers`` are the values expected; ``terms`` the words whose meaning it needs; ``passages`` the definitions and
    documents its answer rests on; ``sources`` the names of the documents, files or stories it was drawn from.
    """

    id: str
    question: str
    answers: tuple[str, ...] = ()
    terms: tuple[str, ...] = ()
    passages: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Leak:
    """A part of a case that stands in a text: ``place`` is the path in the text, ``share`` how much of it (0 to 1)."""

    case: str
    part: Part
    text: str
    place: str
    share: float

    def __str__(self) -> str:
        return f"{self.part} of {self.case} in {self.text} at {self.place} ({self.share:.2f})"


@dataclass(frozen=True, slots=True)
class Leakage:
    """The outcome of a comparison of ``cases`` with ``texts``; ``highest`` is the highest share that is no leak yet."""

    cases: int
    texts: int
    leaks: tuple[Leak, ...]
    highest: float

    @property
    def leaked(self) -> tuple[str, ...]:
        """Ids of the cases of which something stands in a text, sorted."""
        return tuple(sorted({leak.case for leak in self.leaks}))

    @property
    def share(self) -> float | None:
        """Share of the cases that leak; None without cases."""
        return len(self.leaked) / self.cases if self.cases else None


def find_leaks(cases: Sequence[HeldOutCase], texts: Mapping[str, Any]) -> Leakage:
    """The parts of the cases that stand in the texts, the fullest place of each.

    A text is any JSON value; keys are read, too. Pairs of words that many cases share weigh little, so that a case
    is known by what is its own. What holds no number is found with any numbers between its words: a story told again.
    """
    whole = [_Text.of(name, value) for name, value in texts.items()]
    bare = [_Text.of(name, value, numbers=False) for name, value in texts.items()]
    leaks: list[Leak] = []
    highest = 0.0
    for case, parts in zip(cases, _parts(cases), strict=True):
        for part in parts:
            read = whole if part.numbers or part.verbatim else bare
            places = [(share, text.name, text.place(at)) for text in read for share, at in [part.best(text)]]
            share, name, place = max(places, default=(0.0, "", ""), key=lambda item: item[0])
            if share and share >= part.limit:
                leaks.append(Leak(case.id, part.kind, name, place, round(share, 4)))
            else:
                highest = max(highest, share)
    return Leakage(len(cases), len(texts), tuple(leaks), round(highest, 4))


def words_of(text: str) -> list[str]:
    """The words of a text for comparison: case, width, punctuation and a plural ``s`` do not count.

    Chinese and Japanese are read in overlapping pairs of characters, numbers without separators of thousands.
    """
    found: list[str] = []
    for word in _WORD.findall(unicodedata.normalize("NFKC", text).casefold()):
        if word[0].isdigit():
            found.append(word.replace(",", ""))
        elif re.match(f"[{_SCRIPT}]", word):
            found += [word[at : at + 2] for at in range(max(1, len(word) - 1))]
        else:
            found.append(word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word)
    return found


@dataclass(frozen=True, slots=True)
class _Text:
    """The words of a JSON value in its own order; ``places`` are (first word, path) of its strings and keys."""

    name: str
    words: Sequence[str]
    places: Sequence[tuple[int, str]]
    index: Mapping[Gram, Sequence[int]] = field(repr=False)

    @classmethod
    def of(cls, name: str, value: Any, *, numbers: bool = True) -> _Text:
        words: list[str] = []
        places: list[tuple[int, str]] = []
        for path, text in _strings(value, ""):
            places.append((len(words), path))
            words += [word for word in words_of(text) if numbers or not word[0].isdigit()]
        index: dict[Gram, list[int]] = {}
        for size in (1, 2):
            for at in range(len(words) - size + 1):
                index.setdefault(tuple(words[at : at + size]), []).append(at)
        return cls(name, words, places, index)

    def place(self, at: int) -> str:
        """The path of the string or key that a word stands in."""
        return self.places[max(0, bisect_left(self.places, (at + 1, "")) - 1)][1] if self.places else ""

    def runs(self, wanted: Sequence[str]) -> Iterator[int]:
        """Where the words stand one after another."""
        starts = self.index.get(tuple(wanted[:2]), ()) if wanted else ()
        return (at for at in starts if list(self.words[at : at + len(wanted)]) == list(wanted))

    def densest(self, weights: Mapping[Gram, float], span: int) -> tuple[float, int]:
        """The largest share of the weights within ``span`` words, and where these begin."""
        hits = sorted((at, gram) for gram in weights for at in self.index.get(gram, ()))
        inside: Counter[Gram] = Counter()
        weight, most, begin, start = 0.0, 0.0, 0, 0
        for at, gram in hits:
            weight += 0.0 if inside[gram] else weights[gram]
            inside[gram] += 1
            while hits[start][0] < at - span:
                first = hits[start][1]
                inside[first] -= 1
                weight -= 0.0 if inside[first] else weights[first]
                start += 1
            if weight > most:
                most, begin = weight, hits[start][0]
        return most / sum(weights.values()), begin


def _strings(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Every string, number and key of a JSON value with its path."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            place = f"{path}.{key}" if path else str(key)
            yield place, str(key)
            yield from _strings(item, place)
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            yield from _strings(item, f"{path}.{number}" if path else str(number))
    elif value is not None and not isinstance(value, bool):
        yield path, str(value)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A part of a case: its words, the weights of its pairs, and what else must stand near it (a short answer's)."""

    kind: Part
    words: Sequence[str]
    weights: Mapping[Gram, float]
    limit: float
    context: frozenset[str] | None = None
    verbatim: bool = False

    @property
    def numbers(self) -> bool:
        """Whether it holds a number."""
        return any(word[0].isdigit() for word in self.words)

    def best(self, text: _Text) -> tuple[float, int]:
        """The largest share of it that stands in one place of a text, and where."""
        if not self.verbatim:
            return text.densest(self.weights, SPREAD * len(self.words) + SLACK)
        shares = [(self._context_share(text, at), -at) for at in text.runs(self.words)]
        share, at = max(shares, default=(0.0, 0))
        return share, -at

    def _context_share(self, text: _Text, at: int) -> float:
        if self.context is None:
            return 1.0
        near = set(text.words[max(0, at - CONTEXT_SPAN) : at + len(self.words) + CONTEXT_SPAN])
        return len(self.context & near) / len(self.context)


def _parts(cases: Sequence[HeldOutCase]) -> Iterator[list[_Wanted]]:
    """What is looked for of each case, in the order of the cases."""
    shared: dict[Part, Counter[Gram]] = {
        kind: Counter(gram for case in cases for gram in {gram for text in texts(case) for gram in _grams(text)})
        for kind, texts in _CONTAINED.items()
    }
    for case in cases:
        yield list(_parts_of(case, shared))


def _parts_of(case: HeldOutCase, shared: Mapping[Part, Counter[Gram]]) -> Iterator[_Wanted]:
    for kind, texts in _CONTAINED.items():
        for text in texts(case):
            words = words_of(text)
            if len(words) > 1:  # one word alone is no question and no definition
                weights = {gram: 1 / shared[kind][gram] for gram in _grams(text)}
                yield _Wanted(kind, words, weights, ANSWER_CONTAINED if kind == "answer" else CONTAINED)
    yield from (_Wanted("term", words_of(term), {}, 1.0, verbatim=True) for term in case.terms)
    yield from (_Wanted("source", words_of(source), {}, 1.0, verbatim=True) for source in case.sources)
    context = frozenset(word for word in words_of(case.question) if len(word) > 3 or not word.isascii())
    for answer in case.answers:
        words = words_of(answer)
        if len(words) < LONG_ANSWER and context:
            yield _Wanted("answer", words, {}, CONTEXT, context - frozenset(words) or context, verbatim=True)


def _grams(text: str) -> list[Gram]:
    words = words_of(text)
    return [tuple(words[at : at + 2]) for at in range(len(words) - 1)]


def _long_answers(case: HeldOutCase) -> Iterable[str]:
    return (answer for answer in case.answers if len(words_of(answer)) >= LONG_ANSWER)


#: The parts that are compared by containment, and their texts.
_CONTAINED: Mapping[Part, Callable[[HeldOutCase], Iterable[str]]] = {
    "question": lambda case: (case.question,),
    "passage": lambda case: case.passages,
    "answer": _long_answers,
}
