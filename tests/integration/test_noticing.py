"""The flywheel's own findings on a real store: told by the assembly itself, once, and never in its way."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient
from servers.embedded import EmbeddedStore
from workbench import Ended, copy_flywheel, flywheel_command, records, write_records

from flywheel_mlflow.base.settings import read_settings
from flywheel_mlflow.evidence.flywheel import load_flywheel
from flywheel_mlflow.operations.projects.project_run import project_run
from flywheel_mlflow.tracking import Tracking, connect


class Home:
    """A flywheel with two iterations of p04; in the second a third of its answers is wrong, and a check fails."""

    def __init__(self, root: Path, uri: str, folder: Path) -> None:
        self.root, self.uri = root, uri
        for iteration, right in ((1, 60), (2, 40)):
            with project_run("p04", iteration, root=root, tracking_uri=uri) as run:
                run.log_document({"verification_pass_rate": right / 60, "synthesized_count": 60, "num_books": 2})
                run.log_interface("teaching_corpus", write_records(folder / f"data-{iteration}.jsonl", records(40)))
                run.log_samples("verification_pass_rate", {f"q{n}": float(n < right) for n in range(60)})
                run.log_check("teaching_corpus.raw_personal_data_kept_out", right == 60)

    def __call__(self, *words: str | Path, code: int = 0) -> Ended:
        ended = flywheel_command(*words, root=self.root, uri=self.uri)
        assert ended.code == code, ended.err + ended.out
        return ended

    @property
    def tracking(self) -> Tracking:
        flywheel = load_flywheel(self.root)
        return connect(read_settings(self.root, {}, tracking_uri=self.uri), flywheel.name)


@pytest.fixture
def home(repository: Path, embedded_store: Callable[[], EmbeddedStore], tmp_path: Path) -> Home:
    return Home(copy_flywheel(repository, tmp_path / "home", "fw"), embedded_store().uri, tmp_path)


def test_an_assembly_tells_what_it_found_once(home: Home) -> None:
    """A failed check and a regression go to their project; again, the assembly is unchanged and nothing is told."""
    assert "became feedback" not in home("assemble", "-i", "1").err
    first = home("assemble", "-i", "2")
    assert "findings that became feedback: 2 new events: p04 2" in first.err
    listed = home("feedback", "list", "--json").json
    assert listed["total"] == 2
    assert {(item["to"], item["rule"], item["project"]) for item in listed["events"]} == {("p04", "own_finding", "p04")}
    assert sum("worse" in item["text"] for item in listed["events"]) == 1
    again = home("assemble", "-i", "2", "--json")
    assert (again.json["unchanged"], "became feedback" in again.err) == (True, False)
    pulled = home("feedback", "pull-findings", "-i", "2", "--json").json
    assert (pulled["new"], pulled["repeated"], pulled["run_id"], pulled["unread"]) == (0, 2, None, [])
    assert len(home.tracking.feedback.batches()) == 1


def test_findings_can_be_left_out_and_pulled_by_hand(home: Home) -> None:
    """Then they are told by hand, all of them; before an assembly the drift is missing, which is said."""
    early = home("feedback", "pull-findings", "-i", "2", "--dry-run", "--json")
    assert early.json["new"] == 1
    assert "no valid assembly" in early.json["unread"][0]
    assert "not looked at: drift" in early.err
    for turn in ("1", "2"):
        assert "became feedback" not in home("assemble", "-i", turn, "--no-findings").err
    assert home("feedback", "list", "--json").json["total"] == 0
    assert "2 new events" in home("feedback", "pull-findings", "-i", "2").out


def test_what_stops_the_telling_does_not_stop_the_assembly(home: Home) -> None:
    """With the experiment of feedback deleted the assembly is written all the same, and says what did not work."""
    home("assemble", "-i", "1")
    home("feedback", "pull-findings", "-i", "2")
    client = MlflowClient(tracking_uri=home.uri)
    found = client.get_experiment_by_name(home.tracking.feedback.name)  # somebody deletes it in the MLflow UI
    assert found is not None
    client.delete_experiment(found.experiment_id)
    done = home("assemble", "-i", "2")
    assert "warning: findings did not become feedback: the experiment fw/feedback is deleted" in done.err
    assert "flywheel feedback pull-findings" in done.err


def test_a_comparison_that_is_gone_leaves_the_checks(home: Home) -> None:
    """Each kind of finding is read by itself; what cannot be read is said and keeps nothing else back."""
    home("assemble", "-i", "1", "--no-findings")
    run_id = home("assemble", "-i", "2", "--no-findings", "--json").json["run_id"]
    client = MlflowClient(tracking_uri=home.uri)
    place = Path(client.get_run(run_id).info.artifact_uri.removeprefix("file://"))
    (place / "reports" / "drift.json").write_text("{", encoding="utf-8")
    pulled = home("feedback", "pull-findings", "-i", "2", "--json").json
    assert (pulled["new"], len(pulled["unread"])) == (1, 1)
    shutil.rmtree(place)
    assert home("feedback", "pull-findings", "-i", "2", "--json").json["new"] == 0


def test_drift_and_decisions_open_risks_that_name_projects(home: Home) -> None:
    """Drift that blocks opens a risk of its project, a gate that blocks one of those behind its criteria."""
    home("assemble", "-i", "1")
    home("assemble", "-i", "2")
    home("release", "create", "-i", "2")
    home("gate", "1", "--to", "staging", code=1)
    home("assemble", "-i", "2")
    risks = {item["cause"]: item for item in home("risk", "list", "--json").json["risks"]}
    assert (risks["drift"]["projects"], risks["drift"]["owner"]) == (["p04"], "training_engineering")
    assert "p04" in risks["gate"]["projects"]
    assert "p10" not in risks["gate"]["projects"]
    shown = home("risk", "show", risks["drift"]["id"], "--json").json
    assert {"p06", "p12"} & {item["project"] for item in shown["path"]["reached"]}
