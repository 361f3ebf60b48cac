"""Tests of release bundles."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flywheels import READY, collected_of, evidence_of, small_flywheel, version
from hypothesis import given
from hypothesis import strategies as st
from releases_ledger import NOON, LedgerBuilder

from flywheel_mlflow.assembly import deliverables
from flywheel_mlflow.assembly.assembly import Assembly, assemble
from flywheel_mlflow.assembly.bundle import (
    BLUEPRINT,
    CHECKS,
    DRIFT,
    INTERFACES,
    MANIFEST,
    METRICS,
    REGISTRY,
    RISKS,
    TASKS,
    Bundle,
    bundle_faults,
    make_bundle,
    measured,
    pins_digest,
    read_bundle,
)
from flywheel_mlflow.base.canonical import document_json, sha256_text
from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.evidence.runs import Check, KpiValue, Outcome
from flywheel_mlflow.reports.bundle import render_deliverables

WHEEL = small_flywheel()
ADDRESSES = {"x": "s3://store/x/"}


def assembled(**evidence: Any) -> Assembly:
    """The small flywheel assembled; ``evidence`` replaces what single projects showed."""
    collected = collected_of(WHEEL)
    return assemble(WHEEL, replace(collected, evidence={**collected.evidence, **evidence}))


def bundle_from(assembly: Assembly | None = None, **more: Any) -> Bundle:
    given: dict[str, Any] = {
        "licences": {"p01_data": "CC-BY-4.0"},
        "addresses": ADDRESSES,
        "drift": {"compared": False},
        "risks": (),
    }
    files = more.pop("files", None) or render_deliverables(assembly or assembled(), checks=[READY])
    return make_bundle(WHEEL, 2, "run-a", "d" * 64, files, **(given | more))


BUNDLE = bundle_from()


def test_a_bundle_is_plain_json_that_reads_back() -> None:
    """Nine files, each JSON; what is read back pins the same, and nothing differs."""
    assert set(BUNDLE.files) == {MANIFEST, INTERFACES, REGISTRY, METRICS, CHECKS, DRIFT, RISKS, BLUEPRINT, TASKS}
    assert all(json.loads(text) is not None for text in BUNDLE.files.values())
    assert bundle_faults(BUNDLE.files, BUNDLE.digest) == ()
    assert read_bundle(BUNDLE.files, BUNDLE.digest) == BUNDLE
    assert BUNDLE.place == f"release/{BUNDLE.digest[:16]}"


def test_equal_evidence_gives_an_equal_digest() -> None:
    """Whatever the order in which files, licences, addresses and projects come."""
    files = render_deliverables(assembled(), checks=[READY])
    turned = dict(reversed(files.items()))
    again = bundle_from(files=turned, addresses=dict(reversed([*ADDRESSES.items(), ("y", "z")])))
    assert (again.digest, again.files) == (BUNDLE.digest, BUNDLE.files)


@pytest.mark.parametrize(
    "more",
    [
        {"drift": {"compared": True}},
        {"licences": {}},
        {"addresses": {}},
        {"assembly": {"p01": evidence_of(WHEEL.contracts["p01"], kpis={"retention": KpiValue(0.19, 10)})}},
        {"assembly": {"p01": evidence_of(WHEEL.contracts["p01"], Check("ready", Outcome.FAILED))}},
    ],
)
def test_other_evidence_gives_another_digest(more: dict[str, Any]) -> None:
    """Drift, licences, places, a KPI, a check: each is in the digest."""
    more = dict(more)
    assembly = assembled(**more.pop("assembly", {}))
    assert bundle_from(assembly, **more).digest != BUNDLE.digest


@given(st.sampled_from(sorted(BUNDLE.files)), st.data())
def test_any_edit_is_found(name: str, data: st.DataObject) -> None:
    """One character replaced, left out or added in any file, even a blank between two values."""
    text = BUNDLE.files[name]
    place, char = data.draw(st.integers(0, len(text) - 1)), data.draw(st.sampled_from(' \n0"') | st.characters())
    edited = data.draw(
        st.sampled_from(
            [
                text[:place] + char + text[place + 1 :],
                text[:place] + text[place + 1 :],
                text[:place] + char + text[place:],
            ]
        )
    )
    faults = bundle_faults({**BUNDLE.files, name: edited}, BUNDLE.digest)
    assert bool(faults) is (edited != text)
    assert all(name in fault for fault in faults)


@given(st.sets(st.sampled_from(sorted(BUNDLE.files)), min_size=1), st.sets(st.text(min_size=1, max_size=8), max_size=2))
def test_any_removal_and_addition_is_found(gone: set[str], added: set[str]) -> None:
    """Each file that is missing is named, and each that does not belong there."""
    files = {name: text for name, text in BUNDLE.files.items() if name not in gone} | dict.fromkeys(added, "{}")
    told = " ".join(bundle_faults(files, BUNDLE.digest))
    assert all(f"{name} is missing" in told for name in gone if MANIFEST not in gone)
    assert MANIFEST not in gone or told == f"{MANIFEST} is missing"
    with_more = bundle_faults(dict(BUNDLE.files) | dict.fromkeys(added, "{}"), BUNDLE.digest)
    assert len(with_more) == len(added)


def test_another_bundle_is_not_this_one() -> None:
    """A whole bundle put in its place, consistent in itself, has another digest."""
    other = bundle_from(licences={})
    (fault,) = bundle_faults(other.files, BUNDLE.digest)
    assert "was edited" in fault
    with pytest.raises(InputError, match="not the one that was registered"):
        read_bundle(other.files, BUNDLE.digest)


def registered_as(changes: Mapping[str, str | None]) -> tuple[dict[str, str], str]:
    """Files that somebody made by hand and registered: every digest fits."""
    files = {name: text for name, text in {**BUNDLE.files, **changes}.items() if text is not None}
    if MANIFEST not in changes:
        manifest = json.loads(files[MANIFEST])
        manifest["files"] = {name: sha256_text(text) for name, text in files.items() if name != MANIFEST}
        files[MANIFEST] = document_json(manifest)
    return files, sha256_text(files[MANIFEST])


PIN = {**json.loads(BUNDLE.files[INTERFACES])["interfaces"][0]}


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "[]",
        "{}",
        "null",
        "not JSON",
        '{"interfaces": {}, "left_out": []}',
        '{"interfaces": ["p01"], "left_out": {}}',
        '{"interfaces": [{"interface": "x"}], "left_out": {}}',
        json.dumps({"interfaces": [PIN | {"digest": None}], "left_out": {}}),
        json.dumps({"interfaces": [PIN | {"rows": "many"}], "left_out": {}}),
        json.dumps({"interfaces": [PIN | {"uri": ["a"]}], "left_out": {}}),
        json.dumps({"interfaces": [], "left_out": {"x": 5}}),
        "[" * 50_000,
    ],
)
def test_a_bundle_made_by_hand_is_bad_input(text: str | None) -> None:
    """A digest that fits proves no shape: consumers are told that the content is not a release's."""
    files, digest = registered_as({INTERFACES: text})
    with pytest.raises(InputError, match="does not hold what a release holds"):
        read_bundle(files, digest)


