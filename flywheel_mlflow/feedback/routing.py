"""Applies the routing rules to columns of events: the first rule that matches takes the event."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

from flywheel_mlflow.base.canonical import digest_of
from flywheel_mlflow.feedback.matching import KeywordIndex
from flywheel_mlflow.feedback.origins import Origins, named_interface
from flywheel_mlflow.promises.routes import FIELDS, KNOWN_FROM_EVENT, PRODUCER, SUBJECT, UNROUTABLE, Condition, Route

if TYPE_CHECKING:
    import pyarrow as pa

Mask = npt.NDArray[np.bool_]
Targets = npt.NDArray[np.int64]
Columns = TypeVar("Columns", "pa.Table", "pa.RecordBatch")

#: The columns that routing adds: the project (null: nobody), the rule's id (null: none) and the rule's reason.
TO, RULE, REASON = "to", "rule", "reason"
#: The reason that events show which no rule takes.
NO_RULE = "no rule takes it"

_WORDS = ("any_words", "all_words", "no_words")


class Router:
    """The rules of one flywheel, prepared to be applied.

    Args:
        routes: the rules, in the order in which they are asked; one to a project that is not there takes nothing.
        origins: who makes which interface.
        projects: the ids of all projects; ``to: project`` understands no others.
    """

    def __init__(self, routes: Iterable[Route], origins: Origins, projects: Iterable[str]) -> None:
        self.origins = origins
        self.projects = tuple(sorted(projects))
        there = KNOWN_FROM_EVENT.union(self.projects)
        self.routes = tuple(route for route in routes if route.to in there)
        signs = [sign for route in self.routes for sign in route.when]
        words = sorted({word for sign in signs for name in _WORDS for word in getattr(sign, name)})
        self.keywords = KeywordIndex(words)
        self._number = {word: number for number, word in enumerate(words)}

    @property
    def digest(self) -> str:
        """sha256 of the rules, 64 hex digits: what was routed with the same digest was routed alike."""
        return digest_of(self.routes)

    def route(self, events: Columns) -> Columns:
        """The events with the columns ``to``, ``rule`` and ``reason`` behind their own, row for row.

        Takes a table or a record batch and returns the same kind, so that Ray Data can run it as it is:
        ``dataset.map_batches(router.route, batch_format="pyarrow")``.
        """
        import pyarrow as pa

        if isinstance(events, pa.Table):
            batches = [self._route(batch) for batch in events.combine_chunks().to_batches()]
            return pa.Table.from_batches(batches, schema=self._schema(events.schema))
        return self._route(events)

    def _schema(self, schema: pa.Schema) -> pa.Schema:
        import pyarrow as pa

        for name, kind in ((TO, pa.string()), (RULE, pa.string()), (REASON, pa.string())):
            schema = schema.append(pa.field(name, kind))
        return schema

    def _route(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        import pyarrow as pa

        rules, targets = self.decide(batch)
        names = pa.array([*self.projects, None], pa.string())
        ids = pa.array([*(route.id for route in self.routes), None], pa.string())
        reasons = pa.array([*(route.why for route in self.routes), NO_RULE], pa.string())
        # -1 is the last entry of each.
        to = names.take(pa.array(targets % len(names)))
        chosen = pa.array(rules % len(ids))
        columns = [*batch.columns, to, ids.take(chosen), reasons.take(chosen)]
        return pa.RecordBatch.from_arrays(columns, schema=self._schema(batch.schema))

    def decide(self, batch: pa.RecordBatch) -> tuple[Targets, Targets]:
        """For each event the position of its rule and of its project; -1 where no rule takes it."""
        view = View(self, batch)
        rules = np.full(batch.num_rows, -1, dtype=np.int64)
        targets = np.full(batch.num_rows, -1, dtype=np.int64)
        place = {name: position for position, name in enumerate(self.projects)}
        waiting = np.ones(batch.num_rows, dtype=bool)
        for number, route in enumerate(self.routes):
            taken = waiting & view.takes(route)
            if not taken.any():
                continue
            rules[taken] = number
            to = view.target(route.to)
            targets[taken] = place[route.to] if to is None else to[taken]
            waiting &= ~taken
            if not waiting.any():
                break
        return rules, targets

    def number(self, word: str) -> int:
        """The row of a keyword in the hits."""
        return self._number[word]


class View:
    """One batch as the rules see it; each column is prepared once, when the first rule asks for it."""

    def __init__(self, router: Router, batch: pa.RecordBatch) -> None:
        self._router = router
        self._batch = batch
        self._columns: dict[str, tuple[Targets, tuple[str | None, ...]]] = {}
        self._interfaces: Targets | None = None
        self._hits: Mask | None = None
        self._targets: dict[str, Targets | None] = {}

    def takes(self, route: Route) -> Mask:
        """Which events a rule would take, were it the first."""
        mask = np.zeros(self._batch.num_rows, dtype=bool) if route.when else np.ones(self._batch.num_rows, dtype=bool)
        for sign in route.when:
            mask |= self.holds(sign)
        to = self.target(route.to)
        if to is not None:
            mask &= to >= 0
        return mask

    def holds(self, sign: Condition) -> Mask:
        """Which events show a sign."""
        mask = np.ones(self._batch.num_rows, dtype=bool)
        for part in self.parts(sign).values():
            mask &= part()
        return mask

    def parts(self, sign: Condition) -> dict[str, Callable[[], Mask]]:
        """What a sign demands, by the name of the demand."""
        said: dict[str, Callable[[], Mask]] = {}
        for name in FIELDS:
            if allowed := frozenset(getattr(sign, name)):
                said[name] = partial(self._is_one_of, name, allowed)
        origins = self._router.origins
        if sign.made_by:
            makers = frozenset(name for name, maker in origins.producers.items() if maker in sign.made_by)
            said["made_by"] = partial(self._is_one_of, "interface", makers)
        if sign.built_on:
            bases = frozenset(sign.built_on)
            built = frozenset(name for name, sources in origins.built_on.items() if sources & bases)
            said["built_on"] = partial(self._is_one_of, "interface", built)
        if sign.any_words:
            said["any_words"] = partial(self._has_some, sign.any_words)
        if sign.all_words:
            said["all_words"] = partial(self._has_all, sign.all_words)
        if sign.no_words:
            said["no_words"] = partial(self._has_none, sign.no_words)
        return said

    def target(self, to: str) -> Targets | None:
        """For a target that the event itself names: the project's position for each event, else -1; None for others."""
        if to not in self._targets:
            self._targets[to] = self._named_target(to)
        return self._targets[to]

    def _named_target(self, to: str) -> Targets | None:
        place = {name: position for position, name in enumerate(self._router.projects)}
        if to in place or to not in (PRODUCER, SUBJECT):
            return None
        if to == SUBJECT:
            codes, values = self._column("project")
            by_value = [place.get(value or "", -1) for value in values]
        else:
            codes, values = self._column("interface")
            by_value = [place.get(self._router.origins.producers.get(value or "", ""), -1) for value in values]
        return np.array([*by_value, -1], dtype=np.int64)[codes]

    def _is_one_of(self, name: str, allowed: frozenset[str]) -> Mask:
        codes, values = self._column(name)
        result: Mask = np.array([*(value in allowed for value in values), False], dtype=bool)[codes]
        return result

    def _column(self, name: str) -> tuple[Targets, tuple[str | None, ...]]:
        """A column as codes (-1: null) into its distinct values."""
        from flywheel_mlflow.records.arrays import as_numpy

        if name not in self._columns:
            if name == "interface":
                known = self._router.origins.interfaces
                self._columns[name] = (named_interface(self._batch, known), known)
            else:
                encoded = self._batch.column(name).dictionary_encode()
                codes = as_numpy(encoded.indices, -1).astype(np.int64)
                self._columns[name] = (codes, tuple(encoded.dictionary.to_pylist()))
        return self._columns[name]

    def _words(self, words: tuple[str, ...]) -> Mask:
        result: Mask = self.hits[[self._router.number(word) for word in words]]
        return result

    def _has_some(self, words: tuple[str, ...]) -> Mask:
        result: Mask = np.logical_or.reduce(self._words(words), axis=0)
        return result

    def _has_all(self, words: tuple[str, ...]) -> Mask:
        result: Mask = np.logical_and.reduce(self._words(words), axis=0)
        return result

    def _has_none(self, words: tuple[str, ...]) -> Mask:
        return ~self._has_some(words)

    @property
    def hits(self) -> Mask:
        """Which keyword of the rules is in which event's text."""
        if self._hits is None:
            self._hits = self._router.keywords.hits(self._batch.column("text"))
        return self._hits


