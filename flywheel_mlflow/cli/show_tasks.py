"""Prints themes and tasks; every text in them may come from anybody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flywheel_mlflow.base.canonical import plain
from flywheel_mlflow.base.text import fit, visible
from flywheel_mlflow.cli.console import counted, open_console, print_json, say, table
from flywheel_mlflow.cli.show_releases import day
from flywheel_mlflow.feedback.absorption import Help
from flywheel_mlflow.feedback.costs import REUSE_WORDS, cost_of
from flywheel_mlflow.feedback.tasks import TaskKind, by_category
from flywheel_mlflow.promises.budgets import Cost
from flywheel_mlflow.reports.tasks import run_again

if TYPE_CHECKING:
    from rich.console import Console

    from flywheel_mlflow.assembly.assembly import Assembly
    from flywheel_mlflow.base.errors import FlywheelError
    from flywheel_mlflow.feedback.priority import Priority
    from flywheel_mlflow.feedback.recurring import Theme
    from flywheel_mlflow.feedback.tasks import AcceptedTask, CategoryCount, TaskState
    from flywheel_mlflow.operations.feedback.handing import Handed
    from flywheel_mlflow.operations.feedback.reflux import FeedbackMetrics
    from flywheel_mlflow.operations.feedback.task_dataset import CaseResult, WrittenCases
    from flywheel_mlflow.operations.feedback.task_results import TaskResults
    from flywheel_mlflow.operations.feedback.tasking import PreparedTask, ShownTask
    from flywheel_mlflow.operations.feedback.theme_decisions import DecidedTheme
    from flywheel_mlflow.operations.feedback.theming import FoundThemes

TEXT_CELLS = 60


def themes(found: FoundThemes, *, limit: int, project: str | None, as_json: bool) -> None:
    """The themes of an iteration, the most pressing first."""
    by_id = {theme.id: theme for theme in found.themes.themes}
    chosen = [item for item in found.priorities if project in (None, by_id[item.subject].project)]
    if as_json:
        print_json(
            {
                "iteration": found.themes.iteration,
                "run_id": found.run_id,
                "looked": found.themes.looked,
                "embedder": found.themes.embedder,
                "themes": [_theme_document(by_id[item.subject], item, found.state) for item in chosen],
            }
        )
        return
    console = open_console()
    rows = [_theme_row(by_id[item.subject], item, found.state) for item in chosen[:limit]]
    columns = ("theme", "events", "what", "urgency", "benefit", "leverage", "seen before", "decided")
    console.print(table(f"themes of iteration {found.themes.iteration}", columns, rows))
    for item in chosen[: min(limit, 5)]:
        factors(console, item)
    for name, looked in found.themes.looked.items():
        if looked.sampled < looked.events:
            say(console, f"{name}: a sample of {looked.sampled} of {looked.events} events was looked at")
        if looked.alone:
            say(console, f"{name}: {counted(looked.alone, 'event')} beyond the clustered texts fit no theme")
    if used := found.themes.embedder:
        say(console, f"compared by letters and by the model {used.name}, digest {used.digest}")
    say(console, f"{min(limit, len(chosen))} of {counted(len(chosen), 'theme')}")
    if chosen:
        say(console, f"next: flywheel task accept {chosen[0].subject} --category growth --cost 3d")


def factors(console: Console, item: Priority) -> None:
    """The four parts of a benefit and the cost, each with where it comes from."""
    say(console, f"{item.subject}: {item.urgency}: {item.why}")
    for name, part in item.parts.items():
        say(console, f"  {name} {number(part.value)}: {part.origin}")
    say(console, f"  cost {hours(item.cost.value)}: {item.cost.origin}")


def _theme_document(theme: Theme, priority: Priority, state: TaskState) -> dict[str, Any]:
    return {
        **plain(theme),
        "priority": {**plain(priority), "benefit": priority.benefit, "leverage": priority.leverage},
        "decisions": plain(state.about(theme.id)),
        "before": _before(theme, state),
    }


def _theme_row(theme: Theme, priority: Priority, state: TaskState) -> tuple[object, ...]:
    stands = state.latest(theme.id, theme.iteration)
    return (
        theme.id,
        len(theme.events),
        fit(theme.title, TEXT_CELLS),
        priority.urgency,
        number(priority.benefit),
        number(priority.leverage),
        _before(theme, state),
        "" if stands is None else stands.kind if stands.task is None else f"{stands.kind}: {stands.task}",
    )


def _before(theme: Theme, state: TaskState) -> str:
    """In which iterations it was seen, and how each was handled."""
    return "; ".join(f"{turn}: {_handled(theme.id, turn, state)}" for turn in theme.seen_in)


def _handled(theme: str, iteration: int, state: TaskState) -> str:
    stands = state.latest(theme, iteration)
    if stands is None:
        return "nobody decided"
    task = state.tasks.get(stands.task or "")
    if task is None:
        return stands.kind
    return f"absorbed in {task.absorbed.iteration}" if task.absorbed else f"accepted for {task.iteration}"


def number(value: float | None) -> str:
    """A number of three digits, or that nobody knows it."""
    return "unknown" if value is None else f"{value:.3g}"


def hours(value: float | None) -> str:
    """Hours, or that nobody knows them."""
    return "unknown" if value is None else f"{value:.3g} h"


def accepted(prepared: PreparedTask, answer: Mapping[str, Any] | None, *, as_json: bool) -> None:
    """A theme that became a task."""
    task = prepared.task
    if as_json:
        print_json({"dry_run": answer is None, "task": task, "decision": answer})
        return
    console = open_console()
    word = "would be" if answer is None else "is"
    say(console, f"{task.id} {word} a task for {task.project} in iteration {task.iteration} ({task.category})")
    say(console, f"  {fit(task.request, 2 * TEXT_CELLS)}")
    say(console, f"  answers {counted(len(task.events), 'event')}, keeps {counted(len(task.records), 'record')} apart")
    say(console, f"  whether it helps shows {task.project}.{task.kpi}" if task.kpi else "  names no KPI: --kpi NAME")
    if task.moves:
        say(console, f"  is meant to move {', '.join(task.moves)}")
    say(console, f"  is expected to cost {task.cost}" if task.cost else "  costs nobody knows what: --cost 3d")
    if not task.payload:
        say(console, "  has no payload: no pipeline will read it, people do it (--file gives one)")
    if answer is not None:
        say(console, f"written as event {answer['event']}")


def decided(answer: Mapping[str, Any], *, as_json: bool) -> None:
    """A decision about a theme or a task."""
    if as_json:
        print_json(answer)
        return
    told = _told(str(answer["kind"]), answer["body"])
    event = answer["event"]
    say(open_console(), f"would write: {told}" if event is None else f"written as event {event}: {told}")


def _told(kind: str, body: Mapping[str, Any]) -> str:
    """A decision in a few words."""
    if kind == TaskKind.SPENT:
        return f"task {body['task']}: {cost_of(body['total'])} spent in all"
    if kind == TaskKind.ESTIMATED:
        cost, reuse = cost_of(body["cost"]), body["reuse"]
        parts = [str(cost)] if cost else []
        parts += [REUSE_WORDS[reuse]] if reuse else []
        return f"{body['about']}: {', '.join(parts)}"
    words = kind.split("_")
    told = f"{words[0]} {body.get('task') or body.get('theme')} {' '.join(words[1:])}"
    return f"{told} to {body['into']}" if body.get("into") else told


def decided_themes(found: Sequence[DecidedTheme], *, dry_run: bool, as_json: bool) -> bool:
    """What became of a file of decisions; whether all of it is decided."""
    missing = [item for item in found if item.why]
    if as_json:
        print_json({"dry_run": dry_run, "decisions": found, "undecided": len(missing)})
        return not missing
    console = open_console()
    rows = [
        (
            item.line,
            item.project,
            fit(item.title or ", ".join(item.words), TEXT_CELLS),
            item.events,
            item.kind if not item.why else "not decided",
            _decided_by(item, dry_run=dry_run),
        )
        for item in found
    ]
    console.print(table("decisions", ("line", "project", "theme", "events", "decision", "ledger"), rows))
    for item in missing:
        say(console, f"line {item.line}: {item.project}, {', '.join(item.words)}: {item.why}")
    stand = "decision stands" if len(found) == 1 else "decisions stand"
    say(console, f"{len(found) - len(missing)} of {len(found)} {stand}")
    return not missing


def _decided_by(item: DecidedTheme, *, dry_run: bool) -> str:
    if item.why:
        return ""
    if item.stands:
        return "stands already"
    return "would be written" if dry_run else f"event {item.event}"


def results(found: TaskResults, *, as_json: bool) -> None:
    """Whether the tasks of an iteration helped."""
    if as_json:
        print_json(found)
        return
    console = open_console()
    rows = [
        (
            fit(item.task.request or item.task.task, TEXT_CELLS),
            "unknown" if item.task.events is None else item.task.events,
            item.task.kpi or "names none",
            f"{number(item.task.before)} → {number(item.task.after)}",
            "unknown" if item.task.after_n is None else item.task.after_n,
            "unknown" if item.low is None else f"{item.low:+.3g} to {item.high:+.3g}",
            item.task.helped.value,
        )
        for item in found.results
    ]
    against = f" against iteration {found.reference}" if found.reference else ""
    columns = ("task", "events", "KPI on cases no task contains", "before, now", "n", "better by", "verdict")
    if rows:
        console.print(table(f"tasks of iteration {found.iteration}{against}", columns, rows))
    for item in found.results:
        if item.task.helped is Help.UNKNOWN:
            say(console, f"{item.task.task}: {visible(item.task.why)}")
    counts = Counter(item.task.helped.value for item in found.results)
    verdicts = ", ".join(f"{count} {verdict}" for verdict, count in counts.items()) or "none"
    say(console, f"{counted(len(found.results), 'task')} absorbed: {verdicts}; {found.kept} kept, {found.lost} lost")
    say(console, f"share of feedback acted on: {_share(found.reflux_rate)}")


def listed(
    state: TaskState, releases: Mapping[str, int], *, iteration: int | None, project: str | None, as_json: bool
) -> None:
    """Tasks, the themes that wait, how many there are of each class."""
    chosen = [
        task for task in state.tasks.values() if iteration in (None, task.iteration) and project in (None, task.project)
    ]
    waiting = [
        item for item in state.decisions if item.kind == "queued" and state.latest(item.theme, item.iteration) == item
    ]
    if as_json:
        documents = [{**plain(task), "release": releases.get(task.id)} for task in chosen]
        print_json({"tasks": documents, "queue": waiting, "by_category": by_category(chosen)})
        return
    console = open_console()
    rows = [
        (
            task.id,
            task.project,
            task.iteration,
            task.category or "not said",
            task.events,
            _costs(task),
            fit(task.text, TEXT_CELLS),
            _became(task, releases.get(task.id)),
        )
        for task in chosen
    ]
    console.print(table("tasks", ("task", "project", "iteration", "for", "events", "cost", "what", "state"), rows))
    if waiting:
        queue = [(item.theme, item.iteration, fit(item.reason, TEXT_CELLS), item.by) for item in waiting]
        console.print(table("queued themes", ("theme", "iteration", "why", "by"), queue))
    _by_category(by_category(chosen))


def _by_category(lines: tuple[CategoryCount, ...]) -> None:
    rows = [(item.category, item.tasks, item.absorbed, item.events) for item in lines]
    open_console().print(table("tasks by class", ("for", "tasks", "absorbed", "events answered"), rows))


def _costs(task: AcceptedTask) -> str:
    """What was stated of a task, and what was spent on it."""
    stated = str(task.cost) if task.cost else "unknown"
    spent = " and ".join(str(Cost(amount, unit)) for unit, amount in task.costed.totals.items())
    return f"{stated}, spent {spent}" if spent else stated


def _became(task: AcceptedTask, release: int | None) -> str:
    state = f"absorbed in iteration {task.absorbed.iteration}" if task.absorbed else "open"
    if release is not None:
        state += f", release {release}"
    return state if task.withdrawn is None else f"{state}, withdrawn by {task.withdrawn.by}: {task.withdrawn.reason}"


def shown(found: ShownTask, *, as_json: bool) -> None:
    """One task."""
    if as_json:
        print_json(found)
        return
    console, task, decision = open_console(), found.task, found.accepted
    say(console, f"{decision.id}: {visible(task.request if task else decision.text)}")
    say(
        console, f"for {decision.project} in iteration {decision.iteration}, {decision.category or 'category not said'}"
    )
    how = "came as a file, written down" if decision.from_file else "accepted"
    say(console, f"{how} by {decision.by} on {day(decision.at)} UTC; {_became(decision, found.release)}")
    if task is None:
        say(console, "its run kept no document of it: later iterations need its file (--tasks)")
    elif not decision.from_file:
        about = f"iteration {task.feedback_iteration}, theme {task.theme}"
        say(console, f"answers {counted(len(task.events), 'event')} of {about}")
        for event in task.events[:5]:
            say(console, f"  {fit(event, TEXT_CELLS)}")
        if len(task.events) > 5:
            say(console, f"  and {len(task.events) - 5} more")
    say(console, f"cost: {_costs(decision)}")
    measured = f"measured by {decision.project}.{decision.kpi}"
    say(console, measured if decision.kpi else "names no KPI: whether it helps stays unknown")
    if decision.moves:
        say(console, f"is meant to move {', '.join(decision.moves)}")
    say(console, f"keeps {counted(decision.records, 'record')} apart; run {decision.run_id}")
    for item in found.decisions:
        reason = f": {visible(item.reason)}" if item.reason else ""
        say(console, f"  event {item.number}: {item.kind} in iteration {item.iteration} by {item.by}{reason}")


def handed(found: Handed, folder: str, *, as_json: bool) -> None:
    """Tasks that were written as files, and those that wait."""
    if as_json:
        print_json(found)
        return
    say(open_console(), f"wrote {counted(len(found.written), 'task')} below {folder}")
    waiting(found)


def written_cases(found: WrittenCases, *, as_json: bool) -> None:
    """Records that a task's events became, and events that became none."""
    if as_json:
        print_json(found)
        return
    console = open_console()
    verb = "would write" if found.dry_run else "wrote"
    say(console, f"{verb} {counted(found.new, 'new record')} of {found.task} into {found.dataset}")
    for count, words in ((found.grown, "got its mark or correction"), (found.same, "there already")):
        if count:
            say(console, f"  {counted(count, 'record')} {words}")
    for event, why in found.left_out.items():
        say(console, f"  left out {event}: {why}")
    for remark in found.remarks:
        say(console, f"  {remark}")


