"""Failures of an evaluation become themes, a file decides about them, and what helped is told; on a real store."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flywheels import blueprint_document, contract_document, kpi_document, write_flywheel
from servers.embedded import EmbeddedStore
from workbench import Commands

import flywheel_mlflow
from flywheel_mlflow import InputError, UnknownName

#: Fails visibly on two words until a task brings them; the hidden questions need the same words.
PIPELINE = """
from flywheel_mlflow.pipelines import sample_record

FAULTS = {}
ASKED = {f"{word}{n}": word for word in ("headcount", "footprint") for n in range(4)}


def build(work):
    known = {word for task in work.tasks for word in task.payload["words"]}
    records = [
        sample_record(
            id=name, source={"name": "made", "license": "CC0-1.0"}, content=f"Question {name} about {word}.",
            metadata={"license": "CC0-1.0"}, quality_signals={"length": 20}, split="test", audit_trace=["asked"],
        )
        for name, word in ASKED.items()
    ]
    work.write_records("p01_data", records, card={"source": "made", "licence": "CC0-1.0"})
    failed = {name: f"{word}: {word} {name} unknown" for name, word in ASKED.items() if word not in known}
    work.log_failures("quality", failed, interface="p01_data")
    hidden = {f"h{n}": float(n < 10 or "headcount" in known) for n in range(40)}
    work.log_samples("hidden", hidden)
    work.log_document({"quality": 1 - len(failed) / len(ASKED), "hidden": sum(hidden.values()) / 40, "n": 40})
    work.check("ready", True)
"""
TASK = {
    "id": "words", "project": "p01", "iteration": 2, "theme": "words", "request": "Say what headcount is.",
    "payload": {"words": ["headcount"]}, "category": "growth", "kpi": "hidden",
}  # fmt: skip
DECISIONS = """\
decisions:
  - project: p01
    words: [headcount]
    accept: words.json
    moves: [p01_data]
  - project: p01
    words: [footprint, unknown]
    queue: no glossary explains it yet
