"""Makes records of six shapes, as LLM data come, around real texts."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import numpy as np

from benchmarks.content_texts import CODE, DOCSTRINGS, ENGLISH, FOREIGN, PACKAGES, PROSE, Stock, Text

Record = dict[str, Any]

#: What a share of the texts is: half of the messages are in other languages than English.
MIX = {DOCSTRINGS: 0.34, PACKAGES: 0.20, PROSE: 0.16, ENGLISH: 0.10, FOREIGN: 0.10, CODE: 0.10}
#: The source a record names; messages name one, whatever their language.
SOURCES = {
    DOCSTRINGS: "api-docs",
    CODE: "repositories",
    PACKAGES: "packages",
    PROSE: "manuals",
    ENGLISH: "dialogs",
    FOREIGN: "dialogs",
}
PROMPTS = (
    "What is {}?",
    "Explain {} to me.",
    "Please describe {} in your own words.",
    "I found {} and do not know what it is for. Can you help?",
    "Tell me about {}",
    "{}",
)
SYSTEM = (
    "You are a helpful assistant. Answer briefly and say so when you do not know.",
    "You answer questions of developers about the software they use.",
)
REFUSALS = (
    "I'm sorry, but I can't help with that.",
    "I cannot assist with this request.",
    "As an AI language model, I am not able to answer this question.",
    "Unfortunately I am unable to provide that information.",
)
PEOPLE = tuple(f"ann-{number:02d}" for number in range(24))
LICENCES = ("MIT", "Apache-2.0", "GPL-3.0", "BSD-3-Clause", "CC-BY-4.0")
LABELS = {"correct": 0.60, "partly": 0.28, "wrong": 0.11, "unsafe": 0.01}
_MEANS = {"correct": 0.80, "partly": 0.60, "wrong": 0.35, "unsafe": 0.20}
TOOLS = {"search": 0.4, "read_file": 0.3, "run_tests": 0.2, "write_file": 0.1}
FIRST_DAY = datetime(2025, 1, 1, tzinfo=UTC)
DIMENSIONS = 32
_WORDS = 4096
_PROJECTION = np.random.default_rng(17).normal(0, 1, (_WORDS, DIMENSIONS))


class Draw(random.Random):
    """The chance of one pair of sides, with the texts that it has left."""

    def __init__(self, seed: str, stock: Stock) -> None:
        super().__init__(seed)
        self.stock = stock

    def of(self, shares: dict[str, float]) -> str:
        """One of the names, as often as its share says."""
        return self.choices(list(shares), list(shares.values()))[0]

    def chance(self, share: float) -> bool:
        """True in a share of the calls."""
        return self.random() < share

    def day(self) -> datetime:
        """A time in 2025."""
        return FIRST_DAY + timedelta(seconds=self.randrange(365 * 86400))

    def skewed(self, names: tuple[str, ...]) -> str:
        """One of the names, the first ones more often."""
        return self.choices(names, [1 / (place + 3) for place in range(len(names))])[0]

    def text(self) -> tuple[str, Text]:
        """A text of the usual mix, with its source."""
        kind = self.of(MIX)
        return SOURCES[kind], self.stock.take(kind)


def stamp(moment: datetime) -> str:
    """A time as records hold it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _id(draw: Draw) -> str:
    return f"{draw.getrandbits(64):016x}"


def embedding(text: str) -> list[float]:
    """A text as a vector of length 1: its words by a fixed random projection."""
    words = [zlib.crc32(word.encode()) % _WORDS for word in text.lower().split()]
    vector = _PROJECTION[words or [0]].sum(axis=0)
    return [round(float(value), 6) for value in vector / np.linalg.norm(vector)]


def sft(draw: Draw) -> Record:
    """A prompt with its answer, one in a hundred a refusal."""
    source, text = draw.text()
    answer = draw.choice(REFUSALS) if draw.chance(0.01) else text.body
    prompt = text.title if " " in text.title else draw.choice(PROMPTS).format(text.title)
    return {
        "id": _id(draw),
        "source": source,
        "split": "train" if draw.chance(0.9) else "test",
        "content": {"prompt": prompt, "answer": answer},
        "metadata": {
            "topic": text.topic,
            "license": draw.skewed(LICENCES),
            "author": draw.skewed(PEOPLE),
            "created_at": stamp(draw.day()),
            "reviewer": draw.skewed(PEOPLE) if draw.chance(0.9) else None,
        },
        "quality_signals": {"helpfulness": round(draw.betavariate(6, 2), 4)},
        "audit_trace": {"step": "sft-export"},
    }


