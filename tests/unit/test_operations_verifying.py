"""Tests of verifying exports: whose seal, whose signature, and by which rules."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from releases_ledger import ANA, MAKER, NOON, LedgerBuilder, basis_of, release_blueprint, release_plan

from flywheel_mlflow.base.canonical import canonical_json, document_json, plain, sha256_text
from flywheel_mlflow.base.signing import SigningKey, new_key
from flywheel_mlflow.decisions.gate_facts import Verdict
from flywheel_mlflow.operations.releases.exporting import PURPOSE
from flywheel_mlflow.operations.releases.verifying import Verification, verify_export
from flywheel_mlflow.promises.blueprint import Blueprint

NOW = NOON + timedelta(days=1)


@pytest.fixture(scope="module")
def seal(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return new_key(tmp_path_factory.mktemp("server") / "seal.pem")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return new_key(tmp_path_factory.mktemp("server") / "other.pem")


def exported(
    folder: Path,
    rules: Blueprint,
    *,
    seal: SigningKey | None = None,
    signer: SigningKey | None = None,
    cut: int = 0,
    backdated: int = 0,
) -> Path:
    """An export of release 1, approved by ana under ``rules``, as `flywheel release export` writes it.

    ``seal`` seals the events, ``signer`` signs the end of the ledger; ``cut`` newest events are then taken away, and
    the export's own words about its end mended, as somebody does who hides them. The newest event is ``backdated``.
    """
    blueprint = document_json(rules)
    manifest = document_json({"files": {"blueprint.json": sha256_text(blueprint)}})
    bundle = sha256_text(manifest)
    story = LedgerBuilder(blueprint=rules)
    registered = {"version": 1, "iteration": 1, "run_id": "r", "bundle": bundle, "place": "p"}
    story.write("registered", registered, actor=MAKER, seal=seal)
    basis = basis_of(1, rules)
    story.approve(1, actor=ANA, basis=replace(basis, bundle=bundle), seal=seal)
    said = {"version": 1, "role": "reviewer", "reason": "no"}
    story.write("rejected", said, seal=seal, at=story.clock - timedelta(days=backdated))
    words = {
        "purpose": PURPOSE,
        "flywheel": "tiny-flywheel",
        "head": story.ledger.head,
        "events": len(story.ledger.events),
        "at": NOON.isoformat(),
    }
    text = canonical_json(words)
    events = story.ledger.events[: len(story.ledger.events) - cut]
    document = {
        "format_version": 1,
        "flywheel": "tiny-flywheel",
        "version": 1,
        "head": events[-1].digest,
        "events": len(events),
        "statement": text,
        "signature": plain(signer.sign(text)) if signer else None,
    }
    (folder / "bundle").mkdir(parents=True)
    (folder / "bundle" / "manifest.json").write_text(manifest)
    (folder / "bundle" / "blueprint.json").write_text(blueprint)
    (folder / "ledger.jsonl").write_text("".join(f"{event.text}\n" for event in events))
    (folder / "export.json").write_text(document_json(document))
    return folder


def holds(found: Verification) -> dict[str, bool | None]:
    return {item.name: item.holds for item in found.checks}


def keyed(*keys: SigningKey, **more: Any) -> Blueprint:
    """Rules that believe these servers."""
    return release_blueprint(server_keys=[key.public_key for key in keys], **more)


def test_a_sealed_export_with_a_signed_end_passes(tmp_path: Path, seal: SigningKey) -> None:
    """Every event bears the server's seal, and the server says where the ledger ended."""
    rules = keyed(seal)
    found = verify_export(exported(tmp_path / "x", rules, seal=seal, signer=seal), rules, now=NOW)
    assert found.verdict is Verdict.PASS, found.checks


def test_a_ledger_without_seals_is_inconclusive_where_keys_are_declared(tmp_path: Path, seal: SigningKey) -> None:
    """Anybody can write a ledger that holds together: without a seal nobody proves that it is the server's."""
    rules = keyed(seal)
    found = verify_export(exported(tmp_path / "x", rules), rules, now=NOW)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert [name for name, good in holds(found).items() if good is None] == ["server seals", "end of the ledger"]


