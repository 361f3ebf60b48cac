"""Writes the scene descriptions of this folder: ``python generate.py [FOLDER]``; equal runs write equal bytes."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

SEED = "p03 scenes, version 3"
SCENES_PER_TYPE = 42
COLOURS = ("red", "blue", "green", "yellow", "purple", "orange")
SHAPES = ("circle", "square", "triangle")
WIDTH, HEIGHT = 192, 144
#: Shares of scenes whose picture does not show what the description says, as in any hand-made set.
OCCLUDED, SMUDGED, CLIPPED = 0.05, 0.06, 0.05
#: Share of notes that show a telephone number, invented, which the privacy rules must keep out.
WITH_NUMBER = 0.07
ITEMS = ("LAMP", "DESK", "CHAIR", "CABLE", "SHELF", "CLOCK", "PAPER", "BRUSH", "STOVE", "KETTLE")
PLACES = ("HARBOUR", "STATION", "GARDEN", "LIBRARY", "MARKET", "BRIDGE", "MUSEUM", "THEATRE")


def overlaps(box: list[int], other: list[int], gap: int) -> bool:
    """Whether two boxes [left, top, right, bottom] come closer than ``gap`` pixels."""
    return not (
        box[2] + gap <= other[0] or other[2] + gap <= box[0] or box[3] + gap <= other[1] or other[3] + gap <= box[1]
    )


def general(rng: random.Random) -> dict[str, Any]:
    """Two to seven objects that do not touch, save in a few scenes where one hides part of another."""
    objects: list[dict[str, Any]] = []
    wanted = rng.randint(2, 7)
    palette = rng.sample(COLOURS, k=rng.randint(2, 4))
    for _ in range(200):
        if len(objects) == wanted:
            break
        size = rng.randint(18, 40)
        left, top = rng.randint(4, WIDTH - size - 4), rng.randint(4, HEIGHT - size - 4)
        box = [left, top, left + size, top + size]
        if not any(overlaps(box, item["box"], 4) for item in objects):
            objects.append({"shape": rng.choice(SHAPES), "colour": rng.choice(palette), "box": box})
    if rng.random() < OCCLUDED:
        hidden = objects[0]["box"]
        shift = (hidden[2] - hidden[0]) // 2
        box = [hidden[0] + shift, hidden[1], hidden[2] + shift, hidden[3]]
        other = next(colour for colour in COLOURS if colour != objects[0]["colour"])
        objects.append({"shape": "square", "colour": other, "box": box})
    return {"objects": objects}


def document(rng: random.Random) -> dict[str, Any]:
    """A delivery note of four lines; a few carry a smudge over one of them, or a telephone number."""
    price, quantity = rng.randint(3, 60), rng.randint(2, 12)
    lines = [
        f"NOTE {rng.randint(100, 999)}",
        f"PLACE {rng.choice(PLACES)}",
        f"ITEM {rng.choice(ITEMS)} X {quantity}",
        f"TOTAL {price * quantity}",
    ]
    if rng.random() < WITH_NUMBER:
        lines.append(f"CALL 138{rng.randint(0, 99_999_999):08d}")
    smudge = rng.randint(1, 3) if rng.random() < SMUDGED else None
    return {"lines": lines, "smudged_line": smudge}


def chart(rng: random.Random) -> dict[str, Any]:
    """Three to five bars of different heights; a few charts have a bar that leaves the frame."""
    colours = rng.sample(COLOURS, k=rng.randint(3, 5))
    values = rng.sample(range(10, 96), k=len(colours))
    if rng.random() < CLIPPED:
        values[rng.randrange(len(values))] = rng.randint(115, 140)
    return {"bars": [{"colour": colour, "value": value} for colour, value in zip(colours, values, strict=True)]}


MAKERS = {"general_image": general, "document_image": document, "chart_image": chart}


def scenes() -> list[dict[str, Any]]:
    """The descriptions of all pictures, in the order of their ids."""
    found = []
    for kind, make in MAKERS.items():
        for number in range(1, SCENES_PER_TYPE + 1):
            rng = random.Random(f"{SEED}/{kind}/{number}")  # noqa: S311 - no secret
            identity = f"{kind.removesuffix('_image')}-{number:03d}"
            found.append({"id": identity, "type": kind, "width": WIDTH, "height": HEIGHT, **make(rng)})
    return found


def write(folder: Path) -> None:
    """Write ``scenes.jsonl`` into ``folder``."""
    lines = [json.dumps(scene, separators=(",", ":")) for scene in scenes()]
    (folder / "scenes.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
