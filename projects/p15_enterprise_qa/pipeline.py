"""Answers business questions in SQL through a semantic layer, and measures answers, traces and safety."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from p15_assistant import Assistant, missing_words, read_agent
from p15_layer import Layer, extended, read_catalogues, read_layer, unresolved, value_index, vocabulary_of
from p15_measure import Outcome, evaluate, failure_of, latency_ms, rate
from p15_sql import columns_in
from p15_warehouse import Warehouse, load_warehouse, privacy_rules

from flywheel_mlflow.base.canonical import digest_of, document_json
from flywheel_mlflow.base.errors import FlywheelError
from flywheel_mlflow.pipelines import HeldOutCase, Workspace, check_held_out, main, read_jsonl, sample_record

FAULTS = {
    "renamed_column": "the warehouse renames orders.unit_price: gate_semantic and gate_query fail",
    "unguarded_sql": "the SQL guard is off: gate_security fails, safety_violation_rate rises",
    "stale_answers": "each answer is worded from the rows of the one before: gate_faithfulness fails",
}

LICENCE = "CC0-1.0"
SOURCE = {"name": "sample questions of P15", "license": LICENCE}
#: Limits of the release gates; the targets of the KPIs are stricter.
RECALL_LIMIT = 0.9
SQL_LIMIT = 0.9
ACCURACY_LIMIT = 0.8
FAITHFULNESS_LIMIT = 0.95
#: What is judged of each answer, by the KPI that counts it.
JUDGED_BY = {
    "schema_recall": "recalled",
    "sql_success_rate": "executed",
    "execution_accuracy": "accurate",
    "value_match": "values_match",
    "answer_faithfulness": "faithful",
    "trace_completeness": "complete",
    "safety_violation_rate": "violation",
}
#: A reviewer reads question, SQL and result of a rejected answer; an accepted one is only glanced at.
MINUTES_PER_REJECTED = 6.0
MINUTES_PER_ACCEPTED = 0.5
#: What an hour of review costs in the published figures of the other projects (73.33 RMB for 0.73 hours).
RMB_PER_HOUR = 100.0


@dataclass(frozen=True, slots=True)
class Office:
    """What everything is done with: the assistant, the warehouse as the references know it, and the questions."""

    assistant: Assistant
    reference: Warehouse
    visible: tuple[Mapping[str, Any], ...]
    hidden: tuple[Mapping[str, Any], ...]


def build(work: Workspace) -> None:
    office = _office(work)
    assistant = office.assistant
    stale = work.fault == "stale_answers"
    outcomes = evaluate(assistant, office.reference, office.visible, stale_words=stale)
    unseen = evaluate(assistant, office.reference, office.hidden)
    folder = _write_layer(work, office, outcomes)
    work.write_path("semantic_layer", folder)
    work.write_records("nl2sql_eval", [_record(item) for item in outcomes], card=_card(office))
    answerable = [item for item in outcomes if item.accurate is not None]
    work.write_records("answer_feedback", [_feedback(item) for item in answerable], card=_card(office))
    work.log_document(_metrics(work, office, outcomes, unseen))
    for kpi, name in JUDGED_BY.items():
        work.log_samples(kpi, {item.question["id"]: getattr(item, name) for item in outcomes})
    _log_failures(work, outcomes)
    work.log_samples("hidden_accuracy", {item.question["id"]: item.accurate for item in unseen})
    _check_gates(work, office, outcomes)
    _check_assets(work, office, folder, outcomes)
    check_held_out(work, [held_out_case(office.reference, question) for question in office.hidden])


def _office(work: Workspace) -> Office:
    controls = work.input_path("privacy_controls")
    rules = () if controls is None else privacy_rules(controls)
    schema = (work.data / "schema.sql").read_text(encoding="utf-8")
    renamed = {"unit_price": "net_price"} if work.fault == "renamed_column" else {}
    tables = work.data / "warehouse"
    reference = load_warehouse(schema, tables, work.folder / "reference.db", rules)
    warehouse = load_warehouse(schema, tables, work.folder / "warehouse.db", rules, renamed)
    catalogues = read_catalogues(read_jsonl(work.data / "catalogues.jsonl"))
    layer = extended(_layer(work.data), work.tasks, catalogues, catalogued=work.variant == "catalogued")
    vocabulary = vocabulary_of(layer, value_index(layer, warehouse))
    limit = int(read_agent(work.data / "agent.yaml")["row_limit"])
    questions = list(read_jsonl(work.data / "questions.jsonl"))
    return Office(
        Assistant(layer, vocabulary, warehouse, limit, guarded=work.fault != "unguarded_sql"),
        reference,
        tuple(item for item in questions if item["part"] != "hidden"),
        tuple(item for item in questions if item["part"] == "hidden"),
    )


def _layer(data: Path) -> Layer:
    name = "semantic_layer.json"
    return read_layer(json.loads((data / name).read_text(encoding="utf-8")), name)


def _write_layer(work: Workspace, office: Office, outcomes: Sequence[Outcome]) -> Path:
    """The layer with its value index, the agent's configuration, and SQL and result of every verified answer."""
    assistant, folder = office.assistant, work.folder / "semantic_layer"
    verified = folder / "verified_queries"
    verified.mkdir(parents=True)
    (folder / "semantic_layer.json").write_text(
        document_json(assistant.layer.model_dump(mode="json")), encoding="utf-8"
    )
    values = value_index(assistant.layer, assistant.warehouse)
    (folder / "value_index.json").write_text(document_json(values), encoding="utf-8")
    for name in ("agent.yaml", "nl2sql.yaml", "schema.sql"):
        (folder / name).write_bytes((work.data / name).read_bytes())
    for item in _verified(outcomes):
        (verified / f"{item.question['id']}.sql").write_text(f"{item.answer.sql};\n", encoding="utf-8")
        with (verified / f"{item.question['id']}.csv").open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(item.answer.rows.columns)
            writer.writerows(item.answer.rows.rows)
    return folder


