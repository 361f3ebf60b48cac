"""The walk upstream from a number that changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from math import isclose
from typing import Any

import pytest
from drift_cases import SETTINGS
from flywheels import contract, evidence_of, version
from hypothesis import given
from hypothesis import strategies as st

from flywheel_mlflow.base.errors import InputError, UnknownName
from flywheel_mlflow.drift.differences import Pair, differences
from flywheel_mlflow.drift.suspects import Lineage, Place, Step, Suspect, rank, reachable, starting_suspicion
from flywheel_mlflow.evidence.provenance import Metric, Metrics
from flywheel_mlflow.evidence.runs import ConsumedInterface, EvidenceKind, KpiValue, ProjectEvidence
from flywheel_mlflow.promises.contract import Contract


def project(name: str, *reads: str, previous: Iterable[str] = (), **more: Any) -> Contract:
    """A contract that reads the data of these projects, of the iteration before where told so."""
    ins = [
        *({"name": f"{item}_data"} for item in reads),
        *({"name": f"{item}_data", "from_iteration": "previous", "required": False} for item in previous),
    ]
    return contract(name, interfaces_in=ins, **more)


def contracts(*items: Contract) -> dict[str, Contract]:
    """Contracts by id."""
    return {item.id: item for item in items}


#: p01 feeds p02 feeds p03; p04 and p05 read p01 as well; everybody but p01 hears of p09 one iteration later.
CHAIN = contracts(
    project("p01"),
    project("p02", "p01", previous=["p09"]),
    project("p03", "p02", previous=["p09"]),
    project("p04", "p01", previous=["p09"]),
    project("p05", "p01", previous=["p09"]),
    project("p09"),
)


def turn(
    made: Mapping[str, Contract],
    digits: Mapping[str, str],
    before: Mapping[str, str] | None = None,
    *,
    quality: Mapping[str, float] | None = None,
    more: Mapping[str, Mapping[str, Any]] | None = None,
    name: str = "now",
) -> dict[str, ProjectEvidence]:
    """One iteration: every project's data has the digest of its digit (a if not named), and each reads what it may.

    ``before`` are the digits of the iteration before, which feedback edges read; None when there was none.
    """
    found = {}
    for project_id, item in made.items():
        reads = []
        for wanted in item.interfaces_in:
            maker = wanted.name.removesuffix("_data")
            source = before if wanted.from_iteration == "previous" else digits
            if source is not None:
                reads.append(ConsumedInterface(wanted.name, source.get(maker, "a") * 32))
        found[project_id] = evidence_of(
            item,
            run_id=f"{name}-{project_id}",
            kpis={"quality": KpiValue((quality or {}).get(project_id, 1.0))},
            interfaces_out={f"{project_id}_data": version(f"{project_id}_data", digits.get(project_id, "a"))},
            interfaces_in=tuple(reads),
            **(more or {}).get(project_id, {}),
        )
    return found


def step(
    made: Mapping[str, Contract],
    before: Mapping[str, ProjectEvidence],
    now: Mapping[str, ProjectEvidence],
    iteration: int = 3,
) -> Step:
    """Two iterations compared by digests, KPIs and checks."""
    changes = {
        name: differences(Pair(made[name], before.get(name), now.get(name)), SETTINGS)
        for name in sorted({*before, *now})
    }
    return Step(iteration - 1, iteration, before, now, changes)


def suspects(
    made: Mapping[str, Contract],
    digits: Mapping[str, str],
    start: str,
    *,
    quality: Mapping[str, float] | None = None,
    more: Mapping[str, Mapping[str, Any]] | None = None,
) -> tuple[Suspect, ...]:
    """The suspects when data of these digits come after data that all are "a"."""
    compared = step(made, turn(made, {}, {}, name="before"), turn(made, digits, {}, quality=quality, more=more))
    return rank(Lineage(made, [compared]), {start: 1.0})


def names(found: Iterable[Suspect]) -> list[str]:
    """The suspects' projects, in their order."""
    return [item.project for item in found]


def test_nothing_upstream_changed() -> None:
    """Where every input is the same the project itself is the only suspect, even if nothing in it is seen to differ."""
    (only,) = suspects(CHAIN, {}, "p03")
    assert (only.project, only.suspicion, only.distance, only.changes) == ("p03", 1.0, 0, ())
    assert "none of the inputs" in only.why
    assert only.next


def test_the_farthest_change_nothing_explains_comes_first() -> None:
    """A change at the head of a chain is suspected before the changes it brought about, and the way there is told."""
    found = suspects(CHAIN, dict.fromkeys(("p01", "p02", "p03", "p04", "p05"), "b"), "p03")
    assert names(found) == ["p01", "p03", "p02"] or names(found) == ["p01", "p02", "p03"]
    assert found[0].suspicion > 0.5
    assert found[0].through == ("p02_data", "p01_data")
    assert found[0].distance == 2
    assert [item.interface for item in found[0].changes] == ["p01_data"]


