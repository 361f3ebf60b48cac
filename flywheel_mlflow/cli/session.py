"""What the commands share: the flywheel, the settings and the server, each imported and opened on first use."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.base.settings import Engine

if TYPE_CHECKING:
    from flywheel_mlflow.base.settings import Settings
    from flywheel_mlflow.base.signing import Signature
    from flywheel_mlflow.evidence.flywheel import Flywheel
    from flywheel_mlflow.operations.deciding import Session
    from flywheel_mlflow.operations.feedback.handing import Handed
    from flywheel_mlflow.operations.projects.running import Ran
    from flywheel_mlflow.tracking import Tracking


Context = typer.Context
OpenLineage = Annotated[
    str | None,
    typer.Option(
        "--openlineage",
        metavar="FILE|on|off",
        help="Where OpenLineage events go.",
    ),
]

EngineOption = Annotated[
    Engine,
    typer.Option("--engine", help="What reads data: this machine, or Ray (by RAY_ADDRESS, else started here)."),
]


class CommandSession:
    """One command's surroundings."""

    def __init__(self, root: Path | None, tracking_uri: str | None, *, whole: bool = True) -> None:
        self._root = root
        self._whole = whole
        self._tracking_uri = tracking_uri

    @cached_property
    def flywheel(self) -> Flywheel:
        """The flywheel of ``--root`` or of the nearest folder upward."""
        from flywheel_mlflow.evidence.flywheel import find_root, load_blueprint_only, load_flywheel

        root = self._root.resolve() if self._root else find_root(Path.cwd())
        return load_flywheel(root) if self._whole else load_blueprint_only(root)

    @cached_property
    def settings(self) -> Settings:
        """The settings from the environment and ``--tracking-uri``."""
        from flywheel_mlflow.base.settings import read_settings

        return read_settings(self.flywheel.root, os.environ, tracking_uri=self._tracking_uri)

    @cached_property
    def tracking(self) -> Tracking:
        """The tracking server, connected."""
        from flywheel_mlflow.tracking import connect

        return connect(self.settings, self.flywheel.name, server_keys=self.flywheel.blueprint.releases.server_keys)

    def iteration(self, wanted: int | None) -> int:
        """``wanted``, or the newest assembled iteration.

        Raises:
            InputError: none was assembled.
        """
        found = self.iteration_or_none(wanted)
        if found is None:
            raise InputError(
                "nothing was assembled yet",
                where=self.settings.shown_uri,
                hint="run `flywheel assemble --iteration 1`, or name an iteration",
            )
        return found

    def iteration_or_none(self, wanted: int | None) -> int | None:
        """``wanted``, or the newest assembled iteration, or None."""
        return wanted if wanted is not None else self.tracking.assemblies.latest_iteration()

    @cached_property
    def acting(self) -> Session:
        """What acts need: the flywheel, the server, and who sits here."""
        from flywheel_mlflow.decisions.ledger import Identity
        from flywheel_mlflow.operations.deciding import Session

        return Session(self.flywheel, self.tracking, Identity(self.settings.actor))

    def act(self, name: str, **arguments: object) -> dict[str, Any]:
        """Do an act: by the server's plugin where there is one, else here."""
        from flywheel_mlflow.cli import progress
        from flywheel_mlflow.operations.acts.acting import ACTS, act_somewhere, unsent_of

        with progress.working(ACTS[name].working):
            answer = act_somewhere(self.acting, name, arguments)
        unsent = unsent_of(answer)
        if unsent and ACTS[name].notifies:
            from flywheel_mlflow.cli import show_notifications

            show_notifications.unsent(unsent)
        return answer

    def openlineage(self, given: str | None) -> str:
        """Where OpenLineage events go, by ``--openlineage`` or the environment."""
        from flywheel_mlflow.base.settings import openlineage_target

        return openlineage_target(given, os.environ)

    def approve(
        self, version: int, role: str, reason: str, *, until: datetime | None, key: Path | None, dry_run: bool
    ) -> dict[str, Any]:
        """Approve, signed when there is a key: the key stays on this machine, the signature goes to the server."""
        signature = None
        if key is not None:
            from flywheel_mlflow.base.signing import read_key
            from flywheel_mlflow.operations.releases.decisions import sign_approval

            until, reason, signature = sign_approval(self.acting, version, role, reason, until=until, key=read_key(key))
        return self.act(
            "approve", version=version, role=role, reason=reason, until=until, signature=signature, dry_run=dry_run
        )

    def sign_confirmation(self, version: int, reason: str, key: Path) -> Signature:
        """The signature of a confirmed override; the key stays on this machine."""
        from flywheel_mlflow.base.signing import read_key
        from flywheel_mlflow.operations.releases.overriding import sign_confirmation

        return sign_confirmation(self.acting, version, reason, read_key(key))

    def prepared_run(self, project_id: str) -> str | None:
        """The run ``mlflow run`` made for this project, if any."""
        return self.tracking.runs.prepared(self.settings.run_id, self.settings.experiment_id, project_id)


