"""Which samples of a KPI came out otherwise than before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Flip:
    """A sample with its outcome before and now."""

    sample: str
    before: float
    now: float


@dataclass(frozen=True, slots=True)
class Flips:
    """The samples of a KPI that both sides judged: ``lost`` got worse, ``won`` better, the largest changes first.

    ``same`` counts the others; ``only_before`` and ``only_now`` those of one side, which say nothing of a change.
    """

    lost: tuple[Flip, ...]
    won: tuple[Flip, ...]
    same: int
    only_before: int
    only_now: int

    @property
    def one_sided(self) -> bool:
        """Whether any sample was judged on one side alone."""
        return self.only_before + self.only_now > 0


def flips_of(before: Mapping[str, float], now: Mapping[str, float], *, higher: bool) -> Flips:
    """The samples that flipped; ``higher`` says that a higher outcome is better."""
    shared = before.keys() & now.keys()
    moved = sorted(
        (Flip(name, before[name], now[name]) for name in shared if before[name] != now[name]),
        key=lambda flip: (-abs(flip.now - flip.before), flip.sample),
    )
    return Flips(
        lost=tuple(flip for flip in moved if (flip.now < flip.before) == higher),
        won=tuple(flip for flip in moved if (flip.now > flip.before) == higher),
        same=len(shared) - len(moved),
        only_before=len(before) - len(shared),
        only_now=len(now) - len(shared),
    )
