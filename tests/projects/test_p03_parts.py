"""The parts of the image instruction factory: drawing, seeing, wording, auditing."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from trials import PROJECTS, load_module

FOLDER = PROJECTS / "p03_llava"
pictures = load_module(FOLDER / "p03_pictures.py")
seeing = load_module(FOLDER / "p03_seeing.py")
samples = load_module(FOLDER / "p03_samples.py")
audit = load_module(FOLDER / "p03_audit.py")

OBJECTS = [
    {"shape": "circle", "colour": "red", "box": [10, 10, 40, 40]},
    {"shape": "circle", "colour": "red", "box": [60, 10, 90, 40]},
    {"shape": "triangle", "colour": "blue", "box": [100, 60, 140, 100]},
]


def scene(kind: str, **more: Any) -> dict[str, Any]:
    """A scene of a kind."""
    return {"id": f"{kind}-1", "type": kind, "width": 192, "height": 144, **more}


GENERAL = scene("general_image", objects=OBJECTS)
NOTE = scene("document_image", lines=["NOTE 12", "ITEM LAMP X 3"], smudged_line=None)
CHART = scene("chart_image", bars=[{"colour": "red", "value": 72}, {"colour": "green", "value": 15}])


def auditor(*scenes: dict[str, Any]) -> Any:
    """An auditor of the drawn scenes."""
    return audit.Auditor({item["id"]: pictures.draw(item) for item in scenes})


def sample(task: str, question: str, answer: str, asset: str = "general_image-1", **more: Any) -> Any:
    """A sample about one picture."""
    return samples.Sample("s", (asset,), "general_image", task, question, answer, **more)


def test_objects_are_seen_with_shape_colour_and_exact_box() -> None:
    """What was drawn is read back from noisy pixels, to the pixel."""
    found = {(item.colour, item.shape, item.box) for item in seeing.objects_in(pictures.draw(GENERAL))}
    assert found == {(item["colour"], item["shape"], tuple(item["box"])) for item in OBJECTS}


def test_text_is_read_back_and_a_smudge_is_not() -> None:
    """Lines are read from the pixels; what lies under a smudge becomes question marks, never a guess."""
    assert seeing.text_in(pictures.draw(NOTE)) == tuple(NOTE["lines"])
    smudged = seeing.text_in(pictures.draw({**NOTE, "smudged_line": 1}))
    assert smudged[0] == "NOTE 12"
    assert "?" in smudged[1]


def test_bars_are_measured_against_the_grid() -> None:
    """Heights of bars come out in the chart's units."""
    assert seeing.bars_in(pictures.draw(CHART), step=pictures.CHART_STEP) == pytest.approx({"red": 72, "green": 15})


def test_a_blank_picture_shows_nothing() -> None:
    """No object, no text and no bar is found on paper alone."""
    blank = pictures.draw(scene("general_image", objects=[]))
    assert seeing.is_blank(blank)
    assert seeing.objects_in(blank) == ()
    assert seeing.text_in(blank) == ()
    assert seeing.bars_in(blank, step=20) == {}


def test_samples_of_a_true_scene_pass_the_audit() -> None:
    """Everything worded from a scene that is drawn as described passes."""
    for item in (GENERAL, NOTE | {"lines": ["NOTE 12", "PLACE PARK", "TOTAL 9"]}, CHART):
        found = list(samples.single_samples(item, random.Random("x")))  # noqa: S311 - no secret
        assert len(found) >= 2
        assert [auditor(item).audit(one) for one in found] == [()] * len(found)


@pytest.mark.parametrize(
    ("task", "question", "answer", "flag"),
    [
        ("count", "How many red circles are there?", "There are 3.", "count_differs"),
        ("count", "How many red circles are there?", "Two.", "unreadable"),
        ("describe", "Describe the picture.", "The picture shows two red circles.", "objects_differ"),
        ("describe", "Describe the picture.", "A nice picture.", "unreadable"),
        ("dance", "What?", "That.", "unknown_task"),
    ],
)
def test_a_false_or_unreadable_claim_is_flagged(task: str, question: str, answer: str, flag: str) -> None:
    """A claim that the pixels contradict, or that cannot be read, never passes."""
    counts = {"red circle": 2, "blue triangle": 1}
    assert auditor(GENERAL).audit(sample(task, question, answer, object_counts=counts)) == (flag,)


def test_a_box_beside_its_object_is_flagged_and_a_missing_one_too() -> None:
    """Grounding is compared with the seen box, in text and field."""
    right = (417, 521, 694, 729)
    good = sample("locate", "Where is the blue triangle?", f"The blue triangle is at {list(right)}.", bbox=right)
    off = (200, 521, 477, 729)
    assert auditor(GENERAL).audit(good) == ()
    assert auditor(GENERAL).audit(replace(good, bbox=None)) == ("box_missing",)
    moved = replace(good, bbox=off, answer=f"The blue triangle is at {list(off)}.")
    assert auditor(GENERAL).audit(moved) == ("box_off",)


def test_a_pair_is_audited_on_both_pictures() -> None:
    """A comparison that holds for neither picture is flagged, as is a pair whose second picture is missing."""
    other = {**GENERAL, "id": "other", "objects": OBJECTS[:1]}
    pair = samples.Sample(
        "p", (GENERAL["id"], "other"), "interleaved_pair", "compare_pictures", "Which picture shows more circles?", ""
    )
    judge = auditor(GENERAL, other)
    assert judge.audit(replace(pair, answer="The first: 2 against 1.")) == ()
    assert judge.audit(replace(pair, answer="The second: 1 against 2.")) == ("count_differs",)
    assert auditor(GENERAL).audit(pair) == ("picture_missing",)


def test_overlap_of_boxes() -> None:
    """Intersection over union: the same box 1, boxes apart 0, half of one 1/3."""
    assert audit.iou((0, 0, 2, 2), (0, 0, 2, 2)) == 1
    assert audit.iou((0, 0, 2, 2), (3, 3, 4, 4)) == 0
    assert audit.iou((0, 0, 2, 2), (0, 1, 2, 3)) == pytest.approx(1 / 3)


def test_the_digest_is_over_pixels() -> None:
    """Equal scenes have equal digests, and one object more makes another."""
    first, again, other = (
        pictures.draw(scene).reference()["pixels_sha256"]
        for scene in (GENERAL, GENERAL, {**GENERAL, "objects": OBJECTS[:2]})
    )
    assert first == again != other
