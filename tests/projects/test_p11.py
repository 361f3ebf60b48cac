"""P11 against an embedded store: a clean run, its determinism, its optional input, and what each fault turns."""

from __future__ import annotations

from pathlib import Path

import pytest
from servers.embedded import EmbeddedStore
from trials import PROJECTS, Trial, load_module, regenerated, run_trial

pytestmark = pytest.mark.integration
PROJECT = "p11_recipe"


@pytest.fixture(scope="module")
def store(module_store: EmbeddedStore) -> EmbeddedStore:
    """A store with privacy controls in iterations 2 and 3, and a corpus in iteration 2 alone."""
    for iteration in (2, 9):
        run_trial("p09_privacy", module_store.uri, iteration=iteration)
    run_trial("p01_mini_c4", module_store.uri)
    return module_store


@pytest.fixture(scope="module")
def clean(store: EmbeddedStore) -> Trial:
    return run_trial(PROJECT, store.uri)


def test_a_clean_run_is_consumable_and_free_of_evaluation_texts(clean: Trial) -> None:
    """Without a fault every check passes and no text of the mix quotes an evaluation text."""
    assert clean.consumable, clean.reasons
    assert clean.kpis["contamination_hits"] == 0
    assert all(value is not None for value in clean.kpis.values())


def test_equal_runs_write_equal_interfaces(clean: Trial, store: EmbeddedStore) -> None:
    """A second run writes the same recipe, the same tokenizer and the same rows."""
    assert run_trial(PROJECT, store.uri).digests == clean.digests


def test_without_the_corpus_the_other_sources_are_mixed_alone(store: EmbeddedStore) -> None:
    """The optional corpus may be missing: the weights of the rest are scaled, and Chinese costs are unknown."""
    trial = run_trial(PROJECT, store.uri, iteration=9)
    assert trial.consumable, trial.reasons
    assert trial.kpis["tokens_per_char_zh"] is None
    assert trial.kpis["packing_efficiency"] is not None


@pytest.mark.parametrize(
    ("fault", "turned"),
    [
        ("contaminated_eval", {"no_evaluation_text_in_mix"}),
        ("skewed_mix", {"test_recipe_weights"}),
        ("loose_packing", set()),
    ],
)
def test_each_fault_turns_its_check_or_kpi_and_no_other(
    fault: str, turned: set[str], clean: Trial, store: EmbeddedStore
) -> None:
    """Contamination and skew fail their checks, loose packing costs efficiency; the rest stays as it was."""
    trial = run_trial(PROJECT, store.uri, fault=fault)
    assert trial.failed - clean.failed == turned
    assert trial.consumable == (not turned)
    assert bool(trial.kpis["contamination_hits"]) == (fault == "contaminated_eval")
    assert ((trial.kpis["packing_efficiency"] or 0) < 0.5) == (fault == "loose_packing")


def test_the_sample_data_are_what_the_generator_makes(tmp_path: Path) -> None:
    """Running the generator elsewhere gives the shipped files, byte for byte."""
    files = regenerated(PROJECT, tmp_path)
    assert {"code.jsonl", "math.jsonl", "papers.jsonl", "evaluation_held_out.jsonl"} <= set(files)
    assert all(shipped == made for shipped, made in files.values())


def test_the_documented_faults_are_those_tested() -> None:
    """The pipeline documents exactly the faults these tests inject."""
    module = load_module(PROJECTS / PROJECT / "pipeline.py")
    assert set(module.FAULTS) == {"contaminated_eval", "skewed_mix", "loose_packing"}
