"""Tests of tasks folded from the ledger, and of what an iteration does with them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from flywheels import evidence_of, small_flywheel
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from releases_ledger import LedgerBuilder

from flywheel_mlflow.assembly.assembly import assemble
from flywheel_mlflow.assembly.history import describe_events
from flywheel_mlflow.base.canonical import document_json
from flywheel_mlflow.evidence.runs import Collected, KpiValue, ProjectEvidence
from flywheel_mlflow.feedback.absorption import Absorption, Help, KeptTask, Reflux, absorption
from flywheel_mlflow.feedback.decisions import in_force, routing_decisions
from flywheel_mlflow.feedback.tasks import TaskKind, by_category, fold_tasks
from flywheel_mlflow.promises.budgets import CATEGORIES
from flywheel_mlflow.reports.markdown import render_report

WHEEL = small_flywheel()


def body(name: str = "p01-a-2", **said: Any) -> dict[str, Any]:
    return {
        "task": name, "theme": name.rsplit("-", 1)[0], "theme_iteration": 1, "project": "p01", "iteration": 2,
        "category": "growth", "text": "do it", "kpi": "retention", "events": 7, "records": 0, "payload": True,
        "run_id": "run", "digest": "d" * 64,
    } | said  # fmt: skip


def accepted(*bodies: dict[str, Any]) -> LedgerBuilder:
    story = LedgerBuilder()
    for item in bodies:
        story.write(TaskKind.ACCEPTED, item)
    return story


def test_a_task_is_accepted_once_and_absorbed_once() -> None:
    """What comes second changes nothing; who and when stay those of the first."""
    story = accepted(body(), body(text="other"))
    story.write(TaskKind.ABSORBED, {"task": "p01-a-2", "iteration": 2, "run_id": "r2"})
    story.write(TaskKind.ABSORBED, {"task": "p01-a-2", "iteration": 3, "run_id": "r3"})
    state = fold_tasks(story.ledger.events)
    (task,) = state.tasks.values()
    assert task.text == "do it"
    assert task.absorbed is not None
    assert (task.absorbed.iteration, task.absorbed.run_id, task.absorbed.by) == (2, "r2", "ana")
    assert [item.kind for item in state.about("p01-a")] == ["accepted"]


def test_the_newest_decision_about_a_theme_stands() -> None:
    """Queued, declined, accepted after all; another iteration of the theme is another decision."""
    story = LedgerBuilder()
    story.write(TaskKind.QUEUED, {"theme": "p01-a", "iteration": 1, "reason": "later"})
    story.write(TaskKind.DECLINED, {"theme": "p01-a", "iteration": 2, "reason": "works as meant"})
    state = fold_tasks(story.ledger.events)
    first, second = state.latest("p01-a", 1), state.latest("p01-a", 2)
    assert first is not None and second is not None  # noqa: PT018 - both are read below
    assert (first.kind, second.kind, state.latest("p01-a", 3)) == ("queued", "declined", None)
    story.write(TaskKind.ACCEPTED, body())
    now = fold_tasks(story.ledger.events).latest("p01-a", 1)
    assert now is not None
    assert (now.kind, now.task) == ("accepted", "p01-a-2")


@pytest.mark.parametrize(
    "change",
    [{"iteration": "2"}, {"category": "fun"}, {"events": -1}, {"events": True}, {"project": None}, {"digest": 5},
     {"iteration": 0}, {"kpi": 3}, {"category": []}],
)  # fmt: skip
def test_half_an_event_is_no_task(change: dict[str, Any]) -> None:
    """An event that lacks or bends what a task needs decides nothing."""
    assert fold_tasks(accepted(body(**change)).ledger.events).tasks == {}


@given(
    st.lists(
        st.tuples(
            st.sampled_from([*TaskKind, "rerouted", "noise"]),
            st.dictionaries(
                st.sampled_from([*body(), "reason", "event", "to"]),
                st.none() | st.integers(-1, 3) | st.text(max_size=3) | st.lists(st.none(), max_size=1),
                max_size=8,
            ),
        ),
        max_size=8,
    )
)
def test_no_ledger_breaks_the_fold(acts: list[tuple[str, dict[str, Any]]]) -> None:
    """Whatever events hold, folding and telling give an answer, and the fold of a prefix is its beginning."""
    story = LedgerBuilder()
    for kind, said in acts:
        story.write(kind, said)
    events = story.ledger.events
    state = fold_tasks(events)
    assert fold_tasks(events[:-1]).decisions == state.decisions[: len(fold_tasks(events[:-1]).decisions)]
    assert len(describe_events(events)) == len(events)
    assert len(in_force(routing_decisions(events))) <= len(events)


def from_file(name: str = "p01-words", iteration: int = 2, **said: Any) -> dict[str, Any]:
    return {
        "task": name, "iteration": iteration, "run_id": "r2", "read": True, "project": "p01", "asked_for": 2,
        "theme": "words", "category": None, "text": "learn it", "kpi": "retention", "moves": ["p02"], "records": 0,
        "payload": True, "digest": "f" * 64,
    } | said  # fmt: skip


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["accept", "absorb", "absorb file", "withdraw", "restore"]),
            st.sampled_from(["p01-a-2", "p01-b-2"]),
            st.integers(2, 5),
        ),
        max_size=12,
    ),
    st.integers(1, 6),
)
def test_any_sequence_of_decisions_leaves_one_memory(acts: list[tuple[str, str, int]], turn: int) -> None:
    """Known from its first event on, absorbed by the first reading, due unless the last word was to withdraw it."""
    story = LedgerBuilder()
    accepted_first: dict[str, bool] = {}
    absorbed: dict[str, int] = {}
    withdrawn: set[str] = set()
    for act, name, iteration in acts:
        if act == "accept":
            story.write(TaskKind.ACCEPTED, body(name))
            accepted_first.setdefault(name, True)
        elif act == "withdraw":
            story.write(TaskKind.WITHDRAWN, {"task": name, "reason": "gone"})
            withdrawn |= {name} & accepted_first.keys()
        elif act == "restore":
            story.write(TaskKind.RESTORED, {"task": name, "reason": "back"})
            withdrawn -= {name}
        else:
            whole = from_file(name, iteration) if act == "absorb file" else {
                "task": name, "iteration": iteration, "run_id": "r", "read": True,
            }  # fmt: skip
            story.write(TaskKind.ABSORBED, whole)
            if act == "absorb file":
                accepted_first.setdefault(name, False)
            if name in accepted_first:
                absorbed.setdefault(name, iteration)
    state = fold_tasks(story.ledger.events)
    assert {name: not task.from_file for name, task in state.tasks.items()} == accepted_first
    assert {name: task.absorbed.iteration for name, task in state.tasks.items() if task.absorbed} == absorbed
    assert {name for name, task in state.tasks.items() if task.withdrawn} == withdrawn
    due = {
        name
        for name, decided in accepted_first.items()
        if name not in withdrawn and turn >= 2 and (decided or absorbed[name] <= turn)
    }
    assert {task.id for task in state.due(turn)} == due
    told = absorption(turn, evidence(), {}, Reflux(state), WHEEL.contracts, None)
    assert {item.task for item in told.lost} == {
        name for name, since in absorbed.items() if since <= turn and name not in withdrawn
    }
    assert {item.task for item in told.withdrawn} == withdrawn
    again = absorption(turn, evidence("p01-a-2", "p01-b-2"), {}, Reflux(state), WHEEL.contracts, None)
    assert not again.lost
    assert {item.task for item in again.kept} == {name for name, since in absorbed.items() if since < turn}


def test_what_people_did_is_never_lost() -> None:
    """It left no trace in a run, so that no run reads it again says nothing."""
    story = accepted(body(payload=False), body("p01-b-2"))
    for name in ("p01-a-2", "p01-b-2"):
        story.write(TaskKind.ABSORBED, {"task": name, "iteration": 2, "run_id": "r", "read": False})
    story.write(TaskKind.ABSORBED, from_file())
    told = absorption(3, evidence(), {}, Reflux(fold_tasks(story.ledger.events)), WHEEL.contracts, None)
    (lost,) = told.lost
    assert (lost.task, lost.kpi, lost.moves) == ("p01-words", "p01.retention", ("p02",))
    missing = absorption(3, {}, {}, Reflux(fold_tasks(story.ledger.events)), WHEEL.contracts, None)
    assert not missing.lost


def test_a_carried_run_is_judged_by_what_it_read() -> None:
    """Read there: kept. Not read there: the carried data lack the gain as much as fresh ones would."""
    story = LedgerBuilder()
    story.write(TaskKind.ABSORBED, from_file())
    reflux = Reflux(fold_tasks(story.ledger.events))
    kept = absorption(4, evidence("p01-words", carried_from=2), {}, reflux, WHEEL.contracts, None)
    assert [(item.task, item.absorbed_in) for item in kept.kept] == [("p01-words", 2)]
    (lost,) = absorption(4, evidence(carried_from=3), {}, reflux, WHEEL.contracts, None).lost
    assert lost.why == "absorbed in iteration 2, and its run carried from iteration 3 did not read it"
    unknown = absorption(4, evidence("p01-new", carried_from=3), {}, reflux, WHEEL.contracts, None)
    assert [(item.task, item.absorbed_in, item.kpi) for item in unknown.kept] == [("p01-new", 3, None)]


def test_records_are_read_strictly_and_earlier_ones_too() -> None:
    """What is written is read back; earlier versions named kept tasks by their id alone, and knew no lost ones."""
    old = '{"format_version": 1, "iteration": 2, "absorbed": [], "open": [], "kept": ["p01-a-2"]}'
    found = TypeAdapter(Absorption).validate_json(old, strict=True)
    assert found.kept == (KeptTask("p01-a-2"),)
    assert not found.lost
    story = LedgerBuilder()
    for name in ("p01-words", "p01-more", "p01-gone"):
        story.write(TaskKind.ABSORBED, from_file(name))
    story.write(TaskKind.WITHDRAWN, {"task": "p01-gone", "reason": "gone"})
    told = absorption(
        4, evidence("p01-words", "p01-new"), {}, Reflux(fold_tasks(story.ledger.events)), WHEEL.contracts, None
    )
    assert all((told.absorbed, told.kept, told.lost, told.withdrawn))
    assert TypeAdapter(Absorption).validate_json(document_json(told), strict=True) == told


def test_every_category_is_counted() -> None:
    """Sums over tasks, absorbed ones apart, nothing left out."""
    story = accepted(body(), body("p01-b-2", category="defence", events=3))
    story.write(TaskKind.ABSORBED, {"task": "p01-b-2", "iteration": 2, "run_id": "r"})
    lines = {item.category: (item.tasks, item.absorbed, item.events) for item in by_category(
        fold_tasks(story.ledger.events).tasks.values()
    )}  # fmt: skip
    assert lines == dict.fromkeys(CATEGORIES, (0, 0, 0)) | {"growth": (1, 0, 7), "defence": (1, 1, 3)}


def evidence(*tasks: str, value: float = 0.2, **more: Any) -> dict[str, ProjectEvidence]:
    found = evidence_of(WHEEL.contracts["p01"], **more)
    return {"p01": replace(found, tasks=tasks, kpis={"retention": KpiValue(value)})}


def test_what_a_run_read_is_absorbed_and_the_rest_is_open() -> None:
    """By the run's own evidence, once; a task without payload, or unread, or of a project without a run stays open."""
    story = accepted(
        body(),
        body("p01-b-2", payload=False),
        body("p01-c-2"),
        body("p02-a-2", project="p02"),
        body("p01-old-1", iteration=1),
        body("p01-next-3", iteration=3),
    )
    story.write(TaskKind.ABSORBED, {"task": "p01-old-1", "iteration": 1, "run_id": "r1"})
    state = fold_tasks(story.ledger.events)
    found = absorption(2, evidence("p01-a-2", "p01-old-1", "by-hand"), {}, Reflux(state), WHEEL.contracts, None)
    assert [(item.task, item.theme) for item in found.absorbed] == [("by-hand", None), ("p01-a-2", "p01-a")]
    assert [(item.task, item.absorbed_in, item.kpi) for item in found.kept] == [("p01-old-1", 1, "p01.retention")]
    assert {item.task: item.why.split(":")[0] for item in found.open} == {
        "p01-b-2": "it has no payload that a pipeline could read",
        "p01-c-2": "the run of p01 read no such task",
        "p02-a-2": "p02 has no run of its own in this iteration",
    }
    carried = absorption(2, evidence("p01-a-2", carried_from=1), {}, Reflux(state), WHEEL.contracts, None)
    assert carried.absorbed == ()


