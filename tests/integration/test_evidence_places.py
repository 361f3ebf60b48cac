"""Evidence comes from the experiment named after the project; a tag, which anybody can write, is only a claim."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from mlflow.entities import Metric, Param, RunTag
from servers.proxy import CountingProxy
from workbench import Bench, datasets_of

from flywheel_mlflow.base.settings import read_settings
from flywheel_mlflow.decisions.gate_facts import Verdict
from flywheel_mlflow.decisions.ledger import Identity
from flywheel_mlflow.operations.deciding import Session
from flywheel_mlflow.operations.doctor import Diagnosis, examine
from flywheel_mlflow.operations.projects.adopting import adopt_runs
from flywheel_mlflow.tracking import AssemblyStore, Collector

NOW = datetime.now(UTC)


def copied(bench: Bench, run_id: str, experiment_id: str, *, rate: float = 1.0, ahead: timedelta = timedelta()) -> str:
    """A copy of a run in another experiment with better numbers, as somebody who may only read can make one."""
    run = bench.run(run_id)
    new: str = bench.client.create_run(experiment_id).info.run_id
    bench.client.log_batch(
        new,
        metrics=[Metric(key, rate if "rate" in key else value, 0, 0) for key, value in run.data.metrics.items()],
        params=[Param(key, value) for key, value in run.data.params.items()],
        tags=[RunTag(key, value) for key, value in run.data.tags.items() if not key.startswith("mlflow.")],
    )
    bench.client.log_inputs(new, datasets=datasets_of(run))
    bench.client.set_terminated(new, end_time=int((datetime.now(UTC) + ahead).timestamp() * 1000))
    return new


def scratch(bench: Bench, name: str = "scratch", **labels: str) -> str:
    """Somebody's own experiment, with tags that claim it to be the flywheel's."""
    claims = {"flywheel.name": bench.name, "flywheel.project": "p05", **labels}
    return str(bench.client.create_experiment(f"{name}-of-{bench.name}", tags=claims))


def reasons(bench: Bench, iteration: int = 1) -> dict[str, str]:
    """Why runs do not count, by run id."""
    return {item.run_id: item.reason for item in bench.collect(iteration).skipped}


def test_a_strangers_copy_is_told_and_never_evidence(bench: Bench) -> None:
    """A copy with better numbers that ended months ahead, in an experiment that bears our tags, supersedes nothing."""
    own = bench.log("p05").run_id
    new = copied(bench, own, scratch(bench), ahead=timedelta(days=116))
    assert bench.collect().evidence["p05"].run_id == own
    reason = reasons(bench)[new]
    assert f"lies in the experiment scratch-of-{bench.name}" in reason
    assert f"{bench.name}/p05" in reason


@pytest.mark.parametrize(
    "name", ["{}p05", "{}/p05/x", "x/{}/p05", "{} /p05", "{}/p05 ", "{}/nobody", "{}-two/p05", "{}/P05"]
)
def test_only_the_very_name_counts(local_bench: Bench, name: str) -> None:
    """Names that look alike, begin alike or end alike are other experiments."""
    own = local_bench.log("p05").run_id
    claims = {"flywheel.name": local_bench.name, "flywheel.project": "p05"}
    place = local_bench.client.create_experiment(name.format(local_bench.name), tags=claims)
    new = copied(local_bench, own, place)
    assert local_bench.collect().evidence["p05"].run_id == own
    assert "counts only from" in reasons(local_bench)[new]


def test_a_project_speaks_only_for_itself(local_bench: Bench) -> None:
    """Who may write to one project's experiment logs no evidence of another."""
    own = local_bench.log("p05").run_id
    place = local_bench.log("p06").run_id
    new = copied(local_bench, own, local_bench.run(place).info.experiment_id)
    collected = local_bench.collect()
    assert (collected.evidence["p05"].run_id, collected.evidence["p06"].run_id) == (own, place)
    assert f"lies in the experiment {local_bench.name}/p06" in reasons(local_bench)[new]


def test_a_project_without_runs_gets_no_evidence_from_strangers(local_bench: Bench) -> None:
    """Also where there is nothing better, and nothing is carried from there in the next iteration."""
    own = local_bench.log("p06").run_id
    place = scratch(local_bench)
    new = copied(local_bench, own, place)
    local_bench.client.set_tag(new, "flywheel.project", "p05")
    assert "p05" not in local_bench.collect(1).evidence
    assert "p05" not in local_bench.collect(2).evidence


