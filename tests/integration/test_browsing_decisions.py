"""Tests of the pages about decisions on real stores: they tell what the acts would, and write nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from dashboard_cases import HOSTILE, PageReader
from page_cases import framed
from releases_bench import INTERFACE, MANAGER, OTHER, REVIEWER, ROLES, ReleasesBench, reconnected, releases_on
from servers.embedded import EmbeddedStore, copy_store
from servers.proxy import CountingProxy
from servers.spoiling import spoilt_params
from servers.tracking import TrackingServerProcess

from flywheel_mlflow.base.errors import InputError, Refused, UnknownName
from flywheel_mlflow.drift import drift_report_from_json
from flywheel_mlflow.drift.wording import Tone
from flywheel_mlflow.operations.assembly.drifting import drift_iteration
from flywheel_mlflow.operations.feedback.feedback import ingest_files
from flywheel_mlflow.operations.feedback.theming import find_themes
from flywheel_mlflow.operations.reading.comparing import compare
from flywheel_mlflow.operations.reading.drift import drift
from flywheel_mlflow.operations.reading.feedback import feedback
from flywheel_mlflow.operations.reading.freshness import state_mark
from flywheel_mlflow.operations.reading.overview import overview
from flywheel_mlflow.operations.reading.priorities import priorities
from flywheel_mlflow.operations.reading.reader import Memory, PageQuery, Reader
from flywheel_mlflow.operations.reading.release import release
from flywheel_mlflow.operations.reading.release_diff import release_diff
from flywheel_mlflow.operations.reading.releases import releases
from flywheel_mlflow.operations.reading.risk import risk
from flywheel_mlflow.operations.reading.risks import risks
from flywheel_mlflow.operations.reading.telling import diff_releases
from flywheel_mlflow.operations.scratch import scratch_folder
from flywheel_mlflow.reports.dashboard_blocks import Form, Section
from flywheel_mlflow.reports.pages.frame import Page
from flywheel_mlflow.tables.addresses import Addresses

#: Hostile text as far as a decision takes it: characters that hide text are refused there.
TYPED = HOSTILE.replace("\N{RIGHT-TO-LEFT OVERRIDE}", "")
Maker = Callable[[Reader, PageQuery], Page]
#: Every page of this file with a question that it answers on the flywheel of :func:`standing`.
PAGES: dict[str, tuple[Maker, dict[str, str]]] = {
    "releases": (releases, {}),
    "rollback": (releases, {"plan": "rollback"}),
    "release": (release, {"version": "2"}),
    "release diff": (release_diff, {"first": "1", "second": "2"}),
    "drift": (drift, {"iteration": "2", "against": "1"}),
    "risks": (risks, {}),
    "feedback": (feedback, {"iteration": "2"}),
    "priorities": (priorities, {}),
}


@dataclass(frozen=True, slots=True)
class Console:
    """A flywheel that people read pages of; ``memory`` is that of one server process."""

    found: ReleasesBench
    memory: Memory
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def page(self, make: Maker, who: str = REVIEWER, **asked: str) -> Page:
        """The page somebody gets."""
        return make(Reader(self.found.session(who, now=self.now), Addresses(), "", self.memory), PageQuery(asked))


@pytest.fixture(scope="module")
def standing(migrated_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Console:
    """Releases 1 and 2 were in production, 2 is; 3 is a candidate its gate judged; feedback of iteration 2."""
    folder = tmp_path_factory.mktemp("browsing")
    store = copy_store(migrated_template, folder / "store")
    found = releases_on(folder / "flywheel", store.uri)
    for iteration in (1, 2):
        found.release(folder, iteration)
        found.through(iteration, "staging")
        found.override(iteration, "production")
        found.act(MANAGER, "promote", version=iteration, to="production")
    found.release(folder, 3, quality=0.7)
    drift_iteration(found.bench.flywheel, found.bench.tracking, 2, against=1)
    drift_iteration(found.bench.flywheel, found.bench.tracking, 3, against=2)
    found.act(MANAGER, "gate", version=3, to="staging")
    return Console(found, Memory())


@pytest.fixture
def fresh(embedded_store: Callable[[], EmbeddedStore], tmp_path: Path) -> Console:
    """A flywheel without anything, on a store of its own."""
    return Console(releases_on(tmp_path / "flywheel", embedded_store().uri), Memory())


def forms(page: Page) -> dict[str, Form]:
    """The forms of a page by what they are called."""
    found = [form for section in page.sections for form in section.forms]
    found += [form for section in page.sections for step in section.steps for form in step.forms]
    return {form.title: form for form in found}


def named(form: Form) -> list[str]:
    """The findings that a form explains."""
    return [field.value for field in form.fields if field.name == "findings"]


def section(page: Page, name: str) -> Section:
    """A part of a page."""
    return next(item for item in page.sections if item.id == name)


def text(page: Page) -> str:
    """All that stands on a page."""
    return PageReader(framed(page)).text


@pytest.mark.parametrize("name", PAGES)
def test_pages_write_nothing(standing: Console, name: str) -> None:
    """Reading a page leaves ledger, aliases, runs and their files as they were; a second look gives the same."""
    make, asked = PAGES[name]

    def state() -> tuple[Any, ...]:
        snapshot = standing.found.snapshot()
        client = standing.found.bench.client
        runs = client.search_runs([item.experiment_id for item in client.search_experiments()], max_results=1000)
        return (
            snapshot.ledger.head,
            dict(snapshot.aliases),
            sorted((run.info.run_id, len(run.data.tags)) for run in runs),
        )

    before, moment = state(), datetime.now(UTC)
    still = replace(standing, now=lambda: moment)
    first, second = (framed(still.page(make, **asked)) for _ in range(2))
    assert state() == before
    assert first == second


@pytest.mark.parametrize("make", [releases, release_diff, drift, risks, feedback])
def test_an_empty_flywheel_says_what_is_missing(fresh: Console, make: Maker) -> None:
    """Before the first run every page answers, says that nothing is there, and names a command."""
    page = fresh.page(make)
    assert page.lead
    assert all(cell.tone is not Tone.GOOD for cell in page.lead)
    assert any(command.line.startswith("flywheel ") for part in page.sections for command in part.commands)


def test_what_is_not_there_is_unknown(standing: Console, fresh: Console) -> None:
    """A release, risk, iteration or project nobody knows is refused by name; so is a question that cannot be read."""
    for make, asked in ((release, {"version": "9"}), (risk, {"risk": "R99"}), (drift, {"iteration": "9"})):
        with pytest.raises(UnknownName):
            standing.page(make, **asked)
    with pytest.raises(UnknownName):
        fresh.page(release, version="1")
    for make, asked in (
        (release, {"version": "1", "event": "-1"}),
        (drift, {"against": "yesterday"}),
        (releases, {"event": "x"}),
    ):
        with pytest.raises(InputError):
            standing.page(make, **asked)


def test_the_verdict_is_the_one_in_the_ledger(standing: Console) -> None:
    """The criteria of the gate's own report are told once its digest is that of the ledger."""
    page = standing.page(release, version="3")
    told = {row[0].text: row[1].text for row in section(page, "gate-staging").tables[0].rows}
    assert told == {"green": "PASS", "consistent": "PASS", "signed": "INCONCLUSIVE"}
    assert (Tone.UNKNOWN, "The gate to staging said INCONCLUSIVE.") in [(cell.tone, cell.text) for cell in page.lead]


