"""What differs between two releases: judged as the page of their two iterations judges it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from console_cases import AT, LINKS, compared_side, recorded, section, texts
from drift_cases import quiet_turns
from hypothesis import given, settings
from hypothesis import strategies as st
from releases_ledger import LedgerBuilder
from reports_flywheel import contracts, evidence_of, flywheel, healthy_assembly, small_assembly, version

from flywheel_mlflow.assembly import deliverables
from flywheel_mlflow.assembly.assembly import Assembly
from flywheel_mlflow.assembly.bundle import METRICS, Bundle, make_bundle
from flywheel_mlflow.assembly.diff import NumberChange, ReleaseDiff, diff_bundles
from flywheel_mlflow.base.canonical import digest_of
from flywheel_mlflow.drift.differences import Pair, kpi_findings, recorded_findings
from flywheel_mlflow.evidence.runs import Check, FieldType, KpiValue, Outcome
from flywheel_mlflow.promises.thresholds import DriftSettings
from flywheel_mlflow.reports.bundle import render_deliverables
from flywheel_mlflow.reports.dashboard_blocks import Section
from flywheel_mlflow.reports.dashboard_facts import LedgerFacts
from flywheel_mlflow.reports.pages.comparison import ComparisonFacts, comparison_page
from flywheel_mlflow.reports.pages.release_diff import ReleaseDiffFacts, release_diff_page

SETTINGS = DriftSettings()
WHEEL = flywheel()
READY = Check("ready", Outcome.PASSED)


def measuring(**kpis: KpiValue) -> Assembly:
    """The small flywheel whose p01 measured this."""
    return small_assembly(changed={"p01": evidence_of(WHEEL.contracts["p01"], READY, kpis=kpis)})


def bundle_of(assembly: Assembly) -> Bundle:
    """The bundle of a release of this assembly."""
    files = render_deliverables(assembly, checks=[READY])
    return make_bundle(WHEEL, 2, "run", "d" * 64, files, licences={}, addresses={}, drift={}, risks=())


def diffed(before: Bundle, after: Bundle, drift: DriftSettings = SETTINGS) -> ReleaseDiff:
    """What differs, judged by what the bundles recorded."""
    found = diff_bundles(before, after)
    told = recorded_findings(contracts().values(), found.before.values, found.after.values, drift)
    return found.judged(told, "judged for a test")


def retention(before: KpiValue, after: KpiValue, drift: DriftSettings = SETTINGS) -> NumberChange | None:
    """What the diff says of p01's one KPI, a ratio that is better higher and whose contract states no tolerance."""
    found = diffed(bundle_of(measuring(retention=before)), bundle_of(measuring(retention=after)), drift)
    return next((item for item in found.numbers if item.name == "p01.retention"), None)


def compared(before: Assembly, after: Assembly, found: ReleaseDiff) -> dict[str, Section]:
    """The sections of the page of the two iterations, whose KPIs were judged from the evidence itself."""
    pairs = (Pair(WHEEL.contracts[name], *_evidence(name, before, after)) for name in before.registry)
    kpis = tuple(item for pair in pairs if not pair.contract.is_assembly for item in kpi_findings(pair, SETTINGS))
    facts = ComparisonFacts(
        compared_side(1, before), compared_side(2, after), kpis, found.judged, False, (recorded(1), recorded(2))
    )
    return {item.id: item for item in comparison_page(facts, LINKS, AT).sections}


def _evidence(name: str, *sides: Assembly) -> list[Any]:
    return [side.registry[name].evidence for side in sides]


def same_words(before: Assembly, after: Assembly) -> ReleaseDiff:
    """What differs between two releases; the page of the iterations was found to say the same of each number."""
    found = diffed(bundle_of(before), bundle_of(after))
    page = compared(before, after, found)
    for name, kpi in (("kpis", True), ("numbers", False)):
        rows = texts(page[name]) if name in page else []
        # The KPIs have their drawing between verdict and values.
        told = {row[0]: (row[1], *(row[3:5] if kpi else row[2:4])) for row in rows}
        mine = [item for item in found.numbers if item.kpi is kpi]
        shown = {row[0].removeprefix("flywheel."): (row[1], row[2], row[3]) for row in _rows(found) if row[-1] is kpi}
        assert {item.name.removeprefix("flywheel."): item.word for item in mine} == {k: v[0] for k, v in told.items()}
        assert shown == told
    return found


def _rows(found: ReleaseDiff) -> list[list[Any]]:
    facts = ReleaseDiffFacts(LedgerFacts(LedgerBuilder().state), 1, 2, found, "", AT)
    tables = section(release_diff_page(facts), "numbers").tables
    return [
        [*(cell.text for cell in row), not table.caption.startswith("Computed")]
        for table in tables
        for row in table.rows
    ]


