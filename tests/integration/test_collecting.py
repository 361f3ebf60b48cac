"""Collecting an iteration from real servers: what it costs, what counts, and what nobody can break."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, RunTag
from servers.proxy import CountingProxy
from workbench import Bench, bench_on, changed, only, records, renamed, write_records

from flywheel_mlflow.promises.contract import Carry
from flywheel_mlflow.tracking import Collector


def _asked(counter: CountingProxy) -> list[str]:
    return ["/".join(exchange.path.rsplit("/", 2)[-2:]) for exchange in counter.exchanges]


def test_iteration_costs_one_search(counted_bench: Bench, request_counter: CountingProxy) -> None:
    """Nine projects with superseded runs are collected by one search of runs, one of experiments, and no artifact.

    Two of them have variants, so one question asks whether there is a ledger that says which counts.
    """
    counted_bench.log_published()
    for _ in range(2):
        counted_bench.log("p05")
    request_counter.reset()
    assert len(counted_bench.collect().evidence) == 9
    assert sorted(_asked(request_counter)) == ["experiments/search", "registered-models/get", "runs/search"]


def test_carrying_costs_one_search_an_iteration(counted_bench: Bench, request_counter: CountingProxy) -> None:
    """Carrying forward costs one more search for each iteration looked back at, never one per project."""
    counted_bench.log_published(1)
    request_counter.reset()
    collected = counted_bench.collect(3)
    assert {name for name, item in collected.evidence.items() if item.carried_from == 1} >= {"p01", "p02", "p03"}
    assert sorted(_asked(request_counter)) == ["experiments/search", "registered-models/get", *["runs/search"] * 3]


@pytest.mark.parametrize("page_size", [1, 2, 7])
def test_more_runs_than_a_page(bench: Bench, page_size: int) -> None:
    """An iteration with more runs than a page holds is collected whole, each run once."""
    logged = [bench.log("p05").run_id for _ in range(4)] + [bench.log("p06").run_id for _ in range(3)]
    collector = Collector(bench.client, uri=bench.uri, flywheel=bench.name, page_size=page_size)
    collected = collector.collect(only(bench.flywheel, "p05", "p06"), 1)
    assert {item.run_id for item in collected.evidence.values()} == {logged[3], logged[6]}
    assert sorted(item.run_id for item in collected.skipped) == sorted(set(logged) - {logged[3], logged[6]})


def test_evidence_survives_the_server(bench: Bench, tmp_path: Path) -> None:
    """What is collected equals what was logged: KPIs, checks, costs, interface versions with fields, and digests."""
    data = {
        "teaching_corpus": write_records(tmp_path / "teaching_corpus.jsonl", records(5)),
        "verified_code_examples": write_records(tmp_path / "code.jsonl", records(5, start=9)),
    }
    logged = bench.log("p04", interfaces=data).entry.evidence
    assert logged is not None
    found = bench.collect().evidence["p04"]
    assert found.ended is not None
    assert replace(found, ended=None) == replace(logged, checks=found.checks)
    assert found.checks == logged.checks


def test_whole_iteration_survives_the_server(bench: Bench) -> None:
    """The published figures of all nine projects come back as they were logged."""
    logged = {item.entry.project_id: item.entry.evidence for item in bench.log_published()}
    found = bench.collect().evidence
    assert {name: replace(item, ended=None) for name, item in found.items()} == logged


def test_missing_project_is_carried_with_its_age(bench: Bench) -> None:
    """A project without a run is carried from its newest earlier iteration, marked with the iteration it is from."""
    bench.log("p01", 1)
    second = bench.log("p01", 2)
    found = bench.collect(4).evidence["p01"]
    assert (found.run_id, found.carried_from, found.iteration) == (second.run_id, 2, 2)
    assert bench.collect(2).evidence["p01"].carried_from is None


def test_too_old_is_not_carried(bench: Bench) -> None:
    """A run older than the contract's limit is not carried: p01 allows three iterations, p05 one."""
    bench.log("p01", 1)
    bench.log("p05", 1)
    assert set(bench.collect(2).evidence) == {"p01", "p05"}
    assert set(bench.collect(4).evidence) == {"p01"}
    assert set(bench.collect(5).evidence) == set()


