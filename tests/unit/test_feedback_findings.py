"""The flywheel's own findings as events: failed checks, drift, decisions; whose they are, and where they go."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from drift_cases import compared, kpi, promise, side
from feedback_columns import Row, batch, router, row
from flywheels import contract, evidence_of, kpi_document, small_flywheel
from hypothesis import given
from hypothesis import strategies as st
from releases_ledger import LedgerBuilder

from flywheel_mlflow.decisions.releases import Kind
from flywheel_mlflow.drift import DriftReport, Side, error_finding
from flywheel_mlflow.drift.findings import ChangeOutcome
from flywheel_mlflow.evidence.flywheel import load_flywheel
from flywheel_mlflow.evidence.runs import Check, CheckSeverity, KpiValue, Outcome
from flywheel_mlflow.feedback.dead_letters import DeadLetters
from flywheel_mlflow.feedback.events import FeedbackEvent
from flywheel_mlflow.feedback.failures import kept_failures
from flywheel_mlflow.feedback.files import EventFiles
from flywheel_mlflow.feedback.findings import (
    PRIVACY_CHECK,
    events_of_checks,
    events_of_drift,
    events_of_failures,
    events_of_ledger,
    own_events,
)
from flywheel_mlflow.feedback.identity import IdIndex
from flywheel_mlflow.feedback.intake import Taken, take_in
from flywheel_mlflow.feedback.routing import explain
from flywheel_mlflow.operations.feedback.feedback import router_of
from flywheel_mlflow.records.personal_check import RawPersonalData

CONTRACTS = small_flywheel().contracts
P01 = CONTRACTS["p01"]
SHIPPED = load_flywheel(Path(__file__).resolve().parents[2])


def failed(name: str, severity: CheckSeverity = CheckSeverity.BLOCKING) -> Check:
    return Check(name, Outcome.FAILED, "three rows", severity)


def of_checks(*checks: Check, phase: str = "building") -> list[FeedbackEvent]:
    made = contract("p01", phase=phase)
    return list(events_of_checks(evidence_of(made, *checks), made))


def test_failed_checks_become_events_and_passed_ones_do_not() -> None:
    """With project, run and the end of the run as their time; telling them again tells the same events."""
    checks = (
        Check("ok", Outcome.PASSED), failed("bad"), Check("odd\x1b[31m", Outcome.ERROR),
        Check("left", Outcome.SKIPPED),
    )  # fmt: skip
    found = of_checks(*checks)
    assert found == of_checks(*checks)
    assert [(item.project, item.run_id, item.severity, item.type) for item in found] == [
        ("p01", "run-p01", "high", "data_gap"),
        ("p01", "run-p01", "high", "process_gap"),
    ]
    assert len({item.id for item in found}) == 2
    unfinished = replace(evidence_of(P01, failed("bad")), ended=None)
    assert events_of_checks(unfinished, P01) == ()


def test_how_bad_a_check_is_stays_unknown_where_the_run_does_not_say() -> None:
    """A summary counts warnings and does not name them: alone they are low, beside failures only required ones sure."""
    warning = failed("style", CheckSeverity.WARNING)
    assert [item.severity for item in of_checks(warning)] == ["low"]
    mixed = {item.text.split()[1]: item.severity for item in of_checks(warning, failed("bad"), failed("ready"))}
    assert mixed == {"style": None, "bad": None, "ready": "high"}


def test_a_check_of_an_interface_names_it() -> None:
    """Where the project makes that interface; a dot in another name means nothing."""
    found = of_checks(failed("p01_data.required_fields"), failed("p02_data.required_fields"))
    assert [item.interface for item in found] == ["p01_data", None]


def test_raw_personal_data_is_a_privacy_hit_of_the_project_that_holds_it() -> None:
    """So is whatever fails in a project whose phase is privacy: it is the boundary."""
    assert RawPersonalData("corpus").result().name.endswith(PRIVACY_CHECK)
    (found,) = of_checks(failed("p01_data.raw_personal_data"))
    assert (found.project, found.interface, found.source, found.severity) == ("p01", "p01_data", "governance", "high")
    assert found.text.startswith("privacy boundary trigger: ")
    (own,) = of_checks(failed("alerts_resolved", CheckSeverity.WARNING), phase="privacy")
    assert (own.source, own.severity) == ("governance", "high")


def report(**more: Any) -> DriftReport:
    """A KPI of p01 regressed, and something could not be read."""
    errors = [error_finding("iteration 2", "the registry is gone", "flywheel assemble -i 2")]
    made = contract("p01")
    return compared(
        side(3, kpis={"quality": 0.5}), side(2, kpis={"quality": 0.9}), made=made, errors=more.pop("errors", errors)
    )


def test_what_keeps_a_comparison_from_passing_becomes_events() -> None:
    """What blocks is high and names project, run and next command; an error is of medium weight and of no project."""
    found = events_of_drift(report(), {"p01": evidence_of(P01)}, CONTRACTS)
    assert [(item.project, item.run_id, item.severity, item.type) for item in found] == [
        ("p01", "run-p01", "high", "data_gap"),
        (None, None, "medium", "process_gap"),
    ]
    assert found[0].recommended_action == "flywheel explain p01.quality --between 2 3"
    assert events_of_drift(report(), {}, CONTRACTS) == ()  # no run, no time: nothing to rest on


def test_noise_makes_no_events() -> None:
    """Of 600 KPIs in which nothing changed, with their sample sizes known, none becomes an event."""
    draw = random.Random(7)  # noqa: S311 - sample data
    names = [f"kpi_{number}" for number in range(600)]
    promised = promise(kpis=[kpi(name) for name in names])

    def noisy(iteration: int) -> Side:
        plain = side(iteration, kpis=dict.fromkeys(names, 0.8))
        values = {name: KpiValue(sum(draw.random() < 0.8 for _ in range(50)) / 50, 50) for name in names}
        return replace(plain, projects={"p01": replace(plain.projects["p01"], kpis=values)})

    moved = compared(noisy(3), noisy(2), made=promised)
    assert sum(item.decides for item in moved.findings) > 100  # many look worse, and cannot be told from chance
    assert events_of_drift(moved, {"p01": evidence_of(promised)}, {"p01": promised}) == ()


def test_what_a_task_intended_is_no_event() -> None:
    """It asks for a confirmation, not for work."""
    intended = replace(report(errors=()).findings[0], outcome=ChangeOutcome.INTENDED)
    moved = replace(report(errors=()), findings=(intended,))
    assert events_of_drift(moved, {"p01": evidence_of(P01)}, CONTRACTS) == ()


def test_failed_samples_become_events() -> None:
    """With project, run, record, the type the KPI declares, and the command that explains the KPI."""
    made = contract("p01", kpis=[kpi_document("quality", gap="retrieval_gap")])
    kept = [kept_failures("quality", {"q2": "asked for 7, got 8", "q1": "nothing found"}, "p01_data")]
    found = events_of_failures(evidence_of(made), made, kept)
    assert [(item.text, item.record_ids) for item in found] == [
        ("nothing found", ("p01_data/q1",)),
        ("asked for 7, got 8", ("p01_data/q2",)),
    ]
    assert {(item.project, item.run_id, item.type, item.scope, item.interface) for item in found} == {
        ("p01", "run-p01", "retrieval_gap", "single_sample", "p01_data")
    }
    assert found[0].recommended_action == "flywheel explain p01.quality --iteration 2"
    assert events_of_failures(evidence_of(made, run_id="run-8"), made, kept)[0].id != found[0].id
    assert events_of_failures(evidence_of(made, carried_from=1), made, kept) == ()
    nameless = [kept_failures("quality", {"q1": "no record"}, None)]
    assert [item.record_ids for item in events_of_failures(evidence_of(made), made, nameless)] == [()]


def test_own_findings_are_routed_without_any_rule() -> None:
    """To the project they name, else to the assembly layer's; a flywheel without one leaves the latter in the queue."""
    small = small_flywheel()
    bare = replace(small, blueprint=small.blueprint.model_copy(update={"routing": ()}))
    rows = batch(
        row(1, reporter="flywheel", project="p02"), row(2, reporter="flywheel"), row(3, reporter="ana", project="p02")
    )
    routed = router_of(bare).route(rows).to_pylist()
    assert [(item["to"], item["rule"]) for item in routed] == [
        ("p02", "built_in_own_finding"),
        ("p10", "built_in_own_unplaced"),
        (None, None),
    ]
    asked = explain(router_of(bare), rows.slice(0, 1))
    assert next((item.route.id, item.taken) for item in asked) == ("built_in_own_finding", True)
    without = replace(bare, contracts={name: item for name, item in bare.contracts.items() if name != "p10"})
    assert [item["to"] for item in router_of(without).route(rows).to_pylist()] == ["p02", None, None]


