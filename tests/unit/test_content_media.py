"""Tests of what is kept of the pictures and sounds that records name, and of how drift compares it."""

from __future__ import annotations

import io
import json
import struct
import wave
import zlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drift_cases import compared, promise, side
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from flywheel_mlflow.drift import DataVerdict, DriftReport, LoggedData, Verdict
from flywheel_mlflow.evidence.runs import Outcome
from flywheel_mlflow.promises.interfaces import InterfaceOut
from flywheel_mlflow.records import Measurement, measure
from flywheel_mlflow.records.content import media
from flywheel_mlflow.records.content.pictures import Unreadable, describe_picture
from flywheel_mlflow.records.content.profile import content_from_parquet, content_to_parquet
from flywheel_mlflow.records.content.sounds import SILENCE, NotRead, describe_sound

ROWS = 120
Picture = Image.Image
Change = Callable[[Picture, int], Picture | bytes]


def picture_bytes(picture: Picture, kind: str = "PNG") -> bytes:
    held = io.BytesIO()
    picture.save(held, kind)
    return held.getvalue()


def scene(draw: np.random.Generator, *, striped: bool = False) -> Picture:
    """A small picture of squares, or of stripes, in any colours."""
    width, height = int(draw.integers(40, 60)), int(draw.integers(30, 45))
    pixels = np.zeros((height, width, 3)) + draw.integers(60, 200, 3)
    if striped:
        pixels[::4] = draw.integers(0, 255, 3)
        pixels *= np.linspace(0.2, 1, width)[None, :, None]
    for _ in range(0 if striped else 4):
        top, left = draw.integers(0, height - 8), draw.integers(0, width - 8)
        pixels[top : top + draw.integers(4, 20), left : left + draw.integers(4, 20)] = draw.integers(0, 255, 3)
    return Image.fromarray((pixels + draw.normal(0, 5, pixels.shape)).clip(0, 255).astype(np.uint8))


