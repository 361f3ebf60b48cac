"""Gathers the review of a comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flywheel_mlflow.base.errors import FlywheelError, InputError, UnknownName
from flywheel_mlflow.decisions.explanations import answer, objections, spoken_for
from flywheel_mlflow.decisions.moves import refuse_final
from flywheel_mlflow.decisions.releases import Explained, Release
from flywheel_mlflow.drift import Kind
from flywheel_mlflow.drift.wording import WORDS
from flywheel_mlflow.operations.assembly.iterations import newest_assemblies
from flywheel_mlflow.operations.bundles import reference_of
from flywheel_mlflow.operations.deciding import LedgerSnapshot, is_trouble
from flywheel_mlflow.operations.reading.reader import PageQuery, Reader
from flywheel_mlflow.operations.reading.refusals import refusal, unsound
from flywheel_mlflow.operations.reading.reporting import Against, read_comparison, read_ledger, reviewed_against
from flywheel_mlflow.operations.reading.turns import Turn, find_turn
from flywheel_mlflow.operations.releases.decisions import refuse_roleless
from flywheel_mlflow.reports.dashboard_facts import DriftFacts
from flywheel_mlflow.reports.pages.deciding import said
from flywheel_mlflow.reports.pages.drift import PRODUCTION, DriftReviewFacts, ExplainFacts, Sides, drift_page
from flywheel_mlflow.reports.pages.drift_filter import DriftFilter
from flywheel_mlflow.reports.pages.frame import Page

if TYPE_CHECKING:
    from flywheel_mlflow.drift import DriftReport

#: What Evidently's own page is called beside a comparison.
REPORT = "drift.html"
#: One thing somebody said about a comparison: for which release, what, and what speaks against it.
Remark = tuple[int, Explained, tuple[str, ...]]


def drift(reader: Reader, asked: PageQuery) -> Page:
    """The comparison of ``iteration`` with ``against``, an iteration or ``production``; unasked as a reviewer would.

    ``project``, ``verdict`` and ``kind`` choose what is shown of it.

    Raises:
        UnknownName: that iteration was never assembled, or no such project, verdict or kind.
        InputError: ``against`` is neither.
    """
    chosen = _filter(reader, asked)
    newest = newest_assemblies(reader.session.tracking)
    turn = find_turn(reader, asked.whole("iteration"), newest)
    ledger, snapshot = read_ledger(reader.session, reader.memory)
    word = asked.word("against", 20) or ""
    if turn is None:
        return drift_page(_nothing(reader, word))
    reference, missing = _reference(reader, turn, snapshot, word)
    report: DriftReport | None = None
    remarks: tuple[Remark, ...] = ()
    if reference is not None:
        report, missing, remarks = _read(reader, turn, snapshot, reference)
    counted = [item for _, item, against in remarks if not against]
    production = snapshot.state.current[PRODUCTION] if snapshot else None
    events = {item.number for _, item, _ in remarks}
    return drift_page(
        DriftReviewFacts(
            iterations=tuple(item.iteration for item in newest),
            iteration=turn.recorded.iteration,
            asked=word,
            in_production=snapshot.state.release(production).iteration if snapshot and production else None,
            sides=_sides(turn, reference) if reference else None,
            found=DriftFacts(report, answer(report, counted)) if report else DriftFacts(unknown=missing),
            explanations=remarks,
            explain=_explain(reader, snapshot, turn, reference) if reference and report else ExplainFacts(None),
            report_file=_has_report(reader, turn, reference) if reference and report else False,
            now=reader.session.now(),
            addresses=reader.addresses,
            filter=chosen,
            projects=tuple(reader.session.flywheel.contracts),
            said=said(ledger.story, asked.whole("event", least=0), about=events),
        )
    )


def _filter(reader: Reader, asked: PageQuery) -> DriftFilter:
    contracts = reader.session.flywheel.contracts
    found = DriftFilter(
        asked.word("project") or "",
        asked.word("verdict") or "",
        asked.word("kind") or "",
        {item.name: contract.id for contract in contracts.values() for item in contract.interfaces_out},
    )
    for what, value, known in (
        ("project", found.project, contracts),
        ("verdict", found.verdict, WORDS),
        ("kind", found.kind, [kind.value for kind in Kind]),
    ):
        if value and value not in known:
            raise UnknownName(what, value, known)
    return found


def _nothing(reader: Reader, word: str) -> DriftReviewFacts:
    found = DriftFacts(unknown="nothing was assembled yet")
    return DriftReviewFacts(
        (), None, word, None, None, found, (), ExplainFacts(None), False, reader.session.now(), reader.addresses
    )


def _sides(turn: Turn, reference: Against) -> Sides:
    recorded = turn.recorded
    return Sides(recorded.iteration, recorded.run_id, reference.iteration, reference.run_id, recorded.experiment_id)


def _reference(reader: Reader, turn: Turn, snapshot: LedgerSnapshot | None, word: str) -> tuple[Against | None, str]:
    """The assembly to compare with, or why there is none.

    Raises:
        InputError: a word that names none.
    """
    if not word:
        found = reviewed_against(turn.recorded, turn.earlier, snapshot)
        return found, "there is no earlier release in production and no iteration before, so nothing to compare with"
    if word == PRODUCTION:
        version = snapshot.state.current[PRODUCTION] if snapshot else None
        if snapshot is None or version is None:
            return None, "no release is in production"
        release = snapshot.state.release(version)
        return _other(turn, Against(release.iteration, release.run_id))
    if not (word.isascii() and word.isdecimal() and int(word)):
        raise InputError(f"against is {word!r}", hint=f"name an iteration's number, or {PRODUCTION}")
    known = next((item for item in turn.earlier if item.iteration == int(word)), None)
    recorded = known or reader.session.tracking.assemblies.recorded(int(word))
    if recorded is None:
        return None, f"iteration {int(word)} has no valid assembly"
    return _other(turn, Against(recorded.iteration, recorded.run_id))


def _other(turn: Turn, reference: Against) -> tuple[Against | None, str]:
    if reference.run_id == turn.recorded.run_id:
        return None, f"iteration {turn.recorded.iteration} cannot be compared with itself"
    return reference, ""


def _read(
    reader: Reader, turn: Turn, snapshot: LedgerSnapshot | None, reference: Against
) -> tuple[DriftReport | None, str, tuple[Remark, ...]]:
    """The kept comparison with what people said about it; or why there is none to show."""
    run_id = turn.recorded.run_id
    try:
        found = read_comparison(reader.session.tracking, run_id, reference.run_id, reader.memory)
    except FlywheelError as error:
        if is_trouble(error):
            raise
        return None, f"the comparison with iteration {reference.iteration} cannot be read: {error.what}", ()
    if found is None:
        return None, f"nobody has compared it with iteration {reference.iteration} yet", ()
    report, digest = found
    if snapshot is None:
        return report, "", ()
    release = spoken_for(snapshot.state, run_id)
    remarks = (
        (item.version, said, objected if item == release else (*objected, f"it speaks of release {item.version} alone"))
        for item in snapshot.state.releases.values()
        if item.run_id == run_id
        for said, objected in judged_explanations(reader, snapshot, item, digest)
    )
    return report, "", tuple(remarks)


def judged_explanations(
    reader: Reader, snapshot: LedgerSnapshot, release: Release, digest: str
) -> tuple[tuple[Explained, tuple[str, ...]], ...]:
    """What people said for a release about one comparison (its sha256), with what speaks against each."""
    events, blueprint = snapshot.ledger.events, reader.session.flywheel.blueprint
    return tuple(
        (item, objections(item, events[item.number], blueprint))
        for item in release.explanations
        if item.drift == digest
    )


def _explain(reader: Reader, snapshot: LedgerSnapshot | None, turn: Turn, reference: Against) -> ExplainFacts:
    """The release for which this comparison can be explained: the act speaks of the one its reference gives."""
    release = spoken_for(snapshot.state, turn.recorded.run_id) if snapshot else None
    if snapshot is None or release is None or release.rejected or release.retired:
        command = f"flywheel release create --iteration {turn.recorded.iteration}"
        return ExplainFacts(None, f"Findings are explained for a release, and none stands of this assembly: {command}")
    named = reference_of(reader.session.tracking, snapshot.state, release.iteration, release.version)
    if named.recorded is None or named.recorded.run_id != reference.run_id:
        told = f"Release {release.version} is compared with {named.name or 'nothing'} now, so findings of another "
        return ExplainFacts(None, told + "comparison are not explained for it.")
    refused = (
        unsound(snapshot) or refusal(lambda: refuse_final(release)) or refusal(lambda: refuse_roleless(reader.session))
    )
    return ExplainFacts(release.version, refused=refused)


def _has_report(reader: Reader, turn: Turn, reference: Against) -> bool:
    return REPORT in reader.session.tracking.comparisons.files(turn.recorded.run_id, reference.run_id)
