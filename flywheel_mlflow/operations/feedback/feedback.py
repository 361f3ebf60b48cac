"""Takes feedback in from files and traces, each event once."""

from __future__ import annotations

import hashlib
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from flywheel_mlflow.base.canonical import canonical_json
from flywheel_mlflow.base.errors import FlywheelError, InputError, ServerError, StorageError
from flywheel_mlflow.evidence.flywheel import Flywheel
from flywheel_mlflow.feedback.dead_letters import DEAD_LETTERS_FILE, DeadLetter, DeadLetters
from flywheel_mlflow.feedback.events import FeedbackEvent, events_table
from flywheel_mlflow.feedback.files import EventFiles
from flywheel_mlflow.feedback.findings import built_in_routes
from flywheel_mlflow.feedback.identity import IdIndex
from flywheel_mlflow.feedback.intake import Taken, take_in
from flywheel_mlflow.feedback.mapping import ColumnMapping
from flywheel_mlflow.feedback.origins import origins_of
from flywheel_mlflow.feedback.plain_copies import plain_copy
from flywheel_mlflow.feedback.routing import Router
from flywheel_mlflow.feedback.tables import BATCH_ROWS, open_events
from flywheel_mlflow.feedback.traces import TraceCounts, read_trace
from flywheel_mlflow.promises.routes import UNROUTABLE
from flywheel_mlflow.reports.escaping import markdown_text
from flywheel_mlflow.tracking import BatchContent, FeedbackStore, StoredBatch, Tracking

if TYPE_CHECKING:
    import pyarrow as pa


#: What the runs that hold the flywheel's own findings say they hold.
OWN_FINDINGS = "findings of the flywheel"


@dataclass(frozen=True, slots=True)
class Ingested:
    """What became of one file (or of what was pulled, by its name).

    ``already`` is the ingestion of the very same bytes: then nothing was done now, and ``taken`` and ``dead`` say what
    became of them at that time. ``run_id`` is None when nothing was written: on a dry run, or because nothing was new.
    ``dead`` counts dead letters, ``first`` are the first of them. ``failure`` is what kept the file out: then nothing
    of it was taken in, and nothing is counted.
    """

    file: str
    iteration: int
    taken: Taken
    dead: int
    first: tuple[DeadLetter, ...]
    run_id: str | None
    already: StoredBatch | None = None
    failure: FlywheelError | None = None


def router_of(flywheel: Flywheel) -> Router:
    """The routing rules of a flywheel, prepared: those it declares, then those built in."""
    contracts = flywheel.contracts
    routes = (*flywheel.blueprint.routing, *built_in_routes(contracts.values()))
    return Router(routes, origins_of(contracts.values()), contracts)


def ingest_files(
    flywheel: Flywheel,
    tracking: Tracking,
    paths: Sequence[Path],
    iteration: int,
    *,
    mapping: ColumnMapping | None = None,
    dry_run: bool = False,
    progress: Callable[[int], None] | None = None,
) -> tuple[Ingested, ...]:
    """Take the events of some files into an iteration: each event once, over all files and iterations.

    A file that is missing, of another format, changed while it was read, or for which there is no room, has its
    ``failure`` in the answer, and the others are taken in all the same. When the server fails, those after it are not
    tried, and have that failure.
    """
    intake = Intake(flywheel, tracking.feedback, iteration, dry_run=dry_run)
    found: list[Ingested] = []
    away: ServerError | None = None
    for path in paths:
        try:
            if away is not None:
                raise away
            found.append(intake.file(path, mapping, progress))
        except FlywheelError as error:
            away = error if isinstance(error, ServerError) else None
            found.append(Ingested(path.name, iteration, Taken(), 0, (), None, failure=error))
    return tuple(found)


def pull_traces(
    flywheel: Flywheel,
    tracking: Tracking,
    experiment: str,
    iteration: int,
    *,
    since: datetime | None = None,
    begun: datetime | None = None,
    dry_run: bool = False,
    progress: Callable[[int], None] | None = None,
) -> tuple[TraceCounts, Ingested]:
    """Take what was said about an experiment's traces, and what went wrong in them, into an iteration.

    Args:
        flywheel: says under ``traces`` what values mean.
        tracking: the server.
        experiment: the name of the experiment that holds them.
        iteration: takes the events.
        since: leave out what was said, or happened, before.
        begun: look at no trace that began before; all are looked at otherwise, since a thumb may come weeks later.
        dry_run: write nothing.
        progress: is told how many events were read.

    Raises:
        InputError: no such experiment.
    """
    rules, counts = flywheel.blueprint.traces, TraceCounts()
    traces = tracking.traces.traces(experiment, begun=begun, spans=rules.needs_spans)
    events = (item for trace in traces for item in read_trace(trace, rules, counts, since))
    intake = Intake(flywheel, tracking.feedback, iteration, dry_run=dry_run)
    return counts, intake.events(f"traces of {experiment}", events, progress=progress)


