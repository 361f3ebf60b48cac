"""What could be done next: themes of feedback, contracts to unify, gates to strengthen; each with its evidence."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from typing import Literal, Protocol

from flywheel_mlflow.decisions.releases import STAGES
from flywheel_mlflow.decisions.risks import Risk, Sighting
from flywheel_mlflow.evidence.lineage import Edge, EdgeState, impact, reach
from flywheel_mlflow.evidence.runs import FieldType
from flywheel_mlflow.evidence.schema_paths import need_path
from flywheel_mlflow.evidence.schemas import serves
from flywheel_mlflow.feedback.recurring import Theme
from flywheel_mlflow.promises.contract import Contract
from flywheel_mlflow.promises.fields import field_types
from flywheel_mlflow.promises.routes import SCOPES, SEVERITIES

#: Iterations that are looked back on: what was last seen before them is no longer what hurts.
LOOKED_BACK = 4
#: How often something must have shown itself to be recurring.
RECURS_FROM = 2
MAX_TITLE = 250
CONTRACT, GATE = "contract/", "gate/"

#: What an edge says that a contract should have prevented, with how grave that is.
_BROKEN = {EdgeState.STALE: "reads another version", EdgeState.UNREAD: "logs no input of it"}


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something that could be done, as its evidence shows it.

    ``project`` would do it, None where nobody can be named; ``iteration`` is that of its newest evidence, ``category``
    the class of work, None where people must say. ``scope`` and ``severity`` are the widest and worst stated, None
    where nobody states any; ``count`` says how often it was seen, in ``counted``. ``reach`` are the other projects that
    gain, for ``reached``. ``lasting`` says why what is made is used again, empty where nothing shows that. It answers
    the open risks that name one of ``projects``, and ``risks``. ``boundary``: governance reports it. ``events`` and
    ``records`` are those of a theme.
    """

    id: str
    kind: Literal["theme", "contract", "gate"]
    project: str | None
    iteration: int
    title: str
    scope: str | None
    severity: str | None
    count: int
    counted: str
    reach: int
    reached: str
    projects: tuple[str, ...] = ()
    risks: tuple[str, ...] = ()
    category: str | None = None
    lasting: str = ""
    boundary: bool = False
    evidence: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    records: tuple[str, ...] = ()


class SeenEdge(Protocol):
    """An edge as an assembly recorded it."""

    @property
    def interface(self) -> str:
        """What is read."""

    @property
    def consumer(self) -> str:
        """Who reads it."""

    @property
    def state(self) -> str:
        """An :class:`~flywheel_mlflow.evidence.lineage.EdgeState`."""

    @property
    def missing_fields(self) -> tuple[str, ...] | None:
        """The fields the reader needs and does not find."""


@dataclass(frozen=True, slots=True)
class SeenIteration:
    """What an iteration's assembly recorded about interfaces: the edges, and the fields of each version."""

    iteration: int
    edges: tuple[SeenEdge, ...]
    fields: Mapping[str, tuple[FieldType, ...]]


def theme_candidate(theme: Theme, edges: Iterable[Edge]) -> Candidate:
    """A theme as something that could be done; ``edges`` are the declared interfaces."""
    downstream = reach(edges, {theme.project})
    again = ", ".join(map(str, theme.seen_in))
    return Candidate(
        id=theme.id,
        kind="theme",
        project=theme.project,
        iteration=theme.iteration,
        title=theme.title,
        scope=_worst(theme.scopes, SCOPES),
        severity=_worst(theme.severities, SEVERITIES),
        count=len(theme.events),
        counted="events",
        reach=downstream,
        reached=f"projects that build on {theme.project} in the same iteration",
        projects=(theme.project,),
        lasting=f"it came back, seen before in {again}: what mends it is needed again" if again else "",
        boundary=bool(theme.sources.get("governance")),
        events=theme.events,
        records=theme.records,
    )


def _worst(counts: Mapping[str, int], order: tuple[str, ...]) -> str | None:
    return next((word for word in reversed(order) if counts.get(word)), None)


@dataclass(frozen=True, slots=True)
class _Sign:
    """One thing that speaks for a contract: how grave, how often, in words."""

    severity: str
    count: int
    text: str


def contract_candidates(
    contracts: Mapping[str, Contract], edges: Sequence[Edge], seen: Sequence[SeenIteration], iteration: int
) -> tuple[Candidate, ...]:
    """Interfaces whose contract leaves something open between the projects that share it, by name.

    A contract is silent where several readers say of no field that they need it; it is broken where readers miss needed
    fields, or read another version or none, now and at least twice in the iterations looked back on; types differ where
    a reader needs the same field of two interfaces and gets it in types that do not serve one another. ``edges`` are
    those declared, ``seen`` what assemblies recorded, the newest last.
    """
    signs: dict[str, list[_Sign]] = defaultdict(list)
    for name, sign in (*_broken(seen), *_unlike(contracts, edges, seen), *_silent(contracts, edges)):
        signs[name].append(sign)
    return tuple(_contract(name, signs[name], edges, iteration) for name in sorted(signs))


