"""Who is to blame that a number changed: a walk upstream that passes suspicion on to what can explain it.

One unit of suspicion starts at the project whose number is asked about. Each project keeps the share that speaks for
a cause of its own, and passes the rest to the makers of the inputs that changed, in proportion to how well each
explains a change here. What a project has kept at the end is its suspicion. The rule: docs/drift.md.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from flywheel_mlflow.base.errors import InputError, UnknownName
from flywheel_mlflow.drift.differences import LEAST, OWN, Change, ChangeKind, relative
from flywheel_mlflow.evidence.lineage import producers, run_order, version_of
from flywheel_mlflow.evidence.provenance import Metrics
from flywheel_mlflow.evidence.runs import EvidenceKind, ProjectEvidence
from flywheel_mlflow.promises.contract import Contract
from flywheel_mlflow.promises.interfaces import InterfaceIn

#: What speaks for a cause no evidence shows (data beside the pipeline, a seed, the machine) where contract and code are
#: the same: a fifth of what the barest of changed inputs weighs. Small, because such a cause is the last resort.
UNSEEN = 0.1

#: Jeffreys' prior on "a change of this input moves its reader": after m of n readers moved by it, (m + 1/2) / (n + 1).
PRIOR = 0.5


@dataclass(frozen=True, slots=True)
class Step:
    """One iteration compared with another one: the evidence of both, what differs in each project.

    ``changes`` holds what :func:`flywheel_mlflow.drift.differences.differences` found, by project.
    """

    reference: int
    iteration: int
    before: Mapping[str, ProjectEvidence]
    now: Mapping[str, ProjectEvidence]
    changes: Mapping[str, tuple[Change, ...]]

    def holds(self, project: str) -> bool:
        """Whether a project has evidence on both sides."""
        return project in self.before and project in self.now

    def turned(self) -> frozenset[str]:
        """The projects whose published figures gave way to a run's, or the other way, where most did so together.

        Nothing of theirs can be compared: that everything about them differs is the turn's doing, and says nothing
        about which of them it was. One that did so while most did not is a cause like any other.
        """
        both = [name for name in self.now if self.holds(name)]
        found = {
            name
            for name in both
            if EvidenceKind.PUBLISHED in (self.before[name].kind, self.now[name].kind)
            and self.before[name].kind is not self.now[name].kind
        }
        return frozenset(found if 2 * len(found) > len(both) else ())


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A project in the iterations that are compared (``lag`` 0), or that many turns earlier."""

    lag: int
    project: str


@dataclass(frozen=True, slots=True)
class Input:
    """An input of a project that is another version than before.

    ``weight`` is how well it explains a change of its reader: its own size times ``odds``, how often a change of this
    interface by itself moves a reader; ``moved`` of ``trials`` other readers did.
    """

    interface: str
    maker: Place
    before: str | None
    now: str | None
    weight: float
    odds: float
    moved: int
    trials: int


@dataclass(frozen=True, slots=True)
class Suspect:
    """A project that may be the cause, in which iteration, and why.

    ``suspicion`` is its share of 1; ``distance`` counts the interfaces between it and the number, by ``through``,
    named from the number's side. ``changes`` are worst first.
    """

    project: str
    iteration: int
    reference: int
    lag: int
    suspicion: float
    distance: int
    through: tuple[str, ...]
    changes: tuple[Change, ...]
    why: str
    next: tuple[str, ...]


