"""Feedback and tasks from Python: what the commands `feedback` and `task` take in, show and decide together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flywheel_mlflow.base.settings import Engine
from flywheel_mlflow.operations.acts.acting import act_somewhere, tell_people
from flywheel_mlflow.operations.deciding import Session
from flywheel_mlflow.operations.printable import plain_cell, plain_row
from flywheel_mlflow.operations.scripting.acts import warn_unsent
from flywheel_mlflow.operations.scripting.results import Table

if TYPE_CHECKING:
    from flywheel_mlflow.operations.feedback.feedback import Ingested


class FeedbackMethods:
    """Feedback and tasks of a flywheel; decisions about single themes and tasks are acts."""

    session: Session

    def ingest(
        self,
        files: Iterable[str | Path],
        iteration: int,
        *,
        mapping: str | Path | None = None,
        zone: str = "",
        observed: str = "",
        dry_run: bool = False,
    ) -> Table:
        """Take events of feedback in from files, each once, and route them; a file that fails says so in its row.

        ``mapping`` is a shipped one by its name (``langfuse``) or a YAML file; ``zone`` that of times which state none,
        ``observed`` the time of events which state none.

        Raises:
            UnknownName, DocumentError, InputError: the mapping, the zone or the time is at fault.
        """
        from flywheel_mlflow.feedback.mapping import read_mapping, with_times
        from flywheel_mlflow.operations.feedback.feedback import ingest_files

        done = ingest_files(
            self.session.flywheel,
            self.session.tracking,
            [Path(file) for file in files],
            iteration,
            mapping=with_times(read_mapping(mapping), zone=zone, observed=observed) if mapping else None,
            dry_run=dry_run,
        )
        return self._taken(done, iteration, dry_run=dry_run)

    def pull_traces(
        self,
        experiment: str,
        iteration: int,
        *,
        since: datetime | None = None,
        begun: datetime | None = None,
        dry_run: bool = False,
    ) -> Table:
        """Take in what was said about the MLflow traces of an experiment, and what went wrong in them.

        ``since`` leaves out what was said or happened before, ``begun`` traces that began before.

        Raises:
            InputError: no such experiment.
        """
        from flywheel_mlflow.operations.feedback.feedback import pull_traces

        counts, done = pull_traces(
            self.session.flywheel,
            self.session.tracking,
            experiment,
            iteration,
            since=since,
            begun=begun,
            dry_run=dry_run,
        )
        notes = (
            f"{counts.traces} traces, {counts.content} that ask for nothing, {counts.unread} with unreadable steps",
            *(f"judge {name} gave no value {count} times" for name, count in sorted(counts.failed_judges.items())),
            *(f"{name}: {count} values without a meaning" for name, count in sorted(counts.undeclared.items())),
        )
        return self._taken((done,), iteration, notes, dry_run=dry_run)

    def pull_findings(self, iteration: int, *, dry_run: bool = False) -> Table:
        """Take in the flywheel's own findings of an iteration; `assemble` does it too."""
        from flywheel_mlflow.operations.assembly.noticing import pull_findings

        found = pull_findings(self.session.flywheel, self.session.tracking, iteration, dry_run=dry_run)
        return self._taken((found.ingested,), iteration, found.unread, dry_run=dry_run)

    def feedback(self, iteration: int | None = None, *, to: str | None = "", most: int = 1000) -> Table:
        """Events of feedback with where they go; ``to`` names a project, None the queue of those that go nowhere.

        Raises:
            UnknownName: no such project.
        """
        from flywheel_mlflow.operations.feedback.routing import list_events

        total, found = list_events(self.session.flywheel, self.session.tracking, iteration, to=to, limit=most)
        rows = tuple({**row, "owner": str(row["owner"]) if row["owner"] else None} for row in found)
        return Table(f"{total} events, {len(rows)} shown", rows)

    def route(self, iteration: int, *, out: str | Path | None = None, engine: Engine = "local") -> Table:
        """Where an iteration's feedback goes by the rules of today, by project; ``out`` gets all events as files.

        The ``engine`` that routes is ``local`` or ``ray``.

        Raises:
            StorageError: the folder cannot be written.
        """
        from flywheel_mlflow.operations.feedback.routing import route_iteration

        found = route_iteration(
            self.session.flywheel,
            self.session.tracking,
            iteration,
            now=datetime.now(UTC),
            out=Path(out) if out else None,
            engine=engine,
        )
        rows = tuple(
            {"project": name, "events": count, "owner": str(found.owners[name]) if name in found.owners else None}
            for name, count in found.to.items()
        )
        return Table(f"{found.total} events of iteration {iteration}, {found.rerouted} sent elsewhere by people", rows)

    def explain_event(self, event: str) -> Table:
        """Why an event of feedback goes where it goes: what each rule says to it.

        Raises:
            InputError: no event has that id.
        """
        from flywheel_mlflow.operations.feedback.routing import explain_event

        found = explain_event(self.session.flywheel, self.session.tracking, event)
        rows = tuple({"rule": item.route.id, **plain_row(item, "taken", "words", "missing")} for item in found.asked)
        notes = [f"sent to {found.decision.to} by {found.decision.actor}"] if found.decision else []
        notes += [f"who answers: {found.owner}"] if found.owner else []
        return Table(f"{event} goes to {found.event['to'] or 'nobody'}", rows, tuple(notes))

    def feedback_metrics(self, iteration: int | None = None) -> Table:
        """What became of the feedback of an iteration, or of all: routed, answered by tasks, absorbed."""
        from flywheel_mlflow.operations.feedback.reflux import feedback_metrics

        found = feedback_metrics(
            self.session.flywheel, self.session.tracking, now=datetime.now(UTC), iteration=iteration
        )
        names = ("iteration", "events", "unroutable_rate", "misroute_rate", "answered", "absorbed", "reflux_rate")
        return Table(
            f"share of feedback acted on: {plain_cell(found.reflux_rate)}",
            tuple(plain_row(item, *names) for item in found.iterations),
        )

    def try_rules(self, files: Iterable[str | Path] = ()) -> Table:
        """Try the routing rules on labelled examples, those of ``tests/routing`` unasked.

        Raises:
            DocumentError: every fault of the files. InputError: no example.
        """
        from flywheel_mlflow.operations.feedback.routing import try_rules

        found = try_rules(self.session.flywheel, [Path(file) for file in files])
        rows = tuple(
            {"held_out": kind.held_out, **plain_row(item, "to", "precision", "recall")}
            for kind in found
            for item in kind.scores
        )
        return Table(f"routing rules on {sum(len(kind.tried) for kind in found)} examples", rows)

    def themes(self, iteration: int, *, dry_run: bool = False) -> Table:
        """The themes of an iteration's feedback, most pressing first.

        Raises:
            InputError: no event of the iteration goes to any project.
        """
        from flywheel_mlflow.operations.feedback.theming import find_themes

        now = datetime.now(UTC)
        found = find_themes(self.session.flywheel, self.session.tracking, iteration, now=now, dry_run=dry_run)
        rows = tuple(
            {"theme": item.id, "project": item.project, "events": len(item.events), "title": item.title}
            for item in found.themes.themes
        )
        return Table(f"themes of iteration {iteration}", rows)

    def priorities(self, iteration: int | None = None, *, everything: bool = False) -> Table:
        """What could be done next, by leverage: themes, contracts to unify, gates to strengthen.

        Of the iteration, the newest unasked; ``everything`` keeps what was decided already. The benefit is the product
        of impact, reach, reuse and exposure, the leverage the benefit of an hour; None is unknown.

        Raises:
            InputError: the iteration has neither themes nor an assembly.
        """
        from flywheel_mlflow.operations.feedback.prioritising import read_ranking

        found = read_ranking(self.session.flywheel, self.session.tracking, now=datetime.now(UTC), iteration=iteration)
        rows = tuple(item.row() for item in found.items if everything or item.waits)
        return Table(f"what could be done after iteration {found.iteration}", rows, found.unread)

    def budget(self, quarter: str = "") -> Table:
        """What the tasks of each class come to in a quarter, the present one unasked, beside its budget.

        Raises:
            InputError: no such quarter.
        """
        from flywheel_mlflow.operations.feedback.prioritising import quarter_spending
        from flywheel_mlflow.operations.feedback.tasking import list_tasks

        state, _ = list_tasks(self.session)
        found = quarter_spending(self.session.flywheel, state, now=datetime.now(UTC), quarter=quarter)
        names = ("category", "unit", "limit", "spent", "committed", "left", "uncosted", "untold")
        return Table(f"budget of {found.quarter}", tuple(plain_row(item, *names) for item in found.lines))

    def decide_themes(
        self, file: str | Path, found_in: int, *, iteration: int | None = None, dry_run: bool = False
    ) -> Table:
        """Decide about the themes of an iteration as a file says; safe to run again.

        ``iteration`` shall do what is accepted, the one after ``found_in`` unasked. A row with ``why`` was not decided.

        Raises:
            DocumentError: every fault of the file. InputError: no event of the iteration goes to any project.
        """
        from flywheel_mlflow.operations.feedback.theme_decisions import decide_themes

        def act(name: str, **arguments: object) -> Mapping[str, Any]:
            return act_somewhere(self.session, name, arguments)

        decided = decide_themes(
            self.session, Path(file), found_in, act, now=datetime.now(UTC), iteration=iteration, dry_run=dry_run
        )
        names = ("line", "project", "kind", "theme", "title", "task", "events", "event", "stands", "why")
        left = sum(bool(item.why) for item in decided)
        title = f"{len(decided) - left} of {len(decided)} decisions {'can be written' if dry_run else 'stand'}"
        return Table(title, tuple(plain_row(item, *names) for item in decided))

    def tasks(self) -> Table:
        """The tasks of the ledger, each with where it stands and the first release that holds it."""
        from flywheel_mlflow.operations.feedback.tasking import list_tasks

        state, releases = list_tasks(self.session)
        rows = tuple(
            {
                **plain_row(item, "id", "project", "iteration", "category", "theme", "events"),
                "absorbed in": item.absorbed.iteration if item.absorbed else None,
                "withdrawn by": item.withdrawn.by if item.withdrawn else None,
                "release": releases.get(name),
            }
            for name, item in state.tasks.items()
        )
        return Table(f"{len(rows)} tasks", rows)

    def task_results(self, iteration: int) -> Table:
        """Whether the tasks an iteration absorbed helped, on cases that they do not hold.

        Raises:
            InputError: the iteration has no valid assembly.
        """
        from flywheel_mlflow.operations.feedback.task_results import task_results

        found = task_results(self.session.tracking, iteration)
        rows = tuple(
            {**plain_row(item.task, "task", "project", "kpi", "before", "after", "helped"), "told": item.told}
            for item in found.results
        )
        return Table(f"tasks of iteration {iteration}; {found.kept} kept, {found.lost} lost, {found.open} open", rows)

    def write_tasks(self, iteration: int, folder: str | Path, *, given: str | Path | None = None) -> Table:
        """Write the tasks of an iteration below ``folder``, one file each, as pipelines read them.

        Raises:
            InputError, DocumentError: a task of ``given``, a folder of task files, is at fault. StorageError: the disk.
        """
        from flywheel_mlflow.operations.feedback.handing import write_tasks

        handed = write_tasks(self.session, iteration, Path(folder), given=Path(given) if given else None)
        rows = tuple({"task": name} for name in handed.written)
        waiting = tuple(f"{name} waits: {why}" for name, why in handed.waiting.items())
        return Table(f"{len(rows)} tasks for iteration {iteration}", rows, waiting)

    def write_dataset(self, task: str, *, dataset: str = "", dry_run: bool = False) -> Table:
        """Make test cases of a task's events in an evaluation dataset of MLflow; one row, and a note for each event
        that became none.

        Raises:
            UnknownName: no such task. InputError: it holds no events, or the store keeps no evaluation datasets.
        """
        from flywheel_mlflow.operations.feedback.task_dataset import write_dataset

        done = write_dataset(self.session, task, dataset=dataset, dry_run=dry_run)
        notes = (*(f"left out {event}: {why}" for event, why in done.left_out.items()), *done.remarks)
        row = plain_row(done, "task", "dataset", "dataset_id", "new", "grown", "same")
        return Table(f"{done.new} new records {'would be ' if dry_run else ''}written", (row,), notes)

    def case_results(self, task: str, iteration: int, *, dataset: str = "") -> Table:
        """What an iteration's evaluation says about a task's test cases, by KPI, beside the iteration before.

        Raises:
            UnknownName: no such task. InputError: it was not written into this data set.
        """
        from flywheel_mlflow.operations.feedback.task_dataset import case_results

        found = case_results(self.session, task, iteration, dataset=dataset)
        names = ("kpi", "records", "judged_before", "before", "judged", "mean")
        return Table(f"the cases of {task} in iteration {iteration}", tuple(plain_row(item, *names) for item in found))

    def _taken(self, done: Iterable[Ingested], iteration: int, notes: Iterable[str] = (), *, dry_run: bool) -> Table:
        """What became of what was taken in; the teams that answer for it are told."""
        rows = tuple(
            {
                "file": item.file,
                "new": item.taken.new,
                "repeated": item.taken.repeated,
                "dead": item.dead,
                "failure": item.failure.what if item.failure else None,
            }
            for item in done
        )
        if not dry_run and any(row["new"] for row in rows):
            warn_unsent(tell_people(self.session, lambda _: None))
        return Table(f"feedback of iteration {iteration}", rows, tuple(notes))
