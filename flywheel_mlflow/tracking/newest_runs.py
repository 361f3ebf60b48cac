"""Tells runs apart that were written or changed last, so that somebody who looked before knows that there is news."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flywheel_mlflow.base.canonical import canonical_json, sha256_text
from flywheel_mlflow.tracking import tags
from flywheel_mlflow.tracking.connection import pages, translated

if TYPE_CHECKING:
    from mlflow import MlflowClient

#: Runs that are looked at: an assembly with its stages, and the gate runs beside it.
MOST = 12


class NewestRuns:
    """The runs of one flywheel that were started last."""

    def __init__(self, client: MlflowClient, *, uri: str, flywheel: str) -> None:
        self._client = client
        self._uri = uri
        self._flywheel = flywheel

    def mark(self) -> str:
        """A digest that is another one when a run was started, ended, or one of the newest changed; two requests.

        What was changed on older runs is not seen.
        """
        with translated(self._uri):
            found = pages(
                lambda token: self._client.search_experiments(
                    filter_string=f"tags.`{tags.NAME}` = '{self._flywheel}'", page_token=token
                )
            )
            places = [item.experiment_id for item in found]
            runs = (
                self._client.search_runs(places, order_by=["attributes.start_time DESC"], max_results=MOST)
                if places
                else ()
            )
        told = [
            [run.info.run_id, run.info.status, run.info.end_time, dict(run.data.tags), str(run.data.metrics)]
            for run in runs
        ]
        return sha256_text(canonical_json(told))
