"""Tests of what there is to tell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from drift_cases import compared, kpi, promise, side
from flywheels import contract
from releases_ledger import MAKER, NOON, LedgerBuilder, release_plan

from flywheel_mlflow.feedback.decisions import RoutingDecision
from flywheel_mlflow.notifications.notices import (
    FRESH_DAYS,
    MOST_LINES,
    AuditFact,
    Notice,
    NoticeFacts,
    RoutedFact,
    notices_of,
)
from flywheel_mlflow.promises.blueprint import Blueprint

HOUR = timedelta(hours=1)
OPEN = {"green": "PASS", "signed": "INCONCLUSIVE"}


def blueprint(**more: Any) -> Blueprint:
    """Two gates; bo is the builders' only member."""
    plan = release_plan() | more
    plan["teams"][0]["people"] = ["bo"]
    return Blueprint.model_validate(plan)


def facts(story: LedgerBuilder, **more: Any) -> NoticeFacts:
    """What the ledger says, an hour after noon."""
    base = NoticeFacts(blueprint(), {"p01": contract("p01")}, NOON + HOUR, story.state, tuple(story.risks.values()))
    return replace(base, **more)


def told(found: Iterable[Notice], event: str = "") -> list[Notice]:
    """Those of one event."""
    return [item for item in found if item.event == event]


def test_nothing_happened() -> None:
    """A flywheel without a ledger, and one without decisions, has nothing to tell."""
    story = LedgerBuilder()
    assert notices_of(facts(story)) == ()
    story.register()
    assert notices_of(facts(story)) == ()


def test_a_verdict_is_told_once_however_often_it_is_repeated() -> None:
    """Evaluating again with the same result is the same notice; another result is another one, also when it is the
    earlier result that comes back.
    """
    story = LedgerBuilder()
    story.register()
    ids = []
    for criteria in (OPEN, OPEN, {"green": "BLOCK", "signed": "INCONCLUSIVE"}, OPEN):
        verdict = "BLOCK" if "BLOCK" in criteria.values() else "INCONCLUSIVE"
        story.gate(verdict=verdict, criteria=criteria)
        (notice,) = told(notices_of(facts(story)), "gate_verdict")
        ids.append(notice.id)
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3


def test_a_verdict_says_what_to_do_and_whom_it_concerns() -> None:
    """Its author hears of it; the owners of what blocks, or those who may promote what passes."""
    story = LedgerBuilder()
    story.register()
    story.gate(verdict="BLOCK", criteria={"green": "BLOCK", "signed": "PASS"}, projects=["p01", "gone"])
    (blocked,) = told(notices_of(facts(story)), "gate_verdict")
    assert blocked.title == "Gate to staging: BLOCK for release 1"
    assert blocked.lines == ("BLOCK: green",)
    assert blocked.people == ("maker", "bo")
    assert blocked.since == NOON + timedelta(minutes=1)
    assert blocked.facts["criteria"] == {"green": "BLOCK", "signed": "PASS"}
    story.gate(criteria={"green": "PASS", "signed": "PASS"})
    (passed,) = told(notices_of(facts(story)), "gate_verdict")
    assert passed.people == ("maker", "ana", "bo")
    assert passed.next == "flywheel promote 1 --to staging"


def test_old_and_settled_verdicts_are_no_news() -> None:
    """A verdict that ran out, or whose release moved on, was rejected or retired, is not told any more."""
    story = LedgerBuilder()
    story.register()
    story.gate(criteria={})
    assert told(notices_of(facts(story)), "gate_verdict")
    assert not notices_of(facts(story, now=NOON + timedelta(days=15)))
    story.move(1, "staging")
    assert not notices_of(facts(story))
    story.register(2)
    story.gate(2, criteria={})
    story.write("rejected", {"version": 2, "role": "reviewer", "reason": "no"})
    assert not notices_of(facts(story))


def test_an_approval_waits_for_its_role_until_somebody_gives_it() -> None:
    """Not for the release's author, not while the gate blocks, and anew when what it rests on has changed."""
    story = LedgerBuilder()
    story.register()
    story.gate(verdict="BLOCK", criteria={"green": "BLOCK", "signed": "INCONCLUSIVE"})
    assert not told(notices_of(facts(story)), "approval_waiting")
    story.gate(verdict="INCONCLUSIVE", criteria=OPEN)
    (waiting,) = told(notices_of(facts(story)), "approval_waiting")
    assert waiting.people == ("ana", "bo")
    assert waiting.title == "Release 1 waits for an approval as reviewer"
    story.gate(verdict="INCONCLUSIVE", criteria=OPEN)
    assert told(notices_of(facts(story)), "approval_waiting") == [waiting]
    changed = replace(story.basis(1), drift="f" * 64)
    story.gate(verdict="INCONCLUSIVE", criteria=OPEN, basis=changed)
    (anew,) = told(notices_of(facts(story)), "approval_waiting")
    assert anew.id != waiting.id
    story.approve()
    assert not told(notices_of(facts(story)), "approval_waiting")


