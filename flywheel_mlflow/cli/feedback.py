"""The commands about feedback: taking it in, routing it, explaining and correcting where it goes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from flywheel_mlflow.cli.options import AsJson, DryRun, Iteration
from flywheel_mlflow.cli.session import CommandSession, Context, EngineOption, open_session

feedback = typer.Typer(name="feedback", help="Feedback events and which project they go to.", no_args_is_help=True)

MaybeIteration = Annotated[
    int | None, typer.Option("--iteration", "-i", min=1, help="Number of the iteration; all if left out.")
]
EventId = Annotated[str, typer.Argument(help="The event's id.")]


@feedback.command()
def ingest(
    context: Context,
    files: Annotated[list[Path], typer.Argument(help="JSONL, JSON, CSV, TSV or Parquet files.")],
    iteration: Iteration,
    mapping: Annotated[
        str, typer.Option(help="A shipped mapping by name, or YAML that says which column is which field.")
    ] = "",
    zone: Annotated[str, typer.Option(help="Zone of times that state none: Europe/Berlin. With --mapping.")] = "",
    observed: Annotated[
        str, typer.Option(help="Time of events that state none: 2026-10-01T12:00:00Z. With --mapping.")
    ] = "",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Take events in, each once, and route them. Lines that are no events become dead letters."""
    from flywheel_mlflow.base.errors import InputError
    from flywheel_mlflow.cli import progress, show, show_feedback
    from flywheel_mlflow.feedback.mapping import read_mapping, with_times
    from flywheel_mlflow.operations.feedback.feedback import ingest_files

    if (zone or observed) and not mapping:
        raise InputError("--zone and --observed need a mapping", hint="--mapping NAME or FILE")
    session = open_session(context)
    how = with_times(read_mapping(mapping), zone=zone, observed=observed) if mapping else None
    with progress.rows_measured() as describe_events:
        done = ingest_files(
            session.flywheel, session.tracking, files, iteration, mapping=how, dry_run=dry_run, progress=describe_events
        )
    show_feedback.ingested(done, dry_run=dry_run, as_json=as_json)
    _tell(session, sum(item.taken.new for item in done), dry_run=dry_run)
    failures = list(dict.fromkeys(item.failure for item in done if item.failure is not None))
    for failure in failures:
        show.show_error(failure, verbose=context.obj[2] > 0)
    if failures:
        raise typer.Exit(max(failure.exit_code for failure in failures))


@feedback.command("mappings")
def mappings_command(
    name: Annotated[str, typer.Argument(help="Print this one; all names are listed if left out.")] = "",
) -> None:
    """List the shipped mappings, or print one to start your own."""
    from flywheel_mlflow.cli import show_feedback

    show_feedback.mappings(name)


