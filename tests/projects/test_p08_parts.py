"""The parts of P08: what counts as worse, versions, rollbacks, incidents, service levels and the graph."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from trials import PROJECTS, ROOT, load_module

from flywheel_mlflow.evidence.flywheel import load_flywheel
from flywheel_mlflow.evidence.runs import (
    Collected,
    ConsumedInterface,
    EvidenceKind,
    InterfaceVersion,
    KpiValue,
    ProjectEvidence,
    SkippedRun,
    summarize_checks,
)
from flywheel_mlflow.promises.contract import Contract, Kpi

HOME = PROJECTS / "p08_dataops"
past = load_module(HOME / "p08_history.py")
operations = load_module(HOME / "p08_operations.py")
lineage = load_module(HOME / "p08_lineage.py")

START = datetime(2025, 3, 3, 9, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def contracts() -> dict[str, Contract]:
    return {name: item for name, item in load_flywheel(ROOT).contracts.items() if not item.is_assembly}


def evidence(
    project_id: str = "p01",
    iteration: int = 1,
    *,
    minute: int = 0,
    retention: float | None = 0.6,
    made: tuple[tuple[str, str], ...] = (("foundation_corpus", "a"),),
    read: tuple[tuple[str, str], ...] = (),
    kind: EvidenceKind = EvidenceKind.MEASURED,
) -> ProjectEvidence:
    return ProjectEvidence(
        project_id=project_id,
        iteration=iteration,
        kind=kind,
        run_id=f"{project_id}-run-{iteration}",
        ended=START + timedelta(minutes=minute),
        contract_digest="",
        kpis={"quality_retention": KpiValue(retention)},
        checks=summarize_checks([], []),
        interfaces_out={name: InterfaceVersion(name, "", digest, "") for name, digest in made},
        interfaces_in=tuple(ConsumedInterface(*pair) for pair in read),
    )


def turn(iteration: int, *found: ProjectEvidence, skipped: tuple[SkippedRun, ...] = ()) -> Collected:
    return Collected(iteration, {item.project_id: item for item in found}, skipped)


def all_good(_evidence: ProjectEvidence) -> tuple[str, ...]:
    return ()


def judged(history: list[Collected], contracts: dict[str, Contract], **values: Any) -> Any:
    return past.experiments_of(history, contracts, values.pop("why_not", all_good), observer="p08")


def kpi(direction: str, unit: str = "ratio", *, target: float | None = 1.0, tolerance: float = 0.0) -> Kpi:
    return Kpi.model_validate(
        {
            "name": "quality_retention",
            "path": "x",
            "direction": direction,
            "unit": unit,
            "target": target,
            "tolerance": tolerance,
        }
    )


@pytest.mark.parametrize(
    ("promise", "then", "now", "worse"),
    [
        (kpi("higher"), 0.6, 0.5, True),
        (kpi("higher"), 0.6, 0.58, False),  # within the noise of a small evaluation set
        (kpi("higher", tolerance=0.2), 0.6, 0.45, False),
        (kpi("higher"), 0.6, 0.7, False),
        (kpi("lower"), 0.0, 1.0, True),
        (kpi("lower"), 2.0, 1.0, False),
        (kpi("lower", "ms"), 10.0, 25.0, False),  # a busy machine
        (kpi("lower", "ms"), 10.0, 31.0, True),
        (kpi("higher", target=None), 0.6, 0.1, False),  # describes the input
        (kpi("higher"), None, 0.1, False),
        (kpi("higher"), 0.6, None, False),
    ],
)
def test_worse_means_beyond_tolerance_and_noise(
    promise: Kpi, then: float | None, now: float | None, worse: bool
) -> None:
    """A KPI has regressed only beyond its tolerance and the allowance of its unit; the unknown never has."""
    assert past.is_worse(promise, evidence(retention=now), evidence(retention=then)) is worse


def test_only_measured_runs_of_their_own_turn_are_experiments(contracts: dict[str, Contract]) -> None:
    """Published figures and projects without a contract are no experiments."""
    history = [turn(1, evidence(kind=EvidenceKind.PUBLISHED), evidence("p99"))]
    assert judged(history, contracts) == []


def test_a_regressed_run_is_compared_with_the_last_accepted_one(contracts: dict[str, Contract]) -> None:
    """Two bad runs after a good one are two regressions: the bad one sets no new standard."""
    history = [turn(n, evidence(iteration=n, retention=value)) for n, value in ((1, 0.6), (2, 0.3), (3, 0.3), (4, 0.6))]
    assert [run.status for run in judged(history, contracts)] == ["completed", "regressed", "regressed", "completed"]


def test_the_observers_own_figures_never_regress(contracts: dict[str, Contract]) -> None:
    """P08's figures describe others: theirs getting worse is no regression of P08."""
    history = [turn(n, evidence("p08", n, made=(), retention=value)) for n, value in ((1, 0.6), (2, 0.1))]
    assert [run.status for run in judged(history, contracts)] == ["completed", "completed"]


