"""Keywords found in columns of texts."""

from __future__ import annotations

import sys
import unicodedata

import pyarrow as pa
import pytest
from feedback_columns import holds
from hypothesis import given
from hypothesis import strategies as st

from flywheel_mlflow.feedback import matching
from flywheel_mlflow.feedback.matching import KeywordIndex, fold, fold_alone


@pytest.mark.parametrize(
    ("keyword", "text", "found"),
    [
        ("chart", "The CHART is wrong", True),
        ("chart", "charts", False),
        ("chart", "flowchart", False),
        ("chart", "chart_id", False),
        ("chart", "(chart)", True),
        ("tool call", "a tool call, twice", True),
        ("图表", "这张图表读错了", True),
        ("sql", "这条SQL写错了", True),
        ("sql", "ＳＱＬ 写错", True),
        ("sql", "mysql", False),
        ("página", "PÁGINA equivocada", True),
        ("página", "paginas", False),
        ("straße", "STRASSE", True),
        ("chart", "chart\u0301", False),
        ("pii", "PII", True),
        ("하고", "한고", False),
        ("하고", "하고싶다", True),
        ("cafe", "café", False),
        ("café", "cafe\u0301", True),
    ],
)
def test_words_are_found_as_people_mean_them(keyword: str, text: str, found: bool) -> None:
    """Whatever case and width; whole words where words stand apart, anywhere in Chinese."""
    assert bool(KeywordIndex([keyword]).hits(pa.array([text]))[0, 0]) is found
    assert holds(keyword, text) is found


PIECES = ["sql", "SQL", "tool call", "Chart", "charts", "检索", "页面", "PÁGINA", " ", ",", "é", "x", "_", "1"]
PIECES += [
    "STRASSE",
    "\0",
    "\u0301",
    "ﬁne",
    "错误",
    "İ",
    "ς",
    "pii",
    "ley",
    "工",
    "具",
    "ＳＱＬ",
    "sqlite",
    "한",
    "ไทย",
]
KEYWORDS = [
    "sql",
    "sqlite",
    "tool call",
    "chart",
    "检索",
    "sql 错误",
    "página",
    "pii",
    "ley",
    "工具",
    "straße",
    "ﬁne",
    "a b c",
]
TEXTS = st.lists(
    st.one_of(st.none(), st.lists(st.sampled_from(PIECES), max_size=9).map("".join), st.text()), max_size=9
)


@given(texts=TEXTS)
def test_columns_agree_with_single_texts(texts: list[str | None]) -> None:
    """Every keyword in every text, as the plain question answers it; null holds nothing."""
    clean = [text if text is None else text.encode("utf-8", "replace").decode() for text in texts]
    hits = KeywordIndex(KEYWORDS).hits(pa.array(clean, pa.string()))
    assert hits.tolist() == [[text is not None and holds(word, text) for text in clean] for word in KEYWORDS]


@given(texts=TEXTS.filter(bool), chunk=st.integers(1, 9))
def test_a_text_may_lie_across_two_chunks(texts: list[str | None], chunk: int) -> None:
    """Where the bytes are cut changes nothing; neither does a column that begins in the middle of another."""
    clean = [text if text is None else text.encode("utf-8", "replace").decode() for text in texts]
    column = pa.array(clean, pa.string())
    index = KeywordIndex(KEYWORDS)
    whole = index.hits(column)
    before, matching._CHUNK_BYTES = matching._CHUNK_BYTES, chunk
    try:
        assert (index.hits(column) == whole).all()
        assert (index.hits(column.slice(1)) == whole[:, 1:]).all()
    finally:
        matching._CHUNK_BYTES = before


ALONE = st.characters(min_codepoint=1, exclude_categories=["Cs"]).filter(lambda char: fold_alone(ord(char)) >= 0)
DIFFICULT = st.sampled_from([*"ßİŉﬁㄱᅡᆨ한가ﾞᾳ", "e\u0301", "\u0345", "か\u3099", "ｶﾞ", "ไม้"])


@given(text=st.text(ALONE))
def test_characters_folded_alone_are_the_text_folded(text: str) -> None:
    """Whatever stands beside them."""
    assert "".join(chr(fold_alone(ord(char))) for char in text) == fold(text)


@given(texts=st.lists(st.lists(st.one_of(ALONE, DIFFICULT), max_size=5).map("".join), max_size=5))
def test_both_ways_of_folding_columns_agree_with_fold(texts: list[str]) -> None:
    """ASCII, characters folded alone and all others: every text is folded once, as it is by itself."""
    found: dict[int, str] = {}
    for data, offsets, rows in matching.fold_column(pa.array(texts, pa.string())) if texts else ():
        for number, place in enumerate(rows.tolist()):
            assert place not in found
            found[place] = data[offsets[number] : offsets[number + 1]].tobytes().decode().removesuffix("\0")
    assert [found[place] for place in range(len(texts))] == [fold(text) for text in texts]


def test_no_character_folded_alone_joins_with_one_before_it() -> None:
    """Neither is it the second of two that have a common form in Unicode, nor does it move before others."""
    written = [
        char for char in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(char) not in ("Cn", "Co", "Cs")
    ]
    pairs = [unicodedata.decomposition(char).split() for char in written]
    second = {chr(int(pair[1], 16)) for pair in pairs if len(pair) == 2 and not pair[0].startswith("<")}
    second |= set(map(chr, [*range(0x1161, 0x1176), *range(0x11A8, 0x11C3)]))  # Hangul is put together by arithmetic
    alone = {char: chr(fold_alone(ord(char))) for char in written if fold_alone(ord(char)) >= 0}
    begins = {unicodedata.normalize("NFKD", char)[0] for char in [*alone, *alone.values()]}
    assert len(alone) > 100_000
    assert not begins & second
    assert not [char for char in begins if unicodedata.combining(char)]
    assert not [char for char in alone.values() if "A" <= char <= "Z"]


@pytest.mark.parametrize("keyword", ["ǰ", "工", "pii", "é1"])
def test_short_keywords_are_found_whatever_follows(keyword: str) -> None:
    """Two or three bytes when folded: at the end, before a letter of their script, before any other character."""
    texts = [keyword, f"{keyword}.", f"{keyword} x", f"{keyword}工", f"{keyword}é", f"{keyword}X", f"x{keyword}", "x"]
    column = pa.array([*texts, *(f"x {text}" for text in texts)])
    assert KeywordIndex([keyword]).hits(column)[0].tolist() == [holds(keyword, text) for text in column.to_pylist()]


def test_no_keywords_and_no_texts_are_no_hits() -> None:
    """Empty on either side."""
    assert KeywordIndex([]).hits(pa.array(["x"])).shape == (0, 1)
    assert KeywordIndex(["abc"]).hits(pa.array([], pa.string())).shape == (1, 0)
    assert KeywordIndex([]).hits(pa.array([None], pa.string())).shape == (0, 1)
