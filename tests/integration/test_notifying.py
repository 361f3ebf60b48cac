"""People are told by real servers: a webhook's, apprise's JSON, a mail server's; each fact once, and no act waits."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from feedback_columns import row
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
)
from releases_crew import Job, running_crew
from servers.embedded import copy_store
from servers.receiving import Mailbox, Receiver, mailing, receiving
from servers.tracking import free_port
from workbench import bench_on

import flywheel_mlflow
from flywheel_mlflow.evidence.flywheel import load_flywheel
from flywheel_mlflow.notifications.memory import progress_of, runs_of
from flywheel_mlflow.operations.acts.acting import perform
from flywheel_mlflow.promises.blueprint import Blueprint
from flywheel_mlflow.promises.notify import MAX_WAIT_S

KEY = "a-key-that-nobody-guesses-easily"
OPS = {"id": "ops", "kind": "webhook", "url": "${OPS_URL}", "key": "${OPS_KEY}"}
#: The two facts of a gate that waits for an approval alone.
WAITING = ["Gate to staging: INCONCLUSIVE for release 1", "Release 1 waits for an approval as reviewer"]


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """The service behind the channel ``ops``, whose secrets are in the environment."""
    with receiving() as found:
        monkeypatch.setenv("OPS_URL", found.url)
        monkeypatch.setenv("OPS_KEY", KEY)
        yield found


Make = Callable[..., ReleasesBench]


@pytest.fixture(scope="module")
def released(migrated_template: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A flywheel's name, and a store with its one release, whose gate waits for an approval: copies begin there."""
    folder = tmp_path_factory.mktemp("released")
    store = copy_store(migrated_template, folder / "store")
    bench = releases_on(folder / "flywheel", store.uri)
    assert bench.release(folder / "work", 1) == 1
    return bench.name, folder / "store" / "mlflow.db"


@pytest.fixture
def make(released: tuple[str, Path], tmp_path: Path) -> Make:
    """Opens that flywheel with channels, which are no part of what its release rests on."""
    name, template = released

    def made(*channels: dict[str, Any], **more: Any) -> ReleasesBench:
        # As patient as can be: a busy machine may take seconds to reach itself.
        notify = {"channels": list(channels or (OPS,)), "wait_s": MAX_WAIT_S, **more.pop("notify", {})}
        document = releases_blueprint(notify=notify, **more) | {"name": name}
        root = write_flywheel(tmp_path / "flywheel", blueprint=document, contracts=releases_contracts())
        return ReleasesBench(bench_on(load_flywheel(root), copy_store(template, tmp_path / "store").uri))

    return made


def gate(bench: ReleasesBench) -> dict[str, Any]:
    """Evaluate the gate to staging."""
    return bench.act(MANAGER, "gate", version=1, to="staging")


def send(bench: ReleasesBench, **more: Any) -> dict[str, Any]:
    """What `flywheel notify send` does."""
    return bench.act(MANAGER, "notify-send", **more)


def test_each_fact_is_told_once(make: Make, receiver: Receiver) -> None:
    """However often an act is repeated, and whatever looks again; signed, as the standard library alone verifies."""
    bench = make()
    assert "unsent" not in gate(bench)
    assert sorted(receiver.titles()) == WAITING
    for post in receiver.posts:
        assert post.is_signed_with(KEY)
        assert not post.is_signed_with(KEY + "x")
        assert post.headers["webhook-id"] == post.document["id"]
    verdict = next(post.document for post in receiver.posts if post.document["event"] == "gate_verdict")
    assert verdict["flywheel"] == bench.name
    assert verdict["facts"]["criteria"]["signed"] == "INCONCLUSIVE"
    waiting = next(post.document for post in receiver.posts if post.document["event"] == "approval_waiting")
    assert waiting["people"] == [REVIEWER, OTHER]
    gate(bench)
    told = send(bench)
    assert (told["notices"], told["already"], told["unsent"]) == ([], 2, [])
    assert len(receiver.posts) == 2
    bench.act(REVIEWER, "approve", version=1, role="reviewer", reason="it is good")
    gate(bench)
    assert receiver.titles()[2:] == ["Gate to staging: PASS for release 1"]
    bench.act(MANAGER, "gate", version=1, to="staging", dry_run=True)
    assert len(receiver.posts) == 3


