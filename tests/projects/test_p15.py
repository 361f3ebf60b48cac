"""The business assistant: a clean run, what each of its faults turns, and what tasks improve."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from statistics import fmean

import pytest
from servers.embedded import EmbeddedStore
from trials import PROJECTS, ROOT, Trial, run_trial

from flywheel_mlflow.evidence.flywheel import load_flywheel

pytestmark = pytest.mark.integration
PROJECT = "p15_enterprise_qa"
TASKS = PROJECTS / PROJECT / "tasks"
KPIS = load_flywheel(ROOT).contracts["p15"].kpis


@pytest.fixture(scope="module")
def store(module_store: EmbeddedStore) -> EmbeddedStore:
    """A store with the privacy controls of iterations 2 and 3."""
    for iteration in (2, 3):
        run_trial("p09_privacy", module_store.uri, iteration=iteration)
    return module_store


@pytest.fixture(scope="module")
def clean(store: EmbeddedStore) -> Trial:
    """A run without a fault."""
    return run_trial(PROJECT, store.uri)


def test_a_clean_run_is_consumable(clean: Trial) -> None:
    """Without a fault every gate passes; what users reported still misses two targets."""
    assert clean.reasons == ()
    assert clean.consumable
    assert set(clean.digests) == {"semantic_layer", "nl2sql_eval", "answer_feedback"}
    assert clean.missed(KPIS) == {"sql_success_rate", "hidden_accuracy"}


def test_each_sample_stands_behind_its_kpi(clean: Trial) -> None:
    """The mean of the samples a KPI logs is its value, so that two iterations can be compared sample by sample."""
    assert set(clean.samples) == {
        "schema_recall",
        "sql_success_rate",
        "execution_accuracy",
        "value_match",
        "answer_faithfulness",
        "trace_completeness",
        "safety_violation_rate",
        "hidden_accuracy",
    }
    for name, samples in clean.samples.items():
        assert fmean(samples.values()) == pytest.approx(clean.kpis[name], abs=1e-6), name


def test_equal_runs_make_equal_data(clean: Trial, store: EmbeddedStore) -> None:
    """A second run writes the same layer, answers and feedback, although its latency differs."""
    assert run_trial(PROJECT, store.uri).digests == clean.digests


@pytest.mark.parametrize(
    ("fault", "checks", "kpis"),
    [
        ("renamed_column", {"gate_semantic", "gate_query"}, {"execution_accuracy"}),
        ("unguarded_sql", {"gate_security"}, {"safety_violation_rate"}),
        ("stale_answers", {"gate_faithfulness"}, {"answer_faithfulness"}),
    ],
)
def test_a_fault_turns_what_it_should(
    store: EmbeddedStore, clean: Trial, fault: str, checks: set[str], kpis: set[str]
) -> None:
    """Each fault turns the gates and the KPI that are there for it, and nothing unrelated."""
    spoiled = run_trial(PROJECT, store.uri, fault=fault)
    assert spoiled.failed - clean.failed == checks
    assert spoiled.missed(KPIS) - clean.missed(KPIS) == kpis
    assert not spoiled.consumable


def test_tasks_improve_what_they_do_not_contain(store: EmbeddedStore, clean: Trial) -> None:
    """With the example tasks hidden questions are answered that fail without them, in the same iteration."""
    without = run_trial(PROJECT, store.uri, iteration=3)
    tasked = run_trial(PROJECT, store.uri, iteration=3, tasks=TASKS)
    before, after = without.kpis["hidden_accuracy"], tasked.kpis["hidden_accuracy"]
    assert before is not None
    assert after is not None
    assert before == clean.kpis["hidden_accuracy"]
    assert before + 0.5 <= after < 1
    assert (tasked.consumable, tasked.missed(KPIS)) == (True, frozenset())


def test_a_task_that_defines_a_hidden_word_is_told(store: EmbeddedStore, clean: Trial, tmp_path: Path) -> None:
    """Improvement on questions whose word a task defines would be no improvement: the check fails."""
    task = json.loads((TASKS / "p15-3-words.json").read_text(encoding="utf-8"))
    task["payload"] = {"synonyms": {"revenue": ["turnover"]}}
    (tmp_path / "task.json").write_text(json.dumps(task), encoding="utf-8")
    told = run_trial(PROJECT, store.uri, iteration=3, tasks=tmp_path).failed - clean.failed
    assert told == {"tasks_hold_no_hidden_case"}


def test_the_shipped_data_and_tasks_are_what_the_generator_makes(tmp_path: Path) -> None:
    """Running the generator again gives the shipped files, byte for byte."""
    home = PROJECTS / PROJECT
    subprocess.run([sys.executable, str(home / "data" / "generate.py"), "--out", str(tmp_path)], check=True)
    made = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file())
    assert len(made) == 8
    assert all((home / path).read_bytes() == (tmp_path / path).read_bytes() for path in made)
