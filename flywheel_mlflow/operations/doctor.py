"""Looks at the surroundings of a flywheel: server, store, clock, names, what the registry supports."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sized
from dataclasses import dataclass

from flywheel_mlflow.base.errors import FlywheelError, InputError
from flywheel_mlflow.base.settings import Settings
from flywheel_mlflow.decisions.approvals import may_move
from flywheel_mlflow.decisions.gate_facts import Verdict
from flywheel_mlflow.decisions.ledger import Identity
from flywheel_mlflow.notifications.sending import open_channel
from flywheel_mlflow.operations.deciding import Session, read_snapshot
from flywheel_mlflow.operations.notifying import send_notices
from flywheel_mlflow.operations.releases.resting import deleted_runs
from flywheel_mlflow.tracking.versions import NEWEST, OLDEST, advisories_of, is_tried, limits_of, numbers_of

#: Clocks further apart than this make expiries and leases doubtful: a good part of the default lease.
MAX_SKEW_S = 30.0
#: Runs or experiments named in one line; more are counted.
MOST = 5


@dataclass(frozen=True, slots=True)
class _Surroundings:
    """Where the doctor looks."""

    session: Session
    settings: Settings


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One thing the doctor looked at."""

    name: str
    verdict: Verdict
    text: str
    hint: str = ""


def examine(session: Session, settings: Settings) -> tuple[Diagnosis, ...]:
    """Everything that can make releases unsafe or fail, looked at one by one."""
    here = _Surroundings(session, settings)
    found: list[Diagnosis] = []
    for look_at in (
        _version,
        _store,
        _clock,
        _names,
        _evidence,
        _unfinished,
        _registry,
        _trash,
        _plugin,
        _people,
        _channels,
    ):
        try:
            found += look_at(here)
        except FlywheelError as error:
            found.append(Diagnosis(look_at.__name__.strip("_"), Verdict.INCONCLUSIVE, error.what, error.hint or ""))
    return tuple(found)


def _version(here: _Surroundings) -> Iterator[Diagnosis]:
    version = here.session.tracking.server.version()
    if not numbers_of(version):
        yield Diagnosis("version", Verdict.INCONCLUSIVE, f"the server calls its version {version!r}")
        return
    accounts = bool((here.session.tracking.server.about or {}).get("authentication"))
    holes = [f"{hole.name}: {hole.what}" for hole in advisories_of(version, accounts=accounts)]
    yield Diagnosis(
        "version",
        Verdict.BLOCK if holes else Verdict.PASS,
        f"MLflow {version}"
        + (f" has known holes: {'; '.join(holes)}" if holes else ", no advisory known here applies"),
        f"update the {'server' if here.settings.is_server else 'package mlflow'}" if holes else "",
    )
    if not is_tried(version):
        yield Diagnosis("version", Verdict.INCONCLUSIVE, f"tried was MLflow {OLDEST} to {NEWEST}, not {version}")
    for limit in limits_of(version, accounts=accounts) if here.settings.is_server else ():
        yield Diagnosis("version", Verdict.PASS, f"before MLflow {limit.before} {limit.what}", limit.instead)


def _store(here: _Surroundings) -> Iterator[Diagnosis]:
    if here.settings.is_server:
        yield Diagnosis("store", Verdict.PASS, f"an MLflow server at {here.settings.shown_uri}")
        return
    yield Diagnosis(
        "store",
        Verdict.PASS,
        f"a database file, {here.settings.shown_uri}: for one machine; who can write it can do anything",
    )
    tables, version = here.session.tracking.server.tables(), here.session.tracking.server.version()
    if tables is None:
        yield Diagnosis("store", Verdict.PASS, "its tables are read by MLflow alone: commands start later")
    elif numbers_of(tables) < numbers_of(version)[:2]:
        yield Diagnosis(
            "store",
            Verdict.PASS,
            f"its tables are those of MLflow {tables}: {version} upgrades them before it writes, for good",
            "copy the file first",
        )
    elif numbers_of(tables) > numbers_of(version)[:2]:
        yield Diagnosis(
            "store",
            Verdict.BLOCK,
            f"its tables are those of MLflow {tables}, installed is {version}, which does not write into them",
            f"pip install 'mlflow=={tables}.*'",
        )


def _clock(here: _Surroundings) -> Iterator[Diagnosis]:
    before = here.session.now()
    told = here.session.tracking.server.clock()
    after = here.session.now()
    if told is None:
        if here.settings.is_server:
            yield Diagnosis("clock", Verdict.INCONCLUSIVE, "the server does not tell the time")
        return
    ours = before + (after - before) / 2
    skew = (told - ours).total_seconds()
    bad = abs(skew) > MAX_SKEW_S
    yield Diagnosis(
        "clock",
        Verdict.BLOCK if bad else Verdict.PASS,
        f"the server's clock is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} this machine's",
        "set both by a time server: expiries and leases compare the two" if bad else "",
    )


