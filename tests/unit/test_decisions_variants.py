"""Which variant counts, as the ledger tells it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from flywheel_mlflow.decisions.ledger import Event, Identity
from flywheel_mlflow.decisions.variants import counting_variant, fold_variants

AT = datetime(2026, 1, 1, tzinfo=UTC)
DECLARED = ("plain", "resolved", "reranked")


def event(number: int, kind: str, **body: Any) -> Event:
    """An event of the ledger."""
    return Event(number, AT, Identity("ann", "os"), kind, body, "", "", "", None, "")


def chosen(number: int, variant: str, iteration: int, project: str = "p05") -> Event:
    """A choice of a variant."""
    body = {"project": project, "variant": variant, "iteration": iteration, "reason": "it is better"}
    return event(number, "variant_chosen", **body)


def shipped(first: int, decision: str = "ship", variant: str = "resolved", **more: Any) -> list[Event]:
    """An experiment from start to decision."""
    body = {
        "experiment": "x",
        "decision": decision,
        "variant": variant,
        "reason": "r",
        "advice": "ship",
        "evidence": "e",
    }
    return [
        event(first, "experiment_started", experiment="x", declared={"project": "p05"}),
        event(first + 1, "experiment_decided", **body, **more),
    ]


def counts(events: list[Event], iteration: int) -> str:
    """The variant of p05 that counts in an iteration."""
    return counting_variant("p05", DECLARED, fold_variants(events), iteration)


def test_a_treatment_that_ships_counts_from_the_iteration_of_its_decision() -> None:
    """Before it the control does; keeping and stopping change nothing, nor does a decision from before variants."""
    assert [counts(shipped(1, iteration=3), turn) for turn in (2, 3, 9)] == ["plain", "resolved", "resolved"]
    assert counts(shipped(1, "keep", "", iteration=None), 3) == "plain"
    assert counts(shipped(1), 3) == "plain"


def test_an_earlier_round_still_counts_while_a_later_one_runs() -> None:
    """Starting an experiment again takes nothing back."""
    again = event(3, "experiment_started", experiment="x", declared={"project": "p05"})
    assert counts([*shipped(1, iteration=3), again], 4) == "resolved"


def test_a_choice_of_a_variant_that_is_declared_no_more_is_over() -> None:
    """The decision before it counts again, else the control."""
    events = [chosen(1, "resolved", 2), chosen(2, "gone", 2)]
    assert counts(events, 2) == "resolved"


def test_what_is_no_choice_changes_nothing() -> None:
    """Events that lack something, or hold something else, are passed by."""
    broken = [
        event(1, "variant_chosen", project="p05", variant="resolved", reason="r"),
        event(2, "variant_chosen", project="p05", variant=["resolved"], reason="r", iteration=1),
        event(3, "variant_chosen", project="p05", variant="resolved", reason="r", iteration="1"),
        event(4, "experiment_started", experiment="x", declared={"project": 5}),
        event(5, "experiment_decided", experiment="x", decision="ship", variant="resolved", iteration=1),
    ]
    assert fold_variants(broken) == ()


@given(st.lists(st.tuples(st.sampled_from(DECLARED), st.integers(1, 5), st.sampled_from(("p05", "p15"))), max_size=12))
def test_the_last_decision_that_holds_counts(made: list[tuple[str, int, str]]) -> None:
    """Whatever was decided, the last decision that holds in an iteration counts, else the control."""
    events = [chosen(number, variant, turn, project) for number, (variant, turn, project) in enumerate(made, start=1)]
    for iteration in range(1, 6):
        holding = [variant for variant, turn, project in made if project == "p05" and turn <= iteration]
        assert counts(events, iteration) == (holding[-1] if holding else "plain")
