"""Audits samples: reads what a sample claims from its text, and compares it with the pixels."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from p03_pictures import CHART_STEP, Picture
from p03_samples import NUMBER_WORDS, PER_MILLE, Sample
from p03_seeing import Seen, bars_in, objects_in, text_in

#: Overlap of a claimed box with the seen one (intersection over union) that still counts as the same place: rounding to
#: thousandths costs an object of 18 pixels less than 0.03.
LEAST_IOU = 0.9
#: Units a bar may be off: one pixel row is one unit, and an edge may fall on either side.
BAR_TOLERANCE = 1.0

_AMOUNT = re.compile(rf"\b({'|'.join(NUMBER_WORDS[1:])}) (\w+ (?:circle|square|triangle))s?\b")
_COUNT = re.compile(r"How many (\w+ \w+)s are there\?\nThere are (\d+)\.")
_WHERE = re.compile(r"Where is the (\w+ \w+)\?\nThe (\w+ \w+) is at \[(\d+), (\d+), (\d+), (\d+)\]\.")
_NOTE = re.compile(r"The note says: (.+)")
_AFTER = re.compile(r"What stands after (\w+) on the note\?\n(.+)")
_BAR = re.compile(r"How high is the (\w+) bar\?\nIt stands at (\d+)\.")
_HIGHEST = re.compile(r"Which bar is the highest\?\nThe (\w+) bar\.")
_SUM = re.compile(r"How many (\w+)s do both pictures show together\?\nTogether they show (\d+)\.")
_MORE = re.compile(r"Which picture shows more (\w+)s\?\n(Neither|The first|The second): (\d+) against (\d+)\.")


@dataclass(slots=True)
class Auditor:
    """Compares samples with pictures; each picture is read once.

    An audit gives the flags of a sample, none when everything it claims is to be seen. A text whose claims cannot be
    read is flagged, not passed.
    """

    pictures: Mapping[str, Picture]
    _objects: dict[str, tuple[Seen, ...]] = field(default_factory=dict)
    _lines: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def objects(self, asset: str) -> tuple[Seen, ...]:
        """The objects seen in a picture."""
        if asset not in self._objects:
            self._objects[asset] = objects_in(self.pictures[asset])
        return self._objects[asset]

    def lines(self, asset: str) -> tuple[str, ...]:
        """The lines read from a picture."""
        if asset not in self._lines:
            self._lines[asset] = text_in(self.pictures[asset])
        return self._lines[asset]

    def audit(self, sample: Sample) -> tuple[str, ...]:
        """The flags of a sample; empty when it passes."""
        missing = [asset for asset in sample.assets if asset not in self.pictures]
        if missing:
            return ("picture_missing",)
        check = _CHECKS.get(sample.task_type)
        if check is None:
            return ("unknown_task",)
        flag = check(self, sample)
        return (flag,) if flag else ()


def iou(one: tuple[float, ...], two: tuple[float, ...]) -> float:
    """Intersection over union of two boxes with the same order of edges: two low edges, two high ones."""
    height = min(one[2], two[2]) - max(one[0], two[0])
    width = min(one[3], two[3]) - max(one[1], two[1])
    common = max(0.0, height) * max(0.0, width)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, two)]
    whole = sum(areas) - common
    return common / whole if whole > 0 else 0.0


def _describe(auditor: Auditor, sample: Sample) -> str:
    claimed = Counter({name: NUMBER_WORDS.index(word) for word, name in _AMOUNT.findall(sample.answer)})
    if not claimed:
        return "unreadable"
    seen = Counter(item.name for item in auditor.objects(sample.assets[0]))
    return "" if claimed == seen == Counter(sample.object_counts) else "objects_differ"


def _count(auditor: Auditor, sample: Sample) -> str:
    found = _COUNT.search(sample.text)
    if found is None:
        return "unreadable"
    seen = [item for item in auditor.objects(sample.assets[0]) if item.name == found[1]]
    return "" if len(seen) == int(found[2]) else "count_differs"


def _locate(auditor: Auditor, sample: Sample) -> str:
    found = _WHERE.search(sample.text)
    if found is None or found[1] != found[2]:
        return "unreadable"
    said = tuple(int(number) for number in found.groups()[2:])
    if sample.bbox is None or tuple(sample.bbox) != said:
        return "box_missing"
    seen = [item for item in auditor.objects(sample.assets[0]) if item.name == found[1]]
    if len(seen) != 1:
        return "count_differs"
    height, width, _ = auditor.pictures[sample.assets[0]].pixels.shape
    left, top, right, bottom = seen[0].box
    box = (top / height, left / width, bottom / height, right / width)
    return "" if iou(tuple(edge / PER_MILLE for edge in said), box) >= LEAST_IOU else "box_off"


def _note(auditor: Auditor, sample: Sample) -> str:
    found = _NOTE.search(sample.answer)
    if found is None:
        return "unreadable"
    return "" if tuple(found[1].split(" / ")) == auditor.lines(sample.assets[0]) else "text_differs"


def _after(auditor: Auditor, sample: Sample) -> str:
    found = _AFTER.search(sample.text)
    if found is None:
        return "unreadable"
    return "" if f"{found[1]} {found[2]}" in auditor.lines(sample.assets[0]) else "text_differs"


def _bar(auditor: Auditor, sample: Sample) -> str:
    found = _BAR.search(sample.text)
    if found is None:
        return "unreadable"
    height = bars_in(auditor.pictures[sample.assets[0]], step=CHART_STEP).get(found[1])
    return "" if height is not None and abs(height - int(found[2])) <= BAR_TOLERANCE else "value_off"


def _highest(auditor: Auditor, sample: Sample) -> str:
    found = _HIGHEST.search(sample.text)
    if found is None:
        return "unreadable"
    heights = bars_in(auditor.pictures[sample.assets[0]], step=CHART_STEP)
    return "" if heights and max(heights, key=lambda name: heights[name]) == found[1] else "value_off"


def _shapes(auditor: Auditor, sample: Sample, shape: str) -> tuple[int, int]:
    first, second = (sum(item.shape == shape for item in auditor.objects(asset)) for asset in sample.assets)
    return first, second


def _sum(auditor: Auditor, sample: Sample) -> str:
    found = _SUM.search(sample.text)
    if found is None or len(sample.assets) != 2:
        return "unreadable"
    return "" if sum(_shapes(auditor, sample, found[1])) == int(found[2]) else "count_differs"


def _more(auditor: Auditor, sample: Sample) -> str:
    found = _MORE.search(sample.text)
    if found is None or len(sample.assets) != 2:
        return "unreadable"
    first, second = _shapes(auditor, sample, found[1])
    which = "Neither" if first == second else "The first" if first > second else "The second"
    return "" if (which, str(first), str(second)) == found.groups()[1:] else "count_differs"


_CHECKS: dict[str, Callable[[Auditor, Sample], str]] = {
    "describe": _describe,
    "count": _count,
    "locate": _locate,
    "ocr_summary": _note,
    "doc_qa": _after,
    "chart_read": _bar,
    "chart_compare": _highest,
    "sum_over_pictures": _sum,
    "compare_pictures": _more,
}
