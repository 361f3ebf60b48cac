"""What runs take: measured by themselves, shown over iterations, judged where a contract asks for it."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import mlflow
import pytest
from console_cases import section
from flywheels import kpi_document, write_flywheel
from releases_bench import INTERFACE, MANAGER, ReleasesBench, releases_blueprint, releases_contracts
from workbench import bench_on, fresh_name, records, write_records

from flywheel_mlflow.drift.comparing import judge_kpis
from flywheel_mlflow.drift.findings import KpiVerdict
from flywheel_mlflow.drift.sides import Side, project_side
from flywheel_mlflow.evidence.flywheel import load_flywheel
from flywheel_mlflow.evidence.runs import Check, Outcome, ProjectEvidence
from flywheel_mlflow.operations.projects.project_run import ProjectRun
from flywheel_mlflow.operations.projects.resources import ResourceMeter
from flywheel_mlflow.operations.reading.gauges import gauges
from flywheel_mlflow.operations.reading.projects import project
from flywheel_mlflow.operations.reading.reader import Memory, PageQuery, Reader
from flywheel_mlflow.tables.addresses import Addresses

ROWS = 30
BUDGETS = [
    {"id": "models", "of": "tokens", "per": "quarter", "most": 1_000},
    {"id": "people", "project": "p01", "of": "review_hours", "per": "iteration", "most": 1},
]
WITHIN = {"id": "within_budget", "kind": "ceiling", "metric": "budget.models.share", "limit": 1, "demand": "In budget."}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> ReleasesBench:
    """A flywheel whose producer promises how long it takes; run twice, and assembled."""
    folder = tmp_path_factory.mktemp("resources")
    contracts = releases_contracts()
    asked = kpi_document("seconds", path="resource.wall_seconds", direction="lower", unit="s", tolerance=0.05, target=9)
    contracts["p01"]["kpis"] = [*contracts["p01"]["kpis"], asked]
    blueprint = releases_blueprint() | {"name": fresh_name(), "budgets": {"runs": BUDGETS}}
    blueprint["deliverables"] = {"prefix": "p10"}  # one file of an assembly is called otherwise then
    blueprint["gates"][0]["criteria"].append(WITHIN)
    flywheel = load_flywheel(write_flywheel(folder / "flywheel", blueprint=blueprint, contracts=contracts))
    found = ReleasesBench(bench_on(flywheel, f"sqlite:///{folder}/mlflow.db"))
    run(found, folder, 1, pause=0.0)
    found.assemble(1)
    run(found, folder, 2, pause=0.5)
    found.assemble(2)
    return found


def run(bench: ReleasesBench, folder: Path, iteration: int, *, pause: float, tokens: int = 0) -> None:
    """A run that does its work inside the block, and waits meanwhile."""
    path = write_records(folder / str(iteration) / "data.jsonl", records(ROWS, start=iteration))
    done = ProjectRun(bench.bench.flywheel, "p01", iteration, bench.bench.tracking, activates=True)
    with done:
        time.sleep(pause)
        if tokens:
            with mlflow.start_span("answer") as span:
                span.set_attribute(
                    "mlflow.chat.tokenUsage", {"input_tokens": 1, "output_tokens": 1, "total_tokens": tokens}
                )
        done.log_document({"quality": 0.9})
        done.log_checks([Check("ready", Outcome.PASSED)])
        done.log_interface(INTERFACE, path)


def evidence(bench: ReleasesBench, iteration: int) -> ProjectEvidence:
    """The producer's evidence."""
    return bench.bench.collect(iteration).evidence["p01"]


def test_a_run_measures_itself(bench: ReleasesBench) -> None:
    """Time, processor time, memory and rows a second are metrics of the run, with the machine, and are evidence."""
    found = evidence(bench, 2)
    taken = found.resources
    assert taken.wall_seconds is not None
    assert taken.wall_seconds >= 0.5
    assert taken.cpu_seconds is not None
    assert taken.cpu_seconds >= 0
    assert taken.peak_memory_mb is not None
    assert taken.peak_memory_mb > 50
    assert taken.rows_per_second == pytest.approx(ROWS / taken.wall_seconds, rel=0.01)
    assert "processors" in taken.machine
    metrics = bench.bench.run(found.run_id or "").data.metrics
    assert metrics["resource.wall_seconds"] == taken.wall_seconds
    assert found.kpis["seconds"].value == taken.wall_seconds


