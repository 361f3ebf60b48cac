"""Keeps the outcomes of experiments as runs of kind `outcomes`, one for each file, where their project's runs are."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from flywheel_mlflow.base.canonical import sha256_text
from flywheel_mlflow.base.errors import FlywheelError, InputError
from flywheel_mlflow.tracking import tags
from flywheel_mlflow.tracking.artifacts import Artifacts
from flywheel_mlflow.tracking.connection import pages, translated
from flywheel_mlflow.tracking.feedback import FILE, FILE_DIGEST, PAGE_SIZE
from flywheel_mlflow.tracking.project_runs import end_run, log_batch, storable, upload

if TYPE_CHECKING:
    from mlflow import MlflowClient

KIND_OUTCOMES = "outcomes"
#: Which experiment's outcomes a run holds, and the event that started its round.
EXPERIMENT, ROUND = "flywheel.experiment", "flywheel.experiment_round"
#: A parameter, which MLflow never lets anybody change: the sha256 of the sums.
OUTCOMES_DIGEST = "flywheel.outcomes_digest"
OUTCOMES_FILE, UNITS_FILE = "outcomes.json", "units.parquet"


@dataclass(frozen=True, slots=True)
class StoredOutcomes:
    """The outcomes of one file; ``digest`` is the sha256 of their sums, ``at`` when they were recorded (UTC)."""

    run_id: str
    file: str
    file_digest: str
    digest: str
    at: datetime


class OutcomeStore:
    """The outcomes of one flywheel's experiments. They count from the project's own MLflow experiment alone."""

    def __init__(self, client: MlflowClient, artifacts: Artifacts, *, uri: str, flywheel: str, actor: str) -> None:
        self._client = client
        self._artifacts = artifacts
        self._uri = uri
        self._flywheel = flywheel
        self._actor = actor

    def write(
        self,
        experiment_id: str,
        experiment: str,
        started: int,
        *,
        file: str,
        file_digest: str,
        text: str,
        units: Path,
        rows: Mapping[str, int],
    ) -> StoredOutcomes:
        """Write the outcomes of a file; readers count them only when they are whole.

        Args:
            experiment_id: MLflow's experiment of the project.
            experiment: the experiment of flywheel.yaml.
            started: the number of the event that started its round.
            file: the file's name; ``file_digest`` its sha256.
            file_digest: see ``file``.
            text: the sums as JSON.
            units: a Parquet file with the hashes of the units.
            rows: rows by variant.
        """
        digest = sha256_text(text)
        labels = {
            tags.SCHEMA: tags.SCHEMA_VERSION,
            tags.NAME: self._flywheel,
            tags.KIND: KIND_OUTCOMES,
            tags.RUN_NAME: storable(f"outcomes {experiment} {file}"[:200]),
            tags.USER: self._actor,
            EXPERIMENT: experiment,
            ROUND: str(started),
            FILE: storable(file)[:1000],
            FILE_DIGEST: file_digest,
        }
        with translated(self._uri):
            run = self._client.create_run(experiment_id, tags=labels)
        run_id = str(run.info.run_id)
        try:
            with tempfile.TemporaryDirectory(prefix="flywheel-") as folder, translated(self._uri):
                path = Path(folder) / OUTCOMES_FILE
                path.write_text(text, encoding="utf-8")
                upload(run.info.artifact_uri, {"": path}, self._client.tracking_uri)
                upload(run.info.artifact_uri, {"": units}, self._client.tracking_uri)
                found = {f"rows.{name}": float(count) for name, count in rows.items()}
                log_batch(self._client, run_id, found, {OUTCOMES_DIGEST: digest}, {})
                end_run(self._client, run_id, "FINISHED")
                self._client.set_tag(run_id, tags.VALID, tags.TRUE)
        except BaseException:
            # The error that stopped the writing is what the caller must see.
            with suppress(FlywheelError), translated(self._uri):
                end_run(self._client, run_id, "FAILED")
            raise
        return StoredOutcomes(run_id, file, file_digest, digest, _moment(run.info.start_time))

    def stored(self, project: str, experiment: str, started: int) -> tuple[StoredOutcomes, ...]:
        """The outcomes of a round of an experiment of a project, oldest first, without those that are not whole."""
        clause = (
            f"tags.`{tags.KIND}` = '{KIND_OUTCOMES}' and tags.`{EXPERIMENT}` = '{experiment}' "
            f"and tags.`{ROUND}` = '{started}' and tags.`{tags.VALID}` = '{tags.TRUE}'"
        )
        with translated(self._uri):
            place = self._client.get_experiment_by_name(f"{self._flywheel}/{project}")
            if place is None:
                return ()
            runs = list(
                pages(
                    lambda token: self._client.search_runs(
                        [place.experiment_id],
                        filter_string=clause,
                        max_results=PAGE_SIZE,
                        order_by=["attributes.start_time ASC"],
                        page_token=token,
                    )
                )
            )
        return tuple(
            StoredOutcomes(
                run.info.run_id,
                run.data.tags.get(FILE, ""),
                run.data.tags.get(FILE_DIGEST, ""),
                run.data.params.get(OUTCOMES_DIGEST, ""),
                _moment(run.info.start_time),
            )
            for run in runs
        )

    def text(self, item: StoredOutcomes, folder: Path) -> str:
        """The sums of a file as JSON, compared with their digest.

        Raises:
            InputError: they are gone, or not what was recorded.
        """
        found = self._artifacts.text(item.run_id, OUTCOMES_FILE, folder / item.run_id)
        if found is None or sha256_text(found) != item.digest:
            what = "are gone" if found is None else "were changed after they were recorded"
            raise InputError(
                f"the outcomes of {item.file} {what}",
                where=f"run {item.run_id}",
                hint="restore the artifact store from a backup, or delete the run and record the file again",
            )
        return found

    def units(self, item: StoredOutcomes, folder: Path) -> Path:
        """A local copy of the file with the hashes of the units; ``folder`` takes it."""
        place = folder / item.run_id
        place.mkdir(parents=True, exist_ok=True)
        return self._artifacts.fetch(item.run_id, UNITS_FILE, place)


def _moment(started_ms: int) -> datetime:
    return datetime.fromtimestamp(started_ms / 1000, UTC)
