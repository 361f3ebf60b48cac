"""Lets people answer for drift: which findings of a comparison were explained, and what is left of its verdict."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from flywheel_mlflow.decisions.gate_facts import Verdict
from flywheel_mlflow.decisions.ledger import Event, unwitnessed
from flywheel_mlflow.decisions.releases import Explained, Release, ReleaseState
from flywheel_mlflow.drift.findings import ChangeOutcome, Finding, Kind
from flywheel_mlflow.drift.intentions import covers
from flywheel_mlflow.drift.report import DriftReport
from flywheel_mlflow.promises.blueprint import Blueprint


def objections(explained: Explained, event: Event, blueprint: Blueprint) -> tuple[str, ...]:
    """Why an explanation does not count: the ledger is input, and holds whatever somebody wrote into it."""
    name = explained.actor.name
    found: list[str] = []
    if not any(name in role.people for role in blueprint.roles):
        found.append(f"{name} holds no role")
    if unwitnessed([event], blueprint.releases.server_keys):
        found.append("it claims that a server vouches for the name, and no known server sealed it")
    return tuple(found)


def counting(release: Release, drift: str, events: Sequence[Event], blueprint: Blueprint) -> tuple[Explained, ...]:
    """The explanations that count for the comparison ``drift`` (its sha256); ``events`` are all of the ledger's."""
    return tuple(
        item
        for item in release.explanations
        if item.drift == drift and not objections(item, events[item.number], blueprint)
    )


def spoken_for(state: ReleaseState, run_id: str) -> Release | None:
    """The release of an assembly that its comparisons are explained for: the newest that stands, else the newest.

    Explanations are part of a release's evidence; what was said for one is not said for another of the same assembly.
    """
    mine = [item for item in state.releases.values() if item.run_id == run_id]
    standing = [item for item in mine if not item.rejected and not item.retired]
    return max(standing or mine, key=lambda item: item.version, default=None)


def explainable(report: DriftReport) -> tuple[Finding, ...]:
    """The findings that stop a release and that somebody can answer for; missing evidence is not among them."""
    return tuple(
        item
        for item in report.findings
        if item.decides and item.verdict.value != Verdict.PASS and item.kind != Kind.ERROR
    )


@dataclass(frozen=True, slots=True)
class Answered:
    """What a comparison says once the explanations are taken into account.

    ``left`` are the findings nobody explained; ``explained`` those somebody did, and the changes that tasks intended
    and somebody confirmed; ``unconfirmed`` the intended ones that wait for that. ``tolerant`` is the verdict if
    whatever is merely changed were allowed.
    """

    verdict: Verdict
    left: tuple[Finding, ...]
    explained: tuple[tuple[Finding, Explained], ...]
    unconfirmed: tuple[Finding, ...]
    tolerant: Verdict

    def allowing(self, changes: int) -> Verdict:
        """The verdict where so many changes that nobody can judge are allowed."""
        changed = sum(item.outcome is ChangeOutcome.CHANGED for item in self.left)
        return self.tolerant if changed <= changes else self.verdict

    def for_release(self, changes: int = 0) -> Verdict:
        """The verdict a release needs: what tasks intended has been confirmed as well."""
        verdict = self.allowing(changes)
        return Verdict.INCONCLUSIVE if verdict is Verdict.PASS and self.unconfirmed else verdict


def answer(report: DriftReport, explanations: Iterable[Explained]) -> Answered:
    """The verdict of a comparison with its explanations; they speak of this comparison alone.

    An explanation takes a finding off; it never makes up for evidence that is missing.
    """
    given = tuple(explanations)

    def spoken_of(item: Finding) -> Explained | None:
        return next((one for one in given if any(covers(subject, item.subject) for subject in one.subjects)), None)

    about = [(item, spoken_of(item)) for item in (*explainable(report), *report.intended)]
    explained = tuple((item, by) for item, by in about if by is not None)
    left = tuple(item for item, by in about if by is None and item.outcome is not ChangeOutcome.INTENDED)
    worse = tuple(item for item in left if item.outcome is not ChangeOutcome.CHANGED)
    return Answered(
        verdict=_verdict(report, left),
        left=left,
        explained=explained,
        unconfirmed=tuple(item for item, by in about if by is None and item.outcome is ChangeOutcome.INTENDED),
        tolerant=_verdict(report, worse),
    )


def _verdict(report: DriftReport, left: Iterable[Finding]) -> Verdict:
    """The worst of what is left and of what could not be compared; a comparison of nothing stays open."""
    verdicts = {item.verdict.value for item in left}
    verdicts |= {item.verdict.value for item in report.findings if item.kind == Kind.ERROR and item.decides}
    if report.verdict.value == Verdict.INCONCLUSIVE and not any(item.decides for item in report.findings):
        verdicts.add(Verdict.INCONCLUSIVE.value)
    for verdict in (Verdict.BLOCK, Verdict.INCONCLUSIVE):
        if verdict.value in verdicts:
            return verdict
    return Verdict.PASS