def test_a_finding_is_the_same_as_long_as_its_run_is() -> None:
    """Other words for the same run are the same event; another run of the project is another one."""
    first = events_of_drift(report(), {"p01": evidence_of(P01)}, CONTRACTS)
    reworded = replace(report(), findings=tuple(replace(item, text="other words") for item in report().findings))
    again = events_of_drift(reworded, {"p01": evidence_of(P01)}, CONTRACTS)
    assert [item.id for item in again] == [item.id for item in first]
    assert [item.text for item in again] != [item.text for item in first]
    other = events_of_drift(report(), {"p01": evidence_of(P01, run_id="run-8")}, CONTRACTS)
    assert other[0].id != first[0].id


def test_drift_of_an_interface_is_its_makers() -> None:
    """The subject begins with the interface; the event names it and who makes it."""
    moved = report(errors=())
    finding = replace(moved.findings[0], subject="p02_data/quality_signals.length")
    (found,) = events_of_drift(
        replace(moved, findings=(replace(finding, kind=type(finding.kind)("distribution")),)),
        {"p02": evidence_of(CONTRACTS["p02"])},
        CONTRACTS,
    )
    assert (found.project, found.interface, found.run_id) == ("p02", "p02_data", "run-p02")


def test_decisions_that_are_observations_become_events() -> None:
    """A rollback, an undone move, an override and a rejection do, in sentences; registrations and promotions do not."""
    story = LedgerBuilder()
    story.reach(1)
    story.reach(2)
    story.override(2, "production")
    story.end(story.start(1, "production", rollback=True, reason="wrong answers"), Kind.ROLLED_BACK)
    story.write(Kind.MOVE_UNDONE, {"move": story.start(2, "production").number, "why": "too slow"})
    story.write(Kind.REJECTED, {"version": 2, "role": "reviewer", "reason": "no"})
    found = events_of_ledger(story.ledger.events, until=2)
    assert [(item.source, item.type, item.severity) for item in found] == [
        ("governance", "process_gap", "high"),
        ("platform", "process_gap", "high"),
        ("platform", "process_gap", "medium"),
        ("governance", "process_gap", "medium"),
    ]
    assert found[1].text.startswith("rollback: production went back from release 2 to release 1: wrong answers (by ana")
    assert found[2].text.startswith("the move of release 2 to production was undone: too slow")
    assert len({item.id for item in found}) == 4
    assert events_of_ledger(story.ledger.events, until=1) == ()  # all are about the release of iteration 2