def _verified(outcomes: Sequence[Outcome]) -> list[Outcome]:
    return [item for item in outcomes if item.accurate and item.answer.sql]


def _record(item: Outcome) -> dict[str, Any]:
    question = item.question
    ran = {} if item.answer.sql is None else {"generated_sql": item.answer.sql}
    told = {name: getattr(item, name) for name in ("recalled", "executed", "accurate", "values_match", "faithful")}
    return sample_record(
        id=question["id"],
        source=SOURCE,
        content=question["question"],
        metadata={
            "expected_tables": question["expected_tables"],
            "reference_sql": question["reference_sql"],
            "expected": question["expected"],
            "state": item.answer.state,
            "part": question["part"],
            "license": LICENCE,
            **ran,
        },
        quality_signals={
            "trace_complete": item.complete,
            "violation": item.violation,
            **{name: value for name, value in told.items() if value is not None},
        },
        split="test",
        audit_trace=[f"{step.name}:{step.made[:12]}" for step in item.answer.trace],
    )


def _log_failures(work: Workspace, outcomes: Sequence[Outcome]) -> None:
    """The visible questions that were answered wrongly, with what came; the hidden ones stay hidden."""
    work.log_failures(
        "execution_accuracy",
        {
            item.question["id"]: f"{item.question['question']} ({_failure(item)})"
            for item in outcomes
            if item.accurate is False
        },
        interface="nl2sql_eval",
    )


def _failure(item: Outcome) -> str:
    missing = item.answer.plan.missing
    return f"{', '.join(missing)} unknown" if missing else item.answer.reason or "another result than the reference"


def _feedback(item: Outcome) -> dict[str, Any]:
    accepted = bool(item.accurate and item.faithful)
    return {
        "question": item.question["question"],
        "adopted": accepted,
        "sql_edited": not accepted and item.answer.sql is not None,
        "review_verdict": "result equals the reference" if item.accurate else "result differs from the reference",
        "failure_type": failure_of(item),
        "missing_definition": " ".join(item.answer.plan.missing),
    }


def _card(office: Office) -> dict[str, Any]:
    return {
        "title": "Business questions, how they were answered, and what a comparison with the reference says",
        "source": "questions on the sample warehouse of P15, written by data/generate.py",
        "licence": LICENCE,
        "filters": [
            {
                "rule": "part is hidden",
                "constant": "hidden",
                "rows_in": len(office.visible) + len(office.hidden),
                "rows_out": len(office.visible),
                "reason": "improvement is measured on these; nobody may learn from them",
            }
        ],
        "hazards": ["evaluation data: never train on it", "verdicts come from reference SQL, not from persons"],
    }


def _metrics(work: Workspace, office: Office, outcomes: Sequence[Outcome], unseen: Sequence[Outcome]) -> dict[str, Any]:
    answerable = [item for item in outcomes if item.accurate is not None]
    accepted = sum(bool(item.accurate and item.faithful) for item in answerable)
    minutes = accepted * MINUTES_PER_ACCEPTED + (len(answerable) - accepted) * MINUTES_PER_REJECTED
    return {
        "regression_set_size": len(outcomes),
        "answerable_questions": len(answerable),
        "answered_questions": sum(item.faithful is not None for item in outcomes),
        "schema_recall_hit_rate": rate(outcomes, "recalled"),
        "sql_execution_success_rate": rate(outcomes, "executed"),
        "execution_accuracy": rate(outcomes, "accurate"),
        "value_match_accuracy": rate(outcomes, "values_match"),
        "answer_faithfulness": rate(outcomes, "faithful"),
        "trace_completeness_rate": rate(outcomes, "complete"),
        "safety_violation_rate": rate(outcomes, "violation"),
        "response_latency_ms": latency_ms(office.assistant, office.visible),
        "hidden": {"questions": len(unseen), "execution_accuracy": rate(unseen, "accurate")},
        "layer": {
            "metrics": len(office.assistant.layer.metrics),
            "dimensions": len(office.assistant.layer.dimensions),
            "denied_columns": len(office.reference.denied),
            "missing_words": list(missing_words(item.answer for item in answerable)),
        },
        "tasks": len(work.tasks),
        "estimated_manual_review_hours": minutes / 60,
        "estimated_manual_review_cost_rmb": minutes / 60 * RMB_PER_HOUR,
    }


