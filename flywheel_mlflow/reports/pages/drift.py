"""The review of a comparison: its verdict, what is behind it, and what people answered for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from flywheel_mlflow.decisions.gate_facts import Verdict
from flywheel_mlflow.decisions.releases import Explained
from flywheel_mlflow.drift import DriftReport, Kind
from flywheel_mlflow.drift.wording import VERDICT_TONES, WORDS, Tone
from flywheel_mlflow.reports.dashboard_blocks import Command, Embedded, Field, Form, Section
from flywheel_mlflow.reports.dashboard_facts import DriftFacts
from flywheel_mlflow.reports.pages.deciding import choice_field
from flywheel_mlflow.reports.pages.drift_filter import NO_FILTER, DriftFilter
from flywheel_mlflow.reports.pages.drift_findings import carded, finding_cards, further_findings
from flywheel_mlflow.reports.pages.drift_tables import found_tables
from flywheel_mlflow.reports.pages.emptiness import nothing_assembled
from flywheel_mlflow.reports.pages.explaining import (
    confirm_form,
    counted_changes,
    counted_findings,
    explain_all_form,
    explain_ticked_form,
)
from flywheel_mlflow.reports.pages.frame import Page
from flywheel_mlflow.tables.addresses import Addresses
from flywheel_mlflow.tables.cells import Cell, Table, sentence
from flywheel_mlflow.tables.texts import moment_text

#: How a reference is named in an address: by its iteration, or by this word.
PRODUCTION = "production"


@dataclass(frozen=True, slots=True)
class Sides:
    """What is compared: the runs of two assemblies, and MLflow's experiment that holds both."""

    iteration: int
    run_id: str
    reference_iteration: int
    reference_run_id: str
    experiment: str


@dataclass(frozen=True, slots=True)
class ExplainFacts:
    """Which release the findings can be explained for, None with ``why`` for none; ``refused`` as the act would be."""

    version: int | None
    why: str = ""
    refused: str = ""


@dataclass(frozen=True, slots=True)
class DriftReviewFacts:
    """Everything the page says at ``now`` (UTC).

    ``iterations`` are those that can be chosen, newest first, ``asked`` the reference as it was asked for. ``sides`` is
    None where there is nothing to compare. ``explanations`` are all that people said about this comparison, with what
    speaks against each; ``report_file`` tells whether Evidently's own page lies beside it. ``filter`` chooses what is
    shown of it; the verdict and what is left to explain are of all of it.
    """

    iterations: tuple[int, ...]
    iteration: int | None
    asked: str
    in_production: int | None
    sides: Sides | None
    found: DriftFacts
    explanations: tuple[tuple[int, Explained, tuple[str, ...]], ...]
    explain: ExplainFacts
    report_file: bool
    now: datetime
    addresses: Addresses
    filter: DriftFilter = NO_FILTER
    projects: tuple[str, ...] = ()
    said: tuple[Cell, ...] = ()


def drift_page(facts: DriftReviewFacts) -> Page:
    """The review; equal facts give equal pages."""
    if facts.iteration is None:
        return nothing_assembled("Drift", "drift")
    report = facts.found.report
    return Page(
        title=_title(facts),
        part="drift",
        subtitle=f"As of {moment_text(facts.now)}",
        said=facts.said,
        lead=tuple(_lead(facts)),
        sections=(
            _choose(facts),
            *(_reviewed(facts, report) if report is not None else (_missing(facts),)),
        ),
    )


def _title(facts: DriftReviewFacts) -> str:
    if facts.sides is None:
        return f"Drift: iteration {facts.iteration}"
    return f"Drift: iteration {facts.iteration} against iteration {facts.sides.reference_iteration}"


def _lead(facts: DriftReviewFacts) -> Iterator[Cell]:
    """The verdict, and what is left of it once people answered."""
    report, answered = facts.found.report, facts.found.answered
    if report is None or answered is None:
        yield Cell(f"{sentence(facts.found.unknown)}.", Tone.UNKNOWN)
        return
    yield Cell(f"{report.verdict.value}: {report.headline}.", VERDICT_TONES[report.verdict.value])
    if answered.explained:
        people = ", ".join(sorted({by.actor.name for _, by in answered.explained}))
        tone = Tone.ATTENTION if answered.verdict is Verdict.PASS else VERDICT_TONES[answered.verdict.value]
        told = f"{counted_findings(len(answered.explained))} explained by {people}, {len(answered.left)} left"
        yield Cell(f"With that it is {answered.verdict.value}: {told}.", tone)
    elif answered.left:
        yield Cell(
            f"{counted_findings(len(answered.left))} wait for somebody to answer, by a better iteration or in words."
        )
    if answered.unconfirmed:
        waiting = counted_changes(len(answered.unconfirmed))
        yield Cell(f"{waiting} as tasks intended: confirm them for a release.", Tone.INTENDED)
    if report.untested_signals:
        what = "distribution was" if report.untested_signals == 1 else "distributions were"
        yield Cell(f"{report.untested_signals} {what} not tested: too few rows, or nothing logged.", Tone.UNKNOWN)
    yield Cell(
        "The whole data were read." if report.full else "Samples logged with the runs were compared, not all data."
    )


