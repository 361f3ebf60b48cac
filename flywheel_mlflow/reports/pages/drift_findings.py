"""The findings of a comparison as cards: what changed, its picture, rows to look at, who answered for it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from flywheel_mlflow.drawings import change_svg, told
from flywheel_mlflow.drawings.lines import Point, line_svg
from flywheel_mlflow.drift import DriftReport, Finding, Kind, KpiFound
from flywheel_mlflow.drift.wording import Tone, tone_of, word_of
from flywheel_mlflow.reports.dashboard_blocks import Card, Cards, Image, Tick
from flywheel_mlflow.reports.pages.drift_tables import finding_cell
from flywheel_mlflow.reports.pages.explaining import TICKED, counted_findings
from flywheel_mlflow.tables.addresses import Addresses
from flywheel_mlflow.tables.cells import Cell, Drawing, Table, code
from flywheel_mlflow.tables.texts import with_unit

#: Findings drawn as cards, the worst first, and rows of the table of those after them; drift.json has all.
MOST_CARDS = 60
MOST_ROWS = 200


def carded(report: DriftReport) -> tuple[Finding, ...]:
    """The findings that get a card, those that decide before those that do not."""
    return tuple(sorted(report.findings, key=lambda item: not item.decides)[:MOST_CARDS])


def finding_cards(
    report: DriftReport, by: Mapping[str, str], tickable: Collection[str], addresses: Addresses
) -> tuple[Cards, ...]:
    """What decides in the open, what does not decide folded behind its count.

    ``by`` are the people who answered for findings, ``tickable`` the subjects that can be explained here.
    """
    items = carded(report)
    deciding = [item for item in items if item.decides]
    others = [item for item in items if not item.decides]

    def cards(findings: Iterable[Finding]) -> tuple[Card, ...]:
        return tuple(_card(item, report, by, tickable, addresses) for item in findings)

    return (
        Cards(f"{counted_findings(len(deciding))} to decide about, worst first", cards(deciding)),
        Cards(f"{len(others)} more that do not stop a release", cards(others), folded=True),
    )


def _card(
    item: Finding, report: DriftReport, by: Mapping[str, str], tickable: Collection[str], addresses: Addresses
) -> Card:
    notes = [Cell(f"{item.text} ({item.method})" if item.method else item.text)]
    signals = report.of_finding(item) if item.kind is Kind.DISTRIBUTION else ()
    drawn = next((one for one in signals if one.picture is not None and one.picture.bars), None)
    examples = next((one.examples for one in (drawn, *signals) if one is not None and one.examples), ())
    if examples:
        where = addresses.interface(item.subject.partition("/")[0], report.iteration)
        notes.append(Cell(f"Rows to look at: {'; '.join(examples)}", href=where))
    kpi = next((one for one in report.kpis if one.subject == item.subject), None) if item.kind is Kind.KPI else None
    if kpi is not None:
        # Looked for when asked: that reads the runs of every project, and needs the right to.
        where = addresses.suspects(item.subject, report.reference.iteration, report.iteration)
        notes.append(Cell("Who changed it: suspects, and what it rests on", href=where))
    if item.subject in by:
        notes.append(Cell(f"Explained by {by[item.subject]}", Tone.ATTENTION))
    return Card(
        title=finding_cell(item, addresses, report.iteration),
        badge=Cell(word_of(item), tone_of(item)),
        notes=tuple(notes),
        image=Image(change_svg(drawn.picture, drawn.subject), told(drawn.picture))
        if drawn is not None and drawn.picture is not None
        else None,
        drawing=_line(kpi, report) if kpi is not None else None,
        tick=Tick(TICKED, "findings", item.subject, "explain this one") if item.subject in tickable else None,
        command=item.next,
    )


def _line(kpi: KpiFound, report: DriftReport) -> Drawing | None:
    """A KPI over the iterations, at least before and now; None where no value is known."""
    trend = next((one for one in report.trend if one.subject == kpi.subject), None)
    values = dict(zip(trend.iterations, trend.values, strict=False)) if trend else {}
    values = {report.reference.iteration: kpi.reference} | values | {report.iteration: kpi.value}
    points = [Point(turn, value, with_unit(value, kpi.unit)) for turn, value in sorted(values.items())]
    if all(point.value is None for point in points):
        return None
    return Drawing(line_svg(kpi.subject, points), kpi.subject)


def further_findings(report: DriftReport, by: Mapping[str, str], addresses: Addresses) -> tuple[Table, ...]:
    """Findings beyond the cards, as a folded table; nothing where there are none."""
    cards = set(carded(report))
    rest = [item for item in report.findings if item not in cards]
    if not rest:
        return ()
    rows = tuple(
        (
            finding_cell(item, addresses, report.iteration),
            Cell(word_of(item), tone_of(item)),
            Cell(f"{item.text} ({item.method})" if item.method else item.text),
            Cell(by[item.subject], Tone.ATTENTION) if item.subject in by else Cell("nobody"),
            code(item.next) if item.next else Cell("nothing"),
        )
        for item in rest[:MOST_ROWS]
    )
    more = f"; {len(rest) - MOST_ROWS} more in drift.json" if len(rest) > MOST_ROWS else ""
    columns = ("subject", "outcome", "what", "explained by", "look closer")
    return (Table(f"{len(rest)} more findings, worst first{more}", columns, rows, "none.", folded=True),)
