"""Compares one thing known of every sampled row, before and now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from statistics import median
from typing import TYPE_CHECKING, Literal

from flywheel_mlflow.drift.distributions import Comparison, Method, compare_share, compare_values
from flywheel_mlflow.drift.findings import DataVerdict, SignalFound
from flywheel_mlflow.drift.pictures import examples_of, picture_of

if TYPE_CHECKING:
    from flywheel_mlflow.promises.thresholds import DriftSettings
    from flywheel_mlflow.records.content.profile import ContentColumn
    from flywheel_mlflow.records.profiles import Signal, Value

PRESENCE = "presence"


@dataclass(frozen=True, slots=True)
class Sampled:
    """Values by sampled row, None where a row has none, and how many of all rows known have one and have none.

    Where ``counted`` is False the rows without a value say nothing.
    """

    values: Sequence[Value | None]
    count: int
    missing: int
    kind: Literal["value", "time"] = "value"
    places: Sequence[str] = ()
    counted: bool = True

    @property
    def rows(self) -> int:
        """How many rows are known."""
        return self.count + self.missing


def sampled_signal(signal: Signal | None) -> Sampled | None:
    """A quality signal, whose rows were all counted."""
    return None if signal is None else Sampled(signal.sample, signal.count, signal.missing)


def sampled_column(column: ContentColumn | None, places: Sequence[str]) -> Sampled | None:
    """A column of a content profile, which knows the sampled rows alone."""
    if column is None:
        return None
    count = sum(value is not None for value in column.values)
    kind: Literal["value", "time"] = "time" if column.kind == "time" else "value"
    return Sampled(column.values, count, len(column.values) - count, kind, places, counted=column.leaf == column.name)


def judged_base(subject: str, project: str, settings: DriftSettings) -> SignalFound:
    """What a comparison of this subject begins with: its limit, or that flywheel.yaml wants it not judged."""
    rule = settings.signal_rule(subject)
    if rule is not None and not rule.judged:
        return SignalFound(subject, project, DataVerdict.NOT_TESTED, f"not judged: {rule.why}", "flywheel.yaml")
    limit = settings.min_effect if rule is None or rule.min_effect is None else rule.min_effect
    return SignalFound(subject, project, DataVerdict.STABLE, "", "", limit=limit)


def is_judged(base: SignalFound) -> bool:
    """Whether it is to be compared at all."""
    return base.verdict is not DataVerdict.NOT_TESTED


def compare_column(
    base: SignalFound, old: Sampled | None, new: Sampled | None, settings: DriftSettings
) -> Iterator[SignalFound]:
    """The values compared, and the rows that lost or gained a value; p-values are those of each comparison alone."""
    if not is_judged(base):
        yield base
        return
    yield _values(base, old, new, settings)
    if old is not None and new is not None and old.counted:
        yield from _missing(base, old, new, settings)


def _values(base: SignalFound, old: Sampled | None, new: Sampled | None, settings: DriftSettings) -> SignalFound:
    if old is None:
        return replace(base, verdict=DataVerdict.NEW, text="no such signal in the reference", method=PRESENCE)
    if new is None and old.count >= settings.min_rows:
        text = f"no such signal any more; {old.count:,} rows of the reference have it"
        return replace(base, verdict=DataVerdict.VANISHED, text=text, method=PRESENCE, reference_n=old.count)
    known = [[value for value in side.values if value is not None] if side else [] for side in (old, new)]
    n_old, n_new = (len(known[0]), len(known[1])) if all(known) else (old.count, new.count if new else 0)
    base = replace(base, n=n_new, reference_n=n_old)
    if not all(known) or min(n_old, n_new) < settings.min_rows:
        text = f"{n_old:,} rows before and {n_new:,} now, {settings.min_rows} are needed"
        return replace(base, verdict=DataVerdict.NOT_TESTED, text=text, method=PRESENCE)
    if known[0][0] == known[1][0] and len({*known[0], *known[1]}) == 1:
        # Nothing is tested, so nothing is taken from the budget of false alarms.
        text = f"the same value in every row: {str(known[0][0])[:60]}"
        return replace(base, text=text, method="the same single value")
    found = compare_values(*known)
    assert found is not None  # noqa: S101 - neither side is empty
    if new is not None and "time" in (old.kind, new.kind):
        found = replace(found, reference=_times(known[0]), current=_times(known[1]))
    compared = with_comparison(base, found)
    if new is None or found.p > settings.false_alarms:  # adjusting makes it no smaller
        return compared
    picture = picture_of(old.values, new.values)
    examples = examples_of(picture, old.values, new.values, new.places)
    return replace(compared, picture=picture, examples=examples)


def with_comparison(base: SignalFound, found: Comparison) -> SignalFound:
    """The same with what a comparison found."""
    return replace(
        base,
        method=found.method.value,
        p=found.p,
        effect=found.effect,
        effect_high=found.effect_high,
        effect_name=found.effect_name,
        value=found.current,
        reference=found.reference,
        n=found.n_current,
        reference_n=found.n_reference,
    )


def _times(values: Sequence[Value]) -> str:
    known = sorted(float(value) for value in values if not isinstance(value, str))
    if not known:
        return "no times"
    low, middle, high = (
        datetime.fromtimestamp(value, UTC).date().isoformat() for value in (known[0], median(known), known[-1])
    )
    return f"{low} to {high}, half before {middle}"


def _missing(base: SignalFound, old: Sampled, new: Sampled, settings: DriftSettings) -> Iterator[SignalFound]:
    """Rows that lost or gained a value, which the values that are left do not show; nothing where none has."""
    if (new.missing or old.missing) and min(new.rows, old.rows) >= settings.min_rows:
        found = compare_share(Method.COUNT, (old.missing, old.rows), (new.missing, new.rows), "without")
        yield with_comparison(replace(base, subject=f"{base.subject} (missing)"), found)
