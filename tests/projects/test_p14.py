"""The video dataset: a clean run, and what each of its faults turns."""

from __future__ import annotations

from pathlib import Path

import pytest
from servers.embedded import EmbeddedStore
from trials import PRIVACY_CONTROLS, Trial, log_stand_in, regenerated, run_trial

pytestmark = pytest.mark.integration
PROJECT = "p14_video"


@pytest.fixture(scope="module")
def store(module_store: EmbeddedStore, tmp_path_factory: pytest.TempPathFactory) -> EmbeddedStore:
    """A store that holds what the project reads."""
    log_stand_in("p09", "privacy_controls", PRIVACY_CONTROLS, uri=module_store.uri, to=tmp_path_factory.mktemp("in"))
    return module_store


@pytest.fixture(scope="module")
def clean(store: EmbeddedStore) -> Trial:
    """A run without a fault."""
    return run_trial(PROJECT, store.uri)


def test_a_clean_run_is_consumable(clean: Trial) -> None:
    """Without a fault every check passes."""
    assert clean.reasons == ()
    assert clean.consumable
    assert clean.failed == frozenset()


def test_most_known_cuts_are_found(clean: Trial) -> None:
    """87 of 95 known cuts are found by 89: shots that look alike are missed, a flash is taken for a cut."""
    assert clean.kpis["cut_recall"] == 87 / 95
    assert clean.kpis["cut_precision"] == 87 / 89


def test_equal_runs_make_equal_data(clean: Trial, store: EmbeddedStore) -> None:
    """A second run writes the same bytes."""
    assert run_trial(PROJECT, store.uri).digests == clean.digests


@pytest.mark.parametrize(
    ("fault", "checks", "kpi"),
    [
        ("soft_cuts", set(), "cut_recall"),
        ("still_cameras", set(), "motion_pass_rate"),
        ("unclear_licences_kept", {"low_quality_and_unclear_licence_excluded"}, ""),
        ("late_times", {"paths_times_and_frames_match_files"}, ""),
    ],
)
def test_a_fault_turns_what_it_should(
    store: EmbeddedStore, clean: Trial, fault: str, checks: set[str], kpi: str
) -> None:
    """Each fault fails the check that is there for it and no other, or lowers its KPI by a quarter at least."""
    spoiled = run_trial(PROJECT, store.uri, fault=fault)
    assert spoiled.failed == checks
    assert spoiled.consumable == (not checks)
    for name in ("cut_recall", "motion_pass_rate"):
        before, after = clean.kpis[name], spoiled.kpis[name]
        assert before is not None
        assert after is not None
        if name == kpi:
            assert after < before * 0.75
        elif fault != "soft_cuts":
            # Two shots found as one move in no one direction, so lost cuts do touch the motion rate.
            assert after == pytest.approx(before, abs=0.05)


def test_the_shipped_data_are_what_the_generator_makes(tmp_path: Path) -> None:
    """Running the generator again gives the shipped file, byte for byte."""
    files = regenerated(PROJECT, tmp_path)
    assert set(files) == {"videos.jsonl"}
    assert all(shipped == made for shipped, made in files.values())
