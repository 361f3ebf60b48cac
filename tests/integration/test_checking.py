"""Checks of the assembly layer on what lies on the server, and the proof that each can fail."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest
from prepared import copied
from servers.embedded import EmbeddedStore, copy_store
from workbench import Bench, bench_on, copy_flywheel, flywheel_command, fresh_name

from flywheel_mlflow.evidence.flywheel import load_flywheel
from flywheel_mlflow.evidence.runs import Outcome
from flywheel_mlflow.operations.assembly.assembling import assemble_iteration
from flywheel_mlflow.operations.assembly.checking import check_iteration, prove_checks, read_sources


@pytest.fixture(scope="module")
def original(repository: Path, migrated_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A flywheel on disk, and a store in which the figures of one of its projects are assembled; to be copied."""
    folder = tmp_path_factory.mktemp("original")
    home = copy_flywheel(repository, folder / "home", fresh_name())
    store = copy_store(migrated_template, folder / "store")
    bench_on(load_flywheel(home), store.uri).log("p05")
    ended = flywheel_command("assemble", "-i", "1", root=home, uri=store.uri)
    assert ended.code == 0, ended.err + ended.out
    return folder


@pytest.fixture
def home(original: Path, tmp_path: Path) -> Path:
    """The flywheel, beside its store."""
    return copied(original, tmp_path / "copy", "store/mlflow.db") / "home"


@pytest.fixture
def assembled(home: Path) -> EmbeddedStore:
    """The store beside the flywheel."""
    store = home.parent / "store"
    return EmbeddedStore(f"sqlite:///{store / 'mlflow.db'}", store / "artifacts")


def _red(home: Path, store: EmbeddedStore) -> set[str]:
    """The checks that are not green, as the command prints them; its exit code must say the same."""
    junit = home / "checks.xml"
    ended = flywheel_command("check", "--junit", junit, root=home, uri=store.uri)
    cases = ET.parse(junit).getroot().iter("testcase")  # noqa: S314 - our own file
    red = {str(case.get("name")) for case in cases if len(case)}
    assert ended.code == (1 if red else 0), ended
    return red


def test_checks_pass_on_the_servers_copy(bench: Bench) -> None:
    """What was assembled passes every check when it is read back from the server."""
    bench.log_published()
    written = assemble_iteration(bench.flywheel, bench.tracking, 1, sources=read_sources(bench.flywheel))
    checked = check_iteration(bench.flywheel, bench.tracking, 1)
    assert checked.run_id == written.run_id
    assert [check.name for check in checked.checks if check.outcome is not Outcome.PASSED] == []
    assert len(checked.checks) >= 20


def test_every_check_can_fail(bench: Bench) -> None:
    """On the server's copy each check turns red under its own seeded fault.

    What people read in MLflow is no file of the copy: ``test_what_people_read_is_what_was_assembled`` spoils it there.
    """
    bench.log_published()
    assemble_iteration(bench.flywheel, bench.tracking, 1, sources=read_sources(bench.flywheel))
    proofs = prove_checks(bench.flywheel, bench.tracking, 1, seed=7)
    assert [proof.name for proof in proofs if not proof.proved] == []
    checked = check_iteration(bench.flywheel, bench.tracking, 1)
    assert {proof.name for proof in proofs} | {"shown_in_mlflow"} == {check.name for check in checked.checks}


def test_commands_say_so(home: Path, assembled: EmbeddedStore, tmp_path: Path) -> None:
    """`check` and `check --prove` end with 0, print JSON that parses, and write JUnit XML that parses."""
    junit = tmp_path / "new" / "checks.xml"
    ended = flywheel_command("check", "--json", "--junit", junit, root=home, uri=assembled.uri)
    assert ended.code == 0, ended.err
    assert ended.json["iteration"] == 1
    cases = list(ET.parse(junit).getroot().iter("testcase"))  # noqa: S314 - our own file
    assert len(cases) >= 20
    proved = flywheel_command("check", "--prove", "--json", root=home, uri=assembled.uri)
    assert proved.code == 0
    assert proved.json["proved"] == proved.json["total"] == len(cases) - 1  # all but `shown_in_mlflow`


EDITED = [
    "reports/p10_metrics.json",
    "reports/p10_report.md",
    "processed/cost_model.json",
    "processed/upstream_project_registry.json",
    "console/executive_dashboard.json",
    "processed/flywheel_runs.jsonl",
    "interfaces/project_registry.json",
]


