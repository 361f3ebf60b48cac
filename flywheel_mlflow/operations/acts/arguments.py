"""What each act takes: the arguments as they travel, within their limits."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints

from flywheel_mlflow.base.names import unshowable
from flywheel_mlflow.feedback.theme_corrections import MAX_MOVED
from flywheel_mlflow.promises.budgets import CostText
from flywheel_mlflow.promises.strict import Strict

Version = Annotated[int, Field(ge=1, le=999_999_999)]


def _shown(text: str) -> str:
    hidden = next(unshowable(" ".join(text.split())), None)
    if hidden is not None:
        raise ValueError(f"U+{ord(hidden):04X} hides or reverses text; say it in plain words")
    return text


Words = Annotated[str, StringConstraints(min_length=1, max_length=2_000), AfterValidator(_shown)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=250)]
Iteration = Annotated[int, Field(ge=1, le=999_999)]
OneToFive = Annotated[int, Field(ge=1, le=5)]


class Act(Strict):
    """What every act takes."""

    dry_run: bool = False


class SignatureInput(Strict):
    """A signature as it travels."""

    public_key: Name
    value: Name


class SignHead(Act):
    """State where the ledger ends now and what a release is, signed by the server that does it."""

    version: Version


class CreateRelease(Act):
    """Make a release of an assembled iteration."""

    iteration: Iteration


class RunGate(Act):
    """Evaluate the gate before a stage."""

    version: Version
    to: Name


class Approve(Act):
    """Say yes in a role."""

    version: Version
    role: Name
    reason: Words
    until: AwareDatetime | None = None
    signature: SignatureInput | None = None


class ExplainDrift(Act):
    """Answer for drift."""

    version: Version
    findings: tuple[Name, ...]
    reason: Words


class ConfirmChanges(Act):
    """Confirm what tasks intended."""

    version: Version
    reason: Words = "as the tasks intended"


class Reject(Act):
    """Say no for good, in a role."""

    version: Version
    role: Name
    reason: Words


class Retire(Act):
    """Take a release out for good."""

    version: Version
    reason: Words


class Override(Act):
    """Permit a promotion without a passing gate."""

    version: Version
    to: Name
    reason: Words
    until: AwareDatetime
    second: Name


class ConfirmOverride(Act):
    """Confirm an override as its second person."""

    version: Version
    reason: Words
    signature: SignatureInput | None = None


class Promote(Act):
    """Move a release whose gate passed."""

    version: Version
    to: Name


class Rollback(Act):
    """Take production back."""

    reason: Words
    to: Version | None = None
    full: bool = False
    looked_at: Annotated[tuple[Name, ...], Field(max_length=1000)] = ()


class Reconcile(Act):
    """Make the server agree with the ledger."""

    force: bool = False


class OpenRisk(Act):
    """Open a risk."""

    title: Name
    owner: Name
    due: AwareDatetime
    likelihood: OneToFive
    impact: OneToFive
    mitigation: Annotated[str, StringConstraints(max_length=2_000)] = ""
    projects: tuple[Name, ...] = ()


class UpdateRisk(Act):
    """Change a risk."""

    risk: Name
    owner: Name | None = None
    due: AwareDatetime | None = None
    likelihood: OneToFive | None = None
    impact: OneToFive | None = None
    mitigation: Annotated[str, StringConstraints(max_length=2_000)] | None = None


class CloseRisk(Act):
    """Close a risk."""

    risk: Name
    evidence: Name
    reason: Words


class Reroute(Act):
    """Send an event of feedback to another project."""

    event: Name
    to: Name
    reason: Words


class AcceptTask(Act):
    """Accept a task whose document is kept."""

    run_id: Name
    digest: Name


class DecideTheme(Act):
    """Queue or decline a theme."""

    theme: Name
    reason: Words
    iteration: Iteration | None = None


class EstimateCost(Act):
    """Say what a theme, a candidate or a task costs, and whether it is used again."""

    about: Name
    cost: CostText | None = None
    reuse: Literal["asset", "one_time"] | None = None
    reason: Words


class SpendTask(Act):
    """Say what was spent on a task in all."""

    task: Name
    total: CostText


class RenameTheme(Act):
    """Give a theme another title."""

    theme: Name
    title: Words
    reason: Words


class MergeThemes(Act):
    """Make two themes one."""

    theme: Name
    into: Name
    reason: Words


class MoveEvents(Act):
    """Move events of a theme to another one, or to a new one."""

    theme: Name
    events: Annotated[tuple[Name, ...], Field(min_length=1, max_length=MAX_MOVED)]
    into: Name | None = None
    title: Words | None = None
    reason: Words


class SubmitReview(Act):
    """Stand by answers about data whose document is kept."""

    run_id: Name
    digest: Name
    signature: SignatureInput | None = None


class AbsorbTask(Act):
    """Write down that a task was absorbed."""

    task: Name
    iteration: Iteration
    evidence: Name


class DecideTask(Act):
    """Withdraw or restore a task."""

    task: Name
    reason: Words


class WatchRisks(Act):
    """Open the risks an iteration shows."""

    iteration: Iteration


class RecordReview(Act):
    """Write down that a quarter was reviewed."""

    quarter: Name
    run_id: Name
    digest: Name


class StartExperiment(Act):
    """Start a round of an experiment."""

    experiment: Name


class DecideExperiment(Act):
    """Ship a treatment, keep the control, or end without an answer."""

    experiment: Name
    decision: Name
    variant: Name | None = None
    reason: Words


class ChooseVariant(Act):
    """Let a variant of a project count from an iteration on."""

    project: Name
    variant: Name
    iteration: Iteration
    reason: Words


class SendNotices(Act):
    """Tell people all there is to tell."""

    audit: bool = True
    full: bool = False
    at_once: bool = False
    patient: bool = True


class TryChannel(Act):
    """Send a message that says that a channel works."""

    channel: Name
    to: Name | None = None


# Each act imports what does it when it is done: promoting needs nothing of themes, drift or reports, whose import takes
# longer than the promotion.
