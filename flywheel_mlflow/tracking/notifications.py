"""Remembers what people were told: params of a run for each quarter, which the store lets nobody write twice."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from flywheel_mlflow.tracking import tags
from flywheel_mlflow.tracking.connection import translated
from flywheel_mlflow.tracking.ledger import write_once

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from flywheel_mlflow.tracking.rest.client import RestClient


class NotificationStore:
    """The attempts to tell people something, of one flywheel on its tracking server."""

    def __init__(
        self, client: MlflowClient | RestClient, *, uri: str, flywheel: str, artifact_root: Path | None
    ) -> None:
        self._client = client
        self._uri = uri
        self._flywheel = flywheel
        self._artifact_root = artifact_root

    def prepare(self, quarter: str) -> str:
        """A run for a quarter that nobody points to yet; whoever loses the race to point to one discards it."""
        from flywheel_mlflow.tracking.project_runs import ensure_experiment

        labels = {
            tags.SCHEMA: tags.SCHEMA_VERSION,
            tags.NAME: self._flywheel,
            tags.KIND: tags.KIND_NOTIFICATIONS,
            tags.RUN_NAME: f"notifications-{quarter}",
            tags.NOTE: "What people were told: two params for each attempt, never changed. "
            "`flywheel doctor` tells what could not be sent, `flywheel notify send` tries again.",
        }
        with translated(self._uri):
            experiment = ensure_experiment(
                cast("MlflowClient", self._client),
                self._flywheel,
                None,
                "Notifications",
                self._artifact_root,
                part=tags.KIND_NOTIFICATIONS,
            )
            return str(self._client.create_run(experiment, tags=labels).info.run_id)

    def discard(self, run_id: str) -> None:
        """Delete a run nobody points to."""
        with translated(self._uri):
            self._client.delete_run(run_id)

    def read(self, run_id: str) -> dict[str, str]:
        """Everything a quarter's run remembers."""
        with translated(self._uri):
            return dict(self._client.get_run(run_id).data.params)

    def write(self, run_id: str, key: str, text: str) -> bool:
        """Write down an attempt or how it ended; False when somebody else did so first."""
        return write_once(self._client, self._uri, run_id, key, text)
