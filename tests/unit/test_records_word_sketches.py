"""Tests of contents: what counts as the same words, sketches under any cut, evaluation data found in training data."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flywheel_mlflow.base.errors import RecordError
from flywheel_mlflow.promises.interfaces import InterfaceOut
from flywheel_mlflow.records import (
    Containment,
    WordSketch,
    compare_words,
    measure,
    shingles,
    word_sketch_files,
    word_sketches_from_parquet,
    word_sketches_to_parquet,
)
from flywheel_mlflow.records.batches import make_batch
from flywheel_mlflow.records.blocks import blocks_of, parts_of
from flywheel_mlflow.records.reading import reader_for
from flywheel_mlflow.records.shingles import shingles_of
from flywheel_mlflow.records.sources import find_files
from flywheel_mlflow.records.word_sketches import EvaluationWords, TrainingWords, _smallest

Record = dict[str, Any]

QUESTION = "What did the Kestrel company pay for Aeromap in the third quarter of 2021?"
SHORT = "What is the capital of France?"

words = st.sampled_from(
    ["red", "Fox", "12.3", "jumps", "über", "中国", "don't", "a", "Q:", "end.", "(so)", "—", "\n", '"']
)
texts = st.lists(words, max_size=30).map(" ".join)
values = st.recursive(
    texts | st.integers(0, 3) | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=5,
)
records = st.lists(
    st.dictionaries(st.sampled_from(["id", "content", "payload", "note"]), values, max_size=3), max_size=12
)


def promise(role: str) -> InterfaceOut:
    return InterfaceOut.model_validate(
        {"name": "data", "title": "D", "format": "jsonl", "schema": "free", "role": role}
    )


def write(path: Path, rows: Sequence[Record]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def sketch(folder: Path, role: str, contents: Sequence[Any]) -> WordSketch:
    """The sketch of records with these contents."""
    rows = [{"id": number, "content": content} for number, content in enumerate(contents)]
    found = measure(write(folder / f"{role}.jsonl", rows), promise(role)).words
    assert found is not None
    return found


def compare(folder: Path, training: Sequence[Any], evaluation: Sequence[Any]) -> Containment:
    """What stands of the evaluation contents in the training contents."""
    one, two = sketch(folder, "training", training), sketch(folder, "evaluation", evaluation)
    (found,) = compare_words({"t": lambda: one}, {"e": lambda: two})
    return found


def hashes(text: str) -> set[int]:
    found = shingles_of(pa.array([text]))
    return {*found.grams.tolist(), *found.sentences.tolist()}


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("contents")


@pytest.mark.parametrize(
    "other",
    [
        QUESTION.rstrip("?"),
        QUESTION.upper(),
        f"  {QUESTION.replace(' ', '   ')} ",
        f"“{QUESTION}”",
        f"**{QUESTION}**",
        QUESTION.replace("company", "‘company’"),
        "".join(chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char for char in QUESTION),
    ],
)
def test_case_width_and_punctuation_do_not_count(other: str) -> None:
    """A text in other letters, signs and spaces has the same n-grams and sentences."""
    assert hashes(other) == hashes(QUESTION)


def test_every_word_counts() -> None:
    """One other word changes every n-gram it stands in and the sentence; another order changes all."""
    assert not hashes("one two three four five six seven eight") & hashes("one two three four five six seven nine")
    assert not hashes("a b c d e f g h") & hashes("h g f e d c b a")
    assert hashes("ab c de f") != hashes("abc d ef")


def test_where_no_spaces_part_words_a_character_is_one() -> None:
    """A Chinese question is found behind other Chinese characters and before its answer."""
    assert hashes("中国的首都是哪里？") <= hashes("问：中国的首都是哪里？答：北京")
    assert hashes("请问中国的首都是哪里") & hashes("中国的首都是哪里")


@given(st.lists(texts, max_size=8), st.sampled_from([1, 40, 1 << 18]))
def test_texts_do_not_touch_each_other(several: list[str], piece: int) -> None:
    """However many texts are hashed at once and in what pieces, each has the shingles it has alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shingles, "_PIECE_BYTES", piece)
        found = shingles_of(pa.array(several, pa.string()))
    alone = [shingles_of(pa.array([text])) for text in several]
    for name in ("grams", "sentences", "sentence_words", "text_hashes", "text_words"):
        assert getattr(found, name).tolist() == [value for one in alone for value in getattr(one, name).tolist()]
    assert found.gram_texts.tolist() == [number for number, one in enumerate(alone) for _ in one.grams]
    assert found.sentence_texts.tolist() == [number for number, one in enumerate(alone) for _ in one.sentences]


@given(st.lists(st.lists(st.integers(1, 2**20 - 1), max_size=40), max_size=5), st.integers(1, 8))
def test_the_smallest_hashes_of_each_text(several: list[list[int]], most: int) -> None:
    """Of each text exactly its smallest different hashes are taken, whatever shortcut finds them."""
    found = np.array([value for one in several for value in one], dtype=np.uint64)
    owner = np.array([number for number, one in enumerate(several) for _ in one], dtype=np.int64)
    kept = _smallest(found, owner, most, 20)
    taken = [[int(value) for value in found[kept][owner[kept] == number]] for number in range(len(several))]
    assert taken == [sorted(set(one))[:most] for one in several]