def test_a_forged_export_is_inconclusive_whatever_it_says_itself(
    tmp_path: Path, seal: SigningKey, other: SigningKey
) -> None:
    """A forger seals with a key of their own, and names it in the bundle: flywheel.yaml does not know it."""
    folder = exported(tmp_path / "x", keyed(other), seal=other, signer=other)
    found = verify_export(folder, keyed(seal), now=NOW)
    assert found.verdict is Verdict.BLOCK
    assert holds(found)["end of the ledger"] is False
    assert verify_export(folder, None, now=NOW).verdict is Verdict.PASS


def test_an_export_with_its_newest_events_cut_off_is_found(tmp_path: Path, seal: SigningKey) -> None:
    """The chain holds without them; what the server signed does not fit any more, and without it nothing is told."""
    rules = keyed(seal)
    cut = verify_export(exported(tmp_path / "cut", rules, seal=seal, signer=seal, cut=1), rules, now=NOW)
    assert {name for name, good in holds(cut).items() if good is False} == {"end of the ledger"}
    bare = verify_export(exported(tmp_path / "bare", rules, seal=seal, cut=1), rules, now=NOW)
    assert (bare.verdict, holds(bare)["end of the ledger"]) == (Verdict.INCONCLUSIVE, None)


def test_a_person_signs_the_end_where_no_server_does(tmp_path: Path, other: SigningKey) -> None:
    """Who has a key in flywheel.yaml can say where the ledger ended."""
    plan = release_plan()
    plan["people"] = [{"id": "maker"}, {"id": "ana"}, {"id": "bo", "public_key": other.public_key}]
    rules = release_blueprint(plan)
    found = verify_export(exported(tmp_path / "x", rules, signer=other), rules, now=NOW)
    assert found.verdict is Verdict.PASS
    assert next(item.text for item in found.checks if item.name == "end of the ledger").startswith("signed by bo")
    cut = verify_export(exported(tmp_path / "cut", rules, signer=other, cut=1), rules, now=NOW)
    assert cut.verdict is Verdict.BLOCK


@pytest.mark.parametrize("change", ["got a key", "left the role"])
def test_the_past_is_judged_by_the_rules_of_its_time(tmp_path: Path, other: SigningKey, change: str) -> None:
    """An export that verified yesterday verifies today, after its approver got a key or left the role."""
    before, plan = release_blueprint(), release_plan()
    if change == "got a key":
        plan["people"][1]["public_key"] = other.public_key
    else:
        plan["roles"][0]["people"] = ["bo", "maker"]
    folder = exported(tmp_path / "x", before)
    assert verify_export(folder, before, now=NOW).verdict is Verdict.PASS
    found = verify_export(folder, release_blueprint(plan), now=NOW)
    assert found.verdict is Verdict.PASS, found.checks
    assert "of that time" in next(item.text for item in found.checks if item.name.startswith("approval"))


def test_rules_that_nothing_holds_any_more_leave_an_approval_open(tmp_path: Path) -> None:
    """The file changed twice since the bundle was made: nobody can say whether the approval was anybody's to give."""
    plan = release_plan()
    plan["roles"][0]["people"] = ["bo", "maker"]
    folder = exported(tmp_path / "x", release_blueprint())
    blueprint = folder / "bundle" / "blueprint.json"
    blueprint.write_text(document_json(release_blueprint(plan)))
    found = verify_export(folder, release_blueprint(plan), now=NOW)
    assert holds(found)["approval of ana as reviewer"] is None


def test_times_that_run_backwards_or_ahead_are_found(tmp_path: Path) -> None:
    """An event dated before the one it follows, or after the present."""
    rules = release_blueprint()
    back = verify_export(exported(tmp_path / "back", rules, backdated=2_000), rules, now=NOW)
    ahead = verify_export(exported(tmp_path / "ahead", rules, backdated=-3_000), rules, now=NOW)
    assert (back.verdict, holds(back)["times"]) == (Verdict.BLOCK, False)
    assert (ahead.verdict, holds(ahead)["times"]) == (Verdict.BLOCK, False)