@pytest.mark.parametrize(("first", "second", "kept"), [("2", "3", True), ("3", "2", False)])
def test_a_diff_says_what_the_comparison_says(standing: Console, first: str, second: str, kept: bool) -> None:
    """The diff of two releases and the comparison of their iterations judge KPIs alike, kept or computed."""
    diff, both = (standing.page(make, first=first, second=second) for make in (release_diff, compare))
    mine = [[cell.text for cell in row[:2]] for table in section(diff, "numbers").tables[:2] for row in table.rows]
    theirs = [[cell.text for cell in row[:2]] for row in section(both, "kpis").tables[0].rows]
    assert mine == theirs == [["p01.quality", "worse" if kept else "better"]]
    assert ("kept on the run" in section(diff, "numbers").notes[0].text) is kept
    told = diff_releases(standing.found.session(), int(first), int(second))
    assert [[item.name, item.word] for item in told.numbers if item.kpi] == mine


def test_a_changed_report_is_not_shown(standing: Console) -> None:
    """A report that somebody edited after the verdict is refused in red; its words stand nowhere."""
    record = standing.found.snapshot().state.release(3).last_gate("staging")
    assert record is not None
    tracking = standing.found.bench.tracking
    with scratch_folder() as folder:
        kept = tracking.gates.read(record.run_id, folder)
    assert kept is not None
    try:
        with scratch_folder() as folder:
            tracking.artifacts.put(record.run_id, {"gate.json": kept.replace("INCONCLUSIVE", "PASS")}, folder)
        told = text(Console(standing.found, Memory()).page(release, version="3"))
        assert f"the report of run {record.run_id} is not the one the ledger names" in told
        assert "Criteria of the gate to staging" not in told
    finally:
        with scratch_folder() as folder:
            tracking.artifacts.put(record.run_id, {"gate.json": kept}, folder)


ACTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "Promote to staging": ("3", "promote", {"version": 3, "to": "staging"}),
    "Promote to production": ("3", "promote", {"version": 3, "to": "production"}),
    "Evaluate the gate to production": ("2", "gate", {"version": 2, "to": "production"}),
    "Approve": ("3", "approve", {"version": 3, "role": "reviewer", "reason": "r"}),
    "Reject": ("2", "reject", {"version": 2, "role": "reviewer", "reason": "r"}),
    "Retire release 2": ("2", "retire", {"version": 2, "reason": "r"}),
}


@pytest.mark.parametrize("title", ACTS)
@pytest.mark.parametrize("who", [MANAGER, REVIEWER, OTHER, "nobody"])
def test_refusals_are_those_of_the_acts(standing: Console, who: str, title: str) -> None:
    """A form is refused exactly when its act would be, in the act's own words; who holds no role learns who does.

    A promotion before its time has no form: its act is refused to everybody.
    """
    version, act, arguments = ACTS[title]
    page = standing.page(release, who, version=version)
    if title == "Promote to staging":
        assert title not in forms(page)
        assert section(page, "path").steps[-1].state == "waiting"
        assert _said(standing, who, act, arguments)
        return
    form = forms(page)[title]
    roles = [role["id"] for role in ROLES] if "role" in arguments else [None]
    said = {role: _said(standing, who, act, arguments | ({"role": role} if role else {})) for role in roles}
    fit = [role for role, refused in said.items() if not refused]
    if fit:
        assert form.refused == ""
        assert {choice.value for field in form.fields for choice in field.choices} == {role for role in fit if role}
    elif who == "nobody" and "role" in arguments:
        assert form.refused.startswith(f"nobody holds no role in which to {act} a release; rule: ")
        assert f"reviewer ({REVIEWER}, {OTHER})" in form.refused
        assert ("release_manager" in form.refused) == (act == "reject"), "no gate asks for the manager's approval"
    else:
        assert form.refused.split("; rule: ")[0] in said.values()


def _said(standing: Console, who: str, act: str, arguments: dict[str, Any]) -> str:
    """What an act says no with; empty when it would be done."""
    try:
        standing.found.act(who, act, **arguments, dry_run=True)
    except Refused as error:
        return error.what
    return ""


