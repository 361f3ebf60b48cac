"""Tests of the command line, as far as no server is needed."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from flywheels import blueprint_document, contract_documents, put, write_flywheel
from typer.core import TyperGroup

from flywheel_mlflow.cli import main
from flywheel_mlflow.cli.app import command_line
from flywheel_mlflow.cli.groups import GROUPS
from flywheel_mlflow.cli.logs import show_logs, verbosity

COMMANDS = ["validate", "schema", "init", "init-project", "log", "adopt", "collect", "assemble"]
COMMANDS += ["run-projects", "check", "explain", "impact"]


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


Run = Callable[..., Ended]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command line in this process."""

    def run(*arguments: str | Path) -> Ended:
        monkeypatch.setattr(sys, "argv", ["flywheel", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            main()
        captured = capsys.readouterr()
        return Ended(int(caught.value.code or 0), captured.out, captured.err)

    return run


def test_every_command_explains_itself(run: Run) -> None:
    """--help of the whole and of each command exits with 0; the exit codes are told."""
    overview = run("--help")
    assert overview.code == 0
    assert "1 block" in overview.out
    for command in COMMANDS:
        assert command in overview.out
        found = run(command, "--help")
        assert (found.code, found.err) == (0, "")
        assert "Usage" in found.out


def test_the_version_is_printed(run: Run) -> None:
    """One line with the name."""
    assert run("--version").out.startswith("flywheel 0")


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("validate", "--nonsense"),
        ("schema",),
        ("log", "p01"),
        ("log", "p01", "--iteration", "one"),
        ("collect", "--iteration", "0"),
        ("assemble", "--iteration", "-1"),
        ("check", "--iteration", "0"),
        ("schema", "run"),
    ],
)
def test_wrong_usage_exits_with_2(run: Run, arguments: tuple[str, ...]) -> None:
    """An unknown command or option, a missing or impossible value: a message on standard error, nothing else."""
    found = run(*arguments)
    assert (found.code, found.out) == (2, "")
    assert found.err
    assert "Traceback" not in found.err


def test_a_valid_flywheel_is_shown(run: Run, tmp_path: Path) -> None:
    """As a table for people and as JSON for machines, from the root or from inside."""
    root = write_flywheel(tmp_path)
    found = run("--root", root, "validate")
    assert found.code == 0
    assert "4 contracts, no faults" in found.out
    document = json.loads(run("validate", "--json").out)
    assert list(document["projects"]) == ["p01", "p02", "p03", "p10"]


def test_every_fault_is_on_a_line_of_its_own(run: Run, tmp_path: Path) -> None:
    """File, line and path of each fault, unbroken however long, and exit code 2."""
    plan, contracts = blueprint_document(), contract_documents()
    plan["title"] = "x" * 300
    contracts["p01"]["very" * 60] = 1
    contracts["p02"].pop("owner")
    write_flywheel(tmp_path, blueprint=plan, contracts=contracts)
    found = run("--root", tmp_path, "validate")
    assert (found.code, found.out) == (2, "")
    lines = found.err.splitlines()
    assert lines[0].startswith("error: 3 faults in ")
    assert f"{'very' * 60}: unknown key" in "".join(lines[1:4])
    assert [line.split(":")[0].strip() for line in lines[1:4]] == [
        "flywheel.yaml",
        "projects/p01/project.yaml",
        "projects/p02/project.yaml",
    ]
    assert lines[4].strip().startswith("try:")


