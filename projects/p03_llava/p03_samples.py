"""Words questions and answers about pictures from their scene descriptions."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

NUMBER_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
#: Boxes are written [ymin, xmin, ymax, xmax] in thousandths of the picture, as published.
PER_MILLE = 1000
#: How many other pictures of its split each object picture is paired with.
PAIRS_EACH = 1

Scene = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Sample:
    """A question about one or two pictures with its answer.

    ``bbox`` is [ymin, xmin, ymax, xmax] in thousandths, only of ``locate`` samples.
    """

    id: str
    assets: tuple[str, ...]
    asset_type: str
    task_type: str
    question: str
    answer: str
    split: str = ""
    bbox: tuple[int, int, int, int] | None = None
    object_counts: Mapping[str, int] | None = None

    @property
    def text(self) -> str:
        """The sample as one text: a mark for each picture, the question, the answer."""
        marks = "".join(f"<image:{asset}>" for asset in self.assets)
        return f"{marks} {self.question}\n{self.answer}"


def plural(count: int, noun: str) -> str:
    """``one red circle``, ``two red circles``."""
    return f"{NUMBER_WORDS[count]} {noun}{'' if count == 1 else 's'}"


def listing(parts: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def counts_of(scene: Scene) -> Counter[str]:
    """How many objects of each colour and shape a scene describes."""
    return Counter(f"{item['colour']} {item['shape']}" for item in scene["objects"])


def single_samples(scene: Scene, rng: random.Random) -> Iterator[Sample]:
    """The samples of one picture."""
    makers = {"general_image": _general, "document_image": _document, "chart_image": _chart}
    yield from makers[scene["type"]](scene, rng)


def _general(scene: Scene, rng: random.Random) -> Iterator[Sample]:
    asset, counts = scene["id"], counts_of(scene)
    shown = listing([plural(count, name) for name, count in sorted(counts.items())])
    yield _sample(
        scene,
        "describe",
        "Describe the picture.",
        f"The picture shows {shown}.",
        object_counts=dict(sorted(counts.items())),
    )
    name = rng.choice(sorted(counts))
    yield _sample(scene, "count", f"How many {name}s are there?", f"There are {counts[name]}.")
    alone = [item for item in scene["objects"] if counts[f"{item['colour']} {item['shape']}"] == 1]
    for item in alone[:2]:
        name = f"{item['colour']} {item['shape']}"
        found = _sample(scene, "locate", f"Where is the {name}?", "", bbox=_per_mille(item["box"], scene))
        answer = f"The {name} is at {list(found.bbox or ())}."
        yield replace(found, id=f"{asset}_locate_{name.replace(' ', '_')}", answer=answer)


def _per_mille(box: Sequence[int], scene: Scene) -> tuple[int, int, int, int]:
    left, top, right, bottom = box
    across, down = PER_MILLE / scene["width"], PER_MILLE / scene["height"]
    return round(top * down), round(left * across), round(bottom * down), round(right * across)


def _document(scene: Scene, rng: random.Random) -> Iterator[Sample]:
    yield _sample(scene, "ocr_summary", "What does the note say?", f"The note says: {' / '.join(scene['lines'])}")
    key = rng.choice(("NOTE", "PLACE", "TOTAL"))
    value = next(line.split(" ", 1)[1] for line in scene["lines"] if line.startswith(f"{key} "))
    yield _sample(scene, "doc_qa", f"What stands after {key} on the note?", value)


def _chart(scene: Scene, rng: random.Random) -> Iterator[Sample]:
    bar = rng.choice(scene["bars"])
    yield _sample(scene, "chart_read", f"How high is the {bar['colour']} bar?", f"It stands at {bar['value']}.")
    highest = max(scene["bars"], key=lambda item: item["value"])
    yield _sample(scene, "chart_compare", "Which bar is the highest?", f"The {highest['colour']} bar.")


def _sample(scene: Scene, task: str, question: str, answer: str, **more: Any) -> Sample:
    return Sample(f"{scene['id']}_{task}", (scene["id"],), scene["type"], task, question, answer, **more)


def paired_samples(scenes: Iterable[Scene], rng: random.Random) -> Iterator[Sample]:
    """Samples over two object pictures each; give it the pictures of one split."""
    pairs = list(combinations([scene for scene in scenes if scene["type"] == "general_image"], 2))
    rng.shuffle(pairs)
    used: Counter[str] = Counter()
    for first, second in pairs:
        if max(used[first["id"]], used[second["id"]]) < 2 * PAIRS_EACH:
            used.update((first["id"], second["id"]))
            yield _pair(first, second, rng)


def _pair(first: Scene, second: Scene, rng: random.Random) -> Sample:
    shape = rng.choice(sorted({item["shape"] for item in [*first["objects"], *second["objects"]]}))
    one, two = (sum(item["shape"] == shape for item in scene["objects"]) for scene in (first, second))
    assets = (first["id"], second["id"])
    identity = f"{assets[0]}_{assets[1]}"
    if rng.random() < 0.5:
        question, task = f"How many {shape}s do both pictures show together?", "sum_over_pictures"
        answer = f"Together they show {one + two}."
    else:
        question, task = f"Which picture shows more {shape}s?", "compare_pictures"
        which = "Neither" if one == two else "The first" if one > two else "The second"
        answer = f"{which}: {one} against {two}."
    return Sample(f"{identity}_{task}", assets, "interleaved_pair", task, question, answer)
