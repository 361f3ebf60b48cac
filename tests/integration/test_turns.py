"""The shipped flywheel as `make run` turns it: published figures, living projects, what failed becomes tasks.

Behind it a fourth iteration, which must keep what the third gained, and a release of the third.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from docs_walk import DATABASE, store_of
from mlflow import MlflowClient
from prepared import copied
from workbench import Commands, bench_on

from flywheel_mlflow.evidence.flywheel import load_flywheel

#: What each project that takes tasks is measured by, on cases no task contains.
HIDDEN = {
    "p02": "hidden_refusal_recall",
    "p05": "hidden_hit_rate",
    "p06": "verifier_hidden_accuracy",
    "p12": "hidden_accuracy",
    "p15": "hidden_accuracy",
}


#: Where each of them keeps its hidden cases, and the field that holds what is asked.
HIDDEN_CASES = {
    "p02_legal_sft/data/hidden_prompts.jsonl": "act",
    "p05_rag/data/questions.jsonl": "query",
    "p06_prm/data/hidden_cases.jsonl": "text",
    "p12_reasoning/data/eval_problems.jsonl": "question",
    "p15_enterprise_qa/data/questions.jsonl": "question",
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
def store(turned: Path, tmp_path_factory: pytest.TempPathFactory) -> Commands:
    """The shipped flywheel after iterations 1 to 3 as `make run` makes them, and a fourth."""
    home = copied(turned, tmp_path_factory.mktemp("turns"), DATABASE)
    commands = Commands(home, store_of(home))
    commands("assemble", "-i", "4", "--log", "pipelines")
    return commands


@pytest.fixture(scope="module")
def turns(store: Commands) -> dict[int, Turn]:
    """The four iterations."""
    return {iteration: assembled(store, iteration) for iteration in (1, 2, 3, 4)}


def assembled(store: Commands, iteration: int) -> Turn:
    """An iteration as the run of its assembly holds it."""
    recorded = bench_on(load_flywheel(store.root), store.uri).tracking.assemblies.recorded(iteration)
    assert recorded is not None
    client = MlflowClient(tracking_uri=store.uri)

    def document(place: str) -> Any:
        with tempfile.TemporaryDirectory() as folder:
            return json.loads(Path(client.download_artifacts(recorded.run_id, place, folder)).read_text())

    registry = document("processed/upstream_project_registry.json")
    return Turn(document("reports/p10_metrics.json"), tuple(registry))


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
    """With the tasks of its queue a project does better in the next iteration on cases that no task contains."""
    before, after = turns[2].value(f"{project}.{kpi}"), turns[3].value(f"{project}.{kpi}")
    assert before is not None
    assert after is not None
    assert after > before + 0.1


@pytest.mark.slow
def test_every_task_is_known_to_have_helped_or_not(store: Commands) -> None:
    """Fifteen tasks answer failures of iteration 2, none got worse, and the share of feedback acted on is above 0."""
    found = store.json("task", "results", "--iteration", "3")
    tasks = [item["task"] for item in found["results"]]
    assert len(tasks) == len(list(store.root.glob("projects/*/tasks/*.json")))
    assert all(item["events"] > 0 and item["category"] for item in tasks)
    assert {item["helped"] for item in tasks} == {"helped"}
    assert found["reflux_rate"] > 0.5
    assert "15 tasks absorbed: 15 helped" in store("task", "results", "-i", "3").out


@pytest.mark.slow
def test_no_hidden_case_became_feedback(store: Commands) -> None:
    """What improvement is measured on stands in no event."""
    told = [event["text"] for event in store.json("feedback", "list", "--limit", "10000")["events"]]
    assert len(told) > 100
    for place, field in HIDDEN_CASES.items():
        rows = [json.loads(line) for line in (store.root / "projects" / place).read_text().splitlines()]
        hidden = [row[field] for row in rows if row.get("part", "hidden") == "hidden"]
        assert hidden
        assert not [text for text in told if any(case in text for case in hidden)], place


@pytest.mark.slow
def test_the_third_turn_is_healthy_and_the_fourth_keeps_its_gains(store: Commands) -> None:
    """What changed in the third is as intended; nothing gets worse in the fourth, and no task is lost."""
    page = store.json("report", "--iteration", "3", "--dry-run")["page"]
    assert page["executive"]["verdict"]["text"] == "Healthy"
    moved = store.json("drift", "--iteration", "3", "--against", "2")
    assert moved["verdict"] == "PASS"
    assert {item["outcome"] for item in moved["findings"]} - {None} == {"as intended"}
    assert store.json("drift", "--iteration", "4", "--against", "3")["verdict"] == "PASS"
    kept = store.json("task", "results", "--iteration", "4")
    assert (kept["kept"], kept["lost"], kept["open"]) == (15, 0, 0)


@pytest.mark.slow
def test_a_release_asks_for_a_confirmation_and_an_approval(store: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gate to staging passes but for these two, and with them it passes."""

    def by(name: str, *words: str, code: int = 0) -> Any:
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", name)
        return store.json(*words, code=code)

    by("ana", "release", "create", "--iteration", "3")
    asked = by("ana", "gate", "1", "--to", "staging", code=3)
    open_criteria = {item["id"] for item in asked["result"]["criteria"] if item["verdict"] != "PASS"}
    assert open_criteria == {"staging_drift", "staging_approval"}
    by("ben", "explain-drift", "1", "--intended", "--reason", "the tasks asked for it")
    by("chen", "approve", "1", "--role", "release_reviewer", "--reason", "read report and drift")
    by("ana", "gate", "1", "--to", "staging")


@pytest.mark.slow
def test_projects_without_news_make_the_same_data_again(turns: dict[int, Turn]) -> None:
    """What neither a task nor a changed input touches is made digest for digest as in the iteration before."""

    def made(turn: Turn, project: str) -> dict[str, str]:
        entry = next(entry for entry in turn.registry if entry["project_id"] == project)
        return {item["name"]: item["version"]["digest"] for item in entry["interfaces_out"]}

    for project in ("p01", "p03", "p04", "p09", "p14"):
        assert made(turns[2], project) == made(turns[3], project), project
    assert made(turns[2], "p05") != made(turns[3], "p05")
