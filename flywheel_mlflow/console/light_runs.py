"""Reads runs from the server's own store by columns, where MLflow makes a mapped object of every value of a run.

A run has some seventy values and the ledger's run a thousand: making these objects was half of what a page cost. What
comes out is what MLflow gives, read from the same tables at each question; nothing is remembered. MLflow is pinned to
one version, and the tests compare the two.
"""

from __future__ import annotations

import operator
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from mlflow.entities import Metric, Param, Run, RunData, RunInfo, RunTag
from mlflow.entities.lifecycle_stage import LifecycleStage
from mlflow.store.entities.paged_list import PagedList
from mlflow.store.tracking import SEARCH_MAX_RESULTS_DEFAULT, SEARCH_MAX_RESULTS_THRESHOLD
from mlflow.store.tracking.dbmodels.models import SqlLatestMetric, SqlParam, SqlRun, SqlTag
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.utils.search_utils import SearchUtils

#: Databases where this was compared with MLflow's own answers.
DATABASES = ("sqlite", "postgresql")
#: MLflow's tables, whose columns it leaves untyped.
_RUNS: Any = SqlRun
_TAGS: Any = SqlTag
_PARAMS: Any = SqlParam
_METRICS: Any = SqlLatestMetric
_COMPARED: dict[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_TIMES = {"start_time": _RUNS.start_time, "end_time": _RUNS.end_time}
_INFO = (
    _RUNS.run_uuid,
    _RUNS.name,
    _RUNS.experiment_id,
    _RUNS.user_id,
    _RUNS.status,
    _RUNS.start_time,
    _RUNS.end_time,
    _RUNS.lifecycle_stage,
    _RUNS.artifact_uri,
)


def light_store(store: Any) -> Any:
    """A store that answers as ``store`` does, about runs for a fraction of the time; ``store`` itself where we cannot.

    A store of another kind (workspaces, a plugin's) may hide runs from some people, so it answers itself.
    """
    known = type(store) is SqlAlchemyStore and store.db_type in DATABASES
    return LightRuns(store) if known else store


class _LightRun(Run):
    """A run whose inputs and outputs are read when somebody asks for them; hardly anybody does."""

    def __init__(self, info: RunInfo, data: RunData, store: Any) -> None:
        super().__init__(info, data)
        self._store = store
        self._whole: Run | None = None

    @property
    def inputs(self) -> Any:
        """What the run read, as MLflow tells it."""
        return self._read().inputs

    @property
    def outputs(self) -> Any:
        """The models the run made, as MLflow tells it."""
        return self._read().outputs

    def _read(self) -> Run:
        if self._whole is None:
            self._whole = self._store.get_run(self.info.run_id)
        return self._whole


class LightRuns:
    """MLflow's store with two answers of our own, :meth:`search_runs` and :meth:`get_run`."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def search_runs(
        self,
        experiment_ids: Sequence[str],
        filter_string: str | None,
        run_view_type: int,
        max_results: int = SEARCH_MAX_RESULTS_DEFAULT,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> Any:
        """The runs MLflow would find, in its order; what is asked in another way than ours, MLflow answers."""
        conditions = _conditions(filter_string or "")
        ordering = _ordering(order_by or ())
        plain = all(str(item).isdecimal() for item in experiment_ids) and 0 < max_results < SEARCH_MAX_RESULTS_THRESHOLD
        if conditions is None or ordering is None or not plain:
            return self._store.search_runs(
                experiment_ids, filter_string, run_view_type, max_results, order_by, page_token
            )
        first = SearchUtils.parse_start_offset_from_page_token(page_token)  # type: ignore[no-untyped-call]
        with self._store.ManagedSessionMaker() as session:
            asked = session.query(*_INFO).filter(
                _RUNS.experiment_id.in_([int(item) for item in experiment_ids]),
                _RUNS.lifecycle_stage.in_(LifecycleStage.view_type_to_stages(run_view_type)),
                *(condition(session) for condition in conditions),
            )
            # One more than wanted tells whether there is another page.
            rows = asked.order_by(*ordering).offset(first).limit(max_results + 1).all()
            runs = self._filled(session, rows[:max_results])
        more = len(rows) > max_results
        token = SearchUtils.create_page_token(first + max_results) if more else None  # type: ignore[no-untyped-call]
        return PagedList(runs, token)

    def get_run(self, run_id: str) -> Any:
        """The run; MLflow itself says what is wrong with an id that is none."""
        with self._store.ManagedSessionMaker() as session:
            rows = session.query(*_INFO).filter(_RUNS.run_uuid == run_id).all()
            found = self._filled(session, rows)
        return found[0] if found else self._store.get_run(run_id)

    def _filled(self, session: Any, rows: Sequence[Any]) -> list[Run]:
        if not rows:
            return []
        runs = [row.run_uuid for row in rows]
        metrics = _values(session, _METRICS, runs, "key", "value", "timestamp", "step", "is_nan")
        params = _values(session, _PARAMS, runs, "key", "value")
        labels = _values(session, _TAGS, runs, "key", "value")
        return [
            _LightRun(
                _info(row),
                RunData(
                    [
                        Metric(key, float("nan") if is_nan else value, at, step)
                        for key, value, at, step, is_nan in metrics[row.run_uuid]
                    ],
                    [Param(key, value) for key, value in params[row.run_uuid]],
                    [RunTag(key, value) for key, value in labels[row.run_uuid]],
                ),
                self._store,
            )
            for row in rows
        ]


def _info(row: Any) -> RunInfo:
    return RunInfo(
        run_id=row.run_uuid,
        run_name=row.name,
        experiment_id=str(row.experiment_id),
        user_id=row.user_id,
        status=row.status,
        start_time=row.start_time,
        end_time=row.end_time,
        lifecycle_stage=row.lifecycle_stage,
        artifact_uri=row.artifact_uri,
    )


def _values(session: Any, table: Any, runs: Sequence[str], *names: str) -> dict[str, list[tuple[Any, ...]]]:
    """The columns of a table by run."""
    columns = [getattr(table, name) for name in names]
    found: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for run_id, *values in session.query(table.run_uuid, *columns).filter(table.run_uuid.in_(runs)):
        found[run_id].append(tuple(values))
    return found


def _conditions(text: str) -> list[Callable[[Any], Any]] | None:
    """What a filter asks, as conditions made for a session; None when it asks for more than times and equal tags."""
    found: list[Callable[[Any], Any]] = []
    for part in SearchUtils.parse_search_filter(text):  # type: ignore[no-untyped-call]
        kind, key, value, sign = (part[name] for name in ("type", "key", "value", "comparator"))
        if kind == "tag" and sign == "=":
            found.append(_tagged(key, value))
        elif kind == "attribute" and key in _TIMES and sign in _COMPARED:
            found.append(_timed(_COMPARED[sign](_TIMES[key], value)))
        else:
            return None
    return found


def _tagged(key: str, value: str) -> Callable[[Any], Any]:
    """Asked of each run that is left, by the table's key; MLflow joins every run of the store that has such a tag."""

    def condition(session: Any) -> Any:
        mine = session.query(_TAGS.key)
        return mine.filter(_TAGS.run_uuid == _RUNS.run_uuid, _TAGS.key == key, _TAGS.value == value).exists()

    return condition


def _timed(condition: Any) -> Callable[[Any], Any]:
    return lambda _: condition


def _ordering(order_by: Iterable[str]) -> list[Any] | None:
    """MLflow's order: as asked, what has no such time last; then the newest start, then by id. None when unknown."""
    found: list[Any] = []
    keys: list[str] = []
    for text in order_by:
        kind, key, ascending = SearchUtils.parse_order_by_for_search_runs(text)  # type: ignore[no-untyped-call]
        if kind != "attribute" or key not in _TIMES or key in keys:
            return None
        keys.append(key)
        column = _TIMES[key]
        found += [column.is_(None), column if ascending else column.desc()]
    if "start_time" not in keys:
        found.append(_RUNS.start_time.desc())
    return [*found, _RUNS.run_uuid]