def test_edited_artifact_turns_red(home: Path, assembled: EmbeddedStore) -> None:
    """One character edited in any deliverable of the artifact store turns `flywheel check` red with exit code 1."""
    assert _red(home, assembled) == set()
    for place in EDITED:
        path = next(assembled.artifacts.rglob(place))
        text = path.read_text()
        digit = next(index for index in range(len(text) // 2, len(text)) if text[index].isdigit())
        path.write_text(text[:digit] + str((int(text[digit]) + 1) % 10) + text[digit + 1 :])
        assert _red(home, assembled), place
        path.write_text(text)
    assert _red(home, assembled) == set()


def test_missing_artifact_turns_red(home: Path, assembled: EmbeddedStore) -> None:
    """A deliverable deleted in the artifact store turns `flywheel check` red."""
    next(assembled.artifacts.rglob("processed/stage_plan.json")).unlink()
    assert "required_files_exist" in _red(home, assembled)


def test_new_evidence_turns_red(home: Path, assembled: EmbeddedStore) -> None:
    """Evidence logged after assembling turns the agreement with the server and the freshness of artifacts red."""
    bench_on(load_flywheel(home), assembled.uri).log("p05", document={"citation_accuracy": 0.5})
    assert {"registry_agrees_with_tracking", "no_stale_artifact"} <= _red(home, assembled)


def test_deleted_evidence_turns_red(home: Path, assembled: EmbeddedStore) -> None:
    """A project's run deleted in MLflow after assembling turns `flywheel check` red."""
    bench = bench_on(load_flywheel(home), assembled.uri)
    bench.client.delete_run(str(bench.collect().evidence["p05"].run_id))
    assert "registry_agrees_with_tracking" in _red(home, assembled)


def test_changed_contract_turns_red(home: Path, assembled: EmbeddedStore) -> None:
    """A contract edited after assembling turns `flywheel check` red until it is assembled anew."""
    path = home / "projects/p05_rag/project.yaml"
    path.write_text(path.read_text().replace("target: 0.95", "target: 0.97"))
    assert _red(home, assembled)


def test_never_assembled_is_said(home: Path, embedded_store: Callable[[], EmbeddedStore]) -> None:
    """Checking what was never assembled is exit code 2 with the command that assembles it."""
    store = embedded_store()
    for line in (("check", "-i", "3"), ("check",), ("check", "--prove", "-i", "3"), ("explain", "mean_stage_score")):
        ended = flywheel_command(*line, root=home, uri=store.uri)
        assert ended.code == 2, line
        assert "flywheel assemble --iteration" in ended.err


def test_contradictory_assembly_can_be_checked(home: Path, assembled: EmbeddedStore) -> None:
    """An assembly that contradicts itself is what `check` is for: it is found, though no reader counts it."""
    bench = bench_on(load_flywheel(home), assembled.uri)
    recorded = bench.tracking.assemblies.recorded(1)
    assert recorded is not None
    bench.client.set_tag(recorded.run_id, "flywheel.valid", "false")
    assert bench.tracking.assemblies.recorded(1) is None
    assert flywheel_command("check", root=home, uri=assembled.uri).code in (0, 1)
    again = flywheel_command("assemble", "-i", "1", root=home, uri=assembled.uri)
    assert "nothing changed since run" in again.out


def _change_metric(bench: Bench, run_id: str, name: str = "flywheel.mean_stage_score") -> None:
    bench.client.log_metric(run_id, name, 0.9999)


def _stage_run(bench: Bench, run_id: str) -> str:
    run = bench.client.get_run(run_id)
    found = bench.client.search_runs(
        [run.info.experiment_id], filter_string=f"tags.`mlflow.parentRunId` = '{run_id}'", max_results=1
    )
    return str(found[0].info.run_id)


SPOILT: dict[str, tuple[Callable[[Bench, str], object], str]] = {
    "number": (_change_metric, "metric flywheel.mean_stage_score"),
    "number more": (lambda bench, run_id: _change_metric(bench, run_id, "flywheel.beauty"), "metric flywheel.beauty"),
    "status": (
        lambda bench, run_id: bench.client.set_tag(_stage_run(bench, run_id), "flywheel.status", "splendid"),
        "tag flywheel.status is 'splendid'",
    ),
    "score": (lambda bench, run_id: _change_metric(bench, _stage_run(bench, run_id), "score"), "metric score is"),
    "stage's note": (
        lambda bench, run_id: bench.client.set_tag(_stage_run(bench, run_id), "mlflow.note.content", "all well"),
        "the note is another one",
    ),
    "stage deleted": (lambda bench, run_id: bench.client.delete_run(_stage_run(bench, run_id)), "is deleted"),
    "note": (
        lambda bench, run_id: bench.client.set_tag(run_id, "mlflow.note.content", "all is well"),
        "the note is another one",
    ),
    "owner": (lambda bench, run_id: bench.client.set_tag(run_id, "mlflow.user", "boss"), "tag mlflow.user is 'boss'"),
    "param": (lambda bench, run_id: bench.client.log_param(run_id, "quality", "high"), "params that no assembly logs"),
}


@pytest.mark.parametrize("what", SPOILT)
def test_what_people_read_is_what_was_assembled(local_bench: Bench, what: str) -> None:
    """A number, status, note, owner, param or stage changed on the run's page, which shows no file: red, by name."""
    local_bench.log("p05")
    sources = read_sources(local_bench.flywheel)
    run_id = assemble_iteration(local_bench.flywheel, local_bench.tracking, 1, sources=sources).run_id
    spoil, told = SPOILT[what]
    spoil(local_bench, run_id)
    checks = check_iteration(local_bench.flywheel, local_bench.tracking, 1).checks
    (red,) = [check for check in checks if check.outcome is not Outcome.PASSED]
    assert red.name == "shown_in_mlflow"
    assert told in red.message
