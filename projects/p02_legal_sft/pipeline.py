"""Makes legal instruction samples, preference pairs and refusals from model statutes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from p02_articles import Provision, parse
from p02_refusals import Prompt, assign_articles, measure, prompts_of_tasks, read_prompts
from p02_results import Made, held_out_cases, log_checks, log_failures, log_samples, metrics
from p02_samples import LICENCE, Sample, make_sample, pair_record, refusal_record, sft_record
from p02_teacher import TASKS, ask

from flywheel_mlflow.base.canonical import short_digest
from flywheel_mlflow.pipelines import Workspace, check_held_out, main, read_jsonl
from flywheel_mlflow.records import content_digest
from flywheel_mlflow.records.personal import kinds_in

FAULTS = {
    "label_noise": "every third pair mistakes the careless answer for the better one: chosen_win_rate falls",
    "split_by_record": "samples are split one by one, not by article: train_val_no_overlap fails",
    "leaked_pii": "the client's telephone number stays in the metadata of cases: raw_personal_data fails",
    "no_refusals": "risky requests are lost on the way: risk_refusals_present fails",
    "missing_reviews": "every tenth review is lost: qa_reviews_cover_accepted fails",
}

VALIDATION_SHARE = 0.1
SMOKE_PER_TASK = 6
#: Beginnings of corpus documents and questions of this project that the classifier learns to let pass: few, for
#: easy texts teach it to let pass what is not.
OPENINGS, QUESTIONS = 20, 60
#: What the privacy rules call the kinds our detectors find.
RULE_OF_KIND = {
    "email": "email",
    "phone_number": "phone",
    "mobile_number": "phone",
    "resident_id": "ssn",
    "iban": "bank_account",
    "credit_card": "bank_account",
}


def splits_of(work: Workspace, provisions: Sequence[Provision]) -> dict[str, str]:
    """The split of each article; every law gets its share of both."""
    found: dict[str, str] = {}
    for law in sorted({item.law for item in provisions}):
        articles = [item.article for item in provisions if item.law == law]
        work.random("split", law).shuffle(articles)
        held_out = round(len(articles) * VALIDATION_SHARE)
        found |= {article: "val" if place < held_out else "train" for place, article in enumerate(articles)}
    return found


def is_private(text: str, controls: Mapping[str, Any]) -> bool:
    """Whether a text holds personal data of a kind the privacy controls have a rule for (all kinds without rules)."""
    rules = controls.get("pii_rules")
    return any(rules is None or kind in rules or RULE_OF_KIND.get(kind) in rules for kind in kinds_in(text))


def make_samples(work: Workspace, provisions: Sequence[Provision]) -> list[Sample]:
    """The accepted samples of every provision and task type."""
    made = []
    for provision in provisions:
        for task in TASKS:
            rng = work.random("sample", provision.article, task)
            made.append(make_sample(ask(provision, task, rng), rng))
    return [item for item in made if item is not None]


def build(work: Workspace) -> None:
    """Read, draft, judge, refuse, split, write, train, measure."""
    paths = {name: work.input_path(name) for name in ("foundation_corpus", "privacy_controls")}
    controls = _document(paths["privacy_controls"])
    corpus_file = paths["foundation_corpus"]
    corpus = [str(item.get("content", "")) for item in read_jsonl(corpus_file)] if corpus_file else []
    articles = list(read_jsonl(work.data / "articles.jsonl"))
    provisions = [found for article in articles if (found := parse(article)) is not None]
    samples = make_samples(work, provisions)
    clean = [item for item in samples if not _is_known(item, corpus) and not _is_private(item, controls)]
    prompts = _prompts(work, controls)
    splits = splits_of(work, provisions)
    offended = assign_articles(prompts, provisions)
    sft, pairs = _records(work, clean, prompts, offended, splits)
    notes = _filters(len(articles), len(provisions), len(samples), len(clean))
    work.write_records("sft_corpus", sft, card=_card("Legal instruction samples with risk refusals", notes))
    work.write_records("preference_data", pairs, card=_card("Chosen and rejected answers", notes))

    reviews = {item.id: item.review for item in clean}
    if work.fault == "missing_reviews":
        reviews = {name: marks for place, (name, marks) in enumerate(reviews.items()) if place % 10}
    made = Made(provisions, clean, reviews, sft, pairs, prompts, smoke_ids(work, sft))
    hidden = read_prompts(read_jsonl(work.data / "hidden_prompts.jsonl"))
    learned = [item for item in prompts if not item.risky or splits[offended[item.act].article] == "train"]
    reported = read_prompts(read_jsonl(work.data / "reported_prompts.jsonl"))
    measured = measure(learned, hidden, harmless(work, clean, corpus), reported)
    document = metrics(made, measured, work.random("downstream"))
    work.log_document(document)
    log_samples(work, made, measured)
    log_failures(work, measured)
    log_checks(work, made, document, hidden)
    check_held_out(work, held_out_cases(hidden))
    _check_inputs(work, [path for path in paths.values() if path])


def _is_known(sample: Sample, corpus: Sequence[str]) -> bool:
    return any(sample.question.text in text for text in corpus)


def _is_private(sample: Sample, controls: Mapping[str, Any]) -> bool:
    return is_private(f"{sample.question.text} {sample.answer} {sample.careless}", controls)


def _document(path: Path | None) -> dict[str, Any]:
    value = json.loads(path.read_text(encoding="utf-8")) if path else {}
    return value if isinstance(value, dict) else {}


def _prompts(work: Workspace, controls: Mapping[str, Any]) -> list[Prompt]:
    """The training prompts: those shipped and those of tasks, none twice."""
    found = read_prompts(read_jsonl(work.data / "risk_prompts.jsonl")) + prompts_of_tasks(work.tasks)
    if work.fault == "no_refusals":
        found = [item for item in found if not item.risky]
    unique = {item.text: item for item in found if not is_private(item.text, controls)}
    return list(unique.values())


def _records(
    work: Workspace,
    samples: Sequence[Sample],
    prompts: Sequence[Prompt],
    offended: Mapping[str, Provision],
    splits: Mapping[str, str],
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The records of both interfaces, with the faults that happen when they are written."""
    sft = [sft_record(item, splits[item.question.provision.article]) for item in samples]
    for number, prompt in enumerate((item for item in prompts if item.risky), start=1):
        provision = offended[prompt.act]
        sft.append(refusal_record(prompt, provision, number, splits[provision.article]))
    noisy = work.fault == "label_noise"
    pairs = [
        pair_record(item, splits[item.question.provision.article], swapped=noisy and place % 3 == 0)
        for place, item in enumerate(samples)
    ]
    rng = work.random("faults")
    for record in (*sft, *pairs):
        if work.fault == "split_by_record":
            record["split"] = "val" if rng.random() < VALIDATION_SHARE else "train"
        if work.fault == "leaked_pii" and record["metadata"]["task_type"] == "case_analysis":
            # A number of the form of a Chinese mobile number, drawn: nobody's.
            record["metadata"]["client"] = f"tel. 1380000{rng.randint(0, 9999):04d}"
    return sft, pairs