def test_an_override_waits_for_its_second_person() -> None:
    """Until that person confirms it, or it has run out."""
    story = LedgerBuilder()
    story.register()
    story.override(confirmed=False)
    (waiting,) = told(notices_of(facts(story)), "approval_waiting")
    assert waiting.people == ("bo",)
    assert waiting.lines == ("ana asks bo: the shop is on fire",)
    assert not told(notices_of(facts(story, now=NOON + timedelta(days=2))), "approval_waiting")
    confirmed = LedgerBuilder()
    confirmed.register()
    confirmed.override()
    assert not told(notices_of(facts(confirmed)), "approval_waiting")


def test_regressions_are_told_by_project() -> None:
    """What got worse, to the owner's people; the same comparison again, or of another run, is the same notice."""
    made = promise(kpis=[kpi(tolerance=0.05)])
    worse, good = {"hit_rate": 0.1}, {"hit_rate": 0.9}
    report = compared(side(2, kpis=worse), side(1, kpis=good), made=made)
    assert report.regressed_kpis == 1
    found = facts(LedgerBuilder(), comparison=report, compared_at=NOON, contracts={"p01": made})
    (notice,) = notices_of(found)
    assert (notice.event, notice.people) == ("regression", ("bo",))
    assert notice.title == "Iteration 2: 1 regression in p01"
    assert "p01.hit_rate" in notice.lines[0]
    again = replace(report, run_id="another", digest="d")
    assert [item.id for item in notices_of(replace(found, comparison=again))] == [notice.id]
    better = compared(side(2, kpis=good), side(1, kpis=worse), made=made)
    assert not notices_of(replace(found, comparison=better))


def test_overdue_risks_are_told_again_when_a_later_date_passes() -> None:
    """Not before their due date; to the owner, a person or a team."""
    story = LedgerBuilder()
    story.open_risk(owner="builders")
    assert not notices_of(facts(story))
    later = NOON + timedelta(days=2)
    (notice,) = notices_of(facts(story, now=later))
    assert (notice.event, notice.people) == ("risk_overdue", ("bo",))
    assert notice.title == "Risk R0 is overdue since 2026-03-02"
    assert notice.lines == ("It may rain", "high risk, owned by builders")
    story.write("risk_updated", {"risk": "R0", "due": (NOON + timedelta(days=3)).isoformat()})
    assert not notices_of(facts(story, now=later))
    (again,) = notices_of(facts(story, now=NOON + timedelta(days=4)))
    assert again.id != notice.id


def test_audit_findings_are_told_once_a_quarter() -> None:
    """Each finding is one notice, the same one until the quarter ends."""
    finding = AuditFact("alias-moved", "production is 2, the ledger says 1", "flywheel reconcile")
    base = facts(LedgerBuilder(), audited=(finding, finding, AuditFact("gone", "a run is gone")))
    found = notices_of(base)
    assert sorted(item.title for item in found) == ["Audit finding: alias-moved", "Audit finding: gone"]
    assert {item.id for item in notices_of(replace(base, now=base.now + HOUR))} == {item.id for item in found}
    assert {item.id for item in notices_of(replace(base, now=base.now + timedelta(days=60)))}.isdisjoint(
        item.id for item in found
    )


def test_another_flywheel_has_other_notices() -> None:
    """Two flywheels that tell one receiver the same thing are told apart."""
    base = facts(LedgerBuilder(), audited=(AuditFact("gone", "a run is gone"),))
    other = replace(base, blueprint=blueprint(name="another-flywheel"))
    assert notices_of(base)[0].id != notices_of(other)[0].id


HOSTILE = "<b>x</b>\n# Head\r\n[a](http://evil) \u202etxt\x1b[31m `c` @everyone"


def test_what_strangers_wrote_is_one_line_and_never_a_title() -> None:
    """Titles hold our own words, ids and numbers; everything else is a line of visible characters."""
    story = LedgerBuilder()
    story.register(actor=MAKER)
    story.gate(verdict="INCONCLUSIVE", criteria={HOSTILE: "BLOCK"}, projects=[HOSTILE])
    story.gate(to="production", verdict=HOSTILE, criteria=OPEN)
    story.override(confirmed=False, reason=HOSTILE)
    story.override(confirmed=False, to=HOSTILE)
    story.open_risk(title=HOSTILE, owner=HOSTILE)
    found = notices_of(facts(story, now=NOON + timedelta(hours=30), audited=(AuditFact("gone", HOSTILE, HOSTILE),)))
    assert len(found) >= 3
    for item in found:
        assert "evil" not in item.title
        assert all(line.isprintable() for line in (item.title, *item.lines, item.next))


