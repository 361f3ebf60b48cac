"""Tests of what may share a theme: never opposites, other types or urgent things, and mostly what belongs together."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from flywheel_mlflow.feedback.polarity import AXES, poles
from flywheel_mlflow.feedback.recurring import Themes, name_themes
from flywheel_mlflow.feedback.themes import Observation, Sample, Saying, contrary, group_events, spelled

NOON = datetime(2026, 10, 1, 12, tzinfo=UTC)
LABELLED = Path(__file__).parents[1] / "fixtures" / "feedback" / "themes.yaml"


def grouped(*observations: Observation) -> list[set[str]]:
    """The groups of observations by their ids."""
    sample = Sample()
    for observation in observations:
        sample.offer(observation)
    return [{event.id for event in group.events} for group in group_events(sample).groups]


def one(text: str, **said: Any) -> Observation:
    return Observation(text, NOON, text, "human", **said)


def quality(labelled: dict[str, Any]) -> tuple[int, int, int]:
    """Pairs in one theme that belong together, all pairs in one theme, and pairs of opposites that meet in one."""
    label = {f"{theme} {number}": theme for theme, texts in labelled["themes"].items() for number in range(len(texts))}
    observations = [
        Observation(f"{theme} {number}", NOON, text, "human")
        for theme, texts in labelled["themes"].items()
        for number, text in enumerate(texts)
    ]
    pairs = [
        frozenset((label[left], label[right]))
        for members in grouped(*observations)
        for left, right in combinations(sorted(members), 2)
    ]
    opposites = {frozenset(pair) for pair in labelled["opposites"]}
    return sum(len(pair) == 1 for pair in pairs), len(pairs), len(opposites.intersection(pairs))


def test_labelled_complaints_come_together_and_opposites_never_do() -> None:
    """Of 320 complaints in 40 themes and three languages: 0 of 15 opposites joined, pairwise precision at least 0.9."""
    labelled = yaml.safe_load(LABELLED.read_text(encoding="utf-8"))
    assert (sum(map(len, labelled["themes"].values())), len(labelled["themes"])) == (320, 40)
    assert len(labelled["opposites"]) == 15
    right, pairs, joined = quality(labelled)
    assert joined == 0
    assert right / pairs >= 0.9
    assert right / (40 * 8 * 7 / 2) >= 0.75


def test_what_the_docs_say_of_free_words_is_so(repository: Path) -> None:
    """Complaints of an author who saw no rule hardly come together: the docs state the figures of this version."""
    labelled = yaml.safe_load((LABELLED.parent / "themes_blind.yaml").read_text(encoding="utf-8"))
    right, pairs, joined = quality(labelled)
    possible = sum(len(texts) * (len(texts) - 1) // 2 for texts in labelled["themes"].values())
    said = " ".join((repository / "docs" / "feedback.md").read_text(encoding="utf-8").split())
    assert f"{right / possible:.0%} of the pairs that belong together".replace("%", " %") in said
    assert f"{right / pairs:.0%} of the pairs in one theme belonged".replace("%", " %") in said
    assert f"{joined} of {len(labelled['opposites'])} pairs of opposites met" in said


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("Model refused a harmless question about eggs", "Model answers a risky question instead of refusing"),
        ("the answer is too long", "the answer is too short"),
        ("la respuesta es demasiado larga", "la respuesta es demasiado corta"),
        ("回答太长", "回答太短"),
        ("the table is sorted by name", "the table is not sorted by name"),
    ],
)
def test_contrary_complaints_never_share_a_theme(left: str, right: str) -> None:
    """They share most of their letters, and ask for the contrary."""
    assert len(grouped(one(left), one(right))) == 2


@pytest.mark.parametrize(
    ("left", "right", "groups"),
    [
        ({"type": "data_gap"}, {"type": "model_gap"}, 2),
        ({"type": "data_gap"}, {}, 1),
        ({"severity": "high"}, {"severity": "low"}, 2),
        ({"severity": "medium"}, {"severity": "low"}, 1),
        ({"severity": "high"}, {}, 1),
    ],
)
def test_types_and_urgency_are_never_mixed(left: dict[str, str], right: dict[str, str], groups: int) -> None:
    """Another type of gap, or high beside lower severity, is another theme; what an event leaves out parts nothing."""
    assert len(grouped(one("the chart of sales is wrong", **left), one("chart of sales is wrong", **right))) == groups


def test_what_says_the_same_of_two_types_is_two_themes() -> None:
    """Even word for word: the type says who mends it."""
    events = [Observation(name, NOON, "no table", "human", type=name) for name in ("data_gap", "model_gap")]
    assert len(grouped(*events)) == 2


def test_a_theme_does_not_come_back_as_its_contrary() -> None:
    """An earlier theme's id is not given to what asks for the opposite, or is of another type."""

    def themes(iteration: int, text: str, known: list[Themes], **said: Any) -> Themes:
        sample = Sample()
        sample.offer(one(text, **said))
        return name_themes(iteration, {"p02": group_events(sample)}, known)

    first = themes(1, "the summary is too long", [], type="model_gap")
    known = [first]
    assert themes(2, "summary too long", known, type="model_gap").themes[0].id == first.themes[0].id
    assert themes(2, "the summary is too short", known, type="model_gap").themes[0].id != first.themes[0].id
    assert themes(2, "the summary is too long", known, type="data_gap").themes[0].id != first.themes[0].id


def test_what_did_not_fit_the_clustering_joins_no_contrary_group() -> None:
    """Texts beyond the clustered ones obey the same rule."""
    sample = Sample()
    for text in ("the answer is too long", "the answer is too short"):
        sample.offer(one(text))
    found = group_events(sample, most_texts=1)
    assert (len(found.groups), found.alone) == (1, 1)


def test_the_title_is_the_sentence_that_says_it() -> None:
    """A greeting or a story before the complaint is no title."""
    texts = (
        "Hello team, I hope you are well. The bar chart of revenue is misread.",
        "Good morning! We met yesterday. Bar chart of revenue misread again.",
        "The bar chart of revenue is misread.",
    )
    sample = Sample()
    for text in texts:
        sample.offer(one(text))
    titles = {group.title for group in group_events(sample).groups}
    assert titles == {"The bar chart of revenue is misread."}


@pytest.mark.parametrize("axis", AXES, ids=[axis.name for axis in AXES])
def test_every_axis_has_two_poles(axis: Any) -> None:
    """No pattern is empty, and none matches an everyday sentence."""
    assert axis.pole("the model was trained on tuesday") == 0
    assert axis.first.pattern != axis.second.pattern


def test_a_text_at_both_poles_points_nowhere() -> None:
    """Somebody who reports both is no contrary of either."""
    both = spelled("the first answer is too long, the second too short")
    assert set(poles(both)) == {0}
    long, short = Saying("too long", "", ""), Saying("too short", "", "")
    assert contrary([long, short, Saying(both, "", "")], [long]).ravel().tolist() == [False, True, False]
