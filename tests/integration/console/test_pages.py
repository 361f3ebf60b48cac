"""Pages of a server with accounts, over HTTP: who may read them, what they carry, what happens when something fails."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
import yaml
from croissant_reading import read_croissant
from mlcroissant._src.core import constants
from prometheus_client.parser import text_string_to_metric_families
from releases_bench import MANAGER, OTHER, REVIEWER
from servers.console import HALF_IN, SHUT_OUT, VIEWER, ConsoleServer
from servers.plugin import ADMIN, password, signed_in

from flywheel_mlflow.operations.reading.kinds import PAGES

HOSTILE_REPORT = "<html><body><script>top.location='http://evil.example'</script><p>exchanged</p></body></html>"


@pytest.fixture(scope="module")
def report(console: ConsoleServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a report whose HTML somebody exchanged for their own."""
    with signed_in(ADMIN):
        tracking = console.plugin.bench().bench.tracking
        runs = [found.run_id for number in (3, 2) if (found := tracking.assemblies.recorded(number))]
        tracking.comparisons.write(
            *runs, verdict="PASS", files={"drift.html": HOSTILE_REPORT}, metrics={}, folder=tmp_path_factory.mktemp("r")
        )
    return f"/drift/report?run={runs[0]}&against={runs[1]}"


def plain_paths() -> list[str]:
    """Every page that needs nothing in its address."""
    return [kind.path for kind in PAGES if "{" not in kind.path]


@pytest.mark.parametrize("path", plain_paths())
def test_every_page_is_shown_to_whoever_may_read(console: ConsoleServer, path: str) -> None:
    """A manager without any role reads every page; it says who they are, and closes itself in."""
    answer = console.page(VIEWER, path)
    assert answer.status_code == 200, answer.text[-2000:]
    assert f"Signed in as {VIEWER}." in answer.text
    assert f'href="{console.prefix}/flywheel/' in answer.text
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    own = f"{console.plugin.uri.removeprefix('http://')}/flywheel"
    assert f"script-src {own}/live.js; connect-src {own}/state;" in policy
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("path", ["/", "/releases/3", "/nothing", "/drift/report?run=x&against=y"])
def test_nobody_reads_without_signing_in(console: ConsoleServer, path: str) -> None:
    """No credentials, wrong ones and other kinds get 401, and the words on which a browser asks for better ones."""
    wrong = requests.get(f"{console.plugin.uri}/flywheel{path}", auth=(VIEWER, "not the password"), timeout=60)
    other = console.page(None, path, headers={"Authorization": "Bearer x"})
    for answer in (console.page(None, path), wrong, other):
        assert answer.status_code == 401, answer.text
        assert answer.headers["WWW-Authenticate"] == 'Basic realm="mlflow"'
        assert console.name not in answer.text.replace(f"{console.name}</", "")
        assert "release 3" not in answer.text


@pytest.mark.parametrize("path", ["/", "/releases/3", "/nothing"])
def test_whoever_may_not_read_the_assembly_sees_nothing(console: ConsoleServer, path: str) -> None:
    """A person whom MLflow denies the flywheel's experiment is told so, and nothing else."""
    answer = console.page(SHUT_OUT, path)
    assert answer.status_code == 403
    assert f"the experiment {console.name}" in answer.text
    assert "p01_data" not in answer.text


def test_whoever_may_not_read_the_model_sees_nothing(console: ConsoleServer) -> None:
    """Nor does one whom MLflow denies the registered model, or the runs; taken back, they read again."""
    for kind, resource in (("registered_model", console.name), ("run", "*")):
        console.plugin.deny(OTHER, kind, resource)
        answer = console.page(OTHER, "/releases")
        console.plugin.call(
            "POST",
            "/api/3.0/mlflow/users/permissions/revoke",
            who=ADMIN,
            json={"username": OTHER, "resource_type": kind, "resource_id": resource},
        )
        assert answer.status_code == 403, kind
    assert console.page(OTHER, "/releases").status_code == 200