def test_contract_forbids_carrying(bench: Bench) -> None:
    """A contract that forbids it keeps a project without evidence, whatever it logged before."""
    bench.log("p01", 1)
    flywheel = changed(bench.flywheel, "p01", carry=Carry(allowed=False))
    assert bench.with_flywheel(flywheel).collect(2).evidence == {}


def test_failed_run_does_not_stop_carrying(bench: Bench) -> None:
    """A project whose run of this iteration failed is carried, and the failed run is listed."""
    good = bench.log("p01", 1)
    with pytest.raises(RuntimeError), bench.open("p01", 2):
        raise RuntimeError("no luck")
    collected = bench.collect(2)
    assert (collected.evidence["p01"].run_id, collected.evidence["p01"].carried_from) == (good.run_id, 1)
    assert [item.reason for item in collected.skipped] == ["ended failed: RuntimeError: no luck"]


_GOOD: dict[str, str] = {
    "flywheel.schema": "1",
    "flywheel.kind": "project",
    "flywheel.iteration": "1",
    "flywheel.project": "p05",
    "flywheel.valid": "true",
}
HOSTILE: dict[str, tuple[dict[str, str], dict[str, float], str]] = {
    "garbage checks": ({"flywheel.checks": "{{{"}, {}, "unreadable"),
    "checks a list": ({"flywheel.checks": "[1]"}, {}, "unreadable"),
    "checks nested without end": ({"flywheel.checks": "[" * 4900}, {}, "unreadable"),
    "unknown outcome": ({"flywheel.checks": '{"outcomes": {"a": "great"}}'}, {}, "unreadable"),
    "outcome a list": ({"flywheel.checks": '{"outcomes": {"a": []}}'}, {}, "unreadable"),
    "huge number": ({"flywheel.checks": '{"outcomes": ' + "9" * 4900 + "}"}, {}, "unreadable"),
    "unknown project": ({"flywheel.project": "p99"}, {}, "no contract for project 'p99'"),
    "project of strange characters": ({"flywheel.project": "'; DROP TABLE runs; --\x1b"}, {}, "no contract"),
    "wrong format": ({"flywheel.schema": "2"}, {}, "written in format 2"),
    "no format": ({"flywheel.schema": ""}, {}, "written in format"),
    "unknown kind": ({"flywheel.kind": "banana"}, {}, "of kind banana"),
    "unknown evidence": ({"flywheel.evidence": "hearsay"}, {}, "unreadable"),
    "another flywheel": ({"flywheel.name": "somebody-else"}, {}, "belongs to the flywheel somebody-else"),
    "never marked": ({"flywheel.valid": "TRUE"}, {}, "never marked valid"),
    "negative count": ({}, {"checks.failed": -3.0}, "which is no count"),
    "endless count": ({}, {"checks.passed": 1e300}, "which is no count"),
    "count NaN": ({}, {"checks.passed": float("nan")}, "which is no count"),
}


def _foreign(bench: Bench, labels: Mapping[str, str], metrics: Mapping[str, float], end_time: int | None = None) -> str:
    tags = {**_GOOD, "flywheel.name": bench.name, **labels}
    run_id: str = bench.client.create_run(bench.experiment("p05")).info.run_id
    bench.client.log_batch(
        run_id,
        metrics=[Metric(name, value, 0, 0) for name, value in metrics.items()],
        tags=[RunTag(name, value) for name, value in tags.items()],
    )
    bench.client.set_terminated(run_id, end_time=end_time)
    return run_id


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_run_is_listed(bench: Bench, case: str) -> None:
    """A run whose tags or metrics nobody of ours wrote is listed with the reason, and a good one beside it counts."""
    labels, metrics, reason = HOSTILE[case]
    good = bench.log("p05")
    run_id = _foreign(bench, labels, metrics)
    collected = bench.collect()
    assert {name: item.run_id for name, item in collected.evidence.items()} == {"p05": good.run_id}
    assert [item.run_id for item in collected.skipped] == [run_id]
    assert reason in collected.skipped[0].reason
    assert len(collected.skipped[0].reason) < 400


