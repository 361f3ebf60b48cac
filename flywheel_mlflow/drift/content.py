"""Compares what was kept of the content of an interface's records: fields, texts, vectors, and how they go together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from flywheel_mlflow.drift.associations import compare_associations
from flywheel_mlflow.drift.classifier import Separation, separate_vectors, separate_wordings
from flywheel_mlflow.drift.columns import (
    Sampled,
    compare_column,
    is_judged,
    judged_base,
    sampled_column,
    with_comparison,
)
from flywheel_mlflow.drift.distributions import Method
from flywheel_mlflow.drift.findings import DataVerdict, SignalFound
from flywheel_mlflow.drift.phrases import compare_phrases
from flywheel_mlflow.drift.pictures import Picture
from flywheel_mlflow.records.content.labels import same_labels
from flywheel_mlflow.records.content.profile import STATE, ContentColumn
from flywheel_mlflow.records.profiles import LENGTH

if TYPE_CHECKING:
    from flywheel_mlflow.promises.thresholds import DriftSettings
    from flywheel_mlflow.records.content.profile import ContentProfile
    from flywheel_mlflow.records.profiles import Signal

_KINDS = {"number": "numbers", "label": "labels", "time": "times as text"}


def compare_content(
    interface: str,
    project: str,
    old: ContentProfile,
    new: ContentProfile,
    settings: DriftSettings,
    signals: tuple[Sequence[Signal], Sequence[Signal]],
) -> Iterator[SignalFound]:
    """Everything known of the content on both sides compared.

    ``signals`` are the quality signals before and now, of the same sampled rows: these were compared, and are asked
    only how they go together with the rest.

    P-values are those of each comparison alone; the caller adjusts them over the whole report.
    """

    def base(name: str) -> SignalFound:
        return judged_base(f"{interface}/{name}", project, settings)

    known = {signal.name for side in signals for signal in side}
    if LENGTH in known:  # the same of a content that is one text
        known |= {"content: characters", "payload: characters"}
    before, now = (
        {item.name: item for item in side.columns if not {item.leaf, item.name} & known} for side in (old, new)
    )
    yield from _fields(base, old, new, before, now, settings)
    yield from _texts(base, old, new)
    yield from _vectors(base, old, new)
    columns = [[*map(_as_column, own), *kept.values()] for own, kept in zip(signals, (before, now), strict=True)]
    yield from _associations(base, columns[0], columns[1])


#: Makes what a comparison of that name begins with.
_Base = Callable[[str], SignalFound]


def _fields(
    base: _Base,
    old: ContentProfile,
    new: ContentProfile,
    before: dict[str, ContentColumn],
    now: dict[str, ContentColumn],
    settings: DriftSettings,
) -> Iterator[SignalFound]:
    for name in sorted(before.keys() | now.keys()):
        if _superseded(name, before, now):
            continue
        one, other = before.get(name), now.get(name)
        if one is not None and other is not None and one.kind != other.kind:
            text = f"{_KINDS[one.kind]} before, {_KINDS[other.kind]} now"
            yield replace(base(name), verdict=DataVerdict.VANISHED, text=text, method="kind of the values")
        else:
            yield from compare_column(base(name), *_sampled(one, other, old, new), settings)


def _texts(base: _Base, old: ContentProfile, new: ContentProfile) -> Iterator[SignalFound]:
    before, now = ({item.field: item for item in side.wordings} for side in (old, new))
    for name in sorted(before.keys() & now.keys()):
        sides = before[name], now[name]
        subject = base(f"{name}: wording")
        if is_judged(subject):
            yield _separated(subject, separate_wordings(*sides), (sides[0].texts, sides[1].texts), new.places)
        subject = base(f"{name}: phrases")
        found = compare_phrases(*sides) if is_judged(subject) else None
        if found is not None:
            yield replace(with_comparison(subject, found.comparison), picture=Picture("phrases", found.changes))


def _vectors(base: _Base, old: ContentProfile, new: ContentProfile) -> Iterator[SignalFound]:
    before, now = ({item.field: item for item in side.vectors} for side in (old, new))
    for name in sorted(before.keys() & now.keys()):
        subject, one, other = base(f"{name}: direction"), before[name], now[name]
        if not is_judged(subject):
            yield subject
        elif one.dimension != other.dimension:
            text = f"vectors of {one.dimension} numbers before, of {other.dimension} now"
            yield replace(subject, verdict=DataVerdict.VANISHED, text=text, method="dimension")
        else:
            yield _separated(subject, separate_vectors(one, other), (old.rows, new.rows), new.places)


def _associations(base: _Base, before: Sequence[ContentColumn], now: Sequence[ContentColumn]) -> Iterator[SignalFound]:
    subject = base("associations")
    found = compare_associations(before, now) if is_judged(subject) else None
    if found is not None:
        yield with_comparison(subject, found)


def _as_column(signal: Signal) -> ContentColumn:
    if any(isinstance(value, bool | str) for value in signal.sample):
        labels = tuple(None if value is None else str(value) for value in signal.sample)
        return ContentColumn(signal.name, signal.name, "label", labels)
    numbers = tuple(None if value is None else float(value) for value in signal.sample)
    return ContentColumn(signal.name, signal.name, "number", numbers)


def _sampled(
    before: ContentColumn | None, now: ContentColumn | None, old: ContentProfile, new: ContentProfile
) -> tuple[Sampled | None, Sampled | None]:
    if before is not None and now is not None and before.kind == now.kind == "label":
        values = same_labels(before.values, now.values)
        before, now = replace(before, values=tuple(values[0])), replace(now, values=tuple(values[1]))
    return sampled_column(before, old.places), sampled_column(now, new.places)


def _superseded(name: str, before: dict[str, ContentColumn], now: dict[str, ContentColumn]) -> bool:
    """Whether a column is on one side alone because the field is looked at otherwise there, by a column both have."""
    if name in before and name in now:
        return False
    leaf = (before.get(name) or now[name]).leaf
    return any(column.leaf == leaf and other in now for other, column in before.items())


def _separated(
    base: SignalFound, found: Separation | None, rows: tuple[int, int], places: Sequence[str]
) -> SignalFound:
    if found is None:
        text = f"{rows[0]:,} rows before and {rows[1]:,} now are too few to learn from"
        return replace(base, verdict=DataVerdict.NOT_TESTED, text=text, method=Method.CLASSIFIER.value)
    return replace(with_comparison(base, found.comparison), examples=tuple(places[row] for row in found.unlike))


def unseen_media(
    whole: SignalFound, interface: str, fields: Sequence[str], old: ContentProfile, new: ContentProfile
) -> Iterator[SignalFound]:
    """Files beside the records that changed, or may have, and were not looked into on both sides.

    ``fields`` name them; each answer is ``whole`` with a subject and a reason of its own.
    """
    for field in fields:
        before, now = (any(item.name == f"{field}: {STATE}" for item in side.columns) for side in (old, new))
        if before != now:
            side = "iteration" if before else "reference"
            text = f"the data changed, and the files it names were not looked into in the {side}: log it again"
            yield replace(whole, subject=f"{interface}/{field}: media", text=text, decides=True)
    sides = [{item.what: item for item in side.unseen} for side in (old, new)]
    for what in sorted(sides[0].keys() | sides[1].keys()):
        kinds = [side[what] for side in sides if what in side]
        if len({item.digest for item in kinds}) > 1 or len(kinds) == 1:
            change = "changed" if len(kinds) == 2 else "are new" if what in sides[1] else "are gone"
            text = f"these files {change} and were not looked into: {kinds[-1].why}"
            yield replace(whole, subject=f"{interface}/{what}", text=text, decides=True)