def test_the_rollback_is_the_acts_own_plan(standing: Console, tmp_path: Path) -> None:
    """Unasked the page names the candidate; asked, it shows what a dry run does, and what it would refuse."""
    first = standing.page(releases, MANAGER)
    assert "Production would go back to release 1" in text(first)
    assert "Roll production back to release 1" not in forms(first)
    planned = standing.page(releases, MANAGER, plan="rollback")
    moved = standing.found.act(MANAGER, "rollback", reason="r", dry_run=True)
    rows = section(planned, "rollback").tables[0].rows
    assert tuple(row[1].text for row in rows) == tuple(moved["steps"])
    assert {field.name: field.value for field in forms(planned)["Roll production back to release 1"].fields} == {
        "to": "1",
        "reason": "",
    }
    stranger = forms(standing.page(releases, OTHER, plan="rollback"))["Roll production back"]
    assert "may not roll back" in stranger.refused


def test_a_rollback_to_lost_data_is_refused(fresh: Console, tmp_path: Path) -> None:
    """Data that are gone are found by the plan, and nothing is offered to send."""
    found = fresh.found
    for iteration in (1, 2):
        found.release(tmp_path, iteration)
        found.through(iteration, "staging")
        found.override(iteration, "production")
        found.act(MANAGER, "promote", version=iteration, to="production")
    (pin,) = [item for item in found.bench.tracking.releases.versions()[0].pins.values() if item.interface == INTERFACE]
    address = Path(found.bench.client.get_run(pin.run_id).info.artifact_uri.removeprefix("file://"))
    for path in address.rglob("*.jsonl"):
        path.unlink()
    page = fresh.page(releases, MANAGER, plan="rollback")
    (form,) = [form for form in forms(page).values() if "oll" in form.title]
    assert form.refused.startswith("cannot roll back to release 1")


def test_a_hand_moved_alias_is_told(fresh: Console, tmp_path: Path) -> None:
    """An alias that somebody moved is in red, and what reconciling would do is the act's own plan."""
    fresh.found.release(tmp_path, 1)
    fresh.found.bench.tracking.releases.point("production", 1)
    page = fresh.page(releases, MANAGER)
    assert (Tone.BAD, "production points to release 1, the ledger left it at nothing.") in [
        (cell.tone, cell.text) for cell in page.lead
    ]
    told = fresh.found.act(MANAGER, "reconcile", dry_run=True)["mended"]
    assert told
    assert all(line in forms(page)["Reconcile the server with the ledger"].why for line in told)


def test_everybody_sees_what_waits_for_them(fresh: Console, tmp_path: Path) -> None:
    """The second person finds the override, its owner the overdue risk, who holds the role the release; others a count.

    Where nobody signs in all of it is listed, with the people.
    """
    found = fresh.found
    found.release(tmp_path, 1)
    start = datetime.now(UTC)
    found.act(
        MANAGER, "override", version=1, to="staging", reason="urgent", until=start + timedelta(days=3), second=OTHER
    )
    due = start + timedelta(hours=1)
    found.act(MANAGER, "risk-open", title="late", owner=MANAGER, due=due, likelihood=1, impact=1)
    later = Console(found, Memory(), lambda: start + timedelta(days=1))

    def waits(who: str) -> tuple[list[str], int]:
        executive = later.page(overview, who).executive
        assert executive is not None
        assert executive.inbox is not None
        return [item.title for item in executive.inbox.items], executive.inbox.others

    confirm, approve = "Release 1: confirm the override to staging", "Release 1 needs an approval to go to staging"
    assert waits(OTHER) == ([confirm, approve], 1)
    assert waits(REVIEWER) == ([approve], 2)
    (late,), others = waits(MANAGER)
    assert (late.startswith("Risk R"), others) == (True, 2)
    assert waits("nobody") == ([], 3)
    reader = Reader(found.session("nobody", now=later.now), Addresses(), "no accounts", Memory())
    everything = overview(reader, PageQuery()).executive
    assert everything is not None
    assert everything.inbox is not None
    assert [item.who for item in everything.inbox.items] == [(OTHER,), (MANAGER,), (REVIEWER, OTHER)]


