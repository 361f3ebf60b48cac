"""Which names are allowed, so that none of them can leave its place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

from flywheel_mlflow.base.errors import InputError

#: Ids of projects, interfaces, KPIs, layers ...: they become parts of experiment names,
#: metric keys and file names, hence the narrow grammar.
IDENTIFIER_PATTERN = r"^[a-z][a-z0-9_]{0,62}$"

#: MLflow's limit on metric, param and tag keys (mlflow/utils/validation.py, 3.17.2).
MAX_LABEL_LENGTH = 250

#: Names listed in one sentence; more are counted.
MOST_NAMED = 8

#: Control characters, line and paragraph separators, marks that turn the direction of text
#: round (what is shown is then not what is there), and halves of characters UTF-8 cannot write.
_UNSHOWABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def _label(value: str) -> str:
    fault = label_fault(value)
    if fault:
        raise ValueError(fault)
    return value


def label_fault(value: str) -> str | None:
    """Why ``value`` cannot be a label (a check's name, a title), or None when it can."""
    if not value.strip():
        return "is empty"
    if len(value) > MAX_LABEL_LENGTH:
        return f"has {len(value)} characters, at most {MAX_LABEL_LENGTH} are allowed"
    if _UNSHOWABLE.search(value):
        return "contains control characters"
    return None


def unshowable(text: str) -> Iterator[str]:
    """The characters of a text that hide, reverse or break what is shown, in order."""
    return (found.group() for found in _UNSHOWABLE.finditer(text))


Identifier = Annotated[str, StringConstraints(pattern=IDENTIFIER_PATTERN)]
#: Three letters, as ISO 4217 spells currencies.
CURRENCY_PATTERN = r"^[A-Za-z]{3}$"
Currency = Annotated[str, StringConstraints(pattern=CURRENCY_PATTERN)]
#: Ids of variants of a project; they become part of run names.
VARIANT_PATTERN = r"^[a-z0-9][a-z0-9_\-]{0,39}$"
VariantName = Annotated[str, StringConstraints(pattern=VARIANT_PATTERN)]
#: What the patterns demand, for people.
IN_WORDS = {
    VARIANT_PATTERN: "must be lower-case letters, digits, hyphens and underscores, at most 40",
    IDENTIFIER_PATTERN: "must be lower-case letters, digits and underscores, a letter first, at most 63",
    CURRENCY_PATTERN: "must be three letters, such as EUR",
}
#: The cost of people's review, without its currency.
REVIEW_COST = "review_cost"
#: What reuse saved of it.
REUSE_COST = "reuse_cost_saved"
_IN_CURRENCY = re.compile(rf"({REVIEW_COST}|{REUSE_COST})_[a-z]{{3}}$")
Label = Annotated[str, AfterValidator(_label)]


def meant(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown name: the known one that is nearly the same; empty without one."""
    near = get_close_matches(name, known, n=1, cutoff=0.75)
    return f"; did you mean {near[0]}?" if near else ""


def likely(name: str, known: Iterable[str]) -> str:
    """The same, or without such a name those there are."""
    choices = sorted(known)
    if near := meant(name, choices):
        return near
    more = f" and {len(choices) - MOST_NAMED} more" if len(choices) > MOST_NAMED else ""
    return f"; there are: {', '.join(choices[:MOST_NAMED])}{more}" if choices else ""


def cost_name(currency: str | None, name: str = REVIEW_COST) -> str:
    """What a sum of money is called: its currency is the end of its name, so no two currencies meet under one name.

    Without a declared currency there is no ending, and never a value.
    """
    return name if currency is None else f"{name}_{currency.lower()}"


def without_currency(name: str) -> str:
    """The name of a number, without the currency that it may end with."""
    return _IN_CURRENCY.sub(r"\1", name)


def check_label(kind: str, value: str) -> str:
    """``value`` if it can stand in a report, a tag and a table.

    Raises:
        InputError: empty, over 250 characters, or with control characters.
    """
    fault = label_fault(value)
    if fault:
        raise InputError(f"{kind} {value[:80]!r} {fault}", hint="shorten or clean the name")
    return value
