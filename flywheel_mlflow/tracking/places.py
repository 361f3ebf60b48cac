"""Where the evidence of projects may lie, and which times are believed.

A tag is a claim: anybody may write it on a run of their own. So evidence of a project counts only from the experiment
``FLYWHEEL/PROJECT``, which others write to with a grant, or where that experiment names the run as adopted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from flywheel_mlflow.tracking import tags

if TYPE_CHECKING:
    from mlflow.entities import Experiment, Run

#: How far the clocks of two machines may differ: a run that ended later than that from now states no true time.
MAX_AHEAD = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Adoption:
    """What a project's experiment says about a run of another experiment: where it lies, the digest of its values."""

    project_id: str
    experiment_id: str
    digest: str

    def as_text(self) -> str:
        """The value of the tag on the project's experiment."""
        return f"{self.experiment_id} {self.digest}"


@dataclass(frozen=True, slots=True)
class EvidencePlaces:
    """Where the evidence of a flywheel's projects lies.

    ``projects`` maps the ids of their experiments to projects, by name; ``adopted`` run ids to what the project's
    experiment says of them; ``others`` the ids of experiments that only bear the flywheel's tag to their names;
    ``names`` the ids of all to theirs.
    """

    projects: Mapping[str, str] = field(default_factory=dict)
    adopted: Mapping[str, Adoption] = field(default_factory=dict)
    others: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)

    def experiments_of(self, projects: frozenset[str] | None) -> list[str]:
        """The experiments to search for the evidence of these projects, of all for None."""
        own = {place for place, project in self.projects.items() if projects is None or project in projects}
        lent = {item.experiment_id for item in self.adopted.values() if projects is None or item.project_id in projects}
        return sorted(own | lent)

    def holds(self, run: Run, project_id: str) -> bool:
        """Whether a run lies where evidence of this project may lie."""
        if self.projects.get(run.info.experiment_id) == project_id:
            return True
        found = self.adopted.get(run.info.run_id)
        here = (project_id, run.info.experiment_id)
        return found is not None and (found.project_id, found.experiment_id) == here

    def digest_of(self, run: Run) -> str:
        """The digest of a run's values when it was logged or adopted; empty where nobody made one."""
        found = self.adopted.get(run.info.run_id)
        return found.digest if found is not None else run.data.params.get(tags.EVIDENCE_DIGEST, "")


def places_among(experiments: Iterable[Experiment], flywheel: str) -> EvidencePlaces:
    """Where evidence lies among experiments that bear the flywheel's tag."""
    projects: dict[str, str] = {}
    adopted: dict[str, Adoption] = {}
    names: dict[str, str] = {}
    for item in experiments:
        # The assembly's own experiment (six runs an assembly, long notes) and those of the ledger and
        # the feedback hold no project's evidence.
        if item.name == flywheel or tags.KIND in item.tags:
            continue
        names[item.experiment_id] = item.name
        prefix, _, project_id = item.name.rpartition("/")
        if prefix != flywheel:
            continue
        projects[item.experiment_id] = project_id
        for key, value in item.tags.items():
            if key.startswith(tags.ADOPTED_PREFIX):
                experiment_id, _, digest = value.partition(" ")
                adopted[key.removeprefix(tags.ADOPTED_PREFIX)] = Adoption(project_id, experiment_id, digest)
    lent = {item.experiment_id for item in adopted.values()}
    others = {key: name for key, name in names.items() if key not in projects and key not in lent}
    return EvidencePlaces(projects, adopted, others, names)


def elsewhere(name: str, flywheel: str, project_id: str) -> str:
    """Why a run of an experiment called ``name`` is no evidence of a project."""
    return (
        f"lies in the experiment {name[:80]}: evidence of {project_id} counts only from {flywheel}/{project_id}, "
        "or when adopted (`flywheel adopt`)"
    )
