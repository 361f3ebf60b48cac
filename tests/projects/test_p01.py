"""P01 against an embedded store: a clean run, its determinism, and what each fault turns."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from servers.embedded import EmbeddedStore
from trials import PROJECTS, Trial, load_module, regenerated, run_trial

from flywheel_mlflow.operations.projects.project_run import project_run

pytestmark = pytest.mark.integration
PROJECT = "p01_mini_c4"


@pytest.fixture(scope="module")
def store(module_store: EmbeddedStore) -> EmbeddedStore:
    """A store with the privacy controls this project reads."""
    run_trial("p09_privacy", module_store.uri)
    return module_store


@pytest.fixture(scope="module")
def clean(store: EmbeddedStore) -> Trial:
    return run_trial(PROJECT, store.uri)


def test_a_clean_run_is_consumable_and_big_enough_for_its_readers(clean: Trial) -> None:
    """Without a fault every check passes, and others find at least 150 documents."""
    assert clean.consumable, clean.reasons
    assert (clean.kpis["records"] or 0) >= 150
    assert clean.kpis["train_val_overlap"] == 0


def test_equal_runs_write_equal_interfaces(clean: Trial, store: EmbeddedStore) -> None:
    """A second run of the same code writes the same digests."""
    assert run_trial(PROJECT, store.uri).digests == clean.digests


def test_a_drifted_source_lowers_retention_and_fails_no_check(clean: Trial, store: EmbeddedStore) -> None:
    """Sites that change their markup cost documents, which only the figures show."""
    trial = run_trial(PROJECT, store.uri, fault="drifted_source")
    assert trial.consumable
    assert (trial.kpis["quality_retention"] or 0) < 0.75 * (clean.kpis["quality_retention"] or 0)
    assert (trial.kpis["records"] or 0) < 0.75 * (clean.kpis["records"] or 0)


@pytest.mark.parametrize(
    ("fault", "turned"),
    [
        ("no_dedup", {"final_dataset_no_exact_duplicates", "foundation_corpus.exact_duplicates"}),
        ("broken_schema", {"foundation_corpus.required_fields"}),
    ],
)
def test_each_fault_turns_its_check_and_no_other(
    fault: str, turned: set[str], clean: Trial, store: EmbeddedStore
) -> None:
    """An injected fault fails the checks that look for it, and leaves the others as they were."""
    trial = run_trial(PROJECT, store.uri, fault=fault)
    assert trial.failed - clean.failed == turned
    assert not trial.consumable


def test_the_manifest_names_the_version_the_platform_held_before(
    clean: Trial, store: EmbeddedStore, tmp_path: Path
) -> None:
    """With a control plane of the iteration before, the manifest points to its version; the corpus is the same."""
    plane = tmp_path / "platform_control_plane.json"
    version = {"version_id": "foundation_corpus@2", "interface": "foundation_corpus", "digest": "0" * 32}
    plane.write_text(json.dumps({"versions": [version]}), encoding="utf-8")
    with project_run("p08", 4, root=PROJECTS.parent, tracking_uri=store.uri) as run:
        run.log_metrics({kpi.name: 0.0 for kpi in run.contract.kpis if kpi.required})
        run.log_interface("platform_control_plane", plane)
    run_trial("p09_privacy", store.uri, iteration=5)
    later = run_trial(PROJECT, store.uri, iteration=5)
    assert later.consumable, later.reasons
    assert later.digests["foundation_corpus"] == clean.digests["foundation_corpus"]
    assert later.digests["training_manifest"] != clean.digests["training_manifest"]


def test_the_sample_data_are_what_the_generator_makes(tmp_path: Path) -> None:
    """Running the generator elsewhere gives the shipped files, byte for byte."""
    files = regenerated(PROJECT, tmp_path)
    assert {"crawl.jsonl", "sites.json"} <= set(files)
    assert all(shipped == made for shipped, made in files.values())


def test_the_documented_faults_are_those_tested() -> None:
    """The pipeline documents exactly the faults these tests inject."""
    module = load_module(PROJECTS / PROJECT / "pipeline.py")
    assert set(module.FAULTS) == {"drifted_source", "no_dedup", "broken_schema"}
