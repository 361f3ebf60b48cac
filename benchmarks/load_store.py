"""Fills a store with the history of a flywheel: one iteration logged by the product itself, then multiplied in SQL.

    store = Store(uri="http://127.0.0.1:5000", database="postgresql://...", folder=Path("/tmp/x"), flywheel=flywheel)
    history = log_first_iteration(store)
    history = grow(store, history, 10_000)

The first iteration goes through the same code as a user's runs, so tags, metrics, dataset inputs and artifacts are what
the collector meets in earnest. The copies are rows that differ from it in ids, digests, iteration and times; all
iterations share the artifacts of the first. Through the API 100,000 runs would take hours.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from flywheel_mlflow.base.settings import read_settings
from flywheel_mlflow.evidence.flywheel import Flywheel
from flywheel_mlflow.evidence.runs import Check, ConsumedInterface, EvidenceKind, Outcome
from flywheel_mlflow.operations.projects.gathering import Gathering
from flywheel_mlflow.promises.contract import Contract, Kpi
from flywheel_mlflow.promises.fields import field_types
from flywheel_mlflow.promises.interfaces import InterfaceOut
from flywheel_mlflow.tracking import tags

if TYPE_CHECKING:
    from flywheel_mlflow.records import Measurement
    from flywheel_mlflow.tracking import Tracking

#: Every tenth project has a failed and an older valid run besides the one that counts.
EXTRA_RUNS_EVERY = 10
#: So many projects have no run in the newest iteration, and must be carried forward.
LATE_PROJECTS = 3
#: Records of each interface: what they weigh does not matter to a collector, that they are there does.
RECORDS = 20
#: Metrics, parameters and checks a run has besides those its contract names; with these about 30 key-values.
OWN_METRICS = 8
OWN_PARAMS = 6
OWN_CHECKS = 6
FAILURE = RuntimeError("the pipeline stopped: out of memory")
CODE = "0" * 40
#: Runs of one iteration: more are in no benchmark.
PAGE_SIZE = 1000
DAY_MS = 86_400_000
#: Iteration n lies so many days less n before the first one; more iterations than that are never made.
LONG_AGO = 10_000


Measured = Mapping[str, "tuple[Path, Measurement]"]


@dataclass(frozen=True, slots=True)
class Store:
    """A store: the tracking URI its users give, the database behind it, a folder for files, and whose runs it holds."""

    uri: str
    database: str
    folder: Path
    flywheel: Flywheel

    def connect(self, uri: str | None = None) -> Tracking:
        """A connection of the product; ``uri`` names another way to the same store."""
        from flywheel_mlflow.tracking import connect

        return connect(read_settings(self.flywheel.root, {}, tracking_uri=uri or self.uri), self.flywheel.name)

    @property
    def upstream(self) -> dict[str, Contract]:
        """The contracts of the projects that log runs."""
        return {name: item for name, item in self.flywheel.contracts.items() if not item.is_assembly}

    @property
    def late(self) -> tuple[str, ...]:
        """The projects without a run in the newest iteration, all of which may be carried."""
        return tuple(name for name, item in self.upstream.items() if item.carry.allowed)[:LATE_PROJECTS]


@dataclass(frozen=True, slots=True)
class History:
    """How many runs a store holds, in how many iterations; in the newest the late projects have none."""

    runs: int
    iterations: int
    runs_per_iteration: int

    @property
    def complete(self) -> int:
        """The newest iteration in which every project has a run."""
        return self.iterations - 1


def log_first_iteration(store: Store) -> History:
    """Log iteration 1 of every project through the product."""
    tracking = store.connect()
    data = dict(_measured(store))
    runs = 0
    for number, contract in enumerate(store.upstream.values()):
        if number % EXTRA_RUNS_EVERY == 0:
            started = tracking.runs.start(contract, 1, EvidenceKind.MEASURED, code_version=CODE)
            tracking.runs.fail(started, FAILURE)
            _log(tracking, contract, data, store.folder / "files")
            runs += 2
        _log(tracking, contract, data, store.folder / "files")
        runs += 1
    return History(runs, 1, runs)


def _measured(store: Store) -> Iterator[tuple[str, tuple[Path, Measurement]]]:
    from flywheel_mlflow import records

    for contract in store.upstream.values():
        for promise in contract.interfaces_out:
            path = write_interface_data(promise, store.folder / "data")
            yield promise.name, (path, records.measure(path, promise))


def write_interface_data(promise: InterfaceOut, folder: Path) -> Path:
    """A small file with data of an interface, as its contract wants it."""
    folder.mkdir(exist_ok=True)
    rows = [_record(promise, number) for number in range(RECORDS)]
    path = folder / f"{promise.name}.{'parquet' if promise.format == 'parquet' else 'jsonl'}"
    if promise.format == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def _record(promise: InterfaceOut, number: int) -> dict[str, Any]:
    """A record as the contract asks for, no two with the same content."""
    record: dict[str, Any] = {}
    if promise.record_schema == "record":
        record = {
            "id": f"{promise.name}-{number}",
            "source": {"url": f"https://example.org/{number}"},
            "content": f"record {number} of {promise.name}",
            "metadata": {"lang": "en", "license": "CC-BY-4.0"},
            "quality_signals": {"score": number / RECORDS},
            "split": "train" if number % 5 else "validation",
            "audit_trace": {"at": "2024-05-01T12:00:00Z", "step": 1},
        }
    for place in field_types(promise.fields):
        *parents, last = place.split(".")
        inner = record
        for parent in parents:
            inner = inner.setdefault(parent, {})
        inner.setdefault(last, f"{promise.name} {last} {number}")
    return record


def _log(tracking: Tracking, contract: Contract, data: Measured, folder: Path) -> None:
    """Log one valid run as ``flywheel log`` would."""
    from flywheel_mlflow.reports.note import project_note
    from flywheel_mlflow.tracking import RunContent

    started = tracking.runs.start(contract, 1, EvidenceKind.MEASURED, code_version=CODE)
    gathering = Gathering(contract)
    gathering.add_document(_metrics_document(contract), place="metrics.json")
    gathering.add_metrics({f"pipeline.step_{number:02d}_seconds": 1.5 + number for number in range(OWN_METRICS)})
    gathering.add_params({f"pipeline.setting_{number:02d}": f"value-{number}" for number in range(OWN_PARAMS)})
    names = [*contract.checks.required, *(f"own_check_{number:02d}" for number in range(OWN_CHECKS))]
    gathering.add_checks(Check(name, Outcome.PASSED) for name in names)
    for promise in contract.interfaces_out:
        path, measured = data[promise.name]
        uri = f"runs:/{started.run_id}/interfaces/{promise.name}/{path.name}"
        gathering.add_interface(measured.interface_version(uri))
        gathering.add_checks(measured.checks)
    for wanted in contract.interfaces_in:
        _, measured = data[wanted.name]
        gathering.add_input(ConsumedInterface(wanted.name, measured.interface_version("").digest))
    evidence = gathering.evidence(iteration=1, kind=EvidenceKind.MEASURED, run_id=started.run_id, code_version=CODE)
    content = RunContent(
        evidence=evidence,
        passed_checks=gathering.passed_checks(),
        metrics=gathering.metrics,
        params=gathering.params,
        tags=gathering.tags,
        files=_write_files(contract, data, folder / contract.id),
        note=project_note(contract, evidence),
    )
    tracking.runs.finish(started, contract, content)


def _metrics_document(contract: Contract) -> dict[str, Any]:
    """A metrics document with every number the contract looks for: the KPIs at their targets, 50 for each size."""
    found: dict[str, float] = {kpi.n_path: 50 for kpi in contract.kpis if kpi.n_path}
    found |= {path: 2.5 for path in (contract.costs.review_hours, contract.costs.review_cost) if path}
    found |= {kpi.path: _attained(kpi) for kpi in contract.kpis if kpi.path not in found}
    document: dict[str, Any] = {}
    for place, value in found.items():
        *parents, last = place.split(".")
        inner = document
        for parent in parents:
            inner = inner.setdefault(parent, {})
        inner[last] = value
    return document


def _attained(kpi: Kpi) -> float:
    return 1.0 if kpi.target is None else kpi.target


def _write_files(contract: Contract, data: Measured, folder: Path) -> dict[str, Path]:
    """The artifacts of a run, by artifact folder: the data, and the sketches an assembly compares."""
    from flywheel_mlflow.records import id_sketches_to_parquet, word_sketches_to_parquet

    own = folder / "flywheel"
    own.mkdir(parents=True, exist_ok=True)
    for promise in contract.interfaces_out:
        path, _ = data[promise.name]
        place = folder / "interfaces" / promise.name
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)
    words = {name: measured.words for name, (_, measured) in data.items() if measured.words}
    ids = {name: measured.ids for name, (_, measured) in data.items() if measured.ids}
    (own / "words.parquet").write_bytes(word_sketches_to_parquet(words))
    (own / "ids.parquet").write_bytes(id_sketches_to_parquet(ids))
    return {"flywheel": own, "interfaces": folder / "interfaces"}


def grow(store: Store, history: History, runs: int, *, read: int = 2) -> History:
    """Copy the first iteration until the store holds at least ``runs`` runs; what is there already stays.

    The runs of the ``read`` newest iterations can be read as evidence.
    """
    iterations = max(history.iterations + 2, math.ceil(runs / history.runs_per_iteration))
    engine = sa.create_engine(store.database)
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _prepare_sqlite)
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            # Keys that point at rows are not looked up again: the copies point where the originals do.
            connection.execute(sa.text("SET LOCAL session_replication_role = replica"))
            connection.execute(sa.text("SET LOCAL synchronous_commit = off"))
        copied = _copy(connection, store.late, history.iterations + 1, iterations)
    if engine.dialect.name == "postgresql":
        # What autovacuum does within a minute; SQLite stays without statistics, as MLflow leaves it.
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("VACUUM ANALYZE"))
    _cover(store, engine, range(iterations - read + 1, iterations + 1))
    engine.dispose()
    return History(history.runs + copied, iterations, history.runs_per_iteration)


def _cover(store: Store, engine: sa.Engine, iterations: range) -> None:
    """Give the runs of the iterations that are measured the digests their own values have; the rest is never read."""
    from mlflow import MlflowClient

    from flywheel_mlflow.tracking.integrity import CoveredValues, digest_of_values, value_tags
    from flywheel_mlflow.tracking.run_evidence import read_interfaces

    client = MlflowClient(tracking_uri=store.uri, registry_uri=store.uri)
    experiments = list(store.connect().collector.experiments().values())
    with engine.begin() as connection:
        for iteration in iterations:
            clause = f"tags.`{tags.ITERATION}` = '{iteration}'"
            for run in client.search_runs(experiments, filter_string=clause, max_results=PAGE_SIZE):
                run_id, labels = run.info.run_id, run.data.tags
                values = CoveredValues.of(run_id, run.data.metrics, labels, *read_interfaces(run))
                changed = {("params", tags.EVIDENCE_DIGEST): digest_of_values(values)}
                changed |= {("tags", key): text for key, text in value_tags(values).items()}
                for (table, key), value in changed.items():
                    statement = f"UPDATE {table} SET value = :value WHERE run_uuid = :run AND key = :key"  # noqa: S608
                    connection.execute(sa.text(statement), {"value": value, "run": run_id, "key": key})


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.create_function("md5", 1, lambda text: hashlib.md5(text.encode()).hexdigest(), deterministic=True)  # noqa: S324 - ids
    for pragma in ("synchronous = OFF", "cache_size = -1000000", "temp_store = MEMORY"):
        connection.execute(f"PRAGMA {pragma}")


def _copy(connection: sa.Connection, late: tuple[str, ...], first: int, last: int) -> int:
    """Copy all of the first iteration's runs into iterations ``first`` to ``last``; returns the number of copies."""
    given: dict[str, Any] = {
        "first": first,
        "last": last,
        "late": late,
        "iteration": tags.ITERATION,
        "project": tags.PROJECT,
    }
    for statement in _PREPARE:
        wanted = [name for name in given if f":{name}" in statement]
        used: list[sa.BindParameter[Any]] = [
            sa.bindparam(name, given[name], expanding=name == "late") for name in wanted
        ]
        connection.execute(sa.text(statement).bindparams(*used))
    inspector = sa.inspect(connection)
    for table, (source, changed) in _COPIES.items():
        # Every column there is: one that a later MLflow adds is copied as it is.
        columns = [str(column["name"]) for column in inspector.get_columns(table)]
        names = ", ".join(f'"{column}"' for column in columns)
        values = ", ".join(changed.get(column, f't."{column}"') for column in columns)
        # The names are MLflow's own, read from its schema.
        connection.execute(sa.text(f'INSERT INTO "{table}" ({names}) SELECT {values} FROM "{table}" AS t {source}'))  # noqa: S608
    return int(connection.execute(sa.text("SELECT count(*) FROM run_copies")).scalar_one())


