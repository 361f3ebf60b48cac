"""The legal instruction factory: a clean run, what each fault turns, and whether tasks help."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean

import pytest
from servers.embedded import EmbeddedStore
from trials import PRIVACY_CONTROLS, PROJECTS, Trial, log_stand_in, regenerated, run_trial

pytestmark = pytest.mark.integration
PROJECT = "p02_legal_sft"
TASKS = PROJECTS / PROJECT / "tasks"
CORPUS = [
    {
        "id": f"doc-{number}",
        "source": "a test",
        "content": text,
        "metadata": {"url": f"https://example.org/{number}", "lang": "en", "license": "CC0-1.0"},
        "quality_signals": {},
        "split": "train",
        "audit_trace": ["made for a test"],
    }
    for number, text in enumerate(["The train leaves at nine.", "A rose is a rose.", "今天的天气很好。"])
]


@pytest.fixture(scope="module")
def store(module_store: EmbeddedStore, tmp_path_factory: pytest.TempPathFactory) -> EmbeddedStore:
    """A store that holds what the factory reads, in the iterations its tests run."""
    folder = tmp_path_factory.mktemp("inputs")
    for iteration in (2, 3):
        log_stand_in("p01", "foundation_corpus", CORPUS, uri=module_store.uri, to=folder, iteration=iteration)
        log_stand_in("p09", "privacy_controls", PRIVACY_CONTROLS, uri=module_store.uri, to=folder, iteration=iteration)
    return module_store


@pytest.fixture(scope="module")
def clean(store: EmbeddedStore) -> Trial:
    """A run without a fault and without tasks."""
    return run_trial(PROJECT, store.uri)


def test_a_clean_run_is_consumable(clean: Trial) -> None:
    """Without a fault every check passes, and both interfaces have a version."""
    assert clean.reasons == ()
    assert clean.consumable
    assert clean.failed == frozenset()
    assert set(clean.digests) == {"sft_corpus", "preference_data"}


def test_each_sample_stands_behind_its_kpi(clean: Trial) -> None:
    """The mean of the samples a KPI logs is its value, so that two iterations can be compared sample by sample."""
    assert set(clean.samples) == {
        "review_score",
        "chosen_win_rate",
        "unsafe_shortcut_rate",
        "refusal_recall",
        "false_refusal_rate",
        "hidden_refusal_recall",
        "reported_refusal_recall",
    }
    for name, samples in clean.samples.items():
        assert fmean(samples.values()) == pytest.approx(clean.kpis[name], abs=1e-6), name


def test_every_article_gives_every_task(clean: Trial) -> None:
    """172 of 177 articles lay something down; each gives three pairs, and the 72 risky requests a refusal each."""
    assert clean.kpis["preference_pairs"] == 172 * 3
    assert clean.kpis["risk_refusals"] == 72
    assert clean.kpis["records"] == 172 * 3 + 72


def test_equal_runs_make_equal_data(clean: Trial, store: EmbeddedStore) -> None:
    """A second run writes the same bytes and measures the same numbers."""
    again = run_trial(PROJECT, store.uri)
    assert (again.digests, again.kpis) == (clean.digests, clean.kpis)


@pytest.mark.parametrize(
    ("fault", "checks", "kpis"),
    [
        ("label_noise", set(), {"chosen_win_rate", "unsafe_shortcut_rate"}),
        (
            "split_by_record",
            {"train_val_no_overlap", "sft_corpus.split_leakage", "preference_data.split_leakage"},
            set(),
        ),
        ("leaked_pii", {"sft_corpus.raw_personal_data", "preference_data.raw_personal_data"}, set()),
        (
            "no_refusals",
            {"risk_refusals_present"},
            {
                "risk_refusals",
                "refusal_recall",
                "reported_refusal_recall",
                "false_refusal_rate",
                "hidden_refusal_recall",
            },
        ),
        ("missing_reviews", {"qa_reviews_cover_accepted"}, set()),
    ],
)
def test_a_fault_turns_what_it_should(
    store: EmbeddedStore, clean: Trial, fault: str, checks: set[str], kpis: set[str]
) -> None:
    """Each fault fails the checks and misses the KPIs that are there for it, and nothing unrelated."""
    spoiled = run_trial(PROJECT, store.uri, fault=fault)
    assert spoiled.failed == checks
    assert spoiled.short - clean.short == kpis - clean.short
    assert spoiled.consumable == (not checks)


def test_tasks_improve_the_hidden_part(clean: Trial, store: EmbeddedStore) -> None:
    """The next iteration refuses more of the hidden requests with the tasks, and exactly as many without them."""
    without = run_trial(PROJECT, store.uri, iteration=3)
    helped = run_trial(PROJECT, store.uri, iteration=3, tasks=TASKS)
    assert without.kpis["hidden_refusal_recall"] == clean.kpis["hidden_refusal_recall"]
    before, after = clean.kpis["hidden_refusal_recall"], helped.kpis["hidden_refusal_recall"]
    assert before is not None
    assert after is not None
    assert after > before + 0.15
    assert helped.failed == frozenset()
    assert "hidden_refusal_recall" in clean.short
    assert "hidden_refusal_recall" not in helped.short


def test_the_shipped_data_are_what_the_generator_makes(tmp_path: Path) -> None:
    """Running the generator again gives the shipped files and tasks, byte for byte."""
    files = regenerated(PROJECT, tmp_path / "data")
    assert set(files) == {"articles.jsonl", "risk_prompts.jsonl", "reported_prompts.jsonl", "hidden_prompts.jsonl"}
    assert all(shipped == made for shipped, made in files.values())
    made_tasks = {path.name: path.read_bytes() for path in (tmp_path / "tasks").iterdir()}
    assert made_tasks == {path.name: path.read_bytes() for path in TASKS.iterdir()}
