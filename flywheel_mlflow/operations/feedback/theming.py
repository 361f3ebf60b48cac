"""Finds the themes of an iteration's feedback, with what speaks for each and what was decided about it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from flywheel_mlflow.base.errors import InputError, UnknownName
from flywheel_mlflow.evidence.flywheel import Flywheel
from flywheel_mlflow.evidence.lineage import edges
from flywheel_mlflow.feedback.candidates import Candidate, theme_candidate
from flywheel_mlflow.feedback.priority import Priority, prioritise
from flywheel_mlflow.feedback.recurring import Theme, Themes, name_themes, themes_from_json
from flywheel_mlflow.feedback.tasks import TaskState, fold_tasks
from flywheel_mlflow.feedback.theme_corrections import fold_corrections
from flywheel_mlflow.feedback.themes import Sample, group_events, observations_of
from flywheel_mlflow.operations.deciding import LedgerSnapshot, read_snapshot
from flywheel_mlflow.operations.scratch import scratch_folder
from flywheel_mlflow.reports.escaping import markdown_text

if TYPE_CHECKING:
    from flywheel_mlflow.feedback.embedding import Embedder
    from flywheel_mlflow.tracking import Tracking

#: What themes are made from; everything else of an event stays where it is.
_READ = ("id", "time", "text", "source", "type", "scope", "severity", "interface", "record_ids")


@dataclass(frozen=True, slots=True)
class FoundThemes:
    """The themes of an iteration, most pressing first in ``priorities``; ``run_id`` is None for a dry run."""

    themes: Themes
    priorities: tuple[Priority, ...]
    state: TaskState
    run_id: str | None


def find_themes(
    flywheel: Flywheel, tracking: Tracking, iteration: int, *, now: datetime, dry_run: bool = False
) -> FoundThemes:
    """Group the routed events of an iteration, name the groups, and keep them; the same events give the same themes.

    Raises:
        InputError: no event of the iteration goes to any project, or the model that flywheel.yaml names is not there.
    """
    import pyarrow.compute as pc

    from flywheel_mlflow.feedback.routing import TO
    from flywheel_mlflow.operations.feedback.routing import decided_routes, routed_events

    samples: dict[str, Sample] = defaultdict(Sample)
    with scratch_folder() as folder:
        for batch in routed_events(flywheel, tracking, iteration, decided_routes(tracking), folder):
            for project in pc.unique(batch.column(TO)).drop_null().to_pylist():
                mine = batch.filter(pc.equal(batch.column(TO), project)).select(_READ)
                for observation in observations_of(mine.to_pylist()):
                    samples[project].offer(observation)
    if not samples:
        raise InputError(
            f"no feedback of iteration {iteration} goes to any project",
            hint=f"flywheel feedback ingest FILE --iteration {iteration}; flywheel feedback route -i {iteration}",
        )
    embedder = named_embedder(flywheel)
    grouped = {project: group_events(sample, embedder=embedder) for project, sample in sorted(samples.items())}
    snapshot = read_snapshot(tracking)
    corrections = fold_corrections(snapshot.ledger.counted) if snapshot else ()
    themes = name_themes(iteration, grouped, known_themes(tracking, until=iteration).values(), corrections, embedder)
    run_id = None if dry_run else _keep(tracking, themes)
    return FoundThemes(themes, theme_priorities(flywheel, themes, snapshot, now), task_state(snapshot), run_id)


def named_embedder(flywheel: Flywheel) -> Embedder | None:
    """The model that flywheel.yaml names, loaded; None where it names none.

    Raises:
        InputError: it is not there, is another one, or cannot be loaded.
    """
    rule = flywheel.blueprint.themes.embedder
    if rule is None:
        return None
    from flywheel_mlflow.feedback.embedding import load_embedder

    return load_embedder(flywheel.root / rule.path, distance=rule.distance, digest=rule.digest)


def task_state(snapshot: LedgerSnapshot | None) -> TaskState:
    """Tasks and decisions of the ledger; empty while there is none."""
    return fold_tasks(snapshot.ledger.counted) if snapshot else TaskState()


def known_themes(tracking: Tracking, *, until: int | None = None) -> dict[int, Themes]:
    """The themes kept by iteration, each as it was looked at last; of iterations up to ``until``."""
    from flywheel_mlflow.tracking.feedback import KIND_THEMES, THEMES_FILE

    newest = {
        item.iteration: item for item in tracking.feedback.kept(KIND_THEMES) if until is None or item.iteration <= until
    }
    with scratch_folder() as folder:
        return {
            turn: themes_from_json(
                tracking.feedback.text(item.run_id, THEMES_FILE, item.digest, folder), name=f"run {item.run_id}"
            )
            for turn, item in sorted(newest.items())
        }


def theme_of(tracking: Tracking, theme_id: str, iteration: int | None) -> Theme:
    """A theme as an iteration has it, the newest one if none is named.

    Raises:
        UnknownName: no such theme there.
    """
    known = known_themes(tracking)
    chosen = [known[turn] for turn in sorted(known) if iteration in (None, turn)]
    found = [theme for themes in chosen if (theme := themes.theme(theme_id))]
    if not found:
        names = [theme.id for themes in chosen for theme in themes.themes]
        raise UnknownName("theme", theme_id, names, where="`flywheel feedback themes --iteration N` shows them")
    return found[-1]


def _keep(tracking: Tracking, themes: Themes) -> str:
    from flywheel_mlflow.tracking import FeedbackDocument
    from flywheel_mlflow.tracking.feedback import KIND_THEMES, THEMES_FILE

    lines = [
        f"Themes of the feedback of iteration {themes.iteration}.",
        "",
        "| theme | events | what |",
        "|---|---:|---|",
    ]
    lines += [f"| {item.id} | {len(item.events)} | {markdown_text(item.title)} |" for item in themes.themes[:40]]
    document = FeedbackDocument(
        KIND_THEMES,
        themes.iteration,
        f"themes of iteration {themes.iteration:03d}",
        THEMES_FILE,
        themes.to_json(),
        "\n".join(lines)[:7_500],
    )
    return tracking.feedback.keep(document)


def theme_priorities(
    flywheel: Flywheel, themes: Themes, snapshot: LedgerSnapshot | None, now: datetime
) -> tuple[Priority, ...]:
    """The priorities of themes alone, the first to do first."""
    declared = edges(flywheel.contracts, {}, {})
    return prioritised(flywheel, [theme_candidate(theme, declared) for theme in themes.themes], snapshot, now)


def prioritised(
    flywheel: Flywheel, candidates: Iterable[Candidate], snapshot: LedgerSnapshot | None, now: datetime
) -> tuple[Priority, ...]:
    """The priorities of candidates by what the ledger says, the first to do first."""
    state = task_state(snapshot)
    return prioritise(
        candidates,
        risks=snapshot.risks.values() if snapshot else (),
        estimates=state.estimates,
        earlier=[task.costed for task in state.tasks.values()],
        rules=flywheel.blueprint.cost_rules,
        now=now,
    )
