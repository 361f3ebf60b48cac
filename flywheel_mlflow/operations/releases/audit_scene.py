"""What the audit compares, fetched once, and what it finds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from flywheel_mlflow.decisions.releases import Release, ReleaseStage
from flywheel_mlflow.evidence.flywheel import Flywheel
from flywheel_mlflow.operations.deciding import LedgerSnapshot, Session
from flywheel_mlflow.operations.releases.past_rules import PastRules
from flywheel_mlflow.tracking import Tracking, VersionView


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as the ledger says; ``code`` names the kind, ``hint`` what to do."""

    code: str
    what: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything the audit compares, fetched once."""

    session: Session
    snapshot: LedgerSnapshot
    versions: Mapping[int, VersionView]
    now: datetime
    full: bool
    past: PastRules

    @property
    def flywheel(self) -> Flywheel:
        """Its promises."""
        return self.session.flywheel

    @property
    def tracking(self) -> Tracking:
        """The live server."""
        return self.session.tracking

    def looked_into(self) -> Iterator[Release]:
        """The releases whose bundles and reports are read: those that may be consumed or promoted; all if ``full``."""
        live = (ReleaseStage.CANDIDATE, ReleaseStage.STAGING, ReleaseStage.PRODUCTION)
        for release in self.snapshot.state.releases.values():
            stands = self.snapshot.state.stage_of(release.version)
            if release.version in self.versions and (self.full or stands in live):
                yield release
