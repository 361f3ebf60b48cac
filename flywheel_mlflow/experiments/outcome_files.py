"""How outcomes are kept: their sums as JSON, the hashes of their units as Parquet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field, ValidationError

from flywheel_mlflow.base.canonical import document_json
from flywheel_mlflow.base.documents import parse_json
from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.experiments.moments import Moments
from flywheel_mlflow.experiments.outcomes import Hashes, Outcomes
from flywheel_mlflow.promises.experiments import Experiment
from flywheel_mlflow.promises.strict import Finite, Strict

Count = Annotated[int, Field(strict=True, ge=0)]
Squares = Annotated[Finite, Field(ge=0)]


class MomentsDocument(Strict):
    """The moments of one metric of one variant."""

    n: Count
    mean: Finite
    squares: Squares
    x_mean: Finite
    x_squares: Squares
    products: Finite


class OutcomesDocument(Strict):
    """What ``outcomes.json`` holds."""

    rows: Mapping[str, Count]
    moments: Mapping[str, Mapping[str, MomentsDocument]]
    missing: Mapping[str, Count]
    left_out: Mapping[str, Count]


def outcomes_text(outcomes: Outcomes) -> str:
    """The sums as JSON."""
    return document_json(outcomes)


def outcomes_of(text: str, experiment: Experiment) -> Outcomes:
    """The sums that :func:`outcomes_text` wrote.

    Raises:
        InputError: they are not sums of this experiment.
    """
    try:
        found = OutcomesDocument.model_validate(parse_json(text, name="outcomes.json"))
    except ValidationError as error:
        raise InputError(f"no outcomes: {error.errors()[0]['msg']}", where="outcomes.json") from error
    names = [metric.name for metric in experiment.metrics]
    if set(found.moments) != set(names) or any(
        set(item) != set(experiment.variants) for item in found.moments.values()
    ):
        raise InputError("these are outcomes of other metrics or variants", where="outcomes.json")
    moments = {
        metric: {name: Moments(**item.model_dump()) for name, item in variants.items()}
        for metric, variants in found.moments.items()
    }
    return Outcomes(dict(found.rows), moments, dict(found.missing), dict(found.left_out))


def write_units(units: Hashes, path: Path) -> Path:
    """Write the hashes of units, 8 bytes each; the path."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from flywheel_mlflow.records.arrays import from_numpy

    pq.write_table(pa.table({"unit": from_numpy(np.sort(units))}), path)
    return path


def read_units(path: Path) -> Hashes:
    """The hashes that :func:`write_units` wrote.

    Raises:
        InputError: the file is another one.
    """
    import pyarrow as pa

    from flywheel_mlflow.records.arrays import as_numpy
    from flywheel_mlflow.records.parquet import open_parquet

    try:
        with open_parquet(str(path)) as source:
            if source.schema_arrow != pa.schema({"unit": pa.uint64()}):
                raise InputError("this holds no units", where=str(path))
            column = source.read().column(0)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"the units cannot be read: {str(error)[:200]}", where=str(path)) from error
    return np.concatenate([np.zeros(0, np.uint64), *(as_numpy(chunk) for chunk in column.chunks)])