@dataclass(slots=True)
class _Node:
    """One place during the walk."""

    blame: float = 0.0
    kept: float = 0.0
    distance: int = 0
    through: tuple[str, ...] = ()
    heaviest: float = 0.0
    inputs: tuple[Input, ...] = ()
    unweighed: tuple[str, ...] = ()
    own: tuple[tuple[Change, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Lineage:
    """The contracts, and the comparisons from the newest backward: ``steps[1]`` is one iteration before ``steps[0]``.

    ``turned`` are the places nothing can be compared at (:meth:`Step.turned`): no suspicion goes there.
    """

    contracts: Mapping[str, Contract]
    steps: Sequence[Step]
    makers: Mapping[str, str] = field(init=False)
    turned: frozenset[Place] = field(init=False)

    def __post_init__(self) -> None:
        """Find out who makes what, and where nothing can be compared."""
        object.__setattr__(self, "makers", producers(self.contracts.values()))
        turned = (Place(lag, name) for lag, step in enumerate(self.steps) for name in step.turned())
        object.__setattr__(self, "turned", frozenset(turned))

    def step(self, lag: int) -> Step | None:
        """The comparison so many turns back, where there is one."""
        return self.steps[lag] if lag < len(self.steps) else None

    def changes(self, place: Place) -> tuple[Change, ...]:
        """What differs at a place."""
        step = self.step(place.lag)
        return step.changes.get(place.project, ()) if step else ()

    def mute(self, reader: Place, maker: Place) -> bool:
        """Whether an input says nothing, since nothing can be compared at its reader or at its maker."""
        return reader in self.turned or maker in self.turned

    def changed_inputs(self, place: Place) -> Iterator[tuple[InterfaceIn, Place, str | None, str | None]]:
        """The inputs of a project that are other versions than before, with their makers and both digests."""
        step = self.step(place.lag)
        contract = self.contracts.get(place.project)
        if (
            step is None
            or contract is None
            or step.before.get(contract.id) is None
            or step.now.get(contract.id) is None
        ):
            return
        for wanted in contract.interfaces_in:
            maker = self.makers.get(wanted.name)
            if maker is None:
                continue
            lag = place.lag + (wanted.from_iteration == "previous")
            source = self.step(lag)
            old = _read(step.before[contract.id], wanted.name, source.before.get(maker) if source else None)
            new = _read(step.now[contract.id], wanted.name, source.now.get(maker) if source else None)
            if old != new:
                yield wanted, Place(lag, maker), old, new


def _read(evidence: ProjectEvidence, name: str, maker: ProjectEvidence | None) -> str | None:
    """The digest of the version a run read; what its maker made where the run says nothing of any input."""
    if not evidence.interfaces_in:
        version = version_of(maker, name)
        return version.digest if version else None
    return min((item.digest for item in evidence.interfaces_in if item.name == name), default=None)


def reachable(lineage: Lineage, start: Iterable[str]) -> frozenset[Place]:
    """Every place a change may have come from: the starting projects, and upstream through inputs that changed."""
    todo = [Place(0, project) for project in start]
    found: set[Place] = set()
    while todo:
        place = todo.pop()
        if place not in found:
            found.add(place)
            todo += [maker for _, maker, _, _ in lineage.changed_inputs(place) if not lineage.mute(place, maker)]
    return frozenset(found)


def starting_suspicion(name: str, now: Metrics, before: Metrics, contracts: Mapping[str, Contract]) -> dict[str, float]:
    """The share of suspicion each project starts with: one project for a number of its own.

    A number computed from others shares by how much each of them changed, relative to its size.

    Raises:
        UnknownName: no number has that name.
        InputError: it rests on no project's numbers, or on those of the assembly layer.
    """
    if name not in now:
        raise UnknownName("metric", name, now)
    found: dict[str, float] = {}
    _share(name, 1.0, now, before, contracts, found)
    if not found:
        raise InputError(
            f"{name} does not rest on numbers of projects, or none of them changed",
            hint=f"`flywheel explain {name}` shows what it rests on; ask about a number of a project",
        )
    return found


def _share(
    name: str,
    amount: float,
    now: Metrics,
    before: Metrics,
    contracts: Mapping[str, Contract],
    found: dict[str, float],
) -> None:
    project = name.partition(".")[0]
    if project in contracts:
        if not contracts[project].is_assembly:
            found[project] = found.get(project, 0.0) + amount
        return
    changed = {item: relative(before.value(item), now.value(item)) for item in now[name].inputs}
    total = sum(changed.values())
    for item, size in changed.items():
        if size:
            _share(item, amount * size / total, now, before, contracts, found)


def rank(lineage: Lineage, start: Mapping[str, float]) -> tuple[Suspect, ...]:
    """The suspects, most suspected first; of equals the nearest.

    ``start`` shares out the suspicion among the projects whose numbers changed; the suspicions of all suspects
    add up to what it holds.
    """
    order = {name: place for place, name in enumerate(run_order(lineage.contracts.values()))}
    nodes: dict[Place, _Node] = {Place(0, project): _Node(blame=share) for project, share in start.items() if share > 0}
    anyway = _anyway(lineage, but=reachable(lineage, start))
    done: set[Place] = set()
    # Consumers before producers, later iterations before earlier ones: all suspicion has arrived before any goes on.
    while todo := [place for place in nodes if place not in done]:
        place = min(todo, key=lambda item: (item.lag, -order[item.project]))
        done.add(place)
        _visit(lineage, place, nodes, anyway)
    ranked = sorted(
        ((place, node) for place, node in nodes.items() if node.kept > 0),
        key=lambda item: (-item[1].kept, item[1].distance, item[0]),
    )
    return tuple(_suspect(lineage, place, node) for place, node in ranked)


def _visit(lineage: Lineage, place: Place, nodes: dict[Place, _Node], anyway: float) -> None:
    """Keep what speaks for a cause here, pass on the rest."""
    node = nodes[place]
    node.own = tuple((item, item.size * _own_odds(lineage, place, item)) for item in _own_changes(lineage, place))
    node.inputs = tuple(_inputs(lineage, place, anyway))
    changed = lineage.changed_inputs(place)
    node.unweighed = tuple(wanted.name for wanted, maker, *_ in changed if lineage.mute(place, maker))
    kept = UNSEEN + sum(weight for _, weight in node.own)
    passed = sum(item.weight for item in node.inputs)
    node.kept = node.blame * kept / (kept + passed)
    for item in node.inputs:
        _arrive(nodes.setdefault(item.maker, _Node()), node, item, node.blame * item.weight / (kept + passed))


def _arrive(maker: _Node, reader: _Node, item: Input, amount: float) -> None:
    maker.blame += amount
    if amount > maker.heaviest:
        maker.heaviest = amount
        maker.through = (*reader.through, item.interface)
        maker.distance = len(maker.through)


def _own_changes(lineage: Lineage, place: Place) -> Iterator[Change]:
    return (item for item in lineage.changes(place) if item.kind in OWN)


def _inputs(lineage: Lineage, place: Place, anyway: float) -> Iterator[Input]:
    for wanted, maker, before, now in lineage.changed_inputs(place):
        if lineage.mute(place, maker):
            continue
        sizes = [item.size for item in lineage.changes(maker) if item.interface == wanted.name]
        moved, trials = _trials(lineage, wanted.name, but=place)
        # So many would have moved anyway, and say nothing of this input.
        odds = (max(0.0, moved - anyway * trials) + PRIOR) / (trials + 2 * PRIOR)
        yield Input(wanted.name, maker, before, now, max(sizes, default=LEAST) * odds, odds, moved, trials)


def _trials(lineage: Lineage, interface: str, *, but: Place) -> tuple[int, int]:
    """Of the other projects that read a changed version of an interface, in any step: how many moved, how many count.

    One that moved while something else changed too proves nothing and does not count; one that did not move counts
    whatever else changed.
    """
    moved = trials = 0
    for place in _places(lineage):
        changed = {wanted.name for wanted, *_ in lineage.changed_inputs(place)}
        if place == but or interface not in changed:
            continue
        if not _moved(lineage, place):
            trials += 1
        elif len(changed) == 1 and not any(_own_changes(lineage, place)):
            moved, trials = moved + 1, trials + 1
    return moved, trials


def _anyway(lineage: Lineage, *, but: Collection[Place]) -> float:
    """The share of projects that moved although nothing they read or declare differs, shrunk towards none.

    ``but`` are those under suspicion: the cause that is looked for is itself such a project.
    """
    moved = trials = 0
    for place in _places(lineage):
        if place not in but and not any(lineage.changed_inputs(place)) and not any(_own_changes(lineage, place)):
            moved, trials = moved + _moved(lineage, place), trials + 1
    return moved / (trials + 1)


def _own_odds(lineage: Lineage, place: Place, change: Change) -> float:
    """The share of changes of one kind that moved their project, among the others whose inputs are the same.

    A contract, a task or a run of another kind concerns one project; a code version is often that of a whole
    repository, and says the less, the more projects it left as they were.
    """
    moved = trials = 0
    if change.kind is ChangeKind.CODE:
        for other in _places(lineage):
            alone = [item.kind for item in _own_changes(lineage, other)] == [ChangeKind.CODE]
            if other != place and alone and not any(lineage.changed_inputs(other)):
                moved, trials = moved + _moved(lineage, other), trials + 1
    return (moved + PRIOR) / (trials + 2 * PRIOR)


def _places(lineage: Lineage) -> Iterator[Place]:
    """Where a project can be compared."""
    for lag, step in enumerate(lineage.steps):
        for project in sorted(step.now.keys() & step.before.keys()):
            if (place := Place(lag, project)) not in lineage.turned:
                yield place


def _moved(lineage: Lineage, place: Place) -> bool:
    """Whether anything a project made or measured differs; an opaque file alone does not count."""
    return any(item.outcome and item.kind not in OWN for item in lineage.changes(place))


def _suspect(lineage: Lineage, place: Place, node: _Node) -> Suspect:
    step, first = lineage.step(place.lag), lineage.steps[0]
    iteration = step.iteration if step else first.iteration - place.lag
    reference = step.reference if step else first.reference - place.lag
    changes = _shown(lineage.changes(place), node.through[-1] if node.through else "")
    return Suspect(
        project=place.project,
        iteration=iteration,
        reference=reference,
        lag=place.lag,
        suspicion=node.kept,
        distance=node.distance,
        through=node.through,
        changes=changes,
        why=_why(lineage, place, node),
        next=tuple(_commands(lineage.contracts[place.project], changes, reference, iteration)),
    )


def _shown(changes: Iterable[Change], through: str) -> tuple[Change, ...]:
    """What differs about the interface the suspicion came through, after causes of the project's own."""
    return tuple(
        sorted(changes, key=lambda item: 0 if item.kind in OWN else 1 if through and item.interface == through else 2)
    )


def _why(lineage: Lineage, place: Place, node: _Node) -> str:
    """One sentence on what was kept here, one on what was passed on."""
    step = lineage.step(place.lag)
    if step is None:
        return "read in another version; the turn it was made in is not compared"
    if not step.holds(place.project):
        return "it has evidence on one side only"
    parts = [_told_own(item) for item, _ in node.own]
    if node.unweighed:
        parts.append(f"not weighed: {', '.join(node.unweighed)} (published figures on one side)")
    if not node.inputs:
        parts += [] if node.unweighed else ["none of the inputs it read changed"]
    elif node.kept < node.blame / 2:
        parts.append(f"more likely a consequence: {_told(node.inputs)}")
    else:
        parts.append(f"the inputs that changed hardly explain it: {_told(node.inputs)}")
    return "; ".join(parts)


def _told_own(change: Change) -> str:
    if change.kind is ChangeKind.TASK:
        return f"changed because of task {change.text}"
    return f"its own {change.kind.value} changed"


def _told(inputs: Sequence[Input]) -> str:
    """The inputs that explain most, with what they did to other readers."""
    best = sorted(inputs, key=lambda item: (-item.weight, item.interface))[:2]
    return ", ".join(
        f"{item.interface} (moved {item.moved} of {item.trials} other readers)"
        if item.trials
        else f"{item.interface} (no other reader to compare with)"
        for item in best
    )


def _commands(contract: Contract, changes: Sequence[Change], reference: int, iteration: int) -> Iterator[str]:
    """How to look closer at what changed, most telling first."""
    kinds = {item.kind for item in changes}
    code = next((item for item in changes if item.kind is ChangeKind.CODE), None)
    if ChangeKind.CONTRACT in kinds:
        yield "flywheel validate"
    if code is not None:
        yield f"git log --oneline -- projects/{contract.id}*"
    if ChangeKind.CHECK in kinds:
        yield f"flywheel explain {contract.id}.check_pass_rate --iteration {iteration}"
    if kinds & {ChangeKind.SIGNAL, ChangeKind.FILTER, ChangeKind.SCHEMA, ChangeKind.DATA, ChangeKind.KPI} and reference:
        yield f"flywheel drift --iteration {iteration} --against {reference} --full --dry-run"
    for name in dict.fromkeys(item.interface for item in changes if item.interface):
        yield f"flywheel impact {name} --iteration {iteration}"
    yield f"flywheel collect --iteration {iteration}"
