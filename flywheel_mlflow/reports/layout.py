"""Places a graph in columns, so that no line runs behind a box it does not belong to.

Nodes stand in the columns they are given. A line that passes a column without ending there
gets a waypoint in it, shared by all lines of the same bundle, and nodes and waypoints of a
column are ordered to keep lines short (the layered drawing of Sugiyama, Tagawa, Toda 1981,
with barycentres).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

Point = tuple[float, float]

#: Down-and-up passes of the ordering; more no longer change the graphs drawn here.
_PASSES = 6


@dataclass(frozen=True, slots=True)
class Line:
    """A line from one node to another; lines of one bundle share their way as far as it goes."""

    start: str
    end: str
    bundle: str


@dataclass(frozen=True, slots=True)
class Grid:
    """The measures of the drawing, in pixels."""

    left: float
    top: float
    node_width: float
    node_height: float
    column_gap: float
    row_gap: float
    waypoint_height: float


@dataclass(frozen=True, slots=True)
class Placement:
    """Where everything is: top left corners of nodes, points each line passes, size of the whole.

    ``ways`` are in the order of the lines given.
    """

    nodes: Mapping[str, Point]
    ways: tuple[tuple[Point, ...], ...]
    width: float
    height: float


@dataclass(frozen=True, slots=True, order=True)
class _Waypoint:
    """The place in a column where a bundle of one start passes."""

    start: str
    bundle: str
    column: int


def place(columns: Sequence[Sequence[str]], lines: Sequence[Line], grid: Grid) -> Placement:
    """The placement of the nodes in ``columns``, left to right, with the ``lines`` between them."""
    column_of = {node: index for index, column in enumerate(columns) for node in column}
    chains = [_chain(line, column_of) for line in lines]
    stacks: list[list[Hashable]] = [list(column) for column in columns]
    for chain in chains:
        for item in chain:
            if isinstance(item, _Waypoint) and item not in stacks[item.column]:
                stacks[item.column].append(item)
    _order(stacks, chains)
    centres, height = _stack(stacks, grid)
    half = grid.node_height / 2
    lefts = {node: grid.left + column_of[node] * (grid.node_width + grid.column_gap) for node in column_of}
    return Placement(
        nodes={node: (lefts[node], centres[node] - half) for node in column_of},
        ways=_ways(lines, chains, column_of, centres, lefts, grid),
        width=2 * grid.left + len(columns) * (grid.node_width + grid.column_gap) - grid.column_gap,
        height=height,
    )


def _chain(line: Line, column_of: Mapping[str, int]) -> tuple[Hashable, ...]:
    first, last = column_of[line.start], column_of[line.end]
    step = 1 if last > first else -1
    between = (_Waypoint(line.start, line.bundle, column) for column in range(first + step, last, step))
    return (line.start, *(between if first != last else ()), line.end)


def _order(stacks: list[list[Hashable]], chains: Iterable[tuple[Hashable, ...]]) -> None:
    """Sort each column by the mean place of what its members are joined to, back and forth."""
    joined: dict[Hashable, set[Hashable]] = {}
    for chain in chains:
        for one, other in pairwise(chain):
            joined.setdefault(one, set()).add(other)
            joined.setdefault(other, set()).add(one)
    place_of: dict[Hashable, float] = {}

    def note(stack: list[Hashable]) -> None:
        for index, item in enumerate(stack):
            place_of[item] = (index + 0.5) / len(stack)

    def wish(item: Hashable) -> float:
        places = sorted(place_of[other] for other in joined.get(item, ()))
        return sum(places) / len(places) if places else place_of[item]

    for stack in stacks:
        note(stack)
    for turn in range(_PASSES):
        for stack in stacks if turn % 2 == 0 else reversed(stacks):
            stack.sort(key=lambda item: (round(wish(item), 9), str(item)))
            note(stack)


def _stack(stacks: list[list[Hashable]], grid: Grid) -> tuple[dict[Hashable, float], float]:
    """The middle of every member, columns centred against each other, and the height of the highest."""

    def size(item: Hashable) -> float:
        return grid.waypoint_height if isinstance(item, _Waypoint) else grid.node_height

    heights = [sum(map(size, stack)) + grid.row_gap * max(0, len(stack) - 1) for stack in stacks]
    tallest = max(heights, default=0.0)
    centres: dict[Hashable, float] = {}
    for stack, height in zip(stacks, heights, strict=True):
        top = grid.top + (tallest - height) / 2
        for item in stack:
            centres[item] = top + size(item) / 2
            top += size(item) + grid.row_gap
    return centres, grid.top + tallest


def _ways(
    lines: Sequence[Line],
    chains: Sequence[tuple[Hashable, ...]],
    column_of: Mapping[str, int],
    centres: Mapping[Hashable, float],
    lefts: Mapping[str, float],
    grid: Grid,
) -> tuple[tuple[Point, ...], ...]:
    """The points of each line: out of one side of its start, through its waypoints, into a side of its end."""
    ports = _ports(chains, column_of, centres, grid)
    ways: list[tuple[Point, ...]] = []
    for line, chain in zip(lines, chains, strict=True):
        right, left = lefts[line.start] + grid.node_width, lefts[line.start]
        into_right, into_left = lefts[line.end] + grid.node_width, lefts[line.end]
        start_y, end_y = ports[line.start, chain[1], "out"], ports[line.end, chain[-2], "in"]
        if column_of[line.start] == column_of[line.end]:
            ways.append(((right, start_y), (into_right, end_y)))
            continue
        forward = column_of[line.end] > column_of[line.start]
        way: list[Point] = [(right if forward else left, start_y)]
        for item in chain[1:-1]:
            if isinstance(item, _Waypoint):
                near = grid.left + item.column * (grid.node_width + grid.column_gap)
                ends = [(near, centres[item]), (near + grid.node_width, centres[item])]
                way += ends if forward else ends[::-1]
        ways.append((*way, (into_left if forward else into_right, end_y)))
    return tuple(ways)


def _ports(
    chains: Iterable[tuple[Hashable, ...]],
    column_of: Mapping[str, int],
    centres: Mapping[Hashable, float],
    grid: Grid,
) -> dict[tuple[Hashable, Hashable, str], float]:
    """The height at which a node meets each neighbour: spread over its side, in the order of the neighbours."""

    def column(item: Hashable) -> int:
        return item.column if isinstance(item, _Waypoint) else column_of[str(item)]

    sides: dict[tuple[Hashable, bool], set[tuple[Hashable, str]]] = {}
    for chain in chains:
        for node, other, way in ((chain[0], chain[1], "out"), (chain[-1], chain[-2], "in")):
            sides.setdefault((node, column(other) >= column(node)), set()).add((other, way))
    ports: dict[tuple[Hashable, Hashable, str], float] = {}
    for (node, _), met in sides.items():
        ordered = sorted(met, key=lambda item: (centres[item[0]], item[1], str(item[0])))
        step = grid.node_height / (len(ordered) + 1)
        for index, (other, way) in enumerate(ordered, start=1):
            ports[node, other, way] = centres[node] - grid.node_height / 2 + index * step
    return ports
