"""Imports Evidently so that it works with the pandas that is installed, quietly, and without telemetry."""

from __future__ import annotations

import os
import warnings
from types import ModuleType

from flywheel_mlflow.base.errors import MonitoringError


def load_metrics() -> ModuleType:
    """The module of our Evidently metrics, with Evidently behind it; takes seconds the first time.

    Raises:
        MonitoringError: Evidently cannot be imported here.
    """
    os.environ.setdefault("DO_NOT_TRACK", "1")  # read by Evidently's telemetry, which is on by default
    try:
        # 22 warnings of its own dependencies at import (0.7.23), about which nobody here can do anything.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _mend_pandas()
            from flywheel_mlflow.monitoring import metrics
    except (ImportError, AttributeError) as error:
        raise MonitoringError(
            f"Evidently cannot be imported: {str(error)[:300]}",
            hint="install the versions of requirements.lock; drift.json and drift.md do not need it",
        ) from error
    return metrics


def _mend_pandas() -> None:
    """Give back a private name that pandas 3.1 dropped and evidently 0.7.23 imports, for one legacy test only."""
    import pandas as pd
    from pandas.core.dtypes import common

    if not hasattr(common, "infer_dtype_from_object"):
        common.infer_dtype_from_object = lambda dtype: pd.api.types.pandas_dtype(dtype).type
