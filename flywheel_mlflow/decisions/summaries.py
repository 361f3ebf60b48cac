"""Every release in a line: what lists of releases are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from flywheel_mlflow.decisions.releases import STAGES, ReleaseStage, ReleaseState


@dataclass(frozen=True, slots=True)
class ReleaseSummary:
    """One release in a line: ``verdicts`` are the newest by stage, ``overrides`` the stages of those that still run."""

    version: int
    stage: ReleaseStage
    iteration: int
    author: str
    at: datetime
    bundle: str
    verdicts: Mapping[str, str]
    approvals: int
    overrides: tuple[str, ...]


def summarise_releases(state: ReleaseState, now: datetime) -> tuple[ReleaseSummary, ...]:
    """Every release as it stands ``now`` (UTC), the newest first."""
    running = {(item.version, item.to) for item in state.overrides if item.until > now}
    return tuple(
        ReleaseSummary(
            version=release.version,
            stage=state.stage_of(release.version),
            iteration=release.iteration,
            author=release.author.name,
            at=release.at,
            bundle=release.bundle,
            verdicts={to: gate.verdict for to in STAGES if (gate := release.last_gate(to)) is not None},
            approvals=len(release.approvals),
            overrides=tuple(to for to in STAGES if (release.version, to) in running),
        )
        for release in sorted(state.releases.values(), key=lambda item: -item.version)
    )
