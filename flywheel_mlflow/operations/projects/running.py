"""Runs the pipelines of an iteration, producers before their consumers, several at a time."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING

from flywheel_mlflow.base.errors import FlywheelError, InputError, UnknownName
from flywheel_mlflow.base.settings import is_server, redacted
from flywheel_mlflow.decisions.variants import counting_variant
from flywheel_mlflow.evidence.flywheel import Flywheel
from flywheel_mlflow.evidence.lineage import producers, run_order
from flywheel_mlflow.evidence.runs import Collected
from flywheel_mlflow.operations.projects.pipeline import PIPELINE_FILE, load_pipeline, run_pipeline
from flywheel_mlflow.operations.projects.project_run import check_iteration_number

if TYPE_CHECKING:
    from flywheel_mlflow.tracking import Tracking

#: What every pipeline imports anyway, at the latest when it logs; loaded once in the server process that the others are
#: forked from, because it costs 2 s of processor time each (measured).
PRELOADED = (
    "flywheel_mlflow.tracking.connection",
    "flywheel_mlflow.operations.projects.pipeline",
    "flywheel_mlflow.records.measuring",
    "flywheel_mlflow.drift.comparing",
    "flywheel_mlflow.reports.note",
    "mlflow",
    "pyarrow",
)
#: What they import where no server stands before the store, which costs another second.
PRELOADED_FOR_DATABASES = ("mlflow.store.tracking.sqlalchemy_store",)


@dataclass(frozen=True, slots=True)
class Ran:
    """What became of one project's pipeline.

    ``run_id`` is None when no valid run was logged, and ``reason`` says why; ``reasons`` are what
    keeps a logged run from being consumable; ``duration_s`` is wall-clock time.
    """

    project_id: str
    run_id: str | None
    consumable: bool
    reason: str
    reasons: tuple[str, ...]
    duration_s: float


@dataclass(frozen=True, slots=True)
class _Job:
    """One pipeline to run, as it crosses into the process that runs it."""

    file: Path
    project_id: str
    iteration: int
    fault: str
    variant: str
    tasks: Path | None
    tracking_uri: str


def pipelines_of(flywheel: Flywheel, only: Iterable[str] = ()) -> tuple[str, ...]:
    """The projects that have a pipeline, or those of ``only``.

    Raises:
        UnknownName: ``only`` names no project.
        InputError: it names one without a pipeline.
    """
    with_one = [name for name, folder in flywheel.folders.items() if (folder / PIPELINE_FILE).is_file()]
    wanted = [flywheel.project_of(name) for name in only]
    for name in wanted:
        if name not in with_one:
            raise InputError(f"{name} has no {PIPELINE_FILE}", where=str(flywheel.folders[name]))
    return tuple(sorted(set(wanted or with_one)))


def with_producers(flywheel: Flywheel, collected: Collected, only: Iterable[str]) -> tuple[str, ...]:
    """The projects of ``only``, and the producers they cannot do without.

    These make a required input of the same iteration, have no run in it yet, and may not be carried into it: a contract
    says so, or their last run is too old. ``collected`` is what the iteration has, carried runs included.

    Raises:
        UnknownName: ``only`` names no project.
    """
    makers = producers(flywheel.contracts.values())
    chosen: set[str] = set()
    todo = [flywheel.project_of(name) for name in only]
    while todo:
        name = todo.pop()
        chosen.add(name)
        needed = {
            makers[item.name]
            for item in flywheel.contracts[name].interfaces_in
            if item.required and item.from_iteration == "same" and item.name in makers
        }
        runs = (maker for maker in needed if (flywheel.folders[maker] / PIPELINE_FILE).is_file())
        todo += [maker for maker in runs if maker not in collected.evidence and maker not in chosen]
    return tuple(sorted(chosen))


def variants_to_run(
    flywheel: Flywheel, tracking: Tracking, iteration: int, named: Iterable[str] = (), variant: str = ""
) -> dict[str, str]:
    """Which variant of each project runs: of a given ``variant`` those that declare it, else the one that counts.

    Raises:
        UnknownName: a project of ``named``, or every project, declares no such variant. InputError: it has none.
    """
    if variant:
        declaring = {name: variant for name, item in flywheel.contracts.items() if variant in item.variants}
        for name in named:
            flywheel.contract(name).variant(variant)
        if not declaring:
            everything = sorted({name for item in flywheel.contracts.values() for name in item.variants})
            raise UnknownName("variant", variant, everything)
        return dict.fromkeys(named or declaring, variant)
    choices = tracking.collector.choices(flywheel.contracts)
    return {
        name: counting_variant(name, item.variants, choices, iteration)
        for name, item in flywheel.contracts.items()
        if item.variants
    }


def run_projects(
    flywheel: Flywheel,
    iteration: int,
    *,
    tracking_uri: str,
    only: Iterable[str] = (),
    jobs: int = 2,
    faults: Mapping[str, str] | None = None,
    variants: Mapping[str, str] | None = None,
    tasks: Path | None = None,
    progress: Callable[[str, Ran | None], None] | None = None,
) -> tuple[Ran, ...]:
    """Run the pipelines of an iteration; one that fails does not stop the others.

    Args:
        flywheel: the projects and who feeds whom.
        iteration: which turn.
        tracking_uri: where the runs are logged; the store must exist already.
        only: project ids or folders; all with a pipeline when empty.
        jobs: how many run at the same time.
        faults: the fault to inject, by project id.
        variants: the variant to run, by project id; the control of the others.
        tasks: a folder of task files.
        progress: called with a project when it starts (None) and when it has ended.
    """
    chosen = pipelines_of(flywheel, only)
    check_iteration_number(iteration)
    if jobs < 1:
        raise InputError(f"{jobs} pipelines at a time is none", hint="use --jobs 1 or more")
    strangers = sorted(set(faults or {}) - set(chosen))
    if strangers:
        raise InputError(f"a fault is asked of {', '.join(strangers)}, which does not run")
    makers = producers(flywheel.contracts.values())
    waiting = {
        name: {
            makers[item.name]
            for item in flywheel.contracts[name].interfaces_in
            if item.from_iteration == "same" and makers[item.name] in chosen
        }
        for name in chosen
    }
    todo = {
        name: _Job(
            flywheel.folders[name] / PIPELINE_FILE,
            name,
            iteration,
            (faults or {}).get(name, ""),
            flywheel.contract(name).variant((variants or {}).get(name, "")),
            tasks,
            tracking_uri,
        )
        for name in run_order(flywheel.contracts.values())
        if name in chosen
    }
    preloaded = PRELOADED if is_server(tracking_uri) else PRELOADED + PRELOADED_FOR_DATABASES
    return _run_all(_context(preloaded), todo, waiting, jobs, progress or _unwatched)


def _unwatched(_name: str, _ran: Ran | None) -> None:
    """Progress nobody watches."""


def _run_all(
    context: BaseContext,
    todo: dict[str, _Job],
    waiting: dict[str, set[str]],
    jobs: int,
    progress: Callable[[str, Ran | None], None],
) -> tuple[Ran, ...]:
    running: dict[Connection, tuple[BaseProcess, str, float]] = {}
    done: dict[str, Ran] = {}
    try:
        while todo or running:
            ready = [name for name in todo if not waiting[name] - done.keys()]
            for name in ready[: jobs - len(running)]:
                progress(name, None)
                connection, process = _start(context, todo.pop(name))
                running[connection] = (process, name, time.monotonic())
            for item in wait(list(running)):
                if isinstance(item, Connection):
                    process, name, started = running.pop(item)
                    done[name] = _result(item, process, name, time.monotonic() - started)
                    progress(name, done[name])
    finally:
        for process, _, _ in running.values():
            process.terminate()
    return tuple(done[name] for name in sorted(done))


def _context(preloaded: Iterable[str]) -> BaseContext:
    """Fork from a clean server process where the system can; else start each anew."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(preloaded))
    return context


