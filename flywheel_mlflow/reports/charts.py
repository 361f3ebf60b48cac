"""Draws an assembly as SVG: no scripts, no fonts or files fetched, readable without colour."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise

from flywheel_mlflow.assembly.assembly import Assembly
from flywheel_mlflow.base.text import fit
from flywheel_mlflow.evidence.lineage import EdgeState
from flywheel_mlflow.evidence.stages import StageRun, StageStatus
from flywheel_mlflow.reports.layout import Grid, Line, Placement, Point, place
from flywheel_mlflow.reports.rendering import render_svg
from flywheel_mlflow.tables.texts import UNKNOWN, format_value

# Colours from the set of Okabe and Ito (2008), which people with any common colour blindness tell apart; the
# darker ones of it, so that lines and text keep a contrast of at least 3:1 on white. Every colour comes with a
# mark, a dash or a word that says the same.
_BLUE, _ORANGE, _VERMILION, _GREY, _PURPLE = "#0072b2", "#b36b00", "#c04a00", "#767676", "#9c4a7c"

_STATUS_LOOKS = {
    StageStatus.COMPLETED: (_BLUE, "\N{CHECK MARK}"),
    StageStatus.AT_RISK: (_ORANGE, "!"),
    StageStatus.BLOCKED: (_VERMILION, "\N{MULTIPLICATION SIGN}"),
    StageStatus.MISSING: (_GREY, "?"),
}

#: Colour, dash and width of a line by state, from the one that needs attention most to the one that needs none.
_EDGE_LOOKS = {
    EdgeState.STALE: (_VERMILION, "9 4", 2.2),
    EdgeState.UNREAD: (_ORANGE, "2 3", 1.8),
    EdgeState.UNVERSIONED: (_GREY, "6 3", 1.4),
    EdgeState.NO_EVIDENCE: (_PURPLE, "1.5 5", 1.6),
    EdgeState.MATCHED: (_BLUE, "none", 1.8),
}
_URGENCY = {state: position for position, state in enumerate(_EDGE_LOOKS)}

_TITLE_CELLS = 34
_NODE_CELLS = 22

_GRID = Grid(
    left=24,
    top=84,
    node_width=168,
    node_height=56,
    column_gap=104,
    row_gap=16,
    waypoint_height=8,
)


@dataclass(frozen=True, slots=True)
class StageBar:
    """One stage as drawn: ``width`` is the bar's length in pixels, None when the score is unknown."""

    y: int
    title: str
    full_title: str
    width: float | None
    label: str
    colour: str
    mark: str


@dataclass(frozen=True, slots=True)
class Limit:
    """A score the rules compare with, as a line across the bars."""

    x: float
    label: str
    anchor: str


_BAR_LEFT, _BAR_WIDTH, _BAR_STEP, _BAR_TOP = 280, 330, 42, 76


def stage_scores_svg(assembly: Assembly) -> str:
    """Horizontal bars of the stage scores with their statuses; an unknown score is drawn as unknown, not as 0."""
    scoring = assembly.flywheel.blueprint.scoring
    bars = tuple(_bar(position, run) for position, run in enumerate(assembly.stage_runs))
    limits = (
        Limit(_BAR_LEFT + scoring.blocked_below * _BAR_WIDTH, f"blocked below {scoring.blocked_below:g}", "end"),
        Limit(_BAR_LEFT + scoring.completed_from * _BAR_WIDTH, f"completed from {scoring.completed_from:g}", "start"),
    )
    return render_svg(
        "stage_scores.svg.j2",
        title=f"Stage scores, iteration {assembly.iteration}",
        description="; ".join(
            f"{run.stage.title}: {bar.label}" for run, bar in zip(assembly.stage_runs, bars, strict=True)
        ),
        bars=bars,
        limits=limits,
        left=_BAR_LEFT,
        bar_width=_BAR_WIDTH,
        top=_BAR_TOP,
        bottom=_BAR_TOP + _BAR_STEP * len(bars),
        width=830,
        height=_BAR_TOP + _BAR_STEP * len(bars) + 40,
    )


def _bar(position: int, run: StageRun) -> StageBar:
    colour, mark = _STATUS_LOOKS[run.status]
    score = None if run.score is None else min(1.0, max(0.0, run.score))
    return StageBar(
        y=_BAR_TOP + position * _BAR_STEP,
        title=fit(run.stage.title, _TITLE_CELLS),
        full_title=run.stage.title,
        width=None if score is None else round(score * _BAR_WIDTH, 1),
        label=f"{format_value(run.score, 'score 0..1')}, {run.status.value}",
        colour=colour,
        mark=mark,
    )