def test_a_renamed_experiment_holds_no_evidence_and_is_told(local_bench: Bench) -> None:
    """Renaming the experiment of a project takes its evidence away, and both collect and doctor say where it is."""
    own = local_bench.log("p05").run_id
    local_bench.client.rename_experiment(local_bench.run(own).info.experiment_id, f"{local_bench.name}-gone")
    assert "p05" not in local_bench.collect().evidence
    assert f"lies in the experiment {local_bench.name}-gone" in reasons(local_bench)[own]
    assert f"{local_bench.name}-gone" in diagnosed(local_bench, "evidence")[0].text


def test_strangers_cost_one_search_and_cannot_flood(counted_bench: Bench, request_counter: CountingProxy) -> None:
    """However many runs a stranger logs, a hundred are read, and the rest is told to be there."""
    own = counted_bench.log("p05").run_id
    place = scratch(counted_bench)
    labels = [RunTag("flywheel.iteration", "1"), RunTag("flywheel.project", "p05")]
    for _ in range(103):
        run = counted_bench.client.create_run(place)
        counted_bench.client.log_batch(run.info.run_id, tags=labels)
    request_counter.reset()
    collected = counted_bench.collect()
    asked = [exchange.path.rsplit("/", 2)[-2:] for exchange in request_counter.exchanges]
    assert len([path for path in asked if path[-1] == "search"]) == 3
    assert len(asked) == 4  # one asks for the ledger, which says what variants count
    assert collected.evidence["p05"].run_id == own
    assert len(collected.skipped) == 101
    assert any("and more runs" in item.reason for item in collected.skipped)


def test_an_own_run_from_the_time_to_come_is_refused(bench: Bench) -> None:
    """A run of the project's own experiment that states an end an hour ahead does not count; the one before does."""
    own = bench.log("p05").run_id
    second = bench.log("p05").run_id
    ahead = int((datetime.now(UTC) + timedelta(hours=1, minutes=5)).timestamp() * 1000)
    bench.client.set_terminated(second, end_time=ahead)
    assert bench.collect().evidence["p05"].run_id == own
    assert reasons(bench)[second].startswith("ended 65 minutes from now")


def test_what_is_beyond_now_depends_on_the_clock(local_bench: Bench) -> None:
    """The same run counts once its time has come; the clock is handed in."""
    own = local_bench.log("p05").run_id
    ended = local_bench.run(own).info.end_time / 1000

    def collected(seconds: float) -> tuple[bool, list[str]]:
        moment = datetime.fromtimestamp(ended + seconds, UTC)
        collector = Collector(local_bench.client, uri=local_bench.uri, flywheel=local_bench.name, now=lambda: moment)
        found = collector.collect(local_bench.flywheel.contracts, 1)
        return "p05" in found.evidence, [item.reason for item in found.skipped]

    assert collected(5) == (True, [])
    assert collected(-59) == (True, [])
    there, told = collected(-116 * 86_400)
    assert not there
    assert told == ["ended 116 days from now: its clock, or that of this machine, is wrong"]


def test_an_assembly_from_the_time_to_come_is_not_the_newest(local_bench: Bench) -> None:
    """Readers of assemblies believe no time beyond now either, and no experiment but the flywheel's own."""
    local_bench.tracking.assemblies.experiment()
    labels = {"flywheel.kind": "assembly", "flywheel.iteration": "1", "flywheel.valid": "true"}
    own = local_bench.client.get_experiment_by_name(local_bench.name)
    assert own is not None
    made = {}
    for name, place, ahead in (
        ("past", own.experiment_id, -5),
        ("future", own.experiment_id, 3600),
        ("foreign", scratch(local_bench), -1),
    ):
        run = local_bench.client.create_run(place, tags={"flywheel.name": local_bench.name, **labels})
        local_bench.client.set_terminated(run.info.run_id, end_time=int((NOW.timestamp() + ahead) * 1000))
        made[name] = run.info.run_id
    store = local_bench.tracking.assemblies
    assert isinstance(store, AssemblyStore)
    recorded = store.recorded(1)
    assert recorded is not None
    assert recorded.run_id == made["past"]
    assert [item.run_id for item in store.listed(most=5)] == [made["past"]]
    assert [item.run_id for item in store.earlier(2, most=5)] == [made["past"]]


def history(bench: Bench, name: str = "history") -> tuple[str, str]:
    """An experiment of some other tool and a run in it."""
    place = bench.client.create_experiment(f"{name}-of-{bench.name}")
    run_id = bench.client.create_run(place).info.run_id
    bench.client.log_metric(run_id, "queries", 50)
    bench.client.set_terminated(run_id)
    return f"{name}-of-{bench.name}", run_id


