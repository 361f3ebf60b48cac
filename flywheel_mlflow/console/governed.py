"""Knows what is governed on this server: registered models with a ledger, and the runs their releases rest on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flywheel_mlflow.operations.deciding import World, look
from flywheel_mlflow.tracking import tags

if TYPE_CHECKING:
    from flywheel_mlflow.tracking import Tracking

#: Runs whose experiment is remembered; a run never changes it, so this only bounds the memory (about 10 MB).
MAX_REMEMBERED = 50_000


@dataclass(frozen=True, slots=True)
class Holding:
    """Why a run is kept: in words, with the command that lets go of it."""

    why: str
    instead: str


class GovernedModels:
    """Asks the server's own stores what is governed.

    ``open_tracking`` opens a flywheel by name, freshly for each question; ``served`` is the flywheel whose decisions
    this server takes itself, if any.
    """

    def __init__(self, open_tracking: Callable[[str], Tracking], *, served: str | None) -> None:
        self._open = open_tracking
        self.served = served
        self._experiments: dict[str, str | None] = {}
        self._ledgers: dict[str, bool] = {}

    def world(self, model: str) -> World | None:
        """The ledger and aliases of a registered model; None when it has no ledger, and so is nobody's.

        Raises:
            FlywheelError: the store failed; nothing can then be permitted.
        """
        found = _model(model)
        if found is None or not _has_ledger(found):
            return None
        return look(self._open(str(found.name)), deleted=True)

    def holdings(self) -> dict[str, Holding]:
        """Every run that may not be deleted, by id: ledgers, bundles, and the data that unretired releases pin."""
        found: dict[str, Holding] = {}
        for name in self._names():
            tracking = self._open(name)
            world = look(tracking, deleted=True)
            if world is None:
                continue
            held = [item.version for item in world.state.releases.values() if item.retired is None]
            for view in tracking.releases.versions():
                for pin in view.pins.values() if view.version in held else ():
                    found[pin.run_id] = _pinned(name, view.version, pin.interface)
            for version in held:
                found[world.state.releases[version].run_id] = _bundled(name, version)
            for run_id in (world.place.first_run, *tracking.ledger.segments):
                found[run_id] = Holding(f"it is the ledger of {name}", "its decisions are kept for good")
        return found

    def experiment_of(self, run_id: str) -> str | None:
        """The experiment of a run, remembered; None when there is no such run."""
        if run_id not in self._experiments:
            found = _absent_is_none(lambda: _tracking_store().get_run(run_id))
            if found is None:
                return None  # not remembered: it may be made any moment
            if len(self._experiments) >= MAX_REMEMBERED:
                self._experiments.clear()
            self._experiments[run_id] = str(found.info.experiment_id)
        return self._experiments[run_id]

    def keeps_ledger(self, experiment_id: str) -> bool:
        """Whether the served flywheel's ledger is kept in an experiment.

        Both answers are remembered: the guard lets nobody give the name to another experiment, or take it away.
        """
        if self.served is None or not experiment_id:
            return False
        if experiment_id not in self._ledgers:
            found = _absent_is_none(lambda: _tracking_store().get_experiment(experiment_id))
            if found is None:
                return False
            self._ledgers[experiment_id] = found.name == self.ledger_name or experiment_id == self._pointed_to()
        return self._ledgers[experiment_id]

    @property
    def ledger_name(self) -> str:
        """The name of the experiment that holds the served flywheel's ledger."""
        from flywheel_mlflow.tracking.ledger import LEDGER_PROJECT

        return f"{self.served}/{LEDGER_PROJECT}"

    def _pointed_to(self) -> str | None:
        model = _model(self.served or "")
        return dict(model.tags).get(tags.LEDGER_EXPERIMENT) if model is not None else None

    def _names(self) -> Iterator[str]:
        token: str | None = None
        while True:
            page = _registry_store().search_registered_models(max_results=1000, page_token=token)
            yield from (str(model.name) for model in page if _has_ledger(model))
            token = page.token
            if not token:
                return


def _pinned(model: str, version: int, interface: str) -> Holding:
    return Holding(
        f"release {version} of {model} pins its {interface}",
        f"use `flywheel release retire {version} --reason '...'` first",
    )


def _bundled(model: str, version: int) -> Holding:
    return Holding(
        f"it holds the bundle of release {version} of {model}",
        f"use `flywheel release retire {version} --reason '...'` first",
    )


def _has_ledger(model: Any) -> bool:
    labels = dict(model.tags or {})
    return bool(labels.get(tags.LEDGER_RUN) and labels.get(tags.LEDGER_EXPERIMENT))


def _model(name: str) -> Any:
    return _absent_is_none(lambda: _registry_store().get_registered_model(name)) if name else None


def _absent_is_none(ask: Callable[[], Any]) -> Any:
    """The answer; None when the store says that there is no such thing, or that its name cannot be one."""
    from mlflow.exceptions import MlflowException

    try:
        return ask()
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        return None


def _tracking_store() -> Any:
    from mlflow.server import handlers

    return handlers._get_tracking_store()  # noqa: SLF001 - the handlers' own way to it


def _registry_store() -> Any:
    from mlflow.server import handlers

    return handlers._get_model_registry_store()  # noqa: SLF001 - likewise
