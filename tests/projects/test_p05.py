"""The report index: a clean run, what each of its faults turns, and what tasks improve."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from statistics import fmean

import pytest
from servers.embedded import EmbeddedStore
from trials import PROJECTS, ROOT, Trial, log_stand_in, run_trial

from flywheel_mlflow.evidence.flywheel import load_flywheel

pytestmark = pytest.mark.integration
PROJECT = "p05_rag"
TASKS = PROJECTS / PROJECT / "tasks"
KPIS = load_flywheel(ROOT).contracts["p05"].kpis


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
    """Without a fault every check passes, both interfaces have a version; what users reported misses two targets."""
    assert clean.reasons == ()
    assert clean.consumable
    assert set(clean.digests) == {"knowledge_index", "retrieval_metrics"}
    assert clean.missed(KPIS) == {"hidden_hit_rate", "citation_accuracy"}


def test_each_sample_stands_behind_its_kpi(clean: Trial) -> None:
    """The mean of the samples a KPI logs is its value, so that two iterations can be compared sample by sample."""
    assert set(clean.samples) == {
        "retrieval_hit_rate",
        "citation_accuracy",
        "answer_keyword_accuracy",
        "hidden_hit_rate",
    }
    for name, samples in clean.samples.items():
        assert fmean(samples.values()) == pytest.approx(clean.kpis[name], abs=1e-6), name


def test_equal_runs_make_equal_data(clean: Trial, store: EmbeddedStore) -> None:
    """A second run writes the same index and the same answers, although its latency differs."""
    assert run_trial(PROJECT, store.uri).digests == clean.digests


@pytest.mark.parametrize(
    ("fault", "checks", "kpis"),
    [
        ("slower_index", set(), {"latency_ms"}),
        (
            "shifted_pages",
            {"retrieval_hit_rate_reasonable", "citation_accuracy_reasonable"},
            {"retrieval_hit_rate"},  # citations miss their target without the fault, too
        ),
        ("leaked_pii", {"no_personal_data_in_index"}, set()),
    ],
)
def test_a_fault_turns_what_it_should(
    store: EmbeddedStore, clean: Trial, fault: str, checks: set[str], kpis: set[str]
) -> None:
    """Each fault turns the check or KPI that is there for it, and nothing unrelated."""
    spoiled = run_trial(PROJECT, store.uri, fault=fault)
    assert spoiled.failed == checks
    assert spoiled.missed(KPIS) - clean.missed(KPIS) == kpis
    assert spoiled.consumable == (not checks)


def test_tasks_improve_what_they_do_not_contain(store: EmbeddedStore, clean: Trial) -> None:
    """With the example tasks hidden questions are answered that fail without them, in the same iteration."""
    without = run_trial(PROJECT, store.uri, iteration=3)
    tasked = run_trial(PROJECT, store.uri, iteration=3, tasks=TASKS)
    before, after = without.kpis["hidden_hit_rate"], tasked.kpis["hidden_hit_rate"]
    assert before is not None
    assert after is not None
    assert before == clean.kpis["hidden_hit_rate"]
    assert before + 0.4 <= after < 1
    assert (tasked.consumable, tasked.missed(KPIS)) == (True, frozenset())


def test_a_task_that_gives_a_hidden_answer_away_is_told(store: EmbeddedStore, tmp_path: Path) -> None:
    """A task that brings the very page a hidden question asks for fails the check, and nothing else."""
    pages = map(json.loads, (PROJECTS / PROJECT / "data" / "documents.jsonl").read_text(encoding="utf-8").splitlines())
    page = next(row for row in pages if row["page"] == "kestrel-2024-p13")
    task = json.loads((TASKS / "p05-3-notices.json").read_text(encoding="utf-8"))
    task["payload"] = {"pages": [{"page": "x-2024-p01", "text": page["text"]}]}
    (tmp_path / "task.json").write_text(json.dumps(task), encoding="utf-8")
    assert run_trial(PROJECT, store.uri, iteration=3, tasks=tmp_path).failed == {"tasks_hold_no_hidden_case"}


def test_an_input_the_platform_calls_regressed_is_told(store: EmbeddedStore, tmp_path: Path) -> None:
    """Building on a version the control plane of the iteration before calls regressed fails a check."""
    digest = run_trial("p09_privacy", store.uri, iteration=3).digests["privacy_controls"]
    versions = [{"interface": "privacy_controls", "digest": digest}]
    log_stand_in("p08", "platform_control_plane", {"regressed_versions": versions}, uri=store.uri, to=tmp_path)
    assert run_trial(PROJECT, store.uri, iteration=3).failed == {"no_regressed_input"}


def test_the_shipped_data_and_tasks_are_what_the_generator_makes(tmp_path: Path) -> None:
    """Running the generator again gives the shipped files, byte for byte."""
    home = PROJECTS / PROJECT
    subprocess.run([sys.executable, str(home / "data" / "generate.py"), "--out", str(tmp_path)], check=True)
    made = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file())
    assert len(made) == 5
    assert all((home / path).read_bytes() == (tmp_path / path).read_bytes() for path in made)
