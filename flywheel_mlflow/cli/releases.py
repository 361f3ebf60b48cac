"""The commands about releases: make, judge, decide, move, look back."""

from __future__ import annotations

from datetime import UTC, datetime, time
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from flywheel_mlflow.cli.options import AsJson, DryRun
from flywheel_mlflow.cli.session import Context, OpenLineage, open_session

releases = typer.Typer(name="release", help="Make releases and read about them.", no_args_is_help=True)
keys = typer.Typer(name="keys", help="Keys with which people and servers sign.", no_args_is_help=True)

Version = Annotated[int, typer.Argument(min=1, max=999_999_999, help="The release's number.")]
Reason = Annotated[str, typer.Option(help="Why; kept for good.")]
RoleName = Annotated[str, typer.Option(help="A role of flywheel.yaml that you hold.")]
Stage = Annotated[str, typer.Option("--to", help="staging or production.")]


@releases.command("create")
def create_command(
    context: Context,
    iteration: Annotated[int, typer.Option("--iteration", "-i", min=1, help="An assembled iteration.")],
    dry_run: DryRun = False,
    openlineage: OpenLineage = None,
    as_json: AsJson = False,
) -> None:
    """Make a release of an assembled iteration."""
    from flywheel_mlflow.cli import show, show_releases

    session = open_session(context)
    answer = session.act("create", iteration=iteration, dry_run=dry_run)
    gates = session.flywheel.blueprint.gates
    show_releases.created(answer, gates[0].to if gates else "staging", as_json=as_json)
    if (target := session.openlineage(openlineage)) and not dry_run:
        from flywheel_mlflow.operations.acts.emitting import emit_release

        show.sent(emit_release(session.acting, answer["version"], target))


@releases.command("list")
def list_command(context: Context, as_json: AsJson = False) -> None:
    """List releases with stage, iteration and verdicts."""
    from flywheel_mlflow.cli import show_releases
    from flywheel_mlflow.operations.reading.telling import list_releases

    show_releases.listed(list_releases(open_session(context, whole=False).acting), as_json=as_json)


@releases.command("show")
def show_command(
    context: Context,
    at: Annotated[str, typer.Argument(metavar="version", help="The release's number, or production or staging.")],
    as_json: AsJson = False,
) -> None:
    """Show a release: contents, verdicts, approvals."""
    from flywheel_mlflow.cli import show_releases
    from flywheel_mlflow.operations.reading.telling import show_release

    show_releases.shown(show_release(open_session(context).acting, at), as_json=as_json)


@releases.command("diff")
def diff_command(
    context: Context,
    before: Annotated[int, typer.Argument(min=1, help="The older release.")],
    after: Annotated[int, typer.Argument(min=1, help="The newer release.")],
    as_json: AsJson = False,
) -> None:
    """Show what differs between two releases."""
    from flywheel_mlflow.cli import show_releases
    from flywheel_mlflow.operations.reading.telling import diff_releases

    show_releases.differing(
        diff_releases(open_session(context).acting, before, after), before=before, after=after, as_json=as_json
    )


