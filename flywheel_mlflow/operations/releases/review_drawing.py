"""Draws the records or traces of a project that people look at, by a hash of the data themselves."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flywheel_mlflow.base.canonical import digest_of, parsed_json, short_digest
from flywheel_mlflow.base.errors import InputError, MissingVersion, Refused, UnknownName
from flywheel_mlflow.decisions.human_review import ReviewItem, ReviewPlan, draw
from flywheel_mlflow.evidence.lineage import version_of
from flywheel_mlflow.operations.deciding import Session
from flywheel_mlflow.operations.projects.run_inputs import evidence_of
from flywheel_mlflow.operations.scratch import scratch_folder
from flywheel_mlflow.promises.contract import Contract

if TYPE_CHECKING:
    from flywheel_mlflow.evidence.runs import InterfaceVersion
    from flywheel_mlflow.promises.interfaces import InterfaceOut
    from flywheel_mlflow.tracking.review_traces import SeenTrace

#: Characters of a record or trace that reviewers are shown.
MAX_SHOWN = 20_000
#: The name of a subject that is no interface.
TRACES = "traces"


@dataclass(frozen=True, slots=True)
class Drawn:
    """What was drawn of a subject, in the order of the draw: what is shown of each item, by its id.

    ``pool`` is the number of items it was drawn from.
    """

    subject: str
    pool: int
    shown: Mapping[str, Mapping[str, Any]]

    @property
    def items(self) -> tuple[ReviewItem, ...]:
        """The items with the digest of what is shown of them."""
        return tuple(ReviewItem(name, digest_of(value)) for name, value in self.shown.items())


def record_subject(interface: str, digest: str) -> str:
    """The name of the records of an interface's version."""
    return f"{interface}@{digest}"


def trace_subject(run_id: str) -> str:
    """The name of the traces of a run."""
    return f"{TRACES}@{run_id}"


def draw_items(session: Session, contract: Contract, iteration: int, count: int) -> Drawn:
    """Draw the first items of what people look at in an iteration: all of it is read.

    Raises:
        MissingVersion: the project has none. InputError: data that are not what was logged, or an id that stands twice.
        RecordError: data that cannot be read.
    """
    found = _version(session, contract, iteration)
    if isinstance(found, str):
        subject = trace_subject(found)
        experiment = session.tracking.collector.experiments()[contract.id]  # the run lies there
        traces = session.tracking.review_traces.of_run(experiment, found)
        drawn, pool = draw(subject, _readable(traces), count)
        return Drawn(subject, pool, {name: cut(value) for name, value in drawn})
    subject, promise = record_subject(found.name, found.digest), contract.interface(found.name)
    if promise is None:
        raise UnknownName("interface", found.name, [item.name for item in contract.interfaces_out])
    with _records(session, found, promise) as pool_of_records:
        rows, size = draw(subject, pool_of_records, count)
    if len({name for name, _ in rows}) < len(rows):
        raise InputError(f"an id stands twice in {found.name}", hint="give every record an id of its own")
    return Drawn(subject, size, {name: _shown(record) for name, record in rows})


def draw_again(session: Session, plan: ReviewPlan) -> Drawn:
    """What the draw gives for a review, from the data as they are.

    Raises:
        Refused: something else than the review holds.
    """
    drawn = draw_items(session, session.flywheel.contract(plan.project), plan.iteration, len(plan.items))
    if (drawn.subject, drawn.pool, drawn.items) != (plan.subject, plan.pool, plan.items):
        other = drawn.subject != plan.subject
        raise Refused(
            f"iteration {plan.iteration} holds {drawn.subject} now, the review is of {plan.subject}"
            if other
            else f"the items of {plan.id} are not those that the draw gives",
            rule="a hash of the data draws what people look at",
            hint=f"flywheel human-review open {plan.project} --iteration {plan.iteration}",
        )
    return drawn


def _version(session: Session, contract: Contract, iteration: int) -> InterfaceVersion | str:
    """The version of the interface whose records are looked at, or the run whose traces are."""
    name = contract.review.records_of
    evidence = evidence_of(session.tracking, contract, iteration)
    version = version_of(evidence, name) if name else None
    found = version or (evidence.run_id if evidence is not None and not name else None)
    if found is None:
        raise MissingVersion(
            f"{contract.id} has no {f'version of {name}' if name else 'run'} for iteration {iteration}",
            where=f"review of {contract.id}",
            hint=f"flywheel collect --iteration {iteration}",
        )
    return found


def _readable(traces: Iterable[SeenTrace]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    return ((trace.id, trace.shown) for trace in traces if trace.shown is not None)


@contextmanager
def _records(
    session: Session, version: InterfaceVersion, promise: InterfaceOut
) -> Iterator[Iterator[tuple[str, dict[str, Any]]]]:
    """The records of a version with their ids, while their files are there."""
    from flywheel_mlflow import records
    from flywheel_mlflow.records.reading import reader_for
    from flywheel_mlflow.records.sources import record_files

    with scratch_folder() as folder:
        path = session.tracking.data.fetch(version, folder)
        if short_digest(records.content_digest(path)) != version.digest:
            raise InputError(
                f"the data of {version.name} are not what was logged",
                where=version.uri,
                hint="the stored data was changed after it was logged: ask its producer",
            )

        def every() -> Iterator[tuple[str, dict[str, Any]]]:
            row = 0
            for file in record_files(path, promise.format):
                for batch in reader_for(file, promise.format).batches():
                    for record in batch:
                        row += 1
                        yield _id_of(record) or f"row {row}", record

        yield every()


def _id_of(record: Mapping[str, Any]) -> str:
    """The id of a record as text that can be kept; empty where it has none."""
    name = record.get("id")
    return str(name)[:250].encode("utf-8", "replace").decode() if isinstance(name, str | int) else ""


def _shown(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """What reviewers are shown of a record: plain values, what JSON cannot hold as text."""
    from flywheel_mlflow.records.fingerprints import content_text

    text = content_text(record).encode("utf-8", "replace").decode("utf-8")
    value: dict[str, Any] = json.loads(text, parse_constant=str)
    return cut(value)


def cut(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """A value, or the beginning of its JSON where that is too long to be looked at."""
    text = parsed_json(value)
    return value if len(text) <= MAX_SHOWN else {"cut": text[:MAX_SHOWN], "characters": len(text)}
