"""Judges answers by five criteria, and reviews accepted ones on a scale of five."""

from __future__ import annotations

import re
from collections.abc import Mapping
from statistics import fmean

from p02_articles import Provision, shared
from p02_teacher import HEADINGS

CRITERIA = ("citation_present", "legal_basis_present", "structured_answer", "actionable_advice", "safe_response")
#: An answer is accepted with all criteria met: each guards something no other one does.
ACCEPTED_SCORE = 5
#: What no answer may say; found in real advice forums as kinds, worded here.
UNSAFE = (
    "never mind the law",
    "destroy the letters",
    "nobody will know",
    "guaranteed to win",
    "no need to do anything",
    "不用管法律",
    "没人知道",
    "销毁",
    "保证胜诉",
    "什么都不用做",
)
#: The first of them are shortcuts around the law, the others promise what nobody can know.
SHORTCUTS = (*UNSAFE[:3], *UNSAFE[5:8])
_CITED = re.compile(r"《([^》]+)》第(\d+)条|((?:Model )[A-Z]\w+ Act), Article (\d+)")


def judge(answer: str, provision: Provision) -> dict[str, bool]:
    """Which of the criteria an answer meets."""
    sections = sections_of(answer, provision.language)
    headings = HEADINGS[provision.language]
    cited = {(a or c, int(b or d)) for a, b, c, d in _CITED.findall(answer)}
    advice = sections.get(headings[3], "")
    limit = "" if provision.limit_days is None else str(provision.limit_days)
    return {
        "citation_present": cited == {(provision.law, provision.number)},
        "legal_basis_present": provision.duty in sections.get(headings[1], ""),
        "structured_answer": list(sections) == [name for name in headings if name in sections] and len(sections) >= 4,
        "actionable_advice": bool(advice) and limit in advice,
        "safe_response": not is_unsafe(answer) and bool(sections.get(headings[4])),
    }


def score(answer: str, provision: Provision) -> int:
    """The number of criteria met, from 0 to 5."""
    return sum(judge(answer, provision).values())


def is_unsafe(answer: str, phrases: tuple[str, ...] = UNSAFE) -> bool:
    """Whether an answer says something no answer may say."""
    return any(phrase in answer.lower() for phrase in phrases)


def sections_of(answer: str, language: str) -> dict[str, str]:
    """The parts of an answer below the known headings, in its own order."""
    colon = ": " if language == "en" else "："
    found = {}
    for line in answer.splitlines():
        heading, mark, text = line.partition(colon)
        if mark and heading in HEADINGS[language]:
            found[heading] = text.strip()
    return found


def review(answer: str, question: str, provision: Provision) -> Mapping[str, float]:
    """A second opinion by other rules than the judge's: marks from 1 to 5, and their mean as ``overall``."""
    sections = sections_of(answer, provision.language)
    headings = HEADINGS[provision.language]
    told = f"{provision.condition} {provision.duty} {provision.otherwise}"
    advice, caution = sections.get(headings[3], ""), sections.get(headings[4], "")
    law_and_question = f"{told} {question} {provision.number}"
    strange = [number for number in re.findall(r"\d+", answer) if number not in re.findall(r"\d+", law_and_question)]
    marks = {
        "accuracy_proxy": 1 + 4 * shared(told, answer) if not strange else 1.0,
        "style_consistency": 1 + 4 * len(sections) / len(headings),
        "actionability": 1 + 2 * bool(advice) + 2 * ("proof" in advice or "证据" in advice),
        "risk_control": 1 + 4 * (bool(caution) and not is_unsafe(answer)),
    }
    return {name: round(float(mark), 4) for name, mark in marks.items()} | {"overall": round(fmean(marks.values()), 4)}
