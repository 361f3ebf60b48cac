"""The review of a comparison: its verdict, what is behind it, and what people answered for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from flywheel_mlflow.decisions.gates import Verdict
from flywheel_mlflow.decisions.releases import Explained
from flywheel_mlflow.drawings import change_svg, told
from flywheel_mlflow.drift import DriftReport, Finding, Kind
from flywheel_mlflow.drift.report import FIRST
from flywheel_mlflow.drift.wording import VERDICT_TONES, Tone, tone_of, word_of
from flywheel_mlflow.reports.dashboard_blocks import (
    Cell,
    Choice,
    Command,
    Embedded,
    Field,
    Form,
    Image,
    Section,
    Table,
    code,
    sentence,
)
from flywheel_mlflow.reports.dashboard_facts import DriftFacts
from flywheel_mlflow.reports.dashboard_releases import moment_text
from flywheel_mlflow.reports.pages.addresses import Addresses
from flywheel_mlflow.reports.pages.deciding import choice_field, hidden, reason_field
from flywheel_mlflow.reports.pages.drift_tables import finding_cell, found_tables
from flywheel_mlflow.reports.pages.emptiness import nothing_assembled
from flywheel_mlflow.reports.pages.frame import Page

#: Findings of one table; drift.json, kept on the iteration's run, has all of them.
MOST_FINDINGS = 200
#: Findings drawn, the worst first.
MOST_PICTURES = 6
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
    speaks against each; ``report_file`` tells whether Evidently's own page lies beside it.
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
        told = f"{_findings(len(answered.explained))} explained by {people}, {len(answered.left)} left"
        yield Cell(f"With that it is {answered.verdict.value}: {told}.", tone)
    elif answered.left:
        yield Cell(f"{_findings(len(answered.left))} wait for somebody to answer, by a better iteration or in words.")
    if answered.unconfirmed:
        waiting = _changes(len(answered.unconfirmed))
        yield Cell(f"{waiting} as tasks intended: confirm them for a release.", Tone.INTENDED)
    if report.untested_signals:
        what = "distribution was" if report.untested_signals == 1 else "distributions were"
        yield Cell(f"{report.untested_signals} {what} not tested: too few rows, or nothing logged.", Tone.UNKNOWN)
    yield Cell(
        "The whole data were read." if report.full else "Samples logged with the runs were compared, not all data."
    )


def _findings(count: int) -> str:
    return "1 finding" if count == 1 else f"{count} findings"


def _changes(count: int) -> str:
    return "1 change" if count == 1 else f"{count} changes"


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
    filters = Form(
        facts.addresses.drift(),
        "Choose what is compared",
        "Show",
        "",
        (
            choice_field("iteration", "Iteration", turns, value=str(facts.iteration)),
            _optional(choice_field("against", "Against", references, value=facts.asked)),
        ),
    )
    return Section("choose", "What is compared", notes=tuple(_links(facts)), filters=(filters,))


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
    yield _worst(facts, report)
    yield from _pictures(facts, report)
    yield _explained(facts, report)
    yield from found_tables(report, facts.addresses)
    yield _embedded(facts)


def _worst(facts: DriftReviewFacts, report: DriftReport) -> Section:
    answered = facts.found.answered
    by = {item.subject: who.actor.name for item, who in answered.explained} if answered else {}
    first, rest = report.findings[:FIRST], report.findings[FIRST:MOST_FINDINGS]
    more = len(report.findings) - MOST_FINDINGS
    left_out = f"; {more} more in drift.json" if more > 0 else ""
    tables = [_finding_table(f"The worst of {_findings(len(report.findings))}", first, by, facts)]
    if rest:
        tables.append(_finding_table(f"{len(rest)} more, worst first{left_out}", rest, by, facts, folded=True))
    return Section("findings", "Findings", tables=tuple(tables))


def _pictures(facts: DriftReviewFacts, report: DriftReport) -> Iterator[Section]:
    """The worst findings about data as pictures, each with the places of a few rows to look at."""
    drawn = 0
    for finding in report.findings:
        items = report.of_finding(finding) if finding.kind is Kind.DISTRIBUTION else ()
        item = next((item for item in items if item.picture is not None and item.picture.bars), None)
        if item is None or item.picture is None:
            continue
        drawn += 1
        examples = next((other.examples for other in (item, *items) if other.examples), ())
        where = facts.addresses.interface(finding.subject.partition("/")[0], facts.iteration)
        notes = [Cell(f"Rows to look at: {'; '.join(examples)}", href=where)] if examples else []
        yield Section(
            f"picture-{drawn}",
            item.subject,
            notes=tuple(notes),
            image=Image(change_svg(item.picture, item.subject), told(item.picture)),
        )
        if drawn == MOST_PICTURES:
            return


def _finding_table(
    caption: str, findings: Sequence[Finding], by: Mapping[str, str], facts: DriftReviewFacts, *, folded: bool = False
) -> Table:
    columns = ("subject", "outcome", "decides", "what", "explained by", "look closer")
    rows = tuple(
        (
            finding_cell(item, facts.addresses, facts.iteration),
            Cell(word_of(item), tone_of(item)),
            Cell("yes" if item.decides else "no"),
            Cell(f"{item.text} ({item.method})" if item.method else item.text),
            Cell(by[item.subject], Tone.ATTENTION) if item.subject in by else Cell("nobody"),
            code(item.next) if item.next else Cell("nothing"),
        )
        for item in findings
    )
    return Table(caption, columns, rows, "nothing got worse.", folded)


def _explained(facts: DriftReviewFacts, report: DriftReport) -> Section:
    """What people said about this very comparison, what is left, and the form to say more."""
    left = facts.found.answered.left if facts.found.answered else ()
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
    left_rows = tuple((Cell(item.subject), Cell(item.text)) for item in left[:MOST_FINDINGS])
    return Section(
        "explanations",
        "What people answered for",
        notes=(Cell(facts.explain.why),) if facts.explain.why else (),
        tables=(
            Table("Explanations", columns, rows, "nobody has explained any finding."),
            Table(
                f"Left: {_findings(len(left))}",
                ("subject", "what"),
                left_rows,
                "nothing is left.",
                folded=len(left) > FIRST,
            ),
        ),
        forms=(*_confirm_form(facts), *_explain_form(facts, left, report)),
    )


def _confirm_form(facts: DriftReviewFacts) -> Iterator[Form]:
    """One button for all that tasks intended: a person says once that it is wanted."""
    version, answered = facts.explain.version, facts.found.answered
    if version is None or answered is None or not answered.unconfirmed:
        return
    tasks = sorted({item.text.partition(":")[0].removeprefix("as intended by ") for item in answered.unconfirmed})
    yield Form(
        facts.addresses.act("confirm-changes"),
        f"Confirm {_changes(len(answered.unconfirmed))} as intended, for release {version}",
        "Confirm",
        f"Says that what {', '.join(tasks)} changed is wanted; your name stays in the ledger.",
        (hidden("version", version),),
        refused=facts.explain.refused,
    )


def _explain_form(facts: DriftReviewFacts, left: Sequence[Finding], report: DriftReport) -> tuple[Form, ...]:
    version = facts.explain.version
    if version is None or not left:
        return ()
    choices = tuple(Choice(item.subject, f"{item.subject}: {item.text}") for item in left[:MOST_FINDINGS])
    return (
        Form(
            facts.addresses.act("explain-drift"),
            f"Explain findings, for release {version}",
            "Explain",
            "Takes findings that were wanted, or are harmless, off the verdict against iteration "
            f"{report.reference.iteration}; your name and reason stay in the ledger.",
            (
                hidden("version", version),
                Field("findings", "Findings that are as they should be", "checks", choices=choices),
                reason_field(),
            ),
            refused=facts.explain.refused,
        ),
    )


def _embedded(facts: DriftReviewFacts) -> Section:
    sides = facts.sides
    if sides is None or not facts.report_file:
        missing = "No page of Evidently's lies beside the comparison: `flywheel drift` writes it again."
        return Section("evidently", "Evidently's own report", notes=(Cell(missing, Tone.UNKNOWN),))
    address = facts.addresses.drift_report(sides.run_id, sides.reference_run_id)
    title = f"Evidently's report of iteration {sides.iteration} against iteration {sides.reference_iteration}"
    note = Cell("It runs in a sandbox: it can reach neither this page nor the server.")
    return Section("evidently", "Evidently's own report", notes=(note,), embedded=Embedded(title, address))
