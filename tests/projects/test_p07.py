"""The tool-use factory: a clean run, what each of its faults turns, and what it reads of others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from servers.embedded import EmbeddedStore
from trials import PROJECTS, ROOT, Trial, log_stand_in, run_trial

from flywheel_mlflow.evidence.flywheel import load_flywheel

pytestmark = pytest.mark.integration
PROJECT = "p07_agent"
KPIS = load_flywheel(ROOT).contracts["p07"].kpis
LESSONS = [
    {
        "id": f"lesson-{number}",
        "source": "a test",
        "content": f"{words} are explained in the lesson with number {number}.",
        "metadata": {"seed": f"s{number}", "topic": "t", "difficulty": "core", "license": "CC0-1.0"},
        "quality_signals": {"verified": True},
        "split": split,
        "audit_trace": ["made for a test"],
    }
    for number, (words, split) in enumerate(
        [("Fractions numerator denominator", "train"), ("Triangles hypotenuse cathetus", "train"), ("Primes", "val")]
    )
]


@pytest.fixture(scope="module")
def store(module_store: EmbeddedStore) -> EmbeddedStore:
    """A store with the privacy controls of iterations 2 and 3."""
    for iteration in (2, 3):
        run_trial("p09_privacy", module_store.uri, iteration=iteration)
    return module_store


@pytest.fixture(scope="module")
def clean(store: EmbeddedStore) -> Trial:
    """A run without a fault and without the records of other projects."""
    return run_trial(PROJECT, store.uri)


def test_a_clean_run_is_consumable(clean: Trial) -> None:
    """Without a fault every check passes; tool errors are part of recovery data and keep one rate below its target."""
    assert clean.reasons == ()
    assert (clean.consumable, clean.failed) == (True, frozenset())
    assert set(clean.digests) == {"agent_training_data", "tooling_specs"}
    assert clean.missed(KPIS) == {"tool_call_success_rate"}


def test_equal_runs_make_equal_data(clean: Trial, store: EmbeddedStore) -> None:
    """A second run executes everything again and writes the same bytes."""
    assert run_trial(PROJECT, store.uri).digests == clean.digests


@pytest.mark.parametrize(
    ("fault", "checks", "kpis"),
    [
        ("unguarded", {"safety_cases_blocked_without_tools"}, {"unsafe_block_rate", "unauthorized_tool_call_rate"}),
        ("forgetful_memory", {"memory_cases_succeed"}, {"memory_success_rate"}),
        ("incomplete_schema", {"tool_schema_fields_complete"}, set()),
        ("split_by_record", {"train_val_no_overlap", "agent_training_data.split_leakage"}, set()),
    ],
)
def test_a_fault_turns_what_it_should(
    store: EmbeddedStore, clean: Trial, fault: str, checks: set[str], kpis: set[str]
) -> None:
    """Each fault fails the checks and misses the KPIs that are there for it."""
    spoiled = run_trial(PROJECT, store.uri, fault=fault)
    assert checks <= spoiled.failed
    assert kpis <= spoiled.missed(KPIS)
    # Trajectories that end badly count among all trajectories, and are no training data.
    related = {"trajectory_success_rate", "recovery_success_rate"} if kpis else set()
    assert spoiled.missed(KPIS) - clean.missed(KPIS) - kpis <= related
    assert spoiled.failed - checks <= ({"smoke_covers_general_memory_safety"} if kpis else set())
    assert not spoiled.consumable


def test_records_of_others_become_a_library(store: EmbeddedStore, clean: Trial, tmp_path: Path) -> None:
    """Lessons that may be trained on are searched and found; those of other splits stay out."""
    log_stand_in("p04", "teaching_corpus", LESSONS, uri=store.uri, to=tmp_path)
    shelved = run_trial(PROJECT, store.uri)
    before, after = clean.kpis["trajectory_count"], shelved.kpis["trajectory_count"]
    assert before is not None
    assert after == before + 2
    assert shelved.consumable


def test_an_input_the_platform_calls_regressed_is_told(store: EmbeddedStore, tmp_path: Path) -> None:
    """Building on a version the control plane of the iteration before calls regressed fails a check."""
    digest = run_trial("p09_privacy", store.uri, iteration=3).digests["privacy_controls"]
    versions = [{"interface": "privacy_controls", "digest": digest}]
    log_stand_in("p08", "platform_control_plane", {"regressed_versions": versions}, uri=store.uri, to=tmp_path)
    assert run_trial(PROJECT, store.uri, iteration=3).failed == {"no_regressed_input"}


def test_the_shipped_data_are_what_the_generator_makes(tmp_path: Path) -> None:
    """Running the generator again gives the shipped files, byte for byte."""
    home = PROJECTS / PROJECT
    subprocess.run([sys.executable, str(home / "data" / "generate.py"), "--out", str(tmp_path)], check=True)
    made = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file())
    assert len(made) == 4
    assert all((home / path).read_bytes() == (tmp_path / path).read_bytes() for path in made)
