"""Draws the graph of versions, runs, artifacts and rollbacks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from p08_history import Catalogue, Experiment
from p08_operations import Rollback

Graph = dict[str, list[dict[str, Any]]]


def graph_of(catalogue: Catalogue, experiments: Sequence[Experiment], rollbacks: Iterable[Rollback]) -> Graph:
    """Nodes and edges in the published form; an edge to a version nobody registered keeps its digest as target."""
    nodes = [_node(item.version_id, "dataset_version", item.project_id) for item in catalogue.versions]
    edges = [_edge(item.version_id, item.parent, "derived_from") for item in catalogue.versions if item.parent]
    for run in experiments:
        nodes.append(_node(run.run_id, "experiment_run", run.project_id))
        nodes.append(_node(run.artifact_id, "artifact", run.project_id))
        edges.append(_edge(run.run_id, run.artifact_id, "produced"))
        edges += [_edge(run.run_id, name_of(catalogue, *pair), "produced") for pair in run.made]
        edges += [_edge(name_of(catalogue, *pair), run.run_id, "used_by") for pair in run.read]
    for rollback in rollbacks:
        nodes.append(_node(rollback.rollback_id, "rollback_event", rollback.project_id))
        edges.append(_edge(rollback.run_id, rollback.rollback_id, "rolled_back_by"))
        edges.append(_edge(rollback.rollback_id, rollback.fallback, "restored"))
    return {"nodes": nodes, "edges": edges}


def name_of(catalogue: Catalogue, interface: str, digest: str) -> str:
    """The version's id, or interface and digest where there is no such version."""
    version = catalogue.find(interface, digest)
    return version.version_id if version else f"{interface}:{digest}"


def dangling(graph: Graph) -> list[str]:
    """Edges that lead from or to nowhere, as ``source -relation-> target``."""
    known = {node["id"] for node in graph["nodes"]}
    return [
        f"{edge['source']} -{edge['relation']}-> {edge['target']}"
        for edge in graph["edges"]
        if edge["source"] not in known or edge["target"] not in known
    ]


def bad_parents(catalogue: Catalogue) -> list[str]:
    """Versions whose parent is unknown, of another interface, or not older."""
    versions = catalogue.versions
    places = {item.version_id: place for place, item in enumerate(versions)}
    return [
        item.version_id
        for place, item in enumerate(versions)
        if item.parent is not None
        and (places.get(item.parent, place) >= place or versions[places[item.parent]].interface != item.interface)
    ]


def _node(name: str, kind: str, project_id: str) -> dict[str, Any]:
    return {"id": name, "type": kind, "project_id": project_id}


def _edge(source: str, target: str | None, relation: str) -> dict[str, Any]:
    return {"source": source, "target": target, "relation": relation}