def test_drift_is_the_kept_comparison(standing: Console) -> None:
    """Verdict and KPIs are those of drift.json; unasked it is the comparison with the release in production."""
    snapshot = standing.found.snapshot()
    current, reference = snapshot.state.release(3), snapshot.state.release(2)
    with scratch_folder() as folder:
        kept = standing.found.bench.tracking.comparisons.text(current.run_id, reference.run_id, folder)
    assert kept is not None
    report = drift_report_from_json(kept)
    page = standing.page(drift)
    assert page.title == "Drift: iteration 3 against iteration 2"
    assert page.lead[0].text == f"{report.verdict.value}: {report.headline}."
    assert sum(len(table.rows) for table in section(page, "kpis").tables) == len(report.kpis)
    assert page == standing.page(drift, iteration="3", against="2") or page.lead == standing.page(drift).lead
    embedded = section(page, "evidently").embedded
    assert embedded is not None
    assert f"run={current.run_id}&against={reference.run_id}" in embedded.address


def test_an_explanation_is_told_and_counts(fresh: Console, tmp_path: Path) -> None:
    """What somebody with a role explains leaves the findings; what a stranger wrote is shown as not counting."""
    found = fresh.found
    found.release(tmp_path, 1, quality=0.9)
    found.release(tmp_path, 2, quality=0.3)
    drift_iteration(found.bench.flywheel, found.bench.tracking, 2, against=1)
    before = fresh.page(drift, iteration="2")
    form = next(iter(forms(before).values()))
    choices = named(form)
    assert "p01.quality" in choices
    assert forms(fresh.page(drift, "nobody", iteration="2"))[form.title].refused.startswith("nobody holds no role")
    found.act(REVIEWER, "explain-drift", version=2, findings=choices, reason=TYPED)
    after = fresh.page(drift, iteration="2")
    assert (Tone.ATTENTION, "With that it is PASS") in [(cell.tone, cell.text.split(":")[0]) for cell in after.lead]
    assert [row[4].text for row in section(after, "explanations").tables[0].rows] == ["yes"]
    assert [row[3].text for row in section(fresh.page(release, version="2"), "drift").tables[0].rows] == ["yes"]
    # What was said for one release is not said for another of the same assembly: the gate asks it anew.
    (another,) = found.alike(2, 1)
    again = fresh.page(drift, iteration="2")
    assert "PASS" not in [cell.text.split(":")[0].split(" ")[-1] for cell in again.lead]
    assert [row[4].text for row in section(again, "explanations").tables[0].rows] == [
        "no: it speaks of release 2 alone"
    ]
    assert named(forms(again)[form.title.replace("release 2", f"release {another}")]) == choices


def test_a_risk_is_told_from_the_ledger(standing: Console) -> None:
    """The overrides opened risks: each has its page, with the event that opened it and whom it can be closed by."""
    name = next(iter(standing.found.snapshot().risks))
    page = standing.page(risk, MANAGER, risk=name)
    assert forms(page)["Close the risk"].refused == ""
    assert forms(standing.page(risk, OTHER, risk=name))["Close the risk"].refused.startswith(f"{OTHER} does not own")
    assert [row[0].text for row in section(page, "history").tables[0].rows][-1] == name.removeprefix("R")
    assert name in text(standing.page(risks))


def test_every_change_is_news(standing: Console) -> None:
    """The mark that open pages ask for stays while nothing happens; a run, its end and a decision each give another."""

    def mark() -> str:
        return state_mark(Reader(standing.found.session(REVIEWER), Addresses(), "", standing.memory))

    marks = [mark()]
    assert mark() == marks[0]
    client = standing.found.bench.client
    place = standing.found.bench.tracking.collector.experiments()["p01"]
    run = client.create_run(place)
    marks.append(mark())
    client.set_terminated(run.info.run_id, "FAILED")
    marks.append(mark())
    fields = {"title": "seen", "owner": MANAGER, "due": datetime.now(UTC) + timedelta(days=9)}
    standing.found.act(MANAGER, "risk-open", **fields, likelihood=1, impact=1)
    marks.append(mark())
    assert len(set(marks)) == 4
    client.delete_run(run.info.run_id)


