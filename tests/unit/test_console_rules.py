"""Tests of the rules by which rows are judged, beside the real servers of tests/integration/server_plugin."""

from __future__ import annotations

import json
from typing import Any

import pytest

from flywheel_mlflow.console.endpoints import (
    ENDPOINTS,
    OWN_ROUTES,
    Effect,
    acting,
    classify,
    current_effect,
    serving,
)
from flywheel_mlflow.console.feedback_route import FeedbackRoute
from flywheel_mlflow.console.files import Files
from flywheel_mlflow.console.forms import FormRoutes
from flywheel_mlflow.console.front import Front
from flywheel_mlflow.console.governed import Holding
from flywheel_mlflow.console.pages import PageRoutes
from flywheel_mlflow.console.routes import ActRoutes
from flywheel_mlflow.console.rules import Rules
from flywheel_mlflow.console.watch import Change

RUN, LEDGER_RUN, OTHER = "a" * 32, "b" * 32, "c" * 32


class Store:
    """What a store with one governed flywheel answers: its ledger in experiment 2, a kept run in experiment 3."""

    served = "flow"
    ledger_name = "flow/ledger"

    def __init__(self, *, chain: bool = True) -> None:
        self.chain = chain

    def run(self, text: str) -> tuple[str, str] | None:
        known = {RUN: (RUN, "3"), LEDGER_RUN: (LEDGER_RUN, "2"), OTHER: (OTHER, "4")}
        return known.get(text.strip().lower())

    def served_ledgers(self) -> frozenset[str]:
        return frozenset({"2"})

    def ledger_of(self, experiment_id: str) -> str | None:
        return "flow" if experiment_id == "2" else None

    def holding(self, run_id: str) -> Holding | None:
        return Holding("release 1 pins it", "retire it") if run_id == RUN else None

    def leads_to(self, run_id: str) -> bool:
        return bool(run_id) and self.chain


def rules(*, chain: bool = True, admin: bool = True) -> Rules:
    return Rules(Store(chain=chain), lambda: admin)  # type: ignore[arg-type]  # an honest part of it


def run_row(run_id: str, experiment: Any, stage: str = "active", **more: Any) -> dict[str, Any]:
    row = {"run_uuid": run_id, "experiment_id": experiment, "lifecycle_stage": stage, "deleted_time": None}
    return row | {"artifact_uri": "x", "name": "n", **more}


@pytest.mark.parametrize("effect", list(Effect))
def test_nobody_but_the_server_writes_into_the_ledger(effect: Effect) -> None:
    """Whatever the endpoint, and however the row names its owner; the server's own writes are not judged at all."""
    for row in ({"run_uuid": LEDGER_RUN}, {"experiment_id": "02"}, {"experiment_id": 2}, {"source_run_id": LEDGER_RUN}):
        for table in ("params", "trace_info", "scorers", "logged_models"):
            assert rules().judge(Change(table, None, row), effect) is not None
    assert rules().judge(Change("runs", None, run_row(OTHER, " 2")), effect) is not None
    assert rules().judge(Change("entity_associations", None, {"destination_id": "2"}), effect) is not None


def test_a_stray_run_goes_by_an_administrator_alone() -> None:
    """What the chain leads to stays; of other runs an administrator may delete each, and change none."""
    gone = Change("runs", run_row(LEDGER_RUN, 2), run_row(LEDGER_RUN, 2, "deleted", deleted_time=1))
    renamed = Change("runs", run_row(LEDGER_RUN, 2), run_row(LEDGER_RUN, 2, "deleted", name="m"))
    back = Change("runs", run_row(LEDGER_RUN, 2, "deleted", deleted_time=1), run_row(LEDGER_RUN, 2))
    assert rules(chain=True).judge(gone, Effect.DIRECT) is not None
    assert rules(chain=False, admin=False).judge(gone, Effect.DIRECT) is not None
    assert rules(chain=False).judge(renamed, Effect.DIRECT) is not None
    assert rules(chain=False).judge(gone, Effect.DIRECT) is None
    assert rules(chain=True, admin=False).judge(back, Effect.DIRECT) is None


def test_a_kept_run_is_written_by_those_calls_alone_that_are_for_it() -> None:
    """An endpoint that nobody classified, or that is for other things, does not touch it; nothing deletes it."""
    tag = Change("tags", None, {"run_uuid": RUN})
    assert rules().judge(tag, Effect.DIRECT) is None
    for effect in (Effect.ASIDE, Effect.READS, Effect.FILES):
        assert rules().judge(tag, effect) is not None
        assert rules().judge(Change("tags", None, {"run_uuid": OTHER}), effect) is None
    gone = Change("runs", run_row(RUN, 3), run_row(RUN, 3, "deleted"))
    wholesale = Change("runs", run_row(RUN, 3), None, wholesale=True)
    moved = Change("runs", run_row(RUN, 3), run_row(RUN, 4))
    for change in (gone, wholesale, moved):
        assert rules().judge(change, Effect.DIRECT) is not None
    assert rules().judge(Change("runs", run_row(OTHER, 4), None, wholesale=True), Effect.ASIDE) is None


@pytest.mark.parametrize(
    ("params", "refused"),
    [
        ({"run_id": RUN}, True),
        ({"run_id": RUN.upper()}, True),
        ({"deep": [{"x": json.dumps({"y": [RUN]})}]}, True),
        ({"experiment_id": "2"}, True),
        ({"experiment_ids": [2]}, True),
        ({"run_id": OTHER, "experiment_id": "4"}, False),
        ({"text": f"about {RUN} and others"}, False),
    ],
)
def test_no_job_is_made_about_what_is_governed(params: dict[str, Any], refused: bool) -> None:
    """A job has the database in its hands, so none gets hold of a kept run or a ledger, however deep it is named."""
    change = Change("jobs", None, {"params": json.dumps(params)})
    assert (rules().judge(change, Effect.ASIDE) is not None) == refused
    done = Change("jobs", {"params": json.dumps(params)}, {"params": json.dumps(params)})
    assert rules().judge(done, Effect.ASIDE) is None


def test_what_is_not_in_the_table_may_nothing() -> None:
    """An endpoint of a later MLflow is as one that has nothing to do with releases; an act of ours may all."""
    assert current_effect() is Effect.ASIDE
    assert classify("_promote_everything") is Effect.ASIDE
    assert classify("_set_tag") is ENDPOINTS["_set_tag"] is Effect.DIRECT
    with acting():
        assert current_effect() is Effect.OWN
        with serving("take_feedback"):
            assert current_effect() is Effect.ASIDE
    assert current_effect() is Effect.DIRECT
    assert classify("") is Effect.ASIDE


def test_every_route_of_the_plugin_is_classified() -> None:
    """The plugin's own routes stand in the table by the names of their functions, and nothing else does."""
    nobody: Any = None
    front = Front(None, authentication=False, open_tracking=nobody, prefix="")
    made: list[Any] = [
        *ActRoutes(None, authentication=False, open_tracking=nobody, console="").routes(""),
        *FeedbackRoute(None, authentication=False, open_tracking=nobody).routes(""),
        *FormRoutes(front).routes(""),
        *PageRoutes(front).routes(""),
        *Files(nobody).routes(),
    ]
    assert {route.name for route in made} == set(OWN_ROUTES)
    assert OWN_ROUTES["take_feedback"] is Effect.ASIDE
