"""The assembly checks itself, and no check is blind."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from consistency_flywheel import empty_view, large_view, settled, shipped_view, small_view, view_of
from hypothesis import given
from hypothesis import strategies as st
from stress import repetitions

from flywheel_mlflow.assembly import deliverables as names
from flywheel_mlflow.assembly.assembly import assemble
from flywheel_mlflow.assembly.deliverables import SHAPES
from flywheel_mlflow.consistency import (
    CHECKS,
    PUBLISHED,
    AssemblyView,
    ConsistencyCheck,
    all_proved,
    prove,
    run_checks,
)
from flywheel_mlflow.consistency.agreement import REPORT_AGREES_WITH_METRICS
from flywheel_mlflow.consistency.recompute import NOT_IN_THE_DOCUMENTS, recompute
from flywheel_mlflow.consistency.view import parse, unparse
from flywheel_mlflow.consistency.written import BEFORE_THE_CHECKS, PY_COMPILE
from flywheel_mlflow.evidence.runs import Check, Outcome

VIEWS = (small_view, empty_view, shipped_view)
MakeView = Callable[[], AssemblyView]

#: Checks that know an assembly from its content, not by comparing bytes.
BY_CONTENT = tuple(check for check in CHECKS if check.name not in ("no_stale_artifact", "py_compile"))


def outcomes(view: AssemblyView) -> dict[str, Outcome]:
    return {check.name: check.outcome for check in run_checks(view)}


def one(check: ConsistencyCheck, view: AssemblyView) -> Check:
    return run_checks(view, [check])[0]


def test_published_names() -> None:
    """The thirteen published checks are there under their published names, in their order, before ours."""
    assert [check.name for check in CHECKS[:13]] == [
        "py_compile",
        "evaluate_flywheel",
        "required_files_exist",
        "all_upstream_projects_registered",
        "phase_inventory_consistent",
        "architecture_layers_and_control_points_present",
        "stage_plan_covers_end_to_end",
        "flywheel_runs_complete",
        "milestones_complete",
        "boundaries_and_interfaces_present",
        "bottleneck_cost_org_outputs_present",
        "dashboard_matches_metrics",
        "upstream_checks_aggregated",
    ]
    assert CHECKS[:13] == PUBLISHED
    assert len({check.name for check in CHECKS}) == len(CHECKS)


@pytest.mark.parametrize("view", VIEWS)
def test_untouched_passes(view: MakeView) -> None:
    """An untouched assembly passes every check, with or without evidence."""
    assert [check for check in run_checks(view()) if check.outcome is not Outcome.PASSED] == []


@pytest.mark.parametrize("view", VIEWS)
def test_draft_passes(view: MakeView) -> None:
    """The draft that the checks first see, without the assembly's own evidence, passes too."""
    now = view().now
    draft = view_of(assemble(now.flywheel, now.collected))
    assert [check for check in run_checks(draft) if check.outcome is not Outcome.PASSED] == []


@pytest.mark.parametrize(("view", "seeds"), [(small_view, repetitions(5, 50)), (shipped_view, repetitions(2, 20))])
def test_every_check_can_fail(view: MakeView, seeds: int) -> None:
    """Under each of many seeds every check finds every fault it names, by content and not by stumbling."""
    for seed in range(seeds):
        proofs = prove(view(), seed=seed)
        assert [proof.name for proof in proofs] == [check.name for check in CHECKS]
        assert [proof for proof in proofs if not proof.proved] == []
        trials = [trial for proof in proofs for trial in proof.trials]
        assert [
            trial for trial in trials if trial.outcome is not Outcome.FAILED and " cut after " not in trial.fault
        ] == []


def test_every_fault_applies() -> None:
    """In the small flywheel, which has a bit of everything, no fault is without a place."""
    tried = {proof.name: len(proof.trials) for proof in prove(small_view(), seed=0)}
    assert tried == {check.name: len(check.faults) for check in CHECKS}


def test_faults_touch_copies() -> None:
    """Proving leaves the assembly as it was."""
    view = small_view()
    before = dict(view.files)
    prove(view, seed=3)
    assert view.files == before
    assert set(outcomes(view).values()) == {Outcome.PASSED}


def test_proofs_repeat() -> None:
    """Equal seeds break equal places, other seeds break other places."""
    assert prove(small_view(), seed=5) == prove(small_view(), seed=5)
    assert prove(small_view(), seed=5) != prove(small_view(), seed=6)


def silent(_view: AssemblyView) -> Iterator[str]:
    return iter(())


def harmless(view: AssemblyView, _rng: random.Random) -> tuple[str, AssemblyView]:
    return "a file removed", view.without_file(names.PHASES)


