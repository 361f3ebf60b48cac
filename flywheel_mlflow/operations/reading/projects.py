"""Gathers the pages of projects."""

from __future__ import annotations

from flywheel_mlflow.assembly.documents import Entry
from flywheel_mlflow.base.errors import FlywheelError, UnknownName
from flywheel_mlflow.operations.deciding import is_trouble
from flywheel_mlflow.operations.experiments.variants import compare_variants
from flywheel_mlflow.operations.reading.reader import PageQuery, Reader
from flywheel_mlflow.operations.reading.turns import facts_at, find_turn, record_facts_at
from flywheel_mlflow.operations.scratch import scratch_folder
from flywheel_mlflow.reports.dashboard_facts import DashboardFacts
from flywheel_mlflow.reports.dashboard_record import RecordedCheck, read_checks
from flywheel_mlflow.reports.pages.frame import Page
from flywheel_mlflow.reports.pages.project import ProjectFacts, project_page, promised_project_page
from flywheel_mlflow.reports.pages.projects import projects_page, promised_projects_page
from flywheel_mlflow.reports.pages.variants import ComparedVariant


def projects(reader: Reader, asked: PageQuery) -> Page:
    """Every project of an iteration, the newest unasked."""
    contracts = reader.session.flywheel.contracts
    turn = find_turn(reader, asked.whole("iteration"))
    if turn is None:
        return promised_projects_page(contracts, reader.addresses)
    return projects_page(record_facts_at(reader, turn), contracts, reader.addresses)


def project(reader: Reader, asked: PageQuery) -> Page:
    """One project in an iteration, the newest unasked."""
    flywheel = reader.session.flywheel
    name = asked.word("project") or ""
    contract = flywheel.contracts.get(name)
    teams = {team.id: team.title for team in flywheel.blueprint.teams}
    turn = find_turn(reader, asked.whole("iteration"))
    if turn is None:
        return promised_project_page(flywheel.contract(name), teams, reader.addresses)
    facts = facts_at(reader, turn)
    found = facts.record.project(name)
    if found is None and contract is None:
        raise UnknownName("project", name, {*flywheel.contracts, *(item.project_id for item in facts.record.projects)})
    checks, unknown = _checks(reader, facts, found)
    drift = flywheel.blueprint.drift
    compared = _compared(reader, found, asked.word("variant"))
    return project_page(ProjectFacts(name, contract, facts, checks, unknown, teams, drift, compared), reader.addresses)


def _compared(reader: Reader, found: Entry | None, variant: str | None) -> ComparedVariant | None:
    """The variant that was asked for against the one that counts; None unasked."""
    if variant is None:
        return None
    runs = {item.variant: item.run_id for item in found.variants} if found else {}
    counting = next((item for item in found.variants if item.counts), None) if found else None
    if variant not in runs:
        raise UnknownName("variant with a run in this iteration", variant, runs)
    if counting is None:
        return ComparedVariant(variant, unknown="no run counts in this iteration")
    flywheel, tracking = reader.session.flywheel, reader.session.tracking
    try:
        one, other = (
            tracking.collector.evidence_of(run or "", flywheel.contracts) for run in (runs[variant], counting.run_id)
        )
        if one is None or other is None:
            return ComparedVariant(variant, unknown="a run no longer counts as evidence")
        kpis, unread = compare_variants(flywheel, tracking, one, other)
    except FlywheelError as error:
        if is_trouble(error):
            raise
        return ComparedVariant(variant, unknown=error.what)
    return ComparedVariant(variant, kpis, unknown="; ".join(unread))


def _checks(reader: Reader, facts: DashboardFacts, found: Entry | None) -> tuple[tuple[RecordedCheck, ...], str]:
    """Every check behind a project's entry, or why they cannot be told."""
    evidence = found.evidence if found else None
    if evidence is None:
        return (), "it has no evidence"
    if evidence.run_id is None:
        return facts.record.own_checks, ""
    name = f"the checks of run {evidence.run_id}"
    try:
        with scratch_folder() as folder:
            text = reader.session.tracking.profiles.checks(evidence.run_id, folder)
        return (read_checks(text, name=name), "") if text is not None else ((), "the run logged none as a file")
    except FlywheelError as error:
        if is_trouble(error):
            raise
        return (), error.what
