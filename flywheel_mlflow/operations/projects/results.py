"""Logs a project's run from its result files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flywheel_mlflow.base.addresses import checked_address, is_address
from flywheel_mlflow.base.documents import parse_json, read_text
from flywheel_mlflow.base.errors import DocumentError, Fault, InputError
from flywheel_mlflow.base.settings import Engine
from flywheel_mlflow.evidence.flywheel import Flywheel
from flywheel_mlflow.evidence.runs import Check, EvidenceKind
from flywheel_mlflow.operations.projects.gathering import Gathering
from flywheel_mlflow.operations.projects.project_run import LoggedRun, ProjectRun, judge, refuse_assembly
from flywheel_mlflow.promises.contract import Contract

if TYPE_CHECKING:
    from flywheel_mlflow.records.sharing import Progress
    from flywheel_mlflow.tracking import Tracking


#: How a file is called that holds the address of data in place of the data.
REFERENCE_SUFFIX = ".reference.json"


def results_folder(flywheel: Flywheel, project_id: str, results: Path | None, *, published: bool = False) -> Path:
    """Where a project's result files are: ``results``, else what its contract says.

    Raises:
        InputError: there is no such folder, or nothing was published.
    """
    contract, home = flywheel.contract(project_id), flywheel.folders[project_id]
    if results is not None:
        folder = results
    elif published:
        if contract.results.published is None:
            raise InputError(f"{project_id} has no published figures", where=str(home))
        folder = home / contract.results.published
    else:
        folder = home / contract.results.folder
    if not folder.is_dir():
        hint = "run the project first, or name the folder with --results"
        if contract.results.published and results is None:
            hint += f"; its published figures are in {home / contract.results.published}"
        raise InputError(f"no results of {project_id}: there is no folder {folder}", hint=hint)
    return folder


def log_results(
    flywheel: Flywheel,
    project_id: str,
    iteration: int,
    tracking: Tracking,
    *,
    results: Path | None = None,
    published: bool = False,
    variant: str = "",
    resume: str | None = None,
    progress: Progress | None = None,
    engine: Engine = "local",
) -> LoggedRun:
    """Log a project's run from its result files.

    Everything is read before the run is made, so bad files leave nothing behind. The ``engine`` that measures data is
    ``local`` or ``ray``.

    Raises:
        UnknownName, DocumentError, RecordError, InputError: the input is at fault.
        ServerError, StorageError: the server or the disk is. ClusterUnreachable, WorkerLost: Ray is.
    """
    contract = flywheel.contract(project_id)
    refuse_assembly(contract)
    folder = results_folder(flywheel, project_id, results, published=published)
    home = flywheel.folders[project_id]
    is_published = contract.results.published is not None and (
        folder.resolve() == (home / contract.results.published).resolve()
    )
    document, checks, place = _read_results(contract, folder)
    samples, absent = _read_samples(contract, folder)
    run = ProjectRun(
        flywheel,
        project_id,
        iteration,
        tracking,
        kind=EvidenceKind.PUBLISHED if is_published else EvidenceKind.MEASURED,
        variant=variant,
        resume=resume,
        progress=progress,
        warns=False,  # the caller has them in the answer
    )
    rehearsal = Gathering(contract)
    rehearsal.add_results(document, place=place)
    rehearsal.add_checks(checks)
    for kpi, outcomes in samples.items():
        rehearsal.add_samples(kpi, outcomes)
    rehearsal.evidence(iteration=iteration, kind=run.kind, run_id=None, code_version="")
    data = dict(_data_places(contract, folder))
    cards = {name: _card_beside(folder, name) for name in data}
    with run:
        run.log_document(document, place=place)
        run.log_checks(checks)
        for kpi, outcomes in samples.items():
            run.log_samples(kpi, outcomes)
        for name, path in data.items():
            run.log_interface(name, path, card=cards[name], by_reference=isinstance(path, str), engine=engine)
    if run.logged is None:
        raise InputError("the run ended without a result")
    return replace(run.logged, missing=(*run.logged.missing, *absent))


def _data_places(contract: Contract, folder: Path) -> Iterator[tuple[str, Path | str]]:
    """The data of each interface that has some: a path below the results folder, or the address they stay at."""
    for name, place in contract.results.interfaces.items():
        if is_address(place):
            yield name, place
        elif (folder / place).exists():
            path = _inside(folder, place)
            yield name, _referred(path) if place.endswith(REFERENCE_SUFFIX) else path


def _referred(path: Path) -> str:
    """The address in a file that a pipeline wrote in place of data: ``{"address": "s3://bucket/folder"}``.

    Raises:
        DocumentError: it holds no address, or one that is not taken. Paths of this machine are not: whoever writes a
            result file is not whoever logs it.
    """
    value = parse_json(read_text(path), name=str(path))
    address = value.get("address") if isinstance(value, dict) and set(value) == {"address"} else None
    if not isinstance(address, str):
        raise DocumentError([Fault(str(path), 1, "", 'a reference is an object {"address": "s3://bucket/folder"}')])
    try:
        return checked_address(address)
    except InputError as error:
        raise DocumentError([Fault(str(path), 1, "address", error.what)], hint=error.hint) from error


def _card_beside(folder: Path, name: str) -> Path | None:
    """The data card of an interface: ``NAME.card.json``, or ``NAME.card.md`` as Hugging Face has them."""
    cards = (_inside(folder, f"{name}.card{suffix}") for suffix in (".json", ".md"))
    return next((card for card in cards if card.is_file()), None)


def _the_file(folder: Path, name: str) -> Path:
    """The file of that name, or the one that fits it where it holds a ``*``: tools put the time into theirs.

    Raises:
        InputError: several fit.
    """
    fits = sorted(folder.glob(name)) if "*" in name else []
    if len(fits) > 1:
        names = ", ".join(str(path.relative_to(folder)) for path in fits[:5])
        raise InputError(
            f"{len(fits)} files fit {name}", where=str(folder), hint=f"leave the one of this run there: {names}"
        )
    return _inside(folder, fits[0].relative_to(folder).as_posix() if fits else name)


def _inside(folder: Path, place: str) -> Path:
    """A place below the results folder.

    Raises:
        InputError: a link leads out: whoever can write there could have any file of this machine logged.
    """
    path = folder / place
    if not path.resolve().is_relative_to(folder.resolve()):
        raise InputError("a link that leads out of the results folder", where=str(path), hint="copy the file there")
    return path


def _read_samples(contract: Contract, folder: Path) -> tuple[dict[str, dict[str, float]], tuple[str, ...]]:
    """The outcomes by KPI and sample id, and which files of the contract are not there."""
    from flywheel_mlflow.importers.samples import read_samples

    kpis = {kpi.name: kpi for kpi in contract.kpis}
    files = {name: _the_file(folder, place) for name, place in contract.results.samples.items()}
    found = {name: read_samples(path, kpis[name]) for name, path in files.items() if path.is_file()}
    absent = (f"{name} samples: no file {path}" for name, path in files.items() if name not in found)
    return found, tuple(absent)


def _read_results(contract: Contract, folder: Path) -> tuple[dict[str, Any], tuple[Check, ...], str]:
    """The metrics document, the checks, and where the document is."""
    metrics_file = _the_file(folder, contract.results.metrics)
    foreign = contract.results.metrics_format != "json"
    try:
        document = parse_json(read_text(metrics_file), name=str(metrics_file), foreign=foreign)
        if not isinstance(document, dict):
            fault = Fault(str(metrics_file), 1, "", "a metrics document is an object of names and values")
            raise DocumentError([fault])
    except DocumentError as error:
        hint = f"let the project write it again, or correct results.metrics in the contract of {contract.id}"
        raise DocumentError(error.faults, hint=hint) from error
    return document, _read_checks(contract, _inside(folder, contract.results.checks)), str(metrics_file)


def _read_checks(contract: Contract, path: Path) -> tuple[Check, ...]:
    """The report of the test suite; none where the contract names no report and there is none."""
    from flywheel_mlflow.importers import read_checks

    if not path.exists():
        if not contract.results.has_suite:
            return ()
        raise DocumentError(
            [Fault(str(path), 0, "", "no such file")],
            hint=f"let the test suite write it, or take results.checks out of the contract of {contract.id}: without a "
            "suite the checks of its records count",
        )
    return read_checks(path, contract.results.checks_format, name=str(path))


def log_published(
    flywheel: Flywheel,
    iteration: int,
    tracking: Tracking,
    *,
    progress: Callable[[str], None] | None = None,
) -> tuple[LoggedRun, ...]:
    """Log the published figures of every project that has no valid run of its own in this iteration."""
    here = tracking.collector.collect(flywheel.contracts, iteration)
    logged: list[LoggedRun] = []
    for contract in flywheel.contracts.values():
        if contract.results.published is None or contract.is_assembly:
            continue
        present = here.evidence.get(contract.id)
        if present is not None and present.carried_from is None and present.run_id:
            logged.append(LoggedRun(present.run_id, judge(flywheel, present), repeated=True))
            continue
        if progress:
            progress(contract.id)
        logged.append(log_results(flywheel, contract.id, iteration, tracking, published=True))
    return tuple(logged)