@given(records, st.integers(0, 2**32), st.sampled_from([1, 80, 10_000]), st.sampled_from([3, 20, 10_000]))
@settings(max_examples=20)
@pytest.mark.parametrize("kind", [TrainingWords, EvaluationWords])
def test_any_cut_and_any_order_of_merging_give_the_same_sketch(
    scratch: Path, kind: Callable[[int], Any], rows: list[Record], seed: int, part_bytes: int, most: int
) -> None:
    """However the data are cut and merged, and however little there is room for, the sketch is the same to the byte."""
    path = write(scratch / "data.jsonl", [*rows, {"id": 1}])
    (file,) = find_files(path, "jsonl")
    reader = reader_for(file, "jsonl")
    partials = []
    rows_of: dict[tuple[int, int], int] = {}
    whole = kind(most)
    for part in parts_of(reader, part_bytes):
        partials.append(kind(most))
        for block in blocks_of(reader, part):
            batch = make_batch("free", (0, part[0]), block)
            partials[-1].observe(batch)
            whole.observe(batch)
            rows_of[0, part[0]] = rows_of.get((0, part[0]), 0) + batch.rows
    draw = random.Random(seed)  # noqa: S311 - an order, no secret
    draw.shuffle(partials)
    while len(partials) > 1:
        partials[draw.randrange(len(partials) - 1)].merge(partials.pop())
    one, two = partials[0].sketch(rows_of, ("data.jsonl",)), whole.sketch(rows_of, ("data.jsonl",))
    assert len(one.columns["hash"]) <= most
    assert word_sketches_to_parquet({"data": one}) == word_sketches_to_parquet({"data": two})
    assert (one.rows, one.limit) == (two.rows, two.limit)


OTHERS = [
    f"Record {number} tells of {number * 7} quite different things that nobody asked about." for number in range(9)
]


@pytest.mark.parametrize(
    "form",
    [
        lambda question: question.rstrip("?"),
        lambda question: f'"{question}"',
        lambda question: f"Q: {question}",
        lambda question: f"Question 7) {question.upper()}\nAnswer: 12.3 million",
        lambda question: {"question": question, "answer": "Some other thing entirely, in more words than were asked."},
        lambda question: [
            {"role": "user", "content": question},
            {"role": "assistant", "content": "I do not know that."},
        ],
        lambda question: f"{OTHERS[3]} And then she asked: {question} {OTHERS[4]}",
    ],
)
@pytest.mark.parametrize("question", [QUESTION, SHORT])
@pytest.mark.parametrize(
    "asked", [lambda question: question, lambda question: {"answer": "Paris", "question": question}]
)
def test_a_question_is_found_in_whatever_form(
    tmp_path: Path, form: Callable[[str], Any], question: str, asked: Callable[[str], Any]
) -> None:
    """An evaluation record inside a training record is found with both places, and the others are not."""
    found = compare(
        tmp_path, [*OTHERS[:5], form(question)], ["Who would ever ask about the price of tin?", asked(question)]
    )
    assert (found.contained, found.compared, found.share) == (1, 2, 0.5)
    (example,) = found.examples
    assert (example.evaluation, example.training) == ("evaluation.jsonl, row 2", "training.jsonl, row 6")
    assert example.share >= 0.6


def test_a_long_question_counts_whatever_its_answer(tmp_path: Path) -> None:
    """A question of 13 words that training data hold is a finding, though they do not hold its long answer."""
    record = {"question": QUESTION, "answer": " ".join(f"reason{number}" for number in range(60))}
    assert compare(tmp_path, [QUESTION], [record, *OTHERS]).contained == 1


def test_a_part_of_a_text_is_no_copy(tmp_path: Path) -> None:
    """A record of which training data hold less than three fifths is not contained."""
    half = " ".join(f"w{number}" for number in range(40))
    assert compare(tmp_path, [half], [f"{half} " + " ".join(f"v{number}" for number in range(60))]).contained == 0


def test_templates_are_no_contamination(tmp_path: Path) -> None:
    """What stands in many records of either side, such as a prompt, is no sign of a copy."""
    prompt = "You are a helpful assistant who always answers in one short and polite sentence of English."
    asked = [f"{prompt} Which number comes right after {number} in our list of numbers?" for number in range(30)]
    assert compare(tmp_path, [f"{prompt} {text}" for text in OTHERS], asked).contained == 0
    single = [prompt, *(f"{SHORT} {number}" for number in range(3))]
    assert compare(tmp_path, [f"{prompt} Text {number}" for number in range(21)], single).contained == 0
    assert compare(tmp_path, [f"{prompt} Text {number}" for number in range(5)], single).contained == 1


def test_repeats_within_one_record_make_no_template(tmp_path: Path) -> None:
    """A question that one training record repeats is found all the same."""
    assert compare(tmp_path, [f"{QUESTION} " * 50], [QUESTION]).contained == 1