def _start(context: BaseContext, job: _Job) -> tuple[Connection, BaseProcess]:
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(job, sender), daemon=True)  # type: ignore[attr-defined]
    process.start()
    # Only the child may hold the sending end: then its death ends the wait.
    sender.close()
    return receiver, process


def _work(job: _Job, sender: Connection) -> None:
    """What the process of one pipeline does: run it, say how it ended."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        module = load_pipeline(job.file)
        logged = run_pipeline(
            job.file,
            module.build,
            module.faults,
            iteration=job.iteration,
            fault=job.fault,
            variant=job.variant,
            tasks=job.tasks,
            tracking_uri=job.tracking_uri,
        )
        sender.send((logged.run_id, logged.entry.consumable, "", logged.entry.reasons))
    except FlywheelError as error:
        sender.send((None, False, redacted(error.diagnostics()), ()))
    except Exception as error:  # noqa: BLE001 - a pipeline may fail in any way, and the others go on
        sender.send((None, False, redacted(f"{type(error).__name__}: {error}"), ()))
    finally:
        sender.close()


def _end_with_parent() -> None:
    """End this process when the one that waits for it is killed: nobody would hear of a run that it still logs."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _result(connection: Connection, process: BaseProcess, name: str, duration_s: float) -> Ran:
    try:
        run_id, consumable, reason, reasons = connection.recv()
    except EOFError:
        process.join()
        return Ran(name, None, False, f"its process died (exit code {process.exitcode})", (), duration_s)
    finally:
        connection.close()
    process.join()
    return Ran(name, run_id, consumable, reason, reasons, duration_s)
