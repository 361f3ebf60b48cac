"""Runs suites of Great Expectations; the only module that imports it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from flywheel_mlflow.base.documents import parse_json
from flywheel_mlflow.evidence.runs import Check
from flywheel_mlflow.importers import great_expectations as results
from flywheel_mlflow.suites import SuiteUnusable

#: Unexpected values are not asked for: they quote the data.
_FORMAT = {"result_format": "BASIC", "partial_unexpected_count": 0}


def run(name: str, text: str, records: Sequence[Mapping[str, Any]]) -> tuple[Check, ...]:
    """The checks of a suite as ``ExpectationSuite.to_json_dict()`` writes it, over the records as one table.

    Raises:
        SuiteUnusable: the library takes it for no suite. DocumentError: the file or the results cannot be read.
    """
    document = parse_json(text, name=name, foreign=True)
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig
    from great_expectations.exceptions import GreatExpectationsError

    if not isinstance(document, dict) or not document.get("expectations"):
        raise SuiteUnusable("the file holds no suite with expectations")
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    try:
        suite = gx.ExpectationSuite(
            name=name, expectations=document["expectations"], suite_parameters=document.get("suite_parameters")
        )
        batches = context.data_sources.add_pandas("records").add_dataframe_asset("records")
        batch = batches.add_batch_definition_whole_dataframe("records").get_batch(
            {"dataframe": pd.json_normalize(list(records))}
        )
        found = batch.validate(suite, result_format=_FORMAT)
    except (GreatExpectationsError, TypeError, ValueError, KeyError, AttributeError) as error:
        raise SuiteUnusable(f"Great Expectations cannot run it: {error}") from error
    return results.parse(json.dumps(found.to_json_dict(), default=str), name=name)
