"""Data sets of Hugging Face are logged with their features, come back as they were, and are written for others."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pytest
from flywheels import contract_document, kpi_document, write_flywheel
from releases_bench import MANAGER, ReleasesBench, releases_blueprint
from servers.embedded import copy_store
from workbench import bench_on, fresh_name

import flywheel_mlflow
from flywheel_mlflow import DocumentError, InputError, LoadedInterface, RecordError
from flywheel_mlflow.evidence.flywheel import load_flywheel
from flywheel_mlflow.operations.projects.project_run import ProjectRun
from flywheel_mlflow.records.cards import load_card
from flywheel_mlflow.records.hub_cards import card_from_markdown
from flywheel_mlflow.records.hub_repository import write_repository
from flywheel_mlflow.records.hugging_face import to_dataset, write_dataset

FEATURES = datasets.Features(
    {
        "id": datasets.Value("string"),
        "content": datasets.Value("string"),
        "label": datasets.ClassLabel(names=["no", "yes"]),
        "picture": datasets.Image(),
        "more": datasets.Sequence(datasets.Image()),
        "sound": datasets.Audio(sampling_rate=16000),
    }
)
WITH_SPLIT = datasets.Features({**FEATURES, "split": datasets.Value("string")})
LINES = "".join(
    json.dumps(
        {
            "id": f"r{number}",
            "content": f"text {number}",
            "picture": "pictures/1.png",
            "split": "held out" if number > 3 else "train",
        }
    )
    + "\n"
    for number in range(6)
)


@pytest.fixture(autouse=True)
def _quiet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "hf-cache"))
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    datasets.disable_progress_bars()


def _picture(shade: int) -> dict[str, Any]:
    from PIL import Image

    stream = io.BytesIO()
    Image.new("RGB", (4, 4), (shade, 0, 0)).save(stream, "PNG")
    return {"bytes": stream.getvalue(), "path": f"{shade}.png"}


def _dataset(start: int, count: int) -> Any:
    """Rows with pictures and sounds, made of their bytes: encoding sound would need torch."""
    rows = [
        {
            "id": f"r{number}",
            "content": f"What is {number}?",
            "label": number % 2,
            "picture": _picture(number),
            "more": [_picture(number), _picture(number + 100)],
            "sound": {"bytes": b"RIFF%d" % number, "path": "a.wav"},
        }
        for number in range(start, start + count)
    ]
    return datasets.Dataset(pa.Table.from_pylist(rows, schema=FEATURES.arrow_schema))


SPLITS = datasets.DatasetDict({"train": _dataset(0, 4), "test": _dataset(10, 2)})


def _written(dataset: Any, folder: Path, **more: Any) -> Path:
    folder.mkdir()
    return write_dataset(dataset, folder, **more)


@pytest.fixture(scope="module")
def released(migrated_template: Path, tmp_path_factory: pytest.TempPathFactory) -> ReleasesBench:
    """Release 1 holds a data set with splits (p01), and records in JSONL that name a picture (p02)."""
    folder = tmp_path_factory.mktemp("hub")
    outputs: dict[str, dict[str, object]] = {
        "p01": {"name": "pictures", "title": "Pictures with questions", "format": "parquet", "schema": "free"},
        "p02": {"name": "texts", "title": "Texts", "format": "jsonl", "schema": "free", "media": ["picture"]},
    }
    contracts = {
        name: contract_document(name, interfaces_out=[output | {"fields": ["id"]}]) for name, output in outputs.items()
    }
    contracts["p10"] = contract_document(
        "p10",
        layers=["governance"],
        stages=["last"],
        registry_role="assembly_layer",
        interfaces_out=[{"name": "p10_data", "title": "Gate", "format": "opaque", "schema": "opaque"}],
        interfaces_in=[{"name": "pictures"}, {"name": "texts"}],
        kpis=[kpi_document("projects", path="project_count", target=2)],
    )
    blueprint = releases_blueprint() | {"name": fresh_name()}
    root = write_flywheel(folder / "flywheel", blueprint=blueprint, contracts=contracts)
    bench = ReleasesBench(bench_on(load_flywheel(root), copy_store(migrated_template, folder / "store").uri))
    (folder / "texts" / "pictures").mkdir(parents=True)
    (folder / "texts" / "texts.jsonl").write_text(LINES)
    (folder / "texts" / "pictures" / "1.png").write_bytes(_picture(1)["bytes"])
    card = {
        "title": "Pictures | drawn",
        "source": "drawn by hand",
        "licence": "CC0-1.0",
        "filters": [{"rule": "dark ones", "constant": 0.1, "rows_in": 9, "rows_out": 6, "reason": "nothing to see"}],
        "hazards": ["only <b>red</b>"],
    }
    (folder / "card.json").write_text(json.dumps(card))
    for project, name, data in (("p01", "pictures", SPLITS), ("p02", "texts", folder / "texts")):
        with ProjectRun(bench.bench.flywheel, project, 1, bench.bench.tracking) as run:
            run.log_document({"quality": 0.9})
            run.log_check("ready", True)
            version = run.log_interface(name, data, card=folder / "card.json")
            assert version.rows == 6
    bench.assemble(1)
    bench.act(MANAGER, "create", iteration=1)
    return bench


def _loaded(released: ReleasesBench, name: str) -> LoadedInterface:
    return flywheel_mlflow.load(name, release=1, flywheel=released.name, tracking_uri=released.bench.uri)


@pytest.mark.parametrize("streaming", [False, True])
def test_data_set_comes_back_with_its_features(released: ReleasesBench, streaming: bool) -> None:
    """Splits, labels, pictures in lists and sounds are what was logged; the split is a field of each record."""
    found = _loaded(released, "pictures").to_hf(streaming=streaming)
    assert set(found) == {"train", "test"}
    assert all(part.features == WITH_SPLIT for part in found.values())
    silent = found["test"].cast_column("sound", datasets.Audio(decode=False))
    first = next(iter(silent))
    assert (first["id"], first["label"], first["split"]) == ("r10", 0, "test")
    assert first["picture"].getpixel((0, 0)) == (10, 0, 0)
    assert [picture.getpixel((0, 0))[0] for picture in first["more"]] == [10, 110]
    assert first["sound"]["bytes"] == b"RIFF10"


def test_files_that_records_name_come_with_them(released: ReleasesBench, tmp_path: Path) -> None:
    """`load` and `pull` give the pictures that records name; a name that leads out of the folder gives nothing."""
    loaded = _loaded(released, "texts")
    named = [record["picture"] for record in loaded.iter_records()]
    assert loaded.media_path(named[0]).read_bytes() == _picture(1)["bytes"]
    assert loaded.to_arrow().num_rows == 6
    for name in ("../texts/pictures/1.png", "/etc/passwd", "pictures", "pictures/2.png", "", "."):
        with pytest.raises(InputError, match="no file"):
            loaded.media_path(name)
    told = released.command("pull", "texts", "--at", "1", "--out", tmp_path)
    assert told.code == 0, told.err
    (picture,) = tmp_path.glob("texts/**/pictures/1.png")
    assert picture.read_bytes() == _picture(1)["bytes"]


@pytest.mark.parametrize("streaming", [False, True])
def test_records_become_a_data_set_by_their_splits(released: ReleasesBench, streaming: bool) -> None:
    """JSONL of several splits is a data set with those, under names that Hugging Face takes."""
    found = _loaded(released, "texts").to_hf(streaming=streaming)
    assert {name: [row["id"] for row in part] for name, part in found.items()} == {
        "train": ["r0", "r1", "r2", "r3"],
        "held_out": ["r4", "r5"],
    }


def test_pulled_folder_is_opened_by_hugging_face(released: ReleasesBench, tmp_path: Path) -> None:
    """`pull --format hf` writes what load_dataset opens, with splits and features, and a card that says the rest."""
    told = released.command("pull", "pictures", "--at", "1", "--format", "hf", "--out", tmp_path)
    assert told.code == 0, told.err
    folder = tmp_path / "pictures"
    found = datasets.load_dataset(str(folder))
    assert {name: part.num_rows for name, part in found.items()} == {"train": 4, "test": 2}
    assert found["train"].features == WITH_SPLIT
    text = (folder / "README.md").read_text()
    assert "license: cc0-1.0\n" in text
    assert "| `label` | integer | yes |" in text
    assert "Pictures \\| drawn" in text
    assert "<b>" not in text.split("---\n", 2)[2]
    card = load_card(folder / "README.md")
    assert card == load_card(released.bench.flywheel.root.parent / "card.json")

    again = released.command("pull", "pictures", "--at", "1", "--format", "hf", "--out", tmp_path)
    assert (again.code, "already" in again.err) == (2, True)
    pulled = flywheel_mlflow.pull(
        "texts", tmp_path / "out", 1, format="hf", flywheel=released.name, tracking_uri=released.bench.uri
    )
    texts = datasets.load_dataset(str(pulled.path))
    assert [row["id"] for row in texts["held_out"]] == ["r4", "r5"]
    assert (pulled.path / "data" / "train.jsonl").read_text() + (
        pulled.path / "data" / "held_out.jsonl"
    ).read_text() == LINES
    assert (pulled.path / texts["held_out"][0]["picture"]).read_bytes() == _picture(1)["bytes"]
    opened = flywheel_mlflow.open_flywheel(released.bench.flywheel.root, released.bench.uri)
    with pytest.raises(InputError, match="would lie where the data go"):
        write_repository(_with_readme(tmp_path / "odd"), "jsonl", tmp_path)
    (written,) = opened.pull("texts", tmp_path / "more", release=1).glob("**/texts.jsonl")
    assert written.read_text() == LINES
    with pytest.raises(InputError, match="unknown format"):
        flywheel_mlflow.pull("texts", tmp_path, format="csv", flywheel=released.name, tracking_uri=released.bench.uri)


def _with_readme(folder: Path) -> Path:
    folder.mkdir()
    (folder / "a.jsonl").write_text(LINES)
    (folder / "README.md").write_text("ours")
    return folder


def test_parquet_of_several_splits_keeps_its_features(tmp_path: Path) -> None:
    """One file with records of several splits is taken apart, as a data set and as a repository."""
    import pyarrow.parquet as pq

    tables = [
        part.with_format("arrow")[:].append_column("split", pa.array([name] * len(part), pa.string()))
        for name, part in SPLITS.items()
    ]
    data = tmp_path / "data"
    data.mkdir()
    pq.write_table(
        pa.concat_tables(tables).replace_schema_metadata(WITH_SPLIT.arrow_schema.metadata), data / "a.parquet"
    )
    for streaming in (False, True):
        found = to_dataset(data, "parquet", streaming=streaming)
        assert set(found) == {"train", "test"}
        assert found["train"].features == WITH_SPLIT
        ids = [batch.column("id").to_pylist() for batch in found["test"].with_format("arrow").iter(1)]
        assert ids == [["r10"], ["r11"]]
    repository = tmp_path / "repository"
    repository.mkdir()
    assert write_repository(data, "parquet", repository) == {
        "test": ("data/test-*.parquet", 2),
        "train": ("data/train-*.parquet", 4),
    }


def test_streams_and_parts_are_written(tmp_path: Path) -> None:
    """A stream without features, a shuffled selection, and a data set without splits are taken too."""
    stream = datasets.IterableDataset.from_generator(lambda: ({"id": str(number), "n": number} for number in range(5)))
    assert to_dataset(_written(stream, tmp_path / "a"), "parquet", streaming=False)["train"]["n"][:] == [0, 1, 2, 3, 4]
    chosen = SPLITS["train"].select([3, 1])
    plain = to_dataset(_written(chosen, tmp_path / "b"), "parquet", streaming=False)
    assert plain.features == FEATURES
    assert plain["id"][:] == ["r3", "r1"]


def test_wrong_data_sets_are_refused(released: ReleasesBench, tmp_path: Path) -> None:
    """A split that contradicts the records', rows of other kinds, a contract that says JSONL."""
    wrong = datasets.DatasetDict({"train": datasets.Dataset.from_dict({"id": ["a"], "split": ["test"]})})
    with pytest.raises(InputError, match="rename or correct"):
        _written(wrong, tmp_path / "a")
    mixed = datasets.IterableDataset.from_generator(lambda: iter([{"id": "a"}] * 300 + [{"id": [1]}] * 300))
    with pytest.raises(RecordError, match="do not fit"):
        _written(mixed, tmp_path / "b")
    run = ProjectRun(released.bench.flywheel, "p02", 5, released.bench.tracking)
    with pytest.raises(InputError, match="format: parquet"), run:
        run.log_interface("texts", SPLITS)


