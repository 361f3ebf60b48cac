"""Gives every unit its variant: the same one each time, without anything to remember."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b

_BYTES = 8


def assign_variant(experiment: str, unit: str, shares: Mapping[str, float]) -> str:
    """The variant of a unit, a user or a session say; ``assign_variant("rerank", "user-7", {"a": 0.5, "b": 0.5})``.

    The unit's hash falls into one of the shares in the order given, so equal arguments give equal answers on every
    machine, and two experiments divide the same units independently of each other. Shares add up to 1.
    """
    place = position(experiment, unit)
    edge = 0.0
    for variant, share in shares.items():
        edge += share
        if place < edge:
            return variant
    return next(reversed(list(shares)))  # the shares may add up to a hair less than 1


def position(experiment: str, unit: str) -> float:
    """Where a unit falls between 0 and 1: 64 bits of blake2b over the experiment and the unit."""
    digest = blake2b(f"{experiment}\0{unit}".encode("utf-8", "surrogatepass"), digest_size=_BYTES).digest()
    return int.from_bytes(digest, "big") / (1 << 8 * _BYTES)
