"""Whole iterations from Python, and what is due."""

from __future__ import annotations

from flywheel_mlflow.operations.deciding import Session
from flywheel_mlflow.operations.scripting.results import Table


class ScheduleMethods:
    """What the commands `run` and `schedule` do and show."""

    session: Session

    def run(self, iteration: int | None = None, *, jobs: int = 2, dry_run: bool = False) -> Table:
        """Do what is left of an iteration, of the one that is due unasked; a row for each step.

        Raises:
            DocumentError: the flywheel's files have faults. ServerError: the server went away; call it again.
        """
        from flywheel_mlflow.operations.schedule.whole_iteration import run_iteration

        done = run_iteration(self.session, iteration, jobs=jobs, dry_run=dry_run)
        self.__dict__.pop("assembled", None)  # what was read before is out of date
        if done.iteration is None:
            return Table(f"nothing is due: {done.why}", ())
        planned = tuple(
            {"step": name.value, "state": "planned", "what": text, "run": None} for name, text in done.planned.items()
        )
        rows = tuple(
            {"step": step.name.value, "state": step.state.value, "what": step.text, "run": step.run_id}
            for step in done.steps
        )
        state = "planned" if dry_run else "finished" if done.finished else "not finished"
        notes = tuple(f"{step.name.value}: {step.hint}" for step in done.steps if step.hint)
        return Table(f"iteration {done.iteration}, {state}: {done.why}", rows or planned, notes)

    def schedule(self) -> Table:
        """A row for each rhythm, kept, due, late or unknown; the title says which iteration is due."""
        from flywheel_mlflow.operations.schedule.standing import read_standing

        found = read_standing(self.session)
        rows = tuple(
            {
                "rhythm": item.id,
                "state": item.state.value,
                "cadence": item.cadence,
                "owner": item.owner,
                "last": item.last,
                "due": item.due,
                "why": item.why,
            }
            for item in found.rhythms
        )
        number = f"iteration {found.due.number}" if found.due.number is not None else "no iteration"
        return Table(f"{number} is due: {found.due.why}", rows)
