"""Answers questions from an index, and measures the answers against what was expected."""

from __future__ import annotations

import math
import statistics
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from p05_index import Hit, PageIndex, tokens_of

#: Pages a reader looks at; the published metric is the hit rate at 4.
PAGES = 4
#: Questions timed, and how often each: the median of these is robust on a busy machine.
TIMED_QUESTIONS = 5
TIMED_ROUNDS = 2


@dataclass(frozen=True, slots=True)
class Answer:
    """The pages retrieved, best first, and the line quoted with the page it cites; empty when nothing was found."""

    pages: tuple[str, ...]
    text: str
    cited: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """A question, its answer, and which of the three expectations it meets."""

    question: Mapping[str, Any]
    answer: Answer
    retrieval_ok: bool
    citation_ok: bool
    keyword_ok: bool


def answer(index: PageIndex, question: str) -> Answer:
    """Quote the line of the best blocks that has most of the question's rare words, and cite its page."""
    hits = index.search(question)
    pages = tuple(dict.fromkeys(hit.block.page for hit in hits))[:PAGES]
    best = _best_line(hits, index.expand(question))
    if best is None:
        return Answer(pages, "", "")
    hit, line = best
    return Answer(pages, line, hit.block.page)


def _best_line(hits: Sequence[Hit], wanted: Sequence[str]) -> tuple[Hit, str] | None:
    lines = [(hit, line) for hit in hits for line in hit.block.lines]
    if not lines:
        return None
    seen = Counter(token for _, line in lines for token in set(tokens_of(line)))
    rarity = {token: math.log(1 + len(lines) / count) for token, count in seen.items()}

    def worth(item: tuple[Hit, str]) -> float:
        # Whose figures these are, the block's score knows already; here counts what is asked.
        words = set(tokens_of(item[1])) - set(tokens_of(item[0].block.context.split(" | ")[0]))
        shared = sum(rarity[token] for token in wanted if token in words)
        return item[0].score + shared

    return max(lines, key=worth)


def evaluate(index: PageIndex, questions: Iterable[Mapping[str, Any]]) -> tuple[Outcome, ...]:
    """Ask every question and compare."""
    found = []
    for question in questions:
        given = answer(index, question["query"])
        expected = set(question["expected_pages"])
        found.append(
            Outcome(
                question,
                given,
                retrieval_ok=not expected.isdisjoint(given.pages),
                citation_ok=given.cited in expected,
                keyword_ok=bool(given.text) and all(word in given.text for word in question["answer_must_include"]),
            )
        )
    return tuple(found)


def rate(outcomes: Sequence[Outcome], name: str) -> float | None:
    """The share of outcomes that meet an expectation; None when there are none."""
    return sum(bool(getattr(item, name)) for item in outcomes) / len(outcomes) if outcomes else None


def latency_ms(index: PageIndex, questions: Sequence[Mapping[str, Any]]) -> float | None:
    """The median time of an answer in milliseconds, over some questions asked several times; None without questions.

    Processor time: what else the machine does is no property of the index.
    """
    chosen = questions[:: max(1, len(questions) // TIMED_QUESTIONS)][:TIMED_QUESTIONS]
    taken = []
    for question in [*chosen] * TIMED_ROUNDS:
        started = time.process_time()
        answer(index, question["query"])
        taken.append((time.process_time() - started) * 1000)
    return statistics.median(taken) if taken else None


def repair_hint(index: PageIndex, outcome: Outcome) -> str:
    """Why a question failed: its page is not indexed, or its words are not in the reports."""
    known = {block.page for block in index.blocks}
    lacking = [page for page in outcome.question["expected_pages"] if page not in known]
    if lacking:
        return f"not in the index: {', '.join(lacking)}"
    strange = [token for token in tokens_of(outcome.question["query"]) if token not in index.vocabulary]
    return f"words no report uses: {', '.join(strange)}" if strange else "other pages score higher"
