"""Opens a flywheel for people who look at it from Python, such as in a notebook."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from flywheel_mlflow.assembly.history import LedgerLine, describe_ledger
from flywheel_mlflow.base.canonical import sha256_text
from flywheel_mlflow.base.errors import FlywheelError, InputError
from flywheel_mlflow.base.settings import read_settings
from flywheel_mlflow.decisions.gates import GateResult, gate_result_from_json
from flywheel_mlflow.decisions.ledger import Identity
from flywheel_mlflow.drift import DriftReport, drift_report_from_json
from flywheel_mlflow.evidence.flywheel import find_root, load_flywheel
from flywheel_mlflow.operations.assembly.drifting import drift_iteration, reference_named
from flywheel_mlflow.operations.assembly.iterations import MOST_ITERATIONS, newest_assemblies
from flywheel_mlflow.operations.assembly.sides import recorded_side
from flywheel_mlflow.operations.deciding import LedgerSnapshot, Session, read_snapshot
from flywheel_mlflow.operations.reading.reporting import collect_page_facts
from flywheel_mlflow.operations.reading.telling import diff_releases
from flywheel_mlflow.operations.releases.gating import read_decision_basis, shown_approvals
from flywheel_mlflow.operations.scratch import scratch_folder

if TYPE_CHECKING:
    from flywheel_mlflow.assembly.diff import ReleaseDiff
    from flywheel_mlflow.assembly.recorded import RecordedAssembly
    from flywheel_mlflow.decisions.approvals import JudgedApproval
    from flywheel_mlflow.decisions.releases import Release
    from flywheel_mlflow.records.profiles import Signal
    from flywheel_mlflow.reports.dashboard_facts import DashboardFacts
    from flywheel_mlflow.tracking import Tracking


@dataclass(frozen=True, slots=True)
class ReviewedRelease:
    """A release with what is said about it.

    ``verdicts`` are the newest of each of its gates, by stage, as they were given; ``unread`` says by stage why one
    cannot be shown. ``approvals`` are judged as of now.
    """

    release: Release
    verdicts: Mapping[str, GateResult]
    unread: Mapping[str, str]
    approvals: tuple[JudgedApproval, ...]


class ReadFlywheel:
    """A flywheel on its server, as far as it is looked at: nothing here writes.

    ``session`` is what the operations of this package take, for whoever wants more than is offered here; ``where`` is
    the server's address for messages.
    """

    def __init__(self, session: Session, where: str = "") -> None:
        self.session = session
        self._where = where

    @property
    def name(self) -> str:
        """The flywheel's name."""
        return self.session.flywheel.name

    @cached_property
    def assembled(self) -> Mapping[int, RecordedAssembly]:
        """The newest valid assembly of each of the last iterations, at most twelve, oldest first.

        Raises:
            InputError: there is none.
        """
        sound = [item for item in newest_assemblies(self.session.tracking) if item.sound][:MOST_ITERATIONS]
        if not sound:
            raise InputError(
                "nothing was assembled yet",
                where=self._where or None,
                hint="run `flywheel assemble --iteration 1`, or set MLFLOW_TRACKING_URI to the server that has it",
            )
        return {item.iteration: item for item in reversed(sound)}

    @property
    def iterations(self) -> tuple[int, ...]:
        """The numbers of the last assembled iterations, oldest first."""
        return tuple(self.assembled)

    def metrics(self) -> dict[int, Mapping[str, float]]:
        """Every number of each of these iterations by its name; a number an iteration does not know is not there."""
        return {turn: item.metrics for turn, item in self.assembled.items()}

    def stage_titles(self) -> dict[str, str]:
        """The titles of the stages by their id, in the flywheel's order."""
        return {stage.id: stage.title for stage in self.session.flywheel.blueprint.stages}

    def iteration(self, iteration: int) -> DashboardFacts:
        """All that is known about an iteration: what its assembly recorded, drift, ledger, feedback.

        Raises:
            InputError: it was never assembled, or its deliverables cannot be read.
        """
        return collect_page_facts(self.session, iteration)

    def before(self, iteration: int) -> int:
        """The iteration an iteration is compared with unasked: the nearest assembled one before it.

        Raises:
            InputError: there is none.
        """
        earlier = [turn for turn in self.iterations if turn < iteration]
        if not earlier:
            raise InputError(
                f"there is no assembled iteration before {iteration}",
                hint="a comparison needs two: assemble another one, or choose a later `iteration`",
            )
        return earlier[-1]

    def drift_report(self, iteration: int, against: int | str) -> DriftReport:
        """The comparison of an iteration with another, or with the release in ``production``.

        The kept one, with what people were shown; else it is made now and not kept.

        Raises:
            InputError: one of the two was never assembled, both are the same, or nothing is in production.
        """
        tracking = self.session.tracking
        reference = reference_named(tracking, str(against))
        current = reference_named(tracking, str(iteration))
        with scratch_folder() as folder:
            text = tracking.comparisons.text(current.run_id, reference.run_id, folder)
        if text is not None:
            return drift_report_from_json(text)
        return drift_iteration(self.session.flywheel, tracking, iteration, against=reference, dry_run=True).report

    def signal(self, subject: str, iteration: int) -> Signal | None:
        """A signal, such as ``foundation_corpus/length``, as it was profiled in an iteration; None when it was not.

        Raises:
            InputError: the iteration was never assembled. RecordError: the profile cannot be read.
        """
        interface, _, name = subject.partition("/")
        project = next(
            (item for item in self.session.flywheel.contracts.values() if item.interface(interface) is not None), None
        )
        if project is None:
            return None
        side = recorded_side(self.session.tracking, reference_named(self.session.tracking, str(iteration)))
        run_id = side.projects[project.id].run_id if project.id in side.projects else None
        if run_id is None:
            return None
        with scratch_folder() as folder:
            profile = self.session.tracking.profiles.profiles(run_id, folder).get(interface)
        if isinstance(profile, FlywheelError):
            raise profile
        return profile.signal(name) if profile else None

    def ledger(self) -> LedgerSnapshot:
        """The ledger as it is now, with every release.

        Raises:
            InputError: no release was ever made.
        """
        snapshot = read_snapshot(self.session.tracking)
        if snapshot is None or not snapshot.state.releases:
            raise InputError("there is no release yet", hint="run `flywheel release create --iteration N`")
        return snapshot

    def story(self) -> tuple[LedgerLine, ...]:
        """Every decision as a sentence, oldest first.

        Raises:
            InputError: no release was ever made.
        """
        return describe_ledger(self.ledger().ledger)

    def release(self, version: int) -> ReviewedRelease:
        """A release with its verdicts and approvals.

        Raises:
            UnknownName: the ledger registered no such version.
        """
        snapshot = self.ledger()
        release = snapshot.state.release(version)
        verdicts: dict[str, GateResult] = {}
        unread: dict[str, str] = {}
        for stage in snapshot.state.current:
            record = release.last_gate(stage)
            if record is None:
                unread[stage] = "its gate was not evaluated yet"
                continue
            with scratch_folder() as folder:
                text = self.session.tracking.gates.read(record.run_id, folder)
            if text is None or sha256_text(text) != record.report:
                unread[stage] = f"the report of run {record.run_id} is not the one the ledger names"
            else:
                verdicts[stage] = gate_result_from_json(text)
        approvals = shown_approvals(self.session, snapshot, read_decision_basis(self.session, snapshot, version))
        return ReviewedRelease(release, verdicts, unread, approvals)

    def release_before(self, version: int) -> int | None:
        """The release made before another one; None for the first."""
        earlier = [item for item in self.ledger().state.releases if item < version]
        return max(earlier, default=None)

    def release_diff(self, before: int, after: int) -> ReleaseDiff:
        """What differs from one release to another.

        Raises:
            UnknownName: no such release. InputError: a bundle is gone, or was changed.
        """
        return diff_releases(self.session, before, after)