@pytest.mark.parametrize("body", [{"criteria": []}, {"criteria": {"a": 1}}, {"projects": "p01"}, {"projects": [1]}])
def test_a_verdict_whose_details_are_broken_is_a_verdict(body: Mapping[str, Any]) -> None:
    """No decision rests on the details, so an event that has them wrong still counts, without them."""
    story = LedgerBuilder()
    story.register()
    story.gate(**body)
    assert story.state.disputed == ()
    (record,) = story.release().gates
    assert (dict(record.criteria), record.projects) == ({}, ())


def test_long_stories_are_cut_and_counted() -> None:
    """A notice is short, and says how much it leaves out."""
    story = LedgerBuilder()
    story.register()
    story.gate(verdict="BLOCK", criteria={f"c{number:02d}": "BLOCK" for number in range(20)})
    (notice,) = told(notices_of(facts(story)), "gate_verdict")
    assert len(notice.lines) == MOST_LINES + 1
    assert notice.lines[-1] == "and 12 more"


def test_links_lead_to_the_console() -> None:
    """Where flywheel.yaml says where the console is; else there is none."""
    story = LedgerBuilder()
    story.register()
    story.gate(criteria={})
    assert {item.link for item in notices_of(facts(story))} == {""}
    linked = blueprint(notify={"console": "https://mlflow.example.org"})
    found = notices_of(facts(story, blueprint=linked))
    assert {item.link for item in found} == {"https://mlflow.example.org/flywheel/releases/1"}


def routed(
    project: str | None, events: int, hours: int = 0, origin: str = "said.csv", iteration: int = 2
) -> RoutedFact:
    return RoutedFact(project, iteration, NOON + hours * HOUR, events, origin)


def test_feedback_is_told_to_the_team_once_a_day() -> None:
    """However many files come, a project hears of a day's feedback once; the next day is another notice."""
    story = LedgerBuilder()
    first = (routed("p01", 3), routed("p01", 2, 1, origin="x\ny"), routed("p09", 9))
    (notice,) = told(notices_of(facts(story, routed=first)), "feedback_routed")
    assert notice.title == "Feedback for p01: 5 events of iteration 2 on 2026-03-01"
    assert notice.people == ("bo",)
    assert notice.lines == ("3 from said.csv", "2 from x y")
    assert notice.next == "flywheel feedback list --iteration 2 --to p01"
    later = NOON + 2 * HOUR
    (again,) = told(notices_of(facts(story, routed=(*first, routed("p01", 1, 2)), now=later)), "feedback_routed")
    assert again.id == notice.id
    others = (*first, routed("p01", 1, 20), routed("p01", 1, iteration=3))
    found = told(notices_of(facts(story, routed=others, now=NOON + 21 * HOUR)), "feedback_routed")
    assert len({item.id for item in found}) == 3


def test_what_no_rule_takes_is_the_assembly_layers() -> None:
    """Its team is told of it; where there is no such project nobody is, and after a week it is no news."""
    story = LedgerBuilder()
    lost = (routed(None, 4),)
    assert not told(notices_of(facts(story, routed=lost)), "feedback_routed")
    contracts = {"p10": contract("p10", registry_role="assembly_layer")}
    (notice,) = told(notices_of(facts(story, routed=lost, contracts=contracts)), "feedback_routed")
    assert notice.title.startswith("Feedback that no rule takes: 4 events")
    assert notice.next.endswith("--unroutable")
    old = facts(story, routed=lost, contracts=contracts, now=NOON + timedelta(days=FRESH_DAYS))
    assert not told(notices_of(old), "feedback_routed")


def test_what_people_send_elsewhere_is_told_there() -> None:
    """The team that gets it hears who sent it and why; what goes to nobody we know is told nobody."""
    decided = RoutingDecision("e\x1b[31m", "p01", "it is\nabout pages", "ana", NOON)
    given = (decided, replace(decided, to="p99"), replace(decided, at=NOON - timedelta(days=30)))
    (notice,) = told(notices_of(facts(LedgerBuilder(), rerouted=given)), "feedback_routed")
    assert (notice.title, notice.people) == ("Feedback was sent to p01 by hand", ("bo",))
    assert notice.lines[0] == "ana: it is about pages"
    assert "\x1b" not in "".join(notice.lines)
