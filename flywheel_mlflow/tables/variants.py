"""Tables of the variants of a project: their numbers side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flywheel_mlflow.drift.wording import Tone
from flywheel_mlflow.evidence.runs import KpiValue
from flywheel_mlflow.promises.contract import Kpi
from flywheel_mlflow.tables.cells import Cell, Table, number
from flywheel_mlflow.tables.texts import with_unit


def variants_table(
    caption: str, kpis: Sequence[Kpi], values: Mapping[str, Mapping[str, KpiValue] | None], counting: str
) -> Table:
    """A row for each KPI, a column for each variant; ``values`` are by variant and KPI, None where there is no run."""
    columns = ("KPI", *(f"{name} (counts)" if name == counting else name for name in values))
    rows = tuple((Cell(kpi.title or kpi.name), *(_value(kpi, found) for found in values.values())) for kpi in kpis)
    return Table(caption, columns, rows, "It has no KPIs.")


def _value(kpi: Kpi, values: Mapping[str, KpiValue] | None) -> Cell:
    if values is None:
        return Cell("no run", Tone.UNKNOWN)
    found = values.get(kpi.name, KpiValue(None))
    size = f" (n {found.n:,})" if found.n is not None and found.value is not None else ""
    return number(with_unit(found.value, kpi.unit) + size, Tone.UNKNOWN if found.value is None else Tone.NONE)
