"""`mlflow run .` as people run it, in a process of its own, on a store of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient
from workbench import TELEMETRY_OFF, bench_on, copy_flywheel, flywheel_command, fresh_name

from flywheel_mlflow.evidence.flywheel import load_flywheel

pytestmark = pytest.mark.slow

_UV = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")


def _project(repository: Path, folder: Path) -> tuple[Path, str]:
    """What a user has checked out, under a name of its own, with a store beside it."""
    root = copy_flywheel(repository, folder / "checkout", fresh_name())
    for name in ("MLproject", "conda.yaml", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(repository / name, root / name)
    # With what is compiled already, which each run would compile anew.
    shutil.copytree(repository / "flywheel_mlflow", root / "flywheel_mlflow")
    return root, f"sqlite:///{folder / 'data' / 'mlflow.db'}"


def _mlflow_run(
    root: Path, uri: str, *arguments: str, manager: str = "local", env: dict[str, str] | None = None, timeout: int = 900
) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "FLYWHEEL_"))}
    environment |= TELEMETRY_OFF | {
        "MLFLOW_TRACKING_URI": uri,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    command = [sys.executable, "-m", "mlflow", "run", str(root), "--env-manager", manager, *arguments]
    return subprocess.run(
        command,
        cwd=root,
        env=environment | (env or {}),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def _experiment_runs(uri: str, name: str) -> list[tuple[str, str, str]]:
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name(name)
    assert experiment is not None
    return [
        (run.info.run_id, run.info.status, run.data.tags.get("flywheel.kind", ""))
        for run in client.search_runs([experiment.experiment_id])
    ]


def test_main_job(repository: Path, tmp_path: Path) -> None:
    """`mlflow run .` ends with its own run as the finished parent of five stages, and a second time makes no other."""
    root, uri = _project(repository, tmp_path)
    name = load_flywheel(root).name
    assert flywheel_command("init", root=root, uri=uri).code == 0
    done = _mlflow_run(root, uri, "--experiment-name", name)
    assert done.returncode == 0, done.stderr[-3000:]
    runs = _experiment_runs(uri, name)
    assert {status for _, status, _ in runs} == {"FINISHED"}
    assert sorted(kind for _, _, kind in runs) == ["assembly", *["stage"] * 5]
    parent = next(run_id for run_id, _, kind in runs if kind == "assembly")
    recorded = bench_on(load_flywheel(root), uri).tracking.assemblies.recorded(1)
    assert recorded is not None
    assert recorded.run_id == parent
    assert f"written as run {parent}" in done.stdout
    artifacts = MlflowClient(tracking_uri=uri).get_run(parent).info.artifact_uri
    assert str(tmp_path / "data" / "artifacts") in artifacts
    checked = flywheel_command("check", root=root, uri=uri)
    assert checked.code == 0, checked.out
    again = _mlflow_run(root, uri, "--experiment-name", name)
    assert again.returncode == 0, again.stderr[-3000:]
    assert f"nothing changed since run {parent}" in again.stdout
    assert sum(kind == "assembly" for _, _, kind in _experiment_runs(uri, name)) == 1


def test_without_a_store_it_is_the_flywheels_own(repository: Path, tmp_path: Path) -> None:
    """Where nobody says where runs are kept, `mlflow run .` keeps the flywheel where `flywheel` looks for it."""
    root, _ = _project(repository, tmp_path)
    done = _mlflow_run(root, "")
    assert done.returncode == 0, done.stderr[-3000:]
    checked = flywheel_command("check", root=root, uri="")
    assert checked.code == 0, checked.err
    assert (root / "mlflow-data" / "artifacts").is_dir()
    assert not (root / "artifacts").exists()


def test_entry_points(repository: Path, tmp_path: Path) -> None:
    """`log` in the project's experiment writes on the run MLflow made; `collect` shows it; an error fails the run."""
    root, uri = _project(repository, tmp_path)
    name = load_flywheel(root).name
    published = str(root / "projects/p05_rag/published")
    parameters = ("-P", "project=p05", "-P", f"results={published}")
    done = _mlflow_run(root, uri, "-e", "log", "--experiment-name", f"{name}/p05", *parameters)
    assert done.returncode == 0, done.stderr[-3000:]
    bench = bench_on(load_flywheel(root), uri)
    (run_id, status, kind) = _experiment_runs(uri, f"{name}/p05")[0]
    assert (status, kind) == ("FINISHED", "project")
    assert bench.collect().evidence["p05"].run_id == run_id
    failed = _mlflow_run(root, uri, "-e", "log", "--experiment-name", "elsewhere", "-P", "project=p99")
    assert failed.returncode != 0
    assert "unknown project 'p99'" in failed.stderr


@pytest.mark.skipif(
    os.environ.get("FLYWHEEL_TEST_UV") != "1", reason="FLYWHEEL_TEST_UV=1 installs all dependencies anew"
)
def test_main_job_under_uv(repository: Path, tmp_path: Path) -> None:
    """`--env-manager uv` makes an environment of conda.yaml alone, and the main job runs in it."""
    root, uri = _project(repository, tmp_path)
    name = load_flywheel(root).name
    assert flywheel_command("init", root=root, uri=uri).code == 0
    here = {"MLFLOW_ENV_ROOT": str(tmp_path / "envs")}
    done = _mlflow_run(root, uri, "--experiment-name", name, manager="uv", env=here, timeout=1800)
    assert done.returncode == 0, done.stderr[-3000:]
    recorded = bench_on(load_flywheel(root), uri).tracking.assemblies.recorded(1)
    assert recorded is not None
    assert recorded.metrics["flywheel.project_count"] == 15
