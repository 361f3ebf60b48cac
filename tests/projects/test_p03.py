"""The image instruction factory: a clean run, and what each of its faults turns."""

from __future__ import annotations

from pathlib import Path

import pytest
from servers.embedded import EmbeddedStore
from trials import PRIVACY_CONTROLS, Trial, log_stand_in, regenerated, run_trial

pytestmark = pytest.mark.integration
PROJECT = "p03_llava"


@pytest.fixture(scope="module")
def store(module_store: EmbeddedStore, tmp_path_factory: pytest.TempPathFactory) -> EmbeddedStore:
    """A store that holds what the factory reads."""
    log_stand_in("p09", "privacy_controls", PRIVACY_CONTROLS, uri=module_store.uri, to=tmp_path_factory.mktemp("in"))
    return module_store


@pytest.fixture(scope="module")
def clean(store: EmbeddedStore) -> Trial:
    """A run without a fault."""
    return run_trial(PROJECT, store.uri)


def test_a_clean_run_is_consumable(clean: Trial) -> None:
    """Without a fault every check passes, and the scale targets are met."""
    assert clean.reasons == ()
    assert clean.consumable
    assert clean.failed == frozenset()
    assert clean.kpis["records"] == 356
    assert clean.kpis["interleaved_records"] == 42


def test_the_audit_finds_the_pictures_that_show_something_else(clean: Trial) -> None:
    """Of 368 drafts just the eight made from spoiled scenes fail the audit against the pixels."""
    assert clean.kpis["qa_pass_rate"] == 360 / 368


def test_equal_runs_make_equal_data(clean: Trial, store: EmbeddedStore) -> None:
    """A second run writes the same bytes."""
    assert run_trial(PROJECT, store.uri).digests == clean.digests


@pytest.mark.parametrize(
    ("fault", "checks"),
    [
        ("shifted_boxes", set()),
        ("missing_boxes", {"alignment_has_bboxes"}),
        ("split_by_record", {"train_val_no_overlap", "multimodal_sft.split_leakage"}),
        ("unaudited", {"low_quality_records_removed"}),
    ],
)
def test_a_fault_turns_what_it_should(store: EmbeddedStore, clean: Trial, fault: str, checks: set[str]) -> None:
    """Each fault fails the checks that are there for it and no other; shifted boxes lower the audit's pass rate."""
    spoiled = run_trial(PROJECT, store.uri, fault=fault)
    before, after = clean.kpis["qa_pass_rate"], spoiled.kpis["qa_pass_rate"]
    assert spoiled.failed == checks
    assert spoiled.consumable == (not checks)
    assert before is not None
    assert after is not None
    assert (after < before - 0.05) == (fault == "shifted_boxes")


def test_the_shipped_data_are_what_the_generator_makes(tmp_path: Path) -> None:
    """Running the generator again gives the shipped file, byte for byte."""
    files = regenerated(PROJECT, tmp_path)
    assert set(files) == {"scenes.jsonl"}
    assert all(shipped == made for shipped, made in files.values())
