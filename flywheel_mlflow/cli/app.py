"""The commands of ``flywheel``."""

from __future__ import annotations

import os
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Literal, cast

import typer

from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.base.settings import UI_HOST, UI_PORT
from flywheel_mlflow.cli.drift import drift as drift_command
from flywheel_mlflow.cli.experiments import experiments
from flywheel_mlflow.cli.feedback import feedback
from flywheel_mlflow.cli.groups import GroupedCommands
from flywheel_mlflow.cli.human_review import human_review
from flywheel_mlflow.cli.logs import show_logs
from flywheel_mlflow.cli.notify import notifications
from flywheel_mlflow.cli.options import AsJson, Iteration, MaybeIteration
from flywheel_mlflow.cli.questions import budget, explain, impact
from flywheel_mlflow.cli.releases import add_to
from flywheel_mlflow.cli.reporting import report as report_command
from flywheel_mlflow.cli.review import review as review_command
from flywheel_mlflow.cli.risks import risks
from flywheel_mlflow.cli.schedule import run as run_command
from flywheel_mlflow.cli.schedule import schedule as schedule_command
from flywheel_mlflow.cli.session import EngineOption, OpenLineage
from flywheel_mlflow.cli.session import open_session as _session
from flywheel_mlflow.cli.tasks import tasks as tasks_commands
from flywheel_mlflow.cli.variants import variants

app = typer.Typer(
    name="flywheel",
    cls=GroupedCommands,
    help="Assemble many LLM data projects, logged in MLflow, into one reviewable flywheel.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    epilog="Exit codes: 0 pass, 1 block, 2 wrong usage or bad input, 3 inconclusive, 4 the tool or a server failed.",
)

Context = typer.Context
# Options of type str take "" for "left out": MLflow Projects can hand over no less than that.


def _version(wanted: bool) -> None:
    if wanted:
        from flywheel_mlflow import __version__

        typer.echo(f"flywheel {__version__}")
        raise typer.Exit


