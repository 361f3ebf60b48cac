"""What a run once read is handed to every later iteration until somebody withdraws it, on a real store."""

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

from flywheel_mlflow.base.errors import MissingVersion, ServerRefused
from flywheel_mlflow.operations.projects.pipeline import load_pipeline, run_pipeline

#: Answers its hidden questions once a task brought the word they need.
LEARNER = """
from flywheel_mlflow.pipelines import sample_record

FAULTS = {}


def build(work):
    known = {word for task in work.tasks for word in task.payload["words"]}
    records = [
        sample_record(
            id=f"r{n}", source={"name": "made", "license": "CC0-1.0"}, content=f"Sentence {n} about topic {n}.",
            metadata={"license": "CC0-1.0"}, quality_signals={"length": 20}, split="train", audit_trace=["made"],
        )
        for n in range(20)
    ]
    work.write_records("p01_data", records, card={"source": "made", "licence": "CC0-1.0"})
    work.log_document({"quality": 1.0, "hidden": (40 if "headcount" in known else 10) / 40, "n": 40})
    work.check("ready", True)
"""
READER = """
FAULTS = {}


def build(work):
    work.write_records("p02_data", work.read_input("p01_data"), card={"source": "made", "licence": "CC0-1.0"})
    work.log_document({"quality": 1.0})
    work.check("ready", True)
"""


@dataclass(frozen=True, slots=True)
class Wheel(Commands):
    """A flywheel of two projects on a store, by its commands."""

    def turn(self, iteration: int, *words: str | Path, code: int = 0) -> dict[str, Any]:
        """Run both pipelines, assemble, and read what the iteration did with its tasks."""
        self("run-projects", "-i", str(iteration), "--jobs", "1", *words)
        return self.assembled(iteration, code=code)

    def assembled(self, iteration: int, code: int = 0) -> dict[str, Any]:
        out = self.root / f"out{iteration}"
        self("assemble", "-i", str(iteration), "--out", out, code=code)
        path = out / "reports" / "tasks.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}

    def hidden(self, iteration: int) -> float:
        path = self.root / f"out{iteration}" / "reports" / "metrics.json"
        return float(json.loads(path.read_text(encoding="utf-8"))["metrics"]["p01.hidden"]["value"])


@pytest.fixture
def wheel(tmp_path: Path, embedded_store: Callable[[], EmbeddedStore], monkeypatch: pytest.MonkeyPatch) -> Wheel:
    """A project that learns from tasks, one that reads its data; neither has a run in every iteration."""
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ana")
    plan = blueprint_document()
    plan["bottlenecks"] = []
    carry = {"allowed": True, "max_age": 2}
    contracts = {
        "p01": contract_document(
            "p01", kpis=[kpi_document("quality"), kpi_document("hidden", target=0.9, n_path="n")], carry=carry
        ),
        "p02": contract_document(
            "p02", stages=["last"], kpis=[kpi_document("quality")], carry=carry, interfaces_in=[{"name": "p01_data"}]
        ),
        "p10": contract_document(
            "p10",
            layers=["governance"],
            registry_role="assembly_layer",
            kpis=[kpi_document("projects", path="project_count", unit="projects")],
            checks={"required": ["py_compile"]},
            interfaces_out=[{"name": "p10_data", "title": "Gate", "format": "opaque", "schema": "opaque"}],
            interfaces_in=[{"name": "p01_data"}],
        ),
    }
    root = write_flywheel(tmp_path / "wheel", blueprint=plan, contracts=contracts)
    (root / "projects" / "p01" / "pipeline.py").write_text(LEARNER)
    (root / "projects" / "p02" / "pipeline.py").write_text(READER)
    return Wheel(root, embedded_store().uri)


def task_file(folder: Path, iteration: int = 2, **changed: Any) -> Path:
    folder.mkdir(exist_ok=True)
    task = {
        "id": "p01-words", "project": "p01", "iteration": iteration, "theme": "words", "request": "Learn it.",
        "kpi": "hidden", "moves": ["p01_data/quality_signals.length", "p02"], "payload": {"words": ["headcount"]},
    } | changed  # fmt: skip
    (folder / "words.json").write_text(json.dumps(task))
    return folder


