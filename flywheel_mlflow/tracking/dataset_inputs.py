"""Writes interface versions as dataset inputs of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from flywheel_mlflow.base.canonical import canonical_json
from flywheel_mlflow.evidence.runs import ConsumedInterface, FieldType, InterfaceVersion
from flywheel_mlflow.tracking import tags

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput


def log_datasets(
    client: MlflowClient,
    run_id: str,
    made: Iterable[InterfaceVersion],
    read: tuple[ConsumedInterface, ...],
    places: Mapping[ConsumedInterface, str] = MappingProxyType({}),
) -> None:
    """Log interface versions as dataset inputs, all in one request; ``places`` are the URIs of those read.

    Two writers that log the same new version at once make the server answer 400 (measured: 50 of
    200 trials); the second try finds the version there. Another version of the same request can
    then collide with a third writer, hence one try more for each version.
    """
    from mlflow.exceptions import MlflowException

    inputs = [_made(version) for version in made] + [_read(item, places.get(item, "")) for item in read]
    if not inputs:
        return
    for _ in inputs:
        try:
            client.log_inputs(run_id, datasets=inputs)
        except MlflowException as error:
            if error.error_code != "BAD_REQUEST":
                raise
        else:
            return
    client.log_inputs(run_id, datasets=inputs)


def _made(version: InterfaceVersion) -> DatasetInput:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    return DatasetInput(
        Dataset(
            name=version.name,
            digest=version.digest,
            source_type=tags.SOURCE_TYPE_OF_DATA,
            source=_source(version.name, version.uri, version.digest),
            schema=schema_json(version.fields),
            profile=canonical_json(
                {
                    "rows": version.rows,
                    "bytes": version.bytes,
                    "schema_digest": version.schema_digest,
                    "records_digest": version.records_digest,
                    "schema_format": version.schema_format,
                }
            ),
        ),
        [InputTag(tags.CONTEXT, tags.CONTEXT_OUT), InputTag(tags.URI, version.uri)],
    )


def _source(name: str, uri: str, digest: str) -> str:
    """Where the data are, as :class:`~flywheel_mlflow.tracking.dataset_source.FlywheelDatasetSource` reads it."""
    return canonical_json({"name": name, "uri": uri, "digest": digest})


def _read(item: ConsumedInterface, uri: str) -> DatasetInput:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    return DatasetInput(
        Dataset(
            name=item.name,
            digest=item.digest,
            source_type=tags.SOURCE_TYPE_OF_DATA,
            source=_source(item.name, uri, item.digest),
        ),
        [
            InputTag(tags.CONTEXT, tags.CONTEXT_IN),
            *([InputTag(tags.CARRIED_FROM, str(item.carried_from))] if item.carried_from else []),
        ],
    )


def schema_json(fields: tuple[FieldType, ...]) -> str:
    """The schema in the layout the MLflow UI shows as columns."""
    columns = [{"name": item.path, "type": item.type, "required": item.required} for item in fields]
    return canonical_json({"mlflow_colspec": columns})