@pytest.mark.parametrize(
    "text", ["[]", "{}", "not JSON", '{"metrics": []}', '{"metrics": {"a": 5}}', '{"metrics": {"a": {"value": "5"}}}']
)
def test_numbers_made_by_hand_are_bad_input(text: str) -> None:
    """No number is guessed from a file that is shaped otherwise."""
    files, digest = registered_as({METRICS: text})
    with pytest.raises(InputError, match="does not hold what a release holds"):
        measured(read_bundle(files, digest))


@pytest.mark.parametrize("text", ["[]", "{}", "7", "not JSON", '{"files": []}', '{"files": {"registry.json": 5}}'])
def test_a_manifest_made_by_hand_has_faults(text: str) -> None:
    """It was registered with its digest and lists nothing that is there."""
    assert bundle_faults(*registered_as({MANIFEST: text}))


def test_every_pin_says_where_and_what_it_is() -> None:
    """Interface, URI by run, digests, licence where somebody stated one, the store's own address where it is known."""
    pins = {pin.interface: pin for pin in BUNDLE.pins}
    assert list(pins) == sorted(pins)
    first = pins["p01_data"]
    assert (first.project, first.run_id, first.iteration, first.rows) == ("p01", "run-p01", 2, 12)
    assert (first.digest, first.licence) == ("a" * 32, "CC-BY-4.0")
    assert pins["p02_data"].licence is None


