"""Samples solutions, keeps those that execution verifies, trains on them, and compares with the base model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from p12_policy import Example, Policy, explained
from p12_problems import CodeProblem, Evaluation, MathProblem, code_problems, math_problems
from p12_results import Made, held_out_cases, log_checks, log_failures, log_samples, metrics
from p12_sampling import Judged, plain, rejection_sampling, trace_of
from p12_verifier import read_cases, verifier_of_tasks

from flywheel_mlflow.pipelines import Workspace, check_held_out, main, read_jsonl, sample_record

FAULTS = {
    "contaminated_eval": "a tenth of the evaluation problems slips into training: eval_disjoint_from_training fails",
    "unverified_merged": "candidates the verifier turned down are merged as well: test_merge_sft_data fails",
    "lenient_verifier": "the verifier takes any number for the right one: test_math_verifier_exact_match fails",
}

#: Of the families of problems every third is solved beforehand, as cold start; the rest the model must find itself.
COLD_EVERY = 3
#: As many programming tasks are sampled as keep the run short; the published default is 100.
MAX_CODE = 24
LICENCE = "CC0-1.0"


def cold_start(
    problems: Sequence[MathProblem], tasks: Sequence[CodeProblem]
) -> tuple[list[Example], list[dict[str, Any]]]:
    """The problems solved beforehand, one of every third family: what the base model learns, and the records."""
    families = sorted({item.family for item in problems})[::COLD_EVERY]
    examples, records = [], []
    for family in families:
        members = [item for item in problems if item.family == family]
        expression = explained(members)
        if expression is None:
            continue
        first = members[0]
        examples.append(Example(first.question, expression))
        answer = plain(first.reference)
        thought = f"The numbers are {', '.join(map(plain, first.numbers))}; the words ask for {expression.text}."
        trace = trace_of(thought, expression.program(first.numbers), answer)
        records.append(_record(f"cold::{first.id}", first, trace, "cold_start", 1.0))
    for task in tasks[::COLD_EVERY]:
        thought = f"The function {task.entry_point} is asked for."
        trace = trace_of(thought, task.solution, task.entry_point)
        records.append(_record(f"cold::{task.id}", task, trace, "cold_start", 1.0))
    return examples, records


def _record(
    name: str, problem: MathProblem | CodeProblem, trace: str, stage: str, reward: float, *, passed: bool = True
) -> dict[str, Any]:
    domain = "math" if isinstance(problem, MathProblem) else "code"
    return sample_record(
        id=f"p12:{name}",
        source={"interface": problem.source, "record": problem.id},
        content=f"{problem.question}\n{trace}",
        metadata={
            "prompt_id": problem.family,
            "domain": domain,
            "source_stage": stage,
            "license": LICENCE,
            "language": "en",
        },
        quality_signals={"reward": reward, "verifier_pass": passed, "trace_characters": len(trace)},
        split="train",
        audit_trace=[
            "taken from its producer",
            "sampled" if stage == "rejection_sampling" else "solved",
            "run",
            "judged",
        ],
    )


def selected_record(item: Judged) -> dict[str, Any]:
    """The record of a judged candidate."""
    candidate, verdict = item.candidate, item.verdict
    name = f"{candidate.problem.id}_sample_{candidate.number}"
    return _record(
        name, candidate.problem, candidate.trace, "rejection_sampling", verdict.reward, passed=verdict.passed
    )


def eval_record(problem: MathProblem) -> dict[str, Any]:
    """The record of an evaluation problem."""
    return sample_record(
        id=f"p12:{problem.id}",
        source={"name": "eval_problems.jsonl", "kind": problem.family},
        content=problem.question,
        metadata={
            "prompt_id": problem.family,
            "domain": problem.domain,
            "reference": plain(problem.reference),
            "license": LICENCE,
            "language": "en",
        },
        quality_signals={"numbers": len(problem.numbers), "words": len(problem.question.split())},
        split="test",
        audit_trace=["drawn from its story", "answered by a formula of its own", "kept out of training"],
    )


def build(work: Workspace) -> None:
    """Read, solve the cold start, sample, verify, select, merge, train, evaluate."""
    problems = math_problems(work.read_input("teaching_corpus") or [])
    every_task = code_problems(work.read_input("verified_code_examples") or [])
    verifier, reported = verifier_of_tasks(work.tasks, lenient=work.fault == "lenient_verifier")
    evaluation = Evaluation.read(read_jsonl(work.data / "eval_problems.jsonl"))
    cold, cold_records = cold_start(problems, every_task)
    tasks = [item for place, item in enumerate(every_task) if place % COLD_EVERY][:MAX_CODE]
    solved_before = {item["source"]["record"] for item in cold_records}
    sampled = rejection_sampling(problems, tasks, cold, solved_before, verifier, work.random)

    merged = cold_records + [selected_record(item) for item in sampled.selected]
    merged += _injected(work, sampled.judged, evaluation)
    work.write_records("verified_reasoning_sft", merged, card=_card(len(sampled.judged), len(sampled.selected)))
    work.write_records("reasoning_eval_set", map(eval_record, evaluation.public), card=_eval_card())

    cases = list(read_jsonl(work.data / "verifier_cases.jsonl"))
    made = Made(problems, every_task, cold_records, merged, sampled, Policy(cold), verifier, evaluation)
    unseen = read_cases(cases, "hidden")
    document = metrics(made, unseen)
    work.log_document(document)
    log_samples(work, made, unseen)
    log_failures(work, made)
    log_checks(work, made, document, read_cases(cases, "baseline") + reported)
    check_held_out(work, held_out_cases(evaluation.hidden, unseen))


def _injected(work: Workspace, judged: Sequence[Judged], evaluation: Evaluation) -> list[dict[str, Any]]:
    """The records that a fault adds."""
    if work.fault == "contaminated_eval":
        leaked = [eval_record(item) for item in evaluation.public[::10]]
        return [
            _record(f"leaked::{item['id']}", problem, "", "cold_start", 1.0) | {"content": item["content"]}
            for item, problem in zip(leaked, evaluation.public[::10], strict=True)
        ]
    if work.fault == "unverified_merged":
        turned_down = {item.candidate.trace: item for item in judged if not item.verdict.passed}
        return [selected_record(item) for item in turned_down.values()][::10]
    return []


def _card(judged: int, selected: int) -> dict[str, Any]:
    return {
        "format_version": 1,
        "title": "Reasoning samples that passed the verifiers",
        "description": "Solutions with their programs: a cold start, and samples of a small model that were verified.",
        "source": "teaching_corpus and verified_code_examples of p04; sampled and run by this project",
        "licence": LICENCE,
        "filters": [
            {
                "rule": "the program fails, the answer differs, or it is right by luck; two of a prompt at most",
                "constant": "reward 0.2 form + 0.8 task, at least 0.8",
                "rows_in": judged,
                "rows_out": selected,
                "reason": "a model that learns from wrong solutions repeats them",
            }
        ],
        "hazards": [
            "one expression over the numbers of the question: nothing about longer reasoning follows",
            "what the verifier cannot read is missing, whole kinds of problems at a time",
        ],
    }


def _eval_card() -> dict[str, Any]:
    return {
        "format_version": 1,
        "title": "Problems held out for the comparison with the base model",
        "source": "eval_problems.jsonl of this project, made by data/generate.py",
        "licence": LICENCE,
        "hazards": ["kinds of problems are those taught: this measures transfer to new words, not to new kinds"],
    }


if __name__ == "__main__":
    main(__file__, build, FAULTS)
