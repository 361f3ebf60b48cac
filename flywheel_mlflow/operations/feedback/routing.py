"""Shows where feedback goes and why, sends it elsewhere, and tries the rules on examples."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from flywheel_mlflow.base.errors import InputError, StorageError, UnknownName
from flywheel_mlflow.base.settings import Engine
from flywheel_mlflow.evidence.flywheel import Flywheel
from flywheel_mlflow.evidence.owners import Owner, owners_of
from flywheel_mlflow.feedback.decisions import REROUTED, RoutingDecision, in_force, routing_decisions
from flywheel_mlflow.feedback.events import read_schema
from flywheel_mlflow.feedback.examples import Score, Tried, by_language, pooled, read_examples, scores, try_examples
from flywheel_mlflow.feedback.exporting import to_csv, to_json_lines
from flywheel_mlflow.feedback.intake import column_counts
from flywheel_mlflow.feedback.measures import Age, age, misroute_rate, unroutable_rate
from flywheel_mlflow.feedback.routed import RULES_TO, changed, routed_now
from flywheel_mlflow.feedback.routing import REASON, RULE, TO, RouteAnswer, explain
from flywheel_mlflow.operations.deciding import NewEvent, Session, append_decision, begin, read_snapshot
from flywheel_mlflow.operations.feedback.feedback import router_of
from flywheel_mlflow.promises.routes import UNROUTABLE
from flywheel_mlflow.tracking import StoredBatch, Tracking

if TYPE_CHECKING:
    import pyarrow as pa

    from flywheel_mlflow.records.ray_engine import RayCluster

#: Where labelled examples lie below a flywheel's folder; those whose name begins so were not used to write rules.
EXAMPLES_FOLDER = "tests/routing"
HELD_OUT = "held_out"
MAX_REASON = 2000
MAX_LISTED = 10_000

_LABELS = ("id", "time", "source", "project", "stage", "type", "scope", "severity", "text")
_EVIDENCE = ("interface", "record_ids", "trace_id", "run_id")
_WORDS = ("suggestion", "response", "correction", "prompt", "chosen", "rejected", "recommended_action", "reporter")
EXPORTED = (*_LABELS, *_EVIDENCE, *_WORDS, TO, RULE, REASON)


@dataclass(frozen=True, slots=True)
class Routed:
    """Where the feedback of an iteration goes by the rules of today and by decisions.

    ``to`` and ``rules`` count events; ``changed`` those that the rules sent elsewhere when they came in. Rates are
    shares (0..1), None where nothing could be counted. ``files`` were written, when a folder was asked for. ``owners``
    answer for the projects that got any.
    """

    iteration: int
    total: int
    to: Mapping[str, int]
    rules: Mapping[str, int]
    changed: int
    rerouted: int
    unroutable_rate: float | None
    misroute_rate: float | None
    age: Age | None
    files: tuple[str, ...]
    owners: Mapping[str, Owner]


def route_iteration(
    flywheel: Flywheel,
    tracking: Tracking,
    iteration: int,
    *,
    now: datetime,
    out: Path | None = None,
    engine: Engine = "local",
) -> Routed:
    """Route the stored events of an iteration; ``out`` is a folder for one CSV and one JSONL file of all of them.

    Raises:
        StorageError: the folder cannot be written. ClusterUnreachable: Ray cannot be used.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    from flywheel_mlflow.records.ray_engine import connected

    decisions = decided_routes(tracking)
    to, rules = Counter[str](), Counter[str]()
    columns: dict[str, list[pa.Array]] = {name: [] for name in ("time", TO, RULES_TO, "id")}
    elsewhere = 0
    with (
        tempfile.TemporaryDirectory(prefix="flywheel-") as folder,
        _Export(out, iteration) as export,
        connected(engine) as cluster,
    ):
        for batch in routed_events(flywheel, tracking, iteration, decisions, Path(folder), cluster):
            to.update(column_counts(batch.column(TO)))
            rules.update(column_counts(batch.column(RULE)))
            elsewhere += changed(batch)
            for name, parts in columns.items():
                if name != "id" or decisions:
                    parts.append(batch.column(name))
            export.write(batch)
    joined = {name: pa.chunked_array(parts, _column_type(name)) for name, parts in columns.items()}
    rerouted = sum(int(pc.sum(_is_decided(part, decisions)).as_py() or 0) for part in columns["id"])
    return Routed(
        iteration=iteration,
        total=sum(to.values()),
        to=_most_first(to),
        rules=_most_first(rules),
        changed=elsewhere,
        rerouted=rerouted,
        unroutable_rate=unroutable_rate(joined[TO]),
        misroute_rate=misroute_rate(joined["id"], joined[RULES_TO], decisions) if decisions else _none_moved(joined),
        age=age(joined["time"], now),
        files=export.names,
        owners=owners_of(flywheel.blueprint, flywheel.contracts, to),
    )


