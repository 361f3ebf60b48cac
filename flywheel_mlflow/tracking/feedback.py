"""Keeps feedback as runs of kind `feedback`: one for each file, its events as a Parquet artifact."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from flywheel_mlflow.base.canonical import sha256_text
from flywheel_mlflow.base.errors import FlywheelError, InputError, ServerRefused, StorageError
from flywheel_mlflow.base.settings import redacted
from flywheel_mlflow.feedback.dead_letters import DEAD_LETTERS_FILE, DeadLetter, read_letters
from flywheel_mlflow.feedback.files import EVENTS_FILE, INDEX_FILE, read_events, read_index
from flywheel_mlflow.feedback.identity import NEW, IdIndex, content_hashes, id_hash, id_hashes
from flywheel_mlflow.tracking import tags
from flywheel_mlflow.tracking.artifacts import Artifacts
from flywheel_mlflow.tracking.connection import pages, translated
from flywheel_mlflow.tracking.project_runs import end_run, log_batch, storable, upload

if TYPE_CHECKING:
    import pyarrow as pa
    from mlflow import MlflowClient
    from mlflow.entities import Run

KIND_FEEDBACK = "feedback"
KIND_THEMES = "themes"
KIND_TASK = "task"
KIND_REVIEW, KIND_ANSWERS = "human_review", "human_review_answers"
THEMES_FILE, TASK_FILE, REVIEW_FILE, ANSWERS_FILE = "themes.json", "task.json", "review.json", "answers.json"
#: The flywheel whose feedback an experiment holds. Not ``flywheel.name``: by that the collector finds the experiments
#: of projects, and feedback is no project's evidence.
FEEDBACK_OF = "flywheel.feedback_of"
FILE = "flywheel.file"
FILE_DIGEST = "flywheel.file_digest"
MAPPING = "flywheel.mapping"
#: sha256 of who sent it and of the key it was sent with, so that no key can be looked for by another spelling.
IDEMPOTENCY_KEY = "flywheel.idempotency_key"
RULES = "flywheel.rules"

PAGE_SIZE = 1000


@dataclass(frozen=True, slots=True)
class StoredBatch:
    """One ingestion as its run shows it; ``counts`` are its metrics (events, repeated, conflicts, dead_letters ...)."""

    run_id: str
    iteration: int
    file: str
    file_digest: str
    at: datetime
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class BatchContent:
    """What one ingestion leaves: ``file_digest`` is the sha256 of what was read, ``mapping`` that of the mapping or
    empty, ``rules`` that of the routing rules; ``files`` are local files to keep; ``note`` is Markdown; ``key`` is the
    idempotency key it was sent with, empty where it came otherwise.
    """

    iteration: int
    file: str
    file_digest: str
    mapping: str
    rules: str
    counts: Mapping[str, int]
    files: tuple[Path, ...]
    note: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class FeedbackDocument:
    """A document about feedback: kind and name of its run, file of the artifact, text; ``note`` is Markdown."""

    kind: str
    iteration: int
    name: str
    file: str
    text: str
    note: str


@dataclass(frozen=True, slots=True)
class KeptDocument:
    """Where a document lies; ``digest`` is the sha256 of its text."""

    run_id: str
    iteration: int
    digest: str


class FeedbackStore:
    """The feedback experiment of one flywheel, ``FLYWHEEL/feedback``."""

    def __init__(
        self,
        client: MlflowClient,
        artifacts: Artifacts,
        *,
        uri: str,
        flywheel: str,
        actor: str,
        artifact_root: Path | None,
    ) -> None:
        self._client = client
        self._artifacts = artifacts
        self._uri = uri
        self._flywheel = flywheel
        self.actor = actor
        self._artifact_root = artifact_root

    @property
    def name(self) -> str:
        """The experiment's name."""
        return f"{self._flywheel}/feedback"

    def write(self, content: BatchContent) -> StoredBatch:
        """Write one ingestion; readers count it only when it is whole."""
        labels = self._labels(KIND_FEEDBACK, f"feedback {content.file}"[:200]) | {
            tags.ITERATION: str(content.iteration),
            FILE: storable(content.file)[:1000],
            FILE_DIGEST: content.file_digest,
            MAPPING: content.mapping,
            RULES: content.rules,
            tags.NOTE: content.note,
        }
        labels |= {IDEMPOTENCY_KEY: content.key} if content.key else {}
        with translated(self._uri):
            run = self._client.create_run(self.experiment(), tags=labels)
        run_id = str(run.info.run_id)
        try:
            with translated(self._uri):
                for path in content.files:
                    upload(self._artifacts.reachable(run.info.artifact_uri), {"": path}, self._client.tracking_uri)
                log_batch(self._client, run_id, {key: float(value) for key, value in content.counts.items()}, {}, {})
                end_run(self._client, run_id, "FINISHED")
                self._client.set_tag(run_id, tags.VALID, tags.TRUE)
        except BaseException as error:
            # The error that stopped the writing is what the caller must see.
            with suppress(FlywheelError), translated(self._uri):
                reason = storable(" ".join(redacted(str(error)).split())[:2000])
                log_batch(self._client, run_id, {}, {}, {tags.ERROR: reason, tags.VALID: tags.FALSE})
                end_run(self._client, run_id, "FAILED")
            raise
        return _stored(run_id, labels, content.counts, run.info.start_time)

    def batches(self, iteration: int | None = None) -> tuple[StoredBatch, ...]:
        """The ingestions of an iteration, or all, oldest first."""
        wanted = f" and tags.`{tags.ITERATION}` = '{iteration}'" if iteration is not None else ""
        return _batches(self._search(f"tags.`{tags.KIND}` = '{KIND_FEEDBACK}'{wanted}"))

    def of_iteration(self, iteration: int) -> tuple[tuple[StoredBatch, ...], tuple[KeptDocument, ...]]:
        """The ingestions of an iteration and the documents with its themes, each oldest first, in one search."""
        runs = self._search(f"tags.`{tags.ITERATION}` = '{iteration}'")
        ingested = [run for run in runs if run.data.tags.get(tags.KIND) == KIND_FEEDBACK]
        return _batches(ingested), _documents(run for run in runs if run.data.tags.get(tags.KIND) == KIND_THEMES)

    def ingested(self, file_digest: str, mapping: str) -> StoredBatch | None:
        """The ingestion of the same bytes read in the same way, in any iteration; None when there was none."""
        runs = self._search(f"tags.`{FILE_DIGEST}` = '{file_digest}' and tags.`{tags.KIND}` = '{KIND_FEEDBACK}'")
        for run in runs:
            labels = run.data.tags
            if labels.get(tags.VALID) == tags.TRUE and labels.get(MAPPING, "") == mapping:
                counts = {key: int(value) for key, value in run.data.metrics.items()}
                return _stored(run.info.run_id, labels, counts, run.info.start_time)
        return None

    def sent(self, key: str) -> StoredBatch | None:
        """The ingestion that was sent with an idempotency key, None when there was none."""
        runs = self._search(f"tags.`{IDEMPOTENCY_KEY}` = '{key}' and tags.`{tags.KIND}` = '{KIND_FEEDBACK}'")
        return next(iter(_batches(runs)), None)

    def load_index(self, index: IdIndex, batches: Iterable[StoredBatch], folder: Path) -> None:
        """Make ``index`` know the events of some ingestions; ``folder`` takes the downloads, 16 bytes an event."""
        for batch in batches:
            if batch.counts.get("events"):
                place = folder / batch.run_id
                place.mkdir(parents=True, exist_ok=True)
                path = self._artifacts.fetch(batch.run_id, INDEX_FILE, place)
                for ids, contents in read_index(path):
                    index.add(ids, contents)
                path.unlink()

    def events(self, batches: Iterable[StoredBatch], folder: Path) -> Iterator[pa.RecordBatch]:
        """The stored events, each id once: two ingestions at the same time may both have kept it."""
        import pyarrow as pa

        items = [batch for batch in batches if batch.counts.get("events")]
        seen = IdIndex() if len(items) > 1 else None
        for item in items:
            place = folder / item.run_id
            place.mkdir(parents=True, exist_ok=True)
            path = self._artifacts.fetch(item.run_id, EVENTS_FILE, place)
            for batch in read_events(path):
                if seen is None:
                    yield batch
                    continue
                first = seen.judge(id_hashes(batch), content_hashes(batch)) == NEW
                yield batch if first.all() else batch.filter(pa.array(first))
            path.unlink()

    def find(self, event_id: str, folder: Path) -> tuple[StoredBatch, pa.RecordBatch] | None:
        """One stored event as a batch of one row, with its ingestion; None when nobody stored it.

        Only hashes are looked through; the events of one ingestion alone are read.
        """
        import pyarrow.compute as pc

        wanted = id_hash(event_id)
        for item in self.batches():
            if not item.counts.get("events") or not self._holds(item, wanted, folder):
                continue
            for batch in self.events([item], folder):
                found = batch.filter(pc.equal(batch.column("id"), event_id))
                if found.num_rows:
                    return item, found.slice(0, 1)
        return None

    def _holds(self, item: StoredBatch, wanted: int, folder: Path) -> bool:
        place = folder / item.run_id
        place.mkdir(parents=True, exist_ok=True)
        path = self._artifacts.fetch(item.run_id, INDEX_FILE, place)
        held = any((ids == wanted).any() for ids, _ in read_index(path))
        path.unlink()
        return held

    def first_dead_letters(self, run_id: str, folder: Path) -> tuple[DeadLetter, ...]:
        """The first dead letters of one ingestion that has some; none when the server does not have them any more."""
        try:
            path = self._artifacts.fetch(run_id, DEAD_LETTERS_FILE, folder)
        except (ServerRefused, StorageError):
            # What an earlier ingestion counted is told all the same.
            return ()
        return read_letters(path)

    def keep(self, document: FeedbackDocument) -> str:
        """Keep a document as the artifact of a run of its own, the same one once; the run's id."""
        digest = sha256_text(document.text)
        for run in self._search(f"tags.`{FILE_DIGEST}` = '{digest}' and tags.`{tags.KIND}` = '{document.kind}'"):
            labels = run.data.tags
            if labels.get(tags.VALID) == tags.TRUE and labels.get(tags.ITERATION) == str(document.iteration):
                return str(run.info.run_id)
        labels = self._labels(document.kind, document.name[:200]) | {
            tags.ITERATION: str(document.iteration),
            FILE: document.file,
            FILE_DIGEST: digest,
            tags.NOTE: document.note,
        }
        with translated(self._uri):
            run = self._client.create_run(self.experiment(), tags=labels)
        with tempfile.TemporaryDirectory(prefix="flywheel-") as folder, translated(self._uri):
            path = Path(folder) / document.file
            path.write_text(document.text, encoding="utf-8")
            upload(self._artifacts.reachable(run.info.artifact_uri), {"": path}, self._client.tracking_uri)
            end_run(self._client, run.info.run_id, "FINISHED")
            self._client.set_tag(run.info.run_id, tags.VALID, tags.TRUE)
        return str(run.info.run_id)

    def kept(self, kind: str, iteration: int | None = None, *, name: str = "") -> tuple[KeptDocument, ...]:
        """The documents of a kind, of one iteration or name or all, oldest first; texts are fetched when asked for."""
        wanted = f" and tags.`{tags.ITERATION}` = '{iteration}'" if iteration is not None else ""
        wanted += f" and tags.`{tags.RUN_NAME}` = '{name}'" if name else ""
        return _documents(self._search(f"tags.`{tags.KIND}` = '{kind}'{wanted}"))

    def text(self, run_id: str, file: str, digest: str, folder: Path) -> str:
        """A document that was kept, compared with its digest.

        Raises:
            InputError: it is gone, or not what was kept.
        """
        found = self._artifacts.text(run_id, file, folder / run_id)
        if found is None or sha256_text(found) != digest:
            what = "is gone" if found is None else "was changed after it was kept"
            raise InputError(f"{file} {what}", where=f"run {run_id}", hint="restore the artifact store from a backup")
        return found

    def _labels(self, kind: str, name: str) -> dict[str, str]:
        return {
            tags.SCHEMA: tags.SCHEMA_VERSION,
            tags.NAME: self._flywheel,
            tags.KIND: kind,
            tags.RUN_NAME: storable(name),
            tags.USER: self.actor,
        }

    def _search(self, clause: str) -> list[Run]:
        with translated(self._uri):
            experiment = self._client.get_experiment_by_name(self.name)
            if experiment is None:
                return []
            return list(
                pages(
                    lambda token: self._client.search_runs(
                        [experiment.experiment_id],
                        filter_string=clause,
                        max_results=PAGE_SIZE,
                        order_by=["attributes.start_time ASC"],
                        page_token=token,
                    )
                )
            )

    def experiment(self) -> str:
        """The id of the feedback experiment, made when it is missing."""
        with translated(self._uri):
            return self._ensure()

    def _ensure(self) -> str:
        from mlflow.exceptions import MlflowException

        found = self._client.get_experiment_by_name(self.name)
        if found is None:
            place = (self._artifact_root / self.name.replace("/", "_")).as_uri() if self._artifact_root else None
            labels = {FEEDBACK_OF: self._flywheel, tags.NOTE: "Feedback events of the flywheel"}
            try:
                return str(self._client.create_experiment(self.name, artifact_location=place, tags=labels))
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
                found = self._client.get_experiment_by_name(self.name)
        if found is None or found.lifecycle_stage != "active":
            raise InputError(f"the experiment {self.name} is deleted", hint="restore it in the MLflow UI")
        return str(found.experiment_id)


def _counts(run: Run) -> bool:
    labels = run.data.tags
    return labels.get(tags.VALID) == tags.TRUE and labels.get(tags.ITERATION, "").isdecimal()


def _batches(runs: Iterable[Run]) -> tuple[StoredBatch, ...]:
    return tuple(
        _stored(
            run.info.run_id,
            run.data.tags,
            {key: int(value) for key, value in run.data.metrics.items()},
            run.info.start_time,
        )
        for run in runs
        if _counts(run)
    )


def _documents(runs: Iterable[Run]) -> tuple[KeptDocument, ...]:
    return tuple(
        KeptDocument(run.info.run_id, int(run.data.tags[tags.ITERATION]), run.data.tags.get(FILE_DIGEST, ""))
        for run in runs
        if _counts(run)
    )


def _stored(run_id: str, labels: Mapping[str, str], counts: Mapping[str, int], started_ms: int) -> StoredBatch:
    return StoredBatch(
        run_id=run_id,
        iteration=int(labels[tags.ITERATION]),
        file=labels.get(FILE, ""),
        file_digest=labels.get(FILE_DIGEST, ""),
        at=datetime.fromtimestamp(started_ms / 1000, UTC),
        counts=dict(counts),
    )