@app.callback()
def options(
    context: Context,
    root: Annotated[
        Path | None,
        typer.Option(help="The flywheel's folder; found upward from here if left out.", envvar="FLYWHEEL_ROOT"),
    ] = None,
    tracking_uri: Annotated[
        str | None, typer.Option(help="MLflow server or store; else MLFLOW_TRACKING_URI, else ./mlflow-data.")
    ] = None,
    verbose: Annotated[
        int,
        typer.Option(
            "--verbose",
            "-v",
            count=True,
            metavar="",
            show_default=False,
            help="Show causes of errors and what is done; -vv: requests too.",
        ),
    ] = 0,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options of every command."""
    del version  # its callback has printed and left
    show_logs(verbose)
    context.obj = (root, tracking_uri, verbose)


@app.command()
def validate(context: Context, as_json: AsJson = False) -> None:
    """Check the blueprint and all contracts. Reports all faults of all files at once."""
    from flywheel_mlflow.cli import show
    from flywheel_mlflow.operations.assembly.validating import refuse_faulty

    flywheel = _session(context).flywheel
    refuse_faulty(flywheel)
    show.flywheel(flywheel, as_json=as_json)


@app.command()
def schema(
    kind: Annotated[str, typer.Argument(help="contract, blueprint, feedback_event or feedback_mapping.")],
) -> None:
    """Print the JSON Schema of a kind of file."""
    from flywheel_mlflow.operations.schemas import json_schema

    typer.echo(json_schema(kind), nl=False)


@app.command()
def init(
    context: Context,
    name: Annotated[
        str | None, typer.Argument(help="Write a new flywheel into a folder of this name; left out: the one here.")
    ] = None,
    project: Annotated[
        list[str] | None, typer.Option(help="A project of the new flywheel; may be given several times.")
    ] = None,
    template: Annotated[
        Literal["minimal", "llm"],
        typer.Option(help="minimal: independent projects; llm: each project reads the one before it."),
    ] = "minimal",
) -> None:
    """Start a new flywheel, or prepare the store of this one. Safe to run again."""
    from flywheel_mlflow.cli import show_start
    from flywheel_mlflow.operations.projects.starting import init_flywheel

    if name is None:
        if project or template != "minimal":
            raise InputError("--project and --template are for a new flywheel", hint="flywheel init NAME --project ID")
        session = _session(context)
        show_start.ready(session.flywheel, session.settings, init_flywheel(session.flywheel, session.tracking))
        return
    from flywheel_mlflow import __version__
    from flywheel_mlflow.operations.projects.starting import new_flywheel

    made = new_flywheel(name, project or (), template, parent=Path.cwd(), version=__version__)
    show_start.started(*made, elsewhere=bool(os.environ.get("FLYWHEEL_ROOT")))


@app.command()
def ui(
    context: Context,
    host: Annotated[
        str, typer.Option(help="Where it listens; others reach it only on another host than this.")
    ] = UI_HOST,
    port: Annotated[int, typer.Option(min=1, max=65_535, help="The port it listens on.")] = UI_PORT,
    auth: Annotated[bool, typer.Option("--auth", help="With accounts: people log in.")] = False,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the console in a browser.")] = True,
) -> None:
    """Serve MLflow with the console, and open a browser. Ctrl-C ends it."""
    from flywheel_mlflow.cli import show_start
    from flywheel_mlflow.operations.local_accounts import local_accounts
    from flywheel_mlflow.operations.serving import console_of, serve

    session = _session(context)
    flywheel, settings = session.flywheel, session.settings
    if settings.is_server:
        show_start.served(console_of(settings, session.tracking.server.about), browser=browser)
        return
    accounts = local_accounts(flywheel, settings, os.environ) if auth else None
    show_start.served_openly(host, auth=auth)
    ready = partial(show_start.served, browser=browser, password=accounts.password if accounts else "")
    serve(settings, host=host, port=port, accounts=accounts, ready=ready)


@app.command("init-project")
def init_project_command(
    context: Context, folder: Annotated[Path, typer.Argument(help="The new project's folder.")]
) -> None:
    """Write a commented contract for a new project."""
    from flywheel_mlflow.cli.session import root_or_none
    from flywheel_mlflow.operations.projects.starting import init_project, next_step

    root = root_or_none(context.obj[0])
    target = init_project(folder, root)
    typer.echo(f"wrote {target}\n{next_step(target, root)}")


@app.command()
def log(
    context: Context,
    project: Annotated[str, typer.Argument(help="The project's folder or id.")],
    iteration: Iteration,
    results: Annotated[str, typer.Option(help="Folder with the result files; the contract's if left out.")] = "",
    published: Annotated[bool, typer.Option("--published", help="Log the project's published figures.")] = False,
    variant: Annotated[str, typer.Option(help="A variant of the contract; the control if left out.")] = "",
    engine: EngineOption = "local",
    as_json: AsJson = False,
) -> None:
    """Log a project's run from its result files. Shows whether the contract holds."""
    from flywheel_mlflow.cli import progress, show
    from flywheel_mlflow.operations.projects.results import log_results

    session = _session(context)
    project_id = session.flywheel.project_of(project)
    with progress.rows_measured() as describe_events:
        logged = log_results(
            session.flywheel,
            project_id,
            iteration,
            session.tracking,
            results=Path(results) if results else None,
            published=published,
            variant=variant,
            resume=session.prepared_run(project_id),
            progress=describe_events,
            engine=engine,
        )
    show.logged(logged, as_json=as_json)


@app.command()
def adopt(
    context: Context,
    experiment: Annotated[str, typer.Option(help="The MLflow experiment that holds the runs.")],
    filter_string: Annotated[str, typer.Option("--filter", help="MLflow's search filter, such as params.model = 'x'.")],
    project: Annotated[str, typer.Option(help="The project's folder or id.")],
    iteration: Annotated[
        int | None, typer.Option("--iteration", "-i", min=1, help="Number of the iteration, from 1.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say which runs would be tagged.")] = False,
    suggest: Annotated[
        bool, typer.Option("--suggest", help="Write a contract for a new project's folder from the newest such run.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Take runs of other tools as a project's evidence."""
    from flywheel_mlflow.cli import show
    from flywheel_mlflow.evidence.flywheel import PROJECTS_FOLDER
    from flywheel_mlflow.operations.projects.adopting import adopt_runs, suggest_contract

    if suggest:
        start = _session(context, whole=False)
        root, folder = start.flywheel.root, Path(project)
        if folder.name == project:  # a bare id: where contracts are looked for
            folder = root / PROJECTS_FOLDER / project
        found = suggest_contract(root, start.tracking, folder, experiment=experiment, filter_string=filter_string)
        show.suggested(found, as_json=as_json)
        return
    if iteration is None:
        raise InputError("which iteration?", hint="name it with --iteration N")
    session = _session(context)
    project_id = session.flywheel.project_of(project)  # a slip of the pen is told before the store is opened
    adopted = adopt_runs(
        session.flywheel,
        session.tracking,
        project_id,
        iteration,
        experiment=experiment,
        filter_string=filter_string,
        dry_run=dry_run,
    )
    show.adopted(adopted, project_id, dry_run=dry_run, as_json=as_json)


@app.command()
def collect(context: Context, iteration: Iteration, as_json: AsJson = False) -> None:
    """Show the runs that count in an iteration. Also those carried or skipped, and why."""
    from flywheel_mlflow.cli import progress, show
    from flywheel_mlflow.evidence.lineage import rewritten
    from flywheel_mlflow.operations.assembly.collecting import collect_iteration

    session = _session(context)
    with progress.working(f"collecting iteration {iteration}"):
        found = collect_iteration(session.flywheel, session.tracking, iteration)
        before = collect_iteration(session.flywheel, session.tracking, iteration - 1).evidence if iteration > 1 else {}
    show.collected(session.flywheel, found, rewritten(before, found.evidence), as_json=as_json)


@app.command()
def assemble(
    context: Context,
    iteration: Iteration,
    log: Annotated[
        str,
        typer.Option(
            "--log", help="First log 'published' figures of projects without a run, or run the projects' 'pipelines'."
        ),
    ] = "",
    tasks: Annotated[str, typer.Option(help="Folder of task files for the pipelines of --log pipelines.")] = "",
    out: Annotated[str, typer.Option(help="Write the deliverables into this folder too.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Write a run even when nothing changed.")] = False,
    drift: Annotated[
        bool, typer.Option("--drift/--no-drift", help="Compare with the release in production or the iteration before.")
    ] = True,
    findings: Annotated[
        bool, typer.Option("--findings/--no-findings", help="Take failed checks, drift and rollbacks in as feedback.")
    ] = True,
    openlineage: OpenLineage = None,
    engine: EngineOption = "local",
    as_json: AsJson = False,
) -> None:
    """Assemble an iteration. Writes the registry, stage runs, metrics, report and checks."""
    from flywheel_mlflow.base.errors import ExitCode
    from flywheel_mlflow.cli import (
        progress,
        show,
        show_drift,
        show_feedback,
        show_notifications,
        show_schedule,
        show_tasks,
    )
    from flywheel_mlflow.cli.session import log_first
    from flywheel_mlflow.operations.acts.emitting import emit_assembly
    from flywheel_mlflow.operations.acts.following import follow_up
    from flywheel_mlflow.operations.assembly.assembling import assemble_iteration
    from flywheel_mlflow.operations.assembly.checking import read_sources

    session = _session(context)
    with progress.steps() as step:
        failed = log_first(session, log, iteration, step, tasks=Path(tasks) if tasks else None)
        show.failed_pipelines(failed)
        step("assembling")
        assembled = assemble_iteration(
            session.flywheel,
            session.tracking,
            iteration,
            sources=read_sources(session.flywheel),
            out=Path(out) if out else None,
            force=force,
            resume=session.settings.run_id,
            resume_experiment=session.settings.experiment_id,
            engine=engine,
        )
        followed = follow_up(session.acting, assembled, drift=drift, findings=findings, step=step)
        sent = None
        if target := session.openlineage(openlineage):
            step("sending OpenLineage events")
            sent = emit_assembly(session.acting, assembled, target)
    show.assembled(assembled, session.settings, failed, followed.unrecorded, as_json=as_json)
    show_drift.after_assembly(followed.compared)
    show_feedback.noticed_after_assembly(followed.noticed)
    show_tasks.after_assembly(assembled.assembly, followed.unrecorded)
    show_notifications.unsent(followed.unsent)
    show_schedule.overdue(followed.rhythms)
    if sent is not None:
        show.sent(sent)
    if followed.disk_failure:
        raise followed.disk_failure
    if assembled.contradictions or failed:
        raise typer.Exit(ExitCode.BLOCK)
    for error in followed.unrecorded.values():
        raise typer.Exit(error.exit_code)


@app.command("run-projects")
def run_projects_command(
    context: Context,
    iteration: Iteration,
    only: Annotated[str, typer.Option(help="Project ids, separated by commas; all with a pipeline if left out.")] = "",
    jobs: Annotated[int, typer.Option(min=1, max=64, help="How many pipelines run at the same time.")] = 2,
    fault: Annotated[
        list[str] | None, typer.Option(help="PROJECT=FAULT: a fault to inject; may be given several times.")
    ] = None,
    variant: Annotated[
        str, typer.Option(help="Run this variant of the projects that have it; the one that counts if left out.")
    ] = "",
    tasks: Annotated[str, typer.Option(help="Folder of task files for this iteration.")] = "",
    as_json: AsJson = False,
) -> None:
    """Run the projects' pipelines, producers first. One that fails does not stop the others."""
    from flywheel_mlflow.base.errors import ExitCode
    from flywheel_mlflow.cli import progress, show, show_tasks
    from flywheel_mlflow.cli.session import handed_tasks, pairs
    from flywheel_mlflow.operations.assembly.collecting import collect_iteration
    from flywheel_mlflow.operations.projects.running import run_projects, variants_to_run, with_producers

    session = _session(context)
    session.tracking.assemblies.experiment()  # the store must exist before several processes open it
    named = [session.flywheel.project_of(name) for name in only.split(",") if name]
    variants = variants_to_run(session.flywheel, session.tracking, iteration, named, variant)
    if variant:
        named = sorted(variants)
    chosen = named and with_producers(
        session.flywheel, collect_iteration(session.flywheel, session.tracking, iteration), named
    )
    show.joined(sorted(set(chosen) - set(named)), iteration)
    with (
        handed_tasks(session, iteration, Path(tasks) if tasks else None) as (folder, handed),
        progress.pipelines() as describe_events,
    ):
        ran = run_projects(
            session.flywheel,
            iteration,
            tracking_uri=session.settings.tracking_uri,
            only=chosen,
            jobs=jobs,
            faults=pairs(fault or []),
            variants=variants,
            tasks=folder,
            progress=describe_events,
        )
    show.ran(ran, iteration, as_json=as_json)
    if not as_json:
        show_tasks.waiting(handed)
    if any(item.run_id is None for item in ran):
        raise typer.Exit(ExitCode.BLOCK)


@app.command()
def check(
    context: Context,
    iteration: MaybeIteration = None,
    prove: Annotated[bool, typer.Option("--prove", help="Show for each check that it can fail.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of the faults that --prove applies.")] = 1,
    junit: Annotated[Path | None, typer.Option(help="Write the results as JUnit XML too.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check an assembly against its files and the server."""
    from flywheel_mlflow.base.errors import ExitCode
    from flywheel_mlflow.cli import progress, show, show_schedule
    from flywheel_mlflow.operations.assembly.checking import check_iteration, prove_checks
    from flywheel_mlflow.operations.assembly.rhythms import read_rhythms

    session = _session(context)
    turn = session.iteration(iteration)
    if prove:
        with progress.working("breaking the assembly in every way a check must notice"):
            proofs = prove_checks(session.flywheel, session.tracking, turn, seed=seed)
        held = show.proofs(proofs, as_json=as_json)
    else:
        with progress.working(f"assembling iteration {turn} again"):
            checked = check_iteration(session.flywheel, session.tracking, turn)
            rhythms = read_rhythms(session.acting)
        held = show.checked(checked, junit=junit, as_json=as_json)
        show_schedule.overdue(rhythms)
    if not held:
        raise typer.Exit(ExitCode.BLOCK)


app.command("explain")(explain)
app.command("impact")(impact)
app.command("budget")(budget)
app.command("run")(run_command)
app.command("schedule")(schedule_command)
app.command("drift")(drift_command)
app.command("review")(review_command)
app.command("report")(report_command)


add_to(app)
app.add_typer(notifications)
app.add_typer(experiments)
app.add_typer(variants)
app.add_typer(risks)
app.add_typer(human_review)
app.add_typer(feedback)
app.add_typer(tasks_commands)


@cache
def command_line() -> typer.core.TyperGroup:
    """All of it as one command, put together once for a process that runs several."""
    return cast("typer.core.TyperGroup", typer.main.get_command(app))
