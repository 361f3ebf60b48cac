"""Compares two releases: only what differs, and which numbers are better, worse or within noise."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from flywheel_mlflow.assembly.bundle import BLUEPRINT, MANIFEST, Bundle, bundled_schema, measured
from flywheel_mlflow.base.documents import parse_json, value_at
from flywheel_mlflow.decisions.pins import Pin
from flywheel_mlflow.drift import KpiFound
from flywheel_mlflow.drift.wording import compared_order, kpi_differs, number_word, same_number, word_of, word_order
from flywheel_mlflow.evidence.provenance import Direction
from flywheel_mlflow.evidence.runs import KpiValue
from flywheel_mlflow.evidence.schemas import schema_change


@dataclass(frozen=True, slots=True)
class NumberChange:
    """A number that differs.

    ``word`` is one of :data:`~flywheel_mlflow.drift.wording.WORDS`: drift's verdict on a KPI, and for any other number
    only the direction of the change. ``why`` is what a KPI's verdict rests on.
    """

    name: str
    before: float | None
    after: float | None
    word: str
    why: str = ""
    unit: str = ""
    kpi: bool = False


@dataclass(frozen=True, slots=True)
class InterfaceChange:
    """An interface that differs.

    ``word`` is new, gone, other data, other schema, or schema unknown: other data, of which an earlier version recorded
    one side's schema.
    """

    name: str
    word: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class ReleaseDiff:
    """What differs between two releases, each part empty when nothing does.

    ``judged`` says where the verdicts on KPIs come from.
    """

    numbers: tuple[NumberChange, ...]
    interfaces: tuple[InterfaceChange, ...]
    contracts: tuple[str, ...]
    blueprint: bool
    judged: str = ""

    @property
    def empty(self) -> bool:
        """Whether nothing differs at all."""
        return not (self.numbers or self.interfaces or self.contracts or self.blueprint)


@dataclass(frozen=True, slots=True)
class BundleNumbers:
    """Every number of a bundle by its full name, with its sample size where that is known; units and directions."""

    values: Mapping[str, KpiValue]
    units: Mapping[str, str]
    directions: Mapping[str, Direction | None]


@dataclass(frozen=True, slots=True)
class BundleDiff:
    """What two bundles say, before anybody judges: two digests have one, and it never changes."""

    before: BundleNumbers
    after: BundleNumbers
    interfaces: tuple[InterfaceChange, ...]
    contracts: tuple[str, ...]
    blueprint: bool

    def judged(self, kpis: Iterable[KpiFound], told: str = "") -> ReleaseDiff:
        """What differs, its KPIs judged by ``kpis``; ``told`` says where these verdicts come from."""
        found = tuple(kpis)
        return ReleaseDiff(
            numbers=(*self._kpis(found), *self._others({item.subject for item in found})),
            interfaces=self.interfaces,
            contracts=self.contracts,
            blueprint=self.blueprint,
            judged=told,
        )

    def _unit(self, name: str) -> str:
        return self.after.units.get(name) or self.before.units.get(name, "")

    def _direction(self, name: str) -> Direction | None:
        return (self.after if name in self.after.values else self.before).directions.get(name)

    def _kpis(self, found: Iterable[KpiFound]) -> Iterator[NumberChange]:
        for item in sorted(filter(kpi_differs, found), key=compared_order):
            yield NumberChange(item.subject, item.reference, item.value, word_of(item), item.text, item.unit, kpi=True)

    def _others(self, judged: set[str]) -> list[NumberChange]:
        found = []
        for name in {*self.before.values, *self.after.values} - judged:
            before, after = (side.values.get(name, KpiValue(None)).value for side in (self.before, self.after))
            if not same_number(before, after):
                word = number_word(before, after, self._direction(name))
                found.append(NumberChange(name, before, after, word, unit=self._unit(name)))
        return sorted(found, key=_place)


def _place(item: NumberChange) -> tuple[bool, int, str]:
    return not item.name.startswith("flywheel."), word_order(item.word), item.name


def diff_bundles(before: Bundle, after: Bundle) -> BundleDiff:
    """What differs from ``before`` to ``after``, and the numbers of both.

    Raises:
        InputError: a bundle is not shaped as a release's; no number is guessed.
    """
    return BundleDiff(
        before=_numbers(before),
        after=_numbers(after),
        interfaces=tuple(_interfaces(before, after)),
        contracts=tuple(_contracts(before, after)),
        blueprint=before.files.get(BLUEPRINT) != after.files.get(BLUEPRINT),
    )


def _numbers(bundle: Bundle) -> BundleNumbers:
    numbers = measured(bundle)
    return BundleNumbers(
        values={name: KpiValue(item.value, item.n, item.stderr) for name, item in numbers.items()},
        units={name: item.unit for name, item in numbers.items()},
        directions={name: item.direction for name, item in numbers.items()},
    )


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
            word = "other data" if was.schema_digest == now.schema_digest else _schema_word(name, before, after)
            found.append(InterfaceChange(name, word, _short(was), _short(now)))
    return found


def _schema_word(name: str, before: Bundle, after: Bundle) -> str:
    """What differs where the digests of two schemas do: those of two formats do always."""
    change = schema_change(bundled_schema(before, name), bundled_schema(after, name))
    if list(change):
        return "other schema"
    return "schema unknown" if change.unknown else "other data"


def _short(pin: Pin | None) -> str:
    if pin is None:
        return ""
    return f"{pin.digest[:12]}" + ("" if pin.rows is None else f" ({pin.rows} rows)")


def _contracts(before: Bundle, after: Bundle) -> list[str]:
    old = value_at(parse_json(before.files[MANIFEST], name=MANIFEST), "contracts") or {}
    new = value_at(parse_json(after.files[MANIFEST], name=MANIFEST), "contracts") or {}
    return [name for name in sorted(old | new) if old.get(name) != new.get(name)]
