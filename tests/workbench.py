"""What integration tests work with: a shipped flywheel under a name of its own, sample records, the command line."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import DatasetInput, Run

from flywheel_mlflow.base.documents import parse_json
from flywheel_mlflow.base.settings import read_settings
from flywheel_mlflow.cli import main
from flywheel_mlflow.evidence.flywheel import Flywheel
from flywheel_mlflow.evidence.runs import Collected, ConsumedInterface, EvidenceKind
from flywheel_mlflow.importers import read_checks
from flywheel_mlflow.operations.assembly.collecting import collect_iteration
from flywheel_mlflow.operations.projects.project_run import LoggedRun, ProjectRun
from flywheel_mlflow.operations.projects.results import log_published
from flywheel_mlflow.promises.blueprint import BLUEPRINT_FILE, blueprint_files
from flywheel_mlflow.promises.contract import Contract
from flywheel_mlflow.tracking import Tracking, connect

TELEMETRY_OFF = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
Record = dict[str, Any]


def fresh_name() -> str:
    """A flywheel's name nobody used before: tests share servers, and never see each other's runs."""
    return f"fw-{uuid.uuid4().hex[:16]}"


def copy_blueprint(repository: Path, folder: Path) -> None:
    """The shipped ``flywheel.yaml`` in ``folder``, with the files it includes."""
    for path in blueprint_files(repository):
        target = folder / path.relative_to(repository)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)


def copy_flywheel(repository: Path, folder: Path, name: str) -> Path:
    """The shipped blueprint, contracts and published figures in ``folder``, under another name."""
    copy_blueprint(repository, folder)
    text = (folder / BLUEPRINT_FILE).read_text(encoding="utf-8")
    assert "name: llm-data-flywheel\n" in text
    (folder / BLUEPRINT_FILE).write_text(text.replace("name: llm-data-flywheel\n", f"name: {name}\n"))
    for contract in (repository / "projects").glob("*/project.yaml"):
        home = folder / "projects" / contract.parent.name
        home.mkdir(parents=True)
        shutil.copy(contract, home)
        if (contract.parent / "published").is_dir():
            shutil.copytree(contract.parent / "published", home / "published")
    shutil.copy(repository / "projects" / "published_projects.json", folder / "projects")
    return folder


def renamed(flywheel: Flywheel, name: str) -> Flywheel:
    """The same promises under another name."""
    return replace(flywheel, blueprint=flywheel.blueprint.model_copy(update={"name": name}))


def changed(flywheel: Flywheel, project_id: str, **values: Any) -> Flywheel:
    """The flywheel with some values of one contract changed."""
    contract = flywheel.contracts[project_id].model_copy(update=values)
    return replace(flywheel, contracts={**flywheel.contracts, project_id: contract})


def only(flywheel: Flywheel, *project_ids: str) -> dict[str, Contract]:
    """Some of its contracts."""
    return {name: flywheel.contracts[name] for name in project_ids}


def records(count: int, *, start: int = 0, split: str = "train", without: Iterable[str] = ()) -> list[Record]:
    """Records that pass the standard checks; ``without`` names fields, also of ``metadata``, to leave out."""
    left_out = set(without)
    found = []
    for number in range(start, start + count):
        metadata = {"seed": f"seed {number}", "topic": "sums", "difficulty": 1, "page": number, "license": "CC0-1.0"}
        record = {
            "id": f"r{number}",
            "source": {"name": "made for a test", "license": "CC0-1.0"},
            "content": f"The sum of {number} and one is {number + 1}, which record {number} says in words of its own.",
            "metadata": {key: value for key, value in metadata.items() if key not in left_out},
            "quality_signals": {"length": 60},
            "split": split,
            "audit_trace": ["made"],
        }
        found.append({key: value for key, value in record.items() if key not in left_out})
    return found


def write_records(path: Path, rows: Iterable[Record]) -> Path:
    """The records as JSONL at ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def datasets_of(run: Run) -> list[DatasetInput]:
    """The run's dataset inputs; MLflow has None for a run without inputs."""
    return list(run.inputs.dataset_inputs) if run.inputs else []


