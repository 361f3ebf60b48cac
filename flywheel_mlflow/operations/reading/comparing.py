"""Gathers the page of two iterations, or of the assemblies that two releases were made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flywheel_mlflow.assembly.recorded import RecordedAssembly
from flywheel_mlflow.base.errors import InputError, UnknownName
from flywheel_mlflow.decisions.releases import ReleaseState
from flywheel_mlflow.evidence.runs import KpiValue
from flywheel_mlflow.operations.assembly.iterations import newest_assemblies
from flywheel_mlflow.operations.reading.flipped import read_flips
from flywheel_mlflow.operations.reading.reader import PageQuery, Reader
from flywheel_mlflow.operations.reading.reporting import read_assembly, read_ledger
from flywheel_mlflow.operations.reading.turns import Turn, find_turn, links_at
from flywheel_mlflow.operations.reading.verdicts import Recorded, judge_recorded
from flywheel_mlflow.reports.pages.comparison import RELEASE, Compared, ComparisonFacts, comparison_page, moved
from flywheel_mlflow.reports.pages.emptiness import nothing_assembled
from flywheel_mlflow.reports.pages.flipped import FlippedSamples
from flywheel_mlflow.reports.pages.frame import Page

#: Releases that can be chosen, the newest.
MOST_RELEASES = 50


def compare(reader: Reader, asked: PageQuery) -> Page:
    """What differs between two iterations; unasked the newest and the one before it. ``r2`` is what release 2 holds."""
    newest = newest_assemblies(reader.session.tracking)
    ledger, _ = read_ledger(reader.session, reader.memory)
    state = ledger.state or ReleaseState()
    after = _turn(reader, asked, "second", state, newest)
    if after is None:
        return nothing_assembled("Compare two iterations", "iterations")
    if asked.word("first"):
        before = _turn(reader, asked, "first", state, newest)
    elif after.earlier:
        before = find_turn(reader, after.earlier[-1].iteration, newest)
    else:
        raise InputError(
            f"there is no iteration before {after.recorded.iteration} to compare with",
            hint=f"run `flywheel assemble --iteration {after.recorded.iteration + 1}`, or name one: ?first=N",
        )
    if before is None:
        return nothing_assembled("Compare two iterations", "iterations")
    first, second = _side(reader, before, asked.word("first")), _side(reader, after, asked.word("second"))
    found = judge_recorded(reader.session, _values(first), _values(second), reader.memory)
    listed = {item.iteration: item for turn in (before, after) for item in (*turn.earlier, turn.recorded)}
    facts = ComparisonFacts(
        first,
        second,
        found.kpis,
        found.source,
        found.kept,
        tuple((listed | {item.iteration: item for item in newest}).values()),
        releases=tuple(sorted(state.releases.values(), key=lambda item: -item.version)[:MOST_RELEASES]),
    )
    return comparison_page(
        replace(facts, flipped=_flipped(reader, facts, asked.word("samples"))),
        links_at(reader, after),
        reader.addresses,
    )


def _turn(
    reader: Reader, asked: PageQuery, name: str, state: ReleaseState, newest: Sequence[RecordedAssembly]
) -> Turn | None:
    """The iteration or release that was asked for, the newest iteration unasked.

    Raises:
        UnknownName: there is no such one. InputError: it is neither; or the run of the release is gone.
    """
    word = asked.word(name) or ""
    if not word.startswith(RELEASE):
        return find_turn(reader, asked.whole(name), tuple(newest))
    number = PageQuery({name: word.removeprefix(RELEASE)}).whole(name)
    release = state.release(number or 0)
    found = reader.session.tracking.assemblies.recorded_run(release.run_id, release.iteration)
    if found is None:
        raise InputError(f"the run of release {release.version} is gone", hint="`flywheel audit` says more")
    turn = find_turn(reader, release.iteration, tuple(newest))
    return replace(turn, recorded=found) if turn else None


def _side(reader: Reader, turn: Turn, word: str | None) -> Compared:
    read = read_assembly(reader.session.tracking, turn.recorded, reader.memory)
    release = int(word.removeprefix(RELEASE)) if word and word.startswith(RELEASE) else None
    return Compared(turn.recorded, read.record, read.genuine, release)


def _values(side: Compared) -> Recorded:
    found = {
        f"{project.project_id}.{name}": KpiValue(kpi.value, kpi.n, kpi.stderr)
        for project in side.record.projects
        for name, kpi in project.kpis.items()
    }
    return Recorded(side.recorded.iteration, side.recorded.run_id, found, side.recorded)


def _flipped(reader: Reader, facts: ComparisonFacts, name: str | None) -> FlippedSamples | None:
    """The samples of the KPI that was asked for; None unasked, since they are its project's own.

    Raises:
        UnknownName: no such KPI differs.
    """
    if name is None:
        return None
    # Who may see them was asked by the projects that flywheel.yaml holds.
    contracts = reader.session.flywheel.contracts
    kpis = {item.subject: item for item in moved(facts.kpis) if item.subject.partition(".")[0] in contracts}
    if name not in kpis:
        raise UnknownName("KPI that differs", name, kpis)
    return read_flips(reader, facts.first, facts.second, kpis[name])
