"""P08 against an embedded store whose history is logged here, run by run."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from servers.embedded import EmbeddedStore
from trials import PROJECTS, Trial, load_module, regenerated, run_trial

from flywheel_mlflow.operations.projects.project_run import ProjectRun, project_run
from flywheel_mlflow.promises.fields import field_types
from flywheel_mlflow.promises.interfaces import InterfaceOut

pytestmark = pytest.mark.integration
PROJECT = "p08_dataops"


@pytest.fixture
def store(embedded_store: Callable[[], EmbeddedStore]) -> EmbeddedStore:
    return embedded_store()


def rows_for(interface: InterfaceOut, variant: str) -> list[dict[str, Any]]:
    """Three records with every field the contract promises."""
    rows = []
    for number in range(3):
        row: dict[str, Any] = {
            "id": f"{interface.name}-{number}",
            "source": {"name": "made for a test", "license": "CC0-1.0"},
            "content": f"{variant} text {number} of {interface.name}",
            "metadata": {"license": "CC0-1.0"},
            "quality_signals": {"ok": number > 0},
            "split": "train",
            "audit_trace": ["made"],
        }
        for path in field_types(interface.fields):
            *parents, last = path.split(".")
            place = row
            for parent in parents:
                place = place.setdefault(parent, {})
            place.setdefault(last, f"{last} {number}")
        rows.append(row)
    return rows


def write_interfaces(run: ProjectRun, folder: Path, variant: str) -> None:
    for interface in run.contract.interfaces_out:
        path = folder / run.contract.id / f"{interface.name}.{'json' if interface.format == 'opaque' else 'jsonl'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        if interface.format == "opaque":
            path.write_text(json.dumps({"variant": variant, "preflight": {"overall_passed": True}}), encoding="utf-8")
        else:
            lines = [json.dumps(row) + "\n" for row in rows_for(interface, variant)]
            path.write_text("".join(lines), encoding="utf-8")
        run.log_interface(interface.name, path)


class History:
    """Logs runs that keep their contracts, save for what a test says."""

    def __init__(self, store: EmbeddedStore, folder: Path) -> None:
        self._store = store
        self._folder = folder

    def log(
        self,
        project_id: str,
        iteration: int,
        *,
        variant: str = "same",
        kpis: Mapping[str, float] | None = None,
        failed: frozenset[str] = frozenset(),
        reads: tuple[str, ...] = (),
    ) -> None:
        folder = self._folder / f"{project_id}-{iteration}-{variant}"
        with project_run(project_id, iteration, root=PROJECTS.parent, tracking_uri=self._store.uri) as run:
            for name in reads:
                run.log_input(name)
            run.log_metrics({kpi.name: 1.0 for kpi in run.contract.kpis} | dict(kpis or {}))
            for name in run.contract.checks.required:
                run.log_check(name, name not in failed)
            write_interfaces(run, folder, variant)

    def inputs(self, *iterations: int) -> None:
        """The runs this project cannot do without."""
        for iteration in iterations:
            self.log("p05", iteration)
            self.log("p09", iteration)


@pytest.fixture
def history(store: EmbeddedStore, tmp_path: Path) -> History:
    return History(store, tmp_path / "made")


def run(store: EmbeddedStore, iteration: int, fault: str = "") -> Trial:
    return run_trial(PROJECT, store.uri, iteration=iteration, fault=fault)


def test_it_works_without_any_history(store: EmbeddedStore, history: History) -> None:
    """In the first turn it registers what it reads, knows of no failure, and calls no service level met."""
    history.inputs(1)
    trial = run(store, 1)
    assert trial.consumable, trial.reasons
    assert trial.kpis["dataset_versions"] == 2
    assert (trial.kpis["regressed_runs"], trial.kpis["failed_runs"]) == (0, 0)
    assert trial.kpis["sla_met_rate"] is None
    assert trial.kpis["incident_mttr_minutes"] is None
    assert run(store, 1).digests == trial.digests


@pytest.mark.parametrize(
    ("fault", "turned"),
    [
        ("broken_lineage", {"lineage_edges_resolve"}),
        ("no_exception_process", {"governance_exception_process_present"}),
    ],
)
def test_faults_that_show_at_once_turn_their_check_alone(
    fault: str, turned: set[str], store: EmbeddedStore, history: History
) -> None:
    """Without any history, these two fail the checks that look for them and no other."""
    history.inputs(1)
    clean = run(store, 1)
    trial = run(store, 1, fault)
    assert trial.failed - clean.failed == turned
    assert not trial.consumable


def test_a_regression_is_rolled_back_and_closed_by_the_run_that_mends_it(
    store: EmbeddedStore, history: History
) -> None:
    """A KPI that falls is a regression with a rollback, until a later run of the project is back where it was."""
    history.inputs(1, 2, 3, 4)
    for iteration, retention in ((1, 0.6), (2, 0.4), (3, 0.61)):
        history.log("p01", iteration, variant=str(iteration), kpis={"quality_retention": retention})
    before, regressed, mended = (run(store, iteration) for iteration in (2, 3, 4))
    assert before.kpis["regressed_runs"] == 0
    assert regressed.kpis["regressed_runs"] == 1
    assert regressed.consumable, regressed.reasons
    assert mended.kpis["regressed_runs"] == 0
    assert mended.kpis["incident_mttr_minutes"] is not None
    assert mended.kpis["sla_met_rate"] == 1.0
    lost = run(store, 3, "lost_rollback")
    assert lost.failed - regressed.failed == {"regressions_have_rollback"}
    assert not lost.consumable


def test_a_run_that_missed_its_contract_counts_until_it_is_repeated(store: EmbeddedStore, history: History) -> None:
    """A failed required check is a failed run and an alert; the next good run resolves both."""
    history.inputs(1, 2, 3)
    history.log("p01", 1, failed=frozenset({"train_val_no_overlap"}))
    history.log("p01", 2)
    failed, repeated = run(store, 2), run(store, 3)
    assert (failed.kpis["failed_runs"], failed.kpis["resolved_alert_rate"]) == (1, 0)
    assert (repeated.kpis["failed_runs"], repeated.kpis["resolved_alert_rate"]) == (0, 1)


def test_a_superseded_version_keeps_its_place_in_the_lineage(store: EmbeddedStore, history: History) -> None:
    """A consumer's edge to a version that a newer run replaced still resolves."""
    history.inputs(1, 2)
    history.log("p01", 1, variant="first")
    history.log("p04", 1, reads=("foundation_corpus",))
    history.log("p01", 1, variant="second")
    trial = run(store, 2)
    assert trial.consumable, trial.reasons


def test_the_data_are_what_the_generator_makes(tmp_path: Path) -> None:
    """Running the generator elsewhere gives the shipped files, byte for byte."""
    files = regenerated(PROJECT, tmp_path)
    assert set(files) == {"governance.json", "exceptions.json"}
    assert all(shipped == made for shipped, made in files.values())


def test_the_documented_faults_are_those_tested() -> None:
    """The pipeline documents exactly the faults these tests inject."""
    module = load_module(PROJECTS / PROJECT / "pipeline.py")
    assert set(module.FAULTS) == {"broken_lineage", "no_exception_process", "lost_rollback"}
