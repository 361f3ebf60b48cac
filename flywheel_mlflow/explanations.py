"""Lets people answer for drift: which findings of a comparison were explained, and what is left of its verdict."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from flywheel_mlflow.blueprint import Blueprint
from flywheel_mlflow.drift.findings import Finding, Kind
from flywheel_mlflow.drift.report import DriftReport
from flywheel_mlflow.gates import Verdict
from flywheel_mlflow.ledger import Event, unwitnessed
from flywheel_mlflow.releases import Explained, Release, ReleaseState


def covers(subject: str, found: str) -> bool:
    """Whether an explanation of ``subject`` speaks of the finding: itself, or all below a project or interface."""
    return found == subject or found.startswith((f"{subject}.", f"{subject}/"))


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
    """What a comparison says once the explanations are taken into account."""

    verdict: Verdict
    left: tuple[Finding, ...]
    explained: tuple[tuple[Finding, Explained], ...]


def answer(report: DriftReport, explanations: Iterable[Explained]) -> Answered:
    """The verdict of a comparison with its explanations; they speak of this comparison alone.

    An explanation takes a finding off; it never makes up for evidence that is missing.
    """
    given = tuple(explanations)
    explained: list[tuple[Finding, Explained]] = []
    left: list[Finding] = []
    for item in explainable(report):
        found = next((one for one in given if any(covers(subject, item.subject) for subject in one.subjects)), None)
        if found is None:
            left.append(item)
        else:
            explained.append((item, found))
    if not explained:
        return Answered(Verdict(report.verdict.value), tuple(left), ())
    rest = {item.verdict.value for item in left}
    rest |= {item.verdict.value for item in report.findings if item.kind == Kind.ERROR and item.decides}
    for verdict in (Verdict.BLOCK, Verdict.INCONCLUSIVE):
        if verdict.value in rest:
            return Answered(verdict, tuple(left), tuple(explained))
    return Answered(Verdict.PASS, (), tuple(explained))