def _column_type(name: str) -> pa.DataType:
    import pyarrow as pa

    return read_schema().field(name).type if name in read_schema().names else pa.string()


def _none_moved(joined: Mapping[str, pa.ChunkedArray]) -> float | None:
    column = joined[RULES_TO]
    return 0.0 if len(column) - column.null_count else None


def _is_decided(ids: pa.Array, decisions: Mapping[str, RoutingDecision]) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.is_in(ids, pa.array(list(decisions), pa.string()))


def _most_first(counted: Counter[str]) -> dict[str, int]:
    return dict(sorted(counted.items(), key=lambda item: (-item[1], item[0])))


def decided_routes(tracking: Tracking) -> Mapping[str, RoutingDecision]:
    """What people decided about routes, by event; nothing while there is no ledger."""
    snapshot = read_snapshot(tracking)
    return in_force(routing_decisions(snapshot.ledger.counted)) if snapshot else {}


def routed_events(
    flywheel: Flywheel,
    tracking: Tracking,
    iteration: int | None,
    decisions: Mapping[str, RoutingDecision],
    folder: Path,
    cluster: RayCluster | None = None,
) -> Iterator[pa.RecordBatch]:
    """The stored events of an iteration, or all, as they are routed now; ``folder`` takes the downloads."""
    stored = tracking.feedback.events(tracking.feedback.batches(iteration), folder)
    return routed_now(stored, router_of(flywheel), decisions, cluster)


class _Export:
    """Writes routed batches below a folder; does nothing without one."""

    def __init__(self, folder: Path | None, iteration: int) -> None:
        self._paths = [folder / f"feedback-{iteration:03d}.{ending}" for ending in ("csv", "jsonl")] if folder else []
        self._streams: list[Any] = []
        self.names = tuple(str(path) for path in self._paths)

    def __enter__(self) -> Self:
        try:
            for path in self._paths:
                path.parent.mkdir(parents=True, exist_ok=True)
                # utf-8-sig: Excel takes UTF-8 without the mark for the system's own encoding.
                encoding = "utf-8-sig" if path.suffix == ".csv" else "ascii"
                self._streams.append(path.open("w", encoding=encoding, newline=""))
            if self._streams:
                self._streams[0].write(next(to_csv([], EXPORTED)))
        except OSError as error:
            raise _no_room(self._paths[0], error) from error
        return self

    def __exit__(self, *_: object) -> None:
        for stream in self._streams:
            stream.close()

    def write(self, batch: pa.RecordBatch) -> None:
        """One batch into every file."""
        if not self._streams:
            return
        try:
            rows = to_csv([batch], EXPORTED)
            next(rows)  # the header stands there already
            self._streams[0].writelines(rows)
            self._streams[1].writelines(to_json_lines([batch], EXPORTED))
        except OSError as error:
            raise _no_room(self._paths[0], error) from error


def _no_room(path: Path, error: OSError) -> StorageError:
    return StorageError(
        f"cannot write there: {error.strerror or error}", where=str(path.parent), hint="choose another folder"
    )


def list_events(
    flywheel: Flywheel, tracking: Tracking, iteration: int | None, *, to: str | None, limit: int
) -> tuple[int, list[dict[str, Any]]]:
    """How many stored events go to a project, and the first of them, each with its :class:`Owner` under ``owner``.

    ``to`` None asks for the queue ``unroutable``, "" for all.

    Raises:
        UnknownName: no such project.
    """
    import pyarrow.compute as pc

    if to:
        flywheel.contract(to)
    decisions = decided_routes(tracking)
    rows: list[dict[str, Any]] = []
    total = 0
    with tempfile.TemporaryDirectory(prefix="flywheel-") as folder:
        for batch in routed_events(flywheel, tracking, iteration, decisions, Path(folder)):
            column = batch.column(TO)
            mask = column.is_null() if to is None else pc.equal(column, to) if to else None
            wanted = batch if mask is None else batch.filter(mask)
            total += wanted.num_rows
            rows += wanted.slice(0, max(min(limit, MAX_LISTED) - len(rows), 0)).to_pylist()
    owners = owners_of(flywheel.blueprint, flywheel.contracts, {row[TO] for row in rows})
    return total, [{**row, "owner": owners.get(row[TO] or "")} for row in rows]


