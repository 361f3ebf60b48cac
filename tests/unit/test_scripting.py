"""What the command line can do, Python can do."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from flywheel_mlflow.cli.app import app
from flywheel_mlflow.operations.acts.acting import ACTS
from flywheel_mlflow.operations.printable import Printable
from flywheel_mlflow.operations.projects.mlflow_names import MlflowNames
from flywheel_mlflow.operations.scripting.acts import Acts
from flywheel_mlflow.operations.scripting.opening import OpenFlywheel
from flywheel_mlflow.operations.scripting.results import Decision, Move, Table

#: The method of each act by the act's name.
METHODS = {
    "sign-head": "export",
    "create": "create_release",
    "gate": "gate",
    "approve": "approve",
    "explain-drift": "explain_drift",
    "confirm-changes": "confirm_changes",
    "reject": "reject",
    "retire": "retire",
    "override": "override",
    "override-confirm": "confirm_override",
    "promote": "promote",
    "rollback": "rollback",
    "reconcile": "reconcile",
    "risk-open": "open_risk",
    "risk-update": "update_risk",
    "risk-close": "close_risk",
    "risk-watch": "watch_risks",
    "review": "review",
    "reroute": "reroute",
    "task-accept": "accept_task",
    "task-estimate": "estimate_cost",
    "task-spend": "spend",
    "theme-queue": "queue_theme",
    "theme-decline": "decline_theme",
    "theme-rename": "rename_theme",
    "theme-merge": "merge_themes",
    "theme-move": "move_events",
    "task-absorb": "absorb_task",
    "task-withdraw": "withdraw_task",
    "task-restore": "restore_task",
    "experiment-start": "start_experiment",
    "experiment-decide": "decide_experiment",
    "variant-choose": "choose_variant",
    "human-review-submit": "submit_human_review",
    "notify-send": "notify",
    "notify-test": "notify_test",
}
#: What an act takes that a method makes itself: signatures of keys, the place of a document it has just kept.
_MADE_BY_THE_METHOD = {
    "approve": {"signature"},
    "override-confirm": {"signature"},
    "review": {"run_id", "digest"},
    "rollback": {"looked_at"},
    "task-accept": {"run_id", "digest", "dry_run"},
    "human-review-submit": {"run_id", "digest", "signature"},
    "sign-head": {"dry_run"},
}


def test_every_act_is_a_method() -> None:
    """The acts of the command line and of the API are the same set, each under a method of its own."""
    assert set(METHODS) == set(ACTS)
    assert len(set(METHODS.values())) == len(METHODS)
    public = {name for name, value in vars(Acts).items() if inspect.isfunction(value) and not name.startswith("_")}
    assert public == set(METHODS.values())


@pytest.mark.parametrize("act", ACTS)
def test_methods_take_what_acts_take(act: str) -> None:
    """A method takes every argument of its act by the same name, but those it makes itself."""
    parameters = set(inspect.signature(getattr(OpenFlywheel, METHODS[act])).parameters)
    wanted = set(ACTS[act].takes.model_fields) - _MADE_BY_THE_METHOD.get(act, set())
    assert wanted <= parameters


#: The method of each command that is called otherwise than its act, or is none.
_OTHERWISE = {
    "release create": "create_release",
    "release retire": "retire",
    "release export": "export",
    "feedback reroute": "reroute",
    "feedback rename-theme": "rename_theme",
    "feedback merge-themes": "merge_themes",
    "feedback move-events": "move_events",
    "variant show": "variants",
    "budget": "run_budgets",
    "task queue": "queue_theme",
    "task decline": "decline_theme",
    "run-projects": "run_projects",
    "release list": "releases",
    "release show": "release",
    "release diff": "release_diff",
    "release history": "story",
    "risk list": "risks",
    "feedback ingest": "ingest",
    "feedback pull-traces": "pull_traces",
    "feedback pull-findings": "pull_findings",
    "feedback route": "route",
    "feedback list": "feedback",
    "feedback explain": "explain_event",
    "feedback themes": "themes",
    "feedback metrics": "feedback_metrics",
    "feedback test-rules": "try_rules",
    "human-review open": "open_human_review",
    "human-review status": "human_reviews",
    "human-review export": "export_human_review",
    "human-review submit": "submit_human_review",
    "task decide": "decide_themes",
    "task results": "task_results",
    "task list": "tasks",
    "task priorities": "priorities",
    "task budget": "budget",
    "task write": "write_tasks",
    "task write-dataset": "write_dataset",
    "task case-results": "case_results",
    "experiment list": "experiments",
    "experiment record": "record_outcomes",
    "experiment status": "experiment_status",
    "experiment stop": "decide_experiment",
    "experiment assign": "assign",
}
#: The commands without a method, and why.
_WITHOUT = {
    "validate": "load_flywheel reads the files and raises every fault",
    "schema": "the JSON Schemas are files of the package",
    "feedback mappings": "ingest(mapping=NAME) reads them; they are files of the package to start from",
    "init": "it writes the folder that there is a flywheel to open in",
    "init-project": "it writes a file for a person to edit",
    "ui": "it runs until somebody stops it",
    "keys new": "a secret is made at a terminal, once",
    "release who": "story() has who decided, as rows",
    "risk show": "risks() has the risk, story() what was decided about it",
    "task show": "tasks() has the task, story() what was decided about it",
}


def _commands(group: Any, before: str = "") -> Iterator[str]:
    for name, command in group.commands.items():
        yield from _commands(command, f"{before}{name} ") if hasattr(command, "commands") else [before + name]


@pytest.mark.parametrize("command", list(_commands(typer.main.get_command(app))))
def test_every_command_is_a_method(command: str) -> None:
    """Each command has a method with a docstring, or a reason to have none."""
    act = command if command in METHODS else command.replace(" ", "-")
    method = _OTHERWISE.get(command) or METHODS.get(act, command)
    assert (command in _WITHOUT) != bool(inspect.getdoc(getattr(OpenFlywheel, method, None)))


def test_exceptions_are_commands() -> None:
    """No method and no reason is kept of a command that is gone."""
    assert {*_OTHERWISE, *_WITHOUT} <= set(_commands(typer.main.get_command(app)))


def test_results_print_and_are_frames() -> None:
    """A result prints as sentences, shows them in a notebook, and is a frame with a row for each thing it tells."""
    decision = Decision("approve", 7, {"version": 1, "role": "reviewer", "until": None}, ("it expires",))
    assert str(decision).splitlines() == [
        "approve: written as event 7",
        "  version: 1",
        "  role: reviewer",
        "note: it expires",
    ]
    assert list(decision.to_frame()["event"]) == [7]
    move = Move(2, "production", 1, False, ("move the alias",), None, True)
    assert str(move) == "1. would move the alias"
    assert list(move.to_frame()["what"]) == ["move the alias"]
    table = Table("two", ({"a": 1, "b": None}, {"a": ["x", "y"], "b": 2}))
    assert str(table).splitlines() == ["two", "  a=1", "  a=x, y  b=2"]
    assert list(table.to_frame()["a"]) == [1, "x, y"]


@pytest.mark.parametrize("base", [Printable, MlflowNames])
def test_what_only_a_kind_can_say_it_must_say(base: type) -> None:
    """A result that cannot print and a run that cannot be opened are refused when they are made, not when used."""
    incomplete = type("Incomplete", (base,), {})
    with pytest.raises(TypeError, match="abstract"):
        incomplete()
