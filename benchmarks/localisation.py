"""Benchmarks how often the walk upstream names the project a fault was injected into, over all faults of all pipelines.

    nice python -m benchmarks.localisation --jobs 1
    nice python -m benchmarks.localisation --base /tmp/localisation --only p01,p05

Three clean turns of the sample projects are run once. For each fault the store is copied, and in the third turn the
faulty project and all downstream of it in the same iteration run again, the fault injected. The others would read and
make what they did before: their pipelines are seeded, and clean turns 2 and 3 make equal data (counted at the start).
With ``--whole`` they run as well; with ``--tasks`` the third turn has its tasks, so that five projects change for good
reasons too. Then every number that got worse between turns 2 and 3 is asked about, one by one; the walk knows nothing
of the fault. One JSON object a fault, then tables. With ``--base`` the stores stay, and a second time only the walk is
done again.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.flywheels import copy_blueprint
from flywheel_mlflow.base.settings import read_settings
from flywheel_mlflow.drift import KpiVerdict
from flywheel_mlflow.drift.differences import Pair, differences, kpi_findings
from flywheel_mlflow.evidence.flywheel import Flywheel, load_flywheel
from flywheel_mlflow.evidence.lineage import edges, impact
from flywheel_mlflow.evidence.runs import Collected
from flywheel_mlflow.operations.assembly.collecting import collect_iteration
from flywheel_mlflow.operations.assembly.localising import Localised, localise_collected
from flywheel_mlflow.operations.projects.pipeline import PIPELINE_FILE, load_pipeline
from flywheel_mlflow.operations.projects.running import pipelines_of, run_projects
from flywheel_mlflow.tracking import Tracking, connect

SHIPPED = Path(__file__).resolve().parents[1]
REFERENCE, FAULTY = 2, 3


@dataclass(frozen=True, slots=True)
class Asked:
    """One number that got worse: how far from the fault, who was suspected, at which rank the faulty project stood.

    ``rank`` is None when the walk never came to the faulty project; ``first`` is the first suspect with its share.
    """

    name: str
    severity: float
    distance: int
    rank: int | None
    first: str
    named: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """One fault with every number it made worse, worst first; none when it made none worse."""

    project: str
    fault: str
    ran: int
    asked: tuple[Asked, ...]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--base", type=Path, help="Folder of the clean turns, made when it is missing.")
    parser.add_argument("--only", default="", help="Project ids, separated by commas.")
    parser.add_argument("--fault", default="", help="This fault alone.")
    parser.add_argument("--whole", action="store_true", help="Run every project of the faulty turn.")
    parser.add_argument(
        "--tasks", action="store_true", help="Turn 3 has its tasks: projects change for good reasons too."
    )
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, help="Append the JSON objects to this file; faults it holds are left out.")
    arguments = parser.parse_args()
    os.environ.update(MLFLOW_DISABLE_TELEMETRY="true", DO_NOT_TRACK="true")
    with tempfile.TemporaryDirectory(prefix="localisation-") as scratch:
        base = arguments.base or Path(scratch)
        flywheel = _base(base, arguments.jobs, tasks=arguments.tasks)
        chosen = pipelines_of(flywheel, [name for name in arguments.only.split(",") if name])
        known = _known(arguments.out)
        for project in chosen:
            for fault in load_pipeline(flywheel.folders[project] / PIPELINE_FILE).faults:
                if (project, fault) not in known and arguments.fault in ("", fault):
                    case = _case(flywheel, base, project, fault, arguments)
                    known[project, fault] = case
                    line = json.dumps(asdict(case))
                    print(line, flush=True)
                    if arguments.out:
                        with arguments.out.open("a", encoding="utf-8") as stream:
                            stream.write(line + "\n")
    _tables(list(known.values()))


def _known(out: Path | None) -> dict[tuple[str, str], Case]:
    if out is None or not out.is_file():
        return {}
    found = {}
    for line in out.read_text(encoding="utf-8").splitlines():
        item = json.loads(line)
        asked = tuple(Asked(**{**each, "named": tuple(each["named"])}) for each in item["asked"])
        found[item["project"], item["fault"]] = Case(item["project"], item["fault"], item["ran"], asked)
    return found


def _uri(folder: Path) -> str:
    return f"sqlite:///{folder}/mlflow.db"


def _open(flywheel: Flywheel, uri: str) -> Tracking:
    return connect(read_settings(flywheel.root, {}, tracking_uri=uri), flywheel.name)


def _base(base: Path, jobs: int, *, tasks: bool) -> Flywheel:
    """The flywheel as a copy, so that nobody's edits reach it meanwhile, with three clean turns."""
    root, store = base / "root", base / "store"
    if not root.is_dir():
        root.mkdir(parents=True)
        copy_blueprint(root)
        shutil.copytree(SHIPPED / "projects", root / "projects", ignore=shutil.ignore_patterns("__pycache__"))
    flywheel = load_flywheel(root)
    if not (store / "mlflow.db").is_file():
        store.mkdir()
        _open(flywheel, _uri(store)).assemblies.experiment()
        for turn in range(1, FAULTY + 1):
            queue = root / "projects" if tasks and turn == FAULTY else None
            ran = run_projects(flywheel, turn, tracking_uri=_uri(store), jobs=jobs, tasks=queue)
            if failed := [f"{item.project_id}: {item.reason}" for item in ran if item.run_id is None]:
                raise SystemExit(f"clean turn {turn} failed: {failed}")
    collected = _collect(flywheel, _open(flywheel, _uri(store)))
    same = [
        name
        for name, item in collected[FAULTY].evidence.items()
        if not any(
            change.outcome
            for change in differences(
                Pair(flywheel.contracts[name], collected[REFERENCE].evidence[name], item), flywheel.blueprint.drift
            )
        )
    ]
    total = len(collected[FAULTY].evidence)
    print(f"clean turns {REFERENCE} and {FAULTY}: {len(same)} of {total} projects made and measured the same")
    return flywheel