def test_run_that_ends_beyond_the_calendar(bench: Bench) -> None:
    """An end no calendar holds makes a run unreadable, not the collection."""
    run_id = _foreign(bench, {}, {}, end_time=9_000_000_000_000_000)
    assert [(item.run_id, item.reason[:10]) for item in bench.collect().skipped] == [(run_id, "unreadable")]


def test_metrics_that_are_no_numbers_are_unknown(bench: Bench) -> None:
    """NaN and the infinities, which MLflow stores in its own ways, are unknown KPI values, never numbers."""
    nan, endless = float("nan"), float("inf")
    _foreign(
        bench, {}, {"queries": nan, "latency_ms": endless, "citation_accuracy": -endless, "cost.review_hours": nan}
    )
    found = bench.collect().evidence["p05"]
    assert {item.value for item in found.kpis.values()} == {None}
    assert found.costs.review_hours is None


@pytest.mark.parametrize(
    ("schema", "profile"),
    [
        ("[1", None),
        ('{"mlflow_colspec": 3}', None),
        ('{"mlflow_colspec": ["x"]}', None),
        ('{"mlflow_colspec": [{"name": "a"}]}', None),
        (None, "[1, 2]"),
        (None, "[" * 100_000),
        ('{"mlflow_tensorspec": []}', '{"num_rows": 3}'),
    ],
)
def test_foreign_dataset_never_breaks_collecting(bench: Bench, schema: str | None, profile: str | None) -> None:
    """A dataset that claims to be an interface version, with any schema and profile, never breaks collecting."""
    run_id = _foreign(bench, {}, {})
    stranger = Dataset("retrieval_metrics", "d1gest", "local", "{}", schema=schema, profile=profile)
    tags = [InputTag("mlflow.data.context", "interface_out")]
    bench.client.log_inputs(run_id, datasets=[DatasetInput(stranger, tags)])
    collected = bench.collect()
    listed = [item.run_id for item in collected.skipped]
    assert listed == [run_id] or collected.evidence["p05"].run_id == run_id


def test_other_flywheels_runs_are_not_seen(bench: Bench) -> None:
    """Two flywheels on one server never see each other's runs."""
    other = bench_on(renamed(bench.flywheel, bench.name + "-two"), bench.uri)
    other.log("p05")
    assert bench.collect().evidence == {}
    assert bench.collect().skipped == ()


def test_experiment_of_another_flywheel_is_not_taken(bench: Bench) -> None:
    """An experiment that carries another flywheel's tag is neither written to nor renamed."""
    experiment = bench.experiment("p05")
    bench.client.set_experiment_tag(experiment, "flywheel.name", "somebody-else")
    with pytest.raises(Exception, match="belongs to the flywheel somebody-else"):
        bench.log("p05")
    assert bench.client.get_experiment(experiment).tags["flywheel.name"] == "somebody-else"


def test_assembly_runs_are_not_evidence(bench: Bench) -> None:
    """The assembly's own runs carry the iteration too, and are neither evidence nor listed as skipped."""
    for kind in ("assembly", "stage"):
        _foreign(bench, {"flywheel.kind": kind}, {})
    collected = bench.collect()
    assert (dict(collected.evidence), collected.skipped) == ({}, ())


def test_newest_is_the_one_that_ended_last(bench: Bench) -> None:
    """Of two valid runs the one that ended last counts, even if it was started first."""
    slow, quick = bench.open("p05"), bench.open("p05")
    for run in (slow, quick):
        run.__enter__()
        run.log_metrics({"queries": 8})
    quick.__exit__(None, None, None)
    time.sleep(0.005)  # MLflow's clock ticks in milliseconds
    slow.__exit__(None, None, None)
    assert bench.collect().evidence["p05"].run_id == slow.run_id
