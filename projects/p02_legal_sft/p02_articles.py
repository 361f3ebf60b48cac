"""Reads articles of statutes: who must do what, by when, and what follows otherwise."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_CHINESE = re.compile(
    r"第(?P<number>\d+)条 (?P<condition>.+?)的，(?P<duty>[^；]+)；(?:逾期的，)?(?P<otherwise>[^；]+)。"
)
_ENGLISH = re.compile(
    r"Article (?P<number>\d+)\. Where (?P<condition>.+?), (?P<duty>the \w+ shall [^;]+); "
    r"failing that, (?P<otherwise>[^;]+)\."
)
_LIMIT = re.compile(r"(\d+)(?:日| days)")


@dataclass(frozen=True, slots=True)
class Provision:
    """An article that lays something down.

    ``limit_days`` is the time in days within which ``duty`` is to be done, or that it is to be done ahead
    (``ahead``); None for an article that sets a penalty instead.
    """

    law: str
    number: int
    domain: str
    language: str
    condition: str
    duty: str
    otherwise: str
    limit_days: int | None
    ahead: bool

    @property
    def article(self) -> str:
        """The article's name, which groups all that is made from it."""
        return f"{self.law} {self.number}"

    @property
    def citation(self) -> str:
        """The article as an answer cites it."""
        return f"《{self.law}》第{self.number}条" if self.language == "zh" else f"{self.law}, Article {self.number}"


def parse(article: Mapping[str, Any]) -> Provision | None:
    """What an article lays down; None when it lays down nothing, as a definition does."""
    form = _CHINESE if article["language"] == "zh" else _ENGLISH
    found = form.fullmatch(article["text"])
    if found is None or int(found["number"]) != article["number"]:
        return None
    limit = _LIMIT.search(found["duty"])
    return Provision(
        article["law"],
        article["number"],
        article["domain"],
        article["language"],
        found["condition"],
        found["duty"],
        found["otherwise"],
        int(limit[1]) if limit else None,
        "提前" in found["duty"],
    )


def pairs_of_letters(text: str) -> frozenset[str]:
    """The neighbouring pairs of letters of a text: what texts of any language share when they share words."""
    plain = "".join(letter for letter in text.lower() if letter.isalnum())
    return frozenset(plain[place : place + 2] for place in range(len(plain) - 1))


def shared(part: str, whole: str) -> float:
    """The share of ``part``'s pairs of letters that ``whole`` has; 0 for a part without any."""
    wanted = pairs_of_letters(part)
    return len(wanted & pairs_of_letters(whole)) / len(wanted) if wanted else 0.0