def sound(values: Iterable[float], *, rate: int = 8000, channels: int = 1, width: int = 2) -> bytes:
    """A WAV file of numbers of -1..1."""
    held = io.BytesIO()
    with wave.open(held, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        whole = [round(value * (2 ** (8 * width - 1) - 1)) for value in values]
        offset = 128 if width == 1 else 0
        file.writeframes(b"".join((value + offset).to_bytes(width, "little", signed=width > 1) for value in whole))
    return held.getvalue()


def written(folder: Path, files: Mapping[str, bytes], records: list[dict[str, Any]] | None = None) -> Path:
    """An interface of a row for each file, or of these records."""
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    rows = records or [{"id": f"{folder.name}-{name}", "file": name} for name in files]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def pictures(seed: int, change: Change | None = None, rows: int = ROWS, **how: bool) -> dict[str, bytes]:
    draw = np.random.default_rng(seed)
    found = {}
    for number in range(rows):
        drawn = scene(draw, **how)
        changed = change(drawn, number) if change else drawn
        found[f"{number}.png"] = changed if isinstance(changed, bytes) else picture_bytes(changed)
    return found


SPEC = InterfaceOut.model_validate(
    {"name": "corpus", "title": "C", "format": "jsonl", "schema": "free", "media": ["file"]}
)


def measured(folder: Path, files: Mapping[str, bytes], records: list[dict[str, Any]] | None = None) -> Measurement:
    return measure(written(folder, files, records), SPEC)


def report(before: Measurement, now: Measurement) -> DriftReport:
    sides = [LoggedData(item.profile, content=item.content) for item in (before, now)]
    return compared(
        side(2, digests={"corpus": now.version.digest}, data={"corpus": sides[1]}),
        side(1, digests={"corpus": before.version.digest}, data={"corpus": sides[0]}),
        made=promise(schema="free", media=["file"]),
    )


def drifted(found: DriftReport) -> set[str]:
    return {
        item.subject.removeprefix("corpus/file: ")
        for item in found.distributions
        if item.verdict in {DataVerdict.DRIFTED, DataVerdict.VANISHED}
    }


def column(found: Measurement, name: str) -> list[float | str | None]:
    """A column in the order of the rows' files."""
    assert found.content is not None
    values = next(item.values for item in found.content.columns if item.name == f"file: {name}")
    places = [int(place.rpartition(" ")[2]) for place in found.content.places]
    return [value for _, value in sorted(zip(places, values, strict=True))]


def test_a_picture_is_described_by_what_it_shows() -> None:
    """Size, mode and format of the file, lightness and colour of its pixels, and which of them are lighter."""
    left_half = Image.new("RGB", (64, 32), (0, 0, 0))
    left_half.paste((255, 0, 0), (0, 0, 32, 32))
    found = describe_picture(picture_bytes(left_half))
    assert found.facts | {"bytes per pixel": 0.0, "sharpness": 0.0} == {
        "width": 64.0,
        "height": 32.0,
        "aspect": 2.0,
        "bytes per pixel": 0.0,
        "brightness": 0.1667,
        "contrast": 0.1667,
        "colour": 0.5,
        "warmth": 0.5,
        "sharpness": 0.0,
        "mode": "RGB",
        "format": "PNG",
    }
    assert found.bits.sum() == 16  # in each row the red pixel before the black edge, and the mixed one on it


def test_sharpness_and_hash_follow_the_picture() -> None:
    """A blurred picture is less sharp; a darker one has nearly the same hash, another one has not."""
    drawn, other = (
        Image.fromarray(np.random.default_rng(seed).integers(0, 255, (8, 9, 3), dtype=np.uint8)).resize((400, 300))
        for seed in (1, 2)
    )
    small = drawn.resize((20, 15)).resize(drawn.size)
    dark = drawn.point(lambda value: value * 0.8)
    found = [describe_picture(picture_bytes(item)) for item in (drawn, small, dark, other)]
    assert float(found[1].facts["sharpness"]) < float(found[0].facts["sharpness"])
    differing = [int((found[0].bits != item.bits).sum()) for item in found[2:]]
    assert differing[0] < 4
    assert differing[1] > 16


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        *((mode, "PNG") for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")),
        ("CMYK", "JPEG"),
        ("P", "GIF"),
        ("1", "BMP"),
        ("RGB", "WEBP"),
    ],
)
def test_pictures_of_every_mode_are_described(mode: str, kind: str) -> None:
    """Whatever the file's mode, numbers are in their range."""
    drawn = Image.new(mode, (9, 7)) if mode == "I;16" else scene(np.random.default_rng(3)).convert(mode)
    facts = describe_picture(picture_bytes(drawn, kind)).facts
    assert facts["mode"] == mode
    assert all(0 <= float(facts[name]) <= 1 for name in ("brightness", "contrast", "colour", "sharpness"))


def test_16_bits_are_not_cut_off() -> None:
    """A grey of a quarter is a quarter, not white."""
    grey = Image.fromarray(np.full((8, 8), 16384, np.uint16))
    assert describe_picture(picture_bytes(grey)).facts["brightness"] == 0.25


GOOD = {kind: picture_bytes(scene(np.random.default_rng(4)), kind) for kind in ("PNG", "JPEG", "GIF", "BMP", "WEBP")}
GOOD["WAV"] = sound([0.1, -0.1] * 50)


@given(
    st.sampled_from(sorted(GOOD)),
    st.lists(st.tuples(st.integers(0, 4000), st.binary(max_size=6)), min_size=1, max_size=5),
    st.integers(0, 6000),
)
def test_hostile_files_are_unreadable_and_no_more(kind: str, edits: list[tuple[int, bytes]], length: int) -> None:
    """Whatever was done to a file's bytes, they are described or refused."""
    data = bytearray(GOOD[kind])
    for place, patch in edits:
        data[place % len(data) : place % len(data) + len(patch)] = patch
    with suppress(Unreadable, NotRead):
        (describe_sound if kind == "WAV" else describe_picture)(bytes(data[:length]))


