"""What monitors scrape: Prometheus' own reader reads it, and what is unknown is absent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml
from dashboard_cases import NOW, facts, healthy, in_production, risk
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from flywheel_mlflow.decisions.rhythms import Rhythm, RhythmState
from flywheel_mlflow.reports.dashboard_facts import DashboardFacts, DriftFacts, LedgerFacts
from flywheel_mlflow.reports.gauges import Gauge, gauges_of, gauges_text


def scraped(found: DashboardFacts, waiting: int = 0, *schedule: Any) -> Mapping[str, float]:
    """The numbers as Prometheus reads them, by name and own labels."""
    samples = {}
    for family in text_string_to_metric_families(gauges_text(gauges_of(found, waiting, *schedule), found.flywheel)):
        assert (family.type, bool(family.documentation)) == ("gauge", True)
        for sample in family.samples:
            labels = dict(sample.labels)
            assert labels.pop("flywheel") == found.flywheel
            samples[" ".join([sample.name, *labels.values()])] = sample.value
    return samples


def test_the_state_becomes_numbers() -> None:
    """Health, iteration, verdict, releases, risks and what waits are numbers of their own."""
    overdue = risk(1, due=NOW - timedelta(days=1))
    found = scraped(facts(ledger=in_production(risks=(overdue,))), waiting=3)
    assert found["flywheel_healthy"] == 0
    assert found["flywheel_iteration"] == facts().iteration
    assert (found["flywheel_risks_open"], found["flywheel_risks_overdue"]) == (1, 1)
    assert found["flywheel_release production"] >= 1
    assert found["flywheel_decisions_waiting"] == 3
    assert found["flywheel_projects"] == len(facts().record.projects)


def test_what_is_unknown_is_absent() -> None:
    """A ledger or a comparison that cannot be read is no 0: the sample is missing, and an alert on absence fires."""
    found = scraped(facts(ledger=LedgerFacts(unknown="the server is away"), drift=DriftFacts(unknown="none was made")))
    absent = (
        "flywheel_risks_open",
        "flywheel_release production",
        "flywheel_drift_verdict PASS",
        "flywheel_ledger_faults",
    )
    assert not set(absent) & set(found)


def test_lateness_is_a_number() -> None:
    """When an iteration was finished last, to the second, and for each rhythm whether it is late or unknown."""
    rhythms = [Rhythm(state.value, "Look", "builders", "weekly", "gate", state) for state in RhythmState]
    found = scraped(facts(), 0, rhythms, NOW)
    assert found["flywheel_iteration_finished_timestamp_seconds"] == NOW.timestamp()
    late = {name.removeprefix("flywheel_rhythm_late "): value for name, value in found.items() if "rhythm_late" in name}
    assert late == {"kept": 0, "due": 0, "late": 1}
    assert "flywheel_iteration_finished_timestamp_seconds" not in scraped(facts())


def test_alerts_are_about_numbers_that_exist(repository: Path) -> None:
    """Every rule of the example names a number of ours and an existing severity, and says what to run."""
    document = yaml.safe_load((repository / "deploy" / "alerts.yaml").read_text(encoding="utf-8"))
    rhythms = [Rhythm("risks", "Risks", "builders", "weekly", "gate", RhythmState.LATE)]
    told = gauges_text(gauges_of(healthy(), 0, rhythms, NOW), "f")
    known = {family.name for family in text_string_to_metric_families(told)}
    rules = [rule for group in document["groups"] for rule in group["rules"]]
    for rule in rules:
        assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
        named = set(re.findall(r"flywheel_[a-z_]+", rule["expr"]))
        assert named, rule["alert"]
        assert named <= known
        assert re.fullmatch(r"\d+[smhd]", rule["for"])
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert "flywheel" in rule["annotations"]["summary"]
    assert len({rule["alert"] for rule in rules}) == len(rules)


@given(st.text(), st.floats(allow_nan=False, allow_infinity=False))
def test_any_text_is_a_label(text: str, value: float) -> None:
    """Whatever a flywheel or a label is called, the text stays one line a sample and comes back as it was."""
    text = text.replace("\r", "")
    written = gauges_text([Gauge("flywheel_x", "An x.", value, {"verdict": text})], "f")
    (family,) = text_string_to_metric_families(written)
    (sample,) = family.samples
    assert sample.labels["verdict"] == text
    assert sample.value == value


def test_healthy_is_one() -> None:
    """Only a flywheel that nothing speaks against is 1; one that cannot be judged has no number."""
    assert scraped(healthy())["flywheel_healthy"] == 1
    unknown = replace(healthy(), drift=DriftFacts(unknown="none was made"))
    assert "flywheel_healthy" not in scraped(unknown)
