"""Measures what sampling and training gave: the metrics document, the published checks."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from p12_policy import Policy, solved
from p12_problems import CodeProblem, Evaluation, MathProblem, masked
from p12_sampling import SELECTED_PER_PROMPT, Judged, Sampled, broken_programs, plain, trace_of
from p12_verifier import LIMITS, MIN_REWARD, UNEQUAL, AnswerVerifier, Case, agreement, obstacle, parts_of

from flywheel_mlflow.base.canonical import digest_of
from flywheel_mlflow.pipelines import HeldOutCase, Workspace
from sandbox import run_programs

#: How many of the code problems the code verifier is tried with: the right program and a broken one each.
CODE_TRIALS = 6

#: The domains of the evaluation: small sets of this project's own, no public benchmark.
WORD_PROBLEMS = "word_problems"
DOMAINS = (WORD_PROBLEMS, "school_math")

#: The share of the selected problems a trained model must solve: it was told their solutions.
LEARNED = 0.9

#: Words of an answer that are no longer say nothing of their own: "the", "is", "half".
SHORT_WORD = 4

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Made:
    """Everything that was made, before it is measured."""

    math: Sequence[MathProblem]
    code: Sequence[CodeProblem]
    cold: Sequence[Record]
    merged: Sequence[Record]
    sampled: Sampled
    base: Policy
    verifier: AnswerVerifier
    evaluation: Evaluation

    @property
    def rejection(self) -> list[Record]:
        """The merged records that come of rejection sampling."""
        return [item for item in self.merged if item["metadata"]["source_stage"] == "rejection_sampling"]


def accuracy(problems: Sequence[MathProblem], right: Mapping[str, bool]) -> float | None:
    """The share of problems solved; None without problems."""
    return sum(right[item.id] for item in problems) / len(problems) if problems else None


def evaluated(made: Made) -> dict[str, Any]:
    """Base and trained model on the public evaluation, by domain."""
    counts: dict[str, int] = {}
    metrics: dict[str, float | None] = {}
    for domain in DOMAINS:
        problems = [item for item in made.evaluation.public if item.domain == domain]
        counts[f"{domain}_total"] = len(problems)
        rates = []
        for name, policy in (("base", made.base), ("trained", made.sampled.policy)):
            right = solved(policy, problems)
            counts[f"{domain}_{name}_correct"] = sum(right.values())
            rates.append(accuracy(problems, right))
            metrics[f"{domain}_{name}_accuracy"] = rates[-1]
        base, trained = rates
        metrics[f"{domain}_gain"] = None if base is None or trained is None else round(trained - base, 6)
    return {"counts": counts, "metrics": metrics, "backend": "naive Bayes over words, trained in this run"}


def metrics(made: Made, hidden_cases: Sequence[Case]) -> dict[str, Any]:
    """The metrics document: published files and their keys, joined as file.key."""
    judged, selected = made.sampled.judged, made.sampled.selected
    passed = [item for item in judged if item.verdict.passed]
    hidden = list(made.evaluation.hidden)
    return {
        "cold_start_summary": {
            "record_count": len(made.cold),
            "domain_distribution": _counts(item["metadata"]["domain"] for item in made.cold),
            "source_distribution": _counts(item["source"]["interface"] for item in made.cold),
        },
        "sample_trace_summary": {"total_samples": len(judged), "backend": "naive Bayes policy; broken programs"},
        "rejection_sampling_summary": {
            "verified_total": len(judged),
            "verified_pass": len(passed),
            "selected_total": len(selected),
            "pass_rate": len(passed) / len(judged) if judged else None,
            "right_by_luck": sum(item.lucky for item in passed),
            "rejected_for": _counts(item.verdict.reason.split(":")[0] for item in judged if not item.verdict.task),
            "selection_by_domain": _counts(item["metadata"]["domain"] for item in made.rejection),
            "min_reward": MIN_REWARD,
            "selected_per_prompt": SELECTED_PER_PROMPT,
        },
        "training_manifest": {
            "merged_records": len(made.merged),
            "cold_start_records": len(made.merged) - len(made.rejection),
            "rejection_records": len(made.rejection),
            "domain_distribution": _counts(item["metadata"]["domain"] for item in made.merged),
        },
        "evaluation": evaluated(made),
        "hidden_evaluation": {
            "problems_total": len(hidden),
            "accuracy": accuracy(hidden, solved(made.sampled.policy, hidden)),
            "base_accuracy": accuracy(hidden, solved(made.base, hidden)),
            "verifier_cases_total": len(hidden_cases),
            "verifier_agreement": agreement(made.verifier, hidden_cases),
        },
    }


def log_samples(work: Workspace, made: Made, hidden_cases: Sequence[Case]) -> None:
    """What became of each problem and case: a gain is 1, a loss -1, where a KPI says what training gained."""
    for domain in DOMAINS:
        problems = [item for item in made.evaluation.public if item.domain == domain]
        base, trained = solved(made.base, problems), solved(made.sampled.policy, problems)
        if domain == WORD_PROBLEMS:
            work.log_samples(f"{domain}_accuracy", trained)
        work.log_samples(f"{domain}_gain", {name: int(trained[name]) - int(base[name]) for name in trained})
    work.log_samples("hidden_accuracy", solved(made.sampled.policy, made.evaluation.hidden))
    # By digest: what is hidden must not be read from the run.
    named = {digest_of(case)[:16]: not made.verifier.misjudged([case]) for case in hidden_cases}
    work.log_samples("hidden_verifier_agreement", named)


def log_failures(work: Workspace, made: Made) -> None:
    """The sampled solutions whose program is right and whose answer the verifier cannot read, with what is in the way.

    They come of the training problems: none of them is hidden.
    """
    unread = [
        item.candidate
        for item in made.sampled.judged
        if item.verdict.reason == UNEQUAL and made.verifier.read(item.candidate.answer) is None
    ]
    work.log_failures(
        "selection_pass_rate",
        {
            f"{item.problem.id}_sample_{item.number}": f"{obstacle(item.answer)} not read: {item.answer}"
            for item in unread
        },
    )


def _counts(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))


def log_checks(work: Workspace, made: Made, document: Mapping[str, Any], cases: Sequence[Case]) -> None:
    """The published checks; ``cases`` are those the verifier must judge rightly."""
    _check_verifiers(work, made, cases)
    selected, judged = made.sampled.selected, made.sampled.judged
    cold_ids = {item["id"] for item in made.cold}
    work.check("test_cold_start_builds_records", bool(cold_ids), f"{len(cold_ids)} records")
    most = max(Counter(item.candidate.problem.id for item in selected).values(), default=0)
    bad = [item for item in selected if item.verdict.reward < MIN_REWARD or not item.verdict.task or item.lucky]
    turned_down = sum(not item.verdict.passed for item in judged)
    good = bool(selected) and not bad and turned_down > 0 and most <= SELECTED_PER_PROMPT
    message = f"{len(selected)} of {len(judged)} selected, {len(bad)} of them wrongly, {most} of one prompt at most"
    work.check("test_sample_and_reject_pipeline", good, message)
    verified = {item["id"] for item in made.merged if item["quality_signals"]["verifier_pass"]}
    unverified = [item["id"] for item in made.merged if item["id"] not in verified]
    whole = cold_ids <= verified and len(made.rejection) == len(selected) and not unverified
    message = f"{len(made.merged)} merged, {len(unverified)} of them unverified"
    work.check("test_merge_sft_data", whole, message, examples=unverified[:5])
    counts = document["evaluation"]["counts"]
    counted = [counts[f"{domain}_total"] for domain in DOMAINS]
    known = [item for item in made.math if any(item.id == chosen.candidate.problem.id for chosen in selected)]
    before, after = (accuracy(known, solved(policy, known)) for policy in (made.base, made.sampled.policy))
    learned = before is not None and after is not None and after >= max(before, LEARNED)
    work.check("test_mock_lora_training", learned, f"from {before} to {after} on what was selected")
    whole = min(counted) > 0 and sum(counted) == len(made.evaluation.public)
    work.check("test_mock_eval", whole, f"{sum(counted)} of {len(made.evaluation.public)} problems in both domains")
    _check_disjoint(work, made)


def _check_verifiers(work: Workspace, made: Made, cases: Sequence[Case]) -> None:
    wrong = made.verifier.misjudged(cases)
    work.check(
        "test_math_verifier_exact_match",
        bool(cases) and not wrong,
        f"{len(wrong)} of {len(cases)} cases are judged wrongly",
        examples=[f"{case.given!r} for {case.reference}" for case in wrong[:5]],
    )
    good, bad = trace_of("because", "print(1)", "1"), trace_of("because", "print(1)", "1", form=False)
    forms = [parts_of(good) == ("print(1)", "1"), parts_of(bad) is None, parts_of(good + "\nAnswer: 2") is None]
    work.check("test_format_verifier_math", all(forms), f"{sum(forms)} of {len(forms)} traces are told rightly")
    trials = [item for item in made.code if broken_programs(item.solution)][:CODE_TRIALS]
    hollow = [f"def {item.entry_point}(*given):\n    return None" for item in trials]
    programs = [f"{item.solution}\n{chr(10).join(item.tests)}" for item in trials]
    programs += [f"{source}\n{chr(10).join(item.tests)}" for item, source in zip(trials, hollow, strict=True)]
    done = [item.finished for item in run_programs(programs, LIMITS)]
    half = len(trials)
    told = bool(trials) and all(done[:half]) and not any(done[half:])
    message = f"{sum(done[:half])} of {half} right ones pass, and {sum(done[half:])} broken ones"
    work.check("test_code_verifier_executes", told, message)
    sampled = [item for item in made.sampled.judged if isinstance(item.candidate.problem, MathProblem)]
    agreed = [item.verdict.task == (_right(item) and _stated(item, made.verifier)) for item in sampled]
    work.check("test_verify_candidate_math_path", bool(agreed) and all(agreed), f"{sum(agreed)} of {len(agreed)} agree")


def _right(judged: Judged) -> bool:
    """Whether the chosen expression gives the reference, computed exactly and without the sandbox."""
    expression, problem = judged.candidate.expression, judged.candidate.problem
    if expression is None or not isinstance(problem, MathProblem):
        return False
    return expression.value(problem.numbers) == problem.reference


def _stated(judged: Judged, verifier: AnswerVerifier) -> bool:
    problem = judged.candidate.problem
    return isinstance(problem, MathProblem) and verifier.equal(judged.candidate.answer, problem.reference)


def held_out_cases(problems: Sequence[MathProblem], cases: Sequence[Case]) -> list[HeldOutCase]:
    """The hidden problems with their stories, and the hidden answers, as no task may hold them."""
    told = [
        HeldOutCase(
            problem.id,
            problem.question,
            answers=(plain(problem.reference),),
            passages=(masked(problem.question).replace("#", ""),),
            sources=(problem.id.rpartition("::")[0],),
        )
        for problem in problems
    ]
    # In the form a task gives its own cases in, for an answer alone is a number or two words.
    return told + [
        HeldOutCase(digest_of(case)[:16], f"given {case.given} reference {case.reference}", terms=_words(case))
        for case in cases
    ]


def _words(case: Case) -> tuple[str, ...]:
    """The words of an answer, which a rewrite must not name; short ones are anybody's."""
    return tuple(word for word in re.findall(r"[a-z]+", case.given) if len(word) > SHORT_WORD)


def _check_disjoint(work: Workspace, made: Made) -> None:
    questions = [item.question for item in made.math] + [str(item["content"]).split("\n")[0] for item in made.merged]
    seen = made.evaluation.seen_in(questions)
    work.check("eval_disjoint_from_training", not seen, f"{len(seen)} problems are trained on", examples=seen[:5])
    public = {masked(item.question) for item in made.evaluation.public}
    shared = sorted({item.id for item in made.evaluation.hidden if masked(item.question) in public})
    work.check("hidden_part_is_not_published", not shared, f"{len(shared)} are public", examples=shared[:5])