"""


@dataclass(frozen=True, slots=True)
class Wheel(Commands):
    """A flywheel of one project on a store, by its commands."""

    def decisions(self, text: str) -> Path:
        """A file of decisions beside the task file."""
        (self.root / "words.json").write_text(json.dumps(TASK))
        path = self.root / "decisions.yaml"
        path.write_text(text)
        return path


@pytest.fixture
def wheel(tmp_path: Path, embedded_store: Callable[[], EmbeddedStore]) -> Wheel:
    """One project with a pipeline, no routing rule, and an assembled iteration 1 whose failures were told."""
    plan = blueprint_document() | {"routing": [], "bottlenecks": []}
    kpis = [kpi_document("quality", gap="data_gap"), kpi_document("hidden", target=0.9, n_path="n")]
    root = write_flywheel(
        tmp_path / "wheel",
        blueprint=plan,
        contracts={
            "p01": contract_document("p01", stages=["first", "last"], kpis=kpis),
            "p10": contract_document(
                "p10",
                layers=["governance"],
                registry_role="assembly_layer",
                kpis=[kpi_document("projects", path="project_count", unit="projects")],
                checks={"required": ["py_compile"]},
                interfaces_out=[{"name": "p10_data", "title": "Gate", "format": "opaque", "schema": "opaque"}],
                interfaces_in=[{"name": "p01_data"}],
            ),
        },
    )
    (root / "projects/p01/pipeline.py").write_text(PIPELINE)
    made = Wheel(root, embedded_store().uri)
    assert "8 new events: p01 8" in made("assemble", "-i", "1", "--log", "pipelines").err
    return made


def test_a_file_turns_failures_into_tasks_that_help(wheel: Wheel) -> None:
    """Failures are routed without any rule; the file decides once however often it is applied; the gain is told."""
    listed = wheel.json("feedback", "list")
    assert {(item["to"], item["rule"], item["type"]) for item in listed["events"]} == {
        ("p01", "built_in_own_finding", "data_gap")
    }
    assert "p01_data/headcount0" in {record for item in listed["events"] for record in item["record_ids"]}
    path = wheel.decisions(DECISIONS)
    tried = wheel.json("task", "decide", path, "-i", "1", "--dry-run")
    assert [(item["kind"], item["event"], item["why"]) for item in tried["decisions"]] == [
        ("accepted", None, ""),
        ("queued", None, ""),
    ]
    assert wheel.json("task", "list")["tasks"] == []
    decided = wheel.json("task", "decide", path, "-i", "1")
    assert [(item["kind"], item["events"], item["stands"]) for item in decided["decisions"]] == [
        ("accepted", 4, False),
        ("queued", 4, False),
    ]
    again = wheel.json("task", "decide", path, "-i", "1")
    assert [(item["stands"], item["event"], item["events"]) for item in again["decisions"]] == [(True, None, 4)] * 2
    assert "stands already" in wheel("task", "decide", path, "-i", "1").out
    wheel("assemble", "-i", "2", "--log", "pipelines")
    found = wheel.json("task", "results")
    (result,) = found["results"]
    assert (result["task"]["helped"], result["task"]["before"], result["task"]["after"]) == ("helped", 0.25, 1.0)
    assert result["low"] > 0.5
    assert (found["reference"], found["kept"], found["lost"]) == (1, 0, 0)
    assert found["reflux_rate"] > 0
    shown = wheel("task", "results", "--iteration", "2").out
    assert "1 task absorbed: 1 helped" in shown
    assert wheel.json("task", "results", "-i", "1")["results"] == []


def test_the_same_from_python(wheel: Wheel, tmp_path: Path) -> None:
    """Feedback, decisions, tasks, pipelines and proofs by methods: each result says what the command says."""
    found = flywheel_mlflow.open_flywheel(wheel.root, wheel.uri)
    assert list(found.route(1).to_frame()["events"]) == [8]
    event = found.feedback(1).items[0]["id"]
    assert str(found.explain_event(event)).startswith(f"{event} goes to p01")
    assert found.pull_findings(1).items[0]["new"] == 0
    path = wheel.decisions(DECISIONS)
    assert str(found.decide_themes(path, 1, dry_run=True)).startswith("2 of 2 decisions can be written")
    decided = found.decide_themes(path, 1)
    assert list(decided.to_frame()["kind"]) == ["accepted", "queued"]
    (task,) = found.tasks().items
    assert (task["project"], task["iteration"], task["absorbed in"]) == ("p01", 2, None)
    assert [item["task"] for item in found.write_tasks(2, tmp_path / "tasks").items] == [task["id"]]
    ran = found.run_projects(2, ["p01"], jobs=1)
    assert [(item["project_id"], item["consumable"]) for item in ran.items] == [("p01", True)]
    assert found.assemble(2).contradictions == ()
    assert list(found.task_results(2).to_frame()["helped"]) == ["helped"]
    assert found.tasks().items[0]["absorbed in"] == 2
    assert list(found.feedback_metrics(1).to_frame()["absorbed"]) == [4]
    proofs = found.prove(2)
    assert all(item["proved"] or not item["applicable"] for item in proofs.items)
    assert " checks can fail, " in str(proofs)
    assert str(found.doctor()).startswith("doctor: ")
    assert str(found.report(2, out=tmp_path / "page").items[0]["file"]).endswith("dashboard.html")
    assert (len(found.releases()), len(found.risks())) == (0, 0)
    with pytest.raises(InputError, match="no labelled examples"):
        found.try_rules()
    with pytest.raises(UnknownName):
        found.run_projects(2, ["p99"])


def test_what_fits_no_single_theme_is_told_and_not_written(wheel: Wheel) -> None:
    """No theme, several, or two decisions for one: each is told with its line, the others are written, code 1."""
    several = DECISIONS + "  - project: p01\n    words: [unknown]\n    decline: never\n"
    found = wheel.json("task", "decide", wheel.decisions(several), "-i", "1", code=1)
    assert [(item["line"], item["why"].split(":")[0][:8]) for item in found["decisions"]] == [
        (2, "another "),
        (6, "another "),
        (9, "2 themes"),
    ]
    none = DECISIONS.replace("[headcount]", "[turnover]")
    found = wheel.json("task", "decide", wheel.decisions(none), "-i", "1", code=1)
    assert [(item["why"], item["event"] is None) for item in found["decisions"]] == [
        ("no theme fits", True),
        ("", False),
    ]
    wheel("task", "decide", wheel.decisions(DECISIONS), "-i", "1")
    other = DECISIONS.replace("moves: [p01_data]", "moves: [p01]")
    found = wheel.json("task", "decide", wheel.decisions(other), "-i", "1", code=1)
    assert "accepted with another moves" in found["decisions"][0]["why"]


def test_every_fault_of_the_files_is_told_together(wheel: Wheel) -> None:
    """An unknown project, KPI and finding, a missing task file: each with its line, and nothing is written."""
    text = """\