def test_a_change_halfway_is_not_passed_on() -> None:
    """Where the chain changed in its middle, the middle is suspected, and what did not change is not on the list."""
    found = suspects(CHAIN, {"p02": "b", "p03": "b"}, "p03")
    assert names(found) == ["p02", "p03"]


def test_an_input_that_moved_nobody_else_explains_nothing() -> None:
    """p02 and two others read the same new data; only p02 moved, so the cause is sought in p02."""
    assert names(suspects(CHAIN, {"p01": "b", "p02": "b"}, "p02"))[0] == "p02"
    both = dict.fromkeys(("p01", "p02", "p04", "p05"), "b")
    assert names(suspects(CHAIN, both, "p02"))[0] == "p01"


def test_where_many_move_anyway_having_moved_says_less() -> None:
    """Readers that moved speak against an input less where projects move without any input that changed."""
    more = {f"p{number}": project(f"p{number}") for number in range(11, 15)}
    wheel = CHAIN | more
    digits = dict.fromkeys(("p01", "p02", "p04", "p05"), "b")
    quiet = {item.project: item.suspicion for item in suspects(wheel, digits, "p02")}
    restless = {item.project: item.suspicion for item in suspects(wheel, digits | dict.fromkeys(more, "b"), "p02")}
    assert restless["p01"] < quiet["p01"]
    assert restless["p02"] > quiet["p02"]


def test_readers_with_another_reason_prove_nothing() -> None:
    """A reader that moved while another of its inputs changed too is no evidence against the one or the other."""
    wheel = contracts(project("p01"), project("p02"), project("p03", "p01", "p02"), project("p04", "p01"))
    digits = {"p01": "b", "p02": "b", "p03": "b", "p04": "a"}
    compared = step(wheel, turn(wheel, {}, {}, name="before"), turn(wheel, digits, {}))
    by_name = {item.project: item for item in rank(Lineage(wheel, [compared]), {"p04": 1.0})}
    # p03 moved, and p02 may have moved it: p04 stands alone with its 0 of 0.
    assert "no other reader" in by_name["p04"].why


def test_a_larger_change_is_suspected_more() -> None:
    """Of two changed inputs the one that lost half of its rows is suspected before the one that did not."""
    wheel = contracts(project("p01"), project("p02"), project("p03", "p01", "p02"))
    half = {"p02_data": replace(version("p02_data", "b"), rows=6)}
    digits = {"p01": "b", "p02": "b", "p03": "b"}
    found = suspects(wheel, digits, "p03")
    assert found[0].suspicion == found[1].suspicion
    now = turn(wheel, digits, {})
    now["p02"] = replace(now["p02"], interfaces_out=half)
    compared = step(wheel, turn(wheel, {}, {}, name="before"), now)
    assert names(rank(Lineage(wheel, [compared]), {"p03": 1.0}))[0] == "p02"


@pytest.mark.parametrize("own", [{"contract_digest": "f" * 64}, {"code_version": "c" * 40}, {"carried_from": 1}])
def test_a_cause_of_its_own_outweighs_a_bare_input(own: dict[str, Any]) -> None:
    """A project whose contract, code or kind of evidence changed is suspected before an input that merely differs."""
    found = suspects(CHAIN, {"p02": "b", "p03": "b"}, "p03", more={"p03": own})
    assert names(found)[0] == "p03"
    assert "its own" in found[0].why


def test_code_that_moved_nobody_says_little() -> None:
    """A code version that all projects share and that moved none of the others leaves the changed input suspected."""
    code = {name: {"code_version": "c" * 40} for name in CHAIN}
    found = suspects(CHAIN, {"p02": "b", "p03": "b"}, "p03", more=code)
    assert names(found)[0] == "p02"


def test_feedback_arrives_one_turn_later() -> None:
    """What p09 makes now reaches nobody yet: what it made before is suspected, under that iteration's number."""
    second = {"p09": "b"}
    turns = [
        turn(CHAIN, {}, {}, name="1"),
        turn(CHAIN, second, {}, name="2"),
        turn(CHAIN, dict.fromkeys(("p02", "p03", "p04", "p05"), "b") | {"p09": "c"}, second, name="3"),
    ]
    lineage = Lineage(CHAIN, [step(CHAIN, turns[1], turns[2], 3), step(CHAIN, turns[0], turns[1], 2)])
    found = rank(lineage, {"p04": 1.0})
    assert (found[0].project, found[0].lag, found[0].iteration) == ("p09", 1, 2)
    assert reachable(lineage, ["p04"]) == {Place(0, "p04"), Place(1, "p09")}


