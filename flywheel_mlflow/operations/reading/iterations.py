"""Gathers the pages of iterations."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from flywheel_mlflow.base.errors import InputError, UnknownName
from flywheel_mlflow.operations.assembly.iterations import newest_assemblies
from flywheel_mlflow.operations.reading.reader import PageQuery, Reader
from flywheel_mlflow.operations.reading.reporting import read_assembly, read_ledger
from flywheel_mlflow.operations.reading.turns import facts_at, find_turn, links_of
from flywheel_mlflow.reports.pages.emptiness import nothing_assembled
from flywheel_mlflow.reports.pages.frame import Page
from flywheel_mlflow.reports.pages.iterations import IterationsFacts, iteration_page, iterations_page


def iterations(reader: Reader, asked: PageQuery) -> Page:
    """The newest iterations, or those assembled before the moment that was asked for."""
    older = _moment(asked.word("older"))
    listed = newest_assemblies(reader.session.tracking, ended_before=older)
    if not listed:
        if older is not None:
            raise UnknownName("iteration assembled before", older.isoformat(), ())
        return nothing_assembled("Iterations", "iterations")
    ledger, _ = read_ledger(reader.session, reader.memory)
    versions: dict[int, list[int]] = {}
    for release in ledger.state.releases.values() if ledger.state else ():
        versions.setdefault(release.iteration, []).append(release.version)
    ended = [item.ended for item in listed if item.ended]
    facts = IterationsFacts(
        listed=listed,
        metrics=read_assembly(reader.session.tracking, listed[0], reader.memory).record.metrics,
        releases=_frozen(versions),
        unknown=ledger.unknown,
        older=min(ended).isoformat() if ended and listed[-1].iteration > 1 else "",
    )
    return iterations_page(facts, links_of(reader, listed[0].experiment_id), reader.addresses)


def _frozen(versions: Mapping[int, list[int]]) -> dict[int, tuple[int, ...]]:
    return {turn: tuple(found) for turn, found in versions.items()}


def _moment(text: str | None) -> datetime | None:
    """A moment in an address.

    Raises:
        InputError: it is none.
    """
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise InputError(f"older is {text[:40]!r}, which is no moment", hint="follow a link of the console") from error


def iteration(reader: Reader, asked: PageQuery) -> Page:
    """One iteration, whole."""
    turn = find_turn(reader, asked.whole("iteration"))
    if turn is None:
        return nothing_assembled("Iterations", "iterations")
    return iteration_page(facts_at(reader, turn), reader.addresses)
