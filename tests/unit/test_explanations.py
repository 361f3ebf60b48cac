"""Tests of answering for drift: what an explanation takes off a comparison's verdict, and whose explanation counts."""

from __future__ import annotations

from typing import Any

import pytest
from drift_cases import compared, kpi, logged, normal, profile, promise, side
from releases_ledger import ANA, BLUEPRINT, STRANGER, LedgerBuilder

from flywheel_mlflow.decisions.explanations import answer, counting, explainable, objections, spoken_for
from flywheel_mlflow.decisions.gate_facts import Verdict
from flywheel_mlflow.decisions.ledger import AUTHENTICATED, Identity
from flywheel_mlflow.decisions.releases import Explained, Kind
from flywheel_mlflow.drift import DriftReport, TaskEffect, covers, error_finding, whole_of

DRIFT = "d" * 64


def report(*, errors: bool = False) -> DriftReport:
    """A regressed KPI of p01 and a drifted signal of its corpus; with ``errors`` something that cannot be compared."""
    made = promise("corpus", kpis=[kpi("hit_rate")])
    current = side(
        3,
        kpis={"hit_rate": 0.5},
        digests={"corpus": "b"},
        data={"corpus": logged(profile(x=normal(100, 2.0, seed=2)))},
    )
    reference = side(
        2, kpis={"hit_rate": 0.9}, digests={"corpus": "a"}, data={"corpus": logged(profile(x=normal(100)))}
    )
    lost = [error_finding("p09", "the server is gone", "flywheel collect --iteration 3")] if errors else []
    return compared(current, reference, made=made, errors=lost)


def explained(*subjects: str, drift: str = DRIFT, who: Identity = ANA) -> tuple[LedgerBuilder, Explained]:
    """A ledger in which somebody explains these subjects of release 1."""
    story = LedgerBuilder()
    story.register(1)
    body = {"version": 1, "drift": drift, "subjects": list(subjects), "reason": "it was wanted"}
    story.write(Kind.DRIFT_EXPLAINED, body, actor=who)
    (found,) = story.state.release(1).explanations
    return story, found


@pytest.mark.parametrize(
    ("subject", "found", "expected"),
    [
        ("p01.hit_rate", "p01.hit_rate", True),
        ("p01", "p01.hit_rate", True),
        ("corpus", "corpus/x", True),
        ("p0", "p01.hit_rate", False),
        ("corp", "corpus/x", False),
        ("p01.hit", "p01.hit_rate", False),
        ("", "p01.hit_rate", False),
    ],
)
def test_a_subject_covers_itself_and_what_lies_below(subject: str, found: str, expected: bool) -> None:
    """A project stands for its KPIs and an interface for its signals; a beginning of a name stands for nothing."""
    assert covers(subject, found) is expected


@pytest.mark.parametrize(
    ("found", "whole"),
    [
        ("p01.hit_rate", "p01"),
        ("corpus/payload.digit", "corpus"),
        ("corpus/pixels: direction", "corpus"),
        ("corpus: language filter", "corpus"),
        ("corpus (schema)", "corpus"),
        ("corpus", "corpus"),
    ],
)
def test_the_whole_of_a_finding_covers_it(found: str, whole: str) -> None:
    """What is offered to explain several findings at once does explain each."""
    assert whole_of(found) == whole
    assert covers(whole, found)


def test_everything_explained_is_a_pass_and_less_is_none() -> None:
    """One finding without an explanation keeps the verdict; with all of them explained nothing is left."""
    found = report()
    assert [item.subject for item in explainable(found)] == ["p01.hit_rate", "corpus/x"]
    nothing = answer(found, [])
    assert (nothing.verdict, len(nothing.left), nothing.explained) == (Verdict.BLOCK, 2, ())
    half = answer(found, [explained("p01")[1]])
    assert (half.verdict, [item.subject for item in half.left]) == (Verdict.BLOCK, ["corpus/x"])
    whole = answer(found, [explained("p01")[1], explained("corpus")[1]])
    assert (whole.verdict, whole.left, len(whole.explained)) == (Verdict.PASS, (), 2)


