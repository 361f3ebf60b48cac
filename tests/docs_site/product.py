"""The pages of exit codes, messages, gate criteria, numbers and environment variables."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from consistency_flywheel import small_view

from docs_site.markdown import code, page, prose, table
from flywheel_mlflow.base import errors
from flywheel_mlflow.base.errors import ExitCode, FlywheelError
from flywheel_mlflow.base.names import without_currency
from flywheel_mlflow.base.settings import REQUEST_RETRIES, REQUEST_TIMEOUT_S
from flywheel_mlflow.promises.criteria import PASSES

PACKAGE = Path(errors.__file__).parents[1]

CODES = {
    ExitCode.PASS: "done, or passed",
    ExitCode.BLOCK: "something says no: a red check of the assembly (`assemble`, `check`), a check that cannot be "
    "proved (`check --prove`), a pipeline that failed (`run`, `run-projects`, `assemble --log pipelines`), what is "
    "late (`schedule`), a gate, comparison, audit, verification or diagnosis that says BLOCK, or a rule that refuses "
    "an act",
    ExitCode.USAGE: "wrong usage or bad input: a fault in a file, an unknown name, data that cannot be read",
    ExitCode.INCONCLUSIVE: "a gate, comparison, audit, verification or diagnosis lacks evidence",
    ExitCode.FAILURE: "the tool, the server or the disk failed",
}

#: What each environment variable of ours means. A test holds that none of the package is missing.
VARIABLES = {
    "FLYWHEEL_ROOT": "The folder with `flywheel.yaml`; else found upward from here. Of a server: the flywheel whose "
    "decisions it takes; without it the server only guards.",
    "FLYWHEEL_SERVER_KEY": "Of a server: the file of its private key, from `flywheel keys new`. Refused unless it is "
    "readable by the server alone (`chmod 600`).",
    "FLYWHEEL_DIRECT_ARTIFACTS": "Of a server: `false` keeps clients off the artifact store: no signed addresses, "
    "every file passes the server. Needed where clients do not reach the store ([why](../deploy.md#large-files)).",
    "FLYWHEEL_BANNER": 'Of a server: `false` keeps the link "Flywheel console" off [MLflow\'s own pages]'
    "(../console.md#mlflows-own-pages).",
    "FLYWHEEL_WORKERS": "How many processes measure large data; else as many as this process may use processors.",
    "FLYWHEEL_ALLOW_LOOPBACK": "`1` lets data by reference lie at an address of this machine itself.",
    "FLYWHEEL_OPENLINEAGE": "Where OpenLineage events go: a file, `on` (as its client is configured) or `off`.",
}
#: Those of MLflow and others that change what `flywheel` does.
FOREIGN = {
    "MLFLOW_TRACKING_URI": "The MLflow server or store; else `mlflow-data/mlflow.db` below the flywheel's folder.",
    "MLFLOW_TRACKING_USERNAME": "Who acts, and with `MLFLOW_TRACKING_PASSWORD` the account; else the login.",
    "MLFLOW_TRACKING_TOKEN": "Sent instead of an account.",
    "MLFLOW_TRACKING_SERVER_CERT_PATH": "The certificate authority to believe.",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": f"Seconds one request may take; {REQUEST_TIMEOUT_S} if not set.",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": f"How often a failed request is sent again; {REQUEST_RETRIES} if not set.",
    "RAY_ADDRESS": "The cluster of `--engine ray`; else one is started here.",
    "TMPDIR": "Where data are kept while they are measured or compared.",
}


@dataclass(frozen=True, slots=True, order=True)
class Message:
    """One message of the product: the text with its gaps, the kind of error, what to try."""

    text: str
    kind: str
    hint: str


def exit_codes_page() -> str:
    """What a command's exit status means, and the kinds of errors behind it."""
    kinds = sorted(error_kinds(), key=lambda kind: (kind.exit_code, kind.__name__))
    return page(
        "Exit codes",
        "```bash\nflywheel gate 1 --to staging\necho $?        # 0 passed, 1 blocked, 3 not enough evidence\n```",
        table(("code", "means"), ((code(str(item.value)), CODES[item]) for item in ExitCode)),
        "A project that is not consumable is a result, not an error: `log`, `collect` and `assemble` exit with 0.",
        "## Kinds of errors",
        "From Python each is a class of `flywheel_mlflow`. All of their messages: [messages](messages.md).",
        table(
            ("kind", "exit code", "means"),
            (
                (code(kind.__name__), code(str(kind.exit_code.value)), prose((kind.__doc__ or "").split("\n\n")[0]))
                for kind in kinds
            ),
        ),
    )


def error_kinds() -> tuple[type[FlywheelError], ...]:
    """Every class of the error tree."""
    return tuple(item for item in vars(errors).values() if isinstance(item, type) and issubclass(item, FlywheelError))


