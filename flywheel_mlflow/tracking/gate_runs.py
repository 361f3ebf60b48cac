"""Keeps what a gate said as a run of kind `gate`: the report for people, the result for machines."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from flywheel_mlflow.tracking import tags
from flywheel_mlflow.tracking.artifacts import Artifacts
from flywheel_mlflow.tracking.connection import translated
from flywheel_mlflow.tracking.project_runs import end_run, ensure_experiment, log_batch
from flywheel_mlflow.tracking.views import ASSEMBLY_TITLE, ASSEMBLY_VIEWS

if TYPE_CHECKING:
    from mlflow import MlflowClient

GATE_JSON = "gate.json"
GATE_REPORT = "gate.md"


class GateRuns:
    """Writes and reads the runs of gates, in the assembly's experiment below the assembly they judged."""

    def __init__(
        self, client: MlflowClient, artifacts: Artifacts, *, uri: str, flywheel: str, artifact_root: Path | None
    ) -> None:
        self._client = client
        self._artifacts = artifacts
        self._uri = uri
        self._flywheel = flywheel
        self._artifact_root = artifact_root

    def write(
        self,
        *,
        parent: str,
        version: int,
        to: str,
        verdict: str,
        actor: str,
        bundle: str,
        counts: Mapping[str, int],
        result: str,
        report: str,
        note: Callable[[str, str], str],
    ) -> str:
        """Write one verdict; the run's id.

        ``result`` is JSON, ``report`` Markdown, ``counts`` criteria by verdict, ``bundle`` the digest of what was
        judged. ``note`` makes the run's description from its id and that of its experiment.
        """
        labels = {
            tags.SCHEMA: tags.SCHEMA_VERSION,
            tags.NAME: self._flywheel,
            tags.KIND: tags.KIND_GATE,
            tags.VERSION: str(version),
            tags.GATE: to,
            tags.VERDICT: verdict,
            tags.BUNDLE: bundle,
            tags.PARENT: parent,
            tags.RUN_NAME: f"gate: release {version} to {to}: {verdict}",
            tags.USER: actor,
        }
        with translated(self._uri):
            experiment = ensure_experiment(
                self._client, self._flywheel, None, ASSEMBLY_TITLE, self._artifact_root, views=ASSEMBLY_VIEWS
            )
            run_id = str(self._client.create_run(experiment, tags=labels).info.run_id)
            found = {f"criteria.{name}": count for name, count in counts.items()}
            log_batch(self._client, run_id, found, {}, {tags.NOTE: note(run_id, experiment)})
        with tempfile.TemporaryDirectory(prefix="flywheel-") as folder:
            self._artifacts.put(run_id, {GATE_JSON: result, GATE_REPORT: report}, Path(folder))
        with translated(self._uri):
            end_run(self._client, run_id, "FINISHED")
        return run_id

    def read(self, run_id: str, folder: Path) -> str | None:
        """The result a gate run holds as JSON; None when it is gone."""
        return self._artifacts.text(run_id, GATE_JSON, folder)
