"""Reads results of EleutherAI's lm-evaluation-harness as it writes them.

Its ``results_*.json`` (0.4) holds ``results.<task>["<metric>,<filter>"]``, the same with ``_stderr`` behind the
metric, and ``n-samples.<task>.effective``; a KPI names ``task.metric``, and the filter where there are several.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from flywheel_mlflow.base.documents import value_at
from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.base.paths import parse_path, quote_path
from flywheel_mlflow.base.storable import number
from flywheel_mlflow.evidence.runs import KpiValue
from flywheel_mlflow.promises.contract import Kpi

#: What the harness writes where it knows no number, or none that JSON has.
UNKNOWN = (None, "N/A", "", " ", "NaN", "Infinity", "-Infinity")


def kpi_values(document: Mapping[str, Any], kpis: Iterable[Kpi], *, place: str) -> dict[str, KpiValue]:
    """Value, sample size and standard error of each KPI the harness measured, by the KPI's name.

    Raises:
        InputError: a KPI's path fits several filters, or a value is no number. A size or standard error that is none
            is unknown.
    """
    found = {kpi.name: _kpi_value(document, kpi, place) for kpi in kpis}
    return {name: value for name, value in found.items() if value is not None}


def _kpi_value(document: Mapping[str, Any], kpi: Kpi, place: str) -> KpiValue | None:
    parts = parse_path(kpi.path)
    if parts[0] == "results" and len(parts) > 2:  # the whole path of the file
        parts = parts[1:]
    task, wanted = parts[0], ".".join(map(str, parts[1:]))
    measured = value_at(document, ("results", task))
    if not isinstance(measured, Mapping) or not wanted:
        return None
    keys = [wanted] if wanted in measured else [key for key in measured if key.partition(",")[0] == wanted]
    if len(keys) > 1:
        paths = ", ".join(quote_path((task, key)) for key in sorted(keys))
        raise InputError(f"the KPI {kpi.name} is measured with several filters", where=place, hint=f"name one: {paths}")
    if not keys:
        return None
    metric, comma, filtered = keys[0].partition(",")
    value = measured[keys[0]]
    size = _detail(value_at(document, ("n-samples", task, "effective")))
    return KpiValue(
        None if value in UNKNOWN else number(kpi.path, value, place=place),
        int(size) if size is not None and size == int(size) else None,
        _detail(measured.get(f"{metric}_stderr{comma}{filtered}")),
    )


def _detail(value: object) -> float | None:
    """A size or a standard error; unknown where the harness wrote no number that can be one."""
    try:
        found = number("", value)
    except InputError:
        return None
    return found if found >= 0 else None