def preference(draw: Draw) -> Record:
    """A prompt with the better and the worse of two answers; the worse one is off the point, or cut."""
    source, text = draw.text()
    whole = draw.text()[1].body if draw.chance(0.5) else text.body + "\n" + text.title
    score = draw.betavariate(7, 2)
    return {
        "id": _id(draw),
        "source": source,
        "split": "train" if draw.chance(0.9) else "test",
        "content": {
            "prompt": draw.choice(PROMPTS).format(text.title),
            "chosen": text.body,
            "rejected": whole[: int(len(whole) * draw.uniform(0.4, 1.0))],
        },
        "metadata": {"annotator": draw.skewed(PEOPLE), "created_at": stamp(draw.day())},
        "quality_signals": {
            "chosen_score": round(score, 4),
            "rejected_score": round(max(0.0, score - draw.betavariate(2, 5)), 4),
        },
        "audit_trace": {"step": "pairs"},
    }


def chat(draw: Draw) -> Record:
    """A conversation of two to four exchanges, nearly always with a system prompt."""
    messages = [{"role": "system", "content": draw.choice(SYSTEM)}] if draw.chance(0.97) else []
    for _ in range(draw.choice((2, 3, 3, 3, 4))):
        text = draw.text()[1]
        messages.append({"role": "user", "content": draw.choice(PROMPTS).format(text.title)})
        messages.append({"role": "assistant", "content": text.body})
    return {
        "id": _id(draw),
        "messages": messages,
        "model": draw.of({"assistant-2": 0.8, "assistant-1": 0.2}),
        "channel": draw.of({"web": 0.6, "api": 0.3, "mobile": 0.1}),
        "created_at": stamp(draw.day()),
    }


def rag(draw: Draw) -> Record:
    """A chunk of at most 500 characters with where it is from and its vector."""
    source, text = draw.text()
    chunk = text.body[:500]
    return {
        "id": _id(draw),
        "text": chunk,
        "source": source,
        "metadata": {
            "title": text.title[:80],
            "section": text.topic,
            "page": draw.randrange(1, 60),
            "url": f"https://docs.example/{source}/{_id(draw)}",
            "updated_at": stamp(draw.day()),
        },
        "embedding": embedding(chunk),
    }


def judged(draw: Draw) -> Record:
    """A text with a judge's label and the score it rests on."""
    source, text = draw.text()
    label = draw.of(LABELS)
    score = min(1.0, max(0.0, draw.gauss(_MEANS[label], 0.12)))
    return {
        "id": _id(draw),
        "source": source,
        "split": "train" if draw.chance(0.9) else "test",
        "content": text.body,
        "metadata": {
            "label": label,
            "judge": draw.of({"judge-a": 0.7, "judge-b": 0.3}),
            "judged_at": stamp(draw.day()),
            "comment": f"rule {draw.randrange(1, 9)}" if draw.chance(0.5) else None,
        },
        "quality_signals": {"score": round(score, 4), "confidence": round(draw.betavariate(8, 2), 4)},
        "audit_trace": {"step": "judge"},
    }


def agent(draw: Draw) -> Record:
    """A task with the steps of an agent: tools, typed arguments, times, and how it ended."""
    text = draw.text()[1]
    start = now = draw.day()
    steps = []
    for _ in range(draw.randint(2, 7)):
        tool, took = draw.of(TOOLS), draw.lognormvariate(0, 0.7)
        steps.append(
            {
                "tool": tool,
                "arguments": {"query": text.title[:60], "limit": draw.choice((5, 10, 20)), "strict": draw.chance(0.3)},
                "started_at": stamp(now),
                "duration_s": round(took, 3),
                "status": "error" if draw.chance(0.06) else "ok",
            }
        )
        now += timedelta(seconds=took + draw.uniform(0, 20))
    failed = any(step["status"] == "error" for step in steps)
    return {
        "id": _id(draw),
        "task": text.body[:400],
        "steps": steps,
        "outcome": "failed" if draw.chance(0.75 if failed else 0.08) else "solved",
        "tokens": int(draw.lognormvariate(7, 0.5)),
        "started_at": stamp(start),
        "finished_at": stamp(now),
    }


@dataclass(frozen=True, slots=True)
class Shape:
    """A kind of records: how one is made, and the schema a contract gives it."""

    make: Callable[[Draw], Record]
    schema: Literal["record", "free"]


SHAPES = {
    "sft": Shape(sft, "record"),
    "preference": Shape(preference, "record"),
    "chat": Shape(chat, "free"),
    "rag": Shape(rag, "free"),
    "judged": Shape(judged, "record"),
    "agent": Shape(agent, "free"),
}


def two_sides(shape: str, rows: int, draw: Draw) -> tuple[list[Record], list[Record]]:
    """Two sides of so many records: made together, then dealt out, so that nothing but chance tells them apart."""
    records = [SHAPES[shape].make(draw) for _ in range(2 * rows)]
    draw.shuffle(records)
    return records[:rows], records[rows:]