def intended() -> DriftReport:
    """A signal of p01's corpus that moved as its new task said, and nothing else."""
    made = promise("corpus", kpis=[kpi("hit_rate")])
    before, after = (
        side(
            turn,
            digests={"corpus": str(turn)},
            data={"corpus": logged(profile(x=normal(100, shift, seed=turn)))},
            tasks=["more"] if shift else [],
        )
        for turn, shift in ((2, 0.0), (3, 2.0))
    )
    tasks = {"more": TaskEffect("more", "p01", "p01.hit_rate", ("corpus",))}
    return compared(after, before, made=made, tasks=tasks)


def test_what_tasks_intended_is_confirmed_once_for_a_release() -> None:
    """The comparison passes; a release waits until a person has confirmed the change."""
    found = intended()
    waiting = answer(found, [])
    assert (waiting.verdict, waiting.for_release()) == (Verdict.PASS, Verdict.INCONCLUSIVE)
    assert [item.subject for item in waiting.unconfirmed] == ["corpus/x"]
    confirmed = answer(found, [explained("corpus/x")[1]])
    assert (confirmed.for_release(), confirmed.unconfirmed, len(confirmed.explained)) == (Verdict.PASS, (), 1)


def test_a_gate_may_allow_changes_that_nobody_can_judge() -> None:
    """One unexplained change passes where one is allowed; what got worse never does."""
    only_changed = answer(report(), [explained("p01")[1]])
    assert [only_changed.for_release(changes) for changes in (0, 1)] == [Verdict.BLOCK, Verdict.PASS]
    assert answer(report(), []).for_release(5) is Verdict.BLOCK


def test_missing_evidence_cannot_be_explained() -> None:
    """What could not be compared stays inconclusive, whoever names it."""
    found = report(errors=True)
    assert "p09" not in [item.subject for item in explainable(found)]
    left = answer(found, [explained("p01", "corpus", "p09")[1]])
    assert left.verdict is Verdict.INCONCLUSIVE


def test_an_explanation_speaks_of_its_comparison_alone() -> None:
    """One of an earlier comparison counts for nothing."""
    story, found = explained("p01")
    release, events = story.state.release(1), story.ledger.events
    assert counting(release, DRIFT, events, BLUEPRINT) == (found,)
    assert counting(release, "e" * 64, events, BLUEPRINT) == ()


@pytest.mark.parametrize(
    ("who", "why"),
    [(STRANGER, "stranger holds no role"), (Identity("ana", AUTHENTICATED), "no known server sealed it")],
)
def test_a_hand_written_explanation_does_not_count(who: Identity, why: str) -> None:
    """Neither a person without a role explains drift, nor a claimed word of a server that nobody sealed."""
    story, found = explained("p01", who=who)
    events = story.ledger.events
    (told,) = objections(found, events[found.number], BLUEPRINT)
    assert why in told
    assert counting(story.state.release(1), DRIFT, events, BLUEPRINT) == ()


@pytest.mark.parametrize("change", [{"subjects": "p01"}, {"subjects": [1]}, {"drift": None}, {"reason": 3}])
def test_half_an_explanation_decides_nothing(change: dict[str, Any]) -> None:
    """A text is not read letter by letter, and nothing else is taken for one: the event is disputed."""
    story = LedgerBuilder()
    story.register(1)
    body = {"version": 1, "drift": DRIFT, "subjects": ["p01"], "reason": "wanted"} | change
    event = story.write(Kind.DRIFT_EXPLAINED, body, actor=ANA)
    assert story.state.release(1).explanations == ()
    assert [number for number, _ in story.state.disputed] == [event.number]


def test_comparisons_are_explained_for_the_newest_release_that_stands() -> None:
    """Of several releases of one assembly the newest that can still move; when none can, the newest; else nobody."""
    story = LedgerBuilder()
    assert spoken_for(story.state, "run1") is None
    story.register(1)
    story.register(2, run_id="run1", iteration=1)
    story.register(3)
    assert spoken_for(story.state, "run1") == story.state.release(2)
    story.write(Kind.REJECTED, {"version": 2, "reason": "wrong"})
    assert spoken_for(story.state, "run1") == story.state.release(1)
    story.write(Kind.REJECTED, {"version": 1, "reason": "wrong too"})
    assert spoken_for(story.state, "run1") == story.state.release(2)
