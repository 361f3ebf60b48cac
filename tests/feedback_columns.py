"""What the tests of feedback share: events as rows, files of them, a router over a small flywheel."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from flywheel_mlflow.feedback.dead_letters import DeadLetters
from flywheel_mlflow.feedback.events import FeedbackEvent, events_table
from flywheel_mlflow.feedback.mapping import ColumnMapping
from flywheel_mlflow.feedback.matching import fold, is_spaced
from flywheel_mlflow.feedback.origins import Origins
from flywheel_mlflow.feedback.routing import Router
from flywheel_mlflow.feedback.tables import open_events
from flywheel_mlflow.promises.routes import Route

Row = dict[str, Any]

ORIGINS = Origins(
    {"corpus": "p01", "answers": "p02", "index": "p05"},
    {
        "corpus": frozenset({"corpus"}),
        "answers": frozenset({"answers", "corpus"}),
        "index": frozenset({"index"}),
    },
)


def row(number: int = 1, **said: Any) -> Row:
    """An event's fields, as JSON has them."""
    return {"id": f"e{number}", "time": "2026-10-01T12:00:00Z", "source": "human", "text": f"word {number}"} | said


def event(number: int = 1, **said: Any) -> FeedbackEvent:
    """The same as an event."""
    return FeedbackEvent.model_validate(row(number, **said))


def batch(*rows: Row) -> Any:
    """Events as one record batch."""
    return events_table([FeedbackEvent.model_validate(item) for item in rows])


def write_lines(path: Path, lines: Iterable[bytes | Row]) -> Path:
    """JSON lines, some of them raw bytes."""
    raw = [line if isinstance(line, bytes) else json.dumps(line, ensure_ascii=False).encode() for line in lines]
    path.write_bytes(b"".join(line + b"\n" for line in raw))
    return path


def read(path: Path, mapping: ColumnMapping | None = None) -> tuple[list[Row], list[Row]]:
    """The events of a file as rows with their lines, and its dead letters."""
    letters = path.parent / "dead.jsonl"
    letters.unlink(missing_ok=True)
    with DeadLetters(letters) as dead:
        rows = [item for part in open_events(path, mapping, dead).batches() for item in part.to_pylist()]
    texts = letters.read_text(encoding="ascii").splitlines() if letters.exists() else []
    assert len(texts) == dead.count
    return rows, [json.loads(text) for text in texts]


def router(*routes: Row, projects: Sequence[str] = ("p01", "p02", "p05")) -> Router:
    """A router of rules written short: id, to, when."""
    full = [{"match": "x", "why": f"because of {item['id']}", **item} for item in routes]
    return Router([Route.model_validate(item) for item in full], ORIGINS, projects)


def holds(keyword: str, text: str) -> bool:
    """The same question for one keyword and one text, written as plainly as possible."""
    word, whole = fold(keyword), fold(text.replace("\0", " "))
    place = whole.find(word)
    while place >= 0:
        before = whole[place - 1] if place else " "
        behind = whole[place + len(word)] if place + len(word) < len(whole) else " "
        if not (is_spaced(word[0]) and is_spaced(before)) and not (is_spaced(word[-1]) and is_spaced(behind)):
            return True
        place = whole.find(word, place + 1)
    return False