def _names(here: _Surroundings) -> Iterator[Diagnosis]:
    name = here.session.flywheel.name
    experiments = here.session.tracking.server.experiments()
    foreign = [item.name for item in experiments if item.owner not in (None, name)]
    deleted = [item.name for item in experiments if not item.active]
    if foreign or deleted:
        told = [f"{item} belongs to another flywheel" for item in foreign] + [f"{item} is deleted" for item in deleted]
        hint = "give this flywheel another name" if foreign else "restore it in the MLflow UI"
        yield Diagnosis("experiments", Verdict.BLOCK, "; ".join(told), hint)
    else:
        present = {item.name for item in experiments}
        silent = [
            project
            for project, contract in here.session.flywheel.contracts.items()
            if not contract.is_assembly and f"{name}/{project}" not in present
        ]
        told_silent = f"; without a run so far: {', '.join(silent)}" if silent else ""
        yield Diagnosis("experiments", Verdict.PASS, f"{len(experiments)} experiments{told_silent}")
    for item, said in here.session.tracking.server.misnamed():
        yield Diagnosis(
            "experiments",
            Verdict.BLOCK,
            f"the experiment {item} says it is {said}: it was renamed, or is somebody else's",
            f"rename it to {said}, or delete its tag flywheel.name",
        )
    owner = here.session.tracking.server.model_owner()
    if owner is not None and owner != name:
        yield Diagnosis(
            "registered model",
            Verdict.BLOCK,
            f"the registered model {name} was made by somebody else",
            "rename it, or give this flywheel another name",
        )


def _evidence(here: _Surroundings) -> Iterator[Diagnosis]:
    """Who claims to hold evidence and does not, and who holds it unseen."""
    name = here.session.flywheel.name
    places = here.session.tracking.collector.places()
    others = sorted(other[:80] for other in places.others.values())
    if others:
        yield Diagnosis(
            "evidence",
            Verdict.BLOCK,
            f"{_counted(others, 'experiment')} elsewhere bear this flywheel's tag, and nothing in them counts: "
            f"{', '.join(others[:MOST])}" + (f" and {len(others) - MOST} more" if len(others) > MOST else ""),
            "a renamed experiment gets its name back; runs of another tool are taken with `flywheel adopt`; "
            "of a stranger's experiment ask the owner why it bears the tag flywheel.name",
        )
    seen = {*places.projects.values()}
    unseen = [
        project
        for item in here.session.tracking.server.experiments()
        if item.active
        and (project := item.name.removeprefix(f"{name}/")) in here.session.flywheel.contracts
        and project not in seen
    ]
    if unseen:
        yield Diagnosis(
            "evidence",
            Verdict.BLOCK,
            "not collected, without the tag flywheel.name: " + ", ".join(f"{name}/{item}" for item in unseen),
            f"set the experiment tag flywheel.name to {name}, or log a run there",
        )


def _unfinished(here: _Surroundings) -> Iterator[Diagnosis]:
    runs = here.session.tracking.collector.unfinished()
    if runs:
        told = "; ".join(f"{run.run_id} of {run.project_id}: {run.reason}" for run in runs[:MOST])
        more = f"; and {len(runs) - MOST} more" if len(runs) > MOST else ""
        yield Diagnosis("unfinished runs", Verdict.INCONCLUSIVE, told + more, "end or delete them in the MLflow UI")


def _counted(things: Sized, noun: str) -> str:
    return f"{len(things)} {noun}" if len(things) == 1 else f"{len(things)} {noun}s"


def _registry(here: _Surroundings) -> Iterator[Diagnosis]:
    snapshot = read_snapshot(here.session.tracking)
    if snapshot is None:
        yield Diagnosis("releases", Verdict.PASS, "no release yet", "flywheel release create --iteration N")
        return
    faults = [fault.what for fault in (*snapshot.ledger.faults, *snapshot.ledger.time_faults(here.session.now()))]
    faults += [f"event {event.number} bears no seal and counts for nothing" for event in snapshot.ledger.unsealed]
    told = f"{_counted(snapshot.ledger.events, 'event')}, {_counted(snapshot.state.releases, 'release')}"
    yield Diagnosis(
        "ledger",
        Verdict.BLOCK if faults else Verdict.PASS,
        "; ".join(faults) or told,
        "flywheel audit" if faults else "",
    )
    if not here.session.flywheel.blueprint.releases.mirror_stages:
        return
    known = next(iter(snapshot.state.releases), None)
    view = here.session.tracking.releases.version(known) if known is not None else None
    if view is not None:
        has = bool(view.stage)
        told = "the model registry has stages, which follow the aliases" if has else "this registry has no stages"
        yield Diagnosis("stages", Verdict.PASS, told)