def test_files_that_are_only_named_are_taken_from_their_folder_alone(tmp_path: Path) -> None:
    """Whoever made a data set could name any file of this machine: only those of the folder given are read."""
    media = tmp_path / "media"
    media.mkdir()
    (media / "1.png").write_bytes(_picture(7)["bytes"])
    (tmp_path / "secret.png").write_bytes(b"secret")
    (media / "link.png").symlink_to(tmp_path / "secret.png")
    features = datasets.Features({"picture": datasets.Image()})

    def named(path: str | Path) -> Any:
        rows = [{"picture": {"bytes": None, "path": str(path)}}]
        return datasets.Dataset(pa.Table.from_pylist(rows, schema=features.arrow_schema))

    found = to_dataset(_written(named(media / "1.png"), tmp_path / "a", media=media), "parquet", streaming=False)
    assert found[0]["picture"].getpixel((0, 0)) == (7, 0, 0)
    with pytest.raises(InputError, match="media=FOLDER"):
        _written(named(media / "1.png"), tmp_path / "b")
    places: tuple[str | Path, ...] = (
        tmp_path / "secret.png",
        media / "link.png",
        media / ".." / "secret.png",
        "https://host/x.png",
    )
    for number, place in enumerate(places):
        with pytest.raises(InputError, match="does not lie in its folder"):
            _written(named(place), tmp_path / f"c{number}", media=media)