def test_tags_alone_adopt_nothing(bench: Bench) -> None:
    """A run somebody tagged as adopted counts only once the project's own experiment names it."""
    experiment, run_id = history(bench)
    bench.client.set_experiment_tag(bench.run(run_id).info.experiment_id, "flywheel.name", bench.name)
    labels = {"schema": "1", "name": bench.name, "kind": "project", "iteration": "1", "project": "p05"}
    for key, value in {**labels, "evidence": "adopted", "valid": "true"}.items():
        bench.client.set_tag(run_id, f"flywheel.{key}", value)
    assert bench.collect().evidence == {}
    assert "or when adopted" in reasons(bench)[run_id]
    adopt_runs(bench.flywheel, bench.tracking, "p05", 1, experiment=experiment, filter_string="")
    evidence = bench.collect().evidence["p05"]
    assert (evidence.run_id, evidence.is_verified) == (run_id, True)


def test_a_run_beside_an_adopted_one_is_no_evidence(local_bench: Bench) -> None:
    """Adopting takes these runs, not whatever is logged into that experiment later."""
    experiment, run_id = history(local_bench)
    adopt_runs(local_bench.flywheel, local_bench.tracking, "p05", 1, experiment=experiment, filter_string="")
    later = copied(local_bench, run_id, local_bench.run(run_id).info.experiment_id, rate=2)
    assert local_bench.collect().evidence["p05"].run_id == run_id
    assert "counts only from" in reasons(local_bench)[later]


def test_a_changed_adopted_run_is_told(local_bench: Bench) -> None:
    """The digest of an adopted run lies on the project's experiment, out of reach of whoever owns the run."""
    experiment, run_id = history(local_bench)
    adopt_runs(local_bench.flywheel, local_bench.tracking, "p05", 1, experiment=experiment, filter_string="")
    local_bench.client.log_metric(run_id, "queries", 500)
    assert reasons(local_bench) == {run_id: "was changed after it ended: metric p05.queries"}
    assert local_bench.collect().evidence == {}


def diagnosed(bench: Bench, name: str) -> list[Diagnosis]:
    """What the doctor says under a name."""
    settings = read_settings(bench.flywheel.root, {}, tracking_uri=bench.uri)
    session = Session(bench.flywheel, bench.tracking, Identity("ana"))
    return [item for item in examine(session, settings) if item.name == name]


def test_the_doctor_names_strangers_and_unseen_experiments(local_bench: Bench) -> None:
    """An experiment that only bears the tag, and one that lost it, are findings; without them there is none."""
    own = local_bench.log("p05").run_id
    assert diagnosed(local_bench, "evidence") == []
    scratch(local_bench)
    (found,) = diagnosed(local_bench, "evidence")
    assert found.verdict is Verdict.BLOCK
    assert f"scratch-of-{local_bench.name}" in found.text
    local_bench.client.set_experiment_tag(local_bench.run(own).info.experiment_id, "flywheel.name", "")
    assert any(f"{local_bench.name}/p05" in item.text for item in diagnosed(local_bench, "evidence"))


def test_a_run_whose_process_died_is_told_after_a_day(local_bench: Bench) -> None:
    """A run that stays running is told apart from one at work by its age, by collect and by the doctor."""
    killed = local_bench.open("p05")
    killed.__enter__()
    started = local_bench.run(killed.run_id).info.start_time / 1000

    def reason(hours: float) -> str:
        moment = datetime.fromtimestamp(started + hours * 3600, UTC)
        collector = Collector(local_bench.client, uri=local_bench.uri, flywheel=local_bench.name, now=lambda: moment)
        (skipped,) = collector.collect(local_bench.flywheel.contracts, 1).skipped
        assert len(collector.unfinished()) == (hours > 24)
        return skipped.reason

    assert reason(1) == "still running, or its process died"
    assert reason(72) == "running for 3 days: its process died, most likely"
    old = local_bench.client.create_run(
        local_bench.run(killed.run_id).info.experiment_id,
        start_time=int((NOW - timedelta(days=5)).timestamp() * 1000),
        tags={"flywheel.name": local_bench.name, "flywheel.project": "p05"},
    ).info.run_id
    (found,) = diagnosed(local_bench, "unfinished runs")
    assert old in found.text
    assert killed.run_id not in found.text
    assert local_bench.run(old).info.status == "RUNNING"
