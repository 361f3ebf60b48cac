"""Judges responses by rules: format, safety, points for being right and complete, agreement among repetitions."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from p13_words import Claims, Words, han_share

from flywheel_mlflow.records.personal import kinds_in

#: The slots a response to each task has to speak of.
SLOTS = {
    "shot_desc": ("subject", "size", "light"),
    "shot_reason": ("camera", "slide"),
    "picture_desc": ("objects",),
    "picture_reason": ("objects", "total"),
    "ocr": ("text",),
}
#: Points: for each claim being right, for every slot being spoken of, for language and length, for not repeating.
GROUNDED, COMPLETE, FITTING, FRESH = 5.0, 3.0, 1.0, 1.0
#: A response with a wrong claim, or one that repeats itself, gets no more than this, below what passes.
FLAW_CAP = 4.0
PASS_SCORE = 6.0
#: Share of repetitions that must agree, averaged over the slots.
PASS_CONSISTENCY = 0.6
MAX_CHARACTERS = 400
_PLACEHOLDER = re.compile(r"\{[^}]*\}?")
_ENDINGS = (".", "。", "!", "！")
_SENTENCE = re.compile(r"[^.。!！]+[.。!！]?")


def format_error(response: str) -> str:
    """What is wrong with a response's form; empty when nothing is."""
    if not response.strip():
        return "empty"
    if _PLACEHOLDER.search(response):
        return "placeholder"
    if len(response) > MAX_CHARACTERS:
        return "too_long"
    return "" if response.rstrip().endswith(_ENDINGS) else "no_ending"


def unsafe(response: str, words: Words, controls: Mapping[str, object]) -> str:
    """Why a response must not be shown; empty when it may.

    Personal data count unless the privacy controls say they have rules for none.
    """
    lowered = response.lower()
    if any(phrase in lowered for phrases in words.blocked.values() for phrase in phrases):
        return "blocked_phrase"
    return "personal_data" if controls.get("pii_rules", True) and kinds_in(response) else ""


def judge(words: Words, task: str, evidence: Claims, response: str, language: str) -> float:
    """0 to 10 points for a response, by comparing what it claims with what was measured."""
    claims = words.claims_in(response, SLOTS[task], language)
    right = sum(evidence.get(slot) == value for slot, value in claims.items())
    han = han_share(response)
    fitting = (han > 0.5 if language == "zh" else han < 0.1) and len(response) >= 8
    sentences = [part.strip() for part in _SENTENCE.findall(response) if part.strip()]
    points = COMPLETE * len(claims) / len(SLOTS[task]) + FITTING * fitting
    points += GROUNDED * right / len(claims) if claims else 0.0
    fresh = len(set(sentences)) == len(sentences)
    points += FRESH * fresh
    return points if fresh and right == len(claims) else min(points, FLAW_CAP)


def consistency(repeated: Sequence[Claims], slots: Sequence[str]) -> tuple[float, dict[str, str]]:
    """How far repeated responses agree, 0 to 1, and what most of them claim.

    The share of the most frequent claim, averaged over the slots; saying nothing is no claim. A slot most are silent
    about is left out of what most claim.
    """
    shares, most = [], {}
    for slot in slots:
        said = Counter(claims[slot] for claims in repeated if slot in claims)
        if not said:
            shares.append(0.0)
            continue
        # Of equally frequent claims the first in the alphabet, so that equal runs choose equally.
        value, count = min(said.items(), key=lambda item: (-item[1], item[0]))
        shares.append(count / len(repeated))
        if count * 2 > len(repeated):
            most[slot] = value
    return sum(shares) / len(shares), most