def test_a_team_hears_of_its_feedback_once_a_day(make: Make, receiver: Receiver, tmp_path: Path) -> None:
    """From the command and from Python, with the people behind the team; a second file of the day is no more news."""
    teams = [{"id": "builders", "title": "Builders", "responsibilities": ["build"], "people": [OTHER]}]
    rule = {"id": "makers", "match": "its data", "to": "producer", "why": "Who makes it can mend it."}
    bench = make(OPS | {"events": ["feedback_routed"]}, teams=teams, routing=[rule])
    first, second = (tmp_path / f"{number}.jsonl" for number in (1, 2))
    for number, path in enumerate((first, second)):
        path.write_text(json.dumps(row(number, interface=INTERFACE, text="wrong")) + "\n")
    ended = bench.command("feedback", "ingest", first, "--iteration", "1")
    assert (ended.code, ended.err) == (0, "")
    (post,) = receiver.posts
    assert post.document["event"] == "feedback_routed"
    assert post.document["title"].startswith("Feedback for p01: 1 event of iteration 1 on 20")
    assert (post.document["people"], post.document["lines"]) == ([OTHER], ["1 from 1.jsonl"])
    flywheel_mlflow.open_flywheel(bench.bench.flywheel.root, bench.bench.uri).ingest([second], 1)
    assert len(receiver.posts) == 1