def test_blind_check_is_unmasked() -> None:
    """A check that finds nothing whatever is broken fails its proof."""
    for check in CHECKS:
        blind = ConsistencyCheck(check.name, check.claim, silent, check.faults)
        (proof,) = prove(small_view(), seed=1, checks=[blind])
        assert not proof.proved
        assert proof.outcome is Outcome.PASSED


def test_one_missed_fault_is_enough() -> None:
    """A check that finds one fault and misses another is not proved, and the missed one is named."""
    check = CHECKS[0]
    (proof,) = prove(small_view(), seed=1, checks=[replace(check, faults=(*check.faults, harmless))])
    assert not proof.proved
    assert proof.fault == "a file removed"
    assert [trial.found for trial in proof.trials] == [True, False]


def test_red_before_is_no_proof() -> None:
    """A check that is red on the untouched assembly proves nothing by being red under a fault."""
    red = replace(CHECKS[0], examine=lambda _view: ["always"])
    (proof,) = prove(small_view(), seed=1, checks=[red])
    assert not proof.proved
    assert proof.message.startswith("not provable: already red")


def test_fault_without_place_is_no_proof() -> None:
    """A check none of whose faults has a place here is not proved, and does not spoil the proof of others."""
    idle = replace(CHECKS[0], faults=(lambda _view, _rng: None,))
    (proof,) = prove(small_view(), seed=1, checks=[idle])
    assert (proof.proved, proof.applicable, proof.trials) == (False, False, ())
    assert proof.message == "nothing to break here"
    assert all_proved(prove(small_view(), seed=1, checks=[idle, CHECKS[0]]))
    assert not all_proved([proof])
    assert not all_proved([])


def test_what_has_something_to_break_must_be_proved() -> None:
    """A blind check and one that was red before fail the whole proof, whatever else is proved."""
    for bad in (replace(CHECKS[0], examine=silent), replace(CHECKS[0], examine=lambda _view: ["always"])):
        proofs = prove(small_view(), seed=1, checks=[CHECKS[0], bad])
        assert [proof.proved for proof in proofs] == [True, False]
        assert all(proof.applicable for proof in proofs)
        assert not all_proved(proofs)


def test_a_flywheel_without_boundaries_is_proved() -> None:
    """Where there is no boundary, the check of what enforces them has nothing to break, and every other can fail."""
    wheel = small_view().now.flywheel
    plan = wheel.blueprint.model_copy(update={"boundaries": ()})
    proofs = prove(settled(replace(wheel, blueprint=plan), small_view().now.collected), seed=1)
    assert [proof.name for proof in proofs if not proof.proved] == ["every_boundary_enforced"]
    assert all_proved(proofs)


def test_check_without_fault_is_refused() -> None:
    """A check that names no fault cannot be made."""
    with pytest.raises(ValueError, match="names no fault"):
        ConsistencyCheck("x", "nothing is wrong", silent, ())


class Reads(dict[str, str]):
    """Deliverables that remember which of them were read."""

    def __init__(self, files: dict[str, str]) -> None:
        super().__init__(files)
        self.seen: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.seen.add(name)
        return super().__getitem__(name)


@cache
def readers(name: str) -> tuple[ConsistencyCheck, ...]:
    """The checks that read a deliverable."""
    found = []
    for check in CHECKS:
        files = Reads(dict(small_view().files))
        one(check, replace(small_view(), files=files))
        if name in files.seen:
            found.append(check)
    return tuple(found)


@pytest.mark.parametrize("name", BEFORE_THE_CHECKS)
def test_missing_file_is_no_pass(name: str) -> None:
    """Every check that reads a deliverable says so when it is missing; none passes."""
    view = small_view().without_file(name)
    assert len(readers(name)) >= 3
    for check in readers(name):
        found = one(check, view)
        wanted = Outcome.FAILED if check.name == "required_files_exist" else Outcome.ERROR
        assert found.outcome is wanted
        assert name in found.message


@pytest.mark.parametrize(
    "text", ["", "{", "null", "[]", "[[]]", '{"a": NaN}', "[" * 100_000, '{"a": 1, "a": 2}', "\x00"]
)
@pytest.mark.parametrize("name", sorted(SHAPES))
def test_broken_file_is_no_pass(name: str, text: str) -> None:
    """No check that reads a deliverable passes, or breaks, when it holds something else."""
    view = small_view().with_file(name, text)
    passed = [check.name for check in readers(name) if one(check, view).outcome is Outcome.PASSED]
    # An empty list has the right shape where a list is due: checks that only look for strangers in it find none.
    assert passed == [] or (text in ("", "[]") and len(passed) < len(readers(name)))
    assert Outcome.FAILED in outcomes(view).values()


@given(data=st.data())
def test_any_changed_character_is_found(data: st.DataObject) -> None:
    """One changed character anywhere in any deliverable turns at least one check red."""
    view = small_view()
    name = data.draw(st.sampled_from(BEFORE_THE_CHECKS))
    text = view.files[name]
    place = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.characters(exclude_categories=["Cs"]).filter(lambda char: char != text[place]))
    changed = outcomes(view.with_file(name, text[:place] + letter + text[place + 1 :]))
    assert set(changed.values()) - {Outcome.PASSED}


