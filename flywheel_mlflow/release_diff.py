"""Compares two releases: only what differs, and which numbers are better, worse or within noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flywheel_mlflow.bundle import BLUEPRINT, MANIFEST, METRICS, REGISTRY, Bundle
from flywheel_mlflow.documents import parse_json, value_at
from flywheel_mlflow.drift.intervals import newcombe_difference
from flywheel_mlflow.pins import Pin

#: Two shares whose 95 % interval of the difference holds 0 are not told apart.
CONFIDENCE = 0.95
#: Below this share of the larger value a difference is the rounding of floating point numbers.
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class NumberChange:
    """A number that differs: ``word`` is better, worse, within noise, up, down, appeared or vanished."""

    name: str
    before: float | None
    after: float | None
    word: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class InterfaceChange:
    """An interface that differs: ``word`` is new, gone, other data or other schema."""

    name: str
    word: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class ReleaseDiff:
    """What differs between two releases, each part empty when nothing does."""

    numbers: tuple[NumberChange, ...]
    interfaces: tuple[InterfaceChange, ...]
    contracts: tuple[str, ...]
    blueprint: bool

    @property
    def empty(self) -> bool:
        """Whether nothing differs at all."""
        return not (self.numbers or self.interfaces or self.contracts or self.blueprint)


def diff_bundles(before: Bundle, after: Bundle) -> ReleaseDiff:
    """What differs from ``before`` to ``after``; direction and tolerance of a KPI are those of ``after``."""
    return ReleaseDiff(
        numbers=tuple(_numbers(before, after)),
        interfaces=tuple(_interfaces(before, after)),
        contracts=tuple(_contracts(before, after)),
        blueprint=before.files.get(BLUEPRINT) != after.files.get(BLUEPRINT),
    )


def _numbers(before: Bundle, after: Bundle) -> list[NumberChange]:
    old, new = _metrics(before), _metrics(after)
    old_kpis, kpis = _kpis(before), _kpis(after)
    found = []
    for name in sorted(old | new):
        change = _change(name, old.get(name), new.get(name), old_kpis.get(name, {}), kpis.get(name, {}))
        if change is not None:
            found.append(change)
    order = {"worse": 0, "vanished": 1, "better": 2}
    return sorted(found, key=lambda item: (order.get(item.word, 3), item.name))


def _change(
    name: str, old: float | None, new: float | None, old_kpi: Mapping[str, Any], kpi: Mapping[str, Any]
) -> NumberChange | None:
    if old is None or new is None:
        return None if old == new else NumberChange(name, old, new, "appeared" if old is None else "vanished")
    difference = new - old
    if abs(difference) <= ROUNDING * max(abs(old), abs(new)):
        return None
    noise = _noise(old, new, old_kpi, kpi)
    if noise:
        return NumberChange(name, old, new, "within noise", noise)
    direction = kpi.get("direction")
    if direction is None:
        return NumberChange(name, old, new, "up" if difference > 0 else "down")
    better = (difference > 0) == (direction == "higher")
    return NumberChange(name, old, new, "better" if better else "worse")


def _noise(old: float, new: float, old_kpi: Mapping[str, Any], kpi: Mapping[str, Any]) -> str:
    """Why a difference is none; empty when it is one."""
    tolerance = kpi.get("tolerance")
    if tolerance and abs(new - old) <= tolerance:
        return f"tolerance {tolerance:g}"
    n_old, n_new = old_kpi.get("n"), kpi.get("n")
    if n_old and n_new and 0 <= old <= 1 and 0 <= new <= 1 and kpi.get("unit") == "ratio":
        low, high = newcombe_difference(round(new * n_new), n_new, round(old * n_old), n_old, confidence=CONFIDENCE)
        if low <= 0 <= high:
            return f"n {n_old} and {n_new}: the 95 % interval of the difference holds 0"
    return ""


def _metrics(bundle: Bundle) -> dict[str, float | None]:
    document = parse_json(bundle.files[METRICS], name=METRICS)
    return {name: metric["value"] for name, metric in document["metrics"].items()}


def _kpis(bundle: Bundle) -> dict[str, Mapping[str, Any]]:
    registry = parse_json(bundle.files[REGISTRY], name=REGISTRY)
    return {f"{entry['project_id']}.{name}": kpi for entry in registry for name, kpi in entry["kpis"].items()}


def _interfaces(before: Bundle, after: Bundle) -> list[InterfaceChange]:
    old, new = {pin.interface: pin for pin in before.pins}, {pin.interface: pin for pin in after.pins}
    found = []
    for name in sorted(old | new):
        was, now = old.get(name), new.get(name)
        if was is None or now is None:
            gone = before.left_out if was is None else after.left_out
            told = gone.get(name, "not there")
            word = "new" if was is None else "gone"
            found.append(InterfaceChange(name, word, _short(was) or told, _short(now) or told))
        elif was.digest != now.digest:
            word = "other data" if was.schema_digest == now.schema_digest else "other schema"
            found.append(InterfaceChange(name, word, _short(was), _short(now)))
    return found


def _short(pin: Pin | None) -> str:
    if pin is None:
        return ""
    return f"{pin.digest[:12]}" + ("" if pin.rows is None else f" ({pin.rows} rows)")


def _contracts(before: Bundle, after: Bundle) -> list[str]:
    old = value_at(parse_json(before.files[MANIFEST], name=MANIFEST), "contracts") or {}
    new = value_at(parse_json(after.files[MANIFEST], name=MANIFEST), "contracts") or {}
    return [name for name in sorted(old | new) if old.get(name) != new.get(name)]
