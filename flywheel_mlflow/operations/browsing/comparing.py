"""Gathers the page of two iterations."""

from __future__ import annotations

from collections.abc import Iterator

from flywheel_mlflow.assembly import RecordedAssembly
from flywheel_mlflow.drift import KpiCase, KpiFound, compare_kpis
from flywheel_mlflow.errors import FlywheelError, InputError
from flywheel_mlflow.evidence import KpiValue
from flywheel_mlflow.operations.browsing.reader import Asked, Reader
from flywheel_mlflow.operations.browsing.turns import Turn, find_turn, links_at, record_at
from flywheel_mlflow.operations.deciding import is_trouble
from flywheel_mlflow.operations.reporting import read_comparison
from flywheel_mlflow.reports.dashboard_record import AssemblyRecord
from flywheel_mlflow.reports.pages.comparison import Compared, ComparisonFacts, comparison_page
from flywheel_mlflow.reports.pages.emptiness import nothing_assembled
from flywheel_mlflow.reports.pages.frame import Page


def compare(reader: Reader, asked: Asked) -> Page:
    """What differs between two iterations; unasked the newest and the one before it."""
    after = find_turn(reader, asked.whole("second"))
    if after is None:
        return nothing_assembled("Compare two iterations", "iterations")
    wanted = asked.whole("first")
    if wanted is None:
        if not after.earlier:
            raise InputError(
                f"there is no iteration before {after.recorded.iteration} to compare with",
                hint=f"run `flywheel assemble --iteration {after.recorded.iteration + 1}`, or name one: ?first=N",
            )
        wanted = after.earlier[-1].iteration
    before = find_turn(reader, wanted)
    if before is None:
        return nothing_assembled("Compare two iterations", "iterations")
    first, second = _side(reader, before), _side(reader, after)
    kpis, judged, kept = _judged(reader, first, second, before.earlier)
    listed = {item.iteration: item for turn in (before, after) for item in (*turn.earlier, turn.recorded)}
    facts = ComparisonFacts(first, second, kpis, judged, kept, tuple(listed.values()))
    return comparison_page(facts, links_at(reader, after), reader.addresses)


def _side(reader: Reader, turn: Turn) -> Compared:
    read = record_at(reader, turn)
    return Compared(turn.recorded, read.record, read.genuine)


def _judged(
    reader: Reader, first: Compared, second: Compared, earlier: tuple[RecordedAssembly, ...]
) -> tuple[tuple[KpiFound, ...], str, bool]:
    """Drift's verdicts on the KPIs, those that were kept where somebody compared the two; and where they come from."""
    before, after = first.recorded, second.recorded
    why = ""
    try:
        kept = read_comparison(reader.desk.tracking, after.run_id, before.run_id, reader.memory)
    except FlywheelError as error:
        if is_trouble(error):
            raise
        kept, why = None, f" (the kept comparison cannot be read: {error.what})"
    if kept is not None:
        return kept[0].kpis, "The verdicts are those of the comparison that `flywheel drift` kept on the run.", True
    cases = list(_cases(reader, first.record, second.record, (*earlier, before)))
    told = (
        "Nobody kept a comparison of these two, so the verdicts are computed here from the recorded values and sample "
        "sizes, by the same rules; outcomes of single samples are not read. "
        f"`flywheel drift --iteration {after.iteration} --against {before.iteration}` reads them{why}."
    )
    return compare_kpis(cases, reader.desk.flywheel.blueprint.drift), told, False


def _cases(
    reader: Reader, first: AssemblyRecord, second: AssemblyRecord, known: tuple[RecordedAssembly, ...]
) -> Iterator[KpiCase]:
    """Each KPI as the contracts of today declare it; ``known`` are the assemblies up to the first side."""
    settings = reader.desk.flywheel.blueprint.drift
    for contract in reader.desk.flywheel.contracts.values():
        if contract.is_assembly:
            continue
        for kpi in contract.kpis:
            name = f"{contract.id}.{kpi.name}"
            values = [item.metrics[name] for item in known if name in item.metrics]
            yield KpiCase(
                subject=name,
                kpi=kpi,
                current=_value(second, contract.id, kpi.name),
                reference=_value(first, contract.id, kpi.name),
                history=tuple(values[-settings.history :]),
            )


def _value(record: AssemblyRecord, project_id: str, name: str) -> KpiValue:
    project = record.project(project_id)
    found = project.kpis.get(name) if project else None
    return KpiValue(found.value, found.n) if found else KpiValue(None)