def _choose(facts: DriftReviewFacts) -> Section:
    turns = [(str(turn), f"iteration {turn}") for turn in facts.iterations]
    given = dict(turns)
    if str(facts.iteration) not in given:
        turns.append((str(facts.iteration), f"iteration {facts.iteration}"))
    production = f"the release in production (iteration {facts.in_production})" if facts.in_production else ""
    references = [
        ("", "what a reviewer would ask for"),
        *([(PRODUCTION, production)] if production else []),
        *(turn for turn in turns if turn[0] != str(facts.iteration)),
    ]
    asked = facts.filter
    filters = Form(
        facts.addresses.drift(),
        "Choose what is compared",
        "Show",
        "",
        (
            choice_field("iteration", "Iteration", turns, value=str(facts.iteration)),
            _optional(choice_field("against", "Against", references, value=facts.asked)),
            _optional(
                choice_field("project", "Project", _choices("all projects", facts.projects), value=asked.project)
            ),
            _optional(choice_field("verdict", "Verdict", _choices("all verdicts", WORDS), value=asked.verdict)),
            _optional(choice_field("kind", "Kind", _choices("all kinds", Kind), value=asked.kind)),
        ),
    )
    return Section("choose", "What is compared", notes=tuple(_links(facts)), filters=(filters,))


def _choices(everything: str, names: Iterable[str]) -> list[tuple[str, str]]:
    return [("", everything), *((str(name), str(name)) for name in names)]


def _optional(field: Field) -> Field:
    return Field(field.name, field.label, field.kind, field.value, field.choices, required=False)


def _links(facts: DriftReviewFacts) -> Iterator[Cell]:
    sides, addresses = facts.sides, facts.addresses
    if sides is None:
        return
    yield Cell(
        f"iteration {sides.iteration}",
        href=addresses.iteration(sides.iteration),
        also=(
            Cell(f"iteration {sides.reference_iteration}", href=addresses.iteration(sides.reference_iteration)),
            Cell("all that differs", href=addresses.compare(sides.reference_iteration, sides.iteration)),
            Cell("the run in MLflow", href=addresses.ui_run(sides.experiment, sides.run_id)),
            Cell(
                "both runs in MLflow",
                href=addresses.ui_compare([sides.reference_run_id, sides.run_id], [sides.experiment]),
            ),
        ),
    )


def _missing(facts: DriftReviewFacts) -> Section:
    against = f" --against {facts.asked or facts.sides.reference_iteration}" if facts.sides else " --against N"
    command = Command(f"flywheel drift --iteration {facts.iteration}{against}", "compares, and keeps the comparison")
    return Section("commands", "Next commands", commands=(command,))


def _reviewed(facts: DriftReviewFacts, report: DriftReport) -> Iterator[Section]:
    shown = facts.filter.applied(report)
    yield _findings_section(facts, shown)
    yield _explained(facts, shown)
    yield from found_tables(shown, facts.addresses)
    yield _embedded(facts)


def _findings_section(facts: DriftReviewFacts, report: DriftReport) -> Section:
    answered = facts.found.answered
    by = {item.subject: who.actor.name for item, who in answered.explained} if answered else {}
    ticks = facts.explain.version is not None and not facts.explain.refused and answered is not None
    left = answered.left if answered is not None and ticks else ()
    tickable = {item.subject for item in left} if len(left) > 1 else set()
    notes = () if report.findings else (Cell("Nothing got worse or changed, as far as this is shown.", Tone.GOOD),)
    return Section(
        "findings",
        "Findings",
        notes=notes,
        cards=finding_cards(report, by, tickable, facts.addresses),
        tables=further_findings(report, by, facts.addresses),
    )


def _explained(facts: DriftReviewFacts, report: DriftReport) -> Section:
    """What people said about this very comparison, what is left, and the form to say more."""
    rows = tuple(
        (
            Cell(item.actor.name),
            Cell(moment_text(item.at)),
            Cell(f"release {version}", href=facts.addresses.release(version)),
            Cell(", ".join(item.subjects)),
            Cell(f"no: {'; '.join(against)}", Tone.ATTENTION) if against else Cell("yes", Tone.GOOD),
            Cell(item.reason),
            Cell(f"event {item.number}"),
        )
        for version, item, against in facts.explanations
    )
    columns = ("who", "at", "for", "about", "counts", "reason", "event")
    return Section(
        "explanations",
        "What people answered for",
        notes=(Cell(facts.explain.why),) if facts.explain.why else (),
        tables=(Table("Explanations", columns, rows, "nobody has explained any finding."),),
        forms=tuple(_explain_forms(facts, report)),
    )


def _explain_forms(facts: DriftReviewFacts, report: DriftReport) -> Iterator[Form]:
    version, answered = facts.explain.version, facts.found.answered
    if version is None or answered is None:
        return
    refused, addresses = facts.explain.refused, facts.addresses
    boxed = {item.subject for item in carded(report)}
    left = [item for item in answered.left if item in report.findings]
    yield from confirm_form(answered, version, addresses, refused)
    yield from explain_all_form(left, version, addresses, refused)
    yield from explain_ticked_form(left, boxed, version, addresses, refused)


def _embedded(facts: DriftReviewFacts) -> Section:
    sides = facts.sides
    if sides is None or not facts.report_file:
        missing = "No page of Evidently's lies beside the comparison: `flywheel drift` writes it again."
        return Section("evidently", "Evidently's own report", notes=(Cell(missing, Tone.UNKNOWN),))
    address = facts.addresses.drift_report(sides.run_id, sides.reference_run_id)
    title = f"Evidently's report of iteration {sides.iteration} against iteration {sides.reference_iteration}"
    note = Cell("It runs in a sandbox: it can reach neither this page nor the server.")
    return Section("evidently", "Evidently's own report", notes=(note,), embedded=Embedded(title, address))