def test_a_turn_that_is_not_compared() -> None:
    """Suspicion that leads to a turn nobody compared stays there, and the reader is told so."""
    before, now = turn(CHAIN, {}, {"p09": "a"}, name="2"), turn(CHAIN, {"p04": "b"}, {"p09": "b"}, name="3")
    found = rank(Lineage(CHAIN, [step(CHAIN, before, now, 3)]), {"p04": 1.0})
    (other,) = (item for item in found if item.project == "p09")
    assert "not compared" in other.why
    assert (other.iteration, other.changes) == (2, ())


def test_runs_that_say_nothing_of_their_inputs() -> None:
    """A run that logged no input is taken to have read what its producers made."""
    before, now = turn(CHAIN, {}, {}, name="2"), turn(CHAIN, {"p01": "b", "p04": "b"}, {}, name="3")
    for found in (before, now):
        found["p04"] = replace(found["p04"], interfaces_in=())
    lineage = Lineage(CHAIN, [step(CHAIN, before, now)])
    assert Place(0, "p01") in reachable(lineage, ["p04"])


def test_a_project_without_evidence_now() -> None:
    """A project that lost its evidence keeps the suspicion: nothing says what it would have read."""
    now = turn(CHAIN, {"p01": "b"}, {})
    del now["p03"]
    (only,) = rank(Lineage(CHAIN, [step(CHAIN, turn(CHAIN, {}, {}, name="2"), now)]), {"p03": 1.0})
    assert only.changes[0].text == "no evidence any more"
    assert "one side only" in only.why


@given(
    digits=st.fixed_dictionaries({name: st.sampled_from("ab") for name in CHAIN}),
    quality=st.fixed_dictionaries({name: st.sampled_from([1.0, 0.5]) for name in CHAIN}),
    start=st.dictionaries(st.sampled_from(sorted(CHAIN)), st.floats(0.01, 1.0), min_size=1),
)
def test_suspicion_is_neither_made_nor_lost(
    digits: dict[str, str], quality: dict[str, float], start: dict[str, float]
) -> None:
    """The shares of all suspects add up to what the walk started with, and each project is named once an iteration."""
    turns = [turn(CHAIN, {}, {}, name="1"), turn(CHAIN, {}, {}, name="2")]
    now = turn(CHAIN, digits, {"p09": digits["p09"]}, quality=quality, name="3")
    lineage = Lineage(CHAIN, [step(CHAIN, turns[1], now, 3), step(CHAIN, turns[0], turns[1], 2)])
    found = rank(lineage, start)
    assert isclose(sum(item.suspicion for item in found), sum(start.values()))
    assert len({(item.project, item.lag) for item in found}) == len(found)
    assert {Place(item.lag, item.project) for item in found} <= reachable(lineage, start)
    assert [item.suspicion for item in found] == sorted((item.suspicion for item in found), reverse=True)


def metrics(**values: float | None) -> Metrics:
    """p02.size and p03.speed, their mean, a count of runs, and a number of p10's."""
    found = Metrics()
    for name in ("p02.size", "p03.speed", "p10.own", "flywheel.run_count"):
        found.add(Metric(name, values.get(name.partition(".")[2]), "ratio", "read"))
    mean = values.get("mean")
    found.add(Metric("flywheel.mean", mean, "ratio", "mean", inputs=("p02.size", "p03.speed", "p10.own")))
    return found


WHEEL = CHAIN | {"p10": contract("p10", registry_role="assembly_layer")}


def test_where_the_walk_starts() -> None:
    """A project's number starts at the project; a mean at those of its inputs that changed, by how much they did."""
    before, now = metrics(size=1.0, speed=1.0, mean=1.0), metrics(size=0.8, speed=0.4, mean=0.6)
    assert starting_suspicion("p02.size", now, before, WHEEL) == {"p02": 1.0}
    found = starting_suspicion("flywheel.mean", now, before, WHEEL)
    assert found == pytest.approx({"p02": 0.25, "p03": 0.75})


def test_numbers_no_project_stands_behind() -> None:
    """An unknown name is told; so is a count of runs, a number of the assembly's own, a mean of what is the same."""
    same = metrics(size=1.0, speed=1.0, mean=1.0)
    with pytest.raises(UnknownName):
        starting_suspicion("p02.siez", same, same, WHEEL)
    for name in ("flywheel.run_count", "flywheel.mean", "p10.own"):
        with pytest.raises(InputError, match="does not rest on numbers of projects"):
            starting_suspicion(name, same, same, WHEEL)


