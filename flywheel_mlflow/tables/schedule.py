"""Tables of what the flywheel does by itself, and of what people promised to do regularly."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from flywheel_mlflow.decisions.rhythms import Rhythm, RhythmState
from flywheel_mlflow.drift.wording import Tone
from flywheel_mlflow.tables.cells import Cell, Table
from flywheel_mlflow.tables.texts import moment_text

STATE_TONES = {
    RhythmState.KEPT: Tone.GOOD,
    RhythmState.DUE: Tone.ATTENTION,
    RhythmState.LATE: Tone.BAD,
    RhythmState.UNKNOWN: Tone.UNKNOWN,
}


def rhythms_table(found: Iterable[Rhythm], caption: str = "Rhythms") -> Table:
    """Rhythms in the order given."""
    rows = tuple(
        (
            Cell(item.id),
            Cell(item.state.value, STATE_TONES[item.state]),
            Cell(item.cadence),
            Cell(item.owner),
            Cell(moment_text(item.last) if item.last else "never"),
            Cell(moment_text(item.due) if item.due else "not by the calendar"),
            Cell(item.why),
        )
        for item in found
    )
    columns = ("rhythm", "state", "cadence", "owner", "last", "due", "why")
    return Table(caption, columns, rows, "flywheel.yaml declares no mechanism and no schedule")


#: How a step may end, by the words of it.
STEP_TONES = {"done": Tone.GOOD, "there already": Tone.GOOD, "failed": Tone.BAD, "waits": Tone.ATTENTION}


def steps_table(found: Iterable[Sequence[str]], caption: str) -> Table:
    """The steps of an iteration with their state and what came of them."""
    rows = tuple((Cell(name), Cell(state, STEP_TONES.get(state, Tone.NONE)), Cell(text)) for name, state, text in found)
    return Table(caption, ("step", "state", "what came of it"), rows, "nothing was done")
