"""The way in: from the package alone in an empty folder, with real processes, as somebody who copies every line."""

from __future__ import annotations

import email
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.etree.ElementTree import parse

import pytest
import requests
import yaml
from servers.tracking import START_LIMIT_S, free_port
from workbench import TELEMETRY_OFF, flywheel_command, records, write_records

from flywheel_mlflow.operations.projects.starting import Template, init_project, new_flywheel

pytestmark = [pytest.mark.integration, pytest.mark.slow]


@pytest.fixture(scope="module")
def installed(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a machine on which the wheel is installed, and nothing of the checkout is in reach."""
    folder = tmp_path_factory.mktemp("installed")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=repository, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")  # what pip does with it
    command = folder / "bin" / "flywheel"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m flywheel_mlflow "$@"\n')
    command.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "FLYWHEEL_"))}
    path = f"{command.parent}{os.pathsep}{os.environ['PATH']}"
    return kept | TELEMETRY_OFF | {"PYTHONPATH": str(folder / "site"), "PATH": path}


def run(*words: str, cwd: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, cwd=cwd, env=env, capture_output=True, text=True, check=False)


@contextmanager
def serving(
    *words: str, cwd: Path, env: dict[str, str], end: signal.Signals = signal.SIGINT
) -> Iterator[subprocess.Popen[bytes]]:
    """``flywheel ui`` as a process that is interrupted, as by Ctrl-C unless ``end`` says otherwise."""
    with (cwd / "ui.log").open("wb") as log:
        # A shell ignores these for what it runs in the background, and programs inherit that.
        before = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGINT, signal.SIGHUP)}
        try:
            process = subprocess.Popen(["flywheel", "ui", *words], cwd=cwd, env=env, stdout=log, stderr=log)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
    try:
        yield process
        process.send_signal(end)
        process.wait(START_LIMIT_S)
    finally:
        process.kill()
        process.wait()


def answer(address: str, process: subprocess.Popen[bytes]) -> requests.Response:
    limit = time.monotonic() + START_LIMIT_S
    while time.monotonic() < limit and process.poll() is None:
        try:
            return requests.get(address, timeout=60)
        except requests.ConnectionError:
            time.sleep(0.2)
    raise AssertionError(f"no answer from {address}")


def test_four_commands_and_no_edited_file(repository: Path, installed: dict[str, str], tmp_path: Path) -> None:
    """The README's commands, which init prints too: every project is consumable, exit 0, and the console opens."""
    readme = (repository / "README.md").read_text(encoding="utf-8")
    first, *documented = readme.partition("```bash\nflywheel init")[2].partition("\n```")[0].splitlines()
    begun = run("flywheel", "init", *first.split(), cwd=tmp_path, env=installed)
    assert begun.returncode == 0, begun.stderr
    printed = [line.strip() for line in begun.stdout.splitlines() if line.startswith("  ")]
    assert printed == documented == ["cd my-flywheel", "flywheel assemble --iteration 1 --log pipelines", "flywheel ui"]
    home = tmp_path / printed[0].removeprefix("cd ")
    assembled = run(*printed[1].split(), cwd=home, env=installed)
    assert assembled.returncode == 0, assembled.stdout + assembled.stderr
    assert "2 consumable" in assembled.stdout
    assert "ERROR" not in assembled.stderr
    opened = tmp_path / "opened"
    browser = tmp_path / "browser.sh"
    browser.write_text(f'#!/bin/sh\necho "$1" > "{opened}"\n')
    browser.chmod(0o755)
    port = free_port()
    with serving("--port", str(port), cwd=home, env=installed | {"BROWSER": f"{browser} %s"}) as process:
        page = answer(f"http://127.0.0.1:{port}/flywheel/", process)
        assert page.status_code == 200
        assert "My flywheel" in page.text
        while not opened.exists() and process.poll() is None:
            time.sleep(0.2)
        assert opened.read_text().strip() == f"http://127.0.0.1:{port}/flywheel/"
        busy = run("flywheel", "ui", "--no-browser", "--port", str(port), cwd=home, env=installed)
        assert (busy.returncode, "already in use" in busy.stderr) == (2, True)
    assert process.returncode == 0, (home / "ui.log").read_text()
    with socket.create_server(("127.0.0.1", port)):
        pass  # the server has gone with its workers
    assert run("flywheel", "check", cwd=home, env=installed).returncode == 0
    elsewhere = run("flywheel", "init", "other", cwd=tmp_path, env=installed | {"FLYWHEEL_ROOT": str(home)})
    assert "  unset FLYWHEEL_ROOT\n  cd other\n" in elsewhere.stdout
    again = run("flywheel", "init", "my-flywheel", cwd=tmp_path, env=installed)
    assert (again.returncode, "there already" in again.stderr) == (2, True)


def test_the_wheel_holds_all_that_is_no_program(installed: dict[str, str], repository: Path) -> None:
    """Templates, schemas, starters and the mark of types are in it, and its licence; nothing of tests or projects."""
    site = Path(installed["PYTHONPATH"])
    listing = ["git", "ls-files", "flywheel_mlflow"]
    tracked = subprocess.run(listing, cwd=repository, check=True, capture_output=True, text=True).stdout.split()
    held = {path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    (info,) = site.glob("*.dist-info")
    assert {name for name in held if name.startswith("flywheel_mlflow/")} == set(tracked)
    assert {name.partition("/")[0] for name in held} == {"flywheel_mlflow", info.name}
    assert (info / "licenses" / "LICENSE").read_bytes() == (repository / "LICENSE").read_bytes()
    facts = email.message_from_string((info / "METADATA").read_text(encoding="utf-8"))
    assert (facts["License-Expression"], facts["Description-Content-Type"]) == ("Apache-2.0", "text/markdown")
    assert "notify" in facts.get_all("Provides-Extra", [])


def test_a_closed_terminal_leaves_no_server_behind(installed: dict[str, str], tmp_path: Path) -> None:
    """A server for a store that is not there yet answers, and goes when the terminal does."""
    home, _ = new_flywheel("my-flywheel", [], "minimal", parent=tmp_path, version="0")
    port = free_port()
    arguments = ("--port", str(port), "--no-browser")
    with serving(*arguments, cwd=home, env=installed, end=signal.SIGHUP) as process:
        assert answer(f"http://127.0.0.1:{port}/health", process).status_code == 200
    assert process.returncode == 0, (home / "ui.log").read_text()
    with socket.create_server(("127.0.0.1", port)):
        pass


def test_accounts_on_this_machine(installed: dict[str, str], tmp_path: Path) -> None:
    """`ui --auth` tells the one line to add, then lets nobody in but the administrator it made, and leaves nothing."""
    home, _ = new_flywheel("my-flywheel", [], "minimal", parent=tmp_path, version="0")
    port = free_port()
    words = ("--auth", "--no-browser", "--port", str(port))
    refused = run("flywheel", "ui", *words, cwd=home, env=installed)
    assert refused.returncode == 2, refused.stderr
    lines = refused.stderr[refused.stderr.index("releases:\n") :]
    with (home / "flywheel.yaml").open("a") as blueprint:
        blueprint.write(f"\n{lines}")
    with serving(*words, cwd=home, env=installed) as process:
        console = f"http://127.0.0.1:{port}/flywheel/"
        assert answer(console, process).status_code == 401
        log = home / "ui.log"
        while "sign in: " not in log.read_text() and process.poll() is None:
            time.sleep(0.2)
        name, password = re.findall(r"sign in: (\w+), password (\S+) ", log.read_text())[0]
        page = requests.get(console, auth=(name, password), timeout=60)
        assert (page.status_code, f"Signed in as {name}" in page.text) == (200, True)
        assert requests.get(console, auth=(name, f"{password}x"), timeout=60).status_code == 401
        server = installed | {"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{port}"}
        again = run("flywheel", "ui", "--no-browser", cwd=home, env=server)
        assert (again.returncode, again.stdout) == (0, f"console: {console}\n")
    assert process.returncode == 0, log.read_text()
    with socket.create_server(("127.0.0.1", port)):
        pass
    made = {path.name for path in (home / "mlflow-data").iterdir()}
    assert made >= {"server.key", "accounts.ini", "accounts.db"}


def test_the_recipe_for_ci_runs_as_it_is(installed: dict[str, str], tmp_path: Path) -> None:
    """Every line of the recipe ends with 0 in two turns, and the report is JUnit; a broken contract ends with 2."""
    home, _ = new_flywheel("my-flywheel", ["corpus"], "minimal", parent=tmp_path, version="0")
    script = yaml.safe_load((home / ".gitlab-ci.yml").read_text(encoding="utf-8"))["turn"]["script"]
    lines = [line for line in script if not line.startswith("pip ")]
    assert len(lines) == len(script) - 1
    text = "set -e\n" + "\n".join(lines)
    for iteration in ("1", "2"):
        done = run("bash", "-c", text, cwd=home, env=installed | {"ITERATION": iteration})
        assert done.returncode == 0, done.stdout + done.stderr
    suite = parse(home / "reports" / "checks.xml").getroot()  # noqa: S314 - our own file
    assert len(suite.findall(".//testcase")) > 20
    contract = home / "projects" / "corpus" / "project.yaml"
    contract.write_text(contract.read_text() + "\nsurprise: 1\n")
    broken = run("bash", "-c", text, cwd=home, env=installed | {"ITERATION": "3"})
    assert (broken.returncode, "surprise: unknown key" in broken.stderr) == (2, True)


@pytest.mark.parametrize(("template", "consumable"), [("minimal", 2), ("llm", 3)])
def test_each_template_assembles(tmp_path: Path, template: Template, consumable: int) -> None:
    """Every project is consumable in the first turn, and a fault it can inject is noticed in the second."""
    root, projects = new_flywheel("wheel", [], template, parent=tmp_path, version="0")
    uri = f"sqlite:///{root / 'mlflow-data' / 'mlflow.db'}"
    first = flywheel_command("assemble", "-i", "1", "--log", "pipelines", "--json", root=root, uri=uri)
    assert first.code == 0, first.err
    assert len(first.json["consumable"]) == consumable == len(projects)
    assert set(map(str, (stage["status"] for stage in first.json["stages"].values()))) == {"completed"}
    fault = ("--fault", f"{projects[0]}=half_lost")
    assert flywheel_command("run-projects", "-i", "2", *fault, root=root, uri=uri).code == 0
    assert flywheel_command("assemble", "-i", "2", "--no-drift", root=root, uri=uri).code == 0
    assert flywheel_command("drift", "-i", "2", root=root, uri=uri).code == 1


def test_validate_and_assemble_agree_about_what_is_missing(tmp_path: Path) -> None:
    """Empty lists, a stage and a layer nobody belongs to, and rules about projects to come: notes, and it assembles."""
    root, _ = new_flywheel("wheel", ["corpus"], "minimal", parent=tmp_path, version="0")
    blueprint = yaml.safe_load((root / "flywheel.yaml").read_text(encoding="utf-8"))
    later = {"id": "later", "title": "Later", "responsibilities": ["wait"]}
    milestone = {"id": "later_done", "title": "Done", "owner": "makers"}
    rule = {"id": "few", "title": "Few", "when": "sft.records < 10", "severity": "low", "advice": "Make more."}
    route = {"id": "to_sft", "match": "x", "when": [{"any_words": ["chat"]}], "to": "sft", "why": "It is made there."}
    blueprint |= {"control_points": [], "boundaries": [], "gates": [], "mechanisms": [], "bottlenecks": [rule]}
    blueprint["layers"].append(later)
    blueprint["stages"].append({"id": "later", "title": "Later", "goal": "Wait.", "milestone": milestone})
    (root / "flywheel.yaml").write_text(json.dumps(blueprint | {"routing": [route]}), encoding="utf-8")
    uri = f"sqlite:///{root / 'mlflow-data' / 'mlflow.db'}"
    notes = flywheel_command("validate", "--json", root=root, uri=uri)
    assert notes.code == 0
    assert len(notes.json["warnings"]) == 4
    assembled = flywheel_command("assemble", "-i", "1", "--log", "pipelines", "--json", root=root, uri=uri)
    assert assembled.code == 0, assembled.err
    assert assembled.json["stages"]["later"] == {"status": "missing", "score": None}
    assert flywheel_command("check", root=root, uri=uri).code == 0


def test_a_project_without_a_test_suite_is_logged(tmp_path: Path) -> None:
    """Metrics and data are enough: the records' checks count; a report that the contract names must be there."""
    root, _ = new_flywheel("wheel", ["corpus"], "minimal", parent=tmp_path, version="0")
    uri = f"sqlite:///{root / 'mlflow-data' / 'mlflow.db'}"
    contract = init_project(root / "projects" / "reviews", root)
    results = contract.parent / "results"
    write_records(results / "data.jsonl", records(40))
    (results / "metrics.json").write_text('{"counts": {"records": 40}}')
    logged = flywheel_command("log", "reviews", "-i", "1", root=root, uri=uri)
    assert (logged.code, "consumable: yes" in logged.out) == (0, True), logged.out + logged.err
    (results / "data.jsonl").unlink()
    bare = flywheel_command("log", "reviews", "-i", "1", root=root, uri=uri)
    assert (bare.code, "no check ran" in bare.out) == (0, True), bare.out + bare.err
    contract.write_text(contract.read_text().replace("# checks: checks.xml ", "checks: checks.xml "))
    named = flywheel_command("log", "reviews", "-i", "1", root=root, uri=uri)
    assert named.code == 2
    assert "checks.xml: no such file" in named.err
    assert "take results.checks out" in named.err
    text = contract.read_text().replace("  # checks_format", "  checks_format")
    contract.write_text(text.replace("checks:\n  required: [reviews_data.unique_ids]\n  min_pass_rate: 1.0\n", ""))
    write_records(results / "data.jsonl", records(40))
    (results / "checks.xml").write_text('<testsuite><testcase classname="t" name="a"/></testsuite>')
    demanding_nothing = flywheel_command("log", "reviews", "-i", "1", root=root, uri=uri)
    assert "consumable: yes" in demanding_nothing.out, demanding_nothing.out + demanding_nothing.err


def test_a_consumer_without_a_flywheels_files_is_told_what_to_name(installed: dict[str, str], tmp_path: Path) -> None:
    """Outside every flywheel `resolve` and `pull` ask for its name, and not for its files."""
    for words in (["resolve", "corpus_data"], ["pull", "corpus_data", "--out", "data"]):
        ended = run("flywheel", *words, cwd=tmp_path, env=installed)
        assert (ended.returncode, "--flywheel NAME" in ended.stderr) == (2, True), ended.stderr


def test_a_flywheel_without_projects_says_so(tmp_path: Path) -> None:
    """Validate ends with 0 and a note; assemble with 2 and what to do, and a failed pipeline is told by name."""
    root, _ = new_flywheel("wheel", ["corpus"], "minimal", parent=tmp_path, version="0")
    uri = f"sqlite:///{root / 'mlflow-data' / 'mlflow.db'}"
    (root / "projects" / "corpus" / "pipeline.py").write_text(
        "FAULTS = {}\ndef build(work):\n    raise ValueError(7)\n"
    )
    failed = flywheel_command("assemble", "-i", "1", "--log", "pipelines", root=root, uri=uri)
    assert failed.code == 2
    assert "the pipeline of corpus failed: ValueError: 7" in failed.err
    (root / "projects" / "corpus" / "project.yaml").unlink()
    noted = flywheel_command("validate", root=root, uri=uri)
    assert (noted.code, "nothing to assemble" in noted.err) == (0, True)
    empty = flywheel_command("assemble", "-i", "1", "--log", "pipelines", root=root, uri=uri)
    assert (empty.code, "no evidence to assemble" in empty.err) == (2, True)
