"""Keeps the comparison of an assembly with another on the assembly's own run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from flywheel_mlflow.tracking import tags
from flywheel_mlflow.tracking.artifacts import Artifacts
from flywheel_mlflow.tracking.connection import translated
from flywheel_mlflow.tracking.project_runs import log_batch

if TYPE_CHECKING:
    from pathlib import Path

    from mlflow import MlflowClient

FOLDER = "drift"

#: Hex digits of a run id that name a comparison's tag: tags are read by people.
SHORT_RUN = 8


def drift_tag(reference: str) -> str:
    """The tag that holds the verdict of the comparison with a reference's run."""
    return f"{tags.DRIFT_PREFIX}{reference[:SHORT_RUN]}"


class ComparisonStore:
    """The comparisons of one flywheel's assemblies."""

    def __init__(self, client: MlflowClient, artifacts: Artifacts, *, uri: str) -> None:
        self._client = client
        self._artifacts = artifacts
        self._uri = uri

    def write(
        self,
        run_id: str,
        reference: str,
        *,
        verdict: str,
        files: Mapping[str, str],
        metrics: Mapping[str, float],
        folder: Path,
    ) -> tuple[str, ...]:
        """Write a comparison with ``reference`` on a run, over an earlier one with it; the artifact paths.

        ``folder`` is an empty one to write into first. The tag comes last: who reads it finds the files.
        """
        placed = {f"{FOLDER}/{reference}/{name}": text for name, text in files.items()}
        self._artifacts.put(run_id, placed, folder)
        with translated(self._uri):
            log_batch(self._client, run_id, metrics, {}, {drift_tag(reference): verdict})
        return tuple(placed)

    def files(self, run_id: str, reference: str) -> tuple[str, ...]:
        """The names of the files that a comparison with ``reference`` left; empty when there is none."""
        return self._artifacts.names(run_id, f"{FOLDER}/{reference}")

    def text(self, run_id: str, reference: str, folder: Path, *, name: str = "drift.json") -> str | None:
        """A file of the comparison with ``reference``; None when there is none."""
        return self._artifacts.text(run_id, f"{FOLDER}/{reference}/{name}", folder)