@pytest.fixture(scope="module")
def board(standing: Console, tmp_path_factory: pytest.TempPathFactory) -> Console:
    """The same with 120 events of iteration 2, every third of which nobody takes; one of them hostile."""
    path = tmp_path_factory.mktemp("feedback") / "events.jsonl"
    path.write_text("\n".join(map(json.dumps, _events())) + "\nnot json\n", encoding="utf-8")
    flywheel, tracking = standing.found.bench.flywheel, standing.found.bench.tracking
    ingest_files(flywheel, tracking, [path], 2)
    return standing


def _events() -> Iterator[dict[str, Any]]:
    for number in range(120):
        event = {"id": f"e{number:03}", "time": "2026-03-01T12:00:00Z", "source": "human", "text": f"word {number % 5}"}
        event |= {"severity": "high" if number % 2 else "low"}
        # The flywheel of these tests has no rules: people decide.
        yield event | ({"text": HOSTILE} if number == 1 else {})


def test_events_are_chosen_and_paged(board: Console) -> None:
    """Pages hold at most 50 events, each event once; severity, project and state choose; unknown words are refused."""
    seen: list[str] = []
    for number in ("1", "2", "3"):
        rows = section(board.page(feedback, iteration="2", page=number), "events").tables[0].rows
        assert len(rows) <= 50
        seen += [row[0].text for row in rows]
    assert sorted(seen) == [f"e{number:03}" for number in range(120)]
    high = section(board.page(feedback, iteration="2", severity="high"), "events").tables[0]
    assert high.caption == "Events 1 to 50 of 60"
    assert section(board.page(feedback, iteration="2", state="absorbed"), "events").tables[0].caption == "Events: 0"
    assert "Events: 0" in section(board.page(feedback, iteration="2", project="p01"), "events").tables[0].caption
    for asked in ({"severity": "<b>"}, {"state": "gone"}, {"project": "p99"}):
        with pytest.raises(InputError):
            board.page(feedback, iteration="2", **asked)


def test_hostile_events_are_text(board: Console) -> None:
    """What users typed makes no element on the board, and stands there as they typed it."""
    html = framed(board.page(feedback, iteration="2"))
    read = PageReader(html)
    assert not read.all("script")
    assert not read.all("img")
    assert "<script>alert(1)</script>" in read.text


def test_a_decision_about_an_event_shows_at_once(board: Console) -> None:
    """An event that somebody sends elsewhere is in its new queue at the next look, and counted there."""
    before = len(section(board.page(feedback, iteration="2", project="p01"), "events").tables[0].rows)
    board.found.act(REVIEWER, "reroute", event="e007", to="p01", reason="it is theirs")
    page = board.page(feedback, iteration="2", project="p01")
    rows = section(page, "events").tables[0].rows
    assert len(rows) == before + 1
    assert "e007" in [row[0].text for row in rows]
    queues = {row[0].text: row[1].text for row in section(page, "queues").tables[0].rows}
    assert queues == {"nobody: no rule takes it": "119", "p01": str(before + 1)}


def test_a_theme_is_decided_from_the_board(board: Console) -> None:
    """Themes that nobody decided wait; what the ledger says about one is told, and its events have that state."""
    for number in range(20, 40):
        board.found.act(REVIEWER, "reroute", event=f"e{number:03}", to="p01", reason="it is theirs")
    session = board.found.session()
    themes = find_themes(session.flywheel, session.tracking, 2, now=session.now()).themes.themes
    assert themes
    page = board.page(feedback, iteration="2")
    assert f"{len(themes)} of {len(themes)} themes wait for a decision." in [cell.text for cell in page.lead]
    board.found.act(REVIEWER, "theme-decline", theme=themes[0].id, reason=TYPED, iteration=2)
    page = board.page(feedback, iteration="2", state="theme declined")
    declined = {row[0].text for row in section(page, "events").tables[0].rows}
    assert declined == set(themes[0].events)
    rows = {row[0].text: row[4].text for row in section(page, "themes").tables[0].rows}
    assert rows[themes[0].id].startswith(f"declined by {REVIEWER}")


