"""Gathers the page of one number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from flywheel_mlflow.base.canonical import canonical_json, sha256_text
from flywheel_mlflow.base.errors import FlywheelError, UnknownName
from flywheel_mlflow.evidence.flywheel import Flywheel
from flywheel_mlflow.evidence.runs import Collected
from flywheel_mlflow.operations.assembly.localising import collect_sides, localise_collected
from flywheel_mlflow.operations.deciding import is_trouble
from flywheel_mlflow.operations.reading.reader import PageQuery, Reader
from flywheel_mlflow.operations.reading.turns import facts_at, find_turn
from flywheel_mlflow.reports.dashboard_record import AssemblyRecord
from flywheel_mlflow.reports.pages.emptiness import nothing_assembled
from flywheel_mlflow.reports.pages.frame import Page
from flywheel_mlflow.reports.pages.number import Localisation, NumberFacts, number_page


def one_number(reader: Reader, asked: PageQuery) -> Page:
    """A number in an iteration, the newest unasked; ``first`` and ``second`` ask who changed it between these.

    Raises:
        UnknownName: that iteration computed no such number.
    """
    name = asked.word("name") or ""
    turn = find_turn(reader, asked.whole("iteration"))
    if turn is None:
        return nothing_assembled(name, "iterations")
    facts = facts_at(reader, turn)
    full = _full(name, facts.record)
    found = NumberFacts(full, facts)
    first, second = asked.whole("first"), asked.whole("second")
    if first is not None and second is not None:
        found = replace(found, between=_between(reader, full, first, second))
    return number_page(found, reader.addresses)


def _full(name: str, record: AssemblyRecord) -> str:
    """The full name of a number; the flywheel's own need no prefix."""
    full = next((item for item in (name, f"flywheel.{name}") if item in record.metrics), None)
    if full is None:
        raise UnknownName("number", name, record.metrics)
    return full


def _between(reader: Reader, name: str, first: int, second: int) -> Localisation:
    """What `flywheel explain --between` finds, or why it finds nothing."""
    flywheel, tracking = reader.session.flywheel, reader.session.tracking
    try:
        collected = collect_sides(flywheel, tracking, first, second)
        stood = tracking.assemblies.recorded(first)
        stands = _stands(flywheel, collected, stood.run_id if stood else "")
        found = reader.memory.recall(
            ("suspects", name, first, second, stands),
            partial(localise_collected, flywheel, tracking, collected, name, first, second),
            # Where a run has no digest of what it holds, or something could not be read, it is looked at again.
            keep=lambda made: bool(stands) and not made.notes,
        )
    except FlywheelError as error:
        if is_trouble(error):
            raise
        return Localisation(first, second, unknown=error.what)
    return Localisation(first, second, found.suspects, found.notes)


def _stands(flywheel: Flywheel, collected: Mapping[int, Collected], reference: str) -> str:
    """A digest of all that suspicion rests on: evidence by its own digests, promises, rules, and the run of the
    reference, which stands for the history before it; empty where a digest lacks.
    """
    runs = [
        (turn, project, item.run_id, item.evidence_digest)
        for turn, found in sorted(collected.items())
        for project, item in sorted(found.evidence.items())
    ]
    if not all(digest for *_, digest in runs):
        return ""
    promises = [contract.digest for _, contract in sorted(flywheel.contracts.items())]
    return sha256_text(canonical_json([runs, reference, promises, flywheel.blueprint.drift.model_dump(mode="json")]))
