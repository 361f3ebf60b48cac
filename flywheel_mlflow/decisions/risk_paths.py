"""How far a risk can spread: over the interfaces that projects declare, from layer to layer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from flywheel_mlflow.evidence.lineage import edges, impact
from flywheel_mlflow.promises.contract import Contract


@dataclass(frozen=True, slots=True)
class Reached:
    """One project a risk can reach: its layers, after how many iterations of the flywheel, over which interfaces."""

    project: str
    layers: tuple[str, ...]
    turns: int
    through: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Propagation:
    """Where a risk sits and whom it can reach, the earliest first; nothing is known where no project is named."""

    projects: tuple[str, ...]
    layers: tuple[str, ...]
    reached: tuple[Reached, ...]

    @property
    def all_layers(self) -> tuple[str, ...]:
        """The layers it touches: its own first, then as it spreads."""
        return tuple(dict.fromkeys((*self.layers, *(layer for item in self.reached for layer in item.layers))))


def propagation(contracts: Mapping[str, Contract], projects: Iterable[str]) -> Propagation:
    """The way of a risk from the projects it names; projects nobody declares any more are left out."""
    named = tuple(dict.fromkeys(name for name in projects if name in contracts))
    declared = edges(contracts, {}, {})
    found = impact(declared, [edge for edge in declared if edge.producer in named])
    return Propagation(
        projects=named,
        layers=tuple(dict.fromkeys(layer for name in named for layer in contracts[name].layers)),
        reached=tuple(
            Reached(
                item.project_id,
                contracts[item.project_id].layers,
                item.turns,
                tuple(edge.interface for edge in item.through),
            )
            for item in found
        ),
    )


def in_layers(contracts: Mapping[str, Contract], layers: Iterable[str]) -> tuple[str, ...]:
    """The projects that sit in any of the layers, by id."""
    wanted = set(layers)
    return tuple(sorted(name for name, contract in contracts.items() if wanted & set(contract.layers)))
