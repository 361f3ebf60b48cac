"""Reads MLflow's tables by columns, where MLflow makes a mapped object of every value of a run.

A run has some seventy values and the ledger's run a thousand. What comes out is what MLflow gives, read from the same
tables at each question; nothing is remembered. :data:`versions.SCHEMAS` are the tables that it was compared on.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any, Protocol

from flywheel_mlflow.tracking.connection import refusal
from flywheel_mlflow.tracking.reading.port import (
    ACTIVE_ONLY,
    ALL,
    DELETED_ONLY,
    PAGE_SIZE,
    Dataset,
    DatasetInput,
    Experiment,
    Model,
    NotUnderstood,
    Page,
    Run,
    RunData,
    RunInfo,
    Tag,
    Version,
)
from flywheel_mlflow.tracking.reading.questions import (
    Compared,
    Tagged,
    clauses_of,
    numbers_of,
    offset_of,
    ordering_of,
    token_at,
)
from flywheel_mlflow.tracking.versions import SCHEMAS

#: More are MLflow's to read: SQLite takes some 32,000 values in one statement.
MOST_RESULTS = 10_000
_STAGES = {ACTIVE_ONLY: ("active",), DELETED_ONLY: ("deleted",), ALL: ("active", "deleted")}
_RUN = "run_uuid, experiment_id, user_id, status, start_time, end_time, lifecycle_stage, artifact_uri"
_VERSION = "version, current_stage, run_id, source, description"
_DELETED_VERSION = "Deleted_Internal"
#: Without workspaces everything lies in this one; a store that has others is not read by columns.
WORKSPACE = "default"
#: Names that MLflow takes as they are.
_MODEL = re.compile(r"[\w.-]+")
_ALIAS = re.compile(r"[\w-]{1,255}")
_NAMED = re.compile(r"name = '([\w.-]+)'")


class Rows(Protocol):
    """Sends a statement with ``?`` for values to a database."""

    def __call__(self, statement: str, values: Sequence[Any], /) -> Sequence[Sequence[Any]]:
        """The rows of the answer."""


#: What statements of one question share: a view of the database at one moment.
Session = Callable[[], AbstractContextManager[Rows]]


def tables_of(rows: Rows) -> str | None:
    """The MLflow, such as 3.17, whose tables a database has; None for tables that this module does not read.

    MLflow itself opens the tables of its own version alone: whoever writes into others is told by it what to do.
    """
    versions = [str(row[0]) for row in rows("SELECT version_num FROM alembic_version", ())]
    if len(versions) != 1 or versions[0] not in SCHEMAS:
        return None
    places = ("experiments", "registered_models", "webhooks")
    elsewhere = any(rows(f"SELECT 1 FROM {place} WHERE workspace <> ? LIMIT 1", [WORKSPACE]) for place in places)
    return None if elsewhere else SCHEMAS[versions[0]]


class ColumnReader:
    """Answers from the tables of one database; ``uri`` is for messages. A :class:`port.Reader`.

    ``models`` leads to the tables of registered models, where these lie in another database.
    """

    def __init__(self, session: Session, uri: str, *, models: Session | None = None) -> None:
        self._session = session
        self._models = models or session
        self._uri = uri

    def get_experiment_by_name(self, name: str) -> Experiment | None:
        """The experiment of a name, deleted ones too; None when there is none."""
        with self._session() as rows:
            found = _experiments(rows, "WHERE name = ?", [name])
        return found[0] if found else None

    def search_experiments(
        self,
        view_type: int = ACTIVE_ONLY,
        max_results: int | None = PAGE_SIZE,
        filter_string: str | None = None,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> Page[Experiment]:
        """A page of experiments; only their tags can be asked for."""
        tagged = [clause for clause in clauses_of(filter_string) if isinstance(clause, Tagged)]
        plain = len(tagged) == len(clauses_of(filter_string)) and not order_by
        if not plain or max_results is None or not 0 < max_results <= MOST_RESULTS:
            raise NotUnderstood(filter_string)
        first = offset_of(page_token)
        stages = _STAGES[view_type]
        asked = [f"lifecycle_stage IN ({_marks(stages)})"]
        values: list[Any] = [*stages]
        for clause in tagged:
            asked.append(
                "EXISTS (SELECT 1 FROM experiment_tags t WHERE t.experiment_id = experiments.experiment_id "
                "AND t.key = ? AND t.value = ?)"
            )
            values += [clause.key, clause.value]
        with self._session() as rows:
            # One more than wanted tells whether there is another page.
            found = _experiments(
                rows,
                f"WHERE {' AND '.join(asked)} ORDER BY creation_time DESC, experiment_id ASC LIMIT ? OFFSET ?",
                [*values, max_results + 1, first],
            )
        return _page(found, first, max_results)

    def search_runs(
        self,
        experiment_ids: Sequence[str],
        filter_string: str = "",
        run_view_type: int = ACTIVE_ONLY,
        max_results: int = PAGE_SIZE,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> Page[Run]:
        """A page of runs."""
        clauses, ordering = clauses_of(filter_string), ordering_of(order_by)
        places, first = numbers_of(experiment_ids), offset_of(page_token)
        if not 0 < max_results <= MOST_RESULTS or len(places) > MOST_RESULTS:
            raise NotUnderstood("more than one statement holds")
        if not places:
            return Page([], None)
        stages = _STAGES[run_view_type]
        asked = [f"experiment_id IN ({_marks(places)})", f"lifecycle_stage IN ({_marks(stages)})"]
        values: list[Any] = [*places, *stages]
        for clause in clauses:
            if isinstance(clause, Compared):
                asked.append(f"{clause.column} {clause.sign} ?")
                values.append(clause.value)
            else:
                # Asked of each run that is left, by the table's key; MLflow joins every run of the store that has such
                # a tag.
                asked.append(
                    "EXISTS (SELECT 1 FROM tags t WHERE t.run_uuid = runs.run_uuid AND t.key = ? AND t.value = ?)"
                )
                values += [clause.key, clause.value]
        with self._session() as rows:
            found = rows(
                f"SELECT {_RUN} FROM runs WHERE {' AND '.join(asked)} ORDER BY {ordering} LIMIT ? OFFSET ?",
                [*values, max_results + 1, first],
            )
            runs = self._filled(rows, found[:max_results])
        return Page(runs, token_at(first + max_results) if len(found) > max_results else None)

    def get_run(self, run_id: str) -> Run:
        """A run, deleted ones too; MLflow itself says what is wrong with an id that is none."""
        with self._session() as rows:
            found = self._filled(rows, rows(f"SELECT {_RUN} FROM runs WHERE run_uuid = ?", [run_id]))
        if not found:
            raise NotUnderstood(f"the run {run_id}")
        return found[0]

    def get_registered_model(self, name: str) -> Model:
        """A registered model."""
        with self._models() as rows:
            self._check_model(rows, name)
            labels = rows("SELECT key, value FROM registered_model_tags WHERE name = ?", [name])
            aliases = rows("SELECT alias, version FROM registered_model_aliases WHERE name = ?", [name])
        return Model(dict(_pairs(labels)), {alias: str(version) for alias, version in aliases})

    def get_model_version(self, name: str, version: str) -> Version:
        """A version by its number."""
        if not re.fullmatch(r"[1-9][0-9]{0,8}", str(version)):
            raise NotUnderstood("a version that is no number")
        with self._models() as rows:
            return self._version(rows, name, int(version))

    def get_model_version_by_alias(self, name: str, alias: str) -> Version:
        """The version that an alias points to."""
        if not _ALIAS.fullmatch(alias) or alias.lower() == "latest":
            raise NotUnderstood("an alias of MLflow's own")
        with self._models() as rows:
            self._check_model(rows, name)
            found = rows("SELECT version FROM registered_model_aliases WHERE name = ? AND alias = ?", [name, alias])
            if not found:
                raise refusal("INVALID_PARAMETER_VALUE", f"Registered model alias {alias} not found.", self._uri)
            return self._version(rows, name, int(found[0][0]))

    def search_model_versions(
        self,
        filter_string: str | None = None,
        max_results: int = PAGE_SIZE,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> Page[Version]:
        """A page of the versions of one model, in MLflow's order; as there, a model with a prompt has none."""
        named = _NAMED.fullmatch(filter_string or "")
        if named is None or order_by or not 0 < max_results <= MOST_RESULTS:
            raise NotUnderstood(filter_string)
        first = offset_of(page_token)
        with self._models() as rows:
            found = _versions(
                rows,
                named[1],
                "AND NOT EXISTS (SELECT 1 FROM model_version_tags t WHERE t.name = model_versions.name "
                "AND t.key = 'mlflow.prompt.is_prompt' AND t.value = 'true') "
                "ORDER BY last_updated_time DESC, version DESC LIMIT ? OFFSET ?",
                [max_results + 1, first],
            )
        return _page(found, first, max_results)

    def _check_model(self, rows: Rows, name: str) -> None:
        if not _MODEL.fullmatch(name):
            raise NotUnderstood("a name that MLflow may refuse")
        if not rows("SELECT 1 FROM registered_models WHERE name = ?", [name]):
            raise refusal("RESOURCE_DOES_NOT_EXIST", f"Registered Model with name={name} not found", self._uri)

    def _version(self, rows: Rows, name: str, version: int) -> Version:
        if not _MODEL.fullmatch(name):
            raise NotUnderstood("a name that MLflow may refuse")
        found = _versions(rows, name, "AND version = ?", [version])
        if not found:
            told = f"Model Version (name={name}, version={version}) not found"
            raise refusal("RESOURCE_DOES_NOT_EXIST", told, self._uri)
        return found[0]

    def _filled(self, rows: Rows, found: Sequence[Sequence[Any]]) -> list[Run]:
        if not found:
            return []
        ids = [row[0] for row in found]
        metrics = _by_run(rows, "latest_metrics", "key, value, is_nan", ids)
        params = _by_run(rows, "params", "key, value", ids)
        labels = _by_run(rows, "tags", "key, value", ids)
        inputs = self._inputs_of(ids)
        return [
            Run(
                RunInfo(
                    run_id, str(experiment_id), user_id, status, start_time, end_time, lifecycle_stage, artifact_uri
                ),
                RunData(
                    {key: float("nan") if is_nan else value for key, value, is_nan in metrics[run_id]},
                    dict(_pairs(params[run_id])),
                    dict(_pairs(labels[run_id])),
                ),
                lambda run_id=run_id: inputs().get(run_id, ()),  # type: ignore[misc]  # the default binds it
            )
            for run_id, experiment_id, user_id, status, start_time, end_time, lifecycle_stage, artifact_uri in found
        ]

    def _inputs_of(self, ids: Sequence[str]) -> Callable[[], dict[str, list[DatasetInput]]]:
        """The inputs of the runs of one page, read together when the first of them is asked for."""

        @lru_cache(maxsize=1)
        def read() -> dict[str, list[DatasetInput]]:
            with self._session() as rows:
                return _inputs(rows, ids)

        return read


