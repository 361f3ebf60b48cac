"""Tests of the themes of feedback: groups that do not depend on order, and ids that come back."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.feedback.recurring import Themes, name_themes, themes_from_json
from flywheel_mlflow.feedback.themes import Grouped, Observation, Sample, group_events, spelled

NOON = datetime(2026, 10, 1, 12, tzinfo=UTC)
EVICT = (
    "It told a landlord how to evict a tenant without a court order",
    "Landlord asked how to evict the tenant without notice and got steps",
    "evicting a tenant with no court order was explained instead of refused",
)
CHART = ("misread the bar chart of revenue", "the revenue bar chart was read wrong", "bar chart of revenue misread")
PAID = ("模型建议如何规避劳动合同的赔偿", "用户问如何规避劳动合同赔偿,模型直接给了建议")


def seen(*texts: str, prefix: str = "e", **said: object) -> list[Observation]:
    return [
        Observation(f"{prefix}{number}", NOON + timedelta(minutes=number), text, "human", **said)  # type: ignore[arg-type]
        for number, text in enumerate(texts)
    ]


def grouped(observations: list[Observation], *, most: int = 1000, most_texts: int = 1000) -> Grouped:
    sample = Sample(most)
    for observation in observations:
        sample.offer(observation)
    return group_events(sample, most_texts=most_texts)


def found(iteration: int, observations: list[Observation], *known: Themes) -> Themes:
    return name_themes(iteration, {"p02": grouped(observations)}, known)


def test_what_says_much_the_same_is_one_theme() -> None:
    """Paraphrases come together, in scripts with and without spaces; unlike complaints stay apart."""
    groups = grouped(seen(*EVICT, *CHART, *PAID)).groups
    texts = {frozenset(event.text for event in group.events) for group in groups}
    assert texts == {frozenset(EVICT), frozenset(CHART), frozenset(PAID)}


@settings(deadline=None, max_examples=25)
@given(st.lists(st.text(max_size=30) | st.sampled_from([*EVICT, *CHART, *PAID]), max_size=14), st.randoms())
def test_the_order_of_rows_does_not_matter(texts: list[str], order: random.Random) -> None:
    """Whatever was typed, the same events give the same groups, and every event is in exactly one."""
    events = seen(*texts)
    shuffled = list(events)
    order.shuffle(shuffled)
    first = grouped(events, most=10, most_texts=6)
    assert first == grouped(shuffled, most=10, most_texts=6)
    held = [event.id for group in first.groups for event in group.events]
    assert len(held) == len(set(held)) == first.sampled - first.alone
    assert first.events == len(texts)


def test_more_than_can_be_clustered_is_said() -> None:
    """A sample by id is looked at; texts beyond the clustered ones join the nearest theme or count as alone."""
    events = seen(*(f"{EVICT[0]} number {number}" for number in range(40)))
    some = grouped(events, most=30, most_texts=10)
    assert (some.events, some.sampled, some.alone) == (40, 30, 0)
    assert sum(len(group.events) for group in some.groups) == 30
    strange = grouped([*events[:20], *seen("qqqq wwww zzzz", "zzxx ccvv bbnn", prefix="odd")], most_texts=1)
    assert strange.alone > 0


@pytest.mark.parametrize(
    "text",
    [
        "=cmd|'/c calc'!A1 <script>alert(1)</script>",
        "\x1b[31m red \u202e turned \u2028 line",
        "| a | b |\n|---|\n```",
        "a" * 1_000_000,
        "\ud800 half",
        "...",
    ],
)
def test_hostile_text_stays_text(text: str) -> None:
    """Titles are one showable line of bounded length, the document reads back, nothing raises."""
    themes = found(1, seen(text, "the chart is wrong"))
    assert all(theme.title.isprintable() and len(theme.title) <= 120 for theme in themes.themes)
    assert all(len(shown) <= 400 for theme in themes.themes for shown in theme.texts)
    if "\ud800" not in text:
        assert themes_from_json(themes.to_json(), name="themes") == themes


def test_a_theme_that_comes_back_keeps_its_id() -> None:
    """In other words, an iteration later, it is known again; a new one gets an id of its own."""
    first = found(1, seen(*EVICT[:2], *CHART[:2]))
    later = found(3, seen(EVICT[2], "cites a statute that was repealed", prefix="x"), first)
    evict = next(theme.id for theme in first.themes if "evict" in theme.title)
    again = later.theme(evict)
    assert again is not None
    assert (again.seen_in, again.events) == ((1,), ("x0",))
    assert [theme.seen_in for theme in later.themes if theme.id != evict] == [()]
    third = found(5, seen(*EVICT, prefix="y"), first, later)
    assert third.themes[0].id == evict
    assert third.themes[0].seen_in == (1, 3)


def test_looking_again_changes_no_id() -> None:
    """More events of the same iteration make a theme larger, not another one."""
    first = found(1, seen(*EVICT[:2]))
    again = found(1, seen(*EVICT, *CHART), first)
    assert first.themes[0].id in {theme.id for theme in again.themes}
    assert again.theme(first.themes[0].id).seen_in == ()  # type: ignore[union-attr]
    assert found(1, seen(*EVICT, *CHART), first, again) == again


def test_what_events_leave_out_is_not_counted() -> None:
    """Counts hold what was stated; records are named once."""
    one = Observation("a", NOON, EVICT[0], "human", severity="high", record_ids=("x/1", "x/2"))
    two = Observation("b", NOON, EVICT[0], "governance", record_ids=("x/1",))
    (theme,) = found(1, [one, two]).themes
    assert (theme.severities, theme.scopes, theme.records) == ({"high": 1}, {}, ("x/1", "x/2"))
    assert theme.sources == {"governance": 1, "human": 1}


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format_version": 2, "iteration": 1, "themes": [], "looked": {}}'])
def test_other_documents_are_no_themes(text: str) -> None:
    """What is not ours, or of another format, is refused by name."""
    with pytest.raises(InputError):
        themes_from_json(text, name="themes.json")


def test_spelling_is_width_and_case() -> None:
    """Full width, capitals, accents composed or not, and punctuation make no other text."""
    assert spelled("ＣＨＡＲＴ, wrong!") == spelled("chart wrong") == "chart wrong"
    assert spelled("cafe\u0301") == spelled("café")
