"""The parts of P01: extraction, the heuristics of C4, copies, languages and personal data."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trials import PROJECTS, load_module

from flywheel_mlflow.base.errors import InputError

HOME = PROJECTS / "p01_mini_c4"
extracting = load_module(HOME / "p01_extract.py")
filters = load_module(HOME / "p01_filters.py")
dedup = load_module(HOME / "p01_dedup.py")
language = load_module(HOME / "p01_language.py")
privacy = load_module(HOME / "p01_privacy.py")
smoke = load_module(HOME / "p01_smoke.py")

PROSE = (
    "The ferry left the harbour early in the morning, while the town was still asleep. "
    "Fog lay over the water and nobody spoke. The captain knew the way by the sound of the bells. "
    "At noon the sun came out, and the passengers found their voices again. "
    "They talked about the weather until the other shore was in sight."
)


def document(*lines: str, lang: str = "en", url: str = "https://a.example.org/1") -> Any:
    return filters.Document(extracting.Fetched(1, url, "text/html", ""), lines, lang=lang)


def extract(body: str) -> Any:
    return extracting.extract(extracting.Fetched(1, "https://a.example.org/1", "text/html", body))


def test_extraction_keeps_paragraphs_and_leaves_scripts_and_menus() -> None:
    """Scripts, menus and footers are no text of the page; paragraphs are its lines."""
    page = "<html><script>x=1</script><nav>Home</nav><p>One &amp; two.</p><div>Three<br>four</div><footer>f</footer>"
    assert extract(page).lines == ("One & two.", "Three", "four")


@pytest.mark.parametrize(("content", "out"), [("noai", True), ("follow, noindex", True), ("follow", False)])
def test_a_page_can_opt_out(content: str, out: bool) -> None:
    """A robots tag that asks to be left alone is seen."""
    assert extract(f'<meta name="robots" content="{content}"><p>x</p>').opted_out is out


@given(st.text(max_size=300))
def test_extraction_never_raises(body: str) -> None:
    """Whatever the markup, lines come out: no empty ones, no line breaks in them."""
    assert all(line and "\n" not in line for line in extract(body).lines)


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("It rained all day.", True),
        ("今天一直在下雨。", True),
        ("Home About Contact", False),
        ("Yes.", False),
        ("Please enable JavaScript to continue.", False),
        ("This site uses cookies to count visits.", False),
    ],
)
def test_lines_are_kept_as_c4_keeps_them(line: str, kept: bool) -> None:
    """A kept line ends as sentences do, has words, and speaks of no scripts or policies."""
    assert filters.keeps_line(line) is kept


@pytest.mark.parametrize(
    ("rule", "lines"),
    [
        ("no_placeholder_text", [PROSE, "Lorem ipsum dolor sit amet."]),
        ("no_curly_bracket", [PROSE, "if (x) { y(); }"]),
        ("no_blocked_words", [PROSE, "Win at our casino."]),
        ("few_repeated_lines", [PROSE, PROSE, PROSE]),
        ("little_navigation", [PROSE, "Home", "News"]),
        ("few_digits", ["Row 1234567 8901234 5678901 and 2345678."]),
    ],
)
def test_each_page_rule_drops_what_it_is_for(rule: str, lines: list[str]) -> None:
    """Every rule can drop a page, and keeps good prose."""
    chosen = [item for item in filters.PAGE_RULES if item.name == rule]
    assert [item.name for item in chosen] == [rule]
    bad, good = (filters.measured(document(*found)) for found in (lines, [PROSE]))
    left, effects = filters.apply(chosen, [bad, good])
    assert left == [good]
    assert (effects[0].rows_in, effects[0].rows_out, effects[0].dropped) == (2, 1, 1)


def test_sentences_are_counted_in_both_languages() -> None:
    """English and Chinese sentence ends count; a decimal point does not."""
    assert filters.sentence_count("One is 1.5 long. Two! Three?") == 3
    assert filters.sentence_count("第一句。第二句！第三句？") == 3


def test_random_words_share_nothing_with_other_texts() -> None:
    """The share of known words tells prose that others share from strings nobody else uses."""
    texts = [document(PROSE), document(PROSE.replace("ferry", "boat")), document("xq zrk plov gnat wubb.")]
    ratios = [dict(item.signals)["known_word_ratio"] for item in filters.with_known_words(texts)]
    assert min(ratios[:2]) > filters.KNOWN_WORD_RATIO_MIN > ratios[2]


def test_equal_and_similar_texts_are_one_and_different_ones_stay() -> None:
    """Copies go, the first of each stays, and texts of the same topic are no copies."""
    texts = [document(PROSE), document(PROSE.upper()), document(PROSE + " Nobody hurried."), document(PROSE[::-1])]
    unequal, equal = dedup.without_equal(texts)
    kept, similar = dedup.without_similar(unequal)
    assert kept == [texts[0], texts[3]]
    assert (equal.dropped, similar.dropped) == (1, 1)
    assert dedup.finds_copies()


def test_languages_are_told_apart() -> None:
    """English and Chinese pass, others are out of scope."""
    chinese = "今天早上渡船很早就离开了港口，城里的人还在睡觉，河面上都是雾。"
    french = "Le bateau quitte le port de bon matin, la ville dort encore."
    found = language.identified([document(PROSE), document(chinese), document(french)])
    assert [item.lang for item in found] == ["en", "zh", "fr"]
    assert filters.apply([language.RULE], found)[0] == found[:2]


def test_restricted_data_drop_a_text_and_others_are_masked() -> None:
    """The privacy controls decide: restricted kinds make a text unfit, other kinds are replaced."""
    rules = privacy.personal_rules(
        {
            "rules": [
                {"kind": "ssn", "level": "restricted", "pattern": r"\d{3}-\d{2}-\d{4}"},
                {"kind": "email", "level": "confidential", "pattern": r"[a-z]+@[a-z.]+[a-z]"},
                {"kind": "person_name", "level": "confidential", "pattern": ""},
            ]
        }
    )
    fit, unfit = document("Write to ada@example.org."), document("It is 912-34-5678.")
    assert filters.apply([rules.rule()], [fit, unfit])[0] == [fit]
    assert rules.masked(fit).lines == ("Write to [email].",)
    assert rules.masked(fit).masked == 1


@pytest.mark.parametrize(
    "controls", [{}, {"rules": []}, {"rules": [{"kind": "x", "level": "restricted", "pattern": "("}]}]
)
def test_controls_without_usable_rules_are_refused(controls: dict[str, Any]) -> None:
    """Text is never passed on under rules that cannot be read."""
    with pytest.raises(InputError, match="privacy controls"):
        privacy.personal_rules(controls)


def test_the_smoke_model_learns_from_language_and_not_from_noise() -> None:
    """Prose costs less after training on prose than after training on noise; without text nothing is said."""
    noise = PROSE[::3] + PROSE[1::3] + PROSE[2::3]
    held_out = [PROSE[: len(PROSE) // 2]]
    learnt, plain = smoke.bits_per_char([PROSE], held_out)
    assert learnt < smoke.bits_per_char([noise], held_out)[0]
    assert learnt < plain
    assert smoke.bits_per_char([], [PROSE]) is None