def run_without_tasks(wheel: Wheel, iteration: int, project: str = "p01") -> None:
    """What a pipeline does that is started by itself, without the product handing it anything."""
    file = wheel.root / "projects" / project / "pipeline.py"
    pipeline = load_pipeline(file)
    run_pipeline(file, pipeline.build, pipeline.faults, iteration=iteration, tracking_uri=wheel.uri)


def test_a_gain_is_kept_until_somebody_withdraws_it(wheel: Wheel, tmp_path: Path) -> None:
    """Gained from a file, kept without it, lost by a run outside, restored by the next, withdrawn, taken up again."""
    wheel.turn(1)
    gained = wheel.turn(2, "--tasks", task_file(tmp_path / "tasks"))
    (absorbed,) = gained["absorbed"]
    assert (absorbed["task"], absorbed["kpi"], absorbed["helped"]) == ("p01-words", "p01.hidden", "helped")
    assert absorbed["moves"] == ["p01_data/quality_signals.length", "p02"]
    assert wheel.json("assemble", "-i", "2")["unchanged"] is True
    (listed,) = wheel.json("task", "list")["tasks"]
    assert (listed["theme"], listed["theme_iteration"], listed["absorbed"]["iteration"]) == ("words", None, 2)

    kept = wheel.turn(3)
    about = {"task": "p01-words", "project": "p01", "kpi": "p01.hidden", "moves": absorbed["moves"], "absorbed_in": 2}
    assert (kept["kept"], kept["lost"], kept["absorbed"]) == ([about], [], [])
    assert wheel.hidden(3) == 1.0
    assert wheel.json("task", "show", "p01-words")["task"]["payload"] == {"words": ["headcount"]}

    run_without_tasks(wheel, 4)
    lost = wheel.assembled(4)
    why = "absorbed in iteration 2, and its run did not read it"
    assert (lost["kept"], lost["lost"]) == ([], [about | {"why": why}])
    assert wheel.hidden(4) == 0.25
    first = wheel("drift", "-i", "4", "--against", "3", "--json", code=1).json["findings"][0]
    assert (first["subject"], first["outcome"]) == ("p01.hidden", "worse")
    assert first["text"].startswith("worse: p01-words, absorbed before, was not handed on;")
    told = wheel("assemble", "-i", "4").err
    assert "LOST: the gain of task p01-words for p01 (p01.hidden)" in told
    assert "`flywheel run-projects --iteration 4 --only p01`" in told
    assert wheel.json("assemble", "-i", "4")["lost_tasks"] == {"p01-words": why}
    assert "**Lost**: `p01-words` for p01" in (wheel.root / "out4" / "reports" / "report.md").read_text()
    wheel("report", "-i", "4", "--out", wheel.root / "page")
    (page,) = (wheel.root / "page").rglob("*.html")
    assert "1 absorbed task lost: p01-words of p01" in page.read_text(encoding="utf-8")

    assert wheel.turn(5)["kept"] == [about]
    assert wheel.hidden(5) == 1.0

    withdraw = ("task", "withdraw", "p01-words", "--reason", "the word is gone from the reports")
    assert wheel.json(*withdraw, "--dry-run")["event"] is None
    wheel(*withdraw)
    assert "was withdrawn by ana" in wheel(*withdraw, code=1).err
    waiting = wheel("run-projects", "-i", "6", "--jobs", "1", "--tasks", tmp_path / "tasks").out
    assert "task p01-words waits: withdrawn by ana: the word is gone from the reports" in waiting
    gone = wheel.assembled(6)
    assert (gone["kept"], gone["lost"]) == ([], [])
    (entry,) = gone["withdrawn"]
    assert (entry["task"], entry["absorbed_in"], entry["by"]) == ("p01-words", 2, "ana")
    assert wheel.hidden(6) == 0.25
    assert "withdrawn: 1" in (wheel.root / "out6" / "reports" / "report.md").read_text()

    wheel("task", "restore", "p01-words", "--reason", "the word is back")
    assert "is not withdrawn" in wheel("task", "restore", "p01-words", "--reason", "again", code=1).err
    assert "p01-words" in wheel("task", "withdraw", "p01-word", "--reason", "x", code=2).err
    assert wheel.json("task", "write", "-i", "7", "--out", tmp_path / "handed")["written"] == ["p01-words"]
    wheel("audit")


