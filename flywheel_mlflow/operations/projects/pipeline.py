"""Runs one project's pipeline: gives it its inputs, its tasks and a place to write, logs its run."""

from __future__ import annotations

import importlib.util
import json
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from flywheel_mlflow.base.canonical import canonical_json, document_json
from flywheel_mlflow.base.documents import Document, faults_of, parse_json, read_text
from flywheel_mlflow.base.errors import DocumentError, Fault, InputError, MissingVersion, UnknownName
from flywheel_mlflow.evidence.runs import Collected
from flywheel_mlflow.feedback.tasks import Task

if TYPE_CHECKING:
    from flywheel_mlflow.operations.projects.project_run import LoggedRun, ProjectRun

#: The folder of sample data beside a pipeline.
DATA_FOLDER = "data"
PIPELINE_FILE = "pipeline.py"

Build = Callable[["Workspace"], None]

_TASK_FILE = "a task file is one JSON object with id, project, iteration, theme, request and payload"


def read_tasks(folder: Path | None, project: str, iteration: int) -> tuple[Task, ...]:
    """The tasks of a project for an iteration and those before it, sorted by id; see :func:`all_tasks`."""
    if folder is None:
        return ()
    return tuple(task for task in all_tasks(folder) if task.project == project and task.iteration <= iteration)


def all_tasks(folder: Path) -> tuple[Task, ...]:
    """The tasks below a folder: one JSON file each, sorted by id.

    They lie in the ``tasks`` folders of the projects below ``folder``, or, where there are none,
    in ``folder`` itself.

    Raises:
        InputError: there is no such folder.
        DocumentError: a file is not a task; every fault of every file is listed.
    """
    if not folder.is_dir():
        raise InputError(f"there is no folder of tasks {folder}", hint="leave --tasks out when there are none")
    faults: list[Fault] = []
    tasks: list[Task] = []
    queues = sorted(path for path in folder.glob("*/tasks") if path.is_dir())
    if not queues and not any(folder.glob("*/project.yaml")):
        queues = [folder]  # a folder of projects is none of tasks, whatever other files lie in it
    for path in (file for queue in queues for file in sorted(queue.glob("*.json"))):
        try:
            tasks.append(read_task(path))
        except DocumentError as error:
            faults += error.faults
    for name, count in Counter(task.id for task in tasks).items():
        if count > 1:
            faults.append(Fault(str(folder), 0, "", f"{count} tasks have the id {name}"))
    if faults:
        raise DocumentError(faults, hint="correct the task files, then run again")
    return tuple(sorted(tasks, key=lambda task: task.id))


def read_task(path: Path) -> Task:
    """The task in a file.

    Raises:
        DocumentError: it is none; every fault is listed.
    """
    try:
        value = parse_json(read_text(path), name=str(path))
    except DocumentError as error:
        raise DocumentError(error.faults, hint=_TASK_FILE) from error
    try:
        return Task.model_validate(value)
    except ValidationError as error:
        raise DocumentError(faults_of(error, Document(str(path), value, {})), hint=_TASK_FILE) from error


def sample_record(
    *,
    id: str,  # noqa: A002 - the record's own field
    source: Mapping[str, Any] | str,
    content: str | None = None,
    payload: Any = None,
    metadata: Mapping[str, Any],
    quality_signals: Mapping[str, float | int | bool | str],
    split: str,
    audit_trace: Iterable[str],
) -> dict[str, Any]:
    """One seven-field record; ``content`` is text, ``payload`` anything else, one of them is given.

    Raises:
        InputError: both or neither were given.
    """
    if (content is None) == (payload is None):
        raise InputError(f"the record {id!r} needs either content or payload")
    body = {"content": content} if payload is None else {"payload": payload}
    return {
        "id": id,
        "source": source,
        **body,
        "metadata": dict(metadata),
        "quality_signals": dict(quality_signals),
        "split": split,
        "audit_trace": list(audit_trace),
    }