@dataclass(frozen=True, slots=True)
class GraphProject:
    """One project of the interface graph, in the layer it is drawn in; ``state`` is that of its evidence."""

    project_id: str
    title: str
    layer: str
    state: str
    has_evidence: bool
    consumable: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GraphEdge:
    """One interface from its producer to one consumer; ``previous`` marks what is read an iteration later."""

    interface: str
    producer: str
    consumer: str
    state: EdgeState
    previous: bool


@dataclass(frozen=True, slots=True)
class InterfaceGraph:
    """Who reads what from whom in an iteration.

    ``layers`` are titles by id, in their order; ``hub`` is the assembly layer, None without one, and none of
    ``projects``.
    """

    iteration: int
    layers: dict[str, str]
    projects: tuple[GraphProject, ...]
    edges: tuple[GraphEdge, ...]
    hub: tuple[str, str] | None


@dataclass(frozen=True, slots=True)
class Node:
    """One project as drawn; ``feeds`` is the look of its line to the assembly layer, None when it has none."""

    x: float
    y: float
    project_id: str
    title: str
    line: str
    full: str
    colour: str
    dash: str
    feeds: Look | None
    href: str


@dataclass(frozen=True, slots=True)
class Look:
    """How a line is drawn: colour, dash pattern, width in pixels."""

    colour: str
    dash: str
    width: float


@dataclass(frozen=True, slots=True)
class Curve:
    """One line between two projects; ``count`` is empty for a single interface."""

    path: str
    look: Look
    marker: str
    full: str
    count: str
    count_x: float
    count_y: float


@dataclass(frozen=True, slots=True)
class Key:
    """One entry of the legend."""

    x: float
    label: str
    look: Look


@dataclass(frozen=True, slots=True)
class Column:
    """The heading of a layer."""

    x: float
    title: str


@dataclass(frozen=True, slots=True)
class Hub:
    """The assembly layer: one bar below all projects, in place of a line from each of them."""

    project_id: str
    title: str
    y: float
    line: str
    href: str


def lineage_svg(assembly: Assembly) -> str:
    """The interface graph of an assembly, as a file of its own."""
    own = assembly.flywheel.assembly_project
    projects = tuple(
        GraphProject(
            entry.project_id,
            entry.contract.title,
            entry.contract.layers[0],
            entry.state.value,
            entry.evidence is not None,
            entry.consumable,
            entry.reasons,
        )
        for entry in assembly.registry.values()
        if own is None or entry.project_id != own.id
    )
    edges = tuple(
        GraphEdge(edge.interface, edge.producer, edge.consumer, edge.state, edge.from_iteration == "previous")
        for edge in assembly.edges
    )
    layers = {layer.id: layer.title for layer in assembly.flywheel.blueprint.layers}
    graph = InterfaceGraph(assembly.iteration, layers, projects, edges, (own.id, own.title) if own else None)
    return graph_svg(graph)


def graph_svg(graph: InterfaceGraph, href: Callable[[str], str] | None = None) -> str:
    """The interface graph, one column for each layer that holds projects; ``href`` is the page of a project.

    Interfaces between the same two projects are one line in the look of the one that needs most
    attention. The assembly layer reads nearly everything: it is a bar below, and each project
    that feeds it ends in a short stub, so that its lines do not hide the others.
    """
    hub_id = graph.hub[0] if graph.hub else None
    columns = _columns(graph)
    pairs = _pairs(edge for edge in graph.edges if hub_id not in (edge.producer, edge.consumer))
    lines = [Line(producer, consumer, _worst(edges).state.value) for (producer, consumer), edges in pairs.items()]
    placement = place([[entry.project_id for entry in column] for _, column in columns], lines, _GRID)
    to_hub = _pairs(edge for edge in graph.edges if hub_id is not None and edge.consumer == hub_id)
    lead = href or (lambda _: "")
    hub = _hub(graph, placement, lead)
    bottom = placement.height + (104 if hub else 24)
    return render_svg(
        "lineage.svg.j2",
        linked=href is not None,
        title=f"Interfaces between the projects, iteration {graph.iteration}",
        description=_describe(graph),
        columns=[
            Column(_GRID.left + position * (_GRID.node_width + _GRID.column_gap), fit(title, _NODE_CELLS + 2))
            for position, (title, _) in enumerate(columns)
        ],
        nodes=[
            _node(item, placement.nodes[item.project_id], to_hub.get((item.project_id, hub_id or ""), []), lead)
            for item in graph.projects
        ],
        curves=[_curve(edges, way) for edges, way in zip(pairs.values(), placement.ways, strict=True)],
        hub=hub,
        keys=_legend(graph),
        node_width=_GRID.node_width,
        node_height=_GRID.node_height,
        width=max(placement.width + 34, 900),
        height=bottom + 62,
        legend_y=bottom + 18,
    )