def numbers_in(value: Any, place: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from numbers_in(item, (*place, key))
    if isinstance(value, int | float) and not isinstance(value, bool):
        yield place


@pytest.mark.parametrize("view", [small_view, shipped_view])
@given(data=st.data())
def test_any_changed_number_contradicts_another(view: MakeView, data: st.DataObject) -> None:
    """One changed number in any deliverable contradicts the others or MLflow, bytes not compared."""
    name = data.draw(st.sampled_from(sorted(SHAPES)))
    document = parse(name, view().files[name])
    place = data.draw(st.sampled_from(list(numbers_in(document)) or [()]))
    if not place:
        return
    inner = document
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] += data.draw(st.sampled_from([1, -1, 0.001, 1000]))
    broken = view().with_file(name, unparse(name, document))
    assert [check for check in run_checks(broken, BY_CONTENT) if check.outcome is not Outcome.PASSED]


@pytest.mark.parametrize("view", VIEWS)
def test_every_number_is_computed_twice(view: MakeView) -> None:
    """Every number of an assembly is computed a second time, but for those listed as not in the documents."""
    assert set(recompute(view())) == set(view().now.metrics) - NOT_IN_THE_DOCUMENTS


def test_world_moved() -> None:
    """A newer run on the server makes yesterday's deliverables disagree with it."""
    view, wheel = small_view(), small_view().now.flywheel
    collected = view.now.collected
    newer = {name: replace(item, run_id=f"{item.run_id}-again") for name, item in collected.evidence.items()}
    now = assemble(wheel, replace(collected, evidence=newer), self_evidence=view.now.registry["p04"].evidence)
    fresh = view_of(now)
    found = outcomes(replace(fresh, files=view.files))
    assert found["registry_agrees_with_tracking"] is Outcome.FAILED
    assert found["no_stale_artifact"] is Outcome.FAILED


def test_sources_compile() -> None:
    """A source that is not Python fails with its line, one with a null byte fails, and no source is no pass."""
    view = small_view()
    broken = one(PY_COMPILE, replace(view, sources={"a.py": "x = 1\ny = = 2\n"}))
    assert broken.outcome is Outcome.FAILED
    assert broken.message.startswith("a.py:2: ")
    assert one(PY_COMPILE, replace(view, sources={"a.py": "\x00"})).outcome is Outcome.FAILED
    assert one(PY_COMPILE, replace(view, sources={})).outcome is Outcome.ERROR


@pytest.mark.parametrize(
    ("text", "stands"), [("150", False), ("2.15", False), ("-15", False), ("15.5", False), ("15.", True)]
)
def test_figures_stand_as_a_whole(text: str, stands: bool) -> None:
    """A number counts as said only where it stands as a whole."""
    view = replace(small_view(), format_value=lambda _value, _unit: "15")
    comment = view.files[names.REPORT].splitlines()[-1]
    found = one(REPORT_AGREES_WITH_METRICS, view.with_file(names.REPORT, f"It is {text} of them\n{comment}\n"))
    assert (found.outcome is Outcome.PASSED) is stands


def test_report_must_list_its_figures() -> None:
    """A report without its list of figures, with an empty one, or with one that is no JSON does not pass."""
    text = small_view().files[names.REPORT]
    body = text[: text.rindex("<!-- figures:")]
    for ending, wanted in (
        ("", Outcome.FAILED),
        ("<!-- figures: {} -->\n", Outcome.FAILED),
        ("<!-- figures: {1} -->\n", Outcome.ERROR),
    ):
        view = small_view().with_file(names.REPORT, body + ending)
        assert one(REPORT_AGREES_WITH_METRICS, view).outcome is wanted


def test_nothing_rendered_is_no_pass() -> None:
    """Without a fresh rendering, or with an incomplete one, nothing can be said to be current."""
    assert outcomes(replace(small_view(), rendered={}))["no_stale_artifact"] is Outcome.ERROR
    half = {names.REGISTRY: small_view().files[names.REGISTRY]}
    assert outcomes(replace(small_view(), rendered=half))["no_stale_artifact"] is Outcome.FAILED


def test_many_problems_stay_readable() -> None:
    """A message holds five problems and the count of the rest; the details hold them all."""
    view = large_view(12).with_file(names.REGISTRY, "[]")
    found = {check.name: check for check in run_checks(view)}["all_upstream_projects_registered"]
    assert len(found.details["problems"]) == 13
    assert found.message.endswith("; and 8 more")


def test_large_flywheel_passes() -> None:
    """A hundred projects in a chain agree with themselves."""
    assert set(outcomes(large_view(100)).values()) == {Outcome.PASSED}
