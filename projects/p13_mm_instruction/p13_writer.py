"""Writes responses as a model would, errors included, and picks the one repetitions agree on."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from p13_judge import PASS_CONSISTENCY, PASS_SCORE, SLOTS, consistency, format_error, judge, unsafe
from p13_seeds import Seed
from p13_words import Claims, Words

#: How often each question is answered.
REPETITIONS = 5


@dataclass(frozen=True, slots=True)
class Writer:
    """Answers questions from evidence; ``rates`` say how often it leaves out, errs, offends, breaks its format.

    It stands in for a vision model: no network and no model are needed, and its errors are known to nobody downstream.
    """

    words: Words
    rates: Mapping[str, float]

    def write(self, evidence: Claims, task: str, language: str, rng: random.Random) -> str:
        """One response."""
        said = {}
        for slot in SLOTS[task]:
            if rng.random() < self.rates["drop_slot"]:
                continue
            wrong = rng.random() < self.rates["wrong_slot"]
            said[slot] = self.another(slot, evidence[slot], rng) if wrong else evidence[slot]
        text = self.words.text(said, language, rng)
        if rng.random() < self.rates["unsafe"]:
            text += " " + rng.choice(self.words.unsafe[language]).format(rng.randrange(10_000))
        if rng.random() < self.rates["broken_format"]:
            text = text[: len(text) // 2] + "{value}"
        return text

    def another(self, slot: str, value: str, rng: random.Random) -> str:
        """A wrong value of the same kind."""
        if slot == "total":
            return str(int(value) + rng.choice((-1, 1)))
        if slot == "objects":
            first, *others = value.split("|")
            count, name = first.split(" ", 1)
            return "|".join([f"{int(count) + 1} {name}", *others])
        if slot == "text":
            return value[:-1] + rng.choice("0123456789".replace(value[-1], ""))
        if slot == "subject":
            colour, thing = value.split()
            return f"{colour} {rng.choice([name for name in self.words.values['thing'] if name != thing])}"
        return rng.choice([name for name in self.words.values[slot] if name != value])


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of one question: the chosen response, or None and the reason."""

    seed: Seed
    response: str | None
    reason: str
    score: float
    consistency: float
    claims: Claims = field(default_factory=dict)


@dataclass(slots=True)
class Tally:
    """Counts over all responses written so far."""

    generated: int = 0
    format_errors: int = 0
    blocked: int = 0
    scores: list[float] = field(default_factory=list)


def answer(
    writer: Writer,
    seed: Seed,
    controls: Mapping[str, object],
    tally: Tally,
    rng: random.Random,
    *,
    is_unsafe: Callable[[str, Words, Mapping[str, object]], str] = unsafe,
) -> Answered:
    """Ask a question several times, judge every response, choose the best of those that say what most say."""
    words, slots = writer.words, SLOTS[seed.task]
    judged: list[tuple[float, str, Claims]] = []
    for _ in range(REPETITIONS):
        response = writer.write(seed.evidence, seed.task, "en", rng)
        tally.generated += 1
        if format_error(response):
            tally.format_errors += 1
        elif is_unsafe(response, words, controls):
            tally.blocked += 1
        else:
            score = judge(words, seed.task, seed.evidence, response, "en")
            tally.scores.append(score)
            judged.append((score, response, words.claims_in(response, slots, "en")))
    agreed, most = consistency([claims for _, _, claims in judged], slots) if judged else (0.0, {})
    return _chosen(seed, judged, agreed, most)


def _chosen(seed: Seed, judged: Sequence[tuple[float, str, Claims]], agreed: float, most: Claims) -> Answered:
    if agreed < PASS_CONSISTENCY:
        return Answered(seed, None, "inconsistent", 0.0, agreed)
    same = [item for item in judged if dict(item[2]) == dict(most)]
    if not same:
        return Answered(seed, None, "no_response_as_most_say", 0.0, agreed)
    score, response, claims = max(same, key=lambda item: item[0])
    if score < PASS_SCORE:
        return Answered(seed, None, "judged_too_low", score, agreed)
    return Answered(seed, response, "", score, agreed, claims)