def _inputs(rows: Rows, ids: Sequence[str]) -> dict[str, list[DatasetInput]]:
    found = rows(
        "SELECT i.input_uuid, i.destination_id, d.name, d.digest, d.dataset_source_type, d.dataset_source, "
        "d.dataset_schema, d.dataset_profile FROM inputs i JOIN datasets d ON i.source_id = d.dataset_uuid "
        f"WHERE i.destination_type = 'RUN' AND i.destination_id IN ({_marks(ids)})",
        ids,
    )
    labels: dict[str, list[Tag]] = defaultdict(list)
    for input_id, name, value in rows(
        "SELECT t.input_uuid, t.name, t.value FROM inputs i JOIN input_tags t ON t.input_uuid = i.input_uuid "
        f"WHERE i.destination_type = 'RUN' AND i.destination_id IN ({_marks(ids)})",
        ids,
    ):
        labels[input_id].append(Tag(name, value))
    inputs: dict[str, list[DatasetInput]] = defaultdict(list)
    for input_id, run_id, *dataset in found:
        inputs[run_id].append(DatasetInput(Dataset(*dataset), labels[input_id]))
    return inputs


def _experiments(rows: Rows, clause: str, values: Sequence[Any]) -> list[Experiment]:
    found = rows(f"SELECT experiment_id, name, artifact_location, lifecycle_stage FROM experiments {clause}", values)
    ids = [row[0] for row in found]
    labels: dict[int, dict[str, str]] = defaultdict(dict)
    if ids:
        for experiment_id, key, value in rows(
            f"SELECT experiment_id, key, value FROM experiment_tags WHERE experiment_id IN ({_marks(ids)})", ids
        ):
            labels[experiment_id][key] = value
    return [Experiment(str(key), name, place, stage, labels[key]) for key, name, place, stage in found]