def _columns(graph: InterfaceGraph) -> list[tuple[str, list[GraphProject]]]:
    """Layers in their order with the projects drawn in each; empty ones left out."""
    columns = [
        (title, [item for item in graph.projects if item.layer == layer]) for layer, title in graph.layers.items()
    ]
    return [(title, column) for title, column in columns if column]


def _pairs(edges: Iterable[GraphEdge]) -> dict[tuple[str, str], list[GraphEdge]]:
    pairs: dict[tuple[str, str], list[GraphEdge]] = {}
    for edge in edges:
        pairs.setdefault((edge.producer, edge.consumer), []).append(edge)
    return pairs


def _worst(edges: Iterable[GraphEdge]) -> GraphEdge:
    return min(edges, key=lambda edge: _URGENCY[edge.state])


def _look(edges: Iterable[GraphEdge]) -> Look:
    return Look(*_EDGE_LOOKS[_worst(edges).state])


def _node(item: GraphProject, corner: Point, feeding: list[GraphEdge], href: Callable[[str], str]) -> Node:
    if item.has_evidence:
        colour, dash = (_BLUE, "none") if item.consumable else (_ORANGE, "none")
        state = "consumable" if item.consumable else "not consumable"
    else:
        colour, dash, state = _GREY, "5 4", item.state
    mark = {"consumable": "\N{CHECK MARK}", "not consumable": "!"}.get(state, "?")
    return Node(
        x=corner[0],
        y=round(corner[1], 1),
        project_id=item.project_id,
        title=fit(item.title, _NODE_CELLS),
        line=f"{mark} {state}",
        full=f"{item.project_id} {item.title}: {'; '.join((state, *item.reasons))}",
        colour=colour,
        dash=dash,
        feeds=_look(feeding) if feeding else None,
        href=href(item.project_id),
    )


def _curve(edges: list[GraphEdge], way: tuple[Point, ...]) -> Curve:
    previous = all(edge.previous for edge in edges)
    names = ", ".join(f"{edge.interface} ({edge.state.value})" for edge in edges)
    (x1, _), (x2, y2) = way[-2:]
    return Curve(
        path=_path(way),
        look=_look(edges),
        marker="feedback" if previous else "arrow",
        full=f"{edges[0].producer} to {edges[0].consumer}: {names}",
        count=f"\N{MULTIPLICATION SIGN}{len(edges)}" if len(edges) > 1 else "",
        count_x=round(x2 + (26 if x1 >= x2 else -26), 1),
        count_y=round(y2 - 4, 1),
    )


def _path(way: tuple[Point, ...]) -> str:
    """A smooth path through the points: level at every one of them."""
    text = f"M{way[0][0]:.1f} {way[0][1]:.1f}"
    for (x1, y1), (x2, y2) in pairwise(way):
        if y1 == y2:
            text += f"L{x2:.1f} {y2:.1f}"
        elif x1 == x2:  # Two projects of one column: an arc on their right.
            bow = x1 + 30 + min(50.0, abs(y2 - y1) / 8)
            text += f"C{bow:.1f} {y1:.1f} {bow:.1f} {y2:.1f} {x2:.1f} {y2:.1f}"
        else:
            middle = (x1 + x2) / 2
            text += f"C{middle:.1f} {y1:.1f} {middle:.1f} {y2:.1f} {x2:.1f} {y2:.1f}"
    return text


def _hub(graph: InterfaceGraph, placement: Placement, href: Callable[[str], str]) -> Hub | None:
    if graph.hub is None:
        return None
    hub_id, title = graph.hub
    reads = [edge for edge in graph.edges if edge.consumer == hub_id]
    states = Counter(edge.state for edge in reads)
    counts = ", ".join(f"{states[state]} {state.value}" for state in EdgeState if states[state])
    makers = len({edge.producer for edge in reads})
    given = sorted({edge.consumer for edge in graph.edges if edge.producer == hub_id})
    line = f"reads {len(reads)} interfaces of {makers} projects" + (f": {counts}" if counts else "")
    feeds = f"; feeds {', '.join(given)}" if given else ""
    return Hub(hub_id, fit(title, 48), placement.height + 40, fit(line + feeds, 120), href(hub_id))


def _legend(graph: InterfaceGraph) -> list[Key]:
    counts = Counter(edge.state for edge in graph.edges)
    return [
        Key(24 + position * 172, f"{state.value} ({counts[state]})", Look(*_EDGE_LOOKS[state]))
        for position, state in enumerate(EdgeState)
    ]


def _describe(graph: InterfaceGraph) -> str:
    counts = Counter(edge.state for edge in graph.edges)
    states = ", ".join(f"{counts[state]} {state.value}" for state in EdgeState if counts[state]) or UNKNOWN
    projects = len(graph.projects) + (graph.hub is not None)
    return f"{projects} projects and {len(graph.edges)} interface edges: {states}"
