"""Distributions and filters of every interface, compared with one family of tests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from flywheel_mlflow.drift.columns import PRESENCE, compare_column, judged_base, sampled_signal
from flywheel_mlflow.drift.distributions import WHOLE, Method, benjamini_hochberg, compare_shares, detectable_shift
from flywheel_mlflow.drift.findings import DataVerdict, FilterFound, SignalFound
from flywheel_mlflow.drift.sides import LoggedData, Side
from flywheel_mlflow.evidence.runs import SAME_RECORDS, is_rewrite
from flywheel_mlflow.promises.contract import Contract
from flywheel_mlflow.promises.interfaces import InterfaceOut
from flywheel_mlflow.promises.thresholds import DriftSettings
from flywheel_mlflow.records.cards import FilterNote
from flywheel_mlflow.records.profiles import Profile, Signal


@dataclass(frozen=True, slots=True)
class DataFound:
    """All that was found about the data, with the faults that kept some of it from being compared (by interface)."""

    signals: tuple[SignalFound, ...]
    filters: tuple[FilterFound, ...]
    faults: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Where:
    """An interface with the project that makes it, and its fields that name files."""

    project: str
    interface: str
    media: tuple[str, ...]


def compare_data(contracts: Iterable[Contract], current: Side, reference: Side, settings: DriftSettings) -> DataFound:
    """Every signal and filter of the interfaces that these projects promise, p-values adjusted over all of them."""
    signals: list[SignalFound] = []
    filters: list[FilterFound] = []
    faults: dict[str, str] = {}
    for contract in contracts:
        if contract.id not in current.projects or contract.id not in reference.projects:
            continue  # a project without evidence on one side is told once, not for each interface
        for promise in contract.interfaces_out:
            where = _Where(contract.id, promise.name, promise.media)
            fault = _fault(promise.name, current, reference)
            if fault:
                faults[promise.name] = fault
                continue
            signals += _signals(where, promise, current, reference, settings)
            filters += _filters(where, current, reference, settings)
    return _adjusted(signals, filters, faults, settings)


def _fault(interface: str, current: Side, reference: Side) -> str:
    for side in (current, reference):
        data = side.data.get(interface)
        if data is not None and data.fault:
            return f"iteration {side.iteration}: {data.fault}"
    return ""


def _signals(
    where: _Where, promise: InterfaceOut, current: Side, reference: Side, settings: DriftSettings
) -> Iterator[SignalFound]:
    now, before = (side.version(where.project, where.interface) for side in (current, reference))
    if now is None and before is None:
        return
    whole = SignalFound(where.interface, where.project, DataVerdict.NEW, "", PRESENCE)
    if now is None:
        text = "no version in this iteration; the reference has one"
        yield replace(whole, verdict=DataVerdict.VANISHED, text=text)
    elif before is None:
        yield replace(whole, text="no version in the reference")
    elif now.digest == before.digest:
        yield replace(whole, verdict=DataVerdict.UNCHANGED, text=f"the same data, {now.digest[:12]}", method="digest")
    elif is_rewrite(before, now):
        yield replace(whole, verdict=DataVerdict.UNCHANGED, text=SAME_RECORDS, method="digest of the records")
    elif not promise.content.judged:
        text = f"the data changed and are not looked into: {promise.content.why}"
        yield replace(whole, verdict=DataVerdict.NOT_TESTED, text=text, method="contract")
    else:
        new, old = (side.data.get(where.interface, LoggedData()) for side in (current, reference))
        if new.profile is None or old.profile is None:
            text = "the data changed and were not looked into: no profile of them was logged"
            yield replace(whole, verdict=DataVerdict.NOT_TESTED, text=text, decides=True)
        else:
            yield from _profiles(where, old, new, old.profile, new.profile, settings)


def _profiles(
    where: _Where, old: LoggedData, new: LoggedData, before: Profile, now: Profile, settings: DriftSettings
) -> Iterator[SignalFound]:
    names = frozenset(signal.name for profile in (now, before) for signal in profile.signals)
    for name in sorted(names):
        base = judged_base(f"{where.interface}/{name}", where.project, settings)
        sides = sampled_signal(before.signal(name)), sampled_signal(now.signal(name))
        yield from compare_column(base, *sides, settings)
    yield from _content(where, old, new, settings, (before.signals, now.signals))


def _content(
    where: _Where,
    old: LoggedData,
    new: LoggedData,
    settings: DriftSettings,
    signals: tuple[tuple[Signal, ...], tuple[Signal, ...]],
) -> Iterator[SignalFound]:
    whole = SignalFound(f"{where.interface}/content", where.project, DataVerdict.NOT_TESTED, "", PRESENCE)
    if old.content is None or new.content is None:
        side = "reference" if old.content is None else "iteration"
        text = f"the data changed, and no content profile was logged in the {side}: log it again to look into texts"
        yield replace(whole, text=text, decides=True)
        return
    from flywheel_mlflow.drift.content import compare_content, unseen_media

    yield from compare_content(
        where.interface, where.project, old.content, new.content, settings, (signals[0], signals[1])
    )
    left_out = sorted({*old.content.left_out, *new.content.left_out})
    if left_out:
        text = f"not looked into, there are too many: {', '.join(left_out[:10])}" + (
            ", ..." if len(left_out) > 10 else ""
        )
        yield replace(whole, subject=f"{where.interface}/other fields", text=text, decides=True)
    yield from unseen_media(whole, where.interface, where.media, old.content, new.content)


def _filters(where: _Where, current: Side, reference: Side, settings: DriftSettings) -> Iterator[FilterFound]:
    new, old = (_notes(side.data.get(where.interface)) for side in (current, reference))
    if new is None or old is None:
        return
    for rule in dict.fromkeys([*old, *new]):
        base = FilterFound(
            subject=f"{where.interface}/filter {rule}",
            project=where.project,
            verdict=DataVerdict.STABLE,
            text="",
            method=Method.COUNT.value,
            limit=settings.min_filter_change,
        )
        yield _filter(base, new.get(rule), old.get(rule), settings)


def _notes(data: LoggedData | None) -> dict[str, FilterNote] | None:
    """The ledger by rule; a rule that stands twice counts its rows together. None without a card."""
    if data is None or data.card is None:
        return None
    found: dict[str, FilterNote] = {}
    for note in data.card.filters:
        earlier = found.get(note.rule)
        found[note.rule] = (
            note
            if earlier is None
            else note.model_copy(
                update={"rows_in": earlier.rows_in + note.rows_in, "rows_out": earlier.rows_out + note.rows_out}
            )
        )
    return found


def _filter(base: FilterFound, new: FilterNote | None, old: FilterNote | None, settings: DriftSettings) -> FilterFound:
    if old is None:
        return replace(base, verdict=DataVerdict.NEW, text="no such filter in the reference", method=PRESENCE)
    if new is None:
        text = "the filter is gone from the data card"
        return replace(base, verdict=DataVerdict.VANISHED, text=text, method=PRESENCE)
    base = replace(base, n=new.rows_in, reference_n=old.rows_in)
    if min(new.rows_in, old.rows_in) < settings.min_rows:
        text = f"{old.rows_in:,} rows before and {new.rows_in:,} now, {settings.min_rows} are needed"
        return replace(base, verdict=DataVerdict.NOT_TESTED, text=text, method=PRESENCE)
    if (new.rows_in, new.rows_out, new.constant) == (old.rows_in, old.rows_out, old.constant):
        rate = (new.rows_in - new.rows_out) / new.rows_in
        text = f"drops {rate:.1%} of {new.rows_in:,} rows, as before"
        return replace(base, verdict=DataVerdict.UNCHANGED, text=text, value=rate, reference=rate, change=0.0)
    dropped_new, dropped_old = new.rows_in - new.rows_out, old.rows_in - old.rows_out
    rate_new, rate_old = dropped_new / new.rows_in, dropped_old / old.rows_in
    p, _ = compare_shares((dropped_old, old.rows_in), (dropped_new, new.rows_in))
    constant = "" if new.constant == old.constant else f"; its constant was {old.constant}, now {new.constant}"
    text = f"drops {rate_old:.1%} → {rate_new:.1%} of {old.rows_in:,} and {new.rows_in:,} rows{constant}"
    return replace(base, text=text, value=rate_new, reference=rate_old, change=rate_new - rate_old, p=p)


def _adjusted(
    signals: list[SignalFound], filters: list[FilterFound], faults: Mapping[str, str], settings: DriftSettings
) -> DataFound:
    """P-values adjusted over signals and filters together: one report, one budget of false alarms."""
    tested = [item.p for item in signals if item.p is not None] + [item.p for item in filters if item.p is not None]
    adjusted = iter(benjamini_hochberg(tested))
    alpha = settings.false_alarms / max(1, len(tested))
    return DataFound(
        signals=tuple(
            item if item.p is None else _decided(replace(item, p=next(adjusted)), alpha, settings) for item in signals
        ),
        filters=tuple(
            item if item.p is None else _filter_decided(replace(item, p=next(adjusted)), settings) for item in filters
        ),
        faults=faults,
    )


def _counts(p: float | None, settings: DriftSettings) -> bool:
    """Whether an adjusted p-value says that there is a difference; an unknown one does not."""
    return p is not None and p <= settings.false_alarms


def _at_least(size: float | None, limit: float | None) -> bool:
    """Whether a difference is as large as it must be; an unknown one is not."""
    return size is not None and limit is not None and size >= limit


def _decided(item: SignalFound, alpha: float, settings: DriftSettings) -> SignalFound:
    """Drifted is what is no accident, unless its whole interval lies below the limit."""
    verdict = DataVerdict.STABLE
    if _counts(item.p, settings):
        high = item.effect if item.effect_high is None else item.effect_high
        verdict = DataVerdict.DRIFTED if _at_least(high, item.limit) else DataVerdict.SMALL
    numbers = item.method == Method.KS.value
    shift = detectable_shift(item.reference_n or 0, item.n or 0, alpha=alpha * WHOLE) if numbers else None
    text = (
        f"{item.reference} → {item.value}; {item.effect_name} {item.effect:.3f} (limit {item.limit:g}), "
        f"adjusted p {item.p:.2g} (limit {settings.false_alarms:g}), {item.reference_n:,} and {item.n:,} rows"
    )
    if numbers and verdict is DataVerdict.STABLE:
        seen = "none" if shift is None else f"{shift:.2g} SD"
        text += f"; smallest shift these samples can detect: {seen}"
    if verdict is DataVerdict.STABLE:
        item = replace(item, picture=None, examples=())
    return replace(item, verdict=verdict, text=text, detectable=shift)


def _filter_decided(item: FilterFound, settings: DriftSettings) -> FilterFound:
    change = None if item.change is None else abs(item.change)
    drifted = _counts(item.p, settings) and _at_least(change, settings.min_filter_change)
    text = f"{item.text}; adjusted p {item.p:.2g} (limit {settings.false_alarms:g})"
    return replace(item, verdict=DataVerdict.DRIFTED if drifted else DataVerdict.STABLE, text=text)