@dataclass(frozen=True, slots=True)
class Workspace:
    """What a pipeline works with.

    ``fault`` is the name of the fault to inject, empty for none; ``offered`` are the tasks that are there
    for it; ``data`` is the project's folder of sample data; ``folder`` is a scratch folder that is gone after the run.
    """

    run: ProjectRun
    iteration: int
    fault: str
    offered: tuple[Task, ...]
    data: Path
    folder: Path

    @property
    def variant(self) -> str:
        """The variant that is asked for, of those the contract declares; empty where it declares none."""
        return self.run.variant

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks for this project; asking for them is what the run's evidence counts as reading."""
        self.run.log_tasks(self.offered)
        return self.offered

    def random(self, *purpose: object) -> random.Random:
        """A generator seeded by project and purpose: equal runs draw equal numbers.

        The iteration is no part of the seed, so that two iterations differ only by their
        inputs, tasks and faults.
        """
        return random.Random("/".join([self.run.contract.id, *map(str, purpose)]))  # noqa: S311 - no secret

    def input_path(self, name: str) -> Path | None:
        """The data of an input interface, verified by digest; None when an optional one has no version.

        Raises:
            UnknownName: the contract names no such input. MissingVersion: a required one has no version.
        """
        wanted = next((item for item in self.run.contract.interfaces_in if item.name == name), None)
        try:
            version = self.run.log_input(name)
        except MissingVersion:
            if wanted is None or wanted.required:
                raise
            return None
        return self.run.fetch_input(version, self.folder / "inputs" / name)

    def read_input(self, name: str) -> list[dict[str, Any]] | None:
        """The records of an input interface in JSONL; None when an optional one has no version."""
        from flywheel_mlflow.records.sources import record_files

        path = self.input_path(name)
        if path is None:
            return None
        return [record for file in record_files(path, "jsonl") for record in read_jsonl(file.path)]

    def write_records(
        self,
        name: str,
        records: Iterable[Mapping[str, Any]],
        *,
        card: Mapping[str, Any],
        media: Mapping[str, bytes] | None = None,
    ) -> int:
        """Write the records of an interface as JSONL with its data card, and log the version; how many.

        With ``media``, the files that the records name by their names, it is a folder of these and ``NAME.jsonl``.
        """
        home = self.folder / "interfaces"
        path = (home / name if media is not None else home) / f"{name}.jsonl"
        for named, content in (media or {}).items():
            target = path.parent / named
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        path.parent.mkdir(parents=True, exist_ok=True)
        count = 0
        with path.open("w", encoding="utf-8") as stream:
            for record in records:
                stream.write(canonical_json(record) + "\n")
                count += 1
        place = home / f"{name}.card.json"
        place.write_text(document_json(card), encoding="utf-8")
        self.run.log_interface(name, path if media is None else path.parent, card=place)
        return count

    def write_document(self, name: str, document: Any) -> None:
        """Write an opaque interface as one JSON document, and log the version."""
        path = self.folder / "interfaces" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(document_json(document), encoding="utf-8")
        self.run.log_interface(name, path)

    def write_path(self, name: str, path: Path) -> None:
        """Log a file or folder the pipeline made by itself as the version of an interface."""
        self.run.log_interface(name, path)

    def log_document(self, document: Mapping[str, Any]) -> None:
        """Log the metrics document; KPIs and costs are read from it by the contract's paths."""
        self.run.log_document(document, place=f"the metrics of {self.run.contract.id}")

    def log_samples(self, kpi: str, outcomes: Mapping[str, float | bool | None]) -> None:
        """Log the outcome of each sample behind a KPI by sample id; None says that it cannot be told, and is left out.

        Nothing is logged where nothing was judged: the KPI itself is unknown then.

        Raises:
            UnknownName: the contract declares no such KPI.
            InputError: logged already, or an id or value that cannot be kept.
        """
        told = {name: float(value) for name, value in outcomes.items() if value is not None}
        if told:
            self.run.log_samples(kpi, told)

    def log_failures(self, kpi: str, failures: Mapping[str, str], *, interface: str | None = None) -> None:
        """Log what failed among the samples of a KPI, in words; see :meth:`ProjectRun.log_failures`.

        Raises:
            UnknownName: no such KPI or interface. InputError: logged already, or an id or text that cannot be kept.
        """
        self.run.log_failures(kpi, failures, interface=interface)

    def check(self, name: str, passed: bool, message: str = "", **details: Any) -> None:
        """Log one finding of the pipeline's own."""
        self.run.log_check(name, passed, message=message, details=details)

    def history(self) -> tuple[Collected, ...]:
        """What the server holds of the iterations before this one, oldest first, all projects."""
        return self.run.collected_before()


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a JSONL file.

    Raises:
        InputError: a line that is no JSON object, with its number.
    """
    with path.open(encoding="utf-8") as stream:
        for number, line in enumerate(stream, start=1):
            try:
                value = json.loads(line)
            except ValueError as error:
                raise InputError(f"not JSON: {error}", where=f"{path.name}, line {number}") from error
            if not isinstance(value, dict):
                raise InputError("not an object", where=f"{path.name}, line {number}")
            yield value


def run_pipeline(
    file: Path,
    build: Build,
    faults: Mapping[str, str],
    *,
    iteration: int,
    variant: str = "",
    fault: str = "",
    tasks: Path | None = None,
    tracking_uri: str | None = None,
) -> LoggedRun:
    """Run a project's pipeline once and log its run.

    Raises:
        UnknownName: the pipeline has no such fault, or the contract no such variant.
        FlywheelError: whatever reading, building or logging says.
    """
    from flywheel_mlflow.operations.projects.project_run import project_run

    if fault and fault not in faults:
        raise UnknownName("fault", fault, faults, where=str(file))
    home = file.resolve().parent
    run = project_run(home, iteration, variant=variant, tracking_uri=tracking_uri)
    found = read_tasks(tasks, run.contract.id, iteration)
    with tempfile.TemporaryDirectory(prefix="flywheel-") as folder, run:
        run.log_params(
            {"injected_fault": fault or "none", "tasks_offered": len(found)}
            | ({"variant": run.variant} if run.variant else {})
        )
        build(Workspace(run, iteration, fault, found, home / DATA_FOLDER, Path(folder)))
    if run.logged is None:
        raise InputError("the run ended without a result", where=str(file))
    return run.logged


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What a ``pipeline.py`` defines: the function that builds, and the faults it can inject."""

    build: Build
    faults: Mapping[str, str]


def load_pipeline(file: Path) -> Pipeline:
    """The pipeline in a file, which is run to read it: it is code of this flywheel's own.

    Modules beside it can be imported by it, and packages that projects share, which lie beside the project's folder.

    Raises:
        InputError: it defines no ``build`` function, or ``FAULTS`` that name none.
    """
    home = file.resolve().parent
    if str(home) not in sys.path:
        sys.path.insert(0, str(home))
    if str(home.parent) not in sys.path:
        sys.path.append(str(home.parent))
    spec = importlib.util.spec_from_file_location(f"{file.parent.name}_pipeline", file)
    if spec is None or spec.loader is None:
        raise InputError("cannot load the pipeline", where=str(file))
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    build, faults = getattr(module, "build", None), getattr(module, "FAULTS", {})
    if not callable(build) or not isinstance(faults, Mapping):
        raise InputError(
            "a pipeline defines build(work); FAULTS, where it has some, say what each fault does", where=str(file)
        )
    return Pipeline(build, faults)
