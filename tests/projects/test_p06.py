"""The step supervision factory: a clean run, what each of its faults turns, what tasks improve."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from servers.embedded import EmbeddedStore
from trials import PRIVACY_CONTROLS, PROJECTS, ROOT, Trial, log_stand_in, regenerated, run_trial

from flywheel_mlflow.operations.projects.project_run import project_run

pytestmark = pytest.mark.integration
PROJECT = "p06_prm"
TASKS = PROJECTS / PROJECT / "tasks"


def lesson(number: int, **metadata: Any) -> dict[str, Any]:
    """A record as the textbook factory makes them."""
    return {
        "id": f"p04:lesson_{number}",
        "source": "a test",
        "content": f"Lesson {number}: {json.dumps(metadata)}",
        "metadata": {"seed": f"s{number}", "topic": "t", "difficulty": "core", "license": "CC0-1.0", **metadata},
        "quality_signals": {},
        "split": "val" if number % 4 == 0 else "train",
        "audit_trace": ["made for a test"],
    }


LESSONS = [
    lesson(
        number,
        domain="math",
        question=f"{number} boxes of 7 pears, 5 are bad. How many are good?",
        program=f"boxes = {number}\npears = boxes * 7\ngood = pears - 5\nanswer = good",
        answer=str(number * 7 - 5),
    )
    for number in range(2, 12)
]
EXAMPLES = [
    lesson(
        number,
        domain="code",
        prompt=f"Write a function that adds up all numbers above {number}.",
        entry_point="above",
        code=f"def above(numbers):\n    total = 0\n    for n in numbers:\n        if n > {number}:\n"
        "            total = total + n\n    return total",
        tests=[f"assert above([{number}, {number + 1}, {number + 5}]) == {2 * number + 6}", "assert above([]) == 0"],
    )
    for number in range(20, 28)
]


@pytest.fixture(scope="module")
def store(module_store: EmbeddedStore, tmp_path_factory: pytest.TempPathFactory) -> EmbeddedStore:
    """A store that holds what the factory must read, in the iteration the tasks are for."""
    folder, uri = tmp_path_factory.mktemp("in"), module_store.uri
    log_stand_in("p09", "privacy_controls", PRIVACY_CONTROLS, uri=uri, to=folder, iteration=3)
    with project_run("p04", 3, root=ROOT, tracking_uri=uri) as run:
        run.log_metrics({"verification_pass_rate": 1.0})
        for name, records in (("teaching_corpus", LESSONS), ("verified_code_examples", EXAMPLES)):
            path = folder / f"{name}.jsonl"
            path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
            run.log_interface(name, path)
    return module_store


def trial(store: EmbeddedStore, **more: Any) -> Trial:
    """A run in the iteration of the tasks."""
    return run_trial(PROJECT, store.uri, iteration=3, **more)


@pytest.fixture(scope="module")
def clean(store: EmbeddedStore) -> Trial:
    """A run without fault and tasks."""
    return trial(store)


def value(found: Trial, name: str) -> float:
    """A KPI that must have a value."""
    kpi = found.kpis[name]
    assert kpi is not None
    return kpi


def test_a_clean_run_is_consumable(clean: Trial) -> None:
    """Without a fault every check passes; all correct traces pass, some corrupted ones do, and are counted."""
    assert clean.reasons == ()
    assert clean.consumable
    assert clean.failed == frozenset()
    assert clean.kpis["positive_trace_pass_rate"] == 1
    assert 0 < value(clean, "label_noise_rate") < 0.5


def test_equal_runs_make_equal_data(clean: Trial, store: EmbeddedStore) -> None:
    """A second run writes the same bytes."""
    assert trial(store).digests == clean.digests


def test_tasks_close_verifier_gaps_and_nothing_else_does(clean: Trial, store: EmbeddedStore, tmp_path: Path) -> None:
    """With the tasks the verifier judges hidden steps better and label noise falls; without them nothing changes."""
    mended = trial(store, tasks=TASKS)
    assert mended.consumable
    assert value(clean, "verifier_hidden_accuracy") == 20 / 96
    assert value(mended, "verifier_hidden_accuracy") == 56 / 96
    assert value(mended, "label_noise_rate") < value(clean, "label_noise_rate")
    assert value(mended, "expected_outcome_rate") > value(clean, "expected_outcome_rate")
    assert value(mended, "step_records") > value(clean, "step_records")
    empty = trial(store, tasks=tmp_path)
    assert empty.kpis == clean.kpis


def test_each_sample_stands_behind_its_kpi(clean: Trial) -> None:
    """The mean of the samples a KPI logs is its value, so that two iterations can be compared step by step."""
    assert set(clean.samples) == {"verifier_hidden_accuracy", "expected_outcome_rate"}
    samples = clean.samples["verifier_hidden_accuracy"]
    assert (len(samples), fmean(samples.values())) == (96, value(clean, "verifier_hidden_accuracy"))


def test_a_task_that_holds_a_hidden_step_is_told(clean: Trial, store: EmbeddedStore, tmp_path: Path) -> None:
    """A hidden step among a task's own cases fails the check, even without the story around it."""
    lines = (PROJECTS / PROJECT / "data" / "hidden_cases.jsonl").read_text(encoding="utf-8").splitlines()
    hidden = next(row for row in map(json.loads, lines) if row["form"] == "average" and row["valid"])
    task = json.loads((TASKS / "p06-average-steps.json").read_text(encoding="utf-8"))
    task["payload"]["cases"].append({"text": hidden["text"].partition(": ")[2], "valid": True})
    (tmp_path / "task.json").write_text(json.dumps(task), encoding="utf-8")
    assert trial(store, tasks=tmp_path).failed == {"tasks_hold_no_hidden_case"}


@pytest.mark.parametrize(
    ("fault", "checks", "kpi", "change"),
    [
        ("label_noise", set(), "label_noise_rate", 0.2),
        ("broken_rule", set(), "positive_trace_pass_rate", -0.2),
        ("no_repairs", {"trace_types_present"}, "", 0.0),
        ("split_by_trace", {"train_val_no_overlap", "prm_supervision.split_leakage"}, "", 0.0),
    ],
)
def test_a_fault_turns_what_it_should(
    store: EmbeddedStore, clean: Trial, fault: str, checks: set[str], kpi: str, change: float
) -> None:
    """Each fault fails the checks that are there for it, or moves its KPI the wrong way by a fifth at least."""
    spoiled = trial(store, fault=fault)
    # The traces that failed come in splits, too, and the few of code may miss one when drawn one by one.
    assert spoiled.failed - {"reasoning_feedback.split_leakage", "smoke_covers_both_domains"} == checks
    if kpi:
        moved = value(spoiled, kpi) - value(clean, kpi)
        assert moved >= change if change > 0 else moved <= change


def test_the_shipped_data_are_what_the_generator_makes(tmp_path: Path) -> None:
    """Running the generator again gives the shipped files, byte for byte."""
    files = regenerated(PROJECT, tmp_path)
    assert set(files) == {"problems.jsonl", "hidden_cases.jsonl"}
    assert all(shipped == made for shipped, made in files.values())
