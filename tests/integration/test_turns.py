"""Three turns of the shipped flywheel: published figures, living projects, living projects with tasks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from workbench import flywheel_command

#: What each project that takes tasks is measured by, on cases no task contains.
HIDDEN = {
    "p02": "hidden_refusal_recall",
    "p05": "hidden_hit_rate",
    "p06": "verifier_hidden_accuracy",
    "p12": "hidden_accuracy",
    "p15": "hidden_accuracy",
}


@dataclass(frozen=True, slots=True)
class Turn:
    """One assembled iteration as its deliverables tell it."""

    metrics: Mapping[str, Any]
    registry: tuple[Mapping[str, Any], ...]

    def value(self, name: str) -> float | None:
        """A number by its full name."""
        return self.metrics["metrics"][name]["value"]  # type: ignore[no-any-return]  # JSON


@pytest.fixture(scope="module")
def turns(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Turn]:
    """Iterations 1 to 3 as `make run` makes them."""
    folder = tmp_path_factory.mktemp("turns")
    uri = f"sqlite:///{folder}/mlflow.db"
    steps: dict[int, list[str | Path]] = {
        1: ["--log", "published"],
        2: ["--log", "pipelines"],
        3: ["--log", "pipelines", "--tasks", repository / "projects"],
    }
    found = {}
    for iteration, options in steps.items():
        out = folder / str(iteration)
        ended = flywheel_command("assemble", "-i", str(iteration), "--out", out, *options, root=repository, uri=uri)
        assert ended.code == 0, ended.out + ended.err
        metrics = json.loads((out / "reports/p10_metrics.json").read_text())
        registry = json.loads((out / "processed/upstream_project_registry.json").read_text())
        found[iteration] = Turn(metrics, tuple(registry))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("iteration", [2, 3])
def test_all_fifteen_are_consumable_with_evidence(turns: dict[int, Turn], iteration: int) -> None:
    """Each of the fifteen projects ran, kept its promises, and made every interface it promised."""
    reasons = {entry["project_id"]: entry["reasons"] for entry in turns[iteration].registry if not entry["consumable"]}
    assert reasons == {}
    assert turns[iteration].value("flywheel.project_count") == 15
    assert turns[iteration].value("flywheel.evidenced_count") == 15
    assert turns[iteration].value("flywheel.interface_version_count") == turns[iteration].value(
        "flywheel.interface_count"
    )


@pytest.mark.slow
def test_every_consumer_read_exactly_what_was_made(turns: dict[int, Turn]) -> None:
    """From the second living turn on every declared edge is matched by digest, feedback edges included."""
    assert turns[3].value("flywheel.interface_mapping") == 1.0
    feedback = [
        edge for entry in turns[2].registry for edge in entry["interfaces_in"] if edge["from_iteration"] == "previous"
    ]
    assert {edge["state"] for edge in feedback} == {"unversioned"}


@pytest.mark.slow
@pytest.mark.parametrize(("project", "kpi"), HIDDEN.items())
def test_the_loop_turns(turns: dict[int, Turn], project: str, kpi: str) -> None:
    """With the tasks of its queue a project does better in the next turn on cases that no task contains."""
    before, after = turns[2].value(f"{project}.{kpi}"), turns[3].value(f"{project}.{kpi}")
    assert before is not None
    assert after is not None
    assert after > before + 0.1


@pytest.mark.slow
def test_projects_without_news_make_the_same_data_again(turns: dict[int, Turn]) -> None:
    """What neither a task nor a changed input touches is made digest for digest as in the turn before."""

    def made(turn: Turn, project: str) -> dict[str, str]:
        entry = next(entry for entry in turn.registry if entry["project_id"] == project)
        return {item["name"]: item["version"]["digest"] for item in entry["interfaces_out"]}

    for project in ("p01", "p03", "p04", "p09", "p14"):
        assert made(turns[2], project) == made(turns[3], project), project
    assert made(turns[2], "p05") != made(turns[3], "p05")
