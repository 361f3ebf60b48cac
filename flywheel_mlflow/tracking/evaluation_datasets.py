"""Reads and extends MLflow's evaluation datasets, on the server of this flywheel and no other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flywheel_mlflow.base.errors import InputError, ServerRefused
from flywheel_mlflow.evidence.evaluation_records import EvaluationRecord
from flywheel_mlflow.evidence.evaluations import record_id
from flywheel_mlflow.tracking.connection import pages, translated

if TYPE_CHECKING:
    from mlflow import MlflowClient

#: Records read or written with one request.
PAGE_SIZE = 1000
#: How stores say that they lack evaluation datasets or review queues: files, a server without a database, an older one.
WITHOUT_FEATURE = frozenset({"FEATURE_DISABLED", "NOT_IMPLEMENTED", "ENDPOINT_NOT_FOUND"})


@dataclass(frozen=True, slots=True)
class FoundDataset:
    """An evaluation dataset on the server."""

    id: str
    name: str


def is_evaluation_dataset(value: object) -> bool:
    """Whether a value is an evaluation dataset of MLflow's; imports nothing."""
    return type(value).__module__.startswith(("mlflow.genai.datasets", "mlflow.entities.evaluation_dataset"))


class EvaluationDatasets:
    """The evaluation datasets of one tracking server.

    MLflow's own objects read and write on the server that the process has set; hence the store below the client.
    """

    def __init__(self, client: MlflowClient, *, uri: str) -> None:
        self._uri = uri
        self._store: Any = client._tracking_client.store  # noqa: SLF001 - see above

    def get(self, dataset_id: str) -> FoundDataset:
        """A dataset by its id.

        Raises:
            InputError: the server has none of this id, or keeps no evaluation datasets.
        """
        found = self._ask(lambda: self._store.get_dataset(dataset_id), f"no evaluation dataset {dataset_id[:80]!r}")
        return FoundDataset(str(found.dataset_id), str(found.name))

    def find(self, name: str, experiment_id: str) -> FoundDataset | None:
        """The dataset of this name that belongs to an experiment.

        Raises:
            InputError: several have the name, or the server keeps no evaluation datasets.
        """

        def page_after(token: str | None) -> Any:
            return self._store.search_datasets(experiment_ids=[experiment_id], page_token=token)

        found = [item for item in self._ask(lambda: list(pages(page_after))) if item.name == name]
        if len(found) > 1:
            raise InputError(f"{len(found)} evaluation datasets of the experiment are called {name[:80]!r}")
        return FoundDataset(str(found[0].dataset_id), name) if found else None

    def create(self, name: str, experiment_id: str, tags: Mapping[str, str]) -> FoundDataset:
        """A new dataset of an experiment."""
        made = self._ask(lambda: self._store.create_dataset(name, dict(tags), [experiment_id]))
        return FoundDataset(str(made.dataset_id), name)

    def records(self, dataset_id: str) -> Iterator[EvaluationRecord]:
        """All records of a dataset.

        Raises:
            InputError: one holds what is no JSON, such as NaN.
        """
        token: str | None = None
        while True:
            page, token = self._ask(
                lambda token=token: self._store._load_dataset_records(  # noqa: SLF001 - see above
                    dataset_id, max_results=PAGE_SIZE, page_token=token
                )
            )
            for item in page:
                data = (item.source.source_data if item.source else None) or {}
                record = EvaluationRecord(
                    item.inputs or {}, item.expectations or {}, item.tags or {}, str(data.get("trace_id") or "")
                )
                try:
                    record_id(record.inputs, record.expectations)
                except (TypeError, ValueError, RecursionError) as error:
                    raise InputError(
                        f"the record {item.dataset_record_id} is no JSON: {str(error)[:200]}",
                        where=f"evaluation dataset {dataset_id}",
                        hint="delete it, and merge it anew without NaN: leave unknown values out",
                    ) from error
                yield record
            if not token:
                return

    def merge(self, dataset_id: str, records: Sequence[EvaluationRecord]) -> None:
        """Add records; what one with the same inputs holds already is kept, and tags and expectations are added."""
        rows = [
            {
                "inputs": dict(item.inputs),
                "expectations": dict(item.expectations),
                "tags": dict(item.tags),
                **(
                    {"source": {"source_type": "TRACE", "source_data": {"trace_id": item.source}}}
                    if item.source
                    else {}
                ),
            }
            for item in records
        ]
        for start in range(0, len(rows), PAGE_SIZE):
            part = rows[start : start + PAGE_SIZE]
            self._ask(lambda part=part: self._store.upsert_dataset_records(dataset_id, part))

    def _ask(self, question: Any, absent: str = "") -> Any:
        """The answer of the store, its refusals in words for people."""
        try:
            with translated(self._uri):
                return question()
        except (NotImplementedError, ServerRefused) as error:
            code = error.code if isinstance(error, ServerRefused) else "NOT_IMPLEMENTED"
            if code in WITHOUT_FEATURE:
                raise InputError(
                    "this store keeps no evaluation datasets",
                    where=self._uri,
                    hint="they need a database: sqlite:///mlflow.db, PostgreSQL or MySQL, or a server on one",
                ) from error
            if absent and code in ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"):
                raise InputError(
                    f"{absent} is on this server",
                    where=self._uri,
                    hint="make it on the server of the flywheel: mlflow.set_tracking_uri comes first",
                ) from error
            raise
