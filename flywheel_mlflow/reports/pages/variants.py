"""The part of a project's page that shows its variants side by side, and one of them against the one that counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flywheel_mlflow.assembly.documents import Entry
from flywheel_mlflow.drift import KpiFound
from flywheel_mlflow.evidence.runs import KpiValue
from flywheel_mlflow.promises.contract import Contract
from flywheel_mlflow.reports.dashboard_blocks import Section
from flywheel_mlflow.reports.pages.compared_kpis import kpi_section
from flywheel_mlflow.tables.cells import Cell
from flywheel_mlflow.tables.links import Links
from flywheel_mlflow.tables.variants import variants_table


@dataclass(frozen=True, slots=True)
class ComparedVariant:
    """One variant against the one that counts, or why they could not be compared."""

    variant: str
    kpis: tuple[KpiFound, ...] = ()
    unknown: str = ""


def variants_section(
    contract: Contract | None, entry: Entry, compared: ComparedVariant | None, links: Links
) -> Section | None:
    """The variants of an entry; None where it has none."""
    if contract is None or not entry.variants:
        return None
    counting = next((item.variant for item in entry.variants if item.counts), "")
    ran = {item.variant: item for item in entry.variants}
    names = dict.fromkeys((*contract.variants, *ran))
    values = {
        name: {key: KpiValue(kpi.value, kpi.n, kpi.stderr) for key, kpi in ran[name].kpis.items()}
        if name in ran
        else None
        for name in names
    }
    table = variants_table("Variants of this iteration", contract.kpis, values, counting)
    others = tuple(
        Cell(f"Compare {name} with {counting}, sample by sample", href=links.project(entry.project_id, variant=name))
        for name in ran
        if counting and name != counting
    )
    runs = tuple(
        Cell(f"Run of {name}", href=links.run(item.run_id, entry.project_id))
        for name, item in ran.items()
        if item.run_id
    )
    notes: list[Cell] = []
    drawn: Sequence[Section] = ()
    if compared is not None:
        if compared.unknown:
            notes.append(Cell(f"{compared.variant} could not be compared: {compared.unknown}."))
        else:
            judged = f"{compared.variant} against {counting}, by the rules of drift."
            drawn = (kpi_section(compared.kpis, judged, (counting, compared.variant), links),)
            if not drawn[0].tables:
                notes.append(Cell(f"No KPI of {compared.variant} differs from {counting}."))
    return Section(
        "variants",
        "Variants",
        notes=(*notes, *(note for section in drawn for note in section.notes)),
        tables=(table, *(found for section in drawn for found in section.tables)),
        links=(*others, *runs),
    )