def _collect(flywheel: Flywheel, tracking: Tracking) -> dict[int, Collected]:
    return {turn: collect_iteration(flywheel, tracking, turn) for turn in range(1, FAULTY + 1)}


def _downstream(flywheel: Flywheel, project: str) -> dict[str, int]:
    """Projects reached in the same iteration, with their distance."""
    declared = edges(flywheel.contracts, {}, {})
    reached = impact(declared, [edge for edge in declared if edge.producer == project])
    found = {item.project_id: item.distance for item in reached if item.turns == 0}
    return {project: 0} | {name: far for name, far in found.items() if not flywheel.contracts[name].is_assembly}


def _case(flywheel: Flywheel, base: Path, project: str, fault: str, arguments: argparse.Namespace) -> Case:
    distances = _downstream(flywheel, project)
    folder = base / "cases" / f"{project}-{fault}"
    if not (folder / "ran").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        # The artifacts stay where they are: the copied database knows their place, and runs only add to them.
        shutil.copy(base / "store" / "mlflow.db", folder)
        ran = run_projects(
            flywheel,
            FAULTY,
            tracking_uri=_uri(folder),
            only=() if arguments.whole else tuple(distances),
            jobs=arguments.jobs,
            faults={project: fault},
            tasks=flywheel.root / "projects" if arguments.tasks else None,
        )
        (folder / "ran").write_text(str(len(ran)), encoding="utf-8")
    tracking = _open(flywheel, _uri(folder))
    collected = _collect(flywheel, tracking)
    asked = tuple(
        _ask(flywheel, tracking, collected, project, name, severity, distances)
        for name, severity in _worse(flywheel, collected)
    )
    return Case(project, fault, int((folder / "ran").read_text(encoding="utf-8")), asked)


def _worse(flywheel: Flywheel, collected: Mapping[int, Collected]) -> Iterator[tuple[str, float]]:
    """Every KPI that regressed or vanished, by severity, then every check pass rate that fell, largest fall first."""
    kpis: list[tuple[float, str]] = []
    rates: list[tuple[float, str]] = []
    for name, contract in flywheel.contracts.items():
        before, now = (collected[turn].evidence.get(name) for turn in (REFERENCE, FAULTY))
        if contract.is_assembly or before is None or now is None:
            continue
        kpis += [
            (-item.severity, item.subject)
            for item in kpi_findings(Pair(contract, before, now), flywheel.blueprint.drift)
            if item.verdict in (KpiVerdict.REGRESSED, KpiVerdict.VANISHED) or item.decides
        ]
        old, new = before.checks.pass_rate, now.checks.pass_rate
        if old is not None and (new is None or new < old):
            rates.append(((new or 0.0) - old, f"{name}.check_pass_rate"))
    yield from ((name, -severity) for severity, name in [*sorted(kpis), *sorted(rates)])


def _ask(
    flywheel: Flywheel,
    tracking: Tracking,
    collected: Mapping[int, Collected],
    project: str,
    name: str,
    severity: float,
    distances: Mapping[str, int],
) -> Asked:
    found: Localised = localise_collected(flywheel, tracking, collected, name, REFERENCE, FAULTY)
    ranks = [place for place, item in enumerate(found.suspects, start=1) if (item.project, item.lag) == (project, 0)]
    first = found.suspects[0]
    named = tuple(f"{item.subject}: {item.text}" for item in found.suspects[ranks[0] - 1].changes[:3]) if ranks else ()
    return Asked(
        name=name,
        severity=round(severity, 3),
        distance=distances.get(name.partition(".")[0], -1),
        rank=ranks[0] if ranks else None,
        first=f"{first.project} {first.suspicion:.2f}",
        named=named,
    )


def _tables(cases: list[Case]) -> None:
    print(
        "\n| fault | asked: worst | rank | asked: farthest | steps | rank | first for |\n|---|---|---|---|---|---|---|"
    )
    for case in cases:
        if not case.asked:
            print(f"| {case.project} {case.fault} | nothing got worse | | | | | |")
            continue
        worst, far = case.asked[0], max(case.asked, key=lambda item: item.distance)
        first = sum(item.rank == 1 for item in case.asked)
        print(
            f"| {case.project} {case.fault} | {worst.name} | {worst.rank} | {far.name} | {far.distance} | {far.rank} "
            f"| {first} of {len(case.asked)} |"
        )
    counted = [case for case in cases if case.asked]
    everything = [item for case in counted for item in case.asked]
    print(f"\nfaults: {len(cases)}, of which {len(counted)} made a number worse")
    print(f"worst number: first in {sum(case.asked[0].rank == 1 for case in counted)} of {len(counted)}")
    farthest = [max(case.asked, key=lambda item: item.distance) for case in counted]
    print(f"farthest number: first in {sum(item.rank == 1 for item in farthest)} of {len(counted)}")
    print(f"every number: first in {sum(item.rank == 1 for item in everything)} of {len(everything)}")
    for steps in sorted({item.distance for item in everything}):
        mine = [item for item in everything if item.distance == steps]
        print(f"  {steps} steps away: first in {sum(item.rank == 1 for item in mine)} of {len(mine)}")
    by_project = {case.project: case for case in reversed(counted)}
    print(
        f"first fault of each project: {sum(case.asked[0].rank == 1 for case in by_project.values())} "
        f"of {len(by_project)}"
    )


if __name__ == "__main__":
    main()