JUNK = st.one_of(st.none(), st.booleans(), st.integers(-2, 5), st.text(max_size=3), st.lists(st.integers(), max_size=1))


@given(
    events=st.lists(
        st.tuples(
            st.sampled_from([kind.value for kind in Kind]),
            st.dictionaries(
                st.sampled_from(["version", "iteration", "move", "from", "to", "reason", "why", "role"]), JUNK
            ),
        ),
        max_size=6,
    )
)
def test_no_ledger_stops_the_telling(events: list[tuple[str, dict[str, Any]]]) -> None:
    """Whatever somebody wrote into the ledger by hand, every event that is told is one that can be stored."""
    story = LedgerBuilder()
    for kind, body in events:
        story.write(kind, body)
    found = events_of_ledger(story.ledger.events, until=2)
    assert len({item.id for item in found}) == len(found) <= len(events)


def test_everything_is_told_once_and_goes_where_the_shipped_rules_say() -> None:
    """Checks and drift to their projects, privacy to p09, rollbacks to p08, overrides and what nobody makes to p10."""
    contracts = SHIPPED.contracts
    story = LedgerBuilder()
    story.reach(1)
    story.reach(2)
    story.override(2, "production", reason="the tool call demo shows a phone number")
    story.move(1, "production", rollback=True)
    p01, p05 = contracts["p01"], contracts["p05"]
    evidence = {
        "p01": evidence_of(p01, failed("foundation_corpus.raw_personal_data")),
        "p05": evidence_of(p05, failed("retrieval_hit_rate_reasonable")),
        "p09": evidence_of(contracts["p09"], failed("alerts_resolved")),
    }
    moved = report()
    regressed = replace(moved.findings[0], subject="p05.retrieval_hit_rate", text="regressed: a chart of tools")
    drift = replace(moved, findings=(regressed, moved.findings[1]))
    events = own_events(evidence, contracts, drift, story.ledger.events, {}, iteration=2)
    routed = router_of(SHIPPED).route(batch(*(item.model_dump() for item in events))).to_pylist()
    assert [(item["to"], item["rule"]) for item in routed] == [
        ("p09", "own_privacy_hit"),
        ("p05", "own_finding"),
        ("p09", "own_privacy_hit"),
        ("p05", "own_finding"),
        ("p10", "own_unplaced"),
        ("p10", "own_decision"),
        ("p08", "own_rollback"),
    ]