def test_a_project_is_shown_to_whoever_may_read_it(console: ConsoleServer) -> None:
    """A person shut out of one project's experiment sees what the assembly says of it, and not the project's page."""
    assert console.page(HALF_IN, "/").status_code == 200
    card = "/dataset-card/p01_data"
    suspects = "/numbers/p02.score?first=1&second=3"
    samples = "/compare?first=1&second=3&samples=p01.quality"
    for path in ("/projects/p01", "/interfaces/p01_data", "/croissant/p01_data", card, samples, suspects):
        assert console.page(VIEWER, path).status_code in (200, 404)  # 404 while there is no such page
        answer = console.page(HALF_IN, path)
        if console.page(VIEWER, path).status_code == 200:
            assert answer.status_code == 403
            assert f"the experiment {console.name}/p01" in answer.text


@pytest.mark.parametrize(
    "place",
    [
        "",
        "/",
        "//evil.example/",
        "https://evil.example",
        "/models/..%2f..%2fevil",
        "/experiments/'; DROP TABLE runs",
        "/experiments/1/runs/" + "a" * 300,
        "/runs/%00",
        "/compare-runs?runs=[",
        "/compare-runs?runs=[1,{}]",
        "/compare-runs?runs=[[[[",
        "\r\nLocation: https://evil.example",
    ],
)
def test_a_place_of_nobodys_leads_to_the_overview(console: ConsoleServer, place: str) -> None:
    """Whatever somebody writes as a place in MLflow, the answer leads to a page of this console."""
    answer = console.page(VIEWER, "/at", params={"place": place}, allow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (303, f"{console.prefix}/flywheel/")


def test_nobody_is_led_anywhere_without_signing_in(console: ConsoleServer) -> None:
    """What a run is is not told to who may not read it; the script of the link is the same for everybody."""
    assert console.page(None, "/at", params={"place": "/"}, allow_redirects=False).status_code == 401
    assert console.page(SHUT_OUT, "/at", params={"place": "/"}, allow_redirects=False).status_code == 403
    script = console.page(None, "/banner.js")
    assert script.status_code == 200
    assert console.name not in script.text


def test_a_dataset_card_is_saved(console: ConsoleServer) -> None:
    """The page of an interface leads to its dataset card, which its own reader takes, as a file to save."""
    link = f'href="{console.prefix}/flywheel/dataset-card/p01_data?iteration='
    assert link in console.page(VIEWER, "/interfaces/p01_data").text
    answer = console.page(VIEWER, "/dataset-card/p01_data?iteration=3")
    assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''README.md"
    assert "digest" in yaml.safe_load(answer.text.split("---")[1])["flywheel"]
    assert console.page(VIEWER, "/dataset-card/nothing").status_code == 404


def test_a_croissant_document_leads_to_the_data(
    console: ConsoleServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an interface's page links to is opened by mlcroissant, which fetches the data with the reader's account."""
    link = f'href="{console.prefix}/flywheel/croissant/p01_data?iteration='
    assert link in console.page(VIEWER, "/interfaces/p01_data").text
    answer = console.page(VIEWER, "/croissant/p01_data?iteration=3")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/ld+json")
    document = tmp_path / "croissant.json"
    document.write_text(answer.text, encoding="utf-8")
    monkeypatch.setenv("CROISSANT_BASIC_AUTH_USERNAME", VIEWER)
    monkeypatch.setenv("CROISSANT_BASIC_AUTH_PASSWORD", password(VIEWER))
    downloads = type(constants.DOWNLOAD_PATH)(tmp_path / "downloads")  # not into the user's cache
    monkeypatch.setattr(constants, "DOWNLOAD_PATH", downloads)
    found = read_croissant(document, "p01_data")
    assert len(found) == 8
    assert {row["source"]["name"] for row in found}
    assert console.page(VIEWER, "/croissant/nothing").status_code == 404
    assert console.page(VIEWER, "/croissant/p01_data?iteration=99").status_code == 404


def test_the_entrance_leads_to_the_overview(console: ConsoleServer) -> None:
    """The address without the slash leads on, below the server's prefix; without the prefix there is nothing."""
    answer = console.page(None, "", allow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (307, "/ml/flywheel/")
    assert requests.get(f"{console.uri}/flywheel/", timeout=60).status_code in (401, 404)


def test_unknown_addresses_have_a_page_of_ours(console: ConsoleServer) -> None:
    """Below /flywheel nothing of MLflow's answers; other methods are told that pages are read."""
    for path in ("/nothing", "/releases/999999", "/releases/3/x", "/%2e%2e/x", "/releases/3%2f..%2f4"):
        answer = console.page(VIEWER, path)
        assert answer.status_code == 404, path
        assert f"Signed in as {VIEWER}." in answer.text
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        answer = console.plugin.call(method, "/flywheel/releases/3", who=VIEWER)
        assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD"), method


def test_heads_are_answered(console: ConsoleServer) -> None:
    """HEAD says what GET would, without the page."""
    for path, status in (("/", 200), ("/nothing", 404)):
        answer = console.plugin.call("HEAD", f"/flywheel{path}", who=VIEWER)
        assert (answer.status_code, answer.text) == (status, "")
        assert "Content-Security-Policy" in answer.headers


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/releases/0", 400),
        ("/releases/-1", 400),
        ("/releases/" + "9" * 40, 400),
        ("/releases/%3Cscript%3Ealert(1)%3C%2Fscript%3E", 404),
        ("/releases/%FF%FE%00", 400),
        ("/releases/3?event=999999", 200),
        ("/releases/3?event=1&event=2", 400),
        ("/releases/3?event=%3Cscript%3E", 400),
        ("/releases/3?version=1&release=2", 200),
        ("/?" + "&".join(f"a{number}=1" for number in range(40)), 400),
        ("/?" + "x" * 5_000, 200),
        ("/?%FF=%FE%00&a;b=1", 200),
    ],
)
def test_hostile_addresses_are_answered(console: ConsoleServer, path: str, status: int) -> None:
    """Whatever stands in an address is read within its limits or refused, and shown as text."""
    answer = console.page(VIEWER, path)
    assert answer.status_code == status, answer.text[-2000:]
    scripts = re.findall(r"<script[^>]*>", answer.text)
    assert all(f'src="{console.prefix}/flywheel/live.js"' in script for script in scripts), scripts
    assert len(scripts) <= 1


def test_scripts_of_other_servers_read_nothing(console: ConsoleServer) -> None:
    """MLflow lets scripts of any page of this machine read its answers; of ours they get none, signed in or not."""
    for origin in ("http://evil.example", "http://localhost:1", "null"):
        answer = console.page(VIEWER, "/releases/3", headers={"Origin": origin})
        assert answer.status_code == 403, origin
        assert "release 3" not in answer.text.lower()
    assert console.page(VIEWER, headers={"Origin": console.uri}).status_code == 200


def test_a_report_is_sealed_off(console: ConsoleServer, report: str) -> None:
    """Evidently's page comes as it is, under a policy by which it has no origin, loads nothing and sends nothing."""
    answer = console.page(VIEWER, report, headers={"Sec-Fetch-Dest": "iframe"})
    assert (answer.status_code, answer.text) == (200, HOSTILE_REPORT)
    policy = answer.headers["Content-Security-Policy"]
    for part in (
        "sandbox allow-scripts;",
        "default-src 'none'",
        "connect-src 'none'",
        "form-action 'none'",
        "frame-ancestors 'self'",
    ):
        assert part in policy
    assert "allow-same-origin" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_a_report_is_shown_inside_its_page_alone(console: ConsoleServer, report: str) -> None:
    """A browser that wants it for a window of its own, or a script for itself, is refused."""
    for place in ("document", "empty", "script", "embed"):
        answer = console.page(VIEWER, report, headers={"Sec-Fetch-Dest": place})
        assert answer.status_code == 400, place
        assert "exchanged" not in answer.text


def test_only_reports_of_this_flywheel_are_handed_out(console: ConsoleServer, report: str) -> None:
    """No other run, no other file and no other place can be asked for."""
    with signed_in(ADMIN):
        bench = console.plugin.bench()
        ledger = bench.ledger_run()
        producer = bench.bench.client.search_runs([_experiment(bench.bench.client, f"{console.name}/p01")])[
            0
        ].info.run_id
    _, _, tail = report.partition("&against=")
    for query, status in (
        (f"run={ledger}&against={tail}", 404),
        (f"run={producer}&against={tail}", 404),
        (f"run={'0' * 32}&against={tail}", 404),
        (report.partition("?")[2].replace(tail, "f" * 32), 404),
        (f"run=../{tail[3:]}&against={tail}", 400),
        (f"run={tail}&against=..%2F..%2Frelease", 400),
        (f"run={tail}", 400),
        ("", 400),
    ):
        assert console.page(VIEWER, f"/drift/report?{query}").status_code == status, query
    assert console.page(SHUT_OUT, report).status_code == 403


def _experiment(client: object, name: str) -> str:
    from mlflow import MlflowClient

    assert isinstance(client, MlflowClient)
    found = client.get_experiment_by_name(name)
    assert found is not None
    return str(found.experiment_id)


@contextmanager
def moved_away(path: Path) -> Iterator[None]:
    """A file that is elsewhere for a while."""
    elsewhere = path.with_suffix(".away")
    path.rename(elsewhere)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        elsewhere.rename(path)


def test_a_store_in_trouble_is_told(console: ConsoleServer) -> None:
    """While the database is away every page says so with 503, and no trace; afterwards pages are as before."""
    with moved_away(console.plugin.log.parent / "mlflow.db"):
        for path in ("/", "/releases/3", "/nothing"):
            answer = console.page(REVIEWER, path)
            assert answer.status_code == 503, answer.text[-2000:]
            assert "Traceback" not in answer.text
    assert console.page(REVIEWER, "/releases/3").status_code == 200


def test_faults_of_the_files_are_told(console: ConsoleServer) -> None:
    """While flywheel.yaml has faults pages say which, with 503; mended, they are as before without a restart."""
    path = console.plugin.root / "flywheel.yaml"
    text = path.read_text()
    try:
        path.write_text(text + "\nsurprise: 1\n")
        answer = console.page(VIEWER)
        assert answer.status_code == 503
        assert "surprise" in answer.text
    finally:
        path.write_text(text)
    assert console.page(VIEWER).status_code == 200


def test_the_log_holds_no_secret(console: ConsoleServer) -> None:
    """Neither passwords nor tokens are written down."""
    token = console.token(MANAGER)
    log = console.plugin.log.read_text(errors="replace")
    assert token not in log
    assert "password-of" not in log


def test_monitors_scrape_what_the_overview_says(console: ConsoleServer) -> None:
    """Behind an account the state is a page of numbers that Prometheus reads; without one it is refused."""
    answer = console.page(VIEWER, "/metrics")
    assert answer.status_code == 200, answer.text[-2000:]
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    found = {family.name: family.samples for family in text_string_to_metric_families(answer.text)}
    assert found["flywheel_iteration"][0].value == 3
    with signed_in(ADMIN):
        there = console.plugin.bench().snapshot().aliases
    assert {sample.labels["stage"]: sample.value for sample in found["flywheel_release"]} == there
    assert console.page(None, "/metrics").status_code == 401
    assert console.page(SHUT_OUT, "/metrics").status_code == 403