def _contract(name: str, signs: list[_Sign], edges: Sequence[Edge], iteration: int) -> Candidate:
    mine = [edge for edge in edges if edge.interface == name]
    producer = mine[0].producer
    readers = sorted({edge.consumer for edge in mine})
    reached = impact(edges, mine)
    return Candidate(
        id=f"{CONTRACT}{name}",
        kind="contract",
        project=producer,
        iteration=iteration,
        title=f"Unify the contract of {name}: {'; '.join(sign.text for sign in signs)}"[:MAX_TITLE],
        scope="chain" if len(readers) > 1 else "project",
        severity=max((sign.severity for sign in signs), key=SEVERITIES.index),
        count=sum(sign.count for sign in signs),
        counted="signs",
        reach=len(reached),
        reached=f"projects that read {name}, or what is made from it",
        projects=(producer,),
        category="efficiency",
        lasting="a contract holds in every later iteration",
        evidence=tuple(sign.text for sign in signs),
    )


def _broken(seen: Sequence[SeenIteration]) -> Iterator[tuple[str, _Sign]]:
    faults = {item.iteration: dict(_faults(item)) for item in seen[-LOOKED_BACK:]}
    newest = faults[seen[-1].iteration] if seen else {}
    for (interface, consumer), (severity, text) in sorted(newest.items()):
        turns = [turn for turn, found in faults.items() if (interface, consumer) in found]
        if len(turns) >= RECURS_FROM:
            yield (
                interface,
                _Sign(severity, len(turns), f"{consumer} {text}, in iterations {', '.join(map(str, turns))}"),
            )


def _faults(item: SeenIteration) -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
    for edge in item.edges:
        if edge.missing_fields:
            yield (edge.interface, edge.consumer), ("high", f"misses {', '.join(edge.missing_fields[:3])}")
        elif edge.state in _BROKEN:
            yield (edge.interface, edge.consumer), ("medium", _BROKEN[EdgeState(edge.state)])


def _silent(contracts: Mapping[str, Contract], edges: Iterable[Edge]) -> Iterator[tuple[str, _Sign]]:
    silent: dict[str, set[str]] = defaultdict(set)
    for edge in edges:
        made = contracts[edge.producer].interface(edge.interface)
        is_looked_into = made is not None and made.format != "opaque"
        # The assembly layer reads what others tell of their data, not the records.
        if is_looked_into and not contracts[edge.consumer].is_assembly and not _needs(contracts, edge):
            silent[edge.interface].add(edge.consumer)
    for interface, readers in sorted(silent.items()):
        if len(readers) >= RECURS_FROM:
            names = ", ".join(sorted(readers))
            yield interface, _Sign("low", len(readers), f"{names} say of no field that they need it")


def _needs(contracts: Mapping[str, Contract], edge: Edge) -> set[str]:
    """The fields that a reader says it needs, as contracts name them."""
    inputs = contracts[edge.consumer].interfaces_in
    return {need_path(path) for item in inputs if item.name == edge.interface for path in field_types(item.fields)}


def _unlike(
    contracts: Mapping[str, Contract], edges: Sequence[Edge], seen: Sequence[SeenIteration]
) -> Iterator[tuple[str, _Sign]]:
    if not seen:
        return
    types = {
        name: {need_path(field.path): field.type for field in fields if field.type != "null"}
        for name, fields in seen[-1].fields.items()
    }
    readers = Counter(edge.interface for edge in edges)
    by_consumer: dict[str, list[Edge]] = defaultdict(list)
    for edge in edges:
        by_consumer[edge.consumer].append(edge)
    for consumer, mine in sorted(by_consumer.items()):
        for one, two in combinations(sorted(mine, key=lambda edge: edge.interface), 2):
            first, second = types.get(one.interface, {}), types.get(two.interface, {})
            apart = [
                f"{path} is {first[path]} in {one.interface}, {second[path]} in {two.interface}"
                for path in sorted(_needs(contracts, one) & _needs(contracts, two) & first.keys() & second.keys())
                if not serves(first[path], second[path]) and not serves(second[path], first[path])
            ]
            if apart:
                # The one that fewer projects read is the cheaper one to change.
                odd = min((one.interface, two.interface), key=lambda name: (readers[name], name))
                yield odd, _Sign("medium", len(apart), f"{consumer} needs {'; '.join(apart[:2])}")