def harmless(work: Workspace, samples: Sequence[Sample], corpus: Sequence[str]) -> list[str]:
    """Texts that ask for nothing unlawful: ordinary questions to the law, and beginnings of corpus documents."""
    questions = sorted(item.question.text for item in samples if item.question.task == "legal_qa")
    openings = sorted({text.strip().split("\n")[0][:120] for text in corpus if text.strip()})
    rng = work.random("background")
    chosen = rng.sample(openings, min(OPENINGS, len(openings)))
    return chosen + rng.sample(questions, min(QUESTIONS, len(questions)))


def smoke_ids(work: Workspace, sft: Sequence[Mapping[str, Any]]) -> list[str]:
    """A few training samples of each task type, for a trial run of the training."""
    chosen: list[str] = []
    for task in sorted({item["metadata"]["task_type"] for item in sft}):
        names = [item["id"] for item in sft if item["metadata"]["task_type"] == task and item["split"] == "train"]
        chosen += work.random("smoke", task).sample(names, min(SMOKE_PER_TASK, len(names)))
    return sorted(chosen)


def _check_inputs(work: Workspace, paths: Sequence[Path]) -> None:
    """Whether the platform's control plane of the iteration before calls an input regressed."""
    plane = _document(work.input_path("platform_control_plane"))
    regressed = {item.get("digest") for item in plane.get("regressed_versions") or []}
    found = [path.name for path in paths if short_digest(content_digest(path)) in regressed]
    work.check("inputs_not_regressed", not found, f"{len(found)} inputs are regressed", inputs=found)


def _filters(articles: int, provisions: int, samples: int, clean: int) -> list[dict[str, Any]]:
    return [
        {
            "rule": "the article lays nothing down",
            "constant": "condition, duty, consequence",
            "rows_in": articles,
            "rows_out": provisions,
            "reason": "a definition has no answer to what one must do",
        },
        {
            "rule": "the question stands in the foundation corpus, or holds personal data",
            "constant": "word for word; pii_rules of privacy_controls",
            "rows_in": samples,
            "rows_out": clean,
            "reason": "what was pretrained on is no test of instruction, and no answer needs a person's data",
        },
    ]


def _card(title: str, filters: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "format_version": 1,
        "title": title,
        "description": "Questions about model statutes with judged answers; requests for something unlawful, refused.",
        "source": "articles.jsonl and risk_prompts.jsonl of this project, made by data/generate.py; tasks of feedback",
        "licence": LICENCE,
        "filters": filters,
        "hazards": [
            "the statutes are models: no answer is true of any country's law",
            "answers are made from few forms: a model trained on them alone writes in these forms",
            "refusals know the themes of their prompts; see refusal_recall_by_theme for those they miss",
        ],
    }


if __name__ == "__main__":
    main(__file__, build, FAULTS)