def open_session(context: Context, *, whole: bool = True) -> CommandSession:
    """The surroundings of a command, from the options before it.

    Not ``whole`` is for what needs the blueprint alone: contracts are read only when somebody asks for one.
    """
    root, tracking_uri, _ = context.obj
    return CommandSession(root, tracking_uri, whole=whole)


def root_or_none(root: Path | None) -> Path | None:
    """The flywheel's folder, or None where there is none yet."""
    from flywheel_mlflow.promises.blueprint import BLUEPRINT_FILE

    if root is not None:
        return root
    return next((folder for folder in (Path.cwd(), *Path.cwd().parents) if (folder / BLUEPRINT_FILE).is_file()), None)


def log_first(
    session: CommandSession, which: str, iteration: int, step: Callable[[str], None], *, tasks: Path | None
) -> tuple[Ran, ...]:
    """Log what ``--log`` names before assembling; the pipelines that failed.

    Raises:
        InputError: it names something else.
    """
    if which not in ("", "published", "pipelines"):
        raise InputError(f"--log cannot be {which!r}", hint="use --log published or --log pipelines, or leave it out")
    if which == "published":
        from flywheel_mlflow.operations.projects.results import log_published

        def tell_project(name: str) -> None:
            step(f"logging {name} as published")

        log_published(session.flywheel, iteration, session.tracking, progress=tell_project)
    if which == "pipelines":
        return tuple(item for item in run_pipelines(session, iteration, step, tasks=tasks) if item.run_id is None)
    return ()


def run_pipelines(
    session: CommandSession, iteration: int, step: Callable[[str], None], *, tasks: Path | None
) -> tuple[Ran, ...]:
    """Run every project's pipeline for an iteration, on a store that is ready, with the iteration's tasks."""
    from flywheel_mlflow.operations.projects.running import run_projects, variants_to_run

    def describe_events(name: str, ran: Ran | None) -> None:
        step(f"running {name}" if ran is None else f"{name} took {ran.duration_s:.1f} s")

    session.tracking.assemblies.experiment()  # the store must exist before several processes open it
    uri = session.settings.tracking_uri
    with handed_tasks(session, iteration, tasks) as (folder, _):
        return run_projects(
            session.flywheel,
            iteration,
            tracking_uri=uri,
            variants=variants_to_run(session.flywheel, session.tracking, iteration),
            tasks=folder,
            progress=describe_events,
        )


@contextmanager
def handed_tasks(session: CommandSession, iteration: int, given: Path | None) -> Iterator[tuple[Path | None, Handed]]:
    """A folder with the tasks an iteration is handed (the ledger's, those of a folder), None when there are none."""
    from flywheel_mlflow.operations.feedback.handing import write_tasks
    from flywheel_mlflow.operations.scratch import scratch_folder

    with scratch_folder() as folder:
        found = write_tasks(session.acting, iteration, folder, given=given)
        yield folder if found.written else None, found


def pairs(texts: Iterable[str]) -> dict[str, str]:
    """``["p05=slow_index"]`` as a mapping.

    Raises:
        InputError: a text without ``=``.
    """
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise InputError(f"cannot read {text!r}", hint="write PROJECT=FAULT")
        found[name] = value
    return found
