"""Knows what is governed on this server: registered models with a ledger, and the runs their releases rest on.

Everything is asked of the stores' own tables, in the stores' own databases: what these find for an id or a name is what
counts, and nothing that MLflow's client hides (a model marked as a prompt) is taken for absent.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlflow.entities.model_registry.model_version_stages import STAGE_DELETED_INTERNAL as DELETED_STAGE
from mlflow.store.model_registry.dbmodels.models import (
    SqlModelVersion,
    SqlModelVersionTag,
    SqlRegisteredModel,
    SqlRegisteredModelAlias,
    SqlRegisteredModelTag,
)
from mlflow.store.tracking.dbmodels.models import SqlExperiment, SqlRun
from sqlalchemy import bindparam, false, func, literal, select, union_all

from flywheel_mlflow.base.errors import FlywheelError
from flywheel_mlflow.decisions.pins import Pin
from flywheel_mlflow.operations.deciding import LedgerSnapshot, read_snapshot
from flywheel_mlflow.tracking import tags
from flywheel_mlflow.tracking.ledger import LEDGER_PROJECT
from flywheel_mlflow.tracking.releases import read_pins

if TYPE_CHECKING:
    from flywheel_mlflow.tracking import Tracking

#: Runs whose experiment is remembered; a run never changes it, so this only bounds the memory (about 10 MB).
MAX_REMEMBERED = 50_000
RUN_ID_LENGTH = 32
_POINTERS = (tags.LEDGER_RUN, tags.LEDGER_EXPERIMENT)
# MLflow's tables, which it leaves untyped.
_EXPERIMENTS: Any = SqlExperiment.__table__
_RUNS: Any = SqlRun.__table__
_MODELS: Any = SqlRegisteredModel.__table__
_MODEL_TAGS: Any = SqlRegisteredModelTag.__table__
_ALIASES: Any = SqlRegisteredModelAlias.__table__
_VERSIONS: Any = SqlModelVersion.__table__
_VERSION_TAGS: Any = SqlModelVersionTag.__table__

# Asked all the time, so made once.
_POINTING = select(_MODEL_TAGS.c.name).where(_MODEL_TAGS.c.key.in_(_POINTERS))
_FIND_RUN = select(_RUNS.c.run_uuid, _RUNS.c.experiment_id).where(_RUNS.c.run_uuid == bindparam("run"))
_FIND_MODEL = select(_MODELS.c.name).where(_MODELS.c.name == bindparam("name"), _MODELS.c.name.in_(_POINTING))
_COUNTED = union_all(
    select(_MODELS.c.name, literal("").label("stage")).where(_MODELS.c.name.in_(_POINTING)),
    select(_VERSIONS.c.name, _VERSIONS.c.current_stage).where(_VERSIONS.c.name.in_(_POINTING)),
).subquery()
_STAMP = select(*_COUNTED.c, func.count()).group_by(*_COUNTED.c)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Holding:
    """Why a run is kept: in words, with the command that lets go of it."""

    why: str
    instead: str


@dataclass(frozen=True, slots=True)
class _Standing:
    """The runs that a release ever rested on, those of ledgers, the ledgers' experiments, and when that was so."""

    stamp: tuple[tuple[str, int], ...]
    runs: frozenset[str]
    ledgers: Mapping[str, str]