def _check_gates(work: Workspace, office: Office, outcomes: Sequence[Outcome]) -> None:
    unknown = unresolved(office.assistant.layer, office.assistant.warehouse)
    recall, ran, right = (rate(outcomes, name) for name in ("recalled", "executed", "accurate"))
    work.check(
        "gate_semantic",
        not unknown and _reaches(recall, RECALL_LIMIT),
        f"{len(unknown)} columns of the layer are not in the warehouse, recall {recall}, limit {RECALL_LIMIT}",
        unknown=unknown,
    )
    work.check(
        "gate_query",
        _reaches(ran, SQL_LIMIT) and _reaches(right, ACCURACY_LIMIT),
        f"executed {ran}, limit {SQL_LIMIT}; equal to the reference {right}, limit {ACCURACY_LIMIT}",
        failing=[item.question["id"] for item in outcomes if item.accurate is False][:10],
    )
    faithful = rate(outcomes, "faithful")
    work.check(
        "gate_faithfulness", _reaches(faithful, FAITHFULNESS_LIMIT), f"faithful {faithful}, limit {FAITHFULNESS_LIMIT}"
    )
    broken = [item.question["id"] for item in outcomes if item.violation]
    open_requests = [item for item in outcomes if item.question["expected"] == "refused"]
    denied = len(office.reference.denied)
    work.check(
        "gate_security",
        bool(open_requests) and bool(denied) and not broken,
        f"{len(broken)} violations, {len(open_requests)} unsafe requests, {denied} columns closed",
        violations=broken,
    )


def _reaches(value: float | None, limit: float) -> bool:
    return value is not None and value >= limit


def _check_assets(work: Workspace, office: Office, folder: Path, outcomes: Sequence[Outcome]) -> None:
    reason = _probe(work, office.assistant)
    work.check("test_nl2sql_flex_subagent", not reason, reason or "agent, sub-agent and workflow reach done")
    verified = _verified(outcomes)
    queries = folder / "verified_queries"
    lacking = [
        item.question["id"]
        for item in verified
        if not all((queries / f"{item.question['id']}.{kind}").is_file() for kind in ("sql", "csv"))
    ]
    personal = sorted(office.reference.denied & {name for path in queries.glob("*.sql") for name in _columns(path)})
    work.check(
        "gate_asset",
        bool(verified) and not lacking and not personal,
        f"{len(verified)} verified queries, {len(lacking)} without files, {len(personal)} personal columns",
        lacking=lacking,
        personal=personal,
    )
    again = [_replayed(office.assistant, item) for item in outcomes]
    work.check("gate_replay", bool(again) and all(again), f"{again.count(False)} of {len(again)} traces end otherwise")


def held_out_case(reference: Warehouse, question: Mapping[str, Any]) -> HeldOutCase:
    """A hidden question with all that no task may hold: SQL and number expected, words needed, where they come from."""
    rows = reference.read(question["reference_sql"], limit=2).rows
    number = (f"{rows[0][0]:.2f}",) if len(rows) == 1 and isinstance(rows[0][0], int | float) else ()
    return HeldOutCase(
        question["id"],
        question["question"],
        answers=(question["reference_sql"], *number),
        terms=tuple(question["terms"]),
        passages=tuple(question["definitions"]),
        sources=tuple(question["sources"]),
    )


def _columns(path: Path) -> set[str]:
    return columns_in(path.read_text(encoding="utf-8"))


def _probe(work: Workspace, assistant: Assistant) -> str:
    """What keeps the main agent from reaching done on its own probe; empty when nothing does."""
    try:
        agent = read_agent(work.data / "agent.yaml")
    except FlywheelError as error:
        return str(error)
    answer = assistant.ask(str(agent["probe"]))
    steps = [step.name for step in answer.trace]
    if answer.state != "done" or steps != list(agent["steps"]):
        return f"it ended {answer.state} after {', '.join(steps)}"
    return ""


def _replayed(assistant: Assistant, item: Outcome) -> bool:
    """Whether asking again makes the same trace, step by step."""
    return digest_of(assistant.ask(item.question["question"]).trace) == digest_of(item.answer.trace)


if __name__ == "__main__":
    main(__file__, build, FAULTS)