def bomb(side_pixels: int) -> bytes:
    """A PNG of some bytes that claims so many pixels a side."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", side_pixels, side_pixels, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("side_pixels", [8000, 12_000, 100_000])
def test_a_picture_that_claims_to_be_huge_is_not_decoded(side_pixels: int) -> None:
    """What a few bytes claim is asked before memory is taken for it."""
    with pytest.raises(Unreadable, match="too large"):
        describe_picture(bomb(side_pixels))


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_a_sound_is_described_by_what_is_heard(width: int) -> None:
    """How long, how loud, how high the peak, whatever the width of its samples."""
    found = describe_sound(sound([0.5, -0.5] * 4000, width=width))
    assert found == {
        "duration": 1.0,
        "loudness": pytest.approx(-6.02, abs=0.1),
        "peak": pytest.approx(-6.02, abs=0.1),
        "rate": "8000 Hz",
        "channels": "1",
        "bits": str(8 * width),
    }


def test_silence_and_no_sound_have_numbers() -> None:
    """Silence is as quiet as it gets, and a file without samples lasts no time."""
    assert describe_sound(sound([0.0] * 10))["loudness"] == SILENCE
    assert describe_sound(sound([]))["duration"] == 0.0


def test_sounds_that_are_not_plain_samples_are_not_called_broken() -> None:
    """Compressed samples are a form this reader does not know."""
    compressed = sound([0.0] * 10).replace(struct.pack("<IH", 16, 1), struct.pack("<IH", 16, 85), 1)
    with pytest.raises(NotRead):
        describe_sound(compressed)


def grey(picture: Picture, _: int) -> Picture:
    return picture.convert("L").convert("RGB")


def smaller(picture: Picture, _: int) -> Picture:
    return picture.resize((picture.width * 2 // 3, picture.height * 2 // 3))


def darker(picture: Picture, _: int) -> Picture:
    return picture.point(lambda value: value * 0.7)


def placeholder(picture: Picture, number: int) -> Picture:
    return Image.new("RGB", (50, 38), (128, 128, 128)) if number % 6 == 0 else picture


def broken(picture: Picture, number: int) -> bytes:
    return picture_bytes(picture)[: 60 if number % 4 == 0 else None]


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Measurement:
    return measured(tmp_path_factory.mktemp("reference") / "corpus", pictures(1))


@pytest.mark.parametrize(
    ("change", "subject"),
    [(grey, "colour"), (smaller, "width"), (darker, "brightness"), (placeholder, "hash"), (broken, "files")],
)
def test_changed_pictures_are_found(reference: Measurement, tmp_path: Path, change: Change, subject: str) -> None:
    """Greyscale, another size, darkness, one picture that stands for many, files that cannot be decoded."""
    found = report(reference, measured(tmp_path / "corpus", pictures(2, change)))
    assert subject in drifted(found)
    assert found.verdict is Verdict.BLOCK


def test_pictures_of_another_kind_are_found(reference: Measurement, tmp_path: Path) -> None:
    """By where they are light, which no other number of theirs says."""
    found = report(reference, measured(tmp_path / "corpus", pictures(2, striped=True)))
    assert "hash: direction" in drifted(found)


def test_other_pictures_of_the_same_kind_are_silent(reference: Measurement, tmp_path: Path) -> None:
    """What differs by chance alone is no drift."""
    found = report(reference, measured(tmp_path / "corpus", pictures(3)))
    assert (drifted(found), found.verdict) == (set(), Verdict.PASS)


def test_broken_pictures_are_counted(tmp_path: Path) -> None:
    """The finding says how many and where, and the column which rows."""
    files = pictures(1, rows=3) | {
        "cut.png": pictures(1, rows=1)["0.png"][:50],
        "lie.png": b"GIF? no",
        "huge.png": bomb(9000),
    }
    found = measured(tmp_path / "corpus", files)
    (check,) = (item for item in found.checks if item.name == "corpus.readable_media")
    assert (check.outcome, check.details["faults"]) == (Outcome.FAILED, {"cannot be decoded": 2, "too large": 1})
    assert check.message == "of 6 files of sampled rows 2 cannot be decoded, 1 too large"
    assert {item["place"] for item in check.details["examples"]} == {f"rows.jsonl, line {row}" for row in (4, 5, 6)}
    assert column(found, "files") == [*["read"] * 3, *["cannot be decoded"] * 2, "too large"]


def test_good_pictures_are_no_finding(reference: Measurement) -> None:
    """The finding is quiet where every file could be read, and listed where a contract requires it."""
    assert [item.outcome for item in reference.quiet if item.name == "corpus.readable_media"] == [Outcome.PASSED]


def test_a_row_that_names_several_files_has_their_mean(tmp_path: Path) -> None:
    """Numbers of a row are means of its first files, labels all of theirs."""
    files = {
        "a.png": picture_bytes(Image.new("RGB", (10, 10))),
        "b.jpg": picture_bytes(Image.new("L", (30, 10)), "JPEG"),
    }
    rows = [{"id": "r", "file": [{"path": "a.png"}, {"path": "b.jpg"}]}]
    found = measured(tmp_path / "corpus", files, rows)
    assert (column(found, "width"), column(found, "files")) == ([20.0], ["read"])


def test_no_more_pixels_are_decoded_than_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows after the limit have no values, which is neither a fault nor a difference."""
    monkeypatch.setattr(media, "MOST_PIXELS", 250)
    files = {f"{number}.png": picture_bytes(Image.new("RGB", (10, 10))) for number in range(9)}
    found = measured(tmp_path / "corpus", files)
    values = column(found, "brightness")
    assert (values.count(0.0), values.count(None)) == (3, 6)
    assert not any(item.name == "corpus.readable_media" for item in found.checks)