def _edited(params: dict[str, str]) -> dict[str, str]:
    return params | {"event.000001": params["event.000001"].replace("seen 1", "seen 7")}


def _shortened(params: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in params.items() if key != max(params)}


def _gapped(params: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in params.items() if key != "event.000001"}


def _swapped(params: dict[str, str]) -> dict[str, str]:
    return params | {"event.000001": params["event.000002"], "event.000002": params["event.000001"]}


def test_the_ledger_is_told_as_it_is_now(sqlite_server: TrackingServerProcess, tmp_path: Path) -> None:
    """A process that read the ledger before tells of it what one does that never did: after each decision, and while
    events are edited, dropped or exchanged behind the server's back.
    """
    found = releases_on(tmp_path / "flywheel", sqlite_server.uri)
    moment = datetime.now(UTC)
    knowing = Console(found, Memory(), lambda: moment)

    def same() -> str:
        told = []
        for make, asked in ((releases, {}), (release, {"version": "1"}), (risks, {})):
            page = knowing.page(make, **asked)
            assert framed(page) == framed(Console(found, Memory(), lambda: moment).page(make, **asked))
            told.append(text(page))
        return "\n".join(told)

    found.release(tmp_path, 1)
    before = same()
    for number in (1, 2, 3):
        found.act(REVIEWER, "approve", version=1, role="reviewer", reason=f"seen {number}")
        told = same()
        assert f"seen {number}" in told
        assert f"seen {number}" not in before
        before = told
    for spoil, words in (
        (_edited, "event 1 was edited"),
        (_gapped, "event 1 is missing"),
        (_swapped, "event 1 does not follow"),
        (_shortened, ""),
    ):
        with spoilt_params(sqlite_server, found.ledger_run(), spoil):
            told = same()
            assert told != before
            assert words in told
        assert same() == before


def test_requests_do_not_grow_with_runs(sqlite_server: TrackingServerProcess, tmp_path: Path) -> None:
    """A page asks the server as often on four releases, with all their runs, as on two."""
    found = releases_on(tmp_path / "flywheel", sqlite_server.uri)
    counts: list[dict[str, int]] = []
    with CountingProxy(sqlite_server.uri).running() as counter:
        for turns in ((1, 2), (3, 4)):
            for iteration in turns:
                found.release(tmp_path, iteration)
            last = max(turns)
            drift_iteration(found.bench.flywheel, found.bench.tracking, last, against=last - 1)
            asked = {
                "releases": (releases, {}),
                "release": (release, {"version": "2"}),
                "drift": (drift, {"iteration": str(last)}),
                "risks": (risks, {}),
                "feedback": (feedback, {}),
            }
            told = {}
            for name, (make, values) in asked.items():
                console = Console(reconnected(found, counter.url), Memory())
                counter.reset()
                console.page(make, **values)
                told[name] = len([item for item in counter.exchanges if not item.is_artifact])
            counts.append(told)
    assert counts[0] == counts[1]
    assert max(counts[1].values()) <= 16


def test_what_the_ledger_shows_twice_is_ranked(standing: Console, fresh: Console) -> None:
    """Two overrides ask for a stronger gate, beside the budget; where there is nothing the page says that."""
    page = standing.page(priorities)
    (row, *_) = section(page, "candidates").tables[0].rows
    assert row[0].text == "Strengthen the gate to production: overridden twice"
    assert [item[0].text for item in section(page, "budget").tables[0].rows] == [
        "growth", "efficiency", "defence", "organisation",
    ]  # fmt: skip
    assert "State a cost" in forms(page)
    assert "Nothing was assembled" in text(fresh.page(priorities))
