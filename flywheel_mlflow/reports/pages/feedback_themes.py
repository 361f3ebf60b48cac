"""Themes with what speaks for each, the tasks they became, and whether these helped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from flywheel_mlflow.drift.wording import Tone
from flywheel_mlflow.feedback.absorption import AbsorbedTask, Help
from flywheel_mlflow.feedback.priority import Priority, leverage_text
from flywheel_mlflow.feedback.recurring import Looked, Theme
from flywheel_mlflow.feedback.tasks import AcceptedTask, TaskState
from flywheel_mlflow.reports.dashboard_blocks import Command, Form, Section
from flywheel_mlflow.reports.pages.deciding import choice_field, hidden, reason_field
from flywheel_mlflow.tables.addresses import Addresses
from flywheel_mlflow.tables.cells import Cell, Table, code, number
from flywheel_mlflow.tables.texts import UNKNOWN, format_value

#: Tasks and themes on one page; `flywheel task list --json` and `flywheel feedback themes --json` have all of them.
MOST_ROWS = 100
MOST_THEMES = 50
_HELP_TONES = {Help.HELPED: Tone.GOOD, Help.NOT_SHOWN: Tone.ATTENTION, Help.WORSE: Tone.BAD, Help.UNKNOWN: Tone.UNKNOWN}


@dataclass(frozen=True, slots=True)
class ThemesFacts:
    """The themes of an iteration, and the tasks that concern it.

    ``themes`` is empty and ``unknown`` says why while nobody looked for any; ``priorities`` are in their order, the
    most pressing first. ``helped`` maps tasks to what the iteration that absorbed them showed; ``releases`` tasks to
    the first release that holds them. ``refused`` says why nothing can be decided about themes now.
    """

    themes: tuple[Theme, ...]
    looked: Mapping[str, Looked]
    unknown: str
    priorities: tuple[Priority, ...]
    state: TaskState
    tasks: tuple[AcceptedTask, ...]
    helped: Mapping[str, AbsorbedTask]
    releases: Mapping[str, int]
    refused: str
    addresses: Addresses

    @property
    def waiting(self) -> tuple[Theme, ...]:
        """The themes that nobody has decided about."""
        return tuple(theme for theme in self.themes if self.state.latest(theme.id, theme.iteration) is None)


def theme_section(facts: ThemesFacts, iteration: int) -> Section:
    """The themes, the most pressing first; the page of priorities says why."""
    by_id = {theme.id: theme for theme in facts.themes}
    ranked = [(by_id[item.subject], item) for item in facts.priorities if item.subject in by_id]
    more = f"; {len(ranked) - MOST_THEMES} more in `flywheel feedback themes`" if len(ranked) > MOST_THEMES else ""
    columns = ("theme", "what", "for", "events", "decided", "urgency", "leverage", "seen before in")
    shown = ranked[:MOST_THEMES]
    empty = "nobody looked for any yet." if facts.unknown else "there is none."
    return Section(
        "themes",
        "Themes",
        notes=tuple(_notes(facts)),
        tables=(
            Table(
                f"Themes, the most pressing first{more}",
                columns,
                tuple(_theme(theme, item, facts) for theme, item in shown),
                empty,
            ),
        ),
        links=(Cell("What to do next, contracts and gates too", href=facts.addresses.priorities(iteration)),),
        commands=tuple(_commands(facts, ranked, iteration)),
        forms=_decide(facts, [theme for theme, _ in ranked], iteration),
    )


def _notes(facts: ThemesFacts) -> Iterator[Cell]:
    if facts.unknown:
        yield Cell(f"The themes are unknown: {facts.unknown}.", Tone.UNKNOWN)
    for project, looked in facts.looked.items():
        if looked.sampled < looked.events:
            yield Cell(f"{project}: a sample of {looked.sampled:,} of {looked.events:,} events was looked at.")
        if looked.alone:
            yield Cell(f"{project}: {looked.alone:,} events fit no theme.")


def _theme(theme: Theme, item: Priority, facts: ThemesFacts) -> tuple[Cell, ...]:
    return (
        code(theme.id),
        Cell(theme.title),
        Cell(theme.project, href=facts.addresses.project(theme.project)),
        number(f"{len(theme.events):,}"),
        _decided(theme, facts),
        Cell(f"{item.urgency}: {item.why}", Tone.BAD) if item.urgency == "block now" else Cell(item.urgency),
        number(leverage_text(item), Tone.UNKNOWN if item.leverage is None else Tone.NONE),
        Cell(
            "; ".join(f"iteration {turn}: {_handled(theme.id, turn, facts.state)}" for turn in theme.seen_in) or "never"
        ),
    )


def _decided(theme: Theme, facts: ThemesFacts) -> Cell:
    stands = facts.state.latest(theme.id, theme.iteration)
    if stands is None:
        return Cell("nobody decided", Tone.ATTENTION)
    told = f"{stands.kind} by {stands.by}"
    return Cell(f"{told}: {stands.task or stands.reason}", Tone.GOOD if stands.task else Tone.NONE)


def _handled(theme: str, iteration: int, state: TaskState) -> str:
    stands = state.latest(theme, iteration)
    if stands is None:
        return "nobody decided"
    task = state.tasks.get(stands.task or "")
    if task is None:
        return stands.kind
    return f"absorbed in {task.absorbed.iteration}" if task.absorbed else f"accepted for {task.iteration}"


def _commands(facts: ThemesFacts, ranked: list[tuple[Theme, Priority]], iteration: int) -> Iterator[Command]:
    if not facts.themes:
        yield Command(f"flywheel feedback themes --iteration {iteration}", "groups the events, and keeps the themes")
    fit = [theme for theme, _ in ranked if facts.state.task_of(theme.id, theme.iteration) is None]
    if fit:
        line = f"flywheel task accept {fit[0].id} --category growth --cost 3d --iteration {iteration}"
        yield Command(line, "makes the most pressing open theme a task; it needs what the project's pipeline reads")


def _decide(facts: ThemesFacts, ranked: list[Theme], iteration: int) -> tuple[Form, ...]:
    """The two decisions that need no document; what became a task is none of their choices."""
    fit = [theme for theme in ranked if facts.state.task_of(theme.id, theme.iteration) is None]
    if not fit:
        return ()
    choices = [(theme.id, f"{theme.id}: {theme.title}") for theme in fit[:MOST_THEMES]]
    fields = (choice_field("theme", "The theme", choices), hidden("iteration", iteration), reason_field())
    queue, decline = facts.addresses.act("theme-queue"), facts.addresses.act("theme-decline")
    return (
        Form(queue, "Queue a theme", "Queue", "Says that it shall be done, later.", fields, refused=facts.refused),
        Form(decline, "Decline a theme", "Decline", "Says that it shall not be done.", fields, refused=facts.refused),
    )


def task_section(facts: ThemesFacts, iteration: int) -> Section:
    """The tasks of this feedback, and those this iteration was to do."""
    columns = (
        "task",
        "for",
        "what",
        "category",
        "due in iteration",
        "answers events of",
        "events",
        "state",
        "did it help",
        "before",
        "after",
        "judged by",
    )
    tasks = facts.tasks[-MOST_ROWS:]
    more = len(facts.tasks) - len(tasks)
    caption = f"Tasks of this feedback and of iteration {iteration}" + (f"; {more} older ones left out" if more else "")
    return Section(
        "tasks",
        "Tasks",
        tables=(Table(caption, columns, tuple(_task(item, facts) for item in tasks), "no theme became a task yet."),),
    )


def _task(task: AcceptedTask, facts: ThemesFacts) -> tuple[Cell, ...]:
    found = facts.helped.get(task.id)
    return (
        Cell(task.id, kind="code", href=facts.addresses.ui_run_by_id(task.run_id)),
        Cell(task.project, href=facts.addresses.project(task.project)),
        Cell(task.text),
        Cell(task.category or "not said"),
        Cell(str(task.iteration), kind="number", href=facts.addresses.iteration(task.iteration)),
        number("" if task.theme_iteration is None else str(task.theme_iteration)),
        number(f"{task.events:,}"),
        _state(task, facts),
        *_helped(task, found),
    )


def _state(task: AcceptedTask, facts: ThemesFacts) -> Cell:
    if task.withdrawn is not None:
        return Cell(f"withdrawn by {task.withdrawn.by}: {task.withdrawn.reason}")
    if task.absorbed is None:
        return Cell("open", Tone.ATTENTION)
    release = facts.releases.get(task.id)
    told = f"absorbed in iteration {task.absorbed.iteration}"
    return Cell(
        told,
        Tone.GOOD,
        href=facts.addresses.ui_run_by_id(task.absorbed.run_id),
        also=(Cell(f"release {release}", href=facts.addresses.release(release)),) if release else (),
    )


def _helped(task: AcceptedTask, found: AbsorbedTask | None) -> tuple[Cell, ...]:
    if task.absorbed is None:
        return Cell("not done yet"), number(""), number(""), Cell(_kpi(task))
    if found is None:
        why = "its iteration's assembly does not tell"
        return Cell(f"{UNKNOWN}: {why}", Tone.UNKNOWN), number(UNKNOWN), number(UNKNOWN), Cell(_kpi(task))
    return (
        Cell(f"{found.helped.value}: {found.why}", _HELP_TONES[found.helped]),
        number(_number(found.before, found.before_n)),
        number(_number(found.after, found.after_n)),
        Cell(_kpi(task)),
    )


def _kpi(task: AcceptedTask) -> str:
    return f"{task.project}.{task.kpi}" if task.kpi else "no KPI was named, so it stays unknown"


def _number(value: float | None, n: int | None) -> str:
    shown = format_value(value, "")
    return shown if value is None else f"{shown} (n = {'unknown' if n is None else f'{n:,}'})"
