"""The parts of the video dataset: rendering, cutting, measuring, describing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from trials import PROJECTS, load_module

FOLDER = PROJECTS / "p14_video"
frames = load_module(FOLDER / "p14_frames.py")
measure = load_module(FOLDER / "p14_measure.py")
shots = load_module(FOLDER / "p14_shots.py")


def shot(**more: Any) -> dict[str, Any]:
    """A described shot."""
    subject = {"colour": "red", "height": 18, "x": 64, "y": 36}
    plain = {"frames": 12, "hue": 20, "texture": 7, "camera": "pan_right", "speed": 2.0, "light": 0.8}
    return {**plain, "flash_at": None, "soft_start": False, "subject": subject, **more}


def video(*parts: dict[str, Any], **more: Any) -> Any:
    """A rendered video of shots."""
    about = {
        "video_id": "v",
        "title": "park at noon",
        "subject": "kite",
        "page_url": "https://example.org/v",
        "author_name": "A Studio",
        "license": "CC0-1.0",
        "people": False,
        "release": False,
        "fps": 8,
        "width": 128,
        "height": 72,
        "shots": list(parts),
        **more,
    }
    return frames.render(about)


def only_shot(**more: Any) -> Any:
    """The one measured shot of a video of one shot."""
    made = video(shot(), **more)
    return shots.measured_shots(made, measure.find_shots(made.frames, 8))[0]


def test_a_hard_cut_is_found_to_the_frame() -> None:
    """Two shots of different hue are cut where the description has it."""
    made = video(shot(), shot(hue=150, texture=8))
    assert made.cuts == (12,)
    assert measure.find_shots(made.frames, 8) == (measure.Span(0, 12), measure.Span(12, 24))


def test_a_soft_cut_and_a_shot_that_looks_alike_are_missed() -> None:
    """What changes slowly or little is not found where it is: that is the limit of the method, and it is measured."""
    for second in (shot(hue=150, texture=8, soft_start=True), shot(hue=24, texture=8)):
        made = video(shot(), second)
        found = [span.start for span in measure.find_shots(made.frames, 8) if span.start]
        assert measure.matched_cuts(made.cuts, found) == 0


def test_a_flash_makes_no_shot_shorter_than_a_second() -> None:
    """A cut sooner than a second after the last one is none."""
    spans = measure.find_shots(video(shot(frames=20, flash_at=3)).frames, 8)
    assert all(span.length >= 8 for span in spans)


def test_known_cuts_are_matched_once_each() -> None:
    """A found cut serves one known cut, and only within a frame of it."""
    assert measure.matched_cuts([10, 20], [11, 30]) == 1
    assert measure.matched_cuts([10, 11], [10]) == 1
    assert measure.matched_cuts([], [5]) == 0


@pytest.mark.parametrize("camera", [tag for tag in measure.CAMERA_TAGS if tag != "unknown"])
def test_the_camera_is_read_from_the_pixels(camera: str) -> None:
    """Every motion a description can ask for is recognised."""
    speed = 0.0 if camera == "static" else 2.0
    found = measure.measure_motion(video(shot(camera=camera, speed=speed)).frames, 8)
    assert found.camera == camera
    assert (found.strength >= 0.5) == (camera != "static")


def test_motion_strength_grows_with_speed() -> None:
    """Twice the speed gives more strength, half at the declared speed."""
    strengths = [measure.measure_motion(video(shot(speed=speed)).frames, 8).strength for speed in (0.5, 1.0, 2.0)]
    assert strengths == sorted(strengths)
    assert strengths[1] == pytest.approx(0.555, abs=0.03)


def test_shifts_are_measured_between_pixels() -> None:
    """Phase correlation finds a shift of whole pixels in both directions."""
    rng = np.random.default_rng(1)
    ground = np.cumsum(np.cumsum(rng.normal(size=(80, 90)), axis=0), axis=1).astype(np.float32)
    one, two = ground[10:50, 10:60], ground[8:48, 13:63]
    assert measure.shifts_between(one[None], two[None])[0] == pytest.approx((-3, 2), abs=0.25)


def test_too_few_frames_have_no_motion_and_no_camera() -> None:
    """Of two frames nothing is known, which is said rather than guessed."""
    assert measure.measure_motion(video(shot()).frames[:2], 8) == measure.Motion(0.0, "unknown", 0)


def test_dim_light_and_size_are_tags() -> None:
    """Light and shot size follow the description; no subject gives no size."""
    assert measure.lighting(video(shot(light=0.25)).frames) == "low_key"
    assert measure.lighting(video(shot(light=1.35)).frames) == "high_key"
    for height, tag in ((10, "wide"), (26, "medium"), (48, "close_up")):
        made = video(shot(camera="static", subject={"colour": "blue", "height": height, "x": 64, "y": 36}))
        colour, share = measure.subject_of(made.frames[0])
        assert (colour, measure.shot_size(share)) == ("blue", tag)
    assert measure.shot_size(0.0) == "unknown"
    assert measure.subject_of(np.full((72, 128, 3), 128, dtype=np.uint8)) == ("unknown", 0.0)


def test_dark_frames_score_below_bright_ones() -> None:
    """The aesthetic score lies in 0 to 10, and the dark shot gets less."""
    dark, bright = (measure.aesthetic_score(video(shot(light=light)).frames) for light in (0.2, 0.9))
    assert 0 <= dark < 5 < bright <= 10


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({}, ()),
        ({"license": None}, ("licence_unclear",)),
        ({"license": "see website"}, ("licence_unclear",)),
        ({"author_name": ""}, ("licence_unclear",)),
        ({"people": True}, ("people_without_release",)),
        ({"people": True, "release": True}, ()),
    ],
)
def test_unclear_licences_and_people_without_release_stay_out(more: dict[str, Any], reason: tuple[str, ...]) -> None:
    """A shot may be used only under clear terms and with a release of the people it shows."""
    assert only_shot(**more).reasons_out(people_need_release=True) == reason


def test_a_caption_says_what_was_measured_in_fifty_words() -> None:
    """The caption names subject, camera and light, and is long enough."""
    text = shots.caption(only_shot())
    assert "red kite" in text
    assert "pans to the right" in text
    assert len(text.split()) >= shots.CAPTION_MIN_WORDS


def test_a_record_with_other_times_or_frames_is_noticed() -> None:
    """Late times, a wrong digest, a wrong count: each is noticed."""
    found = only_shot()
    record = shots.as_record(found, "train")
    assert shots.times_match(record, found.video)
    assert not shots.times_match(shots.as_record(found, "train", delay_s=0.5), found.video)
    for key, value in (("n_frames", 3), ("frame_sha256", ["0" * 64] * 4)):
        spoiled = {**record, "metadata": {**record["metadata"], key: value}}
        assert not shots.times_match(spoiled, found.video)
