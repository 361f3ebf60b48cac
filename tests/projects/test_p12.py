"""The reasoning flywheel, fed by the textbook factory: a clean run, its faults, and whether tasks help."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean

import pytest
from servers.embedded import EmbeddedStore
from trials import PRIVACY_CONTROLS, PROJECTS, Trial, log_stand_in, regenerated, run_trial

pytestmark = pytest.mark.integration
PROJECT = "p12_reasoning"
TASKS = PROJECTS / PROJECT / "tasks"
CORPUS = [
    {
        "id": "doc-1",
        "source": "a test",
        "content": "A page about nothing that is taught.",
        "metadata": {"url": "https://example.org/1", "lang": "en", "license": "CC0-1.0"},
        "quality_signals": {},
        "split": "train",
        "audit_trace": ["made for a test"],
    }
]


@pytest.fixture(scope="module")
def store(module_store: EmbeddedStore, tmp_path_factory: pytest.TempPathFactory) -> EmbeddedStore:
    """A store with two iterations of what the textbook factory really makes."""
    folder = tmp_path_factory.mktemp("inputs")
    for iteration in (2, 3):
        log_stand_in("p01", "foundation_corpus", CORPUS, uri=module_store.uri, to=folder, iteration=iteration)
        log_stand_in("p09", "privacy_controls", PRIVACY_CONTROLS, uri=module_store.uri, to=folder, iteration=iteration)
        assert run_trial("p04_textbook", module_store.uri, iteration=iteration).consumable
    return module_store


@pytest.fixture(scope="module")
def clean(store: EmbeddedStore) -> Trial:
    """A run without a fault and without tasks."""
    return run_trial(PROJECT, store.uri)


def value(trial: Trial, kpi: str) -> float:
    """A KPI that must have been measured."""
    found = trial.kpis[kpi]
    assert found is not None, kpi
    return found


def test_a_clean_run_is_consumable(clean: Trial) -> None:
    """Without a fault every check passes, and both interfaces have a version."""
    assert clean.reasons == ()
    assert clean.consumable
    assert clean.failed == frozenset()
    assert set(clean.digests) == {"verified_reasoning_sft", "reasoning_eval_set"}


def test_each_sample_stands_behind_its_kpi(clean: Trial) -> None:
    """The mean of the samples a KPI logs is its value, so that two iterations can be compared sample by sample."""
    assert set(clean.samples) == {
        "word_problems_accuracy",
        "word_problems_gain",
        "school_math_gain",
        "hidden_accuracy",
        "hidden_verifier_agreement",
    }
    for name, samples in clean.samples.items():
        assert fmean(samples.values()) == pytest.approx(clean.kpis[name], abs=1e-6), name


def test_training_on_verified_samples_helps(clean: Trial) -> None:
    """The trained model solves more word problems than the one that knows the cold start only."""
    assert value(clean, "word_problems_gain") > 0.05
    assert 0 < value(clean, "selection_pass_rate") < 0.5


@pytest.mark.parametrize(
    ("fault", "checks"),
    [
        ("contaminated_eval", {"eval_disjoint_from_training"}),
        ("unverified_merged", {"test_merge_sft_data"}),
        ("lenient_verifier", {"test_math_verifier_exact_match", "test_verify_candidate_math_path"}),
    ],
)
def test_a_fault_turns_what_it_should(store: EmbeddedStore, fault: str, checks: set[str]) -> None:
    """Each fault fails the checks that are there for it, and nothing unrelated."""
    spoiled = run_trial(PROJECT, store.uri, fault=fault)
    assert spoiled.failed == checks
    assert not spoiled.consumable


def test_tasks_improve_the_hidden_part(clean: Trial, store: EmbeddedStore) -> None:
    """With the gaps of its verifier closed the next model solves more hidden problems; without, the same as before.

    The hidden answers are judged rightly too, though no task contains them.
    """
    without = run_trial(PROJECT, store.uri, iteration=3)
    helped = run_trial(PROJECT, store.uri, iteration=3, tasks=TASKS)
    assert (without.kpis, without.digests) == (clean.kpis, clean.digests)
    assert value(helped, "hidden_accuracy") > value(clean, "hidden_accuracy") + 0.2
    assert value(clean, "hidden_verifier_agreement") < 0.5 < value(helped, "hidden_verifier_agreement") < 1
    assert helped.failed == frozenset()
    assert "hidden_accuracy" in clean.short - helped.short


def test_the_shipped_data_are_what_the_generator_makes(tmp_path: Path) -> None:
    """Running the generator again gives the shipped files and tasks, byte for byte."""
    files = regenerated(PROJECT, tmp_path / "data")
    assert set(files) == {"eval_problems.jsonl", "verifier_cases.jsonl"}
    assert all(shipped == made for shipped, made in files.values())
    made_tasks = {path.name: path.read_bytes() for path in (tmp_path / "tasks").iterdir()}
    assert made_tasks == {path.name: path.read_bytes() for path in TASKS.iterdir()}
