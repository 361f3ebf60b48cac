"""Judges every row a request is about to write: what is governed changes as its ledger permits, or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from mlflow.entities.model_registry.model_version_stages import STAGE_DELETED_INTERNAL

from flywheel_mlflow.console import permissions
from flywheel_mlflow.console.endpoints import Effect
from flywheel_mlflow.console.governed import Governed
from flywheel_mlflow.console.permissions import Denial
from flywheel_mlflow.console.watch import ENDS, RUN_COLUMNS, TIES, Change
from flywheel_mlflow.decisions.releases import STAGES
from flywheel_mlflow.operations.deciding import LedgerSnapshot
from flywheel_mlflow.tracking import tags

DECIDE = "use the `flywheel` commands: this server writes the ledger itself"
RELEASE = "use `flywheel release create --iteration N`"
#: What is written into a run, beside the run itself.
RECORDS = frozenset({"inputs", "latest_metrics", "metrics", "params", "tags"})
_GONE = "deleted"
ASIDE = "this endpoint does not decide about releases; use the `flywheel` commands"

Rule = Callable[[Change, bool], Denial | None]


class Rules:
    """``is_administrator`` tells whether whoever sent the request at work administers the server."""

    def __init__(self, governed: Governed, is_administrator: Callable[[], bool]) -> None:
        self._governed = governed
        self._is_administrator = is_administrator
        self._rules: Mapping[str, Rule] = {
            "experiments": self._experiment,
            "experiment_tags": self._experiment_tag,
            "jobs": self._job,
            "model_version_tags": self._version_tag,
            "model_versions": self._version,
            "registered_model_aliases": self._alias,
            "registered_model_tags": self._model_tag,
            "registered_models": self._model,
            "runs": self._run,
        }

    def judge(self, change: Change, effect: Effect) -> Denial | None:
        """Why a row may not be written; None when it may.

        Raises:
            FlywheelError: the store failed; nothing can then be permitted.
        """
        direct = effect is Effect.DIRECT and not change.wholesale
        runs = self._owners(change)
        denial = self._in_ledger(change, runs, direct)
        if denial is None and change.table in self._rules:
            denial = self._rules[change.table](change, direct)
        elif denial is None and change.table in RECORDS and not direct:
            denial = self._kept(runs)
        return denial

    def governs(self, model: str) -> bool:
        """Whether a registered model of that name is governed."""
        return self._governed.model(model) is not None

    def _owners(self, change: Change) -> dict[str, str]:
        """The runs that a row belongs to, as the store knows them, and their experiments; a new run has none yet."""
        if change.table == "runs":
            before = change.before
            return {str(before["run_uuid"]): str(before["experiment_id"])} if before is not None else {}
        columns = (*RUN_COLUMNS, *ENDS) if change.table in TIES else RUN_COLUMNS
        found = (self._governed.run(text) for text in change.values(*columns))
        return dict(run for run in found if run is not None)

    def _in_ledger(self, change: Change, runs: Mapping[str, str], direct: bool) -> Denial | None:
        """On a server that takes the decisions nobody else writes into the ledger's experiment, by whatever way."""
        places = {*runs.values(), *(str(_integer(text)) for text in change.values("experiment_id"))}
        if change.table in TIES:
            places |= {text for text in change.values(*ENDS) if text.isdecimal()}
        held = places & self._governed.served_ledgers()
        if held:
            if self._is_mending(change):
                return None
            what = f"run {min(runs)} is" if runs else f"experiment {min(held)} holds"
            return Denial(f"{what} the ledger of this server's flywheel", DECIDE)
        if not direct:
            for place in sorted(places):
                name = self._governed.ledger_of(place)
                if name is not None:
                    return Denial(f"experiment {place} holds the ledger of {name}", ASIDE)
        return None

    def _is_mending(self, change: Change) -> bool:
        """Restoring what was deleted; and an administrator deletes a run that the ledger does not lead to."""
        if change.table not in ("runs", "experiments") or change.before is None or change.after is None:
            return False
        times = {"lifecycle_stage", "deleted_time", "last_update_time"}
        if any(change.changes(name) for name in change.before if name not in times):
            return False
        if change.after["lifecycle_stage"] != _GONE:
            return True
        stray = change.table == "runs" and not self._governed.leads_to(str(change.before["run_uuid"]))
        return stray and self._is_administrator()

    def _kept(self, runs: Iterable[str]) -> Denial | None:
        for run_id in runs:
            holding = self._governed.holding(run_id)
            if holding is not None:
                return Denial(f"run {run_id} is kept: {holding.why}", holding.instead)
        return None

    def _run(self, change: Change, direct: bool) -> Denial | None:
        if change.before is None:
            return None
        stays = change.after is not None and change.after["lifecycle_stage"] != _GONE
        moves = any(change.changes(name) for name in ("run_uuid", "experiment_id", "artifact_uri"))
        if direct and stays and not moves:
            return None
        return self._kept([str(change.before["run_uuid"])])

    def _experiment(self, change: Change, direct: bool) -> Denial | None:
        if change.before is None:
            new = str((change.after or {})["name"])
            return self._named(new) or self._founded(new)
        old, number = str(change.before["name"]), str(change.before["experiment_id"])
        if change.changes("name"):
            new = str((change.after or {})["name"])
            owner = self._flywheel_of(old) or self._flywheel_of(new)
            if owner:
                return self._named(new) or Denial(
                    f"the experiment {old if self._flywheel_of(old) else new} is found by its name: by {owner}",
                    "leave the name; a title of its own goes into the experiment's note",
                )
        goes = change.after is None or (change.changes("lifecycle_stage") and change.after["lifecycle_stage"] == _GONE)
        if direct and not goes:
            return None
        for run_id in self._governed.held_in(number):
            holding = self._governed.holding(run_id)
            if holding is not None:
                return Denial(f"experiment {number} is kept with run {run_id}: {holding.why}", holding.instead)
        if direct:
            return None
        owner = self._flywheel_of(old)
        return Denial(f"the experiment {old} is one of {owner}", ASIDE) if owner else None

    def _named(self, name: str) -> Denial | None:
        """Whether an experiment may have a name."""
        governed = self._governed
        if governed.served is None or not (
            name.casefold() == governed.ledger_name.casefold() or governed.same_experiment(name, governed.ledger_name)
        ):
            return None
        return Denial(f"the experiment {name} is the ledger of this server's flywheel", DECIDE)

    def _founded(self, name: str) -> Denial | None:
        """Whether an experiment may be made: whoever makes one may do everything with it, its evidence included."""
        owner = self._flywheel_of(name)
        if owner is None or self._is_administrator():
            return None
        return Denial(
            f"the experiment {name} is one of {owner}: whoever makes it owns what it says",
            "ask an administrator to run `flywheel init`, and for EDIT on the experiment",
        )

    def _flywheel_of(self, experiment: str) -> str | None:
        """The flywheel that finds an experiment by this name."""
        for name in self._governed.flywheels():
            head, rest = experiment[: len(name)], experiment[len(name) :]
            if (rest.startswith("/") or not rest.strip()) and self._governed.same_experiment(head, name):
                return name
        return None

    def _experiment_tag(self, change: Change, direct: bool) -> Denial | None:
        ours = change.before is not None and change.before["key"] in (tags.NAME, tags.PROJECT)
        if direct and not ours:
            return None
        for text in change.values("experiment_id"):
            name = self._governed.experiment_name(str(_integer(text)))
            owner = self._flywheel_of(name) if name else None
            if owner:
                return Denial(f"the experiment {name} is one of {owner}", "leave what says so" if direct else ASIDE)
        return None

    def _model(self, change: Change, direct: bool) -> Denial | None:
        if change.before is None or change.changes("name"):
            new = str((change.after or {})["name"])
            if self._is_served(new):
                return Denial(f"{new} is the flywheel of this server", RELEASE)
        name = self._governed.model(str(change.before["name"])) if change.before is not None else None
        if name is None:
            return None
        if change.changes("name"):
            return Denial(f"{name} is found by its name: by its consumers, and by its ledger", "leave it")
        if direct and change.after is not None:
            return None
        return _whole(name)

    def _version(self, change: Change, direct: bool) -> Denial | None:
        if change.before is None and any(self._is_served(text) for text in change.values("name")):
            return Denial(f"a version of {change.row['name']} is a release", RELEASE)
        name = self._model_of(change)
        if name is None:
            return None
        if not direct:
            return Denial(f"a version of {name} is a release", ASIDE)
        if change.before is None:
            return None
        if change.after is None:
            return Denial(
                f"{name} holds releases and their ledger", "retire single releases: `flywheel release retire`"
            )
        if not change.changes("current_stage"):
            return None
        version, stage = int(change.before["version"]), str(change.after["current_stage"])
        if stage == STAGE_DELETED_INTERNAL:
            return self._by_ledger(name, lambda snapshot: permissions.deletion_denial(snapshot.state, version))
        return self._by_ledger(
            name, lambda snapshot: permissions.stage_denial(snapshot.state, version, stage, archive_others=False)
        )

    def _alias(self, change: Change, direct: bool) -> Denial | None:
        name = self._model_of(change)
        if name is None:
            return None
        if not direct:
            return Denial(f"an alias of {name} leads to a release", ASIDE)
        asked: list[tuple[str, int | None]] = []
        if change.before is not None and (change.after is None or change.changes("alias")):
            asked.append((str(change.before["alias"]), None))
        if change.after is not None:
            asked.append((str(change.after["alias"]), int(change.after["version"])))
        for alias, version in asked:
            for stage in STAGES:
                if alias != stage and self._governed.same_alias(alias, stage):
                    return permissions.mistaken(alias, stage)
            denial = self._by_ledger(name, partial(_alias_denial, alias, version))
            if denial:
                return denial
        return None

    def _model_tag(self, change: Change, direct: bool) -> Denial | None:
        name = self._model_of(change)
        if name is None and not self._governed.exists(str(change.row["name"])):
            return None  # made with the model
        for key in sorted(change.values("key")):
            denial = permissions.model_tag_denial(key, governed=name is not None)
            if name is not None:
                denial = denial or permissions.prompt_denial(key, going=change.after is None)
            if denial:
                return denial
        return None if name is None or direct else Denial(f"a tag of {name} is read by its consumers", ASIDE)

    def _version_tag(self, change: Change, direct: bool) -> Denial | None:
        name = self._model_of(change)
        if name is None:
            return None
        version, value = int(change.row["version"]), None if change.after is None else str(change.after["value"])
        made = change.before is None and not self._governed.has_version(name, version)
        for key in sorted(change.values("key")):
            denial = permissions.prompt_denial(key, going=change.after is None)
            if denial is None and permissions.is_ours(key) and not made:
                denial = self._by_ledger(name, partial(_tag_denial, version, key, value))
            if denial:
                return denial
        return None if direct else Denial(f"a tag of a version of {name} says what was released", ASIDE)

    def _job(self, change: Change, direct: bool) -> Denial | None:  # noqa: ARG002 - as all rules
        """A job runs in another process, with the database in its hands: none is made about what is governed."""
        if change.after is None or (change.before is not None and not change.changes("params")):
            return None
        named = set(_texts(change.after.get("params")))
        runs = {found for text in named if (found := self._governed.run(text))}
        for place in {run[1] for run in runs} | {text for text in named if text.isdecimal()}:
            if place in self._governed.served_ledgers() or self._governed.ledger_of(place):
                return Denial(f"experiment {place} holds a ledger", "jobs are for other experiments")
        return self._kept(run[0] for run in runs) if runs else None

    def _model_of(self, change: Change) -> str | None:
        """The governed model that a row belongs to, or comes to belong to."""
        for text in sorted(change.values("name")):
            name = self._governed.model(text)
            if name is not None:
                return name
        return None

    def _is_served(self, name: str) -> bool:
        served = self._governed.served
        return served is not None and (name.casefold() == served.casefold() or self._governed.same_model(name, served))

    def _by_ledger(self, model: str, judge: Callable[[LedgerSnapshot], Denial | None]) -> Denial | None:
        snapshot = self._governed.snapshot(model)
        if snapshot is None:
            return Denial(
                f"the releases of {model} cannot be read, so nothing about them is permitted", "run `flywheel audit`"
            )
        return permissions.ledger_denial(snapshot.ledger) or judge(snapshot)


def _whole(model: str) -> Denial:
    return Denial(f"{model} holds releases and their ledger", "retire single releases: `flywheel release retire`")


def _alias_denial(alias: str, version: int | None, snapshot: LedgerSnapshot) -> Denial | None:
    return permissions.alias_denial(snapshot.state, alias, version)


def _tag_denial(version: int, key: str, value: str | None, snapshot: LedgerSnapshot) -> Denial | None:
    return permissions.version_tag_denial(snapshot.state, version, key, value)


def _integer(text: str) -> int | str:
    """An experiment's id as the database reads it; what is no number is none."""
    try:
        return int(text)
    except ValueError:
        return text


def _texts(value: Any) -> Iterable[str]:
    """Every text and number in the parameters of a job, JSON within JSON included."""
    if isinstance(value, str):
        yield value
        if value[:1] in '{["':
            try:
                yield from _texts(json.loads(value))
            except (ValueError, RecursionError):
                return
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif value is not None:
        yield str(value)
