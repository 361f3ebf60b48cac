"""Data of releases from Python: what there is, which exact data an interface is, the data themselves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from flywheel_mlflow.operations.deciding import Session

if TYPE_CHECKING:
    from flywheel_mlflow.operations.projects.loading import Consumable, LoadedInterface
    from flywheel_mlflow.operations.projects.resolving import Resolved


class ConsumerMethods:
    """What the commands of consumers show and fetch."""

    session: Session

    def interfaces(self, *, release: str | int | None = None, iteration: int | None = None) -> Consumable:
        """What can be consumed of a release (``production`` unasked) or an iteration."""
        from flywheel_mlflow.operations.projects.loading import consumable

        return consumable(self.session.tracking, release=release, iteration=iteration)

    def resolve(self, interface: str, release: str | int = "production") -> Resolved:
        """The exact data behind an interface of a release: URI, digest, schema, licence.

        Raises:
            Refused, UnknownName: nothing is released there, or no such interface.
        """
        from flywheel_mlflow.operations.projects.resolving import resolve_interface

        return resolve_interface(self.session.tracking, interface, str(release))

    def pull(
        self,
        interface: str,
        out: str | Path,
        *,
        release: str | int = "production",
        format: str = "files",  # noqa: A002 - what the command calls it
    ) -> Path:
        """Download the data of an interface below ``out``, compared with their digest; where they are.

        ``format="hf"`` makes them a folder that ``datasets.load_dataset`` opens, with its card.

        Raises:
            Refused: nothing is released there, or the data are not what was. InputError: the folder is not empty.
        """
        from flywheel_mlflow.operations.projects.sharing import pull_released

        return pull_released(self.session.tracking, interface, Path(out), str(release), format).path

    def load(
        self, interface: str, *, release: str | int | None = None, iteration: int | None = None
    ) -> LoadedInterface:
        """The data of an interface, as :func:`flywheel_mlflow.load`."""
        from flywheel_mlflow.operations.projects.loading import load_interface

        return load_interface(self.session.tracking, interface, release=release, iteration=iteration)