@releases.command("history")
def history_command(
    context: Context,
    version: Annotated[int | None, typer.Argument(min=1, help="Only what concerns this release.")] = None,
    last: Annotated[int | None, typer.Option(min=1, help="Only the newest so many.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show the ledger: every decision, by whom and when."""
    from flywheel_mlflow.cli import show_releases
    from flywheel_mlflow.operations.reading.telling import history

    acting = open_session(context, whole=False).acting
    show_releases.story(history(acting, version=version, last=last), as_json=as_json)


@releases.command("who")
def who_command(
    context: Context,
    at: Annotated[str, typer.Option(help="A day or a moment: 2026-11-22, 2026-11-22T15:30. UTC.")],
    as_json: AsJson = False,
) -> None:
    """Show which release was in production at a moment. Also who put it there."""
    from flywheel_mlflow.cli import show_releases
    from flywheel_mlflow.operations.reading.telling import who_at

    when = moment(at, end_of_day=True)
    show_releases.tenure(who_at(open_session(context, whole=False).acting, when), when, as_json=as_json)


@releases.command("retire")
def retire_command(
    context: Context, version: Version, reason: Reason, dry_run: DryRun = False, as_json: AsJson = False
) -> None:
    """Retire a release for good. Its model version may be deleted then."""
    from flywheel_mlflow.cli import show_releases

    answer = open_session(context).act("retire", version=version, reason=reason, dry_run=dry_run)
    show_releases.decided(answer, dry_run=dry_run, as_json=as_json)


@releases.command("export")
def export_command(
    context: Context,
    version: Version,
    out: Annotated[Path, typer.Option(help="A new or empty folder.")],
    sign: Annotated[Path | None, typer.Option(help="Sign the ledger's end with this key if no server does.")] = None,
    croissant: Annotated[
        bool, typer.Option("--croissant", help="Add the data, each interface with a croissant.json.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Export a release with the ledger into a folder. `flywheel verify` reads it without a server."""
    from flywheel_mlflow.base.signing import read_key
    from flywheel_mlflow.cli import show_releases
    from flywheel_mlflow.operations.releases.exporting import export_release

    session = open_session(context)
    sign_head = partial(session.act, "sign-head", version=version)
    key = read_key(sign) if sign else None
    files = export_release(session.acting, version, out, sign=sign_head, key=key, croissant=croissant)
    show_releases.exported(files, out, as_json=as_json)


def gate(context: Context, version: Version, to: Stage, dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Evaluate the gate before a stage. Shows each criterion and what to do about it."""
    from flywheel_mlflow.cli import show_releases

    answer = open_session(context).act("gate", version=version, to=to, dry_run=dry_run)
    raise typer.Exit(show_releases.gated(answer, as_json=as_json))


def approve(
    context: Context,
    version: Version,
    role: RoleName,
    reason: Reason,
    until: Annotated[str, typer.Option(help="When the approval ends, UTC; by flywheel.yaml if left out.")] = "",
    sign: Annotated[Path | None, typer.Option(help="Sign it with this private key.")] = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Approve a release in a role you hold. Its author cannot."""
    from flywheel_mlflow.cli import show_releases

    session = open_session(context)
    ends = moment(until, end_of_day=True) if until else None
    answer = session.approve(version, role, reason, until=ends, key=sign, dry_run=dry_run)
    show_releases.decided(answer, dry_run=dry_run, as_json=as_json)


def explain_drift(
    context: Context,
    version: Version,
    finding: Annotated[
        list[str] | None,
        typer.Option(help="Finding to explain. A project or interface covers all of its findings. Repeatable."),
    ] = None,
    intended: Annotated[bool, typer.Option("--intended", help="Confirm every change that a task intended.")] = False,
    reason: Annotated[str, typer.Option(help="Why. Kept for good. Not needed with --intended alone.")] = "",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Explain drift that is as it should be. The drift criterion then leaves it out."""
    from flywheel_mlflow.cli import show_releases

    if intended and finding:
        raise typer.BadParameter("--intended confirms by itself: explain other findings in a second command")
    if not intended and not (finding and reason):
        raise typer.BadParameter("name what is explained with --finding and say why with --reason, or give --intended")
    session = open_session(context)
    answer = (
        session.act("confirm-changes", version=version, reason=reason or None, dry_run=dry_run)
        if intended
        else session.act("explain-drift", version=version, findings=finding, reason=reason, dry_run=dry_run)
    )
    show_releases.decided(answer, dry_run=dry_run, as_json=as_json)


def reject(
    context: Context, version: Version, role: RoleName, reason: Reason, dry_run: DryRun = False, as_json: AsJson = False
) -> None:
    """Reject a release for good, in a role you hold."""
    from flywheel_mlflow.cli import show_releases

    answer = open_session(context).act("reject", version=version, role=role, reason=reason, dry_run=dry_run)
    show_releases.decided(answer, dry_run=dry_run, as_json=as_json)


def promote(
    context: Context,
    version: Version,
    to: Stage,
    dry_run: DryRun = False,
    openlineage: OpenLineage = None,
    as_json: AsJson = False,
) -> None:
    """Move a release to a stage. Needs a current PASS of its gate."""
    _move(context, "promote", {"version": version, "to": to}, dry_run, openlineage, as_json)


def rollback(
    context: Context,
    reason: Reason,
    to: Annotated[int | None, typer.Option("--to", min=1, help="A release; the last good one if left out.")] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Read data by reference, not only their sizes and tags.")
    ] = False,
    dry_run: DryRun = False,
    openlineage: OpenLineage = None,
    as_json: AsJson = False,
) -> None:
    """Go back to an earlier release in production. Its data must be whole."""
    _move(context, "rollback", {"reason": reason, "to": to, "full": full}, dry_run, openlineage, as_json)


def _move(
    context: Context, act: str, arguments: dict[str, object], dry_run: bool, openlineage: str | None, as_json: bool
) -> None:
    from flywheel_mlflow.cli import show, show_releases

    session = open_session(context, whole=False)
    answer = session.act(act, **arguments, dry_run=dry_run)
    show_releases.moved(answer, as_json=as_json)
    if (target := session.openlineage(openlineage)) and not dry_run:
        from flywheel_mlflow.operations.acts.emitting import emit_move

        show.sent(emit_move(session.acting, target))


def override(
    context: Context,
    version: Version,
    to: Stage,
    reason: Reason,
    until: Annotated[str, typer.Option(help="When it ends: 2026-12-01. UTC.")],
    second: Annotated[str, typer.Option(help="The second person, by name, who confirms it.")],
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Permit a promotion without a passing gate. Opens a risk that every report shows."""
    from flywheel_mlflow.cli import show_releases

    ends = moment(until, end_of_day=True)
    answer = open_session(context).act(
        "override", version=version, to=to, reason=reason, until=ends, second=second, dry_run=dry_run
    )
    show_releases.decided(answer, dry_run=dry_run, as_json=as_json)


def override_confirm(
    context: Context,
    version: Version,
    reason: Reason,
    sign: Annotated[Path | None, typer.Option(help="Sign it with this private key.")] = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Confirm an override as its second person. Only then does it count."""
    from flywheel_mlflow.cli import show_releases

    session = open_session(context)
    signature = session.sign_confirmation(version, reason, sign) if sign else None
    answer = session.act("override-confirm", version=version, reason=reason, signature=signature, dry_run=dry_run)
    show_releases.decided(answer, dry_run=dry_run, as_json=as_json)


def reconcile(
    context: Context,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="The process of an open move is dead, or this clock is right and the ledger's ahead."
        ),
    ] = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Make the server agree with the ledger. Ends an open move, puts aliases and stages back."""
    from flywheel_mlflow.cli import show_releases

    answer = open_session(context, whole=False).act("reconcile", force=force, dry_run=dry_run)
    show_releases.reconciled(answer, as_json=as_json)


def audit(
    context: Context,
    full: Annotated[
        bool, typer.Option("--full", help="Look at the data of every release, and read those by reference.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Compare the ledger with the server. Finds undecided moves, changed data, forged decisions."""
    from flywheel_mlflow.cli import progress, show_notifications, show_releases
    from flywheel_mlflow.operations.acts.acting import tell_people
    from flywheel_mlflow.operations.releases.auditing import audit as run_audit

    acting = open_session(context).acting
    with progress.steps() as step:
        step("replaying the ledger against the server")
        found = run_audit(acting, full=full)
        unsent = tell_people(acting, step, audit=True, full=full) if found.findings else ()
    show_notifications.unsent(unsent)
    raise typer.Exit(show_releases.audited(found, as_json=as_json))


def doctor(context: Context, as_json: AsJson = False) -> None:
    """Diagnose server, store, clock, names and people."""
    from flywheel_mlflow.cli import show_releases
    from flywheel_mlflow.operations.doctor import examine

    session = open_session(context)
    raise typer.Exit(show_releases.examined(examine(session.acting, session.settings), as_json=as_json))


def verify(
    context: Context,
    what: Annotated[str, typer.Argument(help="A release's number, or a folder that `release export` wrote.")],
    as_json: AsJson = False,
) -> None:
    """Verify a release and its signatures. An exported folder needs no server."""
    from flywheel_mlflow.cli import show_releases
    from flywheel_mlflow.cli.session import root_or_none
    from flywheel_mlflow.operations.releases.verifying import verify_export, verify_release

    if what.isdecimal():
        found = verify_release(open_session(context).acting, int(what))
    else:
        from flywheel_mlflow.promises.blueprint import read_blueprint

        root = root_or_none(context.obj[0])
        found = verify_export(Path(what), read_blueprint(root)[0] if root else None)
    raise typer.Exit(show_releases.verified(found, as_json=as_json))


def resolve(
    context: Context,
    interface: Annotated[str, typer.Argument(help="The interface's name.")],
    at: Annotated[str, typer.Option(help="production, staging or a release's number.")] = "production",
    flywheel: Annotated[str, typer.Option(help="The flywheel's name, where its files are not at hand.")] = "",
    as_json: AsJson = False,
) -> None:
    """Show the exact data behind an interface. URI, digest, schema and licence."""
    from flywheel_mlflow.cli import show_releases
    from flywheel_mlflow.operations.projects.resolving import resolve as run_resolve

    root, tracking_uri, _ = context.obj
    found = run_resolve(interface, at, flywheel=flywheel or None, root=root, tracking_uri=tracking_uri)
    show_releases.resolved(found, as_json=as_json)


def interfaces(
    context: Context,
    at: Annotated[str, typer.Option(help="production, staging or a release's number.")] = "",
    iteration: Annotated[int | None, typer.Option("--iteration", "-i", min=1, help="An assembled iteration.")] = None,
    flywheel: Annotated[str, typer.Option(help="The flywheel's name, where its files are not at hand.")] = "",
    as_json: AsJson = False,
) -> None:
    """List the interfaces that can be consumed. Those of production, unless told otherwise."""
    from flywheel_mlflow.cli import show_releases
    from flywheel_mlflow.operations.projects.loading import interfaces as list_interfaces

    root, tracking_uri, _ = context.obj
    found = list_interfaces(
        release=at or None, iteration=iteration, flywheel=flywheel or None, root=root, tracking_uri=tracking_uri
    )
    show_releases.consumable(found, as_json=as_json)


def pull(
    context: Context,
    interface: Annotated[str, typer.Argument(help="The interface's name.")],
    out: Annotated[Path, typer.Option(help="The folder to put the data into.")],
    at: Annotated[str, typer.Option(help="production, staging or a release's number.")] = "production",
    data_format: Annotated[
        str, typer.Option("--format", help="files: as they were logged. hf: a folder that datasets.load_dataset opens.")
    ] = "files",
    flywheel: Annotated[str, typer.Option(help="The flywheel's name, where its files are not at hand.")] = "",
    croissant: Annotated[bool, typer.Option(help="Write a croissant.json beside the data.")] = True,
    as_json: AsJson = False,
) -> None:
    """Download an interface's data. They are compared with their digest."""
    from flywheel_mlflow.cli import progress, show_releases
    from flywheel_mlflow.operations.projects.describing import released_by, write_croissant
    from flywheel_mlflow.operations.projects.resolving import consumer_settings
    from flywheel_mlflow.operations.projects.sharing import pull_released
    from flywheel_mlflow.tracking import connect

    root, tracking_uri, _ = context.obj
    settings, name = consumer_settings(flywheel or None, root, tracking_uri)
    tracking = connect(settings, name)
    with progress.working(f"downloading {interface}"):
        pulled = pull_released(tracking, interface, out, at, data_format)
    if croissant and data_format == "files":
        with progress.working(f"describing {interface}"):
            write_croissant(tracking, pulled.version, pulled.path, released_by(pulled.version, name), out / interface)
    show_releases.pulled(pulled.version, pulled.path, as_json=as_json)


@keys.command("new")
def new_key_command(
    out: Annotated[Path, typer.Option(help="Where the private key goes; readable by you alone.")],
) -> None:
    """Make a key. Its public half goes into flywheel.yaml."""
    from flywheel_mlflow.base.signing import new_key

    key = new_key(out)
    typer.echo(f"wrote {out}; keep it to yourself\npublic_key: {key.public_key}")


def moment(text: str, *, end_of_day: bool) -> datetime:
    """A moment somebody typed, in UTC; a day alone means its end.

    Raises:
        InputError: it is none.
    """
    from flywheel_mlflow.base.errors import InputError

    try:
        found = datetime.fromisoformat(text)
        if len(text) <= len("2026-12-01") and end_of_day:
            found = datetime.combine(found.date(), time(23, 59, 59))
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError) as error:  # the first day of all, east of Greenwich, lies before all time
        raise InputError(
            f"cannot read {text[:80]!r} as a time", hint="write 2026-12-01 or 2026-12-01T15:30, in UTC"
        ) from error


def add_to(app: typer.Typer) -> None:
    """Hang the commands into the command line."""
    app.add_typer(releases)
    app.add_typer(keys)
    for command in (
        gate,
        explain_drift,
        approve,
        reject,
        promote,
        rollback,
        override,
        override_confirm,
        reconcile,
        audit,
        doctor,
        verify,
        interfaces,
        resolve,
        pull,
    ):
        app.command()(command)
