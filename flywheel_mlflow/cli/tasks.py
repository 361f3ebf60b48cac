"""The commands about tasks: what feedback became, and what is decided about it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flywheel_mlflow.cli.options import AsJson, DryRun
from flywheel_mlflow.cli.session import Context, open_session

tasks = typer.Typer(
    name="task",
    help="Tasks that themes of feedback became.",
    no_args_is_help=True,
)

ThemeId = Annotated[str, typer.Argument(help="The theme's id, as `flywheel feedback themes` shows it.")]
TaskId = Annotated[str, typer.Argument(help="The task's id.")]
FoundIn = Annotated[
    int | None, typer.Option("--iteration", "-i", min=1, help="Whose feedback is meant; the newest if left out.")
]
Reason = Annotated[str, typer.Option(help="Why; kept for good.")]


@tasks.command("accept")
def accept_command(
    context: Context,
    theme: ThemeId,
    category: Annotated[str, typer.Option(help="What the work is for: growth, efficiency, defence or organisation.")],
    iteration: FoundIn = None,
    turn: Annotated[
        int | None, typer.Option("--for", min=1, help="The iteration that shall do it; the next one if left out.")
    ] = None,
    text: Annotated[str, typer.Option(help="What is asked; the file's request or the theme's title if left out.")] = "",
    kpi: Annotated[
        str, typer.Option(help="The project's KPI that will show whether it helped, on cases the task does not hold.")
    ] = "",
    moves: Annotated[
        list[str] | None, typer.Option(help="A finding it is meant to move besides the KPI. Repeatable.")
    ] = None,
    cost: Annotated[
        str, typer.Option(help="What it is expected to cost: 3d, 12h, 500 EUR. As was estimated if left out.")
    ] = "",
    file: Annotated[
        Path | None, typer.Option(help="A task file (JSON) whose payload the project's pipeline understands.")
    ] = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Accept a theme or candidate as a task."""
    from flywheel_mlflow.cli import show_tasks
    from flywheel_mlflow.operations.feedback.tasking import prepare_task

    session = open_session(context)
    prepared = prepare_task(
        session.acting,
        theme,
        category=category,
        found_in=iteration,
        iteration=turn,
        request=text,
        kpi=kpi,
        moves=moves or (),
        cost=cost,
        file=file,
        dry_run=dry_run,
    )
    answer = None
    if prepared.run_id is not None:
        answer = session.act("task-accept", run_id=prepared.run_id, digest=prepared.digest)
    show_tasks.accepted(prepared, answer, as_json=as_json)


