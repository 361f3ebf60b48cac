"""Does a whole iteration: collects feedback, runs projects, assembles, compares, tells what was found.

Whether a step is done already is told by what it left in MLflow, by nothing else: whoever kills this and calls it again
gets the rest. The mark that an iteration is finished is the last thing written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path

from flywheel_mlflow.assembly.next_iteration import NextIteration, next_iteration
from flywheel_mlflow.base.errors import ExitCode, FlywheelError, Inconclusive, InputError, Refused, ServerError
from flywheel_mlflow.base.quarters import quarter_before
from flywheel_mlflow.decisions.rhythms import REVIEW, shown_by
from flywheel_mlflow.feedback.mapping import ColumnMapping, read_mapping
from flywheel_mlflow.operations.acts.acting import act_somewhere, tell_people
from flywheel_mlflow.operations.acts.following import record_absorbed, watch_risks
from flywheel_mlflow.operations.assembly.assembling import Assembled, assemble_iteration
from flywheel_mlflow.operations.assembly.checking import read_sources
from flywheel_mlflow.operations.assembly.collecting import collect_iteration
from flywheel_mlflow.operations.assembly.drifting import drift_after_assembly
from flywheel_mlflow.operations.assembly.iterations import MOST_ASSEMBLIES
from flywheel_mlflow.operations.assembly.noticing import notice_after_assembly
from flywheel_mlflow.operations.assembly.reviewing import write_review
from flywheel_mlflow.operations.assembly.rhythms import read_traces
from flywheel_mlflow.operations.deciding import Session, read_snapshot
from flywheel_mlflow.operations.feedback.feedback import Ingested, ingest_files, pull_traces
from flywheel_mlflow.operations.feedback.handing import write_tasks
from flywheel_mlflow.operations.feedback.theming import find_themes
from flywheel_mlflow.operations.projects.running import Ran, pipelines_of, run_projects, variants_to_run
from flywheel_mlflow.operations.releases.rollback_conditions import judge_rollbacks
from flywheel_mlflow.operations.schedule.steps import IterationRun, Step, StepName, StepState, failed
from flywheel_mlflow.operations.scratch import scratch_folder
from flywheel_mlflow.promises.schedule import FeedbackSource

#: What of the reason for a rollback goes into the ledger.
MAX_REASON = 2_000
#: Told what is being done.
Progress = Callable[[str], None]


def due_iteration(session: Session) -> NextIteration:
    """The iteration that :func:`run_iteration` works on when nobody names one, and why.

    Raises:
        ServerError: the server is away.
    """
    listed = session.tracking.assemblies.listed(most=MOST_ASSEMBLIES)
    return next_iteration(listed, session.flywheel.blueprint.schedule.every, session.now())


def run_iteration(
    session: Session,
    iteration: int | None = None,
    *,
    jobs: int = 2,
    progress: Progress | None = None,
    dry_run: bool = False,
) -> IterationRun:
    """Do what is left of an iteration; the one that is due where none is named. Safe to repeat, and to kill.

    A step that fails keeps the others from nothing that they can do without it, and the iteration from being finished.

    Args:
        session: the flywheel, the server, who acts, a clock.
        iteration: which one, whether it is due or not.
        jobs: how many pipelines run at the same time.
        progress: told what is being done.
        dry_run: only say what would be done.

    Raises:
        DocumentError: the flywheel's files have faults.
        ServerError: the server went away; call it again.
    """
    begun = session.now()
    chosen = due_iteration(session) if iteration is None else NextIteration(iteration, "it was named")
    if chosen.number is None:
        return IterationRun(None, chosen.why)
    session.tracking.assemblies.experiment()  # the store must exist before several processes open it
    work = _Work(session, chosen.number, jobs, progress or _unwatched)
    if dry_run:
        return IterationRun(chosen.number, chosen.why, planned=dict(work.plan()))
    steps = tuple(work.steps())
    finished = work.finish(begun) if all(step.state is not StepState.FAILED for step in steps) else None
    return IterationRun(chosen.number, chosen.why, steps, finished)


def _unwatched(_text: str) -> None:
    """Progress nobody watches."""


class _Work:
    """One iteration being worked on."""

    def __init__(self, session: Session, iteration: int, jobs: int, progress: Progress) -> None:
        self._session = session
        self._flywheel = session.flywheel
        self._tracking = session.tracking
        self._iteration = iteration
        self._jobs = jobs
        self._progress = progress
        self._assembled: Assembled | None = None

    def plan(self) -> Iterator[tuple[StepName, str]]:
        """What would be done first; the rest depends on it."""
        files = [path for source in self._flywheel.blueprint.schedule.feedback for path in self._files(source)]
        traces = [item.traces for item in self._flywheel.blueprint.schedule.feedback if item.traces]
        yield StepName.FEEDBACK, _named([*(path.name for path in files), *(f"traces of {name}" for name in traces)])
        yield StepName.PROJECTS, _named(self._missing())

    def steps(self) -> Iterator[Step]:
        """Each step as it ends; those after the assembly only where there is one that holds together."""
        yield self._collect_feedback()
        yield self._run_projects()
        assembly = self._assemble()
        yield assembly
        if self._assembled is None or self._assembled.contradictions:
            return
        yield self._compare(self._assembled)
        yield self._absorb(self._assembled)
        yield self._take_findings()
        yield self._group_themes()
        yield self._review()  # first: what is held now is not late
        yield self._watch_risks()
        yield self._roll_back()
        yield self._tell()

    def finish(self, begun: datetime) -> datetime | None:
        """Mark the iteration as finished, unless it is; when it was. None without an assembly."""
        if self._assembled is None:
            return None
        for item in self._tracking.assemblies.listed(most=MOST_ASSEMBLIES):
            if item.iteration == self._iteration and item.finished is not None:
                return item.finished.ended
        now = self._session.now().replace(microsecond=0)
        self._tracking.assemblies.mark_finished(self._assembled.run_id, begun, now)
        return now

    def _collect_feedback(self) -> Step:
        sources = self._flywheel.blueprint.schedule.feedback
        if not sources:
            return Step(StepName.FEEDBACK, StepState.NOTHING, "schedule.feedback in flywheel.yaml names no source")
        self._progress("collecting feedback")
        found: list[Ingested] = []
        errors: list[FlywheelError] = []
        for source in sources:
            try:
                found += self._from(source)
            except ServerError:
                raise
            except FlywheelError as error:
                errors.append(error)
        errors += [item.failure for item in found if item.failure is not None]
        for away in errors:
            if isinstance(away, ServerError):
                raise away
        new = sum(item.taken.new for item in found if item.already is None)
        dead = sum(item.dead for item in found if item.already is None)
        known = sum(item.already is not None for item in found)
        text = f"{_counted(new, 'new event')} from {_counted(len(found), 'source')}"
        text += f", {known} of them taken in before" if known else ""
        text += f", {_counted(dead, 'dead letter')}" if dead else ""
        if errors:
            worst = max(errors, key=lambda error: error.exit_code)
            told = "; ".join(dict.fromkeys(f"{error.where or 'a source'}: {error.what}" for error in errors))
            return Step(
                StepName.FEEDBACK, StepState.FAILED, f"{text}; {told}", hint=worst.hint or "", exit_code=worst.exit_code
            )
        return Step(StepName.FEEDBACK, StepState.DONE if new or dead else StepState.THERE, text)

    def _from(self, source: FeedbackSource) -> tuple[Ingested, ...]:
        if source.traces:
            _, pulled = pull_traces(self._flywheel, self._tracking, source.traces, self._iteration)
            return (pulled,)
        return ingest_files(
            self._flywheel, self._tracking, self._files(source), self._iteration, mapping=self._mapping(source)
        )

    def _files(self, source: FeedbackSource) -> list[Path]:
        root = self._flywheel.root
        if source.files is None:
            return []
        if not any(char in source.files for char in "*?["):
            return [root / source.files]  # that it is missing is told when it is read
        return sorted(path for path in root.glob(source.files) if path.is_file())

    def _mapping(self, source: FeedbackSource) -> ColumnMapping | None:
        if source.mapping is None:
            return None
        # A shipped one goes by a bare name.
        return read_mapping(self._flywheel.root / source.mapping if Path(source.mapping).suffix else source.mapping)

    def _missing(self) -> tuple[str, ...]:
        """The projects with a pipeline that have no valid run of their own in the iteration."""
        collected = collect_iteration(self._flywheel, self._tracking, self._iteration)
        own = {name for name, item in collected.evidence.items() if item.run_id and item.carried_from is None}
        return tuple(name for name in pipelines_of(self._flywheel) if name not in own)

    def _run_projects(self) -> Step:
        every = pipelines_of(self._flywheel)
        if not every:
            return Step(StepName.PROJECTS, StepState.NOTHING, "no project has a pipeline")
        missing = self._missing()
        if not missing:
            return Step(StepName.PROJECTS, StepState.THERE, f"{_counted(len(every), 'project')} with a run")
        ended: list[str] = []

        def describe(name: str, ran: Ran | None) -> None:
            if ran is not None:
                ended.append(name)
            self._progress(
                f"running projects: {len(ended)} of {len(missing)} ended" + ("" if ran else f", {name} began")
            )

        with scratch_folder() as folder:
            handed = write_tasks(self._session, self._iteration, folder)
            ran = run_projects(
                self._flywheel,
                self._iteration,
                tracking_uri=self._tracking.settings.tracking_uri,
                only=missing,
                jobs=self._jobs,
                variants=variants_to_run(self._flywheel, self._tracking, self._iteration),
                tasks=folder if handed.written else None,
                progress=describe,
            )
        lost = [item for item in ran if item.run_id is None]
        text = f"ran {_named(item.project_id for item in ran if item.run_id)}"
        text += f"; {len(every) - len(missing)} had a run" if len(missing) < len(every) else ""
        if lost:
            told = "; ".join(f"{item.project_id}: {item.reason.splitlines()[0]}" for item in lost)
            return Step(
                StepName.PROJECTS,
                StepState.FAILED,
                f"{text}; failed: {told}",
                hint="mend it and run again: only what has no run is run",
                exit_code=ExitCode.BLOCK,
            )
        return Step(StepName.PROJECTS, StepState.DONE, text)

    def _assemble(self) -> Step:
        self._progress("assembling")
        try:
            found = assemble_iteration(
                self._flywheel, self._tracking, self._iteration, sources=read_sources(self._flywheel)
            )
        except InputError as error:
            return failed(StepName.ASSEMBLY, error)
        self._assembled = found
        if found.contradictions:
            names = _named(check.name for check in found.contradictions)
            return Step(
                StepName.ASSEMBLY,
                StepState.FAILED,
                f"it contradicts itself: {names}",
                found.run_id,
                f"flywheel check --iteration {self._iteration}",
                ExitCode.BLOCK,
            )
        consumable = sum(entry.consumable for entry in found.assembly.registry.values())
        text = f"{consumable} of {len(found.assembly.registry)} projects consumable"
        return Step(StepName.ASSEMBLY, StepState.THERE if found.unchanged else StepState.DONE, text, found.run_id)

    def _compare(self, assembled: Assembled) -> Step:
        self._progress("comparing with the release in production, or the iteration before")
        followed = drift_after_assembly(self._flywheel, self._tracking, self._iteration, assembled.run_id)
        if followed.failure is not None:
            return failed(StepName.DRIFT, followed.failure)
        if followed.found is not None:
            report = followed.found.report
            text = f"{report.verdict.value} against iteration {report.reference.iteration}"
            return Step(StepName.DRIFT, StepState.DONE, text, report.run_id)
        if self._iteration == 1:
            return Step(StepName.DRIFT, StepState.NOTHING, "there is nothing to compare the first iteration with")
        return Step(StepName.DRIFT, StepState.THERE, "nothing to compare, or compared before")

    def _absorb(self, assembled: Assembled) -> Step:
        self._progress("writing down absorbed tasks")
        handed = assembled.assembly.absorption
        errors = record_absorbed(self._session, assembled)
        for name, error in errors.items():
            if isinstance(error, ServerError):
                raise error
            return failed(StepName.TASKS, InputError(f"task {name}: {error.what}", hint=error.hint))
        count = len(handed.absorbed)
        if not count:
            return Step(StepName.TASKS, StepState.NOTHING, "no run read a task")
        return Step(StepName.TASKS, StepState.DONE, f"{_counted(count, 'absorbed task')} in the ledger")

    def _take_findings(self) -> Step:
        self._progress("taking findings in as feedback")
        after = notice_after_assembly(self._flywheel, self._tracking, self._iteration)
        if after.failure is not None:
            return failed(StepName.FINDINGS, after.failure)
        if after.noticed is None:
            raise LookupError(self._iteration)
        taken, unread = after.noticed.ingested.taken, after.noticed.unread
        if not taken.read and not unread:
            return Step(StepName.FINDINGS, StepState.NOTHING, "nothing was found")
        text = f"{_counted(taken.new, 'new finding')}, {taken.repeated} told before"
        text += f"; not looked at: {'; '.join(unread)}" if unread else ""
        return Step(StepName.FINDINGS, StepState.DONE if taken.new else StepState.THERE, text)

    def _group_themes(self) -> Step:
        routed: Counter[str] = Counter()
        for batch in self._tracking.feedback.batches(self._iteration):
            routed.update({key: count for key, count in batch.counts.items() if key.startswith("to.")})
        if not sum(routed.values()):
            return Step(StepName.THEMES, StepState.NOTHING, "no feedback of the iteration goes to a project")
        self._progress("grouping feedback")
        try:
            found = find_themes(self._flywheel, self._tracking, self._iteration, now=self._session.now())
        except InputError as error:
            return failed(StepName.THEMES, error)
        text = f"{_counted(len(found.themes.themes), 'theme')} of {_counted(sum(routed.values()), 'event')}"
        return Step(StepName.THEMES, StepState.DONE, text, found.run_id)

    def _watch_risks(self) -> Step:
        self._progress("looking for risks")
        before = self._open_risks()
        watch_risks(self._session, self._iteration)
        after = self._open_risks()
        if after is None:
            return Step(StepName.RISKS, StepState.NOTHING, "there is no ledger before the first decision")
        new = len(set(after) - set(before or ()))
        text = f"{_counted(new, 'new risk')}, {len(after)} open"
        return Step(StepName.RISKS, StepState.DONE if new else StepState.THERE, text)

    def _open_risks(self) -> list[str] | None:
        snapshot = read_snapshot(self._tracking)
        if snapshot is None:
            return None
        return [risk.id for risk in snapshot.risks.values() if risk.closed_at is None]

    def _roll_back(self) -> Step:
        if not self._flywheel.blueprint.rollback_when:
            return Step(StepName.ROLLBACK, StepState.NOTHING, "flywheel.yaml has no rollback_when")
        self._progress("judging the release in production")
        judged = judge_rollbacks(self._session, read_snapshot(self._tracking))
        if not judged:
            return Step(StepName.ROLLBACK, StepState.NOTHING, "nothing is in production")
        holding = [item for item in judged if item.holds]
        if not holding:
            unknown = [f"{item.condition.id}: {item.text}" for item in judged if item.holds is None]
            text = f"none of {_counted(len(judged), 'condition')} is known to hold"
            text += f"; unknown: {'; '.join(unknown)}" if unknown else ""
            return Step(StepName.ROLLBACK, StepState.NOTHING, text)
        told = "; ".join(item.reason for item in holding)
        allowed = next((item for item in holding if item.condition.action == "rollback"), None)
        if allowed is None:
            hint = "flywheel rollback --reason '...'"
            return Step(
                StepName.ROLLBACK, StepState.WAITS, f"proposed for release {holding[0].version}: {told}", hint=hint
            )
        try:
            moved = act_somewhere(self._session, "rollback", {"reason": allowed.reason[:MAX_REASON]})
        except (Refused, Inconclusive) as error:
            text = f"release {allowed.version} stays, {error.what}: {told}"
            return Step(StepName.ROLLBACK, StepState.WAITS, text, hint=error.hint or "", exit_code=error.exit_code)
        text = f"production went back from release {moved['came_from']} to {moved['version']}: {told}"
        return Step(StepName.ROLLBACK, StepState.DONE, text)

    def _review(self) -> Step:
        if not any(shown_by(item) == REVIEW for item in self._flywheel.blueprint.mechanisms):
            return Step(StepName.REVIEW, StepState.NOTHING, "flywheel.yaml has no mechanism that reviews show")
        quarter = quarter_before(self._session.now())
        traces = read_traces(self._tracking, read_snapshot(self._tracking))
        if quarter.start in traces.held.get(REVIEW, ()):
            return Step(StepName.REVIEW, StepState.THERE, f"{quarter} was reviewed")
        if not any(quarter.holds(moment) for moment in traces.asked[REVIEW]):
            return Step(StepName.REVIEW, StepState.NOTHING, f"nothing was decided in {quarter}")
        self._progress(f"writing the review of {quarter}")
        found = write_review(self._session, str(quarter))
        if found.run_id is None:
            return Step(StepName.REVIEW, StepState.NOTHING, f"nothing was assembled in {quarter}")
        asked = {"quarter": str(quarter), "run_id": found.run_id, "digest": found.digest}
        act_somewhere(self._session, "review", asked)
        return Step(StepName.REVIEW, StepState.DONE, f"wrote the review of {quarter}", found.run_id)

    def _tell(self) -> Step:
        if not self._flywheel.blueprint.notify.channels:
            return Step(StepName.NOTICES, StepState.NOTHING, "flywheel.yaml has no channel")
        unsent = tell_people(self._session, self._progress)
        # What could not be sent waits, and is sent by whatever sends next: that is no reason to do anything again.
        if unsent:
            return Step(StepName.NOTICES, StepState.WAITS, "; ".join(unsent), hint="flywheel notify send")
        return Step(StepName.NOTICES, StepState.DONE, "people know what there is to tell")


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _named(names: Iterable[str]) -> str:
    return ", ".join(names) or "nothing"