decisions:
  - project: p77
    words: [headcount]
    decline: no
  - project: p01
    words: [headcount]
    accept: words.json
    kpi: nothing
    moves: [p88]
  - project: p01
    words: [footprint]
    accept: absent.json
"""
    path = wheel.decisions(text.replace("decline: no", "decline: never"))
    said = wheel("task", "decide", path, "-i", "1", code=2).err
    for words in ("2", "unknown project 'p77'", "unknown KPI 'nothing'", "unknown finding 'p88'", "no such file"):
        assert words in said
    wrong = wheel.decisions("decisions:\n  - project: p01\n    words: [headcount]\n    accept: a.json\n    queue: b\n")
    assert "say one of accept, queue and decline" in wheel("task", "decide", wrong, "-i", "1", code=2).err
    assert wheel.json("task", "list")["tasks"] == []


def _themes(wheel: Wheel) -> dict[str, dict[str, Any]]:
    return {item["id"]: item for item in wheel.json("feedback", "themes", "-i", "1")["themes"]}


def test_people_split_merge_and_rename_themes(wheel: Wheel) -> None:
    """Each change is a decision of the ledger, holds when themes are found again, and what is impossible is refused."""
    first, second = _themes(wheel)
    events = _themes(wheel)[first]["events"]
    moved = wheel("feedback", "move-events", first, events[0], "--title", "Odd one", "--reason", "another matter").out
    split = moved.split()[-1]
    assert moved.startswith("written as event 0: theme ")
    found = _themes(wheel)
    assert (found[split]["title"], found[split]["events"]) == ("Odd one", [events[0]])
    assert found[first]["events"] == events[1:]
    wheel("feedback", "rename-theme", first, "--title", "Headcount unknown", "--reason", "shorter")
    wheel("feedback", "merge-themes", second, "--into", split, "--reason", "the same")
    found = _themes(wheel)
    assert (found[first]["title"], set(found)) == ("Headcount unknown", {first, split})
    assert len(found[split]["events"]) == 5
    unknown = wheel("feedback", "move-events", first, "nobody", "--reason", "x", code=2).err
    assert f"{first} does not hold the event nobody" in unknown
    itself = wheel("feedback", "merge-themes", first, "--into", first, "--reason", "x", code=2).err
    assert "is the theme itself" in itself
    nobody = wheel("feedback", "merge-themes", "p01-0", "--into", first, "--reason", "x", code=2).err
    assert "unknown theme" in nobody
    assert "would write" in wheel("feedback", "rename-theme", first, "--title", "x", "--reason", "y", "--dry-run").out
    assert _themes(wheel)[first]["title"] == "Headcount unknown"