def case_results(task: str, iteration: int, found: Sequence[CaseResult], *, as_json: bool) -> None:
    """What an evaluation says about a task's records, by KPI."""
    if as_json:
        print_json({"task": task, "iteration": iteration, "results": found})
        return
    console = open_console()
    rows = [
        (
            item.kpi,
            item.records,
            f"{_mean(item.before)} of {item.judged_before}",
            f"{_mean(item.mean)} of {item.judged}",
        )
        for item in found
    ]
    columns = ("KPI", "records", f"iteration {iteration - 1}", f"iteration {iteration}")
    console.print(table(f"the cases of {task}", columns, rows))
    if not any(item.judged for item in found):
        say(
            console,
            f"no evaluation of iteration {iteration} judged them: evaluate the data set in a run of the project",
        )
    say(console, f"whether it helped on cases it does not hold: `flywheel task results --iteration {iteration}`")


def _mean(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4g}"


def waiting(found: Handed) -> None:
    """The tasks of an iteration that no pipeline is handed."""
    for name, why in found.waiting.items():
        say(open_console(), f"task {name} waits: {why}")


def after_assembly(assembly: Assembly, unrecorded: Mapping[str, FlywheelError]) -> None:
    """What was lost, withdrawn or not written down, on standard error: standard output is the assembly's."""
    console = open_console(stderr=True)
    found = assembly.absorption
    for lost in found.lost:
        moved = f" ({lost.kpi})" if lost.kpi else ""
        say(console, f"LOST: the gain of task {lost.task} for {lost.project}{moved}: {lost.why}")
    if found.lost:
        say(console, f"  hand it on: `{run_again(found.lost, assembly.iteration)}`")
        say(console, "  or say that it is not wanted any more: `flywheel task withdraw TASK --reason TEXT`")
    for gone in found.withdrawn:
        say(console, f"task {gone.task} for {gone.project} was withdrawn by {gone.by}: {gone.reason}")
    for name, error in unrecorded.items():
        say(console, f"NOT RECORDED: the absorption of task {name}: {error.what}")
    if unrecorded:
        say(
            console, "  later iterations are not handed these tasks; assemble again as somebody who may write decisions"
        )


def metrics(found: FeedbackMetrics, *, as_json: bool) -> None:
    """What became of feedback."""
    if as_json:
        items = [{**plain(item), "reflux_rate": item.reflux_rate} for item in found.iterations]
        print_json({"iterations": items, "reflux_rate": found.reflux_rate, "by_category": found.by_category})
        return
    rows = [
        (
            item.iteration,
            item.events,
            _share(item.unroutable_rate),
            _share(item.misroute_rate),
            "unknown" if item.age is None else f"{item.age.median:.1f}",
            item.answered,
            item.absorbed,
            _share(item.reflux_rate),
            item.tasks_absorbed,
        )
        for item in found.iterations
    ]
    columns = ("iteration", "events", "unroutable", "misrouted", "median age (days)", "answered by tasks", "absorbed")
    console = open_console()
    console.print(table("feedback", (*columns, "reflux", "tasks absorbed here"), rows))
    say(console, f"reflux over all: {_share(found.reflux_rate)}")
    _by_category(found.by_category)


def _share(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1%}"
