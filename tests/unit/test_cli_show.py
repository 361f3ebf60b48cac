"""Tests of what is printed when names and messages are hostile."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from flywheels import READY, collected_of, evidence_of, small_flywheel
from rich.console import Console

from flywheel_mlflow.assembly.assembly import Assembly, assemble
from flywheel_mlflow.base.errors import DocumentError, Fault, FlywheelError, UnknownName
from flywheel_mlflow.base.settings import read_settings
from flywheel_mlflow.cli import progress, show
from flywheel_mlflow.cli.console import table
from flywheel_mlflow.evidence.flywheel import Flywheel
from flywheel_mlflow.evidence.lineage import impact
from flywheel_mlflow.evidence.provenance import Metric, Metrics, Source
from flywheel_mlflow.evidence.runs import Check, Collected, Outcome, SkippedRun
from flywheel_mlflow.operations.assembly.assembling import Assembled
from flywheel_mlflow.operations.assembly.checking import Checked
from flywheel_mlflow.operations.assembly.explaining import Impacted
from flywheel_mlflow.operations.projects.project_run import LoggedRun

#: A terminal escape in both spellings, a carriage return that overwrites, text turned round, and rich's markup.
EVIL = "a\x1b[31mb\x9b2Jc\rd\u202ee[bold]f[/bold][link=http://x]g\x07"
UNSHOWABLE = "\x1b\x9b\r\u202e\x07"


def evil_wheel() -> Flywheel:
    """A flywheel whose titles no parser would admit."""
    wheel = small_flywheel()
    contracts = {name: item.model_copy(update={"title": EVIL}) for name, item in wheel.contracts.items()}
    plan = wheel.blueprint.model_copy(
        update={"stages": tuple(item.model_copy(update={"title": EVIL}) for item in wheel.blueprint.stages)}
    )
    return replace(wheel, contracts=contracts, blueprint=plan)


def evil_assembly() -> Assembly:
    wheel = evil_wheel()
    checks = (READY, Check(EVIL, Outcome.FAILED))
    evidence = {name: evidence_of(wheel.contracts[name], *checks, run_id=EVIL) for name in ("p01", "p02")}
    return assemble(wheel, Collected(2, evidence, (SkippedRun("p03", EVIL, EVIL),)))


def evil_error() -> FlywheelError:
    return FlywheelError(EVIL, where=EVIL, hint=EVIL)


def evil_metrics() -> Metrics:
    found = Metrics()
    found.add(Metric(EVIL, 1, EVIL, EVIL, source=Source(EVIL, EVIL, EVIL, EVIL), note=EVIL))
    found.add(Metric("top", None, "ratio", "rests on it", (EVIL,)))
    return found


def print_logged(as_json: bool) -> None:
    show.logged(LoggedRun(EVIL, evil_assembly().registry["p01"]), as_json=as_json)


def print_collected(as_json: bool) -> None:
    show.collected(evil_wheel(), evil_assembly().collected, as_json=as_json)


def print_assembled(as_json: bool) -> None:
    checks = (Check(EVIL, Outcome.FAILED, EVIL),)
    found = Assembled(evil_assembly(), checks, {}, EVIL, EVIL, EVIL, EVIL, pages=True, unchanged=False)
    show.assembled(found, read_settings(Path("/srv"), {}), as_json=as_json)


def print_checked(as_json: bool) -> None:
    show.checked(Checked(EVIL, 2, (Check(EVIL, Outcome.FAILED, EVIL),)), junit=None, as_json=as_json)


def print_explanation(as_json: bool) -> None:
    show.explanation(evil_metrics().explain("top"), as_json=as_json)


def print_impacted(as_json: bool) -> None:
    edges = [replace(edge, consumer=EVIL) for edge in evil_assembly().edges if edge.producer == "p01"]
    show.impacted(Impacted(EVIL, EVIL, (EVIL,), impact(edges, edges)), 2, as_json=as_json)


PRINTERS: list[Callable[[bool], None]] = [
    print_logged,
    print_collected,
    print_assembled,
    print_checked,
    print_explanation,
    print_impacted,
]


@pytest.mark.parametrize("printer", PRINTERS)
def test_hostile_text_is_shown_as_text(printer: Callable[[bool], None], capsys: pytest.CaptureFixture[str]) -> None:
    """No escape, overwriting or turned text reaches the terminal, and markup is not obeyed but shown."""
    printer(False)
    out = capsys.readouterr().out
    assert not set(UNSHOWABLE) & set(out)
    assert "a�[31mb�2Jc" in out
    assert "[bold]f" in out


@pytest.mark.parametrize("printer", PRINTERS)
def test_json_escapes_what_a_terminal_would_obey(
    printer: Callable[[bool], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """The document reads back as it was, and holds no character a terminal acts upon."""
    printer(True)
    out = capsys.readouterr().out
    assert not set(UNSHOWABLE) & set(out)
    assert any(EVIL in text for text in strings(json.loads(out)))


def strings(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for key, item in value.items() for text in (key, *strings(item))]
    if isinstance(value, list):
        return [text for item in value for text in strings(item)]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize(
    "error", [evil_error(), UnknownName(EVIL, EVIL, [EVIL]), DocumentError([Fault(EVIL, 1, EVIL, EVIL)])]
)
def test_errors_are_shown_as_text(error: FlywheelError, capsys: pytest.CaptureFixture[str]) -> None:
    """What, where and what to try come through whole, on standard error, without what a terminal would obey."""
    show.show_error(error, verbose=False)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert not set(UNSHOWABLE) & set(captured.err)
    assert "[bold]f[/bold]" in captured.err


def test_a_defect_is_told_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    """The kind and text of the failure, credentials left out; the traceback only when asked for."""
    show.show_defect(ValueError(f"{EVIL} at http://me:hunter2@host/x"), verbose=False)
    err = capsys.readouterr().err
    assert "ValueError" in err
    assert "Traceback" not in err
    assert "hunter2" not in err
    assert not set(UNSHOWABLE) & set(err)


def test_lines_people_copy_are_not_broken(capsys: pytest.CaptureFixture[str]) -> None:
    """The command that serves an assembly breaks where a shell goes on reading, however long the paths in it."""
    found = Assembled(
        assemble(small_flywheel(), Collected(2, {})), (), {}, "d", "r" * 32, "3", "#/3", pages=True, unchanged=False
    )
    show.assembled(found, read_settings(Path("/" + "long/" * 60), {}), as_json=False)
    out = capsys.readouterr().out
    assert f"--backend-store-uri sqlite:////{'long/' * 60}mlflow-data/mlflow.db \\\n" in out


def test_nothing_is_coloured_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Output to a file or pipe has no escape at all, whatever words of status stand in it."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    wheel = small_flywheel()
    show.flywheel(wheel, as_json=False)
    show.collected(wheel, collected_of(wheel), as_json=False)
    assert "tiny-flywheel: 4 contracts, no faults" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


@pytest.mark.parametrize(("width", "drawn"), [(60, False), (160, True)])
def test_a_narrow_terminal_gets_lines_for_a_table(width: int, drawn: bool) -> None:
    """Where columns would be heaps of letters each row stands as headings and texts, and nothing of it is lost."""
    columns = ("verdict", "criterion", "value", "why", "next")
    rows = [("BLOCK", "staging_drift", "", "nine KPIs regressed " * 5, "flywheel drift --iteration 2 --against 1")]
    stream = io.StringIO()
    Console(file=stream, width=width).print(table("a gate", columns, rows))
    out = stream.getvalue()
    assert ("\u2503" in out) is drawn
    assert drawn or "flywheel drift --iteration 2 --against 1" in out
    assert out.count("regressed") == 5
    assert out.splitlines()[0].strip() == "a gate"
    assert max(map(len, out.splitlines())) <= width


def test_progress_is_silent_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """A log of a build holds results, not progress."""
    with progress.steps() as step, progress.rows_measured() as rows:
        step("working")
        rows(100)
    assert capsys.readouterr() == ("", "")


def test_no_checks_and_no_proofs_are_no_pass(capsys: pytest.CaptureFixture[str]) -> None:
    """Showing nothing never means that everything is in order."""
    assert show.checked(Checked("r", 1, ()), junit=None, as_json=False) is False
    assert show.proofs([], as_json=False) is False
    assert "0 of 0" in capsys.readouterr().out
