"""Releases by the command line, as people take them: made, judged, approved, moved, taken back, looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flywheels import write_flywheel
from releases_bench import (
    INTERFACE,
    MANAGER,
    OTHER,
    REVIEWER,
    ReleasesBench,
    releases_blueprint,
    releases_contracts,
    releases_on,
    write_directly,
)
from servers.embedded import EmbeddedStore
from servers.tracking import TrackingServerProcess
from workbench import Ended, bench_on, flywheel_command

from flywheel_mlflow.decisions.ledger import Identity
from flywheel_mlflow.evidence.flywheel import load_flywheel

TOMORROW = f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%d}"


def _passed(ended: Ended) -> Ended:
    assert ended.code == 0, ended.err + ended.out
    return ended


@pytest.fixture
def fresh(tmp_path: Path, tracking_server: TrackingServerProcess) -> ReleasesBench:
    """A flywheel without any release, on each kind of server."""
    return releases_on(tmp_path / "flywheel", tracking_server.uri)


@pytest.fixture
def lone(tmp_path: Path, sqlite_server: TrackingServerProcess) -> ReleasesBench:
    """The same on one kind of server, for what the store behind it does not touch."""
    return releases_on(tmp_path / "flywheel", sqlite_server.uri)


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory, sqlite_server: TrackingServerProcess) -> Iterator[ReleasesBench]:
    """Three releases that tests only look at: 1 was in production, 2 is, 3 is a candidate that BEN approved."""
    folder = tmp_path_factory.mktemp("standing")
    found = releases_on(folder / "flywheel", sqlite_server.uri)
    for iteration in (1, 2, 3):
        found.release(folder, iteration, quality=0.8 + iteration / 100)
    for version in (1, 2):
        found.through(version, "staging", "production")
    found.act(REVIEWER, "approve", version=3, role="reviewer", reason="read it all")
    found.act(MANAGER, "gate", version=3, to="staging")
    before = found.snapshot().ledger.head
    yield found
    assert found.snapshot().ledger.head == before, "a test that only looks has written to the ledger"


def test_what_is_in_production_is_not_released_again(lone: ReleasesBench, tmp_path: Path) -> None:
    """Its bundle would differ in that there is nothing to compare it with; a release beside it says nothing new."""
    first = lone.release(tmp_path, 1)
    second = lone.release(tmp_path, 2)
    for version in (first, second):
        lone.through(version, "staging", "production")
    again = _passed(lone.command("release", "create", "--iteration", "2"))
    assert f"this is release {second} already" in again.out
    assert sorted(lone.snapshot().state.releases) == [first, second]


def test_walk(fresh: ReleasesBench, tmp_path: Path) -> None:
    """Two releases go all the way to production and one back, and every command on the way says what it did."""
    do = fresh.command
    assert "no release yet" in do("release", "list").out
    for iteration in (1, 2):
        fresh.log(tmp_path, iteration, quality=0.8 + iteration / 20)
        fresh.assemble(iteration)
        made = _passed(do("release", "create", "--iteration", str(iteration)))
        assert f"made release {iteration}" in made.out
    assert "this is release 1 already" in _passed(do("release", "create", "--iteration", "1")).out

    undecided = do("gate", "1", "--to", "staging")
    assert (undecided.code, "INCONCLUSIVE" in undecided.out) == (3, True)
    refused = do("promote", "1", "--to", "staging")
    assert (refused.code, "flywheel gate 1 --to staging" in refused.err) == (1, True)
    _passed(do("approve", "1", "--role", "reviewer", "--reason", "read it", who=REVIEWER))
    assert "PASS" in _passed(do("gate", "1", "--to", "staging")).out
    assert "staging is now release 1" in _passed(do("promote", "1", "--to", "staging")).out
    _passed(do("gate", "1", "--to", "production"))
    assert "production is now release 1" in _passed(do("promote", "1", "--to", "production")).out

    _passed(do("approve", "2", "--role", "reviewer", "--reason", "better", who=OTHER))
    for to in ("staging", "production"):
        _passed(do("gate", "2", "--to", to))
        _passed(do("promote", "2", "--to", to))
    assert "better" in _passed(do("release", "diff", "1", "2")).out

    assert _passed(do("resolve", INTERFACE, "--json")).json["release"] == 2
    pulled = _passed(do("pull", INTERFACE, "--out", tmp_path / "pulled", "--json")).json
    assert Path(pulled["path"]).is_file()
    back = _passed(do("rollback", "--reason", "answers got worse"))
    assert "production is now release 1, before release 2" in back.out
    again = do("promote", "2", "--to", "production")
    assert (again.code, "rolled back since the verdict" in again.err) == (1, True), again.err
    stuck = do("reject", "2", "--role", "reviewer", "--reason", "wrong answers", who=REVIEWER)
    assert "flywheel gate 1 --to staging, then flywheel promote 1 --to staging" in stuck.err
    assert _passed(do("resolve", INTERFACE, "--json")).json["release"] == 1
    assert _passed(do("resolve", INTERFACE, "--at", "2", "--json")).json["release"] == 2

    risk = _passed(do("risk", "list", "--json")).json["risks"][0]
    assert "answers got worse" in risk["title"]
    run_id = fresh.snapshot().state.release(1).run_id
    closing = ("risk", "close", risk["id"], "--evidence", run_id, "--reason", "repaired")
    assert do(*closing, who=REVIEWER).code == 1
    _passed(do(*closing))
    assert _passed(do("risk", "list", "--json")).json["risks"] == []

    told = _passed(do("release", "history", "--json")).json["events"]
    kinds = [event["kind"] for event in told]
    assert kinds[-2:] == ["rolled_back", "risk_closed"]
    assert [event["number"] for event in told] == list(range(len(kinds)))
    tenure = _passed(do("release", "who", "--at", TOMORROW, "--json")).json["move"]
    assert (tenure["version"], tenure["actor"]["name"], tenure["rollback"]) == (1, MANAGER, True)
    assert _passed(do("audit")).out.strip().startswith("PASS")
    assert "nothing to mend" in _passed(do("reconcile")).out


def test_walk_without_a_pass(lone: ReleasesBench, tmp_path: Path) -> None:
    """A gate that blocks is gone around by two people for a while only, in the open; a no and an end are final."""
    do = lone.command
    lone.release(tmp_path, 1, quality=0.3)
    blocked = do("gate", "1", "--to", "staging")
    assert (blocked.code, "BLOCK" in blocked.out) == (1, True)
    _passed(do("override", "1", "--to", "staging", "--reason", "a trial", "--until", TOMORROW, "--second", REVIEWER))
    assert "override to staging" in do("release", "list").out
    waiting = do("promote", "1", "--to", "staging")
    assert (waiting.code, "waits for ben to confirm it" in waiting.err) == (1, True)
    assert "pending: ben has not confirmed it" in _passed(do("release", "show", "1")).out
    assert "names ben as the second person, not chen" in do("override-confirm", "1", "--reason", "I", who=OTHER).err
    _passed(do("override-confirm", "1", "--reason", "agreed", who=REVIEWER))
    assert "waits for a confirmation" in do("override-confirm", "1", "--reason", "again", who=REVIEWER).err
    _passed(do("promote", "1", "--to", "staging"))
    assert "OVERRIDE" in _passed(do("release", "show", "1")).out
    assert "without a passing gate" in _passed(do("risk", "list", "--json")).json["risks"][0]["title"]

    lone.release(tmp_path, 2)
    assert do("reject", "1", "--role", "reviewer", "--reason", "worse", who=REVIEWER).code == 1
    assert do("reject", "2", "--role", "reviewer", "--reason", "wrong data", who=MANAGER).code == 1
    _passed(do("reject", "2", "--role", "reviewer", "--reason", "wrong data", who=REVIEWER))
    assert "rejected" in do("promote", "2", "--to", "staging").err
    assert do("approve", "2", "--role", "reviewer", "--reason", "still", who=OTHER).code == 1
    assert "rejected" in do("release", "create", "--iteration", "2").err
    _passed(do("release", "retire", "2", "--reason", "its data had to go"))
    assert do("release", "retire", "2", "--reason", "again").code == 1
    lone.bench.client.delete_model_version(lone.name, "2")
    assert _passed(do("audit")).code == 0


def test_signed(lone: ReleasesBench, tmp_path: Path) -> None:
    """Who has a key must sign, with that key; `verify` proves it from an export, without any server."""
    key, stranger = tmp_path / "chen.pem", tmp_path / "stranger.pem"
    public = _passed(lone.command("keys", "new", "--out", key)).out.split("public_key: ")[1].strip()
    lone.command("keys", "new", "--out", stranger)
    assert lone.command("keys", "new", "--out", key).code == 2
    people = [{"id": MANAGER}, {"id": REVIEWER}, {"id": OTHER, "public_key": public}]
    document = releases_blueprint(people=people) | {"name": lone.name}
    root = write_flywheel(lone.bench.flywheel.root, blueprint=document, contracts=releases_contracts())
    signing = ReleasesBench(bench_on(load_flywheel(root), lone.bench.uri))
    signing.release(tmp_path, 1)

    approval = ("approve", "1", "--role", "reviewer", "--reason", "read it", "--sign")
    assert "not signed" in signing.command(*approval[:-1], who=OTHER).err
    assert signing.command(*approval, stranger, who=OTHER).code == 1
    _passed(signing.command(*approval, key, who=OTHER))
    assert "verified" in _passed(signing.command("release", "show", "1")).out
    (tmp_path / "text.pem").write_text("no key")
    assert signing.command(*approval, tmp_path / "text.pem", who=OTHER).code == 2

    _passed(signing.command("verify", "1"))
    _passed(signing.command("release", "export", "1", "--out", tmp_path / "export"))
    assert signing.command("release", "export", "1", "--out", tmp_path / "export").code == 2
    dead = "http://127.0.0.1:9"
    told = _passed(flywheel_command("verify", tmp_path / "export", "--json", root=root, uri=dead)).json
    assert "signed" in {check["name"]: check["text"] for check in told["checks"]}[f"approval of {OTHER} as reviewer"]
    changed = tmp_path / "export" / "bundle" / "interfaces.json"
    changed.write_text(changed.read_text().replace('"rows": 6', '"rows": 7'))
    assert flywheel_command("verify", tmp_path / "export", root=root, uri=dead).code == 1


LOOKING = [
    "release list",
    "release show 2",
    "release diff 1 2",
    "release history",
    "release history 2 --last 3",
    "release who --at 2026-01-01",
    "risk list --all",
    "audit --full",
    "doctor",
    "verify 2",
    f"resolve {INTERFACE}",
    "gate 3 --to staging --dry-run",
    "promote 3 --to staging --dry-run",
    "rollback --reason why --dry-run",
    "reconcile --dry-run",
    "release create --iteration 3 --dry-run",
    "release retire 3 --reason why --dry-run",
    f"override 3 --to staging --reason why --until {TOMORROW} --second ben --dry-run",
    f"risk open trouble --owner ana --due {TOMORROW} --likelihood 2 --impact 2 --dry-run",
]


@pytest.mark.parametrize("line", LOOKING)
def test_json_and_dry_run(standing: ReleasesBench, line: str) -> None:
    """Every command has one JSON document as its whole output, and none that only looks writes to the ledger."""
    for plain_text in (False, True):
        ended = standing.command(*line.split(), *([] if plain_text else ["--json"]))
        assert ended.code == 0, ended.err + ended.out
        assert ended.out
        if not plain_text:
            assert isinstance(ended.json, dict)


@pytest.mark.parametrize("who", [REVIEWER, OTHER])
def test_dry_runs_of_reviewers(standing: ReleasesBench, who: str) -> None:
    """Reviewers see what their yes or no would be, and write nothing."""
    for word in ("approve", "reject"):
        line = (word, "3", "--role", "reviewer", "--reason", "why", "--dry-run", "--json")
        answer = standing.command(*line, who=who)
        assert (answer.code, answer.json["event"]) == (0, None), answer.err


BAD = [
    ("release show 9", 2, "unknown release '9'"),
    ("release diff 1 9", 2, "unknown release '9'"),
    ("release export 9 --out nowhere", 2, "unknown release"),
    ("release create --iteration 9", 2, "no assembly"),
    ("release who --at yesterday", 2, "cannot read 'yesterday' as a time"),
    ("release who --at 0001-01-01T00:00+23:00", 2, "as a time"),
    ("gate 9 --to staging", 2, "unknown release"),
    ("gate 3 --to somewhere", 2, "no release stage is called 'somewhere'"),
    ("gate 2 --to production", 1, "is in production already"),
    ("promote 9 --to staging", 2, "unknown release"),
    ("promote 3 --to Production", 2, "no release stage"),
    ("promote 3 --to production", 1, "was never in staging"),
    ("promote 2 --to production", 1, "is in production already"),
    ("rollback --reason why --to 9", 2, "unknown release"),
    ("rollback --reason why --to 3", 1, "was never in production"),
    ("rollback --reason why --to 2", 1, "is in production already"),
    ("approve 3 --role king --reason why", 2, "unknown role 'king'"),
    ("approve 3 --role reviewer --reason why", 1, "ana does not hold the role reviewer"),
    ("reject 3 --role king --reason why", 2, "unknown role"),
    ("release retire 2 --reason why", 1, "first: flywheel rollback --reason '...'"),
    (f"override 3 --to staging --reason why --until {TOMORROW} --second eve", 2, "unknown person 'eve'"),
    (f"override 3 --to staging --reason why --until {TOMORROW} --second ana", 1, "the second person is the first"),
    ("override 3 --to staging --reason why --until 2020-01-01 --second ben", 1, "an override lies in the future"),
    (f"override 3 --to production --reason why --until {TOMORROW} --second ben", 1, "was never in staging"),
    ("override 3 --to staging --reason why --until soon --second ben", 2, "cannot read 'soon'"),
    ("risk show R999", 2, "unknown risk"),
    ("risk close R999 --evidence none --reason why", 2, "unknown risk"),
    ("resolve nothing_such", 2, "unknown interface"),
    (f"resolve {INTERFACE} --at nowhere", 2, "nothing can be resolved at"),
    (f"resolve {INTERFACE} --at 9", 1, "there is no release 9"),
    ("verify 9", 2, "unknown release"),
    ("verify nowhere", 2, "there is no export.json"),
    (f"pull {INTERFACE} --out /dev/null/nowhere", 4, "cannot write there"),
    ("keys new --out /dev/null/deeper/nowhere", 4, "cannot write the key"),
]


@pytest.mark.parametrize(("line", "code", "told"), BAD)
def test_bad_input(standing: ReleasesBench, line: str, code: int, told: str) -> None:
    """What cannot be done is told by name with its exit code, never as a traceback, and changes nothing."""
    ended = standing.command(*line.split())
    assert (ended.code, told in ended.err) == (code, True), ended.err + ended.out
    assert "Traceback" not in ended.err
    assert "try:" in ended.err


@pytest.mark.parametrize("command", ["promote 3 --to staging", "approve 3 --role reviewer", "reject 3 --role reviewer"])
def test_reasons(standing: ReleasesBench, command: str) -> None:
    """A decision without words is none, and one over the limit is refused before anything is written."""
    words = command.split()
    if words[0] == "promote":
        words = ["rollback"]
    for reason in ("", "   ", "x" * 10_000, "x" * 500 + "\x1b[31m", "x" * 500 + "\u202e"):
        ended = standing.command(*words, "--reason", reason, who=REVIEWER)
        assert ended.code == 2, ended.err + ended.out


def test_approvals_of_the_past(standing: ReleasesBench) -> None:
    """An approval that is over before it begins is not written; one that asks for too long says when it ends."""
    line = ("approve", "3", "--role", "reviewer", "--reason", "why", "--dry-run", "--until")
    over = standing.command(*line, "2020-01-01", who=REVIEWER)
    assert (over.code, "an approval ends in the future" in over.err) == (1, True), over.err
    assert "the longest that releases.approval_days allows" in standing.command(*line, "2099-01-01", who=REVIEWER).out


def test_no_release_yet(lone: ReleasesBench, tmp_path: Path) -> None:
    """Before the first release every command says so, and what to do."""
    do = lone.command
    for line in ("release show 1", "gate 1 --to staging", "promote 1 --to staging", "rollback --reason x", "reconcile"):
        ended = do(*line.split())
        assert (ended.code, "flywheel release create" in ended.err) == (1, True), line + ended.err
    assert do("resolve", INTERFACE).code == 1
    assert do("verify", "1").code == 2
    assert do("pull", INTERFACE, "--out", tmp_path / "out").code == 1
    assert (do("audit").code, do("release", "history").code, do("risk", "list").code) == (3, 0, 0)
    assert "nothing was in production" in do("release", "who", "--at", "2026-01-01").out


def test_strangers(standing: ReleasesBench) -> None:
    """Who holds no role that moves releases moves none, whatever the gate says."""
    for line in ("promote 3 --to staging", "rollback --reason why", "release retire 3 --reason why"):
        ended = standing.command(*line.split(), who="eve")
        assert (ended.code, "releases.may_move" in ended.err) == (1, True), ended.err


def test_nobody_decides_alone(tmp_path: Path, embedded_store: Callable[[], EmbeddedStore]) -> None:
    """Ben reviews and moves releases: with `distinct_people: 2` he approves, and somebody else promotes."""
    gates = releases_blueprint()["gates"]
    found = releases_on(
        tmp_path / "flywheel", embedded_store().uri, gates=[gate | {"distinct_people": 2} for gate in gates]
    )
    do = found.command
    found.release(tmp_path, 1)
    _passed(do("approve", "1", "--role", "reviewer", "--reason", "read it", who=REVIEWER))
    gate = _passed(do("gate", "1", "--to", "staging", "--json", who=REVIEWER)).json
    told = next(item for item in gate["result"]["criteria"] if item["id"] == "distinct_people")
    assert told["reason"] == "ben approved as reviewer; ana must promote it"
    alone = do("promote", "1", "--to", "staging", who=REVIEWER)
    assert (alone.code, "ben would explain, approve and promote release 1 alone" in alone.err) == (1, True)
    _passed(do("promote", "1", "--to", "staging", who=MANAGER))
    assert found.findings() == {}
    # Forged: a verdict that names somebody who did nothing, and a move by it.
    snapshot = found.snapshot()
    record = snapshot.state.release(1).last_gate("staging")
    assert record is not None
    body = dict(snapshot.ledger.events[record.number].body) | {"to": "production", "people": [REVIEWER, OTHER]}
    write_directly(found.bench, snapshot, [("gate", body)], who=Identity(REVIEWER))
    number = len(snapshot.ledger.events)
    start: dict[str, object] = {
        "version": 1,
        "to": "production",
        "from": None,
        "by": number,
        "reason": "",
        "lease_s": 120,
    }
    write_directly(found.bench, found.snapshot(), [("promotion_started", start)], who=Identity(REVIEWER))
    write_directly(found.bench, found.snapshot(), [("promoted", {"move": number + 1})], who=Identity(REVIEWER))
    assert "too-few-people" in found.findings()