@feedback.command("pull-traces")
def pull_traces_command(
    context: Context,
    experiment: Annotated[str, typer.Option(help="The MLflow experiment that holds the traces.")],
    iteration: Iteration,
    since: Annotated[str, typer.Option(help="Only what was said or went wrong since: 2026-10-01T12:00:00Z, UTC.")] = "",
    begun: Annotated[str, typer.Option(help="Look only at traces that began since. All if left out.")] = "",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Take in what was said of traces, and what failed in them."""
    from flywheel_mlflow.cli import progress, show_feedback
    from flywheel_mlflow.operations.feedback.feedback import pull_traces

    session = open_session(context)
    with progress.working(f"reading the traces of {experiment}"):
        counts, done = pull_traces(
            session.flywheel,
            session.tracking,
            experiment,
            iteration,
            since=show_feedback.moment(since),
            begun=show_feedback.moment(begun),
            dry_run=dry_run,
        )
    show_feedback.pulled(counts, done, dry_run=dry_run, as_json=as_json)
    _tell(session, done.taken.new, dry_run=dry_run)


@feedback.command("pull-findings")
def pull_findings_command(
    context: Context, iteration: Iteration, dry_run: DryRun = False, as_json: AsJson = False
) -> None:
    """Take in the flywheel's own findings. `flywheel assemble` does it too."""
    from flywheel_mlflow.cli import progress, show_feedback
    from flywheel_mlflow.operations.assembly.noticing import pull_findings

    session = open_session(context)
    with progress.working(f"looking for findings of iteration {iteration}"):
        noticed = pull_findings(session.flywheel, session.tracking, iteration, dry_run=dry_run)
    show_feedback.noticed(noticed, dry_run=dry_run, as_json=as_json)
    _tell(session, noticed.ingested.taken.new, dry_run=dry_run)


def _tell(session: CommandSession, new: int, *, dry_run: bool) -> None:
    """Tell the teams that answer for what came in."""
    from flywheel_mlflow.cli import progress, show_notifications
    from flywheel_mlflow.operations.acts.acting import tell_people

    if new and not dry_run:
        with progress.steps() as step:
            unsent = tell_people(session.acting, step)
        show_notifications.unsent(unsent)


@feedback.command()
def route(
    context: Context,
    iteration: Iteration,
    out: Annotated[
        str, typer.Option(help="Write all events with their routes as CSV and JSONL into this folder.")
    ] = "",
    engine: EngineOption = "local",
    as_json: AsJson = False,
) -> None:
    """Show where an iteration's feedback goes."""
    from flywheel_mlflow.cli import show_feedback
    from flywheel_mlflow.operations.feedback.routing import route_iteration

    session = open_session(context)
    found = route_iteration(
        session.flywheel,
        session.tracking,
        iteration,
        now=show_feedback.now(),
        out=Path(out) if out else None,
        engine=engine,
    )
    show_feedback.routed(found, as_json=as_json)


@feedback.command("list")
def list_command(
    context: Context,
    iteration: MaybeIteration = None,
    to: Annotated[str, typer.Option(help="Only what goes to this project.")] = "",
    unroutable: Annotated[bool, typer.Option("--unroutable", help="Only what no rule takes.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many are shown.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List events with where they go."""
    from flywheel_mlflow.base.errors import InputError
    from flywheel_mlflow.cli import show_feedback
    from flywheel_mlflow.operations.feedback.routing import list_events

    if to and unroutable:
        raise InputError(
            "--to and --unroutable exclude each other: what no rule takes goes to no project",
            hint="leave one of them out",
        )
    session = open_session(context)
    total, rows = list_events(session.flywheel, session.tracking, iteration, to=None if unroutable else to, limit=limit)
    show_feedback.listed(total, rows, as_json=as_json)


@feedback.command()
def explain(context: Context, event: EventId, as_json: AsJson = False) -> None:
    """Show why an event goes where it goes."""
    from flywheel_mlflow.cli import show_feedback
    from flywheel_mlflow.operations.feedback.routing import explain_event

    session = open_session(context)
    show_feedback.explained(explain_event(session.flywheel, session.tracking, event), as_json=as_json)


@feedback.command()
def reroute(
    context: Context,
    event: EventId,
    to: Annotated[str, typer.Option(help="The project that should have got it.")],
    reason: Annotated[str, typer.Option(help="Why the rules are wrong here.")],
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Send an event to another project. Counts as a misroute of the rules."""
    from flywheel_mlflow.cli import show_feedback

    answer = open_session(context).act("reroute", event=event, to=to, reason=reason, dry_run=dry_run)
    show_feedback.rerouted(answer, dry_run=dry_run, as_json=as_json)


@feedback.command("themes")
def themes_command(
    context: Context,
    iteration: Iteration,
    project: Annotated[str, typer.Option(help="Only themes of this project.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many are shown.")] = 20,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Group an iteration's events into themes."""
    from flywheel_mlflow.cli import progress, show_feedback, show_tasks
    from flywheel_mlflow.operations.acts.following import watch_risks
    from flywheel_mlflow.operations.feedback.theming import find_themes

    session = open_session(context)
    wanted = session.flywheel.project_of(project) if project else None
    with progress.working(f"grouping the events of iteration {iteration}"):
        found = find_themes(session.flywheel, session.tracking, iteration, now=show_feedback.now(), dry_run=dry_run)
    if not dry_run:
        watch_risks(session.acting, iteration)
    show_tasks.themes(found, limit=limit, project=wanted, as_json=as_json)


ThemeId = Annotated[str, typer.Argument(help="The theme's id, as `flywheel feedback themes` shows it.")]
WhyTheme = Annotated[str, typer.Option("--reason", help="Why.")]


@feedback.command("rename-theme")
def rename_theme_command(
    context: Context,
    theme: ThemeId,
    title: Annotated[str, typer.Option(help="What the theme is called from now on.")],
    reason: WhyTheme,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Give a theme another title."""
    _correct(context, "theme-rename", {"theme": theme, "title": title, "reason": reason}, dry_run, as_json)


@feedback.command("merge-themes")
def merge_themes_command(
    context: Context,
    theme: ThemeId,
    into: Annotated[str, typer.Option(help="The theme that takes its events and stays.")],
    reason: WhyTheme,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Make two themes one."""
    _correct(context, "theme-merge", {"theme": theme, "into": into, "reason": reason}, dry_run, as_json)


@feedback.command("move-events")
def move_events_command(
    context: Context,
    theme: ThemeId,
    events: Annotated[list[str], typer.Argument(help="Ids of the events to move.")],
    reason: WhyTheme,
    into: Annotated[str, typer.Option(help="The theme they belong to. A new one if left out.")] = "",
    title: Annotated[str, typer.Option(help="Title of the new theme.")] = "",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Move events to another theme, or split them off."""
    asked = {"theme": theme, "events": events, "into": into or None, "title": title or None, "reason": reason}
    _correct(context, "theme-move", asked, dry_run, as_json)


def _correct(context: Context, name: str, asked: dict[str, Any], dry_run: bool, as_json: bool) -> None:
    """Write the change down, and keep the themes of its iteration as they are with it."""
    from flywheel_mlflow.cli import show_feedback, show_tasks
    from flywheel_mlflow.operations.feedback.theming import find_themes

    session = open_session(context)
    answer = session.act(name, **asked, dry_run=dry_run)
    if not dry_run:
        turn = answer["body"]["iteration"]
        find_themes(session.flywheel, session.tracking, turn, now=show_feedback.now())
    show_tasks.decided(answer, as_json=as_json)


@feedback.command("metrics")
def metrics_command(context: Context, iteration: MaybeIteration = None, as_json: AsJson = False) -> None:
    """Show what became of feedback."""
    from flywheel_mlflow.cli import show_feedback, show_tasks
    from flywheel_mlflow.operations.feedback.reflux import feedback_metrics

    session = open_session(context)
    found = feedback_metrics(session.flywheel, session.tracking, now=show_feedback.now(), iteration=iteration)
    show_tasks.metrics(found, as_json=as_json)


@feedback.command("test-rules")
def try_rules_command(
    context: Context,
    files: Annotated[
        list[Path] | None, typer.Argument(help="Labelled examples as JSONL; tests/routing/*.jsonl if left out.")
    ] = None,
    floor: Annotated[float, typer.Option(min=0, max=1, help="Precision and recall that must be reached.")] = 0.8,
    as_json: AsJson = False,
) -> None:
    """Try the routing rules on labelled examples."""
    from flywheel_mlflow.base.errors import ExitCode
    from flywheel_mlflow.cli import show_feedback
    from flywheel_mlflow.operations.feedback.routing import try_rules

    session = open_session(context)
    if not show_feedback.tried(try_rules(session.flywheel, files or []), floor, as_json=as_json):
        raise typer.Exit(ExitCode.BLOCK)
