"""Says what a run of the flywheel is, for links that lead from it to our own pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flywheel_mlflow.base.errors import ServerRefused
from flywheel_mlflow.tracking import tags
from flywheel_mlflow.tracking.artifacts import is_absent
from flywheel_mlflow.tracking.connection import translated

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass(frozen=True, slots=True)
class RunPlace:
    """What a run says it is: claims, good enough to choose a page and for nothing else.

    ``kind`` is one of ``tags.KIND_*``; ``iteration`` and ``version`` are None where there is no number.
    """

    experiment_id: str
    kind: str
    iteration: int | None
    version: int | None


class RunPlaces:
    """The runs of one tracking server."""

    def __init__(self, client: MlflowClient, *, uri: str, flywheel: str) -> None:
        self._client = client
        self._uri = uri
        self._flywheel = flywheel

    def of(self, run_id: str) -> RunPlace | None:
        """What a run is; None when there is none, or it is none of this flywheel's."""
        try:
            with translated(self._uri):
                run = self._client.get_run(run_id)
        except ServerRefused as error:
            if not is_absent(error) and error.code != "INVALID_PARAMETER_VALUE":
                raise
            return None
        labels = run.data.tags
        if labels.get(tags.NAME) != self._flywheel:
            return None
        numbers = (labels.get(key, "") for key in (tags.ITERATION, tags.VERSION))
        iteration, version = (int(text) if text.isascii() and text.isdecimal() else None for text in numbers)
        return RunPlace(str(run.info.experiment_id), labels.get(tags.KIND, ""), iteration, version)