def test_did_it_help_is_unknown_without_two_values_and_a_comparison() -> None:
    """No KPI named, no value before, nobody compared: each says which."""
    state = fold_tasks(accepted(body(), body("p01-b-2", kpi=None)).ledger.events)
    first = absorption(2, evidence("p01-a-2", "p01-b-2"), {}, Reflux(state), WHEEL.contracts, None).absorbed
    assert [(item.helped, item.why) for item in first] == [
        (Help.UNKNOWN, "p01.retention has no value before"),
        (Help.UNKNOWN, "the task names no KPI"),
    ]
    second = absorption(2, evidence("p01-a-2"), evidence(value=0.1), Reflux(state), WHEEL.contracts, None).absorbed
    assert (second[0].before, second[0].after, second[0].why) == (
        0.1,
        0.2,
        "nobody compared it with the iteration before",
    )


def test_the_assembly_counts_what_came_back() -> None:
    """Events of absorbed tasks over events taken in, unknown without any; the report tells it without harm."""
    hostile = body(text="<script>alert(1)</script> | a\n## b")
    state = fold_tasks(accepted(hostile).ledger.events)
    done = assemble(WHEEL, Collected(2, evidence("p01-a-2")), reflux=Reflux(state, 14))
    assert done.metrics.value("flywheel.feedback_reflux_rate") == 0.5
    report = render_report(done)
    assert "## Tasks" in report
    assert "<script>" not in report
    assert "\n## b" not in report
    quiet = assemble(WHEEL, Collected(2, evidence()), reflux=Reflux())
    assert quiet.metrics.value("flywheel.feedback_reflux_rate") is None
    assert "## Tasks" not in render_report(quiet)
    none = assemble(WHEEL, Collected(2, evidence()), reflux=Reflux(state, 14))
    assert none.metrics.value("flywheel.feedback_reflux_rate") == 0
