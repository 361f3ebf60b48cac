"""Tables of experiments: which there are, and what the outcomes of one say."""

from __future__ import annotations

from collections.abc import Iterable

from flywheel_mlflow.decisions.experiments import StartedExperiment
from flywheel_mlflow.drift.wording import Tone
from flywheel_mlflow.experiments.analysis import Analysis, JudgedMetric, Word
from flywheel_mlflow.promises.experiments import Experiment
from flywheel_mlflow.tables.cells import Cell, Table, number
from flywheel_mlflow.tables.links import NO_LINKS, Links
from flywheel_mlflow.tables.texts import UNKNOWN, format_value, moment_text

TONES = {Word.BETTER: Tone.GOOD, Word.WORSE: Tone.BAD, Word.WITHIN: Tone.GOOD, Word.OPEN: Tone.UNKNOWN}


def experiments_table(
    found: Iterable[tuple[Experiment, StartedExperiment | None]], *, links: Links = NO_LINKS
) -> Table:
    """Declared experiments, each with its newest round."""
    rows = tuple(
        (
            Cell(declared.id),
            _state(started),
            Cell(declared.project, href=links.project(declared.project)),
            Cell(f"{', '.join(declared.treatments)} against {declared.control}"),
            Cell(declared.primary.name),
            Cell(moment_text(started.at) if started else "never"),
            Cell(declared.hypothesis),
        )
        for declared, started in found
    )
    columns = ("experiment", "state", "project", "variants", "decided by", "started", "hypothesis")
    return Table("Experiments of flywheel.yaml", columns, rows, "flywheel.yaml declares none.")


def _state(started: StartedExperiment | None) -> Cell:
    if started is None:
        return Cell("not started")
    if started.decided is None:
        return Cell("running", Tone.ATTENTION)
    made = started.decided
    return Cell(f"{made.decision.value} {made.variant}".rstrip(), Tone.GOOD)


def judged_table(analysis: Analysis) -> Table:
    """Every metric of every treatment, the primary ones first."""
    ordered = sorted(analysis.judged, key=lambda item: not item.is_primary)
    rows = tuple(
        (
            Cell(item.metric + (" (primary)" if item.is_primary else "")),
            Cell(item.treatment),
            Cell(item.word.value, TONES.get(item.word, Tone.NONE)),
            number(_value(item.control_mean)),
            number(_value(item.mean)),
            Cell(_interval(item)),
            number(f"{item.n[0]:,} / {item.n[1]:,}"),
        )
        for item in ordered
    )
    columns = ("metric", "treatment", "is", "control", "now", "difference, valid at every look", "rows")
    return Table(f"{analysis.experiment}: {analysis.advice.value}", columns, rows, "nothing was recorded.")


def _value(value: float | None) -> str:
    return UNKNOWN if value is None else format_value(value, "")


def _interval(item: JudgedMetric) -> str:
    if item.difference is None:
        return item.lacking
    return f"{item.difference.value:+.4g} ({item.difference.low:+.4g} to {item.difference.high:+.4g})"