def test_an_address_is_told_for_the_run_the_data_lie_on() -> None:
    """A pin by ``runs:/`` whose run's place is known needs no further request; other URIs stay as they are."""
    assert {pin.address for pin in BUNDLE.pins} == {f"s3://store/x/{pin.interface}" for pin in BUNDLE.pins}
    assert {pin.address for pin in bundle_from(addresses={"y": "s3://store/y/"}).pins} == {None}
    moved = {"p01_data": replace(version("p01_data"), uri="s3://elsewhere/p01")}
    other = bundle_from(assembled(p01=evidence_of(WHEEL.contracts["p01"], interfaces_out=moved)))
    first = next(pin for pin in other.pins if pin.interface == "p01_data")
    assert (first.uri, first.address) == ("s3://elsewhere/p01", None)


def test_what_cannot_be_consumed_is_left_out_with_its_reason() -> None:
    """A failed check takes a project's interfaces out, and whose version nobody logged has none to pin."""
    evidence = {
        "p01": evidence_of(WHEEL.contracts["p01"], Check("ready", Outcome.FAILED)),
        "p02": evidence_of(WHEEL.contracts["p02"], interfaces_out={}),
    }
    assembly = assembled(**evidence)
    found = bundle_from(assembly)
    pinned = {pin.interface for pin in found.pins}
    assert not {"p01_data", "p02_data"} & pinned
    assert found.left_out["p01_data"] == f"p01 is not consumable: {assembly.registry['p01'].reasons[0]}"
    assert found.left_out["p02_data"] == "p02 logged no version of it"
    promised = {item.name for contract in WHEEL.contracts.values() for item in contract.interfaces_out}
    assert pinned | set(found.left_out) == promised
    assert not pinned & set(found.left_out)


def test_only_open_risks_are_kept() -> None:
    """A release tells the risks it is made under, not those that are over."""
    story = LedgerBuilder()
    story.open_risk(due=(NOON + timedelta(days=3)).isoformat())
    story.open_risk()
    story.write("risk_closed", {"risk": "R0", "evidence": "run", "reason": "gone"})
    found = bundle_from(risks=story.risks.values())
    assert [item["id"] for item in json.loads(found.files[RISKS])] == ["R1"]


@pytest.mark.parametrize("name", [deliverables.REGISTRY, deliverables.METRICS, deliverables.TEST_RESULTS])
def test_an_assembly_that_lacks_a_file_makes_no_release(name: str) -> None:
    """The file is named, and what makes it."""
    files = render_deliverables(assembled(), checks=[READY])
    del files[name]
    with pytest.raises(InputError, match="flywheel assemble --iteration 2 --force") as caught:
        bundle_from(files=files)
    assert name in caught.value.what


def test_numbers_come_with_sample_and_direction() -> None:
    """KPIs with n and direction from the registry and their own run, other numbers with the assembly's run."""
    kpis = {"latency": KpiValue(120.0, 500)}
    found = measured(bundle_from(assembled(p03=evidence_of(WHEEL.contracts["p03"], kpis=kpis))))
    latency = found["p03.latency"]
    assert (latency.value, latency.n, latency.run_id, latency.direction) == (120.0, 500, "run-p03", "lower")
    score = found["flywheel.mean_stage_score"]
    assert (score.run_id, score.n, score.direction) == ("run-a", None, "higher")
    assert found["p01.retention"].direction == "higher"


def test_an_older_bundle_has_directions_by_name() -> None:
    """Before numbers were written with their direction, the declaration of this package says it."""
    bundle = bundle_from()
    document = json.loads(bundle.files["metrics.json"])
    for metric in document["metrics"].values():
        del metric["direction"]
    old = replace(bundle, files={**bundle.files, "metrics.json": json.dumps(document)})
    assert {name: item.direction for name, item in measured(old).items()} == {
        name: item.direction for name, item in measured(bundle).items()
    }
    assert measured(old)["flywheel.carried_count"].direction == "lower"


def test_unknown_numbers_stay_unknown() -> None:
    """A KPI nobody measured is None in the bundle, not 0 and not absent by accident."""
    found = measured(bundle_from(assembled(p01=evidence_of(WHEEL.contracts["p01"], kpis={}))))
    assert found.get("p01.retention") is None or found["p01.retention"].value is None


def test_pins_have_a_digest_of_their_own() -> None:
    """It differs as soon as one pin says something else."""
    first, *others = BUNDLE.pins
    assert pins_digest(BUNDLE.pins) == pins_digest(list(BUNDLE.pins))
    assert pins_digest([replace(first, digest="0" * 32), *others]) != pins_digest(BUNDLE.pins)
    assert pins_digest(others) != pins_digest(BUNDLE.pins)