@tasks.command("priorities")
def priorities_command(
    context: Context,
    iteration: Annotated[
        int | None, typer.Option("--iteration", "-i", min=1, help="After which iteration; the newest if left out.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Show also what was decided.")] = False,
    project: Annotated[str, typer.Option(help="Only what this project would do.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many are shown.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Rank what to do next by leverage, the benefit of an hour."""
    from flywheel_mlflow.cli import show_feedback, show_priorities
    from flywheel_mlflow.operations.feedback.prioritising import read_ranking

    session = open_session(context)
    wanted = session.flywheel.project_of(project) if project else None
    found = read_ranking(session.flywheel, session.tracking, now=show_feedback.now(), iteration=iteration)
    show_priorities.ranked(found, everything=everything, project=wanted, limit=limit, as_json=as_json)


@tasks.command("budget")
def budget_command(
    context: Context,
    quarter: Annotated[str, typer.Option(help="Such as 2026Q4; the present one if left out.")] = "",
    as_json: AsJson = False,
) -> None:
    """Show a quarter's budget and what is spent of it."""
    from flywheel_mlflow.cli import show_feedback, show_priorities
    from flywheel_mlflow.operations.feedback.prioritising import quarter_spending
    from flywheel_mlflow.operations.feedback.tasking import list_tasks

    session = open_session(context)
    state, _ = list_tasks(session.acting)
    found = quarter_spending(session.flywheel, state, now=show_feedback.now(), quarter=quarter)
    show_priorities.budget(found, as_json=as_json)


@tasks.command("estimate")
def estimate_command(
    context: Context,
    about: Annotated[str, typer.Argument(help="The id of a theme, another candidate, or a task.")],
    reason: Reason,
    cost: Annotated[str, typer.Option(help="What it is expected to cost: 3d, 12h, 500 EUR.")] = "",
    reuse: Annotated[str, typer.Option(help="asset: it is used again. one_time: it is a one-time result.")] = "",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """State what a change costs, and whether it is used again."""
    from flywheel_mlflow.cli import show_tasks

    answer = open_session(context).act(
        "task-estimate", about=about, cost=cost or None, reuse=reuse or None, reason=reason, dry_run=dry_run
    )
    show_tasks.decided(answer, as_json=as_json)


@tasks.command("spend")
def spend_command(
    context: Context,
    task: TaskId,
    total: Annotated[str, typer.Option(help="All that was spent on it so far: 12h, 2d, 500 EUR.")],
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """State what was spent on a task in all."""
    from flywheel_mlflow.cli import show_tasks

    answer = open_session(context).act("task-spend", task=task, total=total, dry_run=dry_run)
    show_tasks.decided(answer, as_json=as_json)


@tasks.command("queue")
def queue_command(
    context: Context, theme: ThemeId, reason: Reason, iteration: FoundIn = None, dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Queue a theme or candidate for a later iteration."""
    from flywheel_mlflow.cli import show_tasks

    answer = open_session(context).act("theme-queue", theme=theme, reason=reason, iteration=iteration, dry_run=dry_run)
    show_tasks.decided(answer, as_json=as_json)


@tasks.command("decline")
def decline_command(
    context: Context, theme: ThemeId, reason: Reason, iteration: FoundIn = None, dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Decline a theme or candidate, with a reason."""
    from flywheel_mlflow.cli import show_tasks

    answer = open_session(context).act(
        "theme-decline", theme=theme, reason=reason, iteration=iteration, dry_run=dry_run
    )
    show_tasks.decided(answer, as_json=as_json)


@tasks.command("decide")
def decide_command(
    context: Context,
    file: Annotated[Path, typer.Argument(help="A file of decisions (YAML).")],
    iteration: Annotated[int, typer.Option("--iteration", "-i", min=1, help="The iteration whose feedback is meant.")],
    turn: Annotated[
        int | None, typer.Option("--for", min=1, help="The iteration that shall do it; the next one if left out.")
    ] = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Decide about themes as a file says. Safe to run again."""
    from flywheel_mlflow.base.errors import ExitCode
    from flywheel_mlflow.cli import show_feedback, show_tasks
    from flywheel_mlflow.operations.feedback.theme_decisions import decide_themes

    session = open_session(context)
    decided = decide_themes(
        session.acting, file, iteration, session.act, now=show_feedback.now(), iteration=turn, dry_run=dry_run
    )
    if not show_tasks.decided_themes(decided, dry_run=dry_run, as_json=as_json):
        raise typer.Exit(ExitCode.BLOCK)


@tasks.command("results")
def results_command(
    context: Context,
    iteration: Annotated[
        int | None, typer.Option("--iteration", "-i", min=1, help="The iteration that absorbed them; the newest one.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show whether an iteration's tasks helped. Judged on cases that no task contains."""
    from flywheel_mlflow.cli import show_tasks
    from flywheel_mlflow.operations.feedback.task_results import task_results

    session = open_session(context)
    show_tasks.results(task_results(session.tracking, session.iteration(iteration)), as_json=as_json)


@tasks.command("absorb")
def absorb_command(
    context: Context,
    task: TaskId,
    iteration: Annotated[int, typer.Option("--iteration", "-i", min=1, help="The iteration that did it.")],
    evidence: Annotated[str, typer.Option(help="The run that shows it.")],
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Record that people did a task. `flywheel assemble` does so for pipelines."""
    from flywheel_mlflow.cli import show_tasks

    answer = open_session(context).act(
        "task-absorb", task=task, iteration=iteration, evidence=evidence, dry_run=dry_run
    )
    show_tasks.decided(answer, as_json=as_json)


@tasks.command("withdraw")
def withdraw_command(
    context: Context, task: TaskId, reason: Reason, dry_run: DryRun = False, as_json: AsJson = False
) -> None:
    """Withdraw a task. Later iterations no longer get it."""
    from flywheel_mlflow.cli import show_tasks

    answer = open_session(context).act("task-withdraw", task=task, reason=reason, dry_run=dry_run)
    show_tasks.decided(answer, as_json=as_json)


@tasks.command("restore")
def restore_command(
    context: Context, task: TaskId, reason: Reason, dry_run: DryRun = False, as_json: AsJson = False
) -> None:
    """Restore a withdrawn task. Later iterations get it again."""
    from flywheel_mlflow.cli import show_tasks

    answer = open_session(context).act("task-restore", task=task, reason=reason, dry_run=dry_run)
    show_tasks.decided(answer, as_json=as_json)


@tasks.command("list")
def list_command(
    context: Context,
    iteration: Annotated[
        int | None, typer.Option("--iteration", "-i", min=1, help="Only tasks for this iteration.")
    ] = None,
    project: Annotated[str, typer.Option(help="Only tasks of this project.")] = "",
    as_json: AsJson = False,
) -> None:
    """List tasks and the queue, and count them by class."""
    from flywheel_mlflow.cli import show_tasks
    from flywheel_mlflow.operations.feedback.tasking import list_tasks

    session = open_session(context)
    wanted = session.flywheel.project_of(project) if project else None
    state, releases = list_tasks(session.acting)
    show_tasks.listed(state, releases, iteration=iteration, project=wanted, as_json=as_json)


@tasks.command("show")
def show_command(context: Context, task: TaskId, as_json: AsJson = False) -> None:
    """Show a task: what it asks and where it was absorbed."""
    from flywheel_mlflow.cli import show_tasks
    from flywheel_mlflow.operations.feedback.tasking import show_task

    show_tasks.shown(show_task(open_session(context).acting, task), as_json=as_json)


@tasks.command("write")
def write_command(
    context: Context,
    iteration: Annotated[int, typer.Option("--iteration", "-i", min=1, help="The iteration that shall do them.")],
    out: Annotated[Path, typer.Option(help="The folder that gets one file for each task.")],
    as_json: AsJson = False,
) -> None:
    """Write an iteration's tasks as files. For pipelines that are run elsewhere."""
    from flywheel_mlflow.cli import show_tasks
    from flywheel_mlflow.operations.feedback.handing import write_tasks

    show_tasks.handed(write_tasks(open_session(context).acting, iteration, out), str(out), as_json=as_json)


@tasks.command("write-dataset")
def write_dataset_command(
    context: Context,
    task: TaskId,
    dataset: Annotated[str, typer.Option(help="The evaluation dataset; PROJECT-feedback if left out.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be written.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make test cases of the events of a task, for MLflow."""
    from flywheel_mlflow.cli import show_tasks
    from flywheel_mlflow.operations.feedback.task_dataset import write_dataset

    written = write_dataset(open_session(context).acting, task, dataset=dataset, dry_run=dry_run)
    show_tasks.written_cases(written, as_json=as_json)


@tasks.command("case-results")
def case_results_command(
    context: Context,
    task: TaskId,
    iteration: Annotated[int, typer.Option("--iteration", "-i", min=1, help="Whose evaluation is asked.")],
    dataset: Annotated[str, typer.Option(help="The evaluation dataset; PROJECT-feedback if left out.")] = "",
    as_json: AsJson = False,
) -> None:
    """Show what an evaluation says about a task's test cases."""
    from flywheel_mlflow.cli import show_tasks
    from flywheel_mlflow.operations.feedback.task_dataset import case_results

    found = case_results(open_session(context).acting, task, iteration, dataset=dataset)
    show_tasks.case_results(task, iteration, found, as_json=as_json)
