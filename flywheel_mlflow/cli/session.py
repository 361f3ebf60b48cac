"""What the commands share: the flywheel, the settings and the server, each opened on first use."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from flywheel_mlflow.blueprint import BLUEPRINT_FILE
from flywheel_mlflow.errors import InputError
from flywheel_mlflow.flywheel import Flywheel, find_root, load_flywheel
from flywheel_mlflow.settings import Settings, read_settings

if TYPE_CHECKING:
    from flywheel_mlflow.tracking import Tracking


class Session:
    """One command's surroundings."""

    def __init__(self, root: Path | None, tracking_uri: str | None) -> None:
        self._root = root
        self._tracking_uri = tracking_uri

    @cached_property
    def flywheel(self) -> Flywheel:
        """The flywheel of ``--root`` or of the nearest folder upward."""
        root = self._root.resolve() if self._root else find_root(Path.cwd())
        return load_flywheel(root)

    @cached_property
    def settings(self) -> Settings:
        """The settings from the environment and ``--tracking-uri``."""
        return read_settings(self.flywheel.root, os.environ, tracking_uri=self._tracking_uri)

    @cached_property
    def tracking(self) -> Tracking:
        """The tracking server, connected."""
        from flywheel_mlflow.tracking import connect

        return connect(self.settings, self.flywheel.name)

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

    def prepared_run(self, project_id: str) -> str | None:
        """The run ``mlflow run`` made for this project, if any."""
        return self.tracking.runs.prepared(self.settings.run_id, self.settings.experiment_id, project_id)


def root_or_none(root: Path | None) -> Path | None:
    """The flywheel's folder, or None where there is none yet."""
    if root is not None:
        return root
    return next((folder for folder in (Path.cwd(), *Path.cwd().parents) if (folder / BLUEPRINT_FILE).is_file()), None)


def log_first(session: Session, which: str, iteration: int, step: Callable[[str], None]) -> None:
    """Log what ``--log`` names before assembling.

    Raises:
        InputError: it names something else.
    """
    if not which:
        return
    if which != "published":
        raise InputError(f"--log cannot be {which!r}", hint="use --log published, or leave it out")
    from flywheel_mlflow.operations.project_run import log_published

    log_published(
        session.flywheel, iteration, session.tracking, progress=lambda name: step(f"logging {name} as published")
    )
