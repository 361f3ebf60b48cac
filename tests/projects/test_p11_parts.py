"""The parts of P11: mixing, copies, contamination, tokens and packing."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trials import PROJECTS, load_module

from flywheel_mlflow.base.errors import InputError

HOME = PROJECTS / "p11_recipe"
mix = load_module(HOME / "p11_mix.py")
tokens = load_module(HOME / "p11_tokens.py")
smoke = load_module(HOME / "p11_smoke.py")

END, PAD = 0, 1
QUESTION = "A ferry carries seven cars on each of four crossings before noon; how many cars crossed?"


def text(number: int, source: str = "code", content: str = "") -> Any:
    return mix.Text(f"{source}-{number}", source, content or f"text number {number} of {source}")


def test_the_declared_weights_are_the_published_ones_and_add_up() -> None:
    """Five weights, one in sum."""
    assert sorted(mix.WEIGHTS.values()) == [0.1, 0.1, 0.15, 0.25, 0.4]
    assert sum(mix.WEIGHTS.values()) == pytest.approx(1)


def test_weights_of_missing_sources_are_spread_over_the_rest() -> None:
    """What is there keeps its proportions, also when the names come from a generator."""
    found = mix.weights_of(name for name in ["code", "math", "code"])
    assert found == pytest.approx({"code": 0.625, "math": 0.375})


@given(st.dictionaries(st.sampled_from(sorted(mix.WEIGHTS)), st.integers(1, 400), min_size=1))
def test_a_plan_never_repeats_a_text_and_keeps_the_shares(available: dict[str, int]) -> None:
    """No source gives more than it has, and no share is off by more than one text."""
    weights = mix.weights_of(available)
    amounts = mix.plan(available, weights)
    size = sum(amounts.values())
    assert all(amounts[name] <= available[name] for name in amounts)
    assert all(abs(amounts[name] - weights[name] * size) <= 1 for name in amounts)


def test_a_sample_depends_on_ids_not_on_the_order_of_files() -> None:
    """The same texts in another order are the same sample."""
    texts = [text(number) for number in range(20)]
    one, other = random.Random(1), random.Random(1)  # noqa: S311 - no secret
    first = mix.sample(texts, {"code": 5}, one)
    assert mix.sample(texts[::-1], {"code": 5}, other) == first
    assert mix.worst_deviation(first, {"code": 1.0}) == 0
    assert mix.worst_deviation(first, {"code": 0.8, "math": 0.2}) == pytest.approx(1)
    assert mix.worst_deviation([], {"code": 1.0}) is None


@pytest.mark.parametrize(
    ("candidate", "quoted"),
    [
        (f"Seen today: {QUESTION.upper()}  And more.", True),
        ("a ferry carries seven cars on each of four crossings, it says", True),
        ("A ferry carries cars before noon, and how many crossed is written in a book.", False),
        ("", False),
    ],
)
def test_quotes_of_evaluation_texts_are_found(candidate: str, quoted: bool) -> None:
    """Ten words in a row are a quote, whatever their case; the same words apart are none."""
    assert mix.HeldOut([QUESTION]).is_quoted_by(candidate) is quoted


def test_copies_are_found_across_sources() -> None:
    """The first of two nearly equal texts stays, whatever their sources."""
    content = "def total(orders):\n    return sum(order.price for order in orders if order.paid and not order.returned)"
    texts = [text(1, "code", content), text(2, "math", content + "  # sum"), text(3, "code", "print('hello world')")]
    assert mix.without_copies(texts) == [texts[0], texts[2]]


def test_personal_data_by_the_privacy_rules_keep_a_text_out() -> None:
    """A pattern of the controls anywhere in a text, full-width signs included, drops it."""
    forms = mix.forbidden_patterns({"rules": [{"pattern": r"[a-z]+@[a-z.]+"}, {"pattern": ""}]})
    texts = [text(1), text(2, content="write to ada＠example.org")]
    assert mix.without_personal(texts, forms) == texts[:1]


@pytest.mark.parametrize("controls", [{}, {"rules": []}, {"rules": [{"pattern": "("}]}, {"rules": [{}]}])
def test_controls_without_usable_rules_are_refused(controls: dict[str, Any]) -> None:
    """Nothing is mixed under rules that cannot be read."""
    with pytest.raises(InputError, match="privacy controls"):
        mix.forbidden_patterns(controls)


documents = st.lists(st.lists(st.integers(2, 50), min_size=1, max_size=tokens.SEQUENCE_LENGTH - 1), max_size=12)


@given(documents, st.booleans())
def test_packing_keeps_every_document(found: list[list[int]], alone: bool) -> None:
    """Rows have one length, and what is unpacked is what was packed."""
    rows = tokens.pack(found, end=END, pad=PAD, alone=alone)
    assert {len(row) for row in rows} <= {tokens.SEQUENCE_LENGTH}
    assert sorted(tokens.unpack(rows, end=END, pad=PAD)) == sorted(found)
    held = sum(map(len, found))
    expected = held / (len(rows) * tokens.SEQUENCE_LENGTH) if rows else None
    assert tokens.efficiency(rows, end=END, pad=PAD) == (pytest.approx(expected) if rows else None)


def test_a_document_longer_than_a_row_is_cut_and_loses_nothing() -> None:
    """Its pieces hold all its tokens in order."""
    long = list(range(2, 2 + 3 * tokens.SEQUENCE_LENGTH))
    rows = tokens.pack([long], end=END, pad=PAD)
    assert sorted(token for piece in tokens.unpack(rows, end=END, pad=PAD) for token in piece) == long


def test_the_tokenizer_reads_back_any_text_and_is_the_same_each_time() -> None:
    """Byte-level tokens lose nothing, and two trainings on the same texts give the same tokenizer."""
    corpus = [f"the river {number} meets the sea, and 河流 {number} 入海" for number in range(200)]
    first, second = tokens.train_tokenizer(corpus), tokens.train_tokenizer(corpus)
    assert first.to_str() == second.to_str()
    for sample in ("the sea", "河流", "naïve café \n\t x = {1: 2}"):
        assert first.decode(tokens.encode(first, sample)) == sample
    unseen = [mix.Text("1", "web_en", "the river meets the sea")]
    assert tokens.tokens_per(first, unseen, ["web_en"], "word") == pytest.approx(1, abs=0.5)
    assert tokens.tokens_per(first, unseen, ["web_zh"], "char") is None


def test_the_smoke_training_lowers_the_loss_on_a_row_it_has_not_seen() -> None:
    """A pattern is learnt; a single row leaves nothing to hold out."""
    rows = [[2 + (place + shift) % 7 for place in range(tokens.SEQUENCE_LENGTH)] for shift in range(12)]
    training = smoke.smoke_train(rows, 20, PAD, 1)
    assert training.loss_after < training.loss_before
    assert smoke.smoke_train(rows[:1], 20, PAD, 1) is None