def _card(front: Mapping[str, object] | str) -> str:
    text = front if isinstance(front, str) else "".join(f"{key}: {json.dumps(value)}\n" for key, value in front.items())
    return f"---\n{text}---\n# About\n"


def test_dataset_card_is_read_as_a_data_card() -> None:
    """Licence, name and source of a Hub's card; what it does not say is a fault with its line."""
    card = card_from_markdown(
        _card({"license": "apache-2.0", "pretty_name": "Squares", "source_datasets": ["original", "extended|x"]}),
        name="README.md",
    )
    assert (card.licence, card.title, card.source) == ("Apache-2.0", "Squares", "original, extended|x")
    other = card_from_markdown(_card({"license": "other", "license_name": "mine"}), name="README.md", source="a place")
    assert (other.licence, other.source) == ("mine", "a place")
    with pytest.raises(DocumentError) as caught:
        card_from_markdown(_card("\npretty_name: x\nlicense: unknown\n"), name="README.md")
    assert [(fault.line, fault.path) for fault in caught.value.faults] == [(3, "source_datasets"), (4, "license")]
    for text in ("# no yaml\n", "---\nlicense: mit\n", _card("- a\n"), _card("a: &x 1\nb: *x\n"), ""):
        with pytest.raises(DocumentError):
            card_from_markdown(text, name="README.md")


def test_opaque_data_are_no_data_set(released: ReleasesBench, tmp_path: Path) -> None:
    """Files that are not known to be records are not turned into any."""
    from dataclasses import replace

    opaque = LoadedInterface(replace(_loaded(released, "texts").version, rows=None), tmp_path)
    (tmp_path / "x.bin").write_bytes(b"x")
    with pytest.raises(InputError, match="opaque"):
        opaque.to_hf()
