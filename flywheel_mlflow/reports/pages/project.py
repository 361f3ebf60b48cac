"""The page of one project: what it promises, what its evidence shows, and what hangs on it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from flywheel_mlflow.assembly.documents import EdgeLine, Entry, Kpi
from flywheel_mlflow.base.rules import parse_rule
from flywheel_mlflow.drift import allowance_of
from flywheel_mlflow.drift.wording import Tone
from flywheel_mlflow.evidence.runs import RESOURCE, CheckSeverity, Outcome
from flywheel_mlflow.promises.contract import Contract
from flywheel_mlflow.promises.fields import field_types
from flywheel_mlflow.promises.interfaces import InterfaceIn
from flywheel_mlflow.promises.thresholds import DriftSettings
from flywheel_mlflow.reports.dashboard_blocks import Command, Pair, Section
from flywheel_mlflow.reports.dashboard_facts import DashboardFacts
from flywheel_mlflow.reports.dashboard_health import STATUS_TONES
from flywheel_mlflow.reports.dashboard_record import RecordedCheck
from flywheel_mlflow.reports.dashboard_sections import (
    EDGE_TONES,
    MOST_ROWS,
    bottleneck_numbers,
    task_table,
    theme_table,
)
from flywheel_mlflow.reports.dashboard_trends import COLUMNS, drift_says, kpi_over_iterations, kpi_target, number_row
from flywheel_mlflow.reports.pages.emptiness import nothing_assembled
from flywheel_mlflow.reports.pages.explained import explanation_table
from flywheel_mlflow.reports.pages.frame import Page
from flywheel_mlflow.reports.pages.projects import attained, consumable, score_history
from flywheel_mlflow.reports.pages.variants import ComparedVariant, variants_section
from flywheel_mlflow.tables.addresses import Addresses
from flywheel_mlflow.tables.cells import Cell, Table, code, number, spark
from flywheel_mlflow.tables.links import Links
from flywheel_mlflow.tables.risks import newest_closed, pressing_first, risks_table
from flywheel_mlflow.tables.texts import SHORT, UNKNOWN, format_value, moment_text, with_unit

_OUTCOME_TONES = {
    Outcome.FAILED.value: Tone.BAD,
    Outcome.ERROR.value: Tone.BAD,
    Outcome.SKIPPED.value: Tone.UNKNOWN,
    Outcome.PASSED.value: Tone.GOOD,
}
_OUTCOME_ORDER = tuple(_OUTCOME_TONES)
#: Who states a tolerance, behind it.
_STATED = {"contract": "", "exception": " (flywheel.yaml)", "default": " (default)"}
#: Passed checks are folded away from here on: a reader looks for those that did not pass.
FOLD_FROM = 12


@dataclass(frozen=True, slots=True)
class ProjectFacts:
    """One project in one iteration.

    ``contract`` is today's, None when no file promises it any more; ``checks`` are those its run logged, empty with
    ``checks_unknown`` where they cannot be told. ``teams`` maps owners to their titles; ``drift`` are the rules of
    comparisons; ``variant`` is the one that was asked for.
    """

    project_id: str
    contract: Contract | None
    page: DashboardFacts
    checks: tuple[RecordedCheck, ...]
    checks_unknown: str
    teams: Mapping[str, str]
    drift: DriftSettings
    variant: ComparedVariant | None = None

    @property
    def recorded(self) -> Entry | None:
        """Its entry in the registry of the iteration; None when it was not registered."""
        return self.page.record.project(self.project_id)


def project_page(facts: ProjectFacts, addresses: Addresses) -> Page:
    """One project in one iteration."""
    found, contract = facts.recorded, facts.contract
    title = contract.title if contract else found.title if found else ""
    sections = [_promise(facts)]
    if found is not None:
        variants = variants_section(contract, found, facts.variant, facts.page.links)
        sections += [variants] if variants else []
        sections += [_kpis(facts, found), _checks(facts, found), _interfaces(facts, found), _evidence(facts, found)]
    sections += [_stages(facts), _bottlenecks(facts)]
    if found is not None:
        sections.append(_score(facts, found))
    sections += [_feedback(facts, addresses), _risks(facts, addresses), _commands(facts)]
    return Page(
        title=f"{facts.project_id} {title}",
        part="projects",
        subtitle=f"In iteration {facts.page.iteration}, as of {moment_text(facts.page.now)}",
        trail=(
            Cell("Projects", href=addresses.projects(facts.page.links.iteration)),
            Cell(facts.project_id),
        ),
        lead=tuple(_lead(facts)),
        sections=tuple(sections),
    )


def promised_project_page(contract: Contract, teams: Mapping[str, str], addresses: Addresses) -> Page:
    """Before the first assembly: what the contract alone says."""
    promise = Section("promise", "What it promises", pairs=tuple(_promises(contract, teams)))
    outs = tuple(
        (Cell(item.name, href=addresses.interface(item.name)), Cell(item.title), Cell(item.format), Cell(item.role))
        for item in contract.interfaces_out
    )
    table = Table("Interfaces it makes", ("interface", "what it is", "format", "role"), outs, "None.")
    interfaces = Section("interfaces", "Interfaces", tables=(table,))
    return nothing_assembled(f"{contract.id} {contract.title}", "projects", promise, interfaces)


def _lead(facts: ProjectFacts) -> Iterator[Cell]:
    found = facts.recorded
    if found is None:
        yield Cell(f"It is not part of iteration {facts.page.iteration}: its contract came later.", Tone.UNKNOWN)
        return
    if facts.contract is None:
        yield Cell("No file promises this project any more; this is what was recorded.", Tone.ATTENTION)
    if found.consumable:
        yield Cell("Ready for consumers.", Tone.GOOD)
    for reason in found.reasons:
        yield Cell(f"Not consumable: {reason}.", Tone.ATTENTION)
    for consumer, why in found.not_consumable_for.items():
        yield Cell(f"Not consumable for {consumer}: {why}.", Tone.ATTENTION)
    for note in found.notes:
        yield Cell(f"To know: {note}.")
    waiting = facts.page.ledger.tasks.open_for(facts.project_id)
    if waiting:
        first = waiting[0]
        count = "1 open task" if len(waiting) == 1 else f"{len(waiting)} open tasks"
        tone = Tone.ATTENTION if first.iteration <= facts.page.iteration else Tone.NONE
        yield Cell(f"{count}, the first for iteration {first.iteration}: {first.text}", tone, href="#feedback")


def _promise(facts: ProjectFacts) -> Section:
    if facts.contract is None:
        note = Cell("The contract is gone from the flywheel's files.", Tone.UNKNOWN)
        return Section("promise", "What it promises", notes=(note,))
    found = facts.recorded
    notes: list[Cell] = []
    if found is not None and found.contract_digest != facts.contract.digest:
        notes.append(Cell("The contract changed after this iteration was assembled; this is today's.", Tone.ATTENTION))
    return Section(
        "promise", "What it promises", notes=tuple(notes), pairs=tuple(_promises(facts.contract, facts.teams))
    )


def _promises(contract: Contract, teams: Mapping[str, str]) -> Iterator[Pair]:
    yield Pair("Owner", Cell(f"{teams.get(contract.owner, contract.owner)} ({contract.owner})"))
    yield Pair("Phase", Cell(contract.phase))
    yield Pair("Layers", Cell(", ".join(contract.layers)))
    yield Pair("Stages", Cell(", ".join(contract.stages)))
    yield Pair("Deliverables", Cell(", ".join(contract.deliverables)))
    yield Pair("Weight in its stages' scores", Cell(f"{contract.weight:g}"))
    yield Pair("Least check pass rate", Cell(format_value(contract.checks.min_pass_rate, "ratio")))
    yield Pair("Human review before a release", Cell("needed" if contract.review.human else "not needed"))
    if contract.review.controls:
        yield Pair("Controls", Cell(", ".join(contract.review.controls)))
    age = contract.carry.max_age
    carried = f"at most {age} {'iteration' if age == 1 else 'iterations'} old" if contract.carry.allowed else "no"
    yield Pair("Evidence may be carried forward", Cell(carried))
    if contract.source:
        yield Pair("Published figures from", Cell(contract.source))
    yield Pair("Digest of the contract", code(contract.digest[:SHORT]))


def _kpis(facts: ProjectFacts, found: Entry) -> Section:
    rows = tuple(_kpi(name, kpi, facts) for name, kpi in found.kpis.items())
    columns = (*COLUMNS, "n", "target", "tolerance", "attained", "drift says")
    table = Table("KPIs; a gap in a line is an unknown value", columns, rows, "It declares none.")
    return Section("kpis", "KPIs", pairs=(Pair("Attain their target", attained(found)),), tables=(table,))


def _kpi(name: str, kpi: Kpi, facts: ProjectFacts) -> tuple[Cell, ...]:
    full = f"{facts.project_id}.{name}"
    titles = {item.name: item.title for item in facts.contract.kpis} if facts.contract else {}
    reached = kpi.attainment
    tone = Tone.UNKNOWN if reached is None else Tone.GOOD if reached == 1 else Tone.ATTENTION
    said = "no target" if kpi.target is None else format_value(reached, "ratio")
    return (
        Cell(f"{name}: {titles[name]}" if titles.get(name) else name, href=facts.page.links.number(full)),
        *kpi_over_iterations(full, kpi, facts.page),
        number("not stated" if kpi.n is None else format_value(kpi.n, "count")),
        number(kpi_target(kpi)),
        number(_tolerance(full, kpi, facts.drift)),
        number(said, Tone.NONE if kpi.target is None else tone),
        drift_says(full, facts.page),
    )


def _tolerance(full: str, kpi: Kpi, drift: DriftSettings) -> str:
    """What a comparison with another iteration lets the KPI lose, and who says so where it is not the contract."""
    found = allowance_of(full, kpi.tolerance, drift)
    amount = f"{(found.share or 0.0) * 100:g} %" if found.amount is None else with_unit(found.amount, kpi.unit)
    return f"{amount}{_STATED[found.origin]}" + ("" if found.judged else ", not judged")


def _checks(facts: ProjectFacts, found: Entry) -> Section:
    passed = UNKNOWN if found.total_checks is None else f"{found.passed_checks} of {found.total_checks}"
    required = tuple(
        (Cell(name), Cell(outcome or "did not run", _OUTCOME_TONES.get(outcome or "", Tone.BAD)))
        for name, outcome in found.required_checks.items()
    )
    ordered = sorted(facts.checks, key=lambda item: _OUTCOME_ORDER.index(_known_outcome(item.outcome)))
    bad = [item for item in ordered if item.outcome != Outcome.PASSED.value]
    good = [item for item in ordered if item.outcome == Outcome.PASSED.value]
    tables = [Table("Required checks", ("check", "outcome"), required, "The contract requires none.")]
    if facts.checks_unknown:
        rows = tuple((Cell(name), Cell(outcome, Tone.BAD)) for name, outcome in found.checks_not_passed.items())
        tables.append(Table("Checks that did not pass", ("check", "outcome"), rows, "All of them passed."))
    else:
        columns = ("check", "outcome", "severity", "message")
        tables.append(Table(_caption("Checks that did not pass", bad), columns, _rows(bad), "All of them passed."))
        caption = _caption("Checks that passed", good)
        tables.append(Table(caption, columns, _rows(good), "None passed.", folded=len(good) > FOLD_FROM))
    unknown = f"The single checks are unknown: {facts.checks_unknown}."
    return Section(
        "checks",
        "Checks",
        notes=(Cell(unknown, Tone.UNKNOWN),) if facts.checks_unknown else (),
        pairs=(Pair("Passed", Cell(passed, Tone.UNKNOWN if found.total_checks is None else Tone.NONE)),),
        tables=tuple(tables),
    )


def _known_outcome(outcome: str) -> str:
    return outcome if outcome in _OUTCOME_TONES else Outcome.ERROR.value


def _caption(title: str, found: list[RecordedCheck]) -> str:
    more = len(found) - MOST_ROWS
    return f"{title}; {more} more in flywheel/checks.json of the run" if more > 0 else title


def _rows(found: Iterable[RecordedCheck]) -> tuple[tuple[Cell, ...], ...]:
    return tuple(
        (
            Cell(item.name),
            Cell(item.outcome, _tone(item)),
            Cell(item.severity),
            Cell(item.message or "no message"),
        )
        for item in list(found)[:MOST_ROWS]
    )


def _tone(item: RecordedCheck) -> Tone:
    tone = _OUTCOME_TONES.get(item.outcome, Tone.BAD)
    return Tone.ATTENTION if tone is Tone.BAD and item.severity == CheckSeverity.WARNING.value else tone


def _interfaces(facts: ProjectFacts, found: Entry) -> Section:
    links = facts.page.links
    outs = []
    for item in found.interfaces_out:
        version = item.version
        outs.append(
            (
                Cell(item.name, href=links.interface(item.name)),
                Cell(item.title),
                code(version.digest[:SHORT]) if version else Cell("no version", Tone.UNKNOWN),
                number(format_value(version.rows if version else None, "count")),
                Cell((item.change or UNKNOWN).upper(), Tone.NONE if item.change else Tone.UNKNOWN),
                Cell(", ".join(item.consumers) or "nobody"),
            )
        )
    needs = {item.name: item for item in facts.contract.interfaces_in} if facts.contract else {}
    ins = tuple(
        _read(edge, needs.get(edge.interface), links)
        for edge in facts.page.record.edges
        if edge.consumer == found.project_id
    )
    out_columns = ("interface", "what it is", "version", "rows", "against the iteration before", "read by")
    in_columns = ("interface", "made by", "fields it cannot do without", "missing", "state", "made", "read")
    return Section(
        "interfaces",
        "Interfaces",
        tables=(
            Table("Interfaces it makes", out_columns, tuple(outs), "None."),
            Table("Interfaces it reads", in_columns, ins, "None."),
        ),
    )


def _read(edge: EdgeLine, wanted: InterfaceIn | None, links: Links) -> tuple[Cell, ...]:
    late = ", of the iteration before" if edge.feedback else ""
    missing = Cell(UNKNOWN, Tone.UNKNOWN) if edge.missing_fields is None else Cell("none", Tone.GOOD)
    if edge.missing_fields:
        missing = Cell(", ".join(edge.missing_fields), Tone.BAD)
    return (
        Cell(edge.interface, href=links.interface(edge.interface)),
        Cell(f"{edge.producer}{late}", href=links.project(edge.producer)),
        Cell(", ".join(field_types(wanted.fields)) or "none named") if wanted else Cell(UNKNOWN, Tone.UNKNOWN),
        missing,
        Cell(edge.state, EDGE_TONES.get(edge.state, Tone.UNKNOWN)),
        code((edge.made or "")[:SHORT] or "none"),
        code((edge.read or "")[:SHORT] or "none"),
    )


def _evidence(facts: ProjectFacts, found: Entry) -> Section:
    evidence, links = found.evidence, facts.page.links
    experiment = links.experiment(facts.project_id)
    more = (Cell("MLflow's table of this project's runs", href=experiment),) if experiment else ()
    if evidence is None:
        note = Cell(f"No valid run counts for iteration {facts.page.iteration}.", Tone.UNKNOWN)
        return Section("evidence", "Evidence", notes=(note,), links=more)
    run = Cell("this assembly's own checks")
    if evidence.run_id:
        run = Cell(evidence.run_id, kind="code", href=links.run(evidence.run_id, facts.project_id))
    changed = found.contract_digest != evidence.contract_digest
    pairs = [
        Pair("Run", run),
        Pair("Kind", Cell(evidence.kind)),
        Pair("Ended", Cell(moment_text(evidence.ended_at)) if evidence.ended_at else Cell(UNKNOWN, Tone.UNKNOWN)),
        Pair("Code", code(evidence.code_version or UNKNOWN)),
        Pair(
            "Contract it was logged under",
            Cell("another than the one assembled", Tone.ATTENTION) if changed else Cell("the one assembled"),
        ),
    ]
    if evidence.carried_from is not None:
        pairs.append(Pair("Carried from", Cell(f"iteration {evidence.carried_from}", Tone.ATTENTION)))
    prefix = f"{facts.project_id}.{RESOURCE}."
    taken = tuple(number_row(name, facts.page) for name in facts.page.record.metrics if name.startswith(prefix))
    columns = (*COLUMNS, "how it was measured")
    tables = (Table("What its run took", columns, taken, ""),) if taken else ()
    return Section("evidence", "Evidence", pairs=tuple(pairs), tables=tables, links=more)


def _stages(facts: ProjectFacts) -> Section:
    record = facts.page.record
    rows = tuple(
        (
            Cell(record.title(stage.stage_id)),
            Cell(stage.status, STATUS_TONES.get(stage.status, Tone.UNKNOWN)),
            number(format_value(stage.score, "score 0..1"), Tone.UNKNOWN if stage.score is None else Tone.NONE),
            Cell("; ".join(stage.reasons) or "none"),
        )
        for stage in record.stages
        if stage.stage_id in record.plans and facts.project_id in record.plans[stage.stage_id].projects
    )
    columns = ("stage", "status", "score", "what keeps it from being completed")
    return Section("stages", "Stages", tables=(Table("Stages it belongs to", columns, rows, "None."),))


def _bottlenecks(facts: ProjectFacts) -> Section:
    found = facts.page.record.bottlenecks
    own = f"{facts.project_id}."
    fired = tuple(
        (
            Cell(item.title, Tone.ATTENTION),
            Cell(item.severity),
            Cell(bottleneck_numbers(item, facts.page)),
            code(item.rule),
            Cell(item.advice),
        )
        for item in found.bottlenecks
        if any(name.startswith(own) for name in item.values)
    )
    left = tuple(
        (Cell(item.name), code(item.rule), Cell(item.why, Tone.UNKNOWN))
        for item in found.rules_not_decidable
        if any(name.startswith(own) for name in parse_rule(item.rule).metrics)
    )
    columns = ("bottleneck", "severity", "numbers", "rule", "advice")
    return Section(
        "bottlenecks",
        "Bottlenecks",
        tables=(
            Table("Rules about it that fired", columns, fired, "None."),
            Table("Rules about it that cannot be decided", ("rule", "says", "why not"), left, "None."),
        ),
    )


def _score(facts: ProjectFacts, found: Entry) -> Section:
    name = f"{facts.project_id}.score"
    over = spark(name, "score 0..1", score_history(found, facts.page))
    row = (
        Cell(name),
        number(format_value(found.score, "score 0..1"), Tone.UNKNOWN if found.score is None else Tone.NONE),
        over,
        consumable(found),
    )
    return Section(
        "score",
        "Score, explained",
        tables=(
            Table("Score", ("number", "now", "over iterations", "consumable"), (row,), ""),
            explanation_table(facts.page.record, name, facts.page.links),
        ),
    )


def _feedback(facts: ProjectFacts, addresses: Addresses) -> Section:
    unknown = facts.page.feedback.unknown
    return Section(
        "feedback",
        "Feedback and tasks",
        notes=(Cell(f"Feedback unknown: {unknown}.", Tone.UNKNOWN),) if unknown else (),
        tables=(theme_table(facts.page, facts.project_id), task_table(facts.page, facts.project_id)),
        links=(
            Cell("Its feedback on the board", href=addresses.feedback(facts.page.iteration, project=facts.project_id)),
        ),
    )


def _risks(facts: ProjectFacts, addresses: Addresses) -> Section:
    ledger = facts.page.ledger
    more = (Cell("The risk ledger", href=addresses.risks()),)
    if ledger.unknown:
        note = Cell(f"The risk ledger is unknown: {ledger.unknown}.", Tone.UNKNOWN)
        return Section("risks", "Risks", notes=(note,), links=more)
    own = [risk for risk in ledger.risks if facts.project_id in risk.projects]
    ordered = (*pressing_first(own, facts.page.now), *newest_closed(own))
    table = risks_table(ordered, facts.page.now, "Risks that name it", "none.", links=facts.page.links)
    return Section("risks", "Risks", tables=(table,), links=more)


def _commands(facts: ProjectFacts) -> Section:
    name, turn = facts.project_id, facts.page.iteration
    return Section(
        "commands",
        "Next commands",
        commands=(
            Command(f"flywheel explain {name}.score --iteration {turn}", "the tree behind the score, to the last run"),
            Command(f"flywheel impact {name} --iteration {turn}", "who is hit when it changes"),
            Command(f"flywheel log {name} --iteration {turn + 1}", "log its results for the next iteration"),
        ),
    )