def take(folder: Path, index: IdIndex, *rows: Row, own: bool = False) -> tuple[Taken, int]:
    with DeadLetters(folder / "dead.jsonl") as dead, EventFiles(folder) as files:
        return take_in([batch(*rows)], index, router(), files, dead, own=own), dead.count


@pytest.mark.parametrize("claim", [{"reporter": "flywheel"}, {"id": "flywheel-" + "0" * 32}])
def test_nobody_else_speaks_as_the_flywheel(claim: Row, tmp_path: Path) -> None:
    """An event of a file that claims to be an own finding is a dead letter, and takes no id from one."""
    taken, dead = take(tmp_path, IdIndex(), row(1, **claim), row(2))
    assert (taken.new, taken.conflicts, dead) == (1, 0, 1)
    taken, dead = take(tmp_path, IdIndex(), row(1, **claim), own=True)
    assert (taken.new, dead) == (1, 0)


def test_times_that_nobody_can_have_seen_are_counted(tmp_path: Path) -> None:
    """The future beyond a day and what was before 2000, of new events alone; they are taken in all the same."""
    soon, late = (datetime.now(UTC) + timedelta(hours=hours) for hours in (23, 25))
    times = ["1970-01-21T00:00:00Z", "1999-12-31T23:59:59Z", "2000-01-01T00:00:00Z", soon.isoformat(), late.isoformat()]
    rows = [row(n, time=time) for n, time in enumerate(times)]
    taken, dead = take(tmp_path, IdIndex(), *rows, rows[0])
    assert (taken.new, taken.repeated, taken.misdated, dead) == (5, 1, 3, 0)


def test_an_own_finding_in_other_words_is_a_repetition(tmp_path: Path) -> None:
    """For files it is a conflict: two observations under one id."""
    for own, expected in ((True, (1, 0, 0)), (False, (0, 1, 1))):
        index = IdIndex()
        take(tmp_path, index, row(1), own=own)
        taken, dead = take(tmp_path, index, row(1, text="otherwise"), own=own)
        assert (taken.repeated, taken.conflicts, dead) == expected
