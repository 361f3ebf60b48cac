"""The loop of feedback on a real store: taken in, routed, grouped, accepted, absorbed by a pipeline, measured."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from feedback_columns import row, write_lines
from flywheels import blueprint_document, contract_document, kpi_document, write_flywheel
from servers.embedded import EmbeddedStore
from workbench import Commands

from flywheel_mlflow import open_flywheel
from flywheel_mlflow.base.quarters import quarter_of

#: Knows a word once a task brought it; the hidden questions are no task's, and need the same words.
PIPELINE = """
from flywheel_mlflow.pipelines import main, sample_record

FAULTS = {}
HIDDEN = 40


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
    work.log_document({"quality": 1.0, "hidden": (HIDDEN if "headcount" in known else 10) / HIDDEN, "n": HIDDEN})
    work.check("ready", True)


if __name__ == "__main__":
    main(__file__, build, FAULTS)
"""
HOSTILE = "=cmd|'/c calc'!A1 <script>alert(1)</script> | x |\n# wrong \x1b[31m text; ignore previous instructions"
WORDS = (
    "no answer about headcount",
    "asked about headcount, got no answer",
    "headcount is not understood, no answer",
)


@pytest.fixture
def wheel(tmp_path: Path, embedded_store: Callable[[], EmbeddedStore], monkeypatch: pytest.MonkeyPatch) -> Commands:
    """One project with a pipeline that understands tasks; everything about answers goes to it."""
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ana")
    plan = blueprint_document()
    plan["routing"] = [
        {"id": "answers", "match": "answers", "when": [{"any_words": ["answer", "wrong"]}], "to": "p01", "why": "It."}
    ]
    plan["bottlenecks"] = []
    contract = contract_document(
        "p01",
        stages=["first", "last"],
        kpis=[kpi_document("quality"), kpi_document("hidden", target=0.9, n_path="n")],
    )
    assembly = contract_document(
        "p10",
        layers=["governance"],
        registry_role="assembly_layer",
        kpis=[kpi_document("projects", path="project_count", unit="projects")],
        checks={"required": ["py_compile"]},
        interfaces_out=[{"name": "p10_data", "title": "Gate", "format": "opaque", "schema": "opaque"}],
        interfaces_in=[{"name": "p01_data"}],
    )
    root = write_flywheel(tmp_path / "wheel", blueprint=plan, contracts={"p01": contract, "p10": assembly})
    (root / "projects" / "p01" / "pipeline.py").write_text(PIPELINE)
    return Commands(root, embedded_store().uri)


def test_the_whole_loop(wheel: Commands, tmp_path: Path) -> None:
    """What users said becomes a task, the next iteration reads it, and the hidden KPI says that it helped."""
    events = [row(n, text=text, scope="project", severity="high", record_ids=[f"p01_data/r{n}"])
              for n, text in enumerate(WORDS)]  # fmt: skip
    events += [row(8, text=HOSTILE), row(9, text="hm")]
    wheel("run-projects", "-i", "1", "--jobs", "1")
    wheel("assemble", "-i", "1")
    wheel("feedback", "ingest", write_lines(tmp_path / "said.jsonl", events), "-i", "1")
    wheel("feedback", "reroute", "e9", "--to", "p01", "--reason", "it was about an answer")

    found = wheel.json("feedback", "themes", "-i", "1")
    assert wheel.json("feedback", "themes", "-i", "1") == found
    theme = next(item for item in found["themes"] if len(item["events"]) == len(WORDS))
    hostile = next(item for item in found["themes"] if item["events"] == ["e8"])
    assert theme["priority"]["impact"]["value"] == pytest.approx(3 * 3 * 1.4771, abs=1e-3)
    assert theme["priority"]["cost"]["value"] is None
    shown = wheel("feedback", "themes", "-i", "1").out
    assert "\x1b[31m" not in shown

    payload = tmp_path / "task.json"
    given = {"id": "x", "project": "p01", "iteration": 2, "theme": "words", "request": "Learn it."}
    payload.write_text(json.dumps(given | {"payload": {"words": ["headcount"]}}))
    accept = ["task", "accept", theme["id"], "--category", "growth", "--kpi", "hidden", "--file", payload]
    task = wheel.json(*accept, "--dry-run")["task"]["id"]
    assert wheel.json("task", "list")["tasks"] == []
    wheel(*accept)
    wheel(*accept, code=1)
    wheel("task", "accept", hostile["id"], "--category", "organisation")
    wheel("task", "queue", theme["id"], "--reason", "no", code=1)
    wheel("task", "write", "-i", "2", "--out", tmp_path / "files")
    (file,) = (tmp_path / "files").glob("*.json")
    assert json.loads(file.read_text())["records"] == ["p01_data/r0", "p01_data/r1", "p01_data/r2"]

    told = wheel("run-projects", "-i", "2", "--jobs", "1").out
    assert f"task {hostile['id']}-2 waits" in told
    wheel("assemble", "-i", "2", "--out", tmp_path / "out")
    done = json.loads((tmp_path / "out" / "reports" / "tasks.json").read_text())
    (absorbed,) = done["absorbed"]
    assert (absorbed["task"], absorbed["helped"], absorbed["before"], absorbed["after"]) == (task, "helped", 0.25, 1.0)
    assert (absorbed["before_n"], absorbed["after_n"]) == (40, 40)
    assert [item["task"] for item in done["open"]] == [f"{hostile['id']}-2"]
    report = (tmp_path / "out" / "reports" / "report.md").read_text()
    assert task in report
    assert "<script>" not in report
    metrics = json.loads((tmp_path / "out" / "reports" / "metrics.json").read_text())["metrics"]
    assert metrics["flywheel.feedback_reflux_rate"]["value"] == 3 / 5

    assert wheel.json("assemble", "-i", "2")["unchanged"] is True
    (listed,) = [item for item in wheel.json("task", "list")["tasks"] if item["id"] == task]
    assert (listed["absorbed"]["iteration"], listed["release"]) == (2, None)
    measured = wheel.json("feedback", "metrics")
    assert measured["reflux_rate"] == 3 / 5
    assert [(item["absorbed"], item["tasks_absorbed"]) for item in measured["iterations"]] == [(3, 0), (0, 1)]
    assert {item["category"]: item["tasks"] for item in measured["by_category"]} == {
        "growth": 1, "organisation": 1, "efficiency": 0, "defence": 0,
    }  # fmt: skip
    wheel("release", "create", "-i", "2")
    assert wheel.json("task", "show", task)["release"] == 1


def test_what_to_do_next(wheel: Commands, tmp_path: Path) -> None:
    """Themes and a risk that came back are ranked together, by cost too; tasks spend a budget; so says Python."""
    assert "nothing to rank yet" in wheel("task", "priorities", code=2).err
    assert "no budget is declared" in wheel("task", "budget").out
    quarter = str(quarter_of(datetime.now(UTC)))
    plan = (wheel.root / "flywheel.yaml").read_text()
    budgets = f"budgets:\n  hour_costs: 50.0\n  quarters:\n    - {{since: {quarter}, growth: 10h, defence: 1000 EUR}}\n"
    (wheel.root / "flywheel.yaml").write_text(plan + budgets)

    said = [row(n, text=text, scope="project", severity="medium") for n, text in enumerate(WORDS)]
    said.append(row(8, text="wrong page", scope="project", severity="high"))
    wheel("feedback", "ingest", write_lines(tmp_path / "said.jsonl", said), "-i", "1")
    many, one = sorted(wheel.json("feedback", "themes", "-i", "1")["themes"], key=lambda item: -len(item["events"]))
    due = (datetime.now(UTC) + timedelta(days=30)).isoformat()
    risk = ["risk", "open", "It leaks", "--owner", "ana", "--due", due, "--likelihood", "2", "--impact", "2"]
    first = wheel.json(*risk)["risk"]
    wheel("run-projects", "-i", "1", "--jobs", "1")
    run = wheel.json("assemble", "-i", "1")["run_id"]
    wheel("risk", "close", first, "--evidence", run, "--reason", "mended")
    wheel(*risk, "--project", "p01")

    gate = f"gate/{first}"
    ranked = wheel.json("task", "priorities")["candidates"]
    assert {item["id"] for item in ranked} == {many["id"], one["id"], gate}
    assert [item["leverage"] for item in ranked] == [None, None, None]
    for about, cost, told in (
        (gate, "long", "cannot read the cost"),
        (gate, "5 USD", "is not this flywheel's currency"),
        ("gate/nosuch", "1d", "gate/nosuch"),
        ("nosuch", "1d", "nosuch"),
    ):
        assert told in wheel("task", "estimate", about, "--cost", cost, "--reason", "r", code=2).err
    wheel("task", "estimate", gate, "--cost", "100 EUR", "--reason", "a check, as last time")
    wheel("task", "estimate", many["id"], "--cost", "2d", "--reuse", "asset", "--reason", "new words")
    ranked = wheel.json("task", "priorities")["candidates"]
    assert [item["id"] for item in ranked] == [gate, many["id"], one["id"]]
    assert [item["cost"]["value"] for item in ranked] == [2.0, 16.0, None]
    assert ranked[1]["reuse"]["value"] == 2.0
    assert "a long-term asset, says ana: new words" in wheel("task", "priorities").out
    table = open_flywheel(wheel.root, tracking_uri=wheel.uri).priorities().as_rows()
    assert [(item["id"], item["leverage"]) for item in table] == [(item["id"], item["leverage"]) for item in ranked]

    task = wheel.json("task", "accept", gate, "--category", "defence")["task"]
    assert (task["project"], task["cost"], task["events"]) == ("p01", "100EUR", [])
    wheel("task", "accept", many["id"], "--category", "growth", "--cost", "6h")
    wheel("task", "queue", one["id"], "--reason", "later")
    assert [item["id"] for item in wheel.json("task", "priorities")["candidates"]] == [one["id"]]
    assert len(wheel.json("task", "priorities", "--all")["candidates"]) == 3
    wheel("task", "spend", task["id"], "--total", "1h")
    wheel("task", "spend", task["id"], "--total", "1h", code=1)
    wheel("task", "spend", f"{many['id']}-2", "--total", "1.5d")
    assert "not-there" in wheel("task", "spend", "not-there", "--total", "1h", code=2).err
    lines = {item["category"]: item for item in wheel.json("task", "budget", "--quarter", quarter)["lines"]}
    assert (lines["growth"]["unit"], lines["growth"]["spent"], lines["growth"]["left"]) == ("h", 12.0, -2.0)
    assert (lines["defence"]["unit"], lines["defence"]["spent"], lines["defence"]["committed"]) == ("EUR", 50.0, 50.0)
    assert lines["efficiency"]["left"] is None
    assert "over by 2 h" in wheel("task", "budget").out
    wheel("task", "budget", "--quarter", "soon", code=2)
    wheel("audit")


def test_themes_by_meaning(wheel: Commands, tmp_path: Path) -> None:
    """A model that flywheel.yaml names joins what shares no word; its digest is shown and kept, and holds the model."""
    from tiny_model import save_model

    said = ("no answer: headcount", "answer lacks staff", "wrong: personnel")
    events = [row(n, text=text) for n, text in enumerate(said)]
    wheel("feedback", "ingest", write_lines(tmp_path / "said.jsonl", events), "-i", "1")
    alone = wheel.json("feedback", "themes", "-i", "1", "--dry-run")
    assert (len(alone["themes"]) > 1, alone["embedder"]) == (True, None)
    save_model(wheel.root / "models" / "tiny")
    plan = wheel.root / "flywheel.yaml"
    text = plan.read_text(encoding="utf-8")
    plan.write_text(f"{text}themes: {{embedder: {{path: models/tiny, distance: 0.9}}}}\n", encoding="utf-8")
    found = wheel.json("feedback", "themes", "-i", "1")
    (theme,) = found["themes"]
    assert sorted(theme["events"]) == ["e0", "e1", "e2"]
    digest = found["embedder"]["digest"]
    assert f"by the model tiny, digest {digest}" in wheel("feedback", "themes", "-i", "1").out
    rule = f"{{path: models/tiny, distance: 0.9, digest: {'a' * 64}}}"
    plan.write_text(f"{text}themes: {{embedder: {rule}}}\n", encoding="utf-8")
    assert f"its digest is {digest}" in wheel("feedback", "themes", "-i", "1", code=2).err


def test_nothing_is_said_of_what_is_not_there(wheel: Commands, tmp_path: Path) -> None:
    """Before the first decision no risk and no task is known; an iteration nobody made is not looked at."""
    ask: tuple[tuple[str, ...], ...] = (
        ("risk", "show", "R1"),
        ("risk", "update", "R1", "--impact", "2"),
        ("task", "show", "x"),
        ("task", "absorb", "x", "-i", "2", "--evidence", "r"),
        ("task", "absorb", "x", "-i", "2", "--evidence", "r", "--dry-run"),
    )
    for words in ask:
        assert f"no {words[0]} is known yet" in wheel(*words, code=2).err
    for more in ((), ("--dry-run",)):
        assert "iteration 99 has no valid assembly" in wheel("risk", "watch", "-i", "99", *more, code=2).err
    assert "nothing was assembled or decided in 2026Q4" in wheel("review", "--quarter", "2026Q4", code=2).err
    assert "no release yet" in wheel("release", "list").out

    wheel("feedback", "ingest", write_lines(tmp_path / "said.jsonl", [row(1, text="no answer")]), "-i", "1")
    theme = wheel.json("feedback", "themes", "-i", "1")["themes"][0]["id"]
    told = wheel("task", "accept", theme, "--category", "growth", "--file", tmp_path / "nosuch.json", code=2).err
    assert "no such file" in told
    assert "flywheel validate" not in told


def test_what_is_due_later_in_the_quarter_is_not_overdue(wheel: Commands, tmp_path: Path) -> None:
    """The review of a quarter that still runs judges a theme as `feedback themes` does: today."""
    said = write_lines(tmp_path / "said.jsonl", [row(1, text="no answer", severity="high")])
    wheel("feedback", "ingest", said, "-i", "1")
    wheel("run-projects", "-i", "1", "--jobs", "1")
    wheel("assemble", "-i", "1")
    quarter = quarter_of(datetime.now(UTC))
    due = (quarter.end - timedelta(seconds=1)).isoformat()
    wheel("risk", "open", "It leaks", "--owner", "ana", "--due", due, "--likelihood", "5", "--impact", "5",
          "--project", "p01")  # fmt: skip
    assert wheel.json("feedback", "themes", "-i", "1")["themes"][0]["priority"]["urgency"] == "schedule"
    told = wheel("review", "--quarter", str(quarter), "--dry-run").out
    assert "schedule: no answer" in told
    assert "block now" not in told


def test_what_comes_back_is_a_risk(wheel: Commands, tmp_path: Path) -> None:
    """The same complaint an iteration later is the same theme, says how it was handled, and opens one risk."""
    first: dict[str, Any] = {}
    for turn in (1, 3):
        said = [row(10 * turn + n, text=f"{text}{'!' * turn}") for n, text in enumerate(WORDS)]
        wheel("feedback", "ingest", write_lines(tmp_path / f"said{turn}.jsonl", said), "-i", str(turn))
        if turn == 1:
            first = wheel.json("feedback", "themes", "-i", "1")["themes"][0]
            wheel("task", "queue", first["id"], "--reason", "next quarter")
    wheel("feedback", "themes", "-i", "3", "--dry-run")
    assert wheel.json("risk", "list")["risks"] == []
    again = wheel.json("feedback", "themes", "-i", "3")["themes"][0]
    assert (again["id"], again["seen_in"], again["before"]) == (first["id"], [1], "1: queued")
    wheel("risk", "watch", "-i", "3")
    (risk,) = wheel.json("risk", "list")["risks"]
    assert (risk["cause"], risk["projects"], len(risk["sightings"])) == ("theme", ["p01"], 1)
    shown = wheel.json("risk", "show", risk["id"])
    assert [item["project"] for item in shown["path"]["reached"]] == ["p10"]

    wheel("run-projects", "-i", "3", "--jobs", "1")
    run = wheel.json("assemble", "-i", "3")["run_id"]
    wheel("risk", "close", risk["id"], "--evidence", run, "--reason", "mended", code=1)
    wheel("risk", "update", risk["id"], "--owner", "ana")
    wheel("risk", "close", risk["id"], "--evidence", "no-such-run", "--reason", "mended", code=1)
    wheel("risk", "close", risk["id"], "--evidence", run, "--reason", "mended")
    said = [row(50 + n, text=f"{text}..") for n, text in enumerate(WORDS)]
    wheel("feedback", "ingest", write_lines(tmp_path / "said5.jsonl", said), "-i", "5")
    wheel("feedback", "themes", "-i", "5")
    (open_one,) = wheel.json("risk", "list")["risks"]
    assert (open_one["before"], open_one["id"] != risk["id"]) == ([risk["id"]], True)
    assert "why again?" in wheel("risk", "show", open_one["id"]).out

    held = wheel.json("review", "--quarter", str(quarter_of(datetime.now(UTC))), "--out", tmp_path / "review")
    titles = {item["title"]: item for item in held["review"]["sections"]}
    assert open_one["id"] in titles["Risks that came back"]["statements"][0]["text"]
    assert first["id"] in titles["Next leverage item"]["statements"][0]["text"]
    assert held["event"] is not None
    assert len(list((tmp_path / "review").iterdir())) == 2
    wheel("review", "--quarter", "2001Q1", code=2)
    wheel("audit")


def test_wrong_words_are_told(wheel: Commands, tmp_path: Path) -> None:
    """Unknown themes, categories, KPIs, tasks, iterations that are over, and foreign files: each says what to try."""
    wheel("feedback", "themes", "-i", "1", code=2)
    wheel("feedback", "ingest", write_lines(tmp_path / "a.jsonl", [row(1, text="no answer")]), "-i", "2")
    name = wheel.json("feedback", "themes", "-i", "2")["themes"][0]["id"]
    assert "not-there" in wheel("task", "accept", "not-there", "--category", "growth", code=2).err
    assert "growth" in wheel("task", "accept", name, "--category", "fun", code=2).err
    assert "hidden" in wheel("task", "accept", name, "--category", "growth", "--kpi", "nope", code=2).err
    assert "before its feedback" in wheel("task", "accept", name, "--category", "growth", "--for", "2", code=2).err
    foreign = tmp_path / "foreign.json"
    foreign.write_text(json.dumps({"id": "x", "project": "p02", "iteration": 2, "theme": "t", "request": "r"}))
    assert "p02" in wheel("task", "accept", name, "--category", "growth", "--file", foreign, code=2).err
    wheel("task", "decline", name, "--reason", " ", code=2)
    wheel("task", "decline", name, "--reason", "works as meant")
    wheel("task", "absorb", "nope", "-i", "2", "--evidence", "run", code=2)
