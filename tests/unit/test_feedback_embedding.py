"""Texts compared by meaning: a tiny real model that the tests make, what it joins, and models that are refused."""

from __future__ import annotations

import socket
import subprocess
import sys
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from tiny_model import save_model

from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.feedback.embedding import Embedder, load_embedder
from flywheel_mlflow.feedback.recurring import Themes, name_themes, themes_from_json
from flywheel_mlflow.feedback.text_vectors import ALIKE, DISTANCE, TextVectors
from flywheel_mlflow.feedback.themes import Observation, Sample, group_events

NOON = datetime(2026, 10, 1, 12, tzinfo=UTC)
STAFF = ("headcount missing", "no staff figures", "personnel unknown to it", "员工 在 哪里")
OTHERS = ("the invoice lacks a date", "page is slow")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def embedder(folder: Path) -> Embedder:
    return load_embedder(folder, distance=0.5)


def sample(*texts: str) -> Sample:
    made = Sample()
    for number, text in enumerate(texts):
        made.offer(Observation(f"e{number:02d}", NOON, text, "human"))
    return made


def groups(*texts: str, embedder: Embedder | None = None) -> set[frozenset[str]]:
    found = group_events(sample(*texts), embedder=embedder)
    return {frozenset(event.text for event in group.events) for group in found.groups}


def themes(iteration: int, known: list[Themes], *texts: str, embedder: Embedder | None = None) -> Themes:
    grouped = {"p01": group_events(sample(*texts), embedder=embedder)}
    return name_themes(iteration, grouped, known, embedder=embedder)


def test_what_means_the_same_is_one_theme(embedder: Embedder) -> None:
    """Words that share no letter come together by their meaning, in two languages, and others stay apart."""
    assert len(groups(*STAFF, *OTHERS)) == 6
    assert groups(*STAFF, *OTHERS, embedder=embedder) == {frozenset(STAFF), *(frozenset({text}) for text in OTHERS)}


def test_order_decides_nothing(embedder: Embedder) -> None:
    """The same texts in any order, also those that came after the clustered ones, are the same groups."""
    texts = (*STAFF, *OTHERS)
    assert groups(*texts, embedder=embedder) == groups(*reversed(texts), embedder=embedder)
    cut = group_events(sample(*texts), most_texts=3, embedder=embedder)
    assert sum(len(group.events) for group in cut.groups) + cut.alone == len(texts)


def test_opposites_stay_apart_however_alike_they_are_meant(embedder: Embedder) -> None:
    """What must never share a theme does not by meaning either."""
    texts = ("refuses a harmless question about staff", "answers a risky question about staff instead of refusing")
    assert len(groups(*texts, embedder=embedder)) == 2


def test_a_theme_comes_back_in_other_words(embedder: Embedder) -> None:
    """The theme of an earlier iteration is known by its meaning, and keeps its id when the model is gone again."""
    first = themes(1, [], *STAFF, embedder=embedder)
    second = themes(2, [first], "where are personnel figures", embedder=embedder)
    assert second.themes[0].id == first.themes[0].id
    assert themes(2, [first], "where are personnel figures").themes[0].id != first.themes[0].id
    third = themes(3, [first], *STAFF)
    assert first.themes[0].id in {theme.id for theme in third.themes}


def test_the_document_says_by_what_model(embedder: Embedder, folder: Path) -> None:
    """Name, digest and distance of the model are kept with the themes; documents of before are read as they are."""
    found = themes(1, [], *STAFF, embedder=embedder)
    again = themes_from_json(found.to_json(), name="x")
    assert again == found
    assert again.embedder == embedder.used
    assert (embedder.used.name, embedder.used.distance) == ("tiny", 0.5)
    without = themes(1, [], *STAFF).to_json().replace('  "embedder": null,\n', "")
    assert themes_from_json(without, name="x").embedder is None
    assert load_embedder(folder, distance=0.5, digest=embedder.used.digest).used == embedder.used


def test_limits_are_those_of_letters_where_both_agree(embedder: Embedder) -> None:
    """Texts that are at both limits are at the joint one; without a model the limits are those of letters."""
    limits = TextVectors(embedder).limits
    alpha = limits.distance / (2 * DISTANCE)
    assert limits.distance == pytest.approx(alpha * DISTANCE + (1 - alpha) * 0.5)
    assert 1 - limits.alike == pytest.approx(limits.distance * (1 - ALIKE) / DISTANCE)
    assert (TextVectors(None).limits.distance, TextVectors(None).limits.alike) == (DISTANCE, ALIKE)


def test_a_text_the_model_does_not_know_is_near_to_nothing(embedder: Embedder) -> None:
    """No word of it has a vector: zeros, no NaN; and an empty text alike."""
    found = embedder.vectors(["headcount", "xyzzy", ""])
    assert found.tolist() == [[1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]


def test_another_model_is_refused(tmp_path: Path, embedder: Embedder) -> None:
    """With a digest in flywheel.yaml, a model that was changed is told apart."""
    other = save_model(tmp_path / "tiny", noise=0.5)
    with pytest.raises(InputError, match="this is another model: its digest is"):
        load_embedder(other, distance=0.5, digest=embedder.used.digest)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "there is no model"),
        ({"config.json": "{}"}, "model2vec cannot load this model"),
        ({"config.json": "{}", "pytorch_model.bin": "x"}, "pytorch_model.bin could run code"),
        ({"config.json": "{}", "deep/modeling.py": "x"}, "modeling.py could run code"),
        ({"modules.json": "{"}, "this is no list of modules"),
        ({"config.json": "[]", "tokenizer.json": "{}", "model.safetensors": "no tensors"}, "model2vec cannot load"),
    ],
)
def test_what_is_no_model_is_refused(tmp_path: Path, files: dict[str, str], message: str) -> None:
    """Nothing there, half a model, broken files, and files that run code when they are read."""
    for name, text in files.items():
        path = tmp_path / "model" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    with pytest.raises(InputError, match=message):
        load_embedder(tmp_path / "model", distance=0.5)


def test_nothing_is_fetched(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading and encoding open no connection; a name of the hub is no folder, and refused as none."""

    def refuse(*_: Any) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    load_embedder(folder, distance=0.5).vectors(["headcount"])
    with pytest.raises(InputError, match="there is no model"):
        load_embedder(Path("minishlab/potion-base-8M"), distance=0.5)


def test_without_the_extra_it_says_what_to_install(folder: Path) -> None:
    """The library is asked for when a model is named, and not before."""
    program = f"""
import sys
sys.modules["model2vec"] = None
from pathlib import Path
from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.feedback.embedding import load_embedder
from flywheel_mlflow.feedback.themes import Sample, group_events
group_events(Sample())
try:
    load_embedder(Path({str(folder)!r}), distance=0.5)
except InputError as error:
    print(error.what, "|", error.hint)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "the model needs model2vec, which is not installed | pip install flywheel-mlflow[embedder]\n"


def test_a_model_of_sentence_transformers(tmp_path: Path) -> None:
    """What is no table of vectors is given to that library; where it is not installed, that is told."""
    (tmp_path / "modules.json").write_text('[{"type": "sentence_transformers.models.Transformer", "path": ""}]')
    there = find_spec("sentence_transformers") is not None
    expected = "cannot load this model" if there else "needs sentence_transformers, which is not installed"
    with pytest.raises(InputError, match=expected):
        load_embedder(tmp_path, distance=0.5)
