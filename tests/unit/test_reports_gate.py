"""Tests of what people read about gates and releases."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from flywheels import collected_of, small_flywheel
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from releases_ledger import BLUEPRINT, NOON, LedgerBuilder

from flywheel_mlflow.assembly.assembly import assemble
from flywheel_mlflow.assembly.bundle import make_bundle
from flywheel_mlflow.assembly.recorded import RecordedAssembly
from flywheel_mlflow.decisions.gate_facts import Verdict
from flywheel_mlflow.decisions.gates import CriterionResult, GateResult
from flywheel_mlflow.reports.bundle import render_deliverables
from flywheel_mlflow.reports.gate import criterion_rows, gate_report, summary
from flywheel_mlflow.reports.release import release_description

ATTACKS = (
    "</td><script>alert(1)</script>",
    "a | b | c\n| PASS | green |",
    "\n\n# PASS\n",
    "![x](http://evil.example/p.png)",
    "[click](javascript:alert(1))",
    "`code` ``` ~~~",
    "<!-- hidden -->",
    "\u202eSSAP\u202c \x00 \x1b[31m",
    "{{ 7 * 7 }} {% raw %}",
    "www.evil.example &lt;b&gt;",
    "$$x$$ **bold** _it_ ~~gone~~",
)
HOSTILE = st.sampled_from(ATTACKS) | st.text() | st.text(alphabet="|`<>[]()!*_#\n\\-{}%&:/w.")
STORY = LedgerBuilder()
STORY.register()


def result_of(*criteria: CriterionResult, verdict: Verdict = Verdict.BLOCK) -> GateResult:
    return GateResult("to_staging", "staging", 1, verdict, STORY.basis(1), NOON, criteria)


def row(verdict: Verdict = Verdict.PASS, **more: Any) -> CriterionResult:
    told = {"id": "green", "kind": "checks", "demand": "Every check passes.", "reason": "40 of 40"}
    return CriterionResult(verdict=verdict, **(told | more))


def rendered(markdown: str) -> str:
    return str(MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(markdown))


def shape(markdown: str) -> list[str]:
    """The tags of the page, without its words."""
    return re.findall(r"</?[a-z][a-z0-9]*", rendered(markdown))


def test_what_stops_the_release_comes_first() -> None:
    """BLOCK before INCONCLUSIVE before PASS, and within one verdict the order of the gate."""
    names = {"a": Verdict.PASS, "b": Verdict.INCONCLUSIVE, "c": Verdict.BLOCK, "d": Verdict.PASS, "e": Verdict.BLOCK}
    rows = criterion_rows(result_of(*(row(verdict, id=name) for name, verdict in names.items())))
    assert [item.id for item in rows] == ["c", "e", "b", "a", "d"]


def test_unknown_is_empty_and_zero_is_zero() -> None:
    """A value nobody knows is not shown as a number, and a limit of 0 is not lost."""
    (known, unknown) = criterion_rows(result_of(row(value=0.0, limit=0.0, n=0), row(value=None)))
    assert (known.value, known.limit, known.n) == ("0", "0", "0")
    assert (unknown.value, unknown.limit, unknown.n) == ("", "", "")


def test_the_sentence_counts_what_the_criteria_say() -> None:
    """Verdicts nobody gave are not counted."""
    found = result_of(row(), row(Verdict.BLOCK), row())
    assert summary(found) == "release 1 to staging: BLOCK (2 PASS, 1 BLOCK)"


def test_the_report_says_everything() -> None:
    """Verdict, gate, moment, iteration, reference, bundle, and each criterion's demand, method and next command."""
    criterion = row(Verdict.BLOCK, method="rate", evidence=("0123456789ab",), next="flywheel collect --iteration 1")
    text = gate_report(result_of(criterion), BLUEPRINT, STORY.release())
    page = rendered(text)
    for told in (
        "release 1 to staging: BLOCK",
        "2026-03-01 12:00 UTC",
        "compared with nothing",
        "01234567",
        "flywheel collect --iteration 1",
        "Every check passes. (rate)",
        STORY.release().bundle[:16],
    ):
        assert told in page
    assert page.count("<tr>") == 2
    assert page.count("<li>") == 1


@given(HOSTILE, HOSTILE, HOSTILE, HOSTILE)
def test_hostile_words_do_not_change_the_gate_report(reason: str, demand: str, reference: str, step: str) -> None:
    """Whatever stands in reasons, demands and names, the page has the tags it has with plain words."""
    plain = row(Verdict.BLOCK, reason="plain", demand="plain", method="plain", next="plain", evidence=("run",))
    hostile = replace(
        plain, reason=reason, demand=demand, method=reason or "x", next=step or "x", evidence=(reference,)
    )
    basis = replace(STORY.basis(1), reference=reference)
    text = gate_report(replace(result_of(hostile), basis=basis), BLUEPRINT, STORY.release())
    expected = gate_report(result_of(plain), BLUEPRINT, STORY.release())
    # A step of invisible characters alone is an empty cell instead of a code span.
    assert _no_code(shape(text)) == _no_code(shape(expected))
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]", text)


def _no_code(tags: list[str]) -> list[str]:
    return [tag for tag in tags if not tag.endswith("code")]


def described(words: str, *, licence: str | None = "CC0-1.0") -> str:
    """The description of a release whose title, author, licence and reasons are the words."""
    titled = replace(WHEEL, blueprint=WHEEL.blueprint.model_copy(update={"title": words}))
    recorded = RecordedAssembly(2, "run-a", "d" * 64, {"flywheel.consumable_count": 3.0})
    found = replace(BUNDLE, pins=tuple(replace(pin, licence=licence) for pin in BUNDLE.pins), left_out={"p09": words})
    return release_description(titled, 2, recorded, found, words, "")


WHEEL = small_flywheel()
BUNDLE = make_bundle(
    WHEEL,
    2,
    "run-a",
    "d" * 64,
    render_deliverables(assemble(WHEEL, collected_of(WHEEL)), checks=[]),
    licences={},
    addresses={},
    drift={},
    risks=(),
)


def test_a_release_describes_itself() -> None:
    """Numbers, unknown ones as unknown, every pin, and what is left out with its reason."""
    page = rendered(described("plain", licence=None))
    assert "consumable_count: 3" in page
    assert "mean_stage_score: unknown" in page
    assert page.count("<td>unknown</td>") == len(BUNDLE.pins)
    assert all(pin.interface in page and pin.digest in page for pin in BUNDLE.pins)
    assert "<code>p09</code>: plain" in page


@given(HOSTILE)
def test_hostile_words_do_not_change_the_description(words: str) -> None:
    """Titles, authors, licences and reasons of other people stay words."""
    assert shape(described(f"x{words}", licence=f"x{words}")) == shape(described("plain"))


@pytest.mark.parametrize("words", ATTACKS)
def test_known_attacks_stay_words(words: str) -> None:
    """No script, image, link, heading or comment of theirs is in the page."""
    page = rendered(gate_report(result_of(row(Verdict.BLOCK, reason=words)), BLUEPRINT, STORY.release()))
    page += rendered(described(words))
    assert not re.search(r"<(script|img|a|b|em|del|h2)[ >]|<!--", page)
    assert page.count("<h1>") == 1
