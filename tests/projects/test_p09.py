"""P09 against an embedded store: a clean run, its determinism, and what each fault turns."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from servers.embedded import EmbeddedStore
from trials import PROJECTS, Trial, load_module, regenerated, run_trial

from flywheel_mlflow.operations.projects.project_run import project_run

pytestmark = pytest.mark.integration
PROJECT = "p09_privacy"


@pytest.fixture(scope="module")
def clean(module_store: EmbeddedStore) -> Trial:
    return run_trial(PROJECT, module_store.uri)


def test_a_clean_run_is_consumable_and_leaves_no_identifier(clean: Trial) -> None:
    """Without a fault every check passes, and every planted identifier is gone from the whole record."""
    assert clean.consumable, clean.reasons
    assert clean.kpis["direct_pii_removed_rate"] == 1.0
    assert clean.kpis["preflight_pass_rate"] == 1.0


def test_equal_runs_write_equal_interfaces(clean: Trial, module_store: EmbeddedStore) -> None:
    """A second run of the same code writes the same digests."""
    assert run_trial(PROJECT, module_store.uri).digests == clean.digests


@pytest.mark.parametrize(
    ("fault", "turned"),
    [
        ("leaked_pii", {"redacted_records_remove_direct_pii", "sanitized_exports.raw_personal_data"}),
        ("plain_hash_tokens", {"tokens_are_keyed", "incident_and_postmortem_present"}),
        ("unresolved_alert", {"alerts_resolved"}),
    ],
)
def test_each_fault_turns_its_check_and_no_other(
    fault: str, turned: set[str], clean: Trial, module_store: EmbeddedStore
) -> None:
    """An injected fault fails the checks that look for it, and leaves the others as they were."""
    trial = run_trial(PROJECT, module_store.uri, fault=fault)
    assert trial.failed - clean.failed == turned
    assert not trial.consumable
    assert (trial.kpis["direct_pii_removed_rate"] == 1.0) == (fault != "leaked_pii")


def test_an_incident_the_platform_holds_open_becomes_a_follow_up(module_store: EmbeddedStore, tmp_path: Path) -> None:
    """What the platform's control plane of the iteration before holds against this project is taken up."""
    plane = tmp_path / "platform_control_plane.json"
    incident = {"incident_id": "inc_1", "project_id": "p09", "reason": "a run failed"}
    plane.write_text(json.dumps({"open_incidents": [incident, incident | {"project_id": "p05"}]}), encoding="utf-8")
    with project_run("p08", 6, root=PROJECTS.parent, tracking_uri=module_store.uri) as run:
        run.log_metrics({kpi.name: 0.0 for kpi in run.contract.kpis if kpi.required})
        run.log_interface("platform_control_plane", plane)
    with_incident = run_trial(PROJECT, module_store.uri, iteration=7)
    without = run_trial(PROJECT, module_store.uri, iteration=6)
    assert with_incident.digests["privacy_controls"] != without.digests["privacy_controls"]
    assert with_incident.digests["sanitized_exports"] == without.digests["sanitized_exports"]


def test_the_sample_data_are_what_the_generator_makes(tmp_path: Path) -> None:
    """Running the generator elsewhere gives the shipped files, byte for byte."""
    files = regenerated(PROJECT, tmp_path)
    assert {"raw_sensitive_records.jsonl", "planted_identifiers.jsonl", "access_log.jsonl", "drill.json"} <= set(files)
    assert all(shipped == made for shipped, made in files.values())


def test_the_documented_faults_are_those_tested() -> None:
    """The pipeline documents exactly the faults these tests inject."""
    module = load_module(PROJECTS / PROJECT / "pipeline.py")
    assert set(module.FAULTS) == {"leaked_pii", "plain_hash_tokens", "unresolved_alert"}