def test_a_task_is_a_cause_of_its_projects_own() -> None:
    """The project that read one keeps more of the suspicion, and the text says which task; read again it is nothing."""
    made, digits = CHAIN, {"p01": "b", "p02": "b"}
    without = suspects(made, digits, "p03")
    tasked = suspects(made, digits, "p03", more={"p02": {"tasks": ("p02-3-more",)}})
    share = {item.project: item.suspicion for item in without}
    (found,) = [item for item in tasked if item.project == "p02"]
    assert found.suspicion > share["p02"]
    assert "changed because of task p02-3-more" in found.why
    assert found.changes[0].text == "p02-3-more read for the first time"
    again = {"p02": {"tasks": ("p02-3-more",)}}
    before, now = turn(made, {}, {}, more=again, name="before"), turn(made, digits, {}, more=again)
    kept = {item.project: item.suspicion for item in rank(Lineage(made, [step(made, before, now)]), {"p03": 1.0})}
    assert kept == share


def test_a_project_with_a_task_proves_nothing_about_what_it_read() -> None:
    """A reader that moved while it had a task counts neither for its input nor as one that moves anyway."""
    digits = {"p01": "b", "p02": "b", "p04": "b"}
    more = {"p04": {"tasks": ("t",)}}
    (told,) = [item for item in suspects(CHAIN, digits, "p02") if item.project == "p02"]
    (silent,) = [item for item in suspects(CHAIN, digits, "p02", more=more) if item.project == "p02"]
    assert "p01_data (moved 1 of 2 other readers)" in told.why
    assert "p01_data (moved 0 of 1 other readers)" in silent.why


PUBLISHED: dict[str, Any] = {"kind": EvidenceKind.PUBLISHED, "interfaces_out": {}, "interfaces_in": ()}


def published(found: dict[str, ProjectEvidence], *names: str) -> dict[str, ProjectEvidence]:
    """The same turn with published figures, and no data, of these projects."""
    return {name: replace(item, **PUBLISHED) if name in names else item for name, item in found.items()}


def after_published(*names: str) -> Lineage:
    """Three turns: these projects rest on published figures in the first; in the third all hear of p09 and move."""
    turns = [
        published(turn(CHAIN, {}, {}, name="1"), *names),
        turn(CHAIN, {}, {}, name="2"),
        turn(CHAIN, dict.fromkeys(("p02", "p03", "p04", "p05"), "b"), {}, name="3"),
    ]
    # Nothing of p09 could be read in the second turn: in the first it had made nothing.
    turns[1] = {name: replace(item, interfaces_in=item.interfaces_in[:1]) for name, item in turns[1].items()}
    return Lineage(CHAIN, [step(CHAIN, turns[1], turns[2], 3), step(CHAIN, turns[0], turns[1], 2)])


def test_a_turn_of_published_figures_suspects_nobody() -> None:
    """Where a whole turn went from published to measured figures nothing in it is suspected, and the reader is told."""
    lineage = after_published(*CHAIN)
    assert reachable(lineage, ["p04"]) == {Place(0, "p04")}
    (only,) = rank(lineage, {"p04": 1.0})
    assert (only.project, only.lag, only.suspicion) == ("p04", 0, 1.0)
    assert "not weighed: p09_data" in only.why
    assert "published figures" in only.why
    assert "none of the inputs" not in only.why


def test_a_project_that_alone_had_published_figures_is_suspected() -> None:
    """The first data of a project that joined while the others went on are a cause like any other."""
    found = rank(after_published("p09"), {"p04": 1.0})
    assert (found[0].project, found[0].lag) == ("p09", 1)
    assert not any("not weighed" in item.why for item in found)


@pytest.mark.parametrize("backward", [False, True])
def test_between_published_and_measured_figures_the_number_stands_alone(backward: bool) -> None:
    """Asked about the very step in which the figures were measured first, or back, a project explains itself alone."""
    pair = [published(turn(CHAIN, {}, {}, name="1"), *CHAIN), turn(CHAIN, {}, {}, name="2")]
    before, now = reversed(pair) if backward else pair
    (only,) = rank(Lineage(CHAIN, [step(CHAIN, before, now, 2)]), {"p03": 1.0})
    assert (only.project, only.suspicion) == ("p03", 1.0)
    assert "its own evidence changed" in only.why


def test_projects_with_published_figures_are_no_trial() -> None:
    """A reader in a turn that went from published to measured figures says nothing of what its input does to others."""
    digits = {"p01": "b", "p02": "b"}
    compared = step(CHAIN, turn(CHAIN, {}, {}, name="before"), turn(CHAIN, digits, {}))
    first = {
        name: replace(item, kind=EvidenceKind.PUBLISHED)
        for name, item in turn(CHAIN, {"p01": "c"}, {}, name="1").items()
    }
    turned = step(CHAIN, first, turn(CHAIN, {}, {}, name="2"), 2)
    alone = rank(Lineage(CHAIN, [compared]), {"p02": 1.0})
    both = rank(Lineage(CHAIN, [compared, turned]), {"p02": 1.0})
    assert [(item.project, item.suspicion, item.why) for item in both] == [
        (item.project, item.suspicion, item.why) for item in alone
    ]
