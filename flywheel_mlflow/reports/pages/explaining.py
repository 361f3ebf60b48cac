"""The forms by which people answer for drift: all findings with one reason, those they ticked, intended changes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from flywheel_mlflow.decisions.explanations import Answered
from flywheel_mlflow.drift import Finding
from flywheel_mlflow.reports.dashboard_blocks import Choice, Field, Form
from flywheel_mlflow.reports.pages.deciding import hidden, reason_field
from flywheel_mlflow.tables.addresses import Addresses

#: The form that boxes beside the findings belong to, wherever on the page these stand.
TICKED = "explain-ticked"
#: Findings that one form names; what is left is explained by another one.
MOST_EXPLAINED = 250


def counted_findings(count: int) -> str:
    """How many findings, in words."""
    return "1 finding" if count == 1 else f"{count} findings"


def counted_changes(count: int) -> str:
    """How many changes, in words."""
    return "1 change" if count == 1 else f"{count} changes"


def confirm_form(answered: Answered, version: int, addresses: Addresses, refused: str) -> Iterator[Form]:
    """One button for all that tasks intended: a person says once that it is wanted."""
    if not answered.unconfirmed:
        return
    tasks = sorted({item.text.partition(":")[0].removeprefix("as intended by ") for item in answered.unconfirmed})
    yield Form(
        addresses.act("confirm-changes"),
        f"Confirm {counted_changes(len(answered.unconfirmed))} as intended, for release {version}",
        "Confirm",
        f"Says that what {', '.join(tasks)} changed is wanted; your name stays in the ledger.",
        (hidden("version", version),),
        refused=refused,
    )


def explain_all_form(left: Sequence[Finding], version: int, addresses: Addresses, refused: str) -> Iterator[Form]:
    """All findings that are left with one reason: the form names each, so that none is explained that was not shown."""
    if not left:
        return
    named = left[:MOST_EXPLAINED]
    all_of_them = f"all {counted_findings(len(left))}" if len(left) > 1 else counted_findings(1)
    what = all_of_them if len(named) == len(left) else f"the first {len(named)} of {len(left)} findings"
    together = " with one reason" if len(named) > 1 else ""
    yield Form(
        addresses.act("explain-drift"),
        f"Explain {what}{together}, for release {version}",
        f"Explain {what}",
        "Takes every finding that is left off the verdict; your name and reason stay in the ledger.",
        (hidden("version", version), *(hidden("findings", item.subject) for item in named), reason_field()),
        refused=refused,
    )


def explain_ticked_form(
    left: Sequence[Finding], boxed: Collection[str], version: int, addresses: Addresses, refused: str
) -> Iterator[Form]:
    """Some of them: those ticked beside their cards (``boxed``, by subject), or in the form where there is no card."""
    if len(left) < 2:
        return
    rest = tuple(Choice(item.subject, f"{item.subject}: {item.text}") for item in left if item.subject not in boxed)
    boxes = (Field("findings", "Findings without a card", "checks", choices=rest[:MOST_EXPLAINED]),) if rest else ()
    yield Form(
        addresses.act("explain-drift"),
        f"Explain the ticked findings, for release {version}",
        "Explain the ticked",
        "Takes the findings that you ticked above off the verdict; your name and reason stay in the ledger.",
        (hidden("version", version), *boxes, reason_field()),
        refused=refused,
        id=TICKED,
    )
