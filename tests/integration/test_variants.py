"""Variants on a real store: run side by side, compared sample by sample, chosen by a recorded decision."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from flywheels import write_flywheel
from releases_bench import INTERFACE, MANAGER, ReleasesBench, releases_blueprint, releases_contracts
from workbench import bench_on, fresh_name, records, write_records

from flywheel_mlflow.base.errors import InputError, Refused, UnknownName
from flywheel_mlflow.evidence.flywheel import load_flywheel
from flywheel_mlflow.evidence.runs import Check, Outcome
from flywheel_mlflow.operations.projects.project_run import ProjectRun
from flywheel_mlflow.operations.reading.projects import project
from flywheel_mlflow.operations.reading.reader import Memory, PageQuery, Reader
from flywheel_mlflow.tables.addresses import Addresses

SAMPLES = 200


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> ReleasesBench:
    """A flywheel whose producer runs in two variants, both in iteration 1."""
    folder = tmp_path_factory.mktemp("variants")
    contracts = releases_contracts()
    contracts["p01"]["variants"] = ["plain", "resolved"]
    blueprint = releases_blueprint() | {"name": fresh_name()}
    flywheel = load_flywheel(write_flywheel(folder / "flywheel", blueprint=blueprint, contracts=contracts))
    found = ReleasesBench(bench_on(flywheel, f"sqlite:///{folder}/mlflow.db"))
    log(found, folder, 1, "", right=120)
    log(found, folder, 1, "resolved", right=160)
    return found


def log(bench: ReleasesBench, folder: Path, iteration: int, variant: str, *, right: int) -> str:
    """A run of the producer of which ``right`` of the samples came out right."""
    path = write_records(folder / f"{iteration}-{variant}" / "data.jsonl", records(20, start=right))
    run = ProjectRun(bench.bench.flywheel, "p01", iteration, bench.bench.tracking, variant=variant)
    with run:
        run.log_document({"quality": right / SAMPLES})
        run.log_checks([Check("ready", Outcome.PASSED)])
        run.log_interface(INTERFACE, path)
        run.log_samples("quality", {f"s{number}": float(number < right) for number in range(SAMPLES)})
    return run.run_id


def counting(bench: ReleasesBench, iteration: int) -> tuple[str, float | None]:
    """The variant that counts in an iteration, and its KPI."""
    evidence = bench.bench.collect(iteration).evidence["p01"]
    return evidence.variant, evidence.kpis["quality"].value


def test_the_control_counts_until_somebody_decides(bench: ReleasesBench) -> None:
    """Both runs are there, a run without a variant is the control's, and the other is told with the reason."""
    collected = bench.bench.collect(1)
    assert counting(bench, 1) == ("plain", 0.6)
    assert list(collected.variants["p01"]) == ["plain", "resolved"]
    assert [item.reason for item in collected.skipped] == ["of variant resolved; plain counts"]
    said = bench.command("variant", "show", "p01", "--iteration", "1")
    assert said.code == 0, said.err
    assert "plain (counts)" in said.out
    assert "nobody decided otherwise" in said.out
    answer = json.loads(bench.command("variant", "show", "p01", "-i", "1", "--json").out)
    (judged,) = answer["compared"]["resolved"]
    assert judged["verdict"] == "improved"
    assert judged["worse"] == pytest.approx(-0.2)
    assert "on the same samples" in judged["text"]


def test_a_variant_nobody_declared_is_refused_before_anything_is_written(bench: ReleasesBench) -> None:
    """A misspelt variant is told with those there are, and leaves no run."""
    before = bench.bench.collect(1).skipped
    with pytest.raises(UnknownName, match="variant of p01 'resolvd'") as caught:
        ProjectRun(bench.bench.flywheel, "p01", 1, bench.bench.tracking, variant="resolvd")
    assert "resolved, plain" in str(caught.value)
    with pytest.raises(InputError, match="p10 declares no variants"):
        bench.bench.flywheel.contract("p10").variant("resolved")
    assert bench.bench.collect(1).skipped == before
    told = bench.command("run-projects", "--iteration", "1", "--variant", "resolvd")
    assert told.code == 2
    assert "unknown variant 'resolvd'" in told.err


def test_registry_and_page_show_them_side_by_side(bench: ReleasesBench) -> None:
    """The registry records both, the checks hold, and the project's page compares one with the one that counts."""
    bench.assemble(1)
    reader = Reader(bench.session(), Addresses(), "", Memory())
    page = project(reader, PageQuery({"project": "p01", "variant": "resolved"}))
    (section,) = (item for item in page.sections if item.id == "variants")
    assert section.tables[0].columns == ("KPI", "plain (counts)", "resolved")
    assert [cell.text for cell in section.tables[1].rows[0]][:2] == ["p01.quality", "better"]
    with pytest.raises(UnknownName, match="variant with a run"):
        project(reader, PageQuery({"project": "p01", "variant": "nobody"}))
    assert bench.command("check", "--iteration", "1").code == 0


def test_a_decision_holds_from_its_iteration_on(bench: ReleasesBench, tmp_path: Path) -> None:
    """The chosen variant counts from there; the iteration before keeps its own, and a second decision goes back."""
    log(bench, tmp_path, 2, "", right=120)
    log(bench, tmp_path, 2, "resolved", right=160)
    bench.act(MANAGER, "variant-choose", project="p01", variant="resolved", iteration=2, reason="better", dry_run=True)
    assert counting(bench, 2) == ("plain", 0.6)
    done = bench.command("variant", "choose", "p01", "resolved", "--reason", "20 points better", "--iteration", "2")
    assert "resolved of p01 counts from iteration 2 on" in done.out
    assert counting(bench, 2) == ("resolved", 0.8)
    assert counting(bench, 1) == ("plain", 0.6)
    with pytest.raises(Refused, match="counts in iteration 2 already"):
        bench.act(MANAGER, "variant-choose", project="p01", variant="resolved", iteration=2, reason="again")
    log(bench, tmp_path, 3, "", right=120)
    collected = bench.bench.collect(3)
    assert "p01" not in collected.evidence or collected.evidence["p01"].carried_from is not None
    bench.act(MANAGER, "variant-choose", project="p01", variant="plain", iteration=3, reason="too slow")
    assert counting(bench, 3) == ("plain", 0.6)
    assert counting(bench, 2) == ("resolved", 0.8)
    assert "too slow" in bench.command("release", "history").out


def test_a_variant_tag_that_was_changed_afterwards_is_believed_by_nobody(bench: ReleasesBench, tmp_path: Path) -> None:
    """Neither a run called another variant, nor one called a variant that was none, counts any more."""
    client = bench.bench.client
    labelled = log(bench, tmp_path, 4, "resolved", right=160)
    client.set_tag(labelled, "flywheel.variant", "plain")
    reasons = {item.run_id: item.reason for item in bench.bench.collect(4).skipped}
    assert "was changed after it ended: tag flywheel.variant" in reasons[labelled]
