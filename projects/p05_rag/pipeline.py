"""Builds a page index of financial reports, asks it the evaluation questions, and measures the answers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from p05_answers import PAGES, Outcome, evaluate, latency_ms, rate, repair_hint
from p05_index import SCANS, PageIndex, build_index, load_index, save_index
from p05_inputs import Extension, extension_of, held_out_cases, known_words, regressed_inputs
from p05_pages import Block, PersonalRule, personal_kinds, personal_rules, split_page, without_personal_data

from flywheel_mlflow.pipelines import Workspace, check_held_out, main, read_jsonl, sample_record

FAULTS = {
    "slower_index": f"answers read every block {SCANS} times before they use the index: latency_ms rises",
    "shifted_pages": "pages are numbered one too high, as when a cover is counted: hit rate and citations fall",
    "leaked_pii": "blocks with contact data are indexed: no_personal_data_in_index fails",
}

LICENCE = "CC0-1.0"
SOURCE = {"name": "sample annual reports of P05", "license": LICENCE}
#: Below this an index helps nobody: one question in seven goes wrong.
REASONABLE_RATE = 0.85
#: What the variant `resolved` reads unasked: it searches for what the abbreviations of a question mean.
RESOLVED = ("glossary",)
#: Files without which nobody can load the index.
INDEX_FILES = ("blocks.jsonl", "synonyms.json", "vocab.index.json", "params.index.json", "data.csc.index.npy")


def build(work: Workspace) -> None:
    rules = _privacy_rules(work)
    questions = list(read_jsonl(work.data / "questions.jsonl"))
    visible = [question for question in questions if question["part"] != "hidden"]
    hidden = [question for question in questions if question["part"] == "hidden"]
    documents = list(read_jsonl(work.data / "documents.jsonl"))
    added = extension_of(work.tasks, documents, RESOLVED if work.variant == "resolved" else ())
    pages = _pages(work, added)
    blocks = [block for page in pages for block in split_page(page["page"], page["text"])]
    kept = blocks if work.fault == "leaked_pii" else without_personal_data(blocks, rules)
    index = build_index(kept, added.synonyms)
    folder = work.folder / "knowledge_index"
    save_index(index, folder)
    work.write_path("knowledge_index", folder)
    outcomes, unseen = evaluate(index, visible), evaluate(index, hidden)
    work.write_records("retrieval_metrics", (_record(index, item) for item in outcomes), card=_card(questions, visible))

    served = replace(index, scans=SCANS) if work.fault == "slower_index" else index
    work.log_document(
        {
            "num_queries": len(outcomes),
            f"retrieval_hit_rate_at_{PAGES}": rate(outcomes, "retrieval_ok"),
            "citation_accuracy": rate(outcomes, "citation_ok"),
            "answer_keyword_accuracy": rate(outcomes, "keyword_ok"),
            "index_summary": _summary(blocks, kept),
            "estimated_average_latency_ms": latency_ms(served, visible),
            "num_failure_replays": sum(not item.retrieval_ok for item in outcomes),
            "hidden": {
                "num_queries": len(unseen),
                f"hit_rate_at_{PAGES}": rate(unseen, "retrieval_ok"),
                "citation_accuracy": rate(unseen, "citation_ok"),
            },
            "tasks": {"synonyms": len(added.synonyms), "pages": len(added.pages)},
            "feedback": {
                name: known_words(index, work.read_input(name))
                for name in ("reasoning_feedback", "agent_training_data")
            },
        }
    )
    _log_samples(work, outcomes, unseen)
    _log_failures(work, index, outcomes)
    _check_index(work, index, folder, rules)
    _check_answers(work, outcomes, evaluate(load_index(folder), visible))
    check_held_out(work, held_out_cases(hidden, [*read_jsonl(work.data / "pages.jsonl"), *documents]))
    _check_sources(work)


def _privacy_rules(work: Workspace) -> tuple[PersonalRule, ...]:
    path = work.input_path("privacy_controls")
    return () if path is None else personal_rules(path)


def _pages(work: Workspace, added: Extension) -> list[Mapping[str, str]]:
    pages: list[Mapping[str, str]] = [*read_jsonl(work.data / "pages.jsonl"), *added.pages]
    if work.fault == "shifted_pages":
        return [{**page, "page": _one_higher(page["page"])} for page in pages]
    return pages


def _one_higher(page: str) -> str:
    return re.sub(r"\d+$", lambda match: f"{int(match[0]) + 1:0{len(match[0])}d}", page)


def _summary(blocks: Sequence[Block], kept: Sequence[Block]) -> dict[str, Any]:
    kinds = Counter(block.kind for block in kept)
    return {
        "num_pages": len({block.page for block in kept}),
        "num_blocks": len(kept),
        "block_type_distribution": {"table_like": kinds["table_like"], "chart_like": kinds["chart_like"]},
        "blocks_kept_out": len(blocks) - len(kept),
    }


def _record(index: PageIndex, outcome: Outcome) -> dict[str, Any]:
    question, given = outcome.question, outcome.answer
    hint = {} if outcome.retrieval_ok else {"repair_hint": repair_hint(index, outcome)}
    return sample_record(
        id=question["id"],
        source=SOURCE,
        content=question["query"],
        metadata={
            "page": question["expected_pages"][0],
            "expected_pages": question["expected_pages"],
            "retrieved_pages": list(given.pages),
            "answer": given.text,
            "cited": given.cited,
            "part": question["part"],
            "license": LICENCE,
            **hint,
        },
        quality_signals={
            "retrieval_ok": outcome.retrieval_ok,
            "citation_ok": outcome.citation_ok,
            "keyword_ok": outcome.keyword_ok,
        },
        split="test",
        audit_trace=["asked", "retrieved", "answered", "compared"],
    )


def _card(questions: Sequence[Any], visible: Sequence[Any]) -> dict[str, Any]:
    return {
        "title": "Evaluation questions with what was retrieved",
        "source": "questions on the sample annual reports of P05, written by data/generate.py",
        "licence": LICENCE,
        "filters": [
            {
                "rule": "part is hidden",
                "constant": "hidden",
                "rows_in": len(questions),
                "rows_out": len(visible),
                "reason": "improvement is measured on these; nobody may learn from them",
            }
        ],
        "hazards": ["evaluation data: never train on it", "the companies do not exist"],
    }


def _log_samples(work: Workspace, outcomes: Sequence[Outcome], unseen: Sequence[Outcome]) -> None:
    """What became of each question, so that two iterations are compared question by question."""
    for kpi, name, asked in (
        ("retrieval_hit_rate", "retrieval_ok", outcomes),
        ("citation_accuracy", "citation_ok", outcomes),
        ("answer_keyword_accuracy", "keyword_ok", outcomes),
        ("hidden_hit_rate", "retrieval_ok", unseen),
    ):
        work.log_samples(kpi, {item.question["id"]: getattr(item, name) for item in asked})


def _log_failures(work: Workspace, index: PageIndex, outcomes: Sequence[Outcome]) -> None:
    """The visible questions whose page was not found, with the reason; the hidden ones stay hidden."""
    work.log_failures(
        "retrieval_hit_rate",
        {
            item.question["id"]: f"{repair_hint(index, item)}. {item.question['query']} "
            f"Page {', '.join(item.question['expected_pages'])} was expected"
            for item in outcomes
            if not item.retrieval_ok
        },
        interface="retrieval_metrics",
    )


def _check_index(work: Workspace, index: PageIndex, folder: Path, rules: Sequence[PersonalRule]) -> None:
    wanted = [work.data / name for name in ("pages.jsonl", "documents.jsonl", "questions.jsonl")] + [
        folder / name for name in INDEX_FILES
    ]
    lacking = [path.name for path in wanted if not path.is_file() or not path.stat().st_size]
    work.check(
        "required_files_exist", not lacking, f"{len(wanted) - len(lacking)} of {len(wanted)} files", lacking=lacking
    )
    pages = {block.page for block in index.blocks}
    work.check("page_index_non_empty", bool(pages), f"{len(pages)} pages, {len(index.blocks)} blocks")
    leaking = [block.block_id for block in index.blocks if personal_kinds(block.text, rules)]
    work.check(
        "no_personal_data_in_index", not leaking, f"{len(leaking)} blocks hold personal data", blocks=leaking[:5]
    )


def _check_answers(work: Workspace, outcomes: Sequence[Outcome], again: Sequence[Outcome]) -> None:
    for check, name in (
        ("retrieval_hit_rate_reasonable", "retrieval_ok"),
        ("citation_accuracy_reasonable", "citation_ok"),
    ):
        value = rate(outcomes, name)
        work.check(
            check,
            value is not None and value >= REASONABLE_RATE,
            f"{value} of {len(outcomes)}, limit {REASONABLE_RATE}",
        )
    empty = [item.question["id"] for item in outcomes if not item.answer.text]
    work.check(
        "all_eval_answers_non_empty", bool(outcomes) and not empty, f"{len(empty)} answers are empty", empty=empty[:5]
    )
    differing = sum(one.answer != two.answer for one, two in zip(outcomes, again, strict=True))
    work.check(
        "evaluate_rag", bool(outcomes) and not differing, f"{differing} answers differ once the index is reloaded"
    )


def _check_sources(work: Workspace) -> None:
    work.check(
        "py_compile", not (broken := _broken_sources(Path(__file__).parent)), f"{len(broken)} files do not compile"
    )
    read = {
        name: work.run.log_input(name).digest
        for name in ("privacy_controls", "reasoning_feedback", "agent_training_data", "tooling_specs")
        if work.input_path(name) is not None
    }
    regressed = regressed_inputs(work.input_path("platform_control_plane"), read)
    if regressed is not None:
        work.check("no_regressed_input", not regressed, f"{len(read)} inputs compared", regressed=regressed)


def _broken_sources(folder: Path) -> list[str]:
    broken = []
    for path in sorted(folder.glob("*.py")):
        try:
            compile(path.read_text(encoding="utf-8"), path.name, "exec")
        except SyntaxError:
            broken.append(path.name)
    return broken


if __name__ == "__main__":
    main(__file__, build, FAULTS)