#: Beginnings of the topics of risks that are about a gate.
_GATE_WORDS = {"gate": "blocked", "override": "overridden", "rollback": "regretted by a rollback"}
#: Topics that are candidates of their own.
_APART = ("theme", "review")


def gate_candidates(
    risks: Iterable[Risk],
    contracts: Mapping[str, Contract],
    edges: Sequence[Edge],
    iteration: int,
    *,
    answered: Mapping[str, datetime],
) -> tuple[Candidate, ...]:
    """Gates and checks that recurring risks ask to strengthen, by id.

    A gate recurs that blocked in several iterations, or was passed by overrides or regretted by rollbacks, together at
    least twice; other risks when they were seen in several iterations, or came back after they were closed. Left out is
    what is closed and was last seen before the iterations looked back on, and what was not seen since it was
    ``answered``: when the newest task for each candidate was absorbed (UTC). Themes and reviews stand for themselves.
    """
    groups: dict[tuple[str, str], list[Risk]] = defaultdict(list)
    for risk in risks:
        kind, _, rest = risk.topic.partition("/")
        if rest and kind not in _APART:
            groups[("gate" if kind in _GATE_WORDS and rest in STAGES else kind, rest)].append(risk)
    found = []
    for (kind, rest), items in groups.items():
        named = rest if kind == "gate" else f"drift/{rest}" if kind == "drift" else items[0].id
        name = f"{GATE}{named}"
        seen = _Recurrence(items, since=answered.get(name))
        if seen.recurs(iteration):
            about = rest if kind == "gate" else None
            found.append(_gate(name, about, seen, contracts, edges, iteration))
    return tuple(sorted(found, key=lambda item: item.id))


class _Recurrence:
    """The times at which some risks of one topic showed themselves, each once; ``since`` leaves out earlier ones."""

    def __init__(self, risks: list[Risk], *, since: datetime | None) -> None:
        self.risks = risks
        self._last = max((item.at for risk in risks for item in risk.sightings), default=None)
        self._since = since
        times = [(risk.topic.partition("/")[0], item) for risk in risks for item in risk.sightings]
        self._newest = max((item.iteration or 0 for _, item in times), default=0)
        # A gate that is tried ten times in an iteration blocks once.
        each = ("override", "rollback")
        once = {
            (kind, item.number if kind in each or item.iteration is None else -item.iteration) for kind, item in times
        }
        self.counts = Counter(kind for kind, _ in once)

    @property
    def count(self) -> int:
        return self.counts.total()

    def recurs(self, iteration: int) -> bool:
        answered = self._since is not None and (self._last is None or self._last <= self._since)
        still = any(risk.closed_at is None for risk in self.risks) or self._newest > iteration - LOOKED_BACK
        return self.count >= RECURS_FROM and still and not answered


def _occasion(kind: str, item: Sighting) -> tuple[str, int]:
    """What tells two sightings apart: the decision itself, or the iteration it is about."""
    alone = kind in ("override", "rollback") or item.iteration is None
    return ("event", item.number) if alone else ("iteration", item.iteration or 0)


def _gate(
    name: str,
    stage: str | None,
    seen: _Recurrence,
    contracts: Mapping[str, Contract],
    edges: Sequence[Edge],
    iteration: int,
) -> Candidate:
    """What strengthens the gate to ``stage``, or, without one, the checks of the projects that the risks name."""
    named = tuple(dict.fromkeys(project for risk in seen.risks for project in risk.projects if project in contracts))
    assembly = next((contract.id for contract in contracts.values() if contract.is_assembly), None)
    newest = max(seen.risks, key=lambda risk: risk.number)
    if stage is not None:
        told = ", ".join(f"{_GATE_WORDS[kind]} {_times(count)}" for kind, count in sorted(seen.counts.items()))
        title = f"Strengthen the gate to {stage}: {told}"
        others, words = len(contracts.keys() - {assembly}), "other projects, whose data releases pin"
    else:
        title = f"Strengthen the checks that let this come back, seen {_times(seen.count)}: {newest.title}"
        others, words = reach(edges, named), f"projects that build on {', '.join(named) or 'those it names: none'}"
    return Candidate(
        id=name,
        kind="gate",
        project=assembly if stage is not None or not named else named[0],
        iteration=iteration,
        title=title[:MAX_TITLE],
        scope="chain" if stage is not None or len(named) > 1 else "project" if named else None,
        severity=max((risk.severity for risk in seen.risks), key=SEVERITIES.index),
        count=seen.count,
        counted="times",
        reach=others,
        reached=words,
        projects=() if stage is not None else named,
        risks=tuple(risk.id for risk in seen.risks),
        category="defence",
        lasting="a gate or check judges every later iteration",
        evidence=tuple(f"{risk.id}: {risk.title}" for risk in seen.risks),
    )


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")