def open_session(root: str | Path | None = None, tracking_uri: str | None = None) -> tuple[Session, str]:
    """The flywheel of a folder on its server, and the server's address for messages.

    Args:
        root: the folder with ``flywheel.yaml``, or one below it; here if left out, or ``FLYWHEEL_ROOT``.
        tracking_uri: the MLflow server; else ``MLFLOW_TRACKING_URI``, else ``mlflow-data`` in that folder.

    Raises:
        DocumentError: no flywheel there, or its files have faults.
        ServerUnreachable: nobody answers, told within seconds.
    """
    from flywheel_mlflow.tracking import connect

    start = Path(root or os.environ.get("FLYWHEEL_ROOT") or Path.cwd()).resolve()
    flywheel = load_flywheel(find_root(start))
    settings = read_settings(flywheel.root, os.environ, tracking_uri=tracking_uri)
    with warnings.catch_warnings():
        # What MLflow imports misses widgets for its progress bars in notebooks; none is shown here.
        warnings.filterwarnings("ignore", "IProgress not found")
        keys = flywheel.blueprint.releases.server_keys
        tracking: Tracking = connect(settings, flywheel.name, server_keys=keys)
        _ = tracking.assemblies  # made on first use, which imports MLflow
    return Session(flywheel, tracking, Identity(settings.actor)), settings.shown_uri
