"""Tests of the assembly layer's own evidence."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from flywheels import READY, collected_of, contract, kpi_document, small_flywheel

from flywheel_mlflow.assembly.assembly import Assembly, assemble
from flywheel_mlflow.base.canonical import sha256_text, short_digest
from flywheel_mlflow.evidence.flywheel import Flywheel
from flywheel_mlflow.evidence.runs import Check, EvidenceKind, InterfaceVersion, KpiValue, Outcome, ProjectEvidence
from flywheel_mlflow.operations.projects.self_evidence import own_files, self_evidence


def wheel_with_own(**more: object) -> Flywheel:
    """The small flywheel whose assembly layer promises what the product makes."""
    wheel = small_flywheel()
    outs = [
        {"name": name, "title": name, "format": "opaque", "schema": "opaque"}
        for name in ("project_registry", "release_gate", "p10_data")
    ]
    kpis = [
        kpi_document("upstream_check_pass_rate"),
        kpi_document("nested", path="acceptance.registry_completeness.value"),
        kpi_document("release_pass_rate"),
    ]
    reads = [{"name": "p01_data"}, {"name": "p02_data"}]
    values: dict[str, object] = {"interfaces_out": outs, "kpis": kpis, "interfaces_in": reads} | more
    own = contract("p10", registry_role="assembly_layer", layers=["governance"], stages=["last"], **values)
    return replace(wheel, contracts={**wheel.contracts, "p10": own})


def drafted(wheel: Flywheel) -> Assembly:
    return assemble(wheel, collected_of(wheel, "p01"))


def own(assembly: Assembly, *checks: Check) -> ProjectEvidence:
    found = self_evidence(assembly, checks)
    assert found is not None
    return found


def test_it_is_marked_and_has_no_run_and_no_hour() -> None:
    """Self-evidence is never taken for measured evidence, and an assembly reads no clock."""
    found = own(drafted(wheel_with_own()), READY)
    assert (found.kind, found.run_id, found.ended, found.iteration) == (EvidenceKind.SELF, None, None, 2)


def test_its_numbers_are_the_assemblys() -> None:
    """KPIs are read from the metrics document; what the assembly does not know stays unknown."""
    assembly = drafted(wheel_with_own())
    assert own(assembly, READY).kpis == {
        "upstream_check_pass_rate": KpiValue(assembly.metrics.value("flywheel.upstream_check_pass_rate")),
        "nested": KpiValue(assembly.metrics.value("flywheel.registry_completeness")),
        "release_pass_rate": KpiValue(None),
    }


def test_its_interfaces_are_the_texts_it_keeps() -> None:
    """Each version's digest is of the file, only promised ones are made, and the own entry is left out."""
    assembly = drafted(wheel_with_own())
    files, versions = own_files(assembly), own(assembly, READY).interfaces_out
    assert sorted(versions) == ["project_registry", "release_gate"]
    for version in versions.values():
        text = files[version.uri]
        assert version.digest == short_digest(sha256_text(text))
        assert version.bytes == len(text.encode())
    registry = json.loads(files["interfaces/project_registry.json"])
    assert [entry["project_id"] for entry in registry] == ["p01", "p02", "p03"]


def test_it_read_every_input_that_has_a_version() -> None:
    """Of two declared inputs, the one that exists is logged, with the version that was made."""
    found = own(drafted(wheel_with_own()), READY)
    assert [(item.name, item.digest) for item in found.interfaces_in] == [("p01_data", "a" * 32)]


def test_its_checks_are_judged_like_anybodys() -> None:
    """A failed check of the assembly makes the assembly layer not consumable."""
    wheel = wheel_with_own()
    draft = drafted(wheel)
    for outcome, consumable in ((Outcome.PASSED, True), (Outcome.FAILED, False)):
        evidence = own(draft, Check("ready", outcome))
        evidence = replace(evidence, interfaces_out={**evidence.interfaces_out, "p10_data": _any(evidence)})
        found = assemble(wheel, collected_of(wheel, "p01"), self_evidence=evidence)
        assert found.registry["p10"].consumable is consumable


def _any(evidence: ProjectEvidence) -> InterfaceVersion:
    return next(iter(evidence.interfaces_out.values()))


def test_equal_assemblies_have_equal_self_evidence() -> None:
    """An assembly that contains its own evidence shows the same evidence again; a changed check shows."""
    wheel = wheel_with_own(kpis=[kpi_document("project_count")])
    draft = drafted(wheel)
    first = own(draft, READY)
    assert first == own(drafted(wheel), READY)
    assert own(assemble(wheel, draft.collected, self_evidence=first), READY) == first
    assert own(draft, Check("ready", Outcome.FAILED)).evidence_digest != first.evidence_digest


@pytest.mark.parametrize("files", [own_files, lambda found: self_evidence(found, [READY]) or {}])
def test_a_flywheel_may_do_without(files: object) -> None:
    """Without a project for the assembly layer there is no self-evidence and no file of it."""
    wheel = small_flywheel()
    bare = replace(wheel, contracts={name: item for name, item in wheel.contracts.items() if name != "p10"})
    assert callable(files)
    assert files(drafted(bare)) == {}