def test_files_outside_the_folder_are_never_opened(tmp_path: Path) -> None:
    """A path that a record makes up is no file, whatever lies there."""
    (tmp_path / "secret.png").write_bytes(GOOD["PNG"])
    rows = [
        {"id": f"r{number}", "file": path}
        for number, path in enumerate(["../secret.png", str(tmp_path / "secret.png")])
    ]
    found = measured(tmp_path / "corpus", {"a.png": GOOD["PNG"]}, rows)
    assert column(found, "files") == ["no such file"] * 2


def test_changed_sounds_are_found(tmp_path: Path) -> None:
    """Quieter sounds, and those of another rate."""
    draw = np.random.default_rng(5)

    def sounds(loud: float, rate: int) -> dict[str, bytes]:
        return {
            f"{number}.wav": sound(draw.normal(0, 0.1, 200).clip(-1, 1) * loud, rate=rate) for number in range(ROWS)
        }

    before = measured(tmp_path / "before", sounds(1.0, 8000))
    now = measured(tmp_path / "now", sounds(0.3, 16000))
    assert {"loudness", "rate"} <= drifted(report(before, now))
    assert not drifted(report(before, measured(tmp_path / "same", sounds(1.0, 8000))))


def test_what_cannot_be_looked_into_is_inconclusive_once_it_changed(tmp_path: Path) -> None:
    """Films and compressed sounds are told as not looked into where their bytes changed, and only there."""
    files = {"a.mp3": b"one", "b.mp4": b"two"}
    before = measured(tmp_path / "before", files)
    now = measured(tmp_path / "now", files | {"a.mp3": b"other"})
    assert before.content is not None
    assert content_from_parquet(content_to_parquet(before.content)).unseen == before.content.unseen
    found = report(before, now)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert [(item.subject, item.text) for item in found.distributions if item.decides] == [
        (
            "corpus/.mp3 files",
            "these files changed and were not looked into: only pictures and WAV sounds are looked into",
        )
    ]
    moved = measured(tmp_path / "moved", {"a.mp3": b"one"})
    assert [item.text.split(" and")[0] for item in report(before, moved).distributions if item.decides] == [
        "these files are gone"
    ]


def test_a_reference_whose_pictures_nobody_looked_at_is_inconclusive(reference: Measurement, tmp_path: Path) -> None:
    """An iteration that an earlier version logged has no numbers of its pictures to compare with."""
    plain = SPEC.model_copy(update={"media": ()})
    before = measure(
        written(tmp_path / "corpus", {}, [{"id": f"r{n}", "file": f"{n}.png"} for n in range(ROWS)]), plain
    )
    found = report(before, reference)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert [item.subject for item in found.distributions if item.decides] == ["corpus/file: media"]


def test_a_contract_that_names_other_fields_leaves_the_pictures_out(tmp_path: Path) -> None:
    """No file is opened for a field that nobody wants judged."""
    spec = SPEC.model_copy(update={"content": SPEC.content.model_copy(update={"fields": ("label",), "why": "w"})})
    found = measure(written(tmp_path / "corpus", {"a.png": b"broken"}), spec)
    assert found.content is not None
    assert not [item.name for item in found.content.columns if item.name.startswith("file:")]