#: Which row becomes which, in tables that end with the connection. Iteration 1 itself is never copied onto.
_PREPARE = (
    """CREATE TEMPORARY TABLE first_runs AS
        SELECT t.run_uuid AS id, p.value AS project FROM tags AS t JOIN tags AS p ON p.run_uuid = t.run_uuid
        WHERE t.key = :iteration AND t.value = '1' AND p.key = :project""",
    """CREATE TEMPORARY TABLE new_iterations AS WITH RECURSIVE numbers(n) AS
        (SELECT CAST(:first AS integer) UNION ALL SELECT n + 1 FROM numbers WHERE n < :last) SELECT n FROM numbers""",
    """CREATE TEMPORARY TABLE run_copies AS
        SELECT id AS old, md5(id || '/' || n) AS new, n FROM first_runs CROSS JOIN new_iterations
        WHERE NOT (n = :last AND project IN :late)""",
    """CREATE TEMPORARY TABLE dataset_copies AS
        SELECT used.id AS old, md5(used.id || '/' || n) AS new, n FROM new_iterations CROSS JOIN
        (SELECT DISTINCT i.source_id AS id FROM inputs AS i JOIN first_runs AS f ON i.destination_id = f.id) AS used""",
    "CREATE INDEX run_copies_old ON run_copies (old)",
    "CREATE INDEX dataset_copies_old ON dataset_copies (old, n)",
)
_BY_RUN = "JOIN run_copies AS c ON t.run_uuid = c.old"
#: For each table, in an order that never points at what is not there yet: how a row finds its copies, and what differs.
_COPIES: dict[str, tuple[str, dict[str, str]]] = {
    "runs": (
        _BY_RUN,
        {
            "run_uuid": "c.new",
            "name": "replace(t.name, '-iteration-001', '-iteration-' || c.n)",
            # In the past: a run that ended beyond now is no evidence.
            "start_time": f"t.start_time + (c.n - {LONG_AGO}) * CAST({DAY_MS} AS bigint)",
            "end_time": f"t.end_time + (c.n - {LONG_AGO}) * CAST({DAY_MS} AS bigint)",
        },
    ),
    "tags": (
        _BY_RUN,
        {
            "run_uuid": "c.new",
            "value": f"""CASE t.key WHEN '{tags.ITERATION}' THEN CAST(c.n AS text)
                WHEN '{tags.RUN_NAME}' THEN replace(t.value, '-iteration-001', '-iteration-' || c.n)
                ELSE t.value END""",
        },
    ),
    "params": (_BY_RUN, {"run_uuid": "c.new"}),
    "metrics": (_BY_RUN, {"run_uuid": "c.new"}),
    "latest_metrics": (_BY_RUN, {"run_uuid": "c.new"}),
    "datasets": (
        "JOIN dataset_copies AS c ON t.dataset_uuid = c.old",
        {"dataset_uuid": "c.new", "digest": "md5(t.digest || '/' || c.n)"},
    ),
    "inputs": (
        """JOIN run_copies AS c ON t.destination_id = c.old
            JOIN dataset_copies AS d ON d.old = t.source_id AND d.n = c.n""",
        {"input_uuid": "md5(t.input_uuid || '/' || c.n)", "source_id": "d.new", "destination_id": "c.new"},
    ),
    "input_tags": (
        "JOIN inputs AS i ON t.input_uuid = i.input_uuid JOIN run_copies AS c ON i.destination_id = c.old",
        {"input_uuid": "md5(t.input_uuid || '/' || c.n)"},
    ),
}