def test_a_dead_service_fails_no_act_and_is_told(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """The verdict stands; standard error, the answer and the doctor say what is missing; later it is sent, once."""
    monkeypatch.setenv("OPS_URL", f"http://127.0.0.1:{free_port()}/hooks/secret-path")
    monkeypatch.setenv("OPS_KEY", KEY)
    bench = make()
    ended = bench.command("-vv", "gate", "1", "--to", "staging")
    assert ended.code == 3
    assert "note: channel ops: " in ended.err
    assert "was not sent: no connection; and 1 more; `flywheel notify send` tries again" in ended.err
    assert "secret-path" not in ended.err + ended.out
    assert bench.snapshot().state.release(1).gates[0].verdict == "INCONCLUSIVE"
    looked = bench.command("doctor")
    assert looked.code == 3
    assert "2 notifications not sent yet: ops: no connection" in " ".join(looked.out.replace("│", " ").split())
    with receiving() as receiver:
        monkeypatch.setenv("OPS_URL", receiver.url)
        assert gate(bench)["event"]  # a minute has not passed since: nobody tries the failed one again, for this act
        patient = bench.command("notify", "send", "--now", "--json")
        assert patient.code == 0
        assert sorted(receiver.titles()) == WAITING
        assert {item["outcome"] for item in patient.json["notices"]} == {"sent"}
    assert bench.command("doctor").code == 0


def test_a_slow_service_delays_no_act(make: Make, receiver: Receiver) -> None:
    """The act ends while the service still thinks; what it takes in the end is not sent again."""
    receiver.hold = threading.Event()
    bench = make({"id": "room", "kind": "apprise", "url": "${OPS_URL}"}, notify={"wait_s": 0.3})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPS_URL", receiver.url.replace("http://", "json://"))
        answer = gate(bench)
        assert answer["result"]["verdict"] == "INCONCLUSIVE"
        assert "no answer within" in answer["unsent"][0]
        assert receiver.posts == []
        assert send(bench, at_once=True, dry_run=True)["notices"][0]["outcome"] == "waits"
        receiver.hold.set()
        until = datetime.now(UTC) + timedelta(minutes=5)
        while not any(item.sent for item in remembered(bench)) and datetime.now(UTC) < until:
            threading.Event().wait(0.05)
        send(bench, at_once=True)
        assert sorted(receiver.titles()) == WAITING
        assert send(bench, at_once=True)["already"] == 2


def remembered(bench: ReleasesBench) -> list[Any]:
    """What became of every delivery, as MLflow has it."""
    runs = runs_of(bench.snapshot().ledger.counted)
    params = [bench.bench.run(run_id).data.params for run_id in runs.values()]
    return [item for found in params for item in progress_of(found).values()]


@pytest.mark.parametrize(
    ("statuses", "posts", "why"),
    [
        ([503, 429], 3, ""),
        ([500] * 9, 3, "it answered 500"),
        ([400] * 9, 1, "it answered 400"),
        ([302] * 9, 1, "it answered 302, and redirects are not followed"),
    ],
)
def test_answers_of_a_webhook(make: Make, receiver: Receiver, statuses: list[int], posts: int, why: str) -> None:
    """Trouble is tried again, three times; a refusal is not, and nobody is led elsewhere."""
    with receiving() as elsewhere:
        receiver.redirect = elsewhere.url
        receiver.statuses = statuses
        bench = make()
        told = bench.act(MANAGER, "notify-test", channel="ops")
        assert (told["outcome"], told["why"]) == ("not sent" if why else "sent", why)
        assert len(receiver.posts) == posts
        assert len({post.headers["webhook-id"] for post in receiver.posts}) == 1
        assert elsewhere.posts == []


def test_a_channel_that_fails_keeps_no_other_from_being_used(make: Make, receiver: Receiver) -> None:
    """Each channel by itself; the one that fails is not tried for every notice of a round."""
    with receiving() as other, pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTHER_URL", other.url)
        receiver.statuses = [400] * 9
        bench = make(OPS, OPS | {"id": "other", "url": "${OTHER_URL}"})
        (line,) = gate(bench)["unsent"]
        assert "channel ops" in line
        assert len(receiver.posts) == 1
        assert sorted(other.titles()) == WAITING


@pytest.fixture
def mailbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    """The mail server behind the channel ``mail``."""
    with mailing(free_port()) as found:
        address = f"mailto://{found.address}?from=flywheel@example.org&mode=insecure&to={{contact}}"
        monkeypatch.setenv("MAIL_URL", address)
        yield found


def test_mail_reaches_the_people_concerned(make: Make, mailbox: Mailbox) -> None:
    """Each at their own address and nobody else; who has no contact is passed by."""
    people = [
        {"id": MANAGER, "contacts": {"email": "ana@example.org"}},
        {"id": REVIEWER, "contacts": {"email": "ben+fw@example.org"}},
        {"id": OTHER},
    ]
    mail = {"id": "mail", "kind": "apprise", "url": "${MAIL_URL}", "contact": "email"}
    bench = make(mail, people=people)
    assert "unsent" not in gate(bench)
    found = {(message["X-Recipients"], message["Subject"]) for message in mailbox.messages}
    assert found == {("ana@example.org", WAITING[0]), ("ben+fw@example.org", WAITING[1])}
    text = next(item for item in mailbox.messages if item["Subject"] == WAITING[1]).get_content()
    assert "next: flywheel approve 1 --role reviewer --reason '...'" in text
    gate(bench)
    assert len(mailbox.messages) == 2
    assert bench.command("notify", "test", "mail", "--to", REVIEWER).out == f"mail: sent to {REVIEWER}\n"
    assert mailbox.messages[2]["X-Recipients"] == "ben+fw@example.org"
    looked = " ".join(bench.command("doctor").out.replace("│", " ").split())
    assert "nobody with a contact called email stands behind builders" in looked
    for words, message in (
        (("mail", "--to", OTHER), "chen has no contact called 'email'"),
        (("mail", "--to", "eve"), "unknown person 'eve'"),
        (("nail",), "unknown channel 'nail'"),
    ):
        ended = bench.command("notify", "test", *words)
        assert ended.code == 2
        assert message in ended.err


def test_text_of_strangers_is_text_in_every_channel(
    make: Make, receiver: Receiver, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A risk's title with markup, line breaks and calls is one harmless line of a message, and no header."""
    monkeypatch.setenv("ROOM_URL", receiver.url.replace("http://", "json://"))
    bench = make(
        OPS | {"events": ["risk_overdue"]},
        {"id": "room", "kind": "apprise", "url": "${ROOM_URL}", "events": ["risk_overdue"]},
        {"id": "mail", "kind": "apprise", "url": "${MAIL_URL}", "contact": "email", "events": ["risk_overdue"]},
        people=[{"id": MANAGER, "contacts": {"email": "ana@example.org"}}, {"id": REVIEWER}, {"id": OTHER}],
    )
    title = "<script>x</script> Bcc: eve@evil.org [a](http://evil) @everyone"
    due = datetime.now(UTC) - timedelta(days=1)
    bench.act(MANAGER, "risk-open", title=title, owner=MANAGER, due=due, likelihood=4, impact=4)
    risk = next(iter(bench.snapshot().risks))
    assert send(bench, audit=False)["unsent"] == []
    hooked, room = sorted(receiver.posts, key=lambda post: "webhook-id" not in post.headers)
    assert hooked.document["lines"][0] == title
    expected = title.replace("@everyone", "@\N{ZERO WIDTH SPACE}everyone")
    assert room.document["message"].splitlines()[0] == expected
    (message,) = mailbox.messages
    assert message["Subject"] == f"Risk {risk} is overdue since {due:%Y-%m-%d}"
    assert message["Bcc"] is None
    assert message.get_content_type() == "text/plain"
    assert expected in message.get_content()


@pytest.mark.slow
def test_many_processes_tell_a_fact_once(make: Make, receiver: Receiver, tmp_path: Path) -> None:
    """Four at once, of which each would make the run where it is remembered."""
    bench = make()
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("OPS_URL")
        assert "no OPS_URL" in gate(bench)["unsent"][0]
    root = bench.bench.flywheel.root
    environment = {"OPS_URL": receiver.url, "OPS_KEY": KEY}
    with running_crew(tmp_path, environment) as crew:
        jobs = [Job(root, bench.bench.uri, MANAGER, "notify-send", {"audit": False}) for _ in range(4)]
        outcomes = crew.do(jobs)
    assert [item.error for item in outcomes] == [""] * 4
    assert sorted(receiver.titles()) == WAITING
    opened = [event for event in bench.snapshot().ledger.events if event.kind == "notifications_opened"]
    assert len(opened) == 1


def test_a_missing_variable_is_no_fault_of_the_file(make: Make) -> None:
    """`validate` passes and so does the act; its note, the doctor and the test of the channel name what is missing."""
    bench = make()
    assert bench.command("validate").code == 0
    ended = bench.command("gate", "1", "--to", "staging")
    assert ended.code == 3
    assert "the environment has no OPS_URL and no OPS_KEY" in ended.err
    assert "the environment has no OPS_URL and no OPS_KEY" in bench.command("notify", "test", "ops").err
    assert bench.command("notify", "test", "ops").code == 2
    assert bench.command("notify", "send").code == 4
    assert "OPS_URL" in bench.command("doctor").out
    assert remembered(bench) == []


@pytest.mark.slow
def test_regressions_of_an_assembly_are_told(make: Make, receiver: Receiver, tmp_path: Path) -> None:
    """By `assemble`, to the owner of the project; assembling or comparing again tells nothing."""
    bench = make(OPS | {"events": ["regression"]})
    bench.log(tmp_path / "work", 2, quality=0.2)
    for word in ("assemble", "drift"):
        ended = bench.command(word, "--iteration", "2")
        assert ended.code in (0, 1), ended.err
        assert receiver.titles() == ["Iteration 2: 1 regression in p01"]
    assert receiver.posts[0].document["facts"]["subjects"] == ["p01.quality"]


def test_findings_of_the_audit_are_told(make: Make, receiver: Receiver) -> None:
    """By `audit`, and by `notify send` unless it shall not look."""
    bench = make(OPS | {"events": ["audit_finding"]})
    bench.bench.client.set_registered_model_alias(bench.name, "production", "1")
    assert send(bench, audit=False)["notices"] == []
    assert bench.command("audit").code == 1
    assert len(receiver.posts) >= 1
    assert set(receiver.events()) == {"audit_finding"}
    before = len(receiver.posts)
    assert send(bench)["notices"] == []
    assert bench.command("audit").code == 1
    assert len(receiver.posts) == before


def test_a_broken_ledger_is_told_all_the_same(make: Make, receiver: Receiver) -> None:
    """Nothing can be written into it, so what people hear of it is remembered where earlier notices are."""
    bench = make(OPS | {"events": ["gate_verdict", "audit_finding"]})
    gate(bench)
    bench.bench.client.log_param(bench.ledger_run(), "event.000009", "{}")
    later = bench.session(now=lambda: datetime.now(UTC) + timedelta(days=100))
    told = perform(later, "notify-send", {})
    assert {item["outcome"] for item in told["notices"]} == {"sent"}
    assert "audit_finding" in receiver.events()
    assert perform(later, "notify-send", {})["notices"] == []


def test_python_tells_people_too(make: Make, receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    """Acts as methods notify, what cannot be sent is logged, and the commands' functions are methods."""
    bench = make()
    flywheel = flywheel_mlflow.open_flywheel(bench.bench.flywheel.root, bench.bench.uri)
    assert flywheel.notify_test("ops").items[0]["outcome"] == "sent"
    receiver.posts.clear()
    receiver.statuses = [400]
    flywheel.gate(1, "staging")
    assert "channel ops" in caplog.text
    assert {row["outcome"] for row in flywheel.notify(dry_run=True, at_once=True).items} == {"would be sent"}
    assert {row["outcome"] for row in flywheel.notify(at_once=True).items} == {"sent"}
    assert len(receiver.posts) == 3


def blocks(repository: Path, language: str) -> list[str]:
    """The fenced blocks of docs/notifications.md in one language."""
    text = (repository / "docs" / "notifications.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_the_page_says_what_is_sent_and_how_to_verify_it(make: Make, receiver: Receiver, repository: Path) -> None:
    """Its JSON has the keys of a real message, and its function accepts that message and no other."""
    gate(make())
    post = next(post for post in receiver.posts if post.document["event"] == "gate_verdict")
    (example,) = map(json.loads, blocks(repository, "json"))
    assert example.keys() == post.document.keys()
    assert example["facts"].keys() == post.document["facts"].keys()
    assert {name: type(value) for name, value in example.items()} == {
        name: type(value) for name, value in post.document.items()
    }
    (code,) = blocks(repository, "python")
    scope: dict[str, Any] = {}
    exec(code, scope)  # noqa: S102 - the documented code is what is tested
    assert scope["is_ours"](post.headers, post.body, KEY)
    assert not scope["is_ours"](post.headers, post.body, KEY + "x")
    assert not scope["is_ours"](post.headers, post.body + b" ", KEY)
    assert not scope["is_ours"](post.headers | {"webhook-timestamp": "1"}, post.body, KEY)


def test_the_page_is_accepted_and_its_commands_run(
    make: Make, receiver: Receiver, mailbox: Mailbox, repository: Path
) -> None:
    """Its YAML is read as it stands, but for what a flywheel has besides, and its commands end well."""
    for text in blocks(repository, "yaml"):
        base, found = releases_blueprint(), yaml.safe_load(text)
        named = {item["id"]: item for item in (*base["people"], *found.get("people", ()))}
        teams = [*base["teams"], *found.get("teams", ())]
        Blueprint.model_validate(base | found | {"people": list(named.values()), "teams": teams})
    people = [{"id": MANAGER, "contacts": {"email": "ana@example.org"}}, {"id": REVIEWER}, {"id": OTHER}]
    mail = {"id": "mail", "kind": "apprise", "url": "${MAIL_URL}", "contact": "email"}
    room = {"id": "room", "kind": "apprise", "url": "${OPS_URL}"}
    bench = make(room, mail, people=people)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPS_URL", receiver.url.replace("http://", "json://"))
        text = "".join([*blocks(repository, "bash"), *blocks(repository, "console")])
        commands = re.findall(r"^(?:\$ )?flywheel (notify [^#\n]+)", text, re.MULTILINE)
        assert len(commands) == 5
        for words in commands:
            ended = bench.command(*words.split())
            assert ended.code == 0, f"{words}: {ended.err}"