def test_outside_a_flywheel_the_hint_names_the_option(run: Run) -> None:
    """Exit code 2, and how to say where the flywheel is."""
    found = run("validate")
    assert found.code == 2
    assert "--root" in found.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("log", "p99", "-i", "1"), "unknown project 'p99'"),
        (("log", "../../etc", "-i", "1"), "unknown project '../../etc'"),
        (("adopt", "--experiment", "E", "--filter", "x", "--project", "p99", "-i", "1"), "unknown project 'p99'"),
        (("--tracking-uri", "ftp://me:hunter2@h", "collect", "-i", "1"), "cannot keep a flywheel at 'ftp://h'"),
        (("--tracking-uri", "./mlruns", "init"), "cannot keep a flywheel at './mlruns'"),
    ],
)
def test_bad_input_is_told_before_any_server_is_asked(
    run: Run, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    """Unknown projects and unusable stores exit with 2; credentials are not repeated."""
    write_flywheel(tmp_path)
    found = run(*arguments)
    assert found.code == 2
    assert message in found.err
    assert "hunter2" not in found.err
    assert not (tmp_path / "mlflow-data").exists()


def test_verbose_shows_the_cause(run: Run) -> None:
    """Without it no traceback reaches the user, with it the whole chain does."""
    assert "Traceback" not in run("validate").err
    assert "Traceback" in run("--verbose", "validate").err


@pytest.mark.parametrize("kind", ["contract", "blueprint"])
def test_a_schema_is_printed_for_a_file(run: Run, repository: Path, kind: str) -> None:
    """Byte for byte what is shipped."""
    shipped = repository / "flywheel_mlflow" / "schema" / f"{kind}.schema.json"
    assert run("schema", kind).out == shipped.read_text(encoding="utf-8")


def test_a_project_is_started_and_valid(run: Run, tmp_path: Path) -> None:
    """init-project writes a contract that validate accepts; twice is an error; both say what to do next."""
    write_flywheel(tmp_path)
    found = run("init-project", "projects/p11_recipe")
    assert found.code == 0
    assert "flywheel validate" in found.out
    assert run("validate").code == 0
    again = run("init-project", "projects/p11_recipe")
    assert again.code == 2
    assert "there is a contract already" in again.err
    assert run("init-project", "x" * 300).code == 2


def test_a_disk_that_cannot_be_written_exits_with_4(run: Run, tmp_path: Path) -> None:
    """The input was right, the surroundings were not."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert run("init-project", "file/p01").code == 4


def test_hostile_files_end_as_messages(run: Run, tmp_path: Path) -> None:
    """Escapes in a key reach the terminal as text, and no document makes the tool itself fail."""
    write_flywheel(tmp_path)
    for text in ('"a\\e[31m[bold]": 1', '"\\ud800": 1', "[" * 500, "a: !!timestamp x", "\x00", "? !!set {}"):
        put(tmp_path / "projects" / "p01" / "project.yaml", text)
        found = run("validate")
        assert found.code == 2, text
        assert "the tool failed" not in found.err
        assert "\x1b" not in found.err
    put(tmp_path / "projects" / "p01" / "project.yaml", '"a\\e[31m[bold]": 1')
    assert "[31m[bold]: unknown key" in run("validate").err


def test_the_command_is_a_program(tmp_path: Path, repository: Path) -> None:
    """`python -m flywheel_mlflow` exits as documented, and a reader that leaves early is no error."""
    write_flywheel(tmp_path)
    program = [sys.executable, "-m", "flywheel_mlflow", "--root", str(tmp_path)]
    done = subprocess.run([*program, "log", "p99", "-i", "1"], cwd=repository, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (2, b"")
    with subprocess.Popen(
        [*program, "schema", "contract"], cwd=repository, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as reading:
        assert reading.stdout is not None
        assert reading.stderr is not None
        reading.stdout.close()
        assert b"Traceback" not in reading.stderr.read()


@pytest.mark.parametrize(("word", "heavy"), [("validate", ""), ("--help", "pydantic yaml")])
def test_the_command_line_needs_no_heavy_library(repository: Path, word: str, heavy: str) -> None:
    """Validating loads no mlflow, pandas, pyarrow or evidently, and help not even what contracts are read with."""
    code = (
        "import sys; root, word, *heavy = sys.argv[1:]; sys.argv = ['flywheel', '--root', root, word]\n"
        "from flywheel_mlflow.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        "print(sorted({'mlflow', 'pandas', 'pyarrow', 'evidently', 'jinja2', *heavy} & set(sys.modules)))"
    )
    given = [str(repository), word, *heavy.split()]
    done = subprocess.run(
        [sys.executable, "-c", code, *given], cwd=repository, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_every_command_stands_in_a_group_and_says_what_it_does(run: Run) -> None:
    """`flywheel --help` lists each command once, and no help text is cut off at 80 columns."""
    command = command_line()
    assert sorted(name for group in GROUPS.values() for name in group) == sorted(command.commands)
    for words in ([], *([name] for name, item in command.commands.items() if isinstance(item, TyperGroup))):
        shown = run(*words, "--help").out
        assert "..." not in shown.partition("COMMAND [ARGS]...")[2], shown


@pytest.mark.parametrize(
    ("words", "level"), [(["-v", "collect"], 1), (["-vv"], 2), (["--verbose", "-v"], 2), (["--version"], 0), ([], 0)]
)
def test_verbosity_is_counted(words: list[str], level: int) -> None:
    """-v once or more, long or short; no other option is taken for it."""
    assert verbosity(words) == level


def test_what_is_logged_holds_no_credentials(capsys: pytest.CaptureFixture[str]) -> None:
    """With -v messages of the package go to standard error, the password of an address does not."""
    show_logs(1)
    logging.getLogger("flywheel_mlflow.tracking").debug("opened %s", "https://ana:hunter2@host/x")
    show_logs(0)
    logging.getLogger("flywheel_mlflow.tracking").debug("no longer asked for")
    said = capsys.readouterr().err
    assert "flywheel_mlflow.tracking: opened https://" in said
    assert "hunter2" not in said
    assert "no longer" not in said