@dataclass(frozen=True, slots=True)
class Bench:
    """One flywheel on one tracking server, with a plain MLflow client to look behind its back."""

    flywheel: Flywheel
    uri: str
    tracking: Tracking
    client: MlflowClient

    @property
    def name(self) -> str:
        """The flywheel's name."""
        return self.flywheel.name

    def experiment(self, project_id: str) -> str:
        """The experiment of a project, made when it is missing."""
        name = f"{self.name}/{project_id}"
        found = self.client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        labels = {"flywheel.name": self.name, "flywheel.project": project_id}
        return str(self.client.create_experiment(name, tags=labels))

    def run(self, run_id: str) -> Run:
        """The run as the server has it."""
        return self.client.get_run(run_id)

    def with_flywheel(self, flywheel: Flywheel) -> Bench:
        """The same server with other promises."""
        return replace(self, flywheel=flywheel)

    def collect(self, iteration: int = 1) -> Collected:
        """The iteration's evidence."""
        return collect_iteration(self.flywheel, self.tracking, iteration)

    def log_published(self, iteration: int = 1) -> tuple[LoggedRun, ...]:
        """The published figures of all projects that have some."""
        return log_published(self.flywheel, iteration, self.tracking)

    def open(self, project_id: str, iteration: int = 1) -> ProjectRun:
        """A run that is not entered yet."""
        return ProjectRun(self.flywheel, project_id, iteration, self.tracking)

    def log(
        self,
        project_id: str,
        iteration: int = 1,
        *,
        interfaces: Mapping[str, Path] | None = None,
        inputs: Iterable[str] = (),
        reads: Iterable[ConsumedInterface] = (),
        document: Mapping[str, Any] | None = None,
    ) -> LoggedRun:
        """A run with the project's published figures as if measured, with interface data and inputs."""
        contract = self.flywheel.contracts[project_id]
        folder = self.flywheel.folders[project_id] / str(contract.results.published)
        metrics = parse_json((folder / contract.results.metrics).read_text(), name="metrics")
        run = ProjectRun(self.flywheel, project_id, iteration, self.tracking, kind=EvidenceKind.MEASURED)
        with run:
            run.log_document({**metrics, **(document or {})})
            run.log_checks(read_checks(folder / contract.results.checks, contract.results.checks_format))
            for name, path in (interfaces or {}).items():
                run.log_interface(name, path)
            for name in inputs:
                run.log_input(name)
            for item in reads:
                run._gathering.add_input(item)
        assert run.logged is not None
        return run.logged


def bench_on(flywheel: Flywheel, uri: str) -> Bench:
    """A bench on the server or store at ``uri``."""
    settings = read_settings(flywheel.root, {}, tracking_uri=uri)
    return Bench(
        flywheel,
        uri,
        connect(settings, flywheel.name, server_keys=flywheel.blueprint.releases.server_keys),
        MlflowClient(tracking_uri=uri),
    )


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended: exit code, standard output, standard error."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.out)


def flywheel_command(*arguments: str | Path, root: Path, uri: str) -> Ended:
    """``flywheel ARGUMENTS`` in this process: the real entry point, without the seconds an import of mlflow costs."""
    out, err = io.StringIO(), io.StringIO()
    line = ["flywheel", "--root", str(root), "--tracking-uri", uri, *map(str, arguments)]
    code = 0
    with _argv(line), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
    return Ended(code, out.getvalue(), err.getvalue())


@dataclass(frozen=True, slots=True)
class Commands:
    """The commands of one flywheel on one store; one that does not end with ``code`` fails the test with its output."""

    root: Path
    uri: str

    def __call__(self, *words: str | Path, code: int = 0) -> Ended:
        """Run a command."""
        ended = flywheel_command(*words, root=self.root, uri=self.uri)
        assert ended.code == code, f"{words}\n{ended.out}\n{ended.err}"
        return ended

    def json(self, *words: str | Path, code: int = 0) -> Any:
        """Run a command with ``--json``; its output, parsed."""
        return self(*words, "--json", code=code).json


@contextmanager
def _argv(line: list[str]) -> Iterator[None]:
    before = sys.argv
    sys.argv = line
    try:
        yield
    finally:
        sys.argv = before


def python_process(
    code: str, *arguments: str, cwd: Path, env: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """A Python process of its own that runs ``code``, with the tests' modules on its path."""
    here = Path(__file__).resolve().parent
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "FLYWHEEL_"))}
    environment |= TELEMETRY_OFF | {"PYTHONPATH": f"{here}{os.pathsep}{here.parent}"} | dict(env or {})
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=cwd,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