def _versions(rows: Rows, name: str, clause: str, values: Sequence[Any]) -> list[Version]:
    found = rows(
        f"SELECT {_VERSION} FROM model_versions WHERE name = ? AND current_stage <> ? {clause}",
        [name, _DELETED_VERSION, *values],
    )
    numbers = [row[0] for row in found]
    labels: dict[int, dict[str, str]] = defaultdict(dict)
    if numbers:
        for version, key, value in rows(
            f"SELECT version, key, value FROM model_version_tags WHERE name = ? AND version IN ({_marks(numbers)})",
            [name, *numbers],
        ):
            labels[version][key] = value
    return [
        Version(str(version), stage, run_id, source, description, labels[version])
        for version, stage, run_id, source, description in found
    ]


def _by_run(rows: Rows, table: str, columns: str, ids: Sequence[str]) -> dict[str, list[Sequence[Any]]]:
    """The columns of a table by run."""
    found: dict[str, list[Sequence[Any]]] = defaultdict(list)
    for run_id, *values in rows(f"SELECT run_uuid, {columns} FROM {table} WHERE run_uuid IN ({_marks(ids)})", ids):
        found[run_id].append(values)
    return found


def _pairs(rows: Iterable[Sequence[Any]]) -> Iterable[tuple[str, str]]:
    return ((key, value) for key, value in rows)


def _page(found: list[Any], first: int, most: int) -> Page[Any]:
    return Page(found[:most], token_at(first + most) if len(found) > most else None)


def _marks(values: Sequence[Any]) -> str:
    return ", ".join("?" * len(values))