@dataclass(frozen=True, slots=True)
class Explained:
    """One event, what every rule says to it, where it came from, who sent it elsewhere, who answers for it now."""

    event: Mapping[str, Any]
    batch: StoredBatch
    asked: tuple[RouteAnswer, ...]
    decision: RoutingDecision | None
    owner: Owner | None


def explain_event(flywheel: Flywheel, tracking: Tracking, event_id: str) -> Explained:
    """Why an event goes where it goes.

    Raises:
        InputError: no event has that id.
    """
    router = router_of(flywheel)
    with tempfile.TemporaryDirectory(prefix="flywheel-") as folder:
        found = tracking.feedback.find(event_id, Path(folder))
    if found is None:
        raise InputError(
            f"no event has the id {event_id[:80]!r}",
            where=tracking.feedback.name,
            hint="`flywheel feedback list` shows ids, `--json` shows them whole",
        )
    batch, stored = found
    decision = decided_routes(tracking).get(event_id)
    decisions = {} if decision is None else {event_id: decision}
    row = next(routed_now([stored], router, decisions)).to_pylist()[0]
    owner = owners_of(flywheel.blueprint, flywheel.contracts, [row[TO]]).get(row[TO] or "")
    return Explained(row, batch, explain(router, stored.select(read_schema().names)), decision, owner)


def reroute_event(session: Session, event_id: str, *, to: str, reason: str, dry_run: bool = False) -> RoutingDecision:
    """Send an event to another project, by a decision in the ledger; counts as a misroute of the rules.

    Raises:
        UnknownName: no such project.
        InputError: no such event, no reason, or it goes there already.
    """
    project_id = session.flywheel.project_of(to)
    if not reason.strip() or len(reason) > MAX_REASON:
        raise InputError("a reason of 1 to 2,000 characters is needed", hint="say why the rules are wrong here")
    explained = explain_event(session.flywheel, session.tracking, event_id)
    if explained.event[TO] == project_id:
        raise InputError(f"the event goes to {project_id} already", hint="`flywheel feedback explain` shows why")
    body = {"event": event_id, "from": explained.event[TO], "to": project_id, "reason": reason.strip()}
    at = session.now()
    if not dry_run:
        begin(session)
        at = append_decision(session, lambda _: NewEvent(REROUTED, body))[0].at
    return RoutingDecision(event_id, project_id, reason.strip(), session.actor.name, at)


@dataclass(frozen=True, slots=True)
class RulesTried:
    """The examples of one kind: ``held_out`` ones were not used to write the rules."""

    held_out: bool
    tried: tuple[Tried, ...]
    scores: tuple[Score, ...]
    languages: Mapping[str, tuple[int, int]]

    @property
    def pooled(self) -> Score:
        """All projects as one."""
        return pooled(self.tried)

    def below(self, floor: float) -> tuple[Score, ...]:
        """What is not good enough; what is unknown is not below.

        Of the examples the rules were written with, every project must reach ``floor`` in precision and recall. Of
        held-out ones only what was routed counts, all projects together: an event no rule knows waits in a queue that
        people see, while one that went astray bothers the wrong project.
        """
        if self.held_out:
            return (self.pooled,) if _or_one(self.pooled.precision) < floor else ()
        # What should have been routed and was not lowers a recall already.
        rates = {
            item: (_or_one(None if item.to == UNROUTABLE else item.precision), _or_one(item.recall))
            for item in self.scores
        }
        return tuple(item for item, both in rates.items() if min(both) < floor)


def _or_one(rate: float | None) -> float:
    return 1.0 if rate is None else rate


def try_rules(flywheel: Flywheel, paths: Sequence[Path]) -> tuple[RulesTried, ...]:
    """Try the rules on the examples of some files, else of all in ``tests/routing``; the held-out ones last.

    Raises:
        DocumentError: every fault of every file together.
        InputError: no example.
    """
    files = list(paths) or sorted((flywheel.root / EXAMPLES_FOLDER).glob("*.jsonl"))
    if not files:
        raise InputError(
            "no labelled examples", where=str(flywheel.root / EXAMPLES_FOLDER), hint="name files, or write some there"
        )
    router = router_of(flywheel)
    found = []
    for held_out in (False, True):
        some = [path for path in files if path.name.startswith(HELD_OUT) == held_out]
        if some:
            examples = read_examples(some)
            _check_targets(flywheel, examples)
            tried = try_examples(router, examples)
            found.append(RulesTried(held_out, tried, scores(tried), by_language(tried)))
    return tuple(found)


def _check_targets(flywheel: Flywheel, examples: Sequence[tuple[str, Any]]) -> None:
    for place, example in examples:
        if example.to not in flywheel.contracts and example.to != UNROUTABLE:
            raise UnknownName("project", example.to, flywheel.contracts, where=place)