def test_an_iteration_that_is_carried_keeps_its_gain(wheel: Wheel, tmp_path: Path) -> None:
    """The carried run read the task; one that is older than the gain would not have."""
    wheel.turn(1, "--tasks", task_file(tmp_path / "tasks", iteration=1))
    (kept,) = wheel.turn(2, "--only", "p02")["kept"]
    assert (kept["task"], kept["project"], kept["absorbed_in"]) == ("p01-words", "p01", 1)
    run = wheel.json("collect", "-i", "2")["evidence"]
    assert run["p01"]["carried_from"] == 1
    (read,) = run["p02"]["interfaces_in"]
    assert (read["name"], read["carried_from"]) == ("p01_data", 1)


def test_inputs_are_carried_no_further_than_the_contract_allows(wheel: Wheel) -> None:
    """One project of a new iteration runs alone; beyond its producer's limit the producer runs too, which is told."""
    wheel("run-projects", "-i", "1", "--jobs", "1")
    assert "too" not in wheel("run-projects", "-i", "3", "--only", "p02", "--jobs", "1").err
    with pytest.raises(MissingVersion, match="p01 has no valid run in iteration 4 nor in the 2 before") as missing:
        run_without_tasks(wheel, 4, "p02")
    assert "flywheel run-projects --iteration 4 --only p01,p02" in str(missing.value.hint)
    again = wheel("run-projects", "-i", "4", "--only", "p02", "--jobs", "1", "--json")
    assert [item["project_id"] for item in again.json["projects"]] == ["p01", "p02"]
    assert "p01 runs too: needed in iteration 4, and cannot be carried" in again.err


def test_a_release_holds_what_it_pinned(wheel: Wheel, tmp_path: Path) -> None:
    """A task that the same iteration absorbed after the release was made is in the next release, not in that one."""
    wheel.turn(1)
    wheel("release", "create", "-i", "1")
    wheel.turn(1, "--tasks", task_file(tmp_path / "tasks", iteration=1))
    (task,) = wheel.json("task", "list")["tasks"]
    assert (task["absorbed"]["iteration"], task["release"]) == (1, None)
    wheel("release", "create", "-i", "1")
    wheel.turn(2)
    wheel("release", "create", "-i", "2")
    assert [item["release"] for item in wheel.json("task", "list")["tasks"]] == [2]
    assert wheel.json("task", "show", "p01-words")["release"] == 2


def test_one_id_is_one_task(wheel: Wheel, tmp_path: Path) -> None:
    """The same file given again is handed once; another content under its id is refused, with both named."""
    given = task_file(tmp_path / "tasks", iteration=1)
    wheel.turn(1, "--tasks", given)
    assert len(wheel.turn(2, "--tasks", given)["kept"]) == 1
    changed = task_file(tmp_path / "changed", iteration=1, payload={"words": ["salary"]})
    told = wheel("run-projects", "-i", "3", "--tasks", changed, code=2).err
    run_id = wheel.json("task", "list")["tasks"][0]["run_id"]
    assert "the file of task p01-words differs" in told
    assert run_id in told
    assert str(changed) in told
    later = task_file(tmp_path / "later", iteration=9, id="p01-later")
    assert wheel.json("task", "write", "-i", "2", "--out", tmp_path / "out")["written"] == ["p01-words"]
    wheel("run-projects", "-i", "2", "--jobs", "1", "--tasks", later)
    unknown = task_file(tmp_path / "unknown", id="p01-new", moves=["p99.hit_rate"])
    assert "p99.hit_rate" in wheel("run-projects", "-i", "2", "--tasks", unknown, code=2).err


def test_what_cannot_be_written_down_is_said(wheel: Wheel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who may not write decisions assembles, and is told which absorption nobody will remember."""
    wheel("run-projects", "-i", "1", "--jobs", "1", "--tasks", task_file(tmp_path / "tasks", iteration=1))

    def refuse(*_: object, **__: object) -> None:
        raise ServerRefused("you may not write here", code="PERMISSION_DENIED")

    with monkeypatch.context() as patch:
        patch.setattr("flywheel_mlflow.operations.acts.following.act_somewhere", refuse)
        told = wheel("assemble", "-i", "1", code=4).err
    assert "NOT RECORDED: the absorption of task p01-words: you may not write here" in told
    assert wheel.json("task", "list")["tasks"] == []
    wheel("assemble", "-i", "1")
    assert len(wheel.json("task", "list")["tasks"]) == 1
