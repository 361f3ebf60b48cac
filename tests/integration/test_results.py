"""Results of other tools are logged as these tools wrote them: numbers, sample sizes and samples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from flywheels import contract
from workbench import Bench

from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.operations.projects.project_run import LoggedRun
from flywheel_mlflow.operations.projects.results import log_results

#: KPIs that lm-evaluation-harness measures, in the place of those of p05.
PROMISE = contract(
    "p05",
    kpis=[
        {"name": "acc", "path": "asdiv.acc", "unit": "accuracy", "direction": "higher", "target": 0.9},
        {"name": "perplexity", "path": "wiki.word_perplexity", "unit": "perplexity", "direction": "lower"},
    ],
    results={
        "metrics": "model/results_*.json",
        "metrics_format": "lm_eval",
        "checks_format": "junit",
        "checks": "checks.xml",
        "samples": {"acc": "model/samples_asdiv_*.jsonl", "perplexity": "model/samples_wiki.jsonl"},
    },
)


def _results(folder: Path) -> Path:
    """A folder as the harness leaves it, NaN included."""
    model = folder / "model"
    model.mkdir(parents=True)
    document: dict[str, Any] = {
        "results": {"asdiv": {"alias": "asdiv", "acc,none": 0.5, "acc_stderr,none": 0.25, "f1,none": float("nan")}},
        "n-samples": {"asdiv": {"original": 2305, "effective": 4}},
    }
    (model / "results_2026-10-01T10-00-00.000000.json").write_text(json.dumps(document))
    lines = [{"doc_id": n, "doc_hash": f"{n}" * 64, "target": "1", "filter": "none", "acc": n % 2} for n in range(4)]
    file = model / "samples_asdiv_2026-10-01T10-00-00.000000.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "checks.xml").write_text(
        '<testsuite name="t" tests="1"><testcase classname="t" name="ready"/></testsuite>'
    )
    return folder


def _log(bench: Bench, folder: Path) -> LoggedRun:
    wheel = bench.flywheel
    promising = bench.with_flywheel(
        type(wheel)(wheel.root, wheel.blueprint, {**wheel.contracts, "p05": PROMISE}, wheel.folders)
    )
    return log_results(promising.flywheel, "p05", 1, bench.tracking, results=folder)


def test_results_of_the_harness_are_logged_as_they_are(bench: Bench, tmp_path: Path) -> None:
    """Value, sample size, standard error and the samples of a KPI are on the run; what is not there is told."""
    logged = _log(bench, _results(tmp_path / "results"))
    run = bench.run(logged.run_id)
    assert {name: run.data.metrics[name] for name in ("acc", "acc.n", "acc.stderr")} == {
        "acc": 0.5,
        "acc.n": 4,
        "acc.stderr": 0.25,
    }
    samples = json.loads(Path(bench.client.download_artifacts(logged.run_id, "flywheel/samples/acc.json")).read_text())
    assert samples["samples"] == {f"{n}:{str(n) * 16}": float(n % 2) for n in range(4)}
    assert [line.partition(" ")[0] for line in logged.missing] == ["perplexity:", "perplexity"]
    assert "nothing at wiki.word_perplexity" in logged.missing[0]
    assert "no file" in logged.missing[1]


def test_results_of_two_runs_are_not_mixed(bench: Bench, tmp_path: Path) -> None:
    """Where several files fit the name, nobody guesses which are this run's."""
    folder = _results(tmp_path / "results")
    (folder / "model/results_2026-10-02T10-00-00.000000.json").write_text("{}")
    with pytest.raises(InputError, match="2 files fit"):
        _log(bench, folder)
