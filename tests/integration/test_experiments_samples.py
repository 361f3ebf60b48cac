"""Two sample projects tried in two variants each: run, asked by users batch by batch, decided by rule."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from pathlib import Path

from workbench import bench_on, flywheel_command

from flywheel_mlflow.evidence.flywheel import load_flywheel
from flywheel_mlflow.experiments.assignment import assign_variant
from flywheel_mlflow.tracking import Tracking

BATCHES = (1, 2, 3)
USERS = 1_500


def answers(tracking: Tracking, run_id: str, kpis: tuple[str, ...], folder: Path) -> list[float]:
    """Whether the variant of a run answered each question right, those that no task holds among them."""
    found: list[float] = []
    for kpi in kpis:
        logged = tracking.profiles.kpi_samples(run_id, kpi, folder / f"{run_id}-{kpi}")
        assert logged is not None
        found += logged.samples.values()
    return found


def outcomes(
    experiment: str, batch: int, right: Mapping[str, list[float]], more: Mapping[str, tuple[str, float]], folder: Path
) -> Path:
    """What came of a batch of users, each with a question of their own, answered by the variant they were given.

    ``more`` gives a second metric of each variant: its name, and how often it happens.
    """
    chance = random.Random(f"{experiment}/{batch}")  # noqa: S311 - no secrets
    path = folder / f"{experiment}-{batch}.jsonl"

    def rows() -> Iterator[dict[str, object]]:
        for number in range(USERS):
            user = f"user-{batch}-{number}"
            variant = assign_variant(experiment, user, dict.fromkeys(right, 0.5))
            metric, often = more[variant]
            taken = {"taken" if experiment == "rag_abbreviations" else "answered": chance.choice(right[variant])}
            yield {"unit": user, "variant": variant, **taken, metric: float(chance.random() < often)}

    path.write_text("".join(json.dumps(row) + "\n" for row in rows()), encoding="utf-8")
    return path


def test_the_better_variant_ships_and_the_unsafe_one_stops(repository: Path, tmp_path: Path) -> None:
    """P05 ships once its answers are shown to be taken more; P15 stops at its guardrail, though it answers more."""
    uri = f"sqlite:///{tmp_path}/mlflow.db"

    def said(*arguments: str | Path) -> str:
        ended = flywheel_command(*arguments, root=repository, uri=uri)
        assert ended.code == 0, ended.err
        return ended.out

    said("run-projects", "--iteration", "1", "--only", "p05,p15")
    said("run-projects", "--iteration", "1", "--only", "p05", "--variant", "resolved")
    said("run-projects", "--iteration", "1", "--variant", "catalogued")
    tracking = bench_on(load_flywheel(repository), uri).tracking
    contracts = load_flywheel(repository).contracts
    ran = tracking.collector.collect({name: contracts[name] for name in ("p05", "p15")}, 1).variants
    right = {
        project: {name: answers(tracking, run.run_id or "", kpis, tmp_path) for name, run in ran[project].items()}
        for project, kpis in {
            "p05": ("retrieval_hit_rate", "hidden_hit_rate"),
            "p15": ("execution_accuracy", "hidden_accuracy"),
        }.items()
    }
    tries = {
        "rag_abbreviations": ("p05", {"plain": ("seconds", 0.5), "resolved": ("seconds", 0.5)}),
        "qa_catalogues": ("p15", {"plain": ("unsafe", 0.002), "catalogued": ("unsafe", 0.06)}),
    }
    advice: dict[str, list[str]] = {name: [] for name in tries}
    for experiment in tries:
        said("experiment", "start", experiment)
    for batch in BATCHES:
        for experiment, (project, more) in tries.items():
            rows = outcomes(experiment, batch, right[project], more, tmp_path)
            said("experiment", "record", experiment, rows)
            status = json.loads(said("experiment", "status", experiment, "--json"))
            advice[experiment].append(status["analysis"]["advice"])
    assert advice["rag_abbreviations"][-1] == "ship"
    assert advice["qa_catalogues"][-1] == "stop"
    said("experiment", "decide", "rag_abbreviations", "ship", "--reason", "more answers are taken")
    said("experiment", "stop", "qa_catalogues", "--reason", "answers broke data rules")
    said("run-projects", "--iteration", "2", "--only", "p05,p15")
    counting = tracking.collector.collect({name: contracts[name] for name in ("p05", "p15")}, 2).evidence
    assert {name: item.variant for name, item in counting.items()} == {"p05": "resolved", "p15": "plain"}