def test_contents_without_words_are_compared_whole(tmp_path: Path) -> None:
    """Numbers, and texts of a word or two, are found where the whole content is the same."""
    found = compare(tmp_path, [{"label": 7}, "Yes", [1, 2]], [{"label": 7}, {"label": 8}, "yes ", [1, 2, 3]])
    assert (found.contained, found.compared) == (2, 4)


def test_a_text_is_found_whatever_parts_it(tmp_path: Path) -> None:
    """A short text that signs part into shorter ones is found as a whole."""
    assert compare(tmp_path, [*OTHERS, "call (x, y) [now]"], ["Call (x; y) now!", SHORT]).contained == 1
    assert compare(tmp_path, [*OTHERS, "call me (x, y) [now]"], ["Call me (x, z) [then]", SHORT]).contained == 0


def test_large_data_are_sampled_alike_on_both_sides(tmp_path: Path) -> None:
    """With room for a part, sketches stay within their bounds, and the share found stays near the share there is."""
    draw = random.Random(7)  # noqa: S311 - data, no secret
    asked = [" ".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=30)) for _ in range(2000)]
    taught = [" ".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=60)) for _ in range(2000)] + asked[:500]
    sides = []
    for name, kind, contents in (("t", TrainingWords(20_000), taught), ("e", EvaluationWords(8_000), asked)):
        path = write(
            tmp_path / f"{name}.jsonl", [{"id": number, "content": text} for number, text in enumerate(contents)]
        )
        (file,) = find_files(path, "jsonl")
        (part,) = parts_of(reader_for(file, "jsonl"), 1 << 30)
        for block in blocks_of(reader_for(file, "jsonl"), part):
            kind.observe(make_batch("free", (0, 0), block))
        sides.append(kind.sketch({(0, 0): len(contents)}, (f"{name}.jsonl",)))
    training, evaluation = sides
    assert (len(training.columns["hash"]), len(evaluation.columns["hash"]) <= 8_000) == (20_000, True)
    (found,) = compare_words({"t": lambda: training}, {"e": lambda: evaluation})
    assert 300 < found.compared < 800 < found.records == 2000
    assert found.share == pytest.approx(0.25, abs=0.06)


def test_many_interfaces_are_compared_at_once(tmp_path: Path) -> None:
    """Each pair has its own answer, in the order of the names."""
    taught: dict[str, list[Any]] = {"b": [QUESTION], "a": OTHERS}
    asked: dict[str, list[Any]] = {"y": [QUESTION, SHORT], "x": [OTHERS[2]], "z": [7]}
    training = {name: partial(sketch, tmp_path, "training", contents) for name, contents in taught.items()}
    evaluation = {name: partial(sketch, tmp_path, "evaluation", contents) for name, contents in asked.items()}
    found = list(compare_words(training, evaluation))
    answers = [(item.training, item.evaluation, item.contained, item.compared) for item in found]
    assert answers == [
        ("a", "x", 1, 1), ("a", "y", 0, 2), ("a", "z", 0, 1), ("b", "x", 0, 1), ("b", "y", 1, 2), ("b", "z", 0, 1)
    ]  # fmt: skip
    assert list(compare_words(training, {})) == []


def test_a_sketch_holds_no_text(tmp_path: Path) -> None:
    """The file of a run's sketches gives each interface back as it was, and no word of it."""
    kept = {"b": sketch(tmp_path, "training", [QUESTION, *OTHERS]), "a": sketch(tmp_path, "evaluation", [SHORT])}
    data = word_sketches_to_parquet(kept)
    assert b"kestrel" not in data.lower()
    path = tmp_path / "words.parquet"
    path.write_bytes(data)
    read = {name: item() for name, item in word_sketches_from_parquet(path).items()}
    assert word_sketches_to_parquet(read) == data
    assert read["b"].place(0).startswith("training.jsonl, row ")
    assert (read["a"].role, read["a"].rows, read["b"].role, read["b"].rows) == ("evaluation", 1, "training", 10)
    assert read["a"].columns["hash"].tolist() == kept["a"].columns["hash"].tolist()


def test_what_is_no_file_of_sketches_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes of another kind, a cut file and another version are refused."""
    path = tmp_path / "words.parquet"
    kept = {"a": sketch(tmp_path, "training", OTHERS)}
    data = word_sketches_to_parquet(kept)
    monkeypatch.setattr(word_sketch_files, "_FORMAT_VERSION", 7)
    later = word_sketches_to_parquet(kept)
    monkeypatch.undo()
    for wrong in (b"", b"PAR1", data[:-9], later):
        path.write_bytes(wrong)
        with pytest.raises(RecordError, match="content sketches"):
            word_sketches_from_parquet(path)


def test_only_training_and_evaluation_data_have_a_sketch(tmp_path: Path) -> None:
    """Data that nobody trains on or evaluates with are not looked into."""
    path = write(tmp_path / "data.jsonl", [{"id": 1, "content": QUESTION}])
    assert measure(path, promise("reference")).words is None
    assert measure(path, promise("control")).words is None
