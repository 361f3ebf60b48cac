"""Experiments from Python: declared, fed with outcomes, judged."""

from __future__ import annotations

from pathlib import Path

from flywheel_mlflow.base.canonical import plain
from flywheel_mlflow.operations.deciding import Session
from flywheel_mlflow.operations.scripting.results import Table


class ExperimentMethods:
    """What the commands `experiment` show and record; starting and deciding are acts."""

    session: Session

    def experiments(self) -> Table:
        """A row for each experiment of flywheel.yaml, with its state."""
        from flywheel_mlflow.operations.experiments.experimenting import list_experiments

        rows = tuple(
            {
                "experiment": item.declared.id,
                "project": item.declared.project,
                "control": item.declared.control,
                "treatments": ", ".join(item.declared.treatments),
                "primary": item.declared.primary.name,
                "started": item.round.at if item.round else None,
                "decision": item.round.decided.decision.value if item.round and item.round.decided else None,
                "variant": item.round.decided.variant if item.round and item.round.decided else None,
            }
            for item in list_experiments(self.session)
        )
        return Table(f"{len(rows)} experiments", rows)

    def variants(self, project: str, iteration: int) -> Table:
        """A row for each KPI of each variant that does not count, against the one that does.

        Raises:
            UnknownName: no such project. Refused: its contract declares no variants.
        """
        from flywheel_mlflow.operations.experiments.variants import show_variants

        found = show_variants(self.session.flywheel, self.session.tracking, project, iteration)
        rows = tuple({"variant": name, **plain(item)} for name, kpis in found.compared.items() for item in kpis)
        notes = [f"no run of {name}" for name in found.contract.variants if name not in found.runs]
        return Table(f"variants of {found.contract.id}, against {found.counting}", rows, (*notes, *found.unread))

    def assign(self, experiment: str, unit: str) -> str:
        """The variant of a unit, the same one each time.

        Raises:
            UnknownName: no such experiment.
        """
        from flywheel_mlflow.operations.experiments.experimenting import assigned_variant

        return assigned_variant(self.session.flywheel, experiment, unit)

    def record_outcomes(self, experiment: str, path: str | Path, *, dry_run: bool = False) -> Table:
        """Record the outcome rows of a file; each file counts once, and each unit.

        Raises:
            UnknownName: no such experiment. Refused: it does not run. InputError: no row counts.
        """
        from flywheel_mlflow.operations.experiments.experimenting import record_outcomes

        found = record_outcomes(self.session, experiment, Path(path), dry_run=dry_run)
        rows = tuple({"variant": name, "rows": count} for name, count in found.outcomes.rows.items())
        notes = [f"{count} rows {why} are left out" for why, count in found.outcomes.left_out.items()]
        notes += ["the same file was recorded before"] if found.known else []
        return Table(f"outcomes of {experiment}", rows, tuple(notes))

    def experiment_status(self, experiment: str) -> Table:
        """A row for each metric of each treatment; the title says what the outcomes advise.

        Raises:
            UnknownName: no such experiment. Refused: it was never started. InputError: outcomes are gone, or changed.
        """
        from flywheel_mlflow.operations.experiments.experimenting import experiment_status

        found = experiment_status(self.session, experiment).analysis
        rows = tuple(plain(item) for item in found.judged)
        title = f"{experiment}: {found.advice.value}" + (f" {found.variant}" if found.variant else "")
        return Table(title, rows, (found.why,))
