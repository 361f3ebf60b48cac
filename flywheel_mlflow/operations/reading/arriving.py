"""Finds the page of the console that belongs to a place in MLflow's user interface."""

from __future__ import annotations

from urllib.parse import parse_qs, unquote

from flywheel_mlflow.base.documents import parse_json
from flywheel_mlflow.base.errors import DocumentError
from flywheel_mlflow.operations.reading.reader import PageQuery, Reader
from flywheel_mlflow.operations.reading.reporting import read_ledger
from flywheel_mlflow.tracking import tags
from flywheel_mlflow.tracking.run_places import RunPlace

#: Longer places are nobody's.
MOST_CHARACTERS = 2_000


def arrive(reader: Reader, asked: PageQuery) -> str:
    """The address of the page for ``place``, what stands behind the ``#`` in an address of MLflow's.

    A run leads to its iteration, project or release, an experiment to its project, a model version to its release, two
    runs compared to their comparison; anything else to the overview.

    Raises:
        InputError: the place is too long. ServerUnreachable: nobody answers.
    """
    place, _, query = (asked.word("place", MOST_CHARACTERS) or "").partition("?")
    parts = [unquote(part) for part in place.strip("/").split("/")]
    match parts:
        case ["models", name, *rest] if name == reader.session.flywheel.name:
            return _release(reader, rest[1] if len(rest) == 2 and rest[0] == "versions" else "")
        case ["experiments", _, "runs", run_id, *_] | ["runs", run_id, *_]:
            return _run(reader, run_id)
        case ["experiments", experiment, *_]:
            return _experiment(reader, experiment)
        case ["compare-runs"]:
            return _compared(reader, query)
    return reader.addresses.overview()


def _release(reader: Reader, version: str) -> str:
    ledger, _ = read_ledger(reader.session, reader.memory)
    known = ledger.state.releases if ledger.state else {}
    number = int(version) if version.isascii() and version.isdecimal() else 0
    return reader.addresses.release(number) if number in known else reader.addresses.releases()


def _experiment(reader: Reader, experiment: str) -> str:
    found = reader.session.tracking.collector.experiments()
    projects = (name for name, number in found.items() if number == experiment)
    if (project := next(projects, "")) in reader.session.flywheel.contracts:
        return reader.addresses.project(project)
    is_assembly = reader.session.tracking.assemblies.experiment_id() == experiment
    return reader.addresses.iterations() if is_assembly else reader.addresses.overview()


def _run(reader: Reader, run_id: str) -> str:
    found = _place(reader, run_id)
    if found is None:
        return reader.addresses.overview()
    if found.kind == tags.KIND_GATE and found.version is not None:
        return reader.addresses.release(found.version)
    if found.kind in (tags.KIND_ASSEMBLY, tags.KIND_STAGE) and found.iteration is not None:
        return reader.addresses.iteration(found.iteration)
    return _experiment(reader, found.experiment_id)


def _place(reader: Reader, run_id: str) -> RunPlace | None:
    return reader.session.tracking.run_places.of(run_id) if run_id.isascii() and run_id.isalnum() else None


def _compared(reader: Reader, query: str) -> str:
    """The comparison of two assemblies; MLflow writes their ids as a JSON list."""
    try:
        runs = parse_json(parse_qs(query).get("runs", [""])[0], name="the runs")
    except (DocumentError, ValueError):
        return reader.addresses.overview()
    ids = [item for item in runs if isinstance(item, str)] if isinstance(runs, list) else []
    found = [place for run_id in ids[:2] if (place := _place(reader, run_id)) and place.kind == tags.KIND_ASSEMBLY]
    iterations = sorted(item.iteration for item in found if item.iteration is not None)
    if len(iterations) == 2 and len(ids) == 2:
        return reader.addresses.compare(*iterations)
    return reader.addresses.iterations() if found else reader.addresses.overview()
