"""Takes in what applications send over HTTP: bounded, each event once, and the answer says what became of each line."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flywheel_mlflow.base.canonical import sha256_text
from flywheel_mlflow.base.documents import parse_json
from flywheel_mlflow.base.errors import DocumentError, InputError, Refused
from flywheel_mlflow.base.names import check_label
from flywheel_mlflow.evidence.flywheel import Flywheel
from flywheel_mlflow.operations.feedback.feedback import Ingested, Intake, KnownEvents, file_digest
from flywheel_mlflow.operations.projects.project_run import check_iteration_number
from flywheel_mlflow.operations.scratch import scratch_folder

if TYPE_CHECKING:
    from flywheel_mlflow.tracking import Tracking

#: One request: a page of an application, not its history. Files of any size are taken by `flywheel feedback ingest`.
MAX_BYTES = 4 * 1024 * 1024
MAX_EVENTS = 1_000
JSON, JSON_LINES = "application/json", "application/x-ndjson"


@dataclass(frozen=True, slots=True)
class Received:
    """What became of one request of ``events`` lines; ``replayed`` says that it was answered before."""

    ingested: Ingested
    events: int
    replayed: bool

    @property
    def error_rate(self) -> float:
        """The share of lines that are dead letters (0..1)."""
        return self.ingested.dead / self.events if self.events else 0.0

    def document(self) -> dict[str, Any]:
        """The answer as plain values; dead letters are told with their lines, counted from 1."""
        taken, item = self.ingested.taken, self.ingested
        return {
            "iteration": item.iteration,
            "run_id": item.already.run_id if item.already else item.run_id,
            "replayed": self.replayed,
            "events": self.events,
            "new": taken.new,
            "repeated": taken.repeated,
            "conflicts": taken.conflicts,
            "dead_letter_count": item.dead,
            "error_rate": self.error_rate,
            "dead_letters": [
                {"line": letter.line, "reason": letter.reason}
                for letter in sorted(item.first, key=lambda letter: letter.line)
            ],
            "to": dict(taken.to),
        }


def receive(
    flywheel: Flywheel,
    tracking: Tracking,
    body: bytes,
    known: KnownEvents,
    *,
    sender: str,
    media_type: str,
    iteration: int | None = None,
    key: str = "",
) -> Received:
    """Take the events of a request in, and route them.

    Args:
        flywheel: whose rules route them.
        tracking: the server.
        body: a JSON array of events, one event, or JSON lines, as ``media_type`` says.
        known: the events stored so far, kept between requests.
        sender: who sends it.
        media_type: :data:`JSON` or :data:`JSON_LINES`.
        iteration: which one they belong to; the newest that was assembled if left out.
        key: the sender's idempotency key: sent again with it, the same body is answered as the first time.

    Raises:
        InputError: no events, too many, no JSON, or no such iteration. Refused: the key came with another body.
    """
    newest = tracking.assemblies.latest_iteration() or 1 if iteration is None else iteration
    turn = check_iteration_number(newest)
    lines = _lines(body, media_type)
    count = sum(bool(line.strip()) for line in lines)
    if not count:
        raise InputError("no event in the body", hint="send a JSON array of events, or one event a line")
    if count > MAX_EVENTS:
        raise InputError(
            f"{count:,} events in one request, at most {MAX_EVENTS:,} are taken", hint="send them in parts"
        )
    mark = sha256_text(f"{sender}\n{check_label('the key', key)}") if key else ""
    intake = Intake(flywheel, tracking.feedback, turn, dry_run=False, known=known, key=mark)
    name = f"sent by {sender}"
    with scratch_folder() as folder, known.lock:
        path = Path(folder) / "body.jsonl"
        path.write_bytes(b"".join(line + b"\n" for line in lines))
        earlier = tracking.feedback.sent(mark) if mark else None
        if earlier is not None and earlier.file_digest != file_digest(path):
            raise Refused(
                "this idempotency key was sent with another body",
                rule="a key stands for one request",
                hint="make a new key for each request, and send it again only with the same body",
            )
        found = intake.earlier(name, earlier) if earlier else intake.file(path, None, name=name, idle=False)
    return Received(found, count, replayed=found.already is not None)


def _lines(body: bytes, media_type: str) -> list[bytes]:
    """The events of a body, one a line.

    Raises:
        InputError: it is no JSON.
    """
    if media_type == JSON_LINES:
        return body.removeprefix(b"\xef\xbb\xbf").splitlines()
    try:
        found = parse_json(body.decode("utf-8"), name="the body")
    except UnicodeDecodeError as error:
        raise InputError(f"the body is not UTF-8 at byte {error.start + 1}", hint="send JSON in UTF-8") from error
    except DocumentError as error:
        raise InputError(f"the body is no JSON: {error.faults[0].message}", hint=f"or send {JSON_LINES}") from error
    items = found if isinstance(found, list) else [found]
    return [json.dumps(item, ensure_ascii=True).encode("ascii") for item in items]