def test_they_are_shown_over_iterations(bench: ReleasesBench) -> None:
    """The project's page lists them; each is a number of the iteration with where it came from."""
    reader = Reader(bench.session(), Addresses(), "", Memory())
    table = section(project(reader, PageQuery({"project": "p01"})), "evidence").tables[0]
    assert table.caption == "What its run took"
    assert {row[0].text for row in table.rows} == {
        f"p01.resource.{name}" for name in ("wall_seconds", "cpu_seconds", "peak_memory_mb", "rows_per_second")
    }
    explained = bench.command("explain", "p01.resource.wall_seconds", "--iteration", "2")
    assert "measured by the run, on" in explained.out
    told = bench.command("check", "--iteration", "2")
    assert told.code == 0, told.out


def test_a_slower_run_regresses_on_the_same_machine_alone(bench: ReleasesBench) -> None:
    """A second more, of 0.05 s allowed, regresses; on another or an unknown machine that is said, and not judged."""
    fast = evidence(bench, 1)
    seconds = fast.kpis["seconds"]
    assert seconds.value is not None
    slow = replace(fast, kpis={**fast.kpis, "seconds": replace(seconds, value=seconds.value + 1)})

    def verdict(now: ProjectEvidence) -> tuple[KpiVerdict, bool, str]:
        sides = [Side(n, "", "", {"p01": project_side(item)}) for n, item in ((2, now), (1, fast))]
        found = judge_kpis(
            (bench.bench.flywheel.contract("p01"),), *sides, settings=bench.bench.flywheel.blueprint.drift
        )
        item = next(item for item in found if item.subject == "p01.seconds")
        return item.verdict, item.stops, item.text

    assert verdict(slow)[:2] == (KpiVerdict.REGRESSED, True)
    elsewhere = replace(slow, resources=replace(slow.resources, machine="another one"))
    assert verdict(elsewhere)[:2] == (KpiVerdict.INCONCLUSIVE, False)
    assert "measured on another machine" in verdict(elsewhere)[2]
    unknown = replace(slow, resources=replace(slow.resources, machine=""))
    assert "is unknown" in verdict(unknown)[2]


def test_logging_result_files_measures_nothing(bench: ReleasesBench, tmp_path: Path) -> None:
    """What logging takes is not what the work took: such a run has no resources."""
    bench.log(tmp_path, 3)
    assert evidence(bench, 3).resources.numbers() == {}
    assert evidence(bench, 3).kpis["seconds"].value is None


def test_memory_is_that_of_the_run() -> None:
    """A meter that starts after a large object is gone does not see it, and sees one that comes."""
    held = bytearray(200 * 1024 * 1024)
    del held
    meter = ResourceMeter()
    before = meter.read(None).peak_memory_mb
    held = bytearray(300 * 1024 * 1024)
    after = meter.read(None).peak_memory_mb
    assert held
    assert before is not None
    assert after is not None
    assert after - before > 250


def test_system_metrics_of_mlflow_come_along(
    bench: ReleasesBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With MLflow's own switch a run's processor and memory over time are on it too."""
    monkeypatch.setenv("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", "true")
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.1")
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLES_BEFORE_LOGGING", "1")
    run(bench, tmp_path, 4, pause=1.0)
    metrics = bench.bench.run(evidence(bench, 4).run_id or "").data.metrics
    assert any(name.startswith("system/") for name in metrics)


@pytest.mark.filterwarnings("ignore::UserWarning:mlflow.types")  # of MLflow's own types, when it is first traced
def test_over_budget_is_told_everywhere(bench: ReleasesBench, tmp_path: Path) -> None:
    """Tokens of traces count; a budget that is over shows in the table, as a risk, as a gauge and at the gate."""
    run(bench, tmp_path, 5, pause=0.0, tokens=1_500)
    bench.assemble(5)
    told = bench.command("budget", "--iteration", "5")
    assert "over budget" in told.out, told.out + told.err
    numbers = json.loads(bench.command("budget", "-i", "5", "--json").out)["numbers"]
    assert numbers["budget.models.spent"]["value"] == 1_500
    assert numbers["budget.models.share"]["value"] == 1.5
    assert numbers["budget.people.spent"]["value"] is None
    assert "p01 in iteration 5: 1,500" in bench.command("explain", "budget.models.spent", "--iteration", "5").out
    watched = bench.act(MANAGER, "risk-watch", iteration=5, dry_run=True)
    titles = [item["title"] for item in watched["found"]]
    assert "The budget models is spent to 150% (tokens each quarter)" in titles
    gauge = f'flywheel_budget_share{{flywheel="{bench.name}",budget="models"}} 1.5'
    assert gauge in gauges(Reader(bench.session(), Addresses(), "", Memory()))
    bench.act(MANAGER, "create", iteration=5)
    answer = bench.act(MANAGER, "gate", version=1, to="staging", dry_run=True)
    found = next(item for item in answer["result"]["criteria"] if item["id"] == "within_budget")
    assert found["verdict"] == "BLOCK"
