"""A small flywheel that can turn by itself: two pipelines, one of which reads the other, and files of feedback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from feedback_columns import row, write_lines
from flywheels import contract_document, write_flywheel
from releases_bench import MANAGER, releases_blueprint, releases_contracts
from workbench import fresh_name

#: Makes its records, or those it reads once more; the check `tidy` always fails, which every iteration finds.
PIPELINE = """
from flywheel_mlflow.pipelines import main, sample_record

FAULTS = {}


def build(work):
    if work.run.contract.interfaces_in:
        work.read_input("p01_data")
    records = [
        sample_record(
            id=f"r{n}", source={"name": "made", "license": "CC0-1.0"}, content=f"Sentence {n} about topic {n}.",
            metadata={"license": "CC0-1.0"}, quality_signals={"length": 20}, split="train", audit_trace=["made"],
        )
        for n in range(20)
    ]
    work.write_records(f"{work.run.contract.id}_data", records, card={"source": "made", "licence": "CC0-1.0"})
    work.log_document({"quality": 1.0})
    work.check("ready", True)
    work.check("tidy", work.run.contract.id != "p02")


if __name__ == "__main__":
    main(__file__, build, FAULTS)
"""
OPS = {"id": "ops", "kind": "webhook", "url": "${OPS_URL}", "key": "${OPS_KEY}", "events": ["feedback_routed"]}


def scheduled_flywheel(root: Path, **more: Any) -> Path:
    """Its files below ``root``; ``more`` replaces parts of the blueprint."""
    contracts = releases_contracts()
    contracts["p01"]["variants"] = ["plain", "other"]
    contracts["p02"] = contract_document("p02", interfaces_in=[{"name": "p01_data", "fields": ["id", "content"]}])
    contracts["p10"]["interfaces_in"].append({"name": "p02_data"})
    answers = {"id": "answers", "match": "answers", "when": [{"any_words": ["answer"]}], "to": "p01", "why": "It."}
    plan = releases_blueprint(
        routing=[answers],
        mechanisms=[
            {"id": "risks", "title": "Risks reviewed", "owner": "builders", "cadence": "quarterly"},
            {"id": "gates", "title": "Gates looked at", "owner": "builders", "cadence": "weekly", "shown_by": "gate"},
        ],
        schedule={"feedback": [{"files": "feedback/*.jsonl"}]},
    )
    write_flywheel(root, blueprint=plan | {"name": fresh_name()} | more, contracts=contracts)
    for name in ("p01", "p02"):
        (root / "projects" / name / "pipeline.py").write_text(PIPELINE, encoding="utf-8")
    (root / "feedback").mkdir()
    return root


def say(root: Path, number: int, *texts: str) -> None:
    """One more file of feedback."""
    rows = [row(100 * number + n, text=text) for n, text in enumerate(texts)]
    write_lines(root / "feedback" / f"said{number}.jsonl", rows)


__all__ = ["MANAGER", "OPS", "say", "scheduled_flywheel"]