def _trash(here: _Surroundings) -> Iterator[Diagnosis]:
    """What the releases in staging and production rest on and somebody deleted."""
    snapshot = read_snapshot(here.session.tracking)
    if snapshot is None:
        return
    live = sorted({version for version in snapshot.state.current.values() if version is not None})
    releases = [snapshot.state.releases[version] for version in live]
    versions = {view.version: view for view in here.session.tracking.releases.versions()}
    lost = [f"the model version of release {version} is deleted" for version in live if version not in versions]
    found = [*deleted_runs(here.session.tracking, releases, versions)]
    if lost or found:
        told = "; ".join([*lost, *(item.what for item in found)])
        yield Diagnosis("trash", Verdict.BLOCK, told, found[0].hint if found else "flywheel reconcile")
    elif live:
        yield Diagnosis("trash", Verdict.PASS, "nothing that staging and production rest on is deleted")


def _plugin(here: _Surroundings) -> Iterator[Diagnosis]:
    if not here.settings.is_server:
        return
    about = here.session.tracking.server.about
    if about is None:
        yield Diagnosis(
            "enforcement",
            Verdict.PASS,
            "the server has no flywheel plugin: moves by hand are found by `flywheel audit`, not prevented",
            "mlflow server --app-name flywheel",
        )
        return
    serves = about.get("flywheel")
    told = f"the server's plugin guards and does the acts of {serves}" if serves else "the plugin only guards"
    named = "people log in" if about.get("authentication") else "names are claimed, not proven"
    yield Diagnosis("enforcement", Verdict.PASS, f"{told}; {named}")


def _people(here: _Surroundings) -> Iterator[Diagnosis]:
    blueprint = here.session.flywheel.blueprint
    movers = [item.id for item in blueprint.people if may_move(blueprint, Identity(item.id))]
    if blueprint.releases.may_move and not movers:
        yield Diagnosis("people", Verdict.BLOCK, "nobody may move releases", "releases.may_move in flywheel.yaml")
    keys = sum(item.public_key is not None for item in blueprint.people)
    yield Diagnosis(
        "people",
        Verdict.PASS,
        f"{len(blueprint.people)} people, {keys} with a key; you are {here.session.actor.name}, who "
        + ("may" if may_move(blueprint, here.session.actor) else "may not")
        + " move releases",
    )


def _channels(here: _Surroundings) -> Iterator[Diagnosis]:
    """Whether people can be told, and what they were not told yet."""
    session, blueprint = here.session, here.session.flywheel.blueprint
    if not blueprint.notify.channels:
        return

    about = session.tracking.server.about
    for channel in blueprint.notify.channels:
        name, trying = f"channel {channel.id}", f"flywheel notify test {channel.id}"
        if about is not None and about.get("flywheel") == blueprint.name:
            yield Diagnosis(name, Verdict.PASS, "the server sends, with the variables of its own environment", trying)
            continue
        try:
            yield Diagnosis(name, Verdict.PASS, open_channel(channel, os.environ).summary, trying)
        except InputError as error:
            yield Diagnosis(name, Verdict.INCONCLUSIVE, error.what, error.hint or "")
    for channel in blueprint.notify.channels:
        unreached = [] if channel.contact is None else _unreached(here, channel.contact)
        if unreached:
            yield Diagnosis(
                f"channel {channel.id}",
                Verdict.INCONCLUSIVE,
                f"nobody with a contact called {channel.contact} stands behind {', '.join(unreached)}",
                "name people under the team or role in flywheel.yaml, and their contacts",
            )
    waiting = send_notices(session, audit=False, dry_run=True).notices
    why = next((f": {item.channel}: {item.why}" for item in waiting if item.why), "")
    yield Diagnosis(
        "notifications",
        Verdict.INCONCLUSIVE if waiting else Verdict.PASS,
        f"{_counted(waiting, 'notification')} not sent yet{why}" if waiting else "everything to tell was told",
        "flywheel notify send" if waiting else "",
    )


def _unreached(here: _Surroundings, contact: str) -> list[str]:
    """The teams that own a project and the roles that approve behind which nobody has a contact of that name."""
    flywheel = here.session.flywheel
    reached = {person.id for person in flywheel.blueprint.people if contact in person.contacts}
    owners = [item.owner for item in flywheel.contracts.values()]
    roles = [item.role for item in flywheel.blueprint.criteria if item.role]
    names = dict.fromkeys([*owners, *roles])
    return [name for name in names if not reached & set(flywheel.blueprint.people_of(name))]
