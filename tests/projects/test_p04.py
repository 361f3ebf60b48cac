"""The textbook factory: a clean run, and what each of its faults turns."""

from __future__ import annotations

from pathlib import Path

import pytest
from servers.embedded import EmbeddedStore
from trials import PRIVACY_CONTROLS, Trial, log_stand_in, regenerated, run_trial

pytestmark = pytest.mark.integration
PROJECT = "p04_textbook"
CORPUS = [
    {
        "id": f"doc-{number}",
        "source": "a test",
        "content": f"Page {number}: {text}",
        "metadata": {"url": f"https://example.org/{number}", "lang": "en", "license": "CC0-1.0"},
        "quality_signals": {},
        "split": "train",
        "audit_trace": ["made for a test"],
    }
    for number, text in enumerate(
        [
            "trains and cyclists and the average speed in km per hour",
            "functions that return lists of numbers",
            "cooking",
        ]
    )
]


@pytest.fixture(scope="module")
def store(module_store: EmbeddedStore, tmp_path_factory: pytest.TempPathFactory) -> EmbeddedStore:
    """A store that holds what the factory reads."""
    folder = tmp_path_factory.mktemp("inputs")
    log_stand_in("p01", "foundation_corpus", CORPUS, uri=module_store.uri, to=folder)
    log_stand_in("p09", "privacy_controls", PRIVACY_CONTROLS, uri=module_store.uri, to=folder)
    return module_store


@pytest.fixture(scope="module")
def clean(store: EmbeddedStore) -> Trial:
    """A run without a fault."""
    return run_trial(PROJECT, store.uri)


def test_a_clean_run_is_consumable(clean: Trial) -> None:
    """Without a fault every check passes, and both interfaces have a version."""
    assert clean.reasons == ()
    assert clean.consumable
    assert clean.failed == frozenset()
    assert set(clean.digests) == {"teaching_corpus", "verified_code_examples"}


def test_wrong_references_are_found(clean: Trial) -> None:
    """Of 222 exercises exactly the three with a wrong reference fail verification."""
    assert clean.kpis["verification_pass_rate"] == 219 / 222
    assert clean.kpis["records"] == 219


def test_equal_runs_make_equal_data(clean: Trial, store: EmbeddedStore) -> None:
    """A second run writes the same bytes."""
    assert run_trial(PROJECT, store.uri).digests == clean.digests


@pytest.mark.parametrize(
    ("fault", "checks"),
    [
        ("wrong_answers", {"verification_pass_rate_reasonable"}),
        ("split_by_record", {"train_val_no_overlap", "teaching_corpus.split_leakage"}),
        ("open_template", {"quality_has_no_failures"}),
        (
            "no_math",
            {"both_domains_present", "smoke_covers_both_domains", "prerequisites_come_first"},
        ),
    ],
)
def test_a_fault_turns_what_it_should(store: EmbeddedStore, clean: Trial, fault: str, checks: set[str]) -> None:
    """Each fault fails the checks that are there for it, and nothing unrelated."""
    spoiled = run_trial(PROJECT, store.uri, fault=fault)
    assert spoiled.failed - {"verified_code_examples.split_leakage"} == checks
    assert not spoiled.consumable
    assert (spoiled.kpis["verification_pass_rate"] == clean.kpis["verification_pass_rate"]) == (
        fault not in {"wrong_answers", "no_math"}
    )


def test_the_shipped_data_are_what_the_generator_makes(tmp_path: Path) -> None:
    """Running the generator again gives the shipped files, byte for byte."""
    files = regenerated(PROJECT, tmp_path)
    assert set(files) == {"seeds.jsonl", "exercises.jsonl", "topics.jsonl"}
    assert all(shipped == made for shipped, made in files.values())
