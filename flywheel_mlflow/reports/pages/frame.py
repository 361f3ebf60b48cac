"""The frame around every page inside the server: where the reader is, who they are, where else they can go."""

from __future__ import annotations

from dataclasses import dataclass, replace

from flywheel_mlflow.reports.dashboard import Executive
from flywheel_mlflow.reports.dashboard_blocks import Section
from flywheel_mlflow.reports.dashboard_page import page_policy, render_page
from flywheel_mlflow.tables.addresses import Addresses
from flywheel_mlflow.tables.cells import Cell

#: Parts of the console in the order of the navigation, by name.
PARTS = ("overview", "iterations", "projects", "interfaces", "drift", "feedback", "risks", "releases")


@dataclass(frozen=True, slots=True)
class Page:
    """One page: ``part`` is the entry of the navigation it belongs to.

    ``trail`` are the pages above it, ``lead`` what a reader learns first, ``said`` what their last act did.
    """

    title: str
    part: str
    subtitle: str = ""
    trail: tuple[Cell, ...] = ()
    lead: tuple[Cell, ...] = ()
    said: tuple[Cell, ...] = ()
    executive: Executive | None = None
    sections: tuple[Section, ...] = ()


@dataclass(frozen=True, slots=True)
class Framing:
    """What the frame needs beside the page: ``reader`` is who is signed in, ``acts_off`` why nothing can be done here.

    ``token`` goes into every form that acts, so that no other page can send one in the reader's name.
    """

    flywheel: str
    addresses: Addresses
    reader: str
    acts_off: str
    token: str


#: Seconds after which a page asks whether something changed.
LOOK_AGAIN_S = 20


def render_framed(page: Page, framing: Framing, *, live: bool = False) -> str:
    """The page as HTML; forms are left out where ``acts_off`` says why. ``live`` ones look for changes."""
    entries = tuple((part.capitalize(), getattr(framing.addresses, part)(), part == page.part) for part in PARTS)
    # Once, and not beside every form that is left out.
    told_off = bool(framing.acts_off) and any(
        section.forms or any(step.forms for step in section.steps) for section in page.sections
    )
    if framing.acts_off:
        page = replace(page, sections=tuple(section for section in page.sections if not _is_form_alone(section)))
    seconds = LOOK_AGAIN_S if live else 0
    return render_page(
        "console.html.j2", page=page, framing=framing, entries=entries, told_off=told_off, seconds=seconds
    )


def _is_form_alone(section: Section) -> bool:
    """Whether nothing stays of a section where nothing can be decided."""
    return bool(section.forms) and replace(section, forms=()) == Section(section.id, section.title, section.readers)


def framed_policy(*, frames: str, scripts: str, asked: str) -> str:
    """The Content-Security-Policy of these pages as a header.

    ``frames`` is where what they embed may come from, ``scripts`` the one that runs, ``asked`` what it may ask.

    No page may embed them, so that nobody is led to press a button they do not see.
    """
    own = page_policy(forms="'self'", frames=frames)
    return f"{own}; script-src {scripts}; connect-src {asked}; frame-ancestors 'none'"
