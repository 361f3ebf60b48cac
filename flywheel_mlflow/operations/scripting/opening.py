"""Opens a flywheel for people who look and decide from Python, in a notebook or a script."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flywheel_mlflow.base.settings import Engine, openlineage_target
from flywheel_mlflow.operations.printable import plain_row
from flywheel_mlflow.operations.reading.opening import open_session
from flywheel_mlflow.operations.scripting.acts import Acts, warn_of_unsent_events, warn_unsent
from flywheel_mlflow.operations.scripting.consuming import ConsumerMethods
from flywheel_mlflow.operations.scripting.experiments import ExperimentMethods
from flywheel_mlflow.operations.scripting.feedback import FeedbackMethods
from flywheel_mlflow.operations.scripting.human_review import HumanReviewMethods
from flywheel_mlflow.operations.scripting.questions import QuestionMethods
from flywheel_mlflow.operations.scripting.results import (
    AdoptedRuns,
    AssembledIteration,
    AuditResult,
    Comparison,
    Table,
    time_text,
)
from flywheel_mlflow.operations.scripting.schedule import ScheduleMethods

if TYPE_CHECKING:
    from flywheel_mlflow.operations.assembly.assembling import Assembled
    from flywheel_mlflow.operations.projects.project_run import LoggedRun, ProjectRun
    from flywheel_mlflow.operations.releases.verifying import Verification


class OpenFlywheel(
    QuestionMethods,
    Acts,
    ConsumerMethods,
    FeedbackMethods,
    ExperimentMethods,
    HumanReviewMethods,
    ScheduleMethods,
):
    """A flywheel on its server: what the command line does, as methods whose results print and have ``to_frame()``."""

    def project_run(self, project: str | Path, iteration: int, *, variant: str = "") -> ProjectRun:
        """A project's run, to be used as a context manager; inside it is MLflow's active run.

        Raises:
            UnknownName: no such project, or variant of it.
        """
        from flywheel_mlflow.operations.projects.project_run import ProjectRun

        flywheel = self.session.flywheel
        project_id, tracking = flywheel.project_of(project), self.session.tracking
        return ProjectRun(flywheel, project_id, iteration, tracking, activates=True, variant=variant)

    def log(
        self,
        project: str | Path,
        iteration: int,
        *,
        results: str | Path | None = None,
        published: bool = False,
        variant: str = "",
        engine: Engine = "local",
    ) -> LoggedRun:
        """Log a project's run from its result files; ``engine`` says what measures its data, ``local`` or ``ray``.

        Raises:
            UnknownName, DocumentError, RecordError, InputError: the input is at fault.
            ClusterUnreachable, WorkerLost: Ray is.
        """
        from flywheel_mlflow.operations.projects.results import log_results

        return log_results(
            self.session.flywheel,
            self.session.flywheel.project_of(project),
            iteration,
            self.session.tracking,
            results=Path(results) if results else None,
            published=published,
            variant=variant,
            engine=engine,
        )

    def adopt(
        self, project: str, iteration: int, *, experiment: str, filter_string: str, dry_run: bool = False
    ) -> AdoptedRuns:
        """Take runs that some other tool logged as a project's evidence.

        Raises:
            UnknownName: no such project or experiment. InputError: nothing matches. ServerRefused: by MLflow.
        """
        from flywheel_mlflow.operations.projects.adopting import adopt_runs

        found = adopt_runs(
            self.session.flywheel,
            self.session.tracking,
            project,
            iteration,
            experiment=experiment,
            filter_string=filter_string,
            dry_run=dry_run,
        )
        return AdoptedRuns(
            project=self.session.flywheel.project_of(project),
            iteration=iteration,
            run_ids=found.run_ids,
            counts=found.counts,
            sources=found.sources,
            left_alone={item.run_id: item.reason for item in found.left_alone},
            warnings=(*found.missing, *found.collisions),
            dry_run=dry_run,
            evaluated=found.evaluated,
        )

    def run_projects(
        self,
        iteration: int,
        only: Iterable[str] = (),
        *,
        jobs: int = 2,
        faults: Mapping[str, str] | None = None,
        variant: str = "",
        tasks: str | Path | None = None,
    ) -> Table:
        """Run the projects' pipelines, producers first, each in a process of its own; one that fails stops no other.

        ``only`` names projects; producers that have no run in this iteration run too. ``tasks`` is a folder of task
        files beside those the ledger hands to the iteration; ``faults`` are injected, by project; of a ``variant`` the
        projects run that have it, else the one that counts. In a script, call it
        below ``if __name__ == "__main__"``: the processes import the script.

        Raises:
            UnknownName: no such project. InputError: a task or fault is at fault.
        """
        from flywheel_mlflow.operations.assembly.collecting import collect_iteration
        from flywheel_mlflow.operations.feedback.handing import write_tasks
        from flywheel_mlflow.operations.projects.running import run_projects, variants_to_run, with_producers
        from flywheel_mlflow.operations.scratch import scratch_folder

        flywheel, tracking = self.session.flywheel, self.session.tracking
        tracking.assemblies.experiment()  # the store must exist before several processes open it
        named = [flywheel.project_of(name) for name in only]
        variants = variants_to_run(flywheel, tracking, iteration, named, variant)
        if variant:
            named = sorted(variants)
        chosen = named and with_producers(flywheel, collect_iteration(flywheel, tracking, iteration), named)
        with scratch_folder() as folder:
            handed = write_tasks(self.session, iteration, folder, given=Path(tasks) if tasks else None)
            ran = run_projects(
                flywheel,
                iteration,
                tracking_uri=tracking.settings.tracking_uri,
                only=chosen,
                jobs=jobs,
                faults=faults or {},
                tasks=folder if handed.written else None,
            )
        names = ("project_id", "run_id", "consumable", "reason", "reasons", "duration_s")
        waiting = tuple(f"task {name} waits: {why}" for name, why in handed.waiting.items())
        logged = sum(item.run_id is not None for item in ran)
        return Table(
            f"{logged} of {len(ran)} pipelines logged a run", tuple(plain_row(r, *names) for r in ran), waiting
        )

    def collect(self, iteration: int) -> Table:
        """Which run counts for each project, and which were skipped and why."""
        from flywheel_mlflow.operations.assembly.collecting import collect_iteration

        found = collect_iteration(self.session.flywheel, self.session.tracking, iteration)
        rows: list[dict[str, Any]] = [
            {
                "project": name,
                "run": item.run_id,
                "evidence": item.kind.value,
                "carried from": item.carried_from,
                "checks passed": item.checks.passed,
                "checks": item.checks.total,
                "ended": time_text(item.ended),
            }
            for name, item in found.evidence.items()
        ]
        skipped = tuple(f"skipped {item.run_id} of {item.project_id}: {item.reason}" for item in found.skipped)
        return Table(f"evidence of iteration {iteration}", tuple(rows), skipped)

    def assemble(
        self,
        iteration: int,
        *,
        out: str | Path | None = None,
        force: bool = False,
        drift: bool = True,
        findings: bool = True,
        openlineage: str | None = None,
        engine: Engine = "local",
    ) -> AssembledIteration:
        """Assemble an iteration, and do what follows: compare it, take its findings in, write absorbed tasks and risks.

        ``openlineage`` is a file for events, ``on`` or ``off``; else ``FLYWHEEL_OPENLINEAGE``. The ``engine`` looks for
        evaluation data in training data.

        Raises:
            InputError, ServerError, StorageError, AssemblyError: as the command of that name.
        """
        from flywheel_mlflow.operations.acts.following import follow_up
        from flywheel_mlflow.operations.assembly.assembling import assemble_iteration
        from flywheel_mlflow.operations.assembly.checking import read_sources

        done = assemble_iteration(
            self.session.flywheel,
            self.session.tracking,
            iteration,
            sources=read_sources(self.session.flywheel),
            out=Path(out) if out else None,
            force=force,
            engine=engine,
        )
        self.__dict__.pop("assembled", None)  # what was read before is out of date
        followed = follow_up(self.session, done, drift=drift, findings=findings, step=lambda _: None)
        if target := openlineage_target(openlineage, os.environ):
            from flywheel_mlflow.operations.acts.emitting import emit_assembly

            warn_of_unsent_events(emit_assembly(self.session, done, target))
        if followed.disk_failure:
            raise followed.disk_failure
        failures = (item.failure for item in (followed.compared, followed.noticed) if item is not None)
        notes = [f"task {task} was not written: {error.what}" for task, error in followed.unrecorded.items()]
        return _assembled(done, (*notes, *(error.what for error in failures if error), *followed.unsent))

    def drift(
        self,
        iteration: int,
        against: int | str | None = None,
        *,
        full: bool = False,
        keep: bool = False,
        engine: Engine = "local",
    ) -> Comparison:
        """The comparison of an iteration with another (the one before unasked), or with the release in ``production``.

        The kept one, with what people were shown; else it is made now. ``keep`` writes it on the iteration's run, as
        the command does; ``full`` reads the data of changed interfaces, by the ``engine`` ``local`` or ``ray``.

        Raises:
            InputError: one of the two was never assembled, both are the same, or nothing is in production.
        """
        from flywheel_mlflow.operations.assembly.drifting import drift_iteration, reference_named

        other = self.before(iteration) if against is None else against
        if not (keep or full) and engine == "local":
            return Comparison.of(self.drift_report(iteration, other))
        reference = reference_named(self.session.tracking, str(other))
        found = drift_iteration(
            self.session.flywheel,
            self.session.tracking,
            iteration,
            against=reference,
            full=full,
            engine=engine,
            dry_run=not keep,
        )
        if keep:
            self._tell_people()
        return Comparison.of(found.report)

    def check(self, iteration: int) -> Table:
        """The checks of the newest assembly of an iteration, made anew.

        Raises:
            InputError: it was never assembled.
        """
        from flywheel_mlflow.operations.assembly.checking import check_iteration

        found = check_iteration(self.session.flywheel, self.session.tracking, iteration)
        rows = tuple(plain_row(item, "name", "outcome", "severity", "message") for item in found.checks)
        return Table(f"checks of iteration {iteration}", rows)

    def prove(self, iteration: int, *, seed: int = 1) -> Table:
        """Show for each check of an assembly that it can fail, by faults in a copy; ``seed`` picks where.

        A check with nothing to break in this assembly is not ``applicable``.

        Raises:
            InputError: the iteration was never assembled.
        """
        from flywheel_mlflow.operations.assembly.checking import prove_checks

        found = prove_checks(self.session.flywheel, self.session.tracking, iteration, seed=seed)
        rows = tuple(plain_row(item, "name", "proved", "applicable", "fault", "message") for item in found)
        proved, idle = sum(item.proved for item in found), sum(not item.applicable for item in found)
        return Table(f"{proved} of {len(rows)} checks can fail, {idle} have nothing to break", rows)

    def audit(self, *, full: bool = False) -> AuditResult:
        """Replay the ledger against the server; ``full`` looks at the data of every release.

        Raises:
            Refused: there is no release yet.
        """
        from flywheel_mlflow.operations.releases.auditing import audit

        found = audit(self.session, full=full)
        if found.findings:
            self._tell_people(audit=True, full=full)
        rows = tuple({"kind": item.code, "what": item.what, "hint": item.hint} for item in found.findings)
        return AuditResult(found.verdict.value, rows, (*found.not_looked_at, *found.outlived))

    def _tell_people(self, *, audit: bool = False, full: bool = False) -> None:
        from flywheel_mlflow.operations.acts.acting import tell_people

        warn_unsent(tell_people(self.session, lambda _: None, audit=audit, full=full))

    def verify(self, version: int) -> Table:
        """Bundle, ledger chain, times, seals and signatures of a release.

        Raises:
            UnknownName: no such release.
        """
        from flywheel_mlflow.operations.releases.verifying import verify_release

        return _verified(f"release {version}", verify_release(self.session, version))

    def verify_export(self, folder: str | Path) -> Table:
        """The same of a folder that :meth:`export` wrote, without the server.

        Raises:
            InputError, StorageError: it is no such folder.
        """
        from flywheel_mlflow.operations.releases.verifying import verify_export

        return _verified(str(folder), verify_export(Path(folder), self.session.flywheel.blueprint))

    def releases(self) -> Table:
        """Every release, the newest first, with where it stands and the newest verdicts of its gates."""
        from flywheel_mlflow.operations.reading.telling import list_releases

        names = ("version", "stage", "iteration", "author", "verdicts", "approvals", "overrides")
        rows = tuple({**plain_row(item, *names), "at": time_text(item.at)} for item in list_releases(self.session))
        return Table(f"{len(rows)} releases", rows)

    def risks(self) -> Table:
        """Every risk of the ledger, oldest first."""
        from flywheel_mlflow.operations.releases.risking import list_risks

        names = ("id", "title", "owner", "likelihood", "impact", "projects")
        rows = tuple(
            {**plain_row(item, *names), "due": time_text(item.due), "closed": time_text(item.closed_at)}
            for item in list_risks(self.session)
        )
        return Table(f"{len(rows)} risks", rows)

    def doctor(self) -> Table:
        """Everything around the flywheel that can make releases unsafe or fail: server, store, clock, names, people."""
        from flywheel_mlflow.decisions.gate_facts import worst
        from flywheel_mlflow.operations.doctor import examine

        found = examine(self.session, self.session.tracking.settings)
        rows = tuple(plain_row(item, "name", "verdict", "text", "hint") for item in found)
        return Table(f"doctor: {worst(item.verdict for item in found).value}", rows)

    def report(self, iteration: int, *, out: str | Path | None = None, dry_run: bool = False) -> Table:
        """Write an iteration's page as one HTML file, on its run and below ``out``.

        Raises:
            InputError: the iteration was never assembled. StorageError: the folder cannot be written.
        """
        from flywheel_mlflow.operations.reading.reporting import report_iteration

        found = report_iteration(self.session, iteration, out=Path(out) if out else None, dry_run=dry_run)
        places = {"run": found.run_id, "artifact": found.artifact or None, "file": str(found.file or "") or None}
        return Table(f"page of iteration {iteration}", (places,))


def open_flywheel(root: str | Path | None = None, tracking_uri: str | None = None) -> OpenFlywheel:
    """The flywheel of a folder on its server.

    Args:
        root: the folder with ``flywheel.yaml``, or one below it; here if left out, or ``FLYWHEEL_ROOT``.
        tracking_uri: the MLflow server; else ``MLFLOW_TRACKING_URI``, else ``mlflow-data`` in that folder.

    Raises:
        DocumentError: no flywheel there, or its files have faults.
        ServerUnreachable: nobody answers, told within seconds.
    """
    return OpenFlywheel(*open_session(root, tracking_uri))


def _assembled(done: Assembled, notes: tuple[str, ...]) -> AssembledIteration:
    metrics = done.assembly.metrics
    projects = tuple(
        {
            "project": name,
            "state": entry.state.value,
            "consumable": entry.consumable,
            "score": metrics.value(f"{name}.score"),
            "reasons": "; ".join(entry.reasons),
        }
        for name, entry in done.assembly.registry.items()
    )
    return AssembledIteration(
        iteration=done.assembly.iteration,
        run_id=done.run_id,
        digest=done.digest,
        unchanged=done.unchanged,
        contradictions=tuple(f"{check.name}: {check.message}" for check in done.contradictions),
        projects=projects,
        metrics={name: float(item.value) for name, item in metrics.items() if item.value is not None},
        notes=notes,
    )


def _verified(what: str, found: Verification) -> Table:
    rows = tuple(plain_row(item, "name", "holds", "text") for item in found.checks)
    return Table(f"{what}: {found.verdict.value}", rows, (f"believed: {found.trust}",))