values = st.one_of(
    st.builds(KpiValue, st.none(), st.none()),
    st.builds(KpiValue, st.floats(0, 1, allow_subnormal=False), st.none() | st.integers(1, 5000)),
)


@given(before=values, after=values)
@settings(max_examples=20, deadline=None)
def test_a_diff_and_a_comparison_agree(before: KpiValue, after: KpiValue) -> None:
    """Whatever was measured, a diff of the releases says of each number what the page of the iterations says."""
    same_words(measuring(retention=before), measuring(retention=after))


def test_scores_have_the_words_of_a_comparison() -> None:
    """Scores and attainments are better or worse by their own direction, a number without one moved."""
    found = same_words(healthy_assembly(), small_assembly())
    words = {item.name: item.word for item in found.numbers if not item.kpi}
    assert words["flywheel.mean_stage_score"] == "worse"
    assert "moved" in words.values()
    assert not {"up", "down"} & set(words.values())


def test_a_small_loss_of_few_samples_cannot_be_told() -> None:
    """0.8958 to 0.8875 of some hundred samples is no "worse" only because the contract states no tolerance."""
    found = retention(KpiValue(0.8958, 96), KpiValue(0.8875, 80))
    assert found is not None
    assert (found.word, found.unit, found.kpi) == ("cannot be told", "ratio", True)
    assert "tolerance 0.0448" in found.why.replace("0.04479", "0.0448")


def test_every_verdict_can_be_reached() -> None:
    """Beyond the tolerance is worse or better, within the default of 5 % noise; what is the same is not told."""
    words = [
        found.word if (found := retention(KpiValue(before), KpiValue(after))) else None
        for before, after in ((0.9, 0.8), (0.8, 0.9), (0.9, 0.87), (0.9, 0.9), (None, 0.9), (0.9, None))
    ]
    assert words == ["worse", "better", "within noise", None, "new", "vanished"]


def test_exceptions_of_the_blueprint_count() -> None:
    """A KPI for which flywheel.yaml makes an exception is judged by it."""
    rule = {"kpi": "p01.retention", "relative_tolerance": 0.5, "why": "it is noisy"}
    found = retention(KpiValue(0.9), KpiValue(0.6), DriftSettings.model_validate({"kpis": [rule]}))
    assert found is not None
    assert found.word == "within noise"


def test_history_counts() -> None:
    """A loss no larger than what moves while nothing upstream changes cannot be told."""
    found = diff_bundles(bundle_of(measuring(retention=KpiValue(0.8))), bundle_of(measuring(retention=KpiValue(0.7))))
    values = {number + 1: {"p01.retention": value} for number, value in enumerate([0.9, 0.7] * 4 + [0.8])}
    history = quiet_turns(values)
    (told,) = (
        item
        for item in recorded_findings(
            contracts().values(), found.before.values, found.after.values, SETTINGS, history=history
        )
        if item.subject == "p01.retention"
    )
    assert told.history == 8
    assert next(item for item in found.judged([told]).numbers if item.kpi).word == "cannot be told"


def test_equal_releases_do_not_differ() -> None:
    """The same bundle twice differs in nothing."""
    one = bundle_of(small_assembly())
    assert diffed(one, one).empty


def test_bundles_of_older_releases_are_read() -> None:
    """A bundle whose numbers have no unit is compared all the same, and its numbers have none."""
    files = render_deliverables(small_assembly(), checks=[READY])
    document = json.loads(files[deliverables.METRICS])
    for metric in document["metrics"].values():
        del metric["unit"]
    old = bundle_of(small_assembly())
    old = replace(old, files={**old.files, METRICS: json.dumps(document)})
    found = diffed(old, bundle_of(healthy_assembly()))
    assert found.numbers == diffed(bundle_of(small_assembly()), bundle_of(healthy_assembly())).numbers
    back = diffed(old, old)
    assert back.empty


def test_schemas_of_two_formats_differ_by_what_they_say() -> None:
    """An older format gives other digests; the schema is another one only if a field of both differs."""
    contract = WHEEL.contracts["p01"]
    (promise, *_) = contract.interfaces_out
    listed = (FieldType("content", "list", True), FieldType("id", "string", True))
    inside = FieldType("content[]", "string", True)

    def bundle(digest: str, fields: tuple[FieldType, ...], schema_format: int) -> Bundle:
        made = replace(
            version(promise.name, digest),
            schema_digest=digest_of(fields)[:32],
            fields=fields,
            schema_format=schema_format,
        )
        evidence = evidence_of(contract, READY, interfaces_out={promise.name: made})
        return bundle_of(small_assembly(changed={"p01": evidence}))

    old = bundle("a", listed, 1)
    words = [
        diff_bundles(old, bundle("b", fields, 2)).interfaces[0].word
        for fields in ((listed[0], inside, listed[1]), (listed[0], inside), listed)
    ]
    assert words == ["schema unknown", "other schema", "other data"]