@dataclass(frozen=True, slots=True)
class RouteAnswer:
    """What became of one event at one rule: whether it takes it, by which sign, and the words found in the text."""

    route: Route
    taken: bool
    sign: int | None
    words: tuple[str, ...]
    missing: tuple[str, ...]


def explain(router: Router, event: pa.RecordBatch) -> tuple[RouteAnswer, ...]:
    """What every rule says to the one event in ``event``, in the order in which they are asked.

    ``missing`` names the demands of the sign that came closest; ``sign`` counts from 0.
    """
    view = View(router, event)
    return tuple(_asked(router, view, route) for route in router.routes)


def _asked(router: Router, view: View, route: Route) -> RouteAnswer:
    outcomes: list[tuple[int, int, tuple[str, ...]]] = []
    words: list[str] = []
    for number, sign in enumerate(route.when):
        missing = tuple(name for name, part in view.parts(sign).items() if not part()[0])
        outcomes.append((len(missing), number, missing))
        words += [word for word in (*sign.any_words, *sign.all_words) if view.hits[router.number(word), 0]]
    closest = min(outcomes, default=(0, None, ()))
    taken = bool(view.takes(route)[0])
    unmet = closest[2] if closest[0] or taken else (f"a known {route.to}",)
    return RouteAnswer(route, taken, closest[1] if taken else None, tuple(dict.fromkeys(words)), unmet)


def counts(column: Iterable[str | None]) -> Mapping[str, int]:
    """How many events go to each project, those that go nowhere under ``unroutable``, most first."""
    from collections import Counter

    found = Counter(UNROUTABLE if value is None else value for value in column)
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))