class KnownEvents:
    """Every stored event by its hashes, kept between requests: only ingestions that came since are read.

    Whoever uses it holds ``lock`` meanwhile.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.index = IdIndex()
        self._runs: frozenset[str] = frozenset()

    def refresh(self, store: FeedbackStore, folder: Path) -> IdIndex:
        """The index of all that is stored now; anew where something that was known is gone."""
        batches = store.batches()
        runs = frozenset(batch.run_id for batch in batches)
        if not self._runs <= runs:
            self.index, self._runs = IdIndex(), frozenset()
        store.load_index(self.index, [batch for batch in batches if batch.run_id not in self._runs], folder)
        self._runs = runs
        return self.index


class Intake:
    """Takes files into one iteration; what one brought is known to the next.

    ``known`` is kept from one request to the next, where one process answers many; ``key`` is an idempotency key.
    """

    def __init__(
        self,
        flywheel: Flywheel,
        store: FeedbackStore,
        iteration: int,
        *,
        dry_run: bool,
        known: KnownEvents | None = None,
        key: str = "",
    ) -> None:
        self._router = router_of(flywheel)
        self._store = store
        self._iteration = iteration
        self._dry_run = dry_run
        self._key = key
        self._shared = known
        self._index: IdIndex | None = None

    def file(
        self,
        path: Path,
        mapping: ColumnMapping | None,
        progress: Callable[[int], None] | None = None,
        *,
        name: str = "",
        idle: bool = True,
    ) -> Ingested:
        """One file, unless it is empty, or the very same bytes are in already.

        ``name`` is told in place of the file's own. Without ``idle`` nothing is written when every event is known.
        """
        digest, name = file_digest(path), name or path.name
        if not path.stat().st_size:
            return Ingested(name, self._iteration, Taken(), 0, (), None)
        known_as = mapping.digest if mapping else ""
        already = self._store.ingested(digest, known_as)
        if already is not None:
            return self.earlier(name, already)

        def batches(dead: DeadLetters) -> Iterator[pa.RecordBatch]:
            with tempfile.TemporaryDirectory(prefix="flywheel-") as folder:
                how = (mapping.encoding, mapping.rows) if mapping else (None, None)
                readable = plain_copy(path, Path(folder), *how)
                reader = open_events(readable, mapping, dead)
                yield from reader.batches()
                read = reader.digest if readable == path else file_digest(path)
            if read != digest:
                raise InputError("the file changed while it was read", where=str(path), hint="ingest it again")

        always = self._always if idle else self._anything
        return self._take(name, lambda: digest, known_as, batches, progress, keeps=always)

    @staticmethod
    def _always(_taken: Taken, _dead: int) -> bool:
        return True

    @staticmethod
    def _anything(taken: Taken, dead: int) -> bool:
        return bool(taken.new or dead)

    @staticmethod
    def _something_new(taken: Taken, _dead: int) -> bool:
        return bool(taken.new or taken.conflicts)

    def events(
        self,
        name: str,
        items: Iterable[FeedbackEvent | tuple[str, str]],
        *,
        own: bool = False,
        progress: Callable[[int], None] | None = None,
    ) -> Ingested:
        """Events that are none of a file, some at a time; nothing is written when none of them is new.

        A pair stands for what could not be taken: its place, and why. ``own`` says that the flywheel found them
        itself: only its own findings can be repeated then.
        """
        digest = hashlib.sha256()

        def batches(dead: DeadLetters) -> Iterator[pa.RecordBatch]:
            waiting: list[FeedbackEvent] = []
            lines: list[int] = []
            for number, item in enumerate(items, start=1):
                digest.update(canonical_json(item).encode("utf-8"))
                if isinstance(item, tuple):
                    dead.add(number, item[1], item[0])
                    continue
                waiting.append(item)
                lines.append(number)
                if len(waiting) == BATCH_ROWS:
                    yield events_table(waiting, lines)
                    waiting, lines = [], []
            if waiting:
                yield events_table(waiting, lines)

        return self._take(name, digest.hexdigest, "", batches, progress, keeps=self._something_new, own=own)

    def _take(
        self,
        name: str,
        digest: Callable[[], str],
        mapping: str,
        batches: Callable[[DeadLetters], Iterator[pa.RecordBatch]],
        progress: Callable[[int], None] | None,
        *,
        keeps: Callable[[Taken, int], bool],
        own: bool = False,
    ) -> Ingested:
        with tempfile.TemporaryDirectory(prefix="flywheel-") as scratch:
            folder = Path(scratch)
            # A copy: events of a file that fails in the middle are not stored, and must not be known to the next one.
            index = self._known(folder, name if own else None).copy()
            letters = folder / DEAD_LETTERS_FILE
            with DeadLetters(letters) as dead, EventFiles(folder) as files:
                taken = take_in(batches(dead), index, self._router, files, dead, own=own, progress=progress)
            run_id = None
            if not self._dry_run and keeps(taken, dead.count):
                kept = tuple(path for path in (files.events, files.index, letters) if path.exists())
                run_id = self._store.write(self._content(name, digest(), mapping, taken, dead.count, kept)).run_id
        self._index = index
        if self._shared is not None:
            self._shared.index = index
        return Ingested(name, self._iteration, taken, dead.count, tuple(dead.first), run_id)

    def earlier(self, name: str, stored: StoredBatch) -> Ingested:
        """What became of a file that is in already, by its run."""
        counts = stored.counts
        to = Counter({key.removeprefix("to."): count for key, count in counts.items() if key.startswith("to.")})
        if counts.get("unroutable"):
            to[UNROUTABLE] = counts["unroutable"]
        new, repeated, conflicts = (counts.get(key, 0) for key in ("events", "repeated", "conflicts"))
        taken = Taken(new=new, repeated=repeated, conflicts=conflicts, to=to)
        taken.read = counts.get("read", new + repeated + conflicts)
        taken.misdated = counts.get("misdated", 0)
        taken.passed_over = counts.get("passed_over", 0)
        dead = counts.get("dead_letters", 0)
        with tempfile.TemporaryDirectory(prefix="flywheel-") as scratch:
            first = self._store.first_dead_letters(stored.run_id, Path(scratch)) if dead else ()
        return Ingested(name, stored.iteration, taken, dead, first, None, stored)

    def _known(self, folder: Path, file: str | None) -> IdIndex:
        """What is stored: all of it, or what ingestions of this name brought."""
        if self._shared is not None:
            return self._shared.refresh(self._store, folder)
        if self._index is None:
            index = IdIndex()
            stored = [batch for batch in self._store.batches() if file in (None, batch.file)]
            self._store.load_index(index, stored, folder)
            self._index = index
        return self._index

    def _content(
        self, name: str, digest: str, mapping: str, taken: Taken, dead: int, files: tuple[Path, ...]
    ) -> BatchContent:
        counts = {
            "read": taken.read,
            "events": taken.new,
            "repeated": taken.repeated,
            "conflicts": taken.conflicts,
            "dead_letters": dead,
            "unroutable": taken.unroutable,
            "misdated": taken.misdated,
            "passed_over": taken.passed_over,
        }
        counts |= {f"to.{to}": count for to, count in sorted(taken.to.items()) if to != UNROUTABLE}
        lines = [f"Feedback from **{markdown_text(name)}**.", "", "| what | events |", "|---|---|"]
        lines += [f"| {markdown_text(what)} | {count} |" for what, count in counts.items()]
        return BatchContent(
            iteration=self._iteration,
            file=name,
            file_digest=digest,
            mapping=mapping,
            rules=self._router.digest,
            counts=counts,
            files=files,
            note="\n".join(lines),
            key=self._key,
        )


def file_digest(path: Path) -> str:
    """sha256 of a file, 64 hex digits.

    Raises:
        InputError: there is no such file. StorageError: it cannot be read.
    """
    if not path.is_file():
        what = "no such file" if not path.exists() else "not a file"
        raise InputError(what, where=str(path), hint="name files of events: JSONL, JSON, CSV or Parquet")
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise StorageError(
            f"cannot read the file: {error.strerror or error}", where=str(path), hint="make it readable for this user"
        ) from error