class Governed:
    """Asks the server's own stores what is governed.

    ``open_tracking`` opens a flywheel by name, freshly for each question; ``served`` is the flywheel whose decisions
    this server takes itself, if any; ``tracking`` and ``registry`` are the engines of MLflow's two stores.
    """

    def __init__(
        self, open_tracking: Callable[[str], Tracking], *, served: str | None, tracking: Any, registry: Any
    ) -> None:
        self._open = open_tracking
        self.served = served
        self._tracking = tracking
        self._registry = registry
        self._experiments: dict[str, tuple[str, str]] = {}
        self._ledgers: frozenset[str] = frozenset()
        self._known: dict[str, LedgerSnapshot] = {}
        self._stood = _Standing((), frozenset(), {})

    def names(self) -> tuple[str, ...]:
        """Every registered model that points to a ledger."""
        pointing = select(_MODEL_TAGS.c.name).where(_MODEL_TAGS.c.key.in_(_POINTERS)).distinct()
        return tuple(sorted(str(row[0]) for row in self._ask(self._registry, pointing)))

    def flywheels(self) -> tuple[str, ...]:
        """The names of all flywheels of this server, the served one before it has a model."""
        return tuple(sorted({*self.names(), *([self.served] if self.served else [])}))

    def model(self, name: str) -> str | None:
        """The governed model that the registry finds under a name, as it spells it; None for one that is nobody's."""
        rows = self._ask(self._registry, _FIND_MODEL, name=name)
        return str(rows[0][0]) if rows else None

    def exists(self, name: str) -> bool:
        """Whether the registry has a model of that name, governed or not."""
        return bool(self._ask(self._registry, select(_MODELS.c.name).where(_MODELS.c.name == name)))

    def hidden(self, name: str) -> bool:
        """Whether the model, or a version of it, bears MLflow's mark of a prompt: its client then finds none."""
        return any(
            self._ask(
                self._registry,
                select(table.c.name).where(table.c.name == name, table.c.key.like(f"{tags.PROMPT_PREFIX}%")).limit(1),
            )
            for table in (_MODEL_TAGS, _VERSION_TAGS)
        )

    def snapshot(self, name: str) -> LedgerSnapshot | None:
        """The ledger and aliases of a governed model; None when they cannot be read, and then nothing is permitted."""
        return None if self.hidden(name) else self._look(name)[0]

    def holding(self, run_id: str) -> Holding | None:
        """Why a run may not be deleted: it is of a ledger, holds a bundle, or has data that an unretired release pins.

        Of a ledger that cannot be read, or does not hold together, nothing counts as retired.
        """
        standing = self._standing()
        if run_id not in standing.runs:
            found = self.run(run_id) if standing.ledgers else None
            if found is None or found[1] not in standing.ledgers:
                return None  # the ledgers need not be read, which takes a while
        for name in self.names():
            snapshot, segments = self._look(name)
            if run_id in (*self._pointed(name, tags.LEDGER_RUN), *segments):
                return Holding(f"it is the ledger of {name}", "its decisions are kept for good")
            for version, bundle, _ in self._bundles(name, snapshot):
                if bundle == run_id:
                    return _held(f"it holds the bundle of release {version} of {name}", version)
            for release in snapshot.state.releases.values() if snapshot else ():
                if release.run_id == run_id and not _retired(snapshot, release.version):
                    return _held(f"it holds the bundle of release {release.version} of {name}", release.version)
            for version, pin in self._pins(name, snapshot):
                if pin.run_id == run_id:
                    return _held(f"release {version} of {name} pins its {pin.interface}", version)
        return None

    def held_in(self, experiment_id: str) -> Iterator[str]:
        """The runs of an experiment that releases rest on, or a ledger is kept in."""
        for run_id in sorted(self._standing().runs):
            found = self.run(run_id)
            if found is not None and found[1] == experiment_id:
                yield run_id

    def _standing(self) -> _Standing:
        """What governed models stand on, read again when there is another model or version."""
        stamp = self.stamp()
        if stamp != self._stood.stamp:
            runs: set[str] = set()
            ledgers: dict[str, str] = {}
            for name in self.names():
                snapshot, segments = self._look(name)
                runs |= {*self._pointed(name, tags.LEDGER_RUN), *segments}
                runs |= {pin.run_id for _, pin in self._pins(name, None)}
                runs |= {run_id for _, run_id, _ in self._bundles(name, None)}
                runs |= {release.run_id for release in snapshot.state.releases.values()} if snapshot else set()
                ledgers |= dict.fromkeys(self._pointed(name, tags.LEDGER_EXPERIMENT), name)
            self._stood = _Standing(stamp, frozenset(runs), ledgers)
        return self._stood

    def files(self) -> Iterator[tuple[str, str, int, Holding]]:
        """Where the artifact store keeps every bundle and all data that releases pin: address, model, version, why."""
        for name in self.names():
            for version, pin in self._pins(name, None):
                why = f"release {version} of {name} pins its {pin.interface}"
                yield pin.address or self._address(pin.uri), name, version, _held(why, version)
            for version, _, source in self._bundles(name, None):
                why = f"it is the bundle of release {version} of {name}"
                yield self._address(source), name, version, _held(why, version)

    def stamp(self) -> tuple[tuple[str, int], ...]:
        """What changes when a governed model comes, or gets or loses a version."""
        return tuple(
            sorted((f"{name} {stage}", int(number)) for name, stage, number in self._ask(self._registry, _STAMP))
        )

    def is_retired(self, name: str, version: int) -> bool:
        """Whether a sound ledger says that a version is retired."""
        return _retired(self._look(name)[0], version)

    def leads_to(self, run_id: str) -> bool:
        """Whether the served flywheel's ledger consists of a run, among others; so does one that cannot be read."""
        name = self.model(self.served or "")
        if name is None:
            return True
        snapshot, segments = self._look(name)
        return snapshot is None or run_id in segments

    def run(self, text: str) -> tuple[str, str] | None:
        """The id and the experiment of the run that the store finds under an id; None when it finds none."""
        if len(text.strip()) != RUN_ID_LENGTH:
            return None
        if text not in self._experiments:
            rows = self._ask(self._tracking, _FIND_RUN, run=text)
            if not rows:
                return None  # not remembered: it may be made any moment
            if len(self._experiments) >= MAX_REMEMBERED:
                self._experiments.clear()
            self._experiments[text] = (str(rows[0][0]), str(rows[0][1]))
        return self._experiments[text]

    def artifacts_of(self, run_id: str) -> str | None:
        """Where a run keeps its artifacts; None when there is no such run."""
        rows = self._ask(self._tracking, select(_RUNS.c.artifact_uri).where(_RUNS.c.run_uuid == run_id))
        return str(rows[0][0]) if rows else None

    def experiment_name(self, experiment_id: str) -> str | None:
        """The name of an experiment, deleted or not; None when there is none."""
        rows = self._ask(
            self._tracking, select(_EXPERIMENTS.c.name).where(_EXPERIMENTS.c.experiment_id == int(experiment_id))
        )
        return str(rows[0][0]) if rows else None

    def served_ledgers(self) -> frozenset[str]:
        """The experiments that hold the served flywheel's ledger: the one of its name, and the one it points to.

        Remembered once there is one: the guard lets nobody delete it, or take its name.
        """
        if self.served is not None and not self._ledgers:
            named = select(_EXPERIMENTS.c.experiment_id).where(_EXPERIMENTS.c.name == self.ledger_name)
            pointed = select(_MODEL_TAGS.c.value).where(
                _MODEL_TAGS.c.name == self.served, _MODEL_TAGS.c.key == tags.LEDGER_EXPERIMENT
            )
            found = (*self._ask(self._tracking, named), *self._ask(self._registry, pointed))
            self._ledgers = frozenset(str(row[0]) for row in found)
        return self._ledgers

    def ledger_of(self, experiment_id: str) -> str | None:
        """The governed model whose ledger an experiment holds."""
        return self._standing().ledgers.get(experiment_id)

    @property
    def ledger_name(self) -> str:
        """The name of the experiment that holds the served flywheel's ledger."""
        return f"{self.served}/{LEDGER_PROJECT}"

    def same_model(self, name: str, other: str) -> bool:
        """Whether the registry would find one model under both names."""
        return self._same(self._registry, _MODELS.c.name, name, other)

    def same_experiment(self, name: str, other: str) -> bool:
        """Whether the store would find one experiment under both names."""
        return self._same(self._tracking, _EXPERIMENTS.c.name, name, other)

    def same_alias(self, alias: str, other: str) -> bool:
        """Whether the registry would find one alias under both names."""
        return self._same(self._registry, _ALIASES.c.alias, alias, other)

    def has_version(self, name: str, version: int) -> bool:
        """Whether the registry has a version of a model."""
        asked = select(_VERSIONS.c.version).where(_VERSIONS.c.name == name, _VERSIONS.c.version == version)
        return bool(self._ask(self._registry, asked))

    def _same(self, engine: Any, column: Any, one: str, other: str) -> bool:
        """Whether two texts are equal for the database, as values of that column."""
        # Joined to the column, a value is compared by the column's collation.
        both = union_all(select(column.label("text")).where(false()), select(literal(one).label("text"))).subquery()
        return bool(self._ask(engine, select(both.c.text).where(both.c.text == other)))

    def _pins(self, name: str, snapshot: LedgerSnapshot | None) -> Iterator[tuple[int, Pin]]:
        """What versions pin that are not retired, as far as it can be read."""
        asked = select(_VERSION_TAGS.c.version, _VERSION_TAGS.c.key, _VERSION_TAGS.c.value).where(
            _VERSION_TAGS.c.name == name, _VERSION_TAGS.c.key.like(f"{tags.PIN_PREFIX}%")
        )
        for version, key, value in self._ask(self._registry, asked):
            if not _retired(snapshot, int(version)):
                for pin in read_pins({str(key): str(value)})[0].values():
                    yield int(version), pin

    def _bundles(self, name: str, snapshot: LedgerSnapshot | None) -> Iterator[tuple[int, str, str]]:
        """Version, run and address of what the registry has and nobody retired."""
        asked = select(_VERSIONS.c.version, _VERSIONS.c.run_id, _VERSIONS.c.source).where(
            _VERSIONS.c.name == name, _VERSIONS.c.run_id.is_not(None), _VERSIONS.c.current_stage != DELETED_STAGE
        )
        for version, run_id, source in self._ask(self._registry, asked):
            if not _retired(snapshot, int(version)):
                yield int(version), str(run_id), str(source)

    def _address(self, uri: str) -> str:
        """Where the artifact store keeps what ``runs:/RUN/PLACE`` names; other addresses as they are."""
        run_id, _, place = uri.removeprefix("runs:/").partition("/")
        root = self.artifacts_of(run_id) if uri.startswith("runs:/") else None
        return f"{root.rstrip('/')}/{place}" if root else uri

    def _pointed(self, name: str, key: str) -> tuple[str, ...]:
        """Where the model says that its ledger is."""
        asked = select(_MODEL_TAGS.c.value).where(_MODEL_TAGS.c.name == name, _MODEL_TAGS.c.key == key)
        return tuple(str(row[0]) for row in self._ask(self._registry, asked))

    def _look(self, name: str) -> tuple[LedgerSnapshot | None, tuple[str, ...]]:
        """Aliases and ledger, and the runs of the ledger; None and none when they cannot be read."""
        tracking = self._open(name)
        try:
            snapshot = read_snapshot(tracking, deleted=True, known=self._known.get(name))
        except FlywheelError as error:
            _log.warning("the ledger of %s cannot be read: %s", name, error.what)
            return None, ()
        if snapshot is None:
            return None, ()
        self._known[name] = snapshot
        return snapshot, (snapshot.place.first_run, *tracking.ledger.segments)

    def _ask(self, engine: Any, statement: Any, **values: str) -> list[Any]:
        with engine.connect() as connection:
            return list(connection.execute(statement, values))


def _retired(snapshot: LedgerSnapshot | None, version: int) -> bool:
    """Whether a sound ledger says that a version is retired."""
    if snapshot is None or snapshot.ledger.faults:
        return False
    release = snapshot.state.releases.get(version)
    return release is not None and release.retired is not None


def _held(why: str, version: int) -> Holding:
    return Holding(why, f"use `flywheel release retire {version} --reason '...'` first")