def criteria_page() -> str:
    """What a gate can demand."""
    return page(
        "Gate criteria",
        "```yaml\ngates:\n  - id: to_production\n    to: production\n    criteria:\n"
        "      - {id: rag_hits, kind: floor, demand: Retrieval finds the page., metric: p05.hit_rate, limit: 0.9}\n"
        "      - {id: read_by_people, kind: approval, demand: A reviewer has read it., role: release_reviewer}\n```",
        "A criterion says PASS, BLOCK or INCONCLUSIVE. The gate says the worst. Missing evidence is never a pass.",
        "How gates are used: [releases](../releases.md). Every key: [blueprint](files/blueprint.md#criterion).",
        table(("kind", "reads", "passes when"), ((code(kind), *said) for kind, said in PASSES.items())),
    )


def numbers_page() -> str:
    """Every number an assembly computes, with unit, better direction and rule."""
    whole, projects, stages = {}, {}, {}
    for name, line in small_view().metrics.metrics.items():
        generic = without_currency(name)
        generic += "_CURRENCY" if generic != name else ""
        row = (line.unit.replace("EUR", "CURRENCY"), line.direction or "neither", line.rule)
        first, _, rest = generic.partition(".")
        if first == "flywheel":
            whole[generic] = row
        elif first == "stage":
            stages["stage.STAGE." + rest.partition(".")[2]] = row
        elif not line.rule.startswith("read from the project's run"):
            projects["PROJECT." + rest] = row
    head = ("number", "unit", "better is", "how it is computed")
    return page(
        "Numbers",
        "```bash\nflywheel explain mean_stage_score\nflywheel explain p05.score\n```",
        "`explain` prints the tree behind a number, down to the runs. What cannot be computed is unknown, never 0.",
        "Weights and limits are those of `flywheel.yaml`. The ideas behind them: [concepts](../concepts.md).",
        "## The whole flywheel",
        table(head, ((code(name), *row) for name, row in sorted(whole.items()))),
        "## A stage",
        table(head, ((code(name), *row) for name, row in sorted(stages.items()))),
        "## A project",
        "Beside these, `PROJECT.KPI` is each KPI as its run has it, with unit and direction of the contract.",
        table(head, ((code(name), *row) for name, row in sorted(projects.items()))),
    )


def settings_page() -> str:
    """Environment variables."""
    head = ("variable", "means")
    return page(
        "Environment variables",
        "```bash\nexport FLYWHEEL_ROOT=/home/me/flywheel MLFLOW_TRACKING_URI=http://mlflow.example.org:5000\n```",
        "An option on the command line wins over a variable.",
        table(head, ((code(name), said) for name, said in sorted(VARIABLES.items()))),
        "## Of MLflow and others",
        "Every other `MLFLOW_TRACKING_...` and `MLFLOW_HTTP_...` works as MLflow documents it.",
        table(head, ((code(name), said) for name, said in sorted(FOREIGN.items()))),
    )


def messages_page() -> str:
    """Every message of an error with what to try, for those who search for it."""
    by_kind: dict[str, list[Message]] = {}
    for message in sorted(set(messages())):
        by_kind.setdefault(message.kind, []).append(message)
    parts: list[str] = []
    for kind in sorted(by_kind):
        parts += [
            f"## {kind}",
            prose((getattr(errors, kind).__doc__ or "").split("\n\n")[0]),
            table(("message", "what to try"), ((item.text, item.hint) for item in by_kind[kind])),
        ]
    return page(
        "Messages",
        "Every message an error can have, from the source. What differs each time is written as `…`.",
        "Search for the words you see. The most frequent ones: [troubleshooting](../troubleshooting.md).",
        *parts,
    )


def messages() -> Iterator[Message]:
    """What is raised anywhere in the package, as far as its text stands where it is raised."""
    known = {kind.__name__ for kind in error_kinds()}
    raises = re.compile(rf"\b(?:{'|'.join(known)})\(\s*f?[\"']")
    for file in sorted(PACKAGE.rglob("*.py")):
        source = file.read_text(encoding="utf-8")
        if not raises.search(source):
            continue
        for node in ast.walk(ast.parse(source)):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in known):
                continue
            text = _text(node.args[0]) if node.args else ""
            if node.func.id == "UnknownName" and text:
                text = f"unknown {text} …"
            hint = next((_text(item.value) for item in node.keywords if item.arg == "hint"), "")
            if re.search(r"[a-z]{3}", text):
                yield Message(_shortened(text), node.func.id, _shortened(hint))


def _text(node: ast.expr) -> str:
    """The text of an expression, ``…`` for what is known only when it runs; empty where that is all of it."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(item) or "…" for item in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return (_text(node.left) or "…") + (_text(node.right) or "…")
    if isinstance(node, ast.IfExp):
        return _text(node.body) or _text(node.orelse)
    return ""


def _shortened(text: str) -> str:
    return re.sub(r"(…\s*){2,}", "… ", " ".join(text.split())).strip()
