"""Reads the filters and orders that our own stores write; any other is left to MLflow, which knows them all."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from flywheel_mlflow.tracking.reading.port import NotUnderstood

#: One clause of a filter. What a value may hold means the same to everybody who parses it: no quotes, no escapes.
_CLAUSE = re.compile(
    r"tags\.`(?P<key>[\w./-]+)` = '(?P<value>[\w .:/@+-]+)'"
    r"|attributes\.(?P<time>start_time|end_time) (?P<sign><=|>=|=|<|>) (?P<moment>\d{1,15})"
    r"|attributes\.status = '(?P<status>[A-Z]+)'"
)
_ORDER = re.compile(r"attributes\.(start_time|end_time)( ASC| DESC)?")


@dataclass(frozen=True, slots=True)
class Tagged:
    """Asks for a tag of exactly this value."""

    key: str
    value: str


@dataclass(frozen=True, slots=True)
class Compared:
    """Asks for a column of ``runs`` that compares with a value; a column without a value compares with none."""

    column: str
    sign: str
    value: int | str


def clauses_of(text: str | None) -> list[Tagged | Compared]:
    """What a filter asks, all of it at once.

    Raises:
        NotUnderstood: it asks for something else than equal tags, times and a status.
    """
    found: list[Tagged | Compared] = []
    for part in (text or "").split(" and ") if text else []:
        match = _CLAUSE.fullmatch(part)
        if match is None:
            raise NotUnderstood(text)
        if match["key"]:
            found.append(Tagged(match["key"], match["value"]))
        elif match["time"]:
            found.append(Compared(match["time"], match["sign"], int(match["moment"])))
        else:
            found.append(Compared("status", "=", match["status"]))
    return found


def ordering_of(order_by: Iterable[str] | None) -> str:
    """MLflow's order as SQL: as asked, what has no such time last; then the newest start, then by id.

    Raises:
        NotUnderstood: it asks for something else than times, or twice for the same.
    """
    found: list[str] = []
    seen: set[str] = set()
    for text in order_by or ():
        match = _ORDER.fullmatch(text)
        if match is None or match[1] in seen:
            raise NotUnderstood(text)
        seen.add(match[1])
        found += [f"{match[1]} IS NULL", f"{match[1]}{match[2] or ' ASC'}"]
    if "start_time" not in seen:
        found.append("start_time DESC")
    return ", ".join([*found, "run_uuid"])


def numbers_of(experiment_ids: Sequence[str]) -> list[int]:
    """Experiment ids as the database has them.

    Raises:
        NotUnderstood: one is no number.
    """
    if not all(re.fullmatch(r"[0-9]{1,18}", str(item)) for item in experiment_ids):
        raise NotUnderstood("an experiment id that is no number")
    return [int(item) for item in experiment_ids]


def token_at(offset: int) -> str:
    """MLflow's own token for the page that begins at ``offset``."""
    return base64.b64encode(json.dumps({"offset": offset}).encode()).decode()


def offset_of(token: str | None) -> int:
    """Where the page of a token begins.

    Raises:
        NotUnderstood: it is none of MLflow's.
    """
    if not token:
        return 0
    try:
        offset = json.loads(base64.b64decode(token, validate=True))["offset"]
    except (binascii.Error, ValueError, KeyError, TypeError) as error:
        raise NotUnderstood("a page token") from error
    if type(offset) is not int or offset < 0:
        raise NotUnderstood("a page token")
    return offset