def test_equal_content_is_one_version_and_new_content_has_a_parent(contracts: dict[str, Contract]) -> None:
    """A version is its content; its parent is the newest version that was released before it."""
    history = [
        turn(n, evidence(iteration=n, made=(("foundation_corpus", digest),)))
        for n, digest in enumerate(["a", "a", "b"], start=1)
    ]
    catalogue = past.catalogue_of(history, judged(history, contracts), contracts)
    assert [(item.version_id, item.parent) for item in catalogue.versions] == [
        ("foundation_corpus@1", None),
        ("foundation_corpus@3", "foundation_corpus@1"),
    ]
    assert lineage.bad_parents(catalogue) == []


def regression(contracts: dict[str, Contract]) -> tuple[Any, Any, Any]:
    history = [
        turn(1, evidence(made=(("foundation_corpus", "a"),))),
        turn(2, evidence(iteration=2, minute=5, retention=0.3, made=(("foundation_corpus", "b"),))),
    ]
    experiments = judged(history, contracts)
    return history, experiments, past.catalogue_of(history, experiments, contracts)


def test_a_regression_goes_back_to_the_released_version(contracts: dict[str, Contract]) -> None:
    """The rollback names the version before; without it the regression is named."""
    _, experiments, catalogue = regression(contracts)
    rollbacks = operations.rollbacks_of(experiments, catalogue)
    assert [(item.fallback, item.trigger_digest) for item in rollbacks] == [("foundation_corpus@1", "b")]
    assert operations.without_rollback(experiments, rollbacks, catalogue) == []
    assert operations.without_rollback(experiments, [], catalogue) == ["p01-run-2"]
    graph = lineage.graph_of(catalogue, experiments, rollbacks)
    assert lineage.dangling(graph) == []
    assert {edge["relation"] for edge in graph["edges"]} == {"produced", "rolled_back_by", "restored", "derived_from"}


def test_incidents_stay_open_until_something_closes_them(contracts: dict[str, Contract]) -> None:
    """A regression without rollback or mending run is open, and each of the two closes it."""
    history, experiments, catalogue = regression(contracts)
    assert [item.closed_by for item in operations.incidents_of(history, experiments, [])] == [None]
    rollbacks = operations.rollbacks_of(experiments, catalogue)
    assert operations.incidents_of(history, experiments, rollbacks)[0].closed_by == "rb_foundation_corpus_2"
    history.append(turn(3, evidence(iteration=3, minute=25)))
    closed = operations.incidents_of(history, judged(history, contracts), [])[0]
    assert (closed.closed_by, closed.mttr_minutes) == ("run p01-run-3", 20)


@pytest.mark.parametrize(("with_run", "closed"), [(True, "run p01-run-1"), (False, None)])
def test_an_aborted_attempt_is_closed_by_a_valid_run(
    with_run: bool, closed: str | None, contracts: dict[str, Contract]
) -> None:
    """A run that ended in an error is an incident; runs that a newer one replaced are none."""
    skipped = (
        SkippedRun("p01", "x", "ended failed: out of memory"),
        SkippedRun("p01", "y", "superseded by a newer valid run"),
    )
    history = [turn(1, *([evidence()] if with_run else []), skipped=skipped)]
    incidents = operations.incidents_of(history, judged(history, contracts), [])
    assert [(item.kind, item.closed_by) for item in incidents] == [("aborted", closed)]


def test_service_levels_are_met_missed_or_unknown(contracts: dict[str, Contract]) -> None:
    """Each level says what was measured in the newest turn, and nothing where there was nothing to measure."""
    limits = {"dataset_publish_hours": 1, "incident_response_minutes": 30, "lineage_freshness_minutes": 15}
    assert {item["met"] for item in operations.service_levels([], [], limits).values()} == {None}
    history = [turn(1, evidence(), evidence("p11", minute=90, made=(), read=(("foundation_corpus", "a"),)))]
    levels = operations.service_levels(judged(history, contracts), [], limits)
    assert [levels[name]["met"] for name in limits] == [False, None, False]
    assert [levels[name]["measured"] for name in limits] == [1.5, None, 90]


def test_an_edge_to_data_nobody_made_leads_nowhere(contracts: dict[str, Contract]) -> None:
    """What was read must have been made, or be known to have been replaced."""
    reader = evidence("p11", made=(), read=(("foundation_corpus", "zz"),))
    for skipped, count in (((), 1), ((SkippedRun("p01", "y", "superseded by a newer valid run"),), 0)):
        history = [turn(1, evidence(), reader, skipped=skipped)]
        experiments = judged(history, contracts)
        catalogue = past.catalogue_of(history, experiments, contracts)
        assert len(lineage.dangling(lineage.graph_of(catalogue, experiments, []))) == count
