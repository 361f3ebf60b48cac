"""Tests of the one style sheet of the pages: nothing in it is dead, said twice, or missing."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import flywheel_mlflow
from flywheel_mlflow.decisions.release_path import StepState
from flywheel_mlflow.drift.wording import Tone
from flywheel_mlflow.reports.dashboard_page import page_style

PACKAGE = Path(flywheel_mlflow.__file__).parent
#: Templates that become parts of pages; an SVG of a report brings its own look.
TEMPLATES = ("console.html.j2", "dashboard.html.j2", "dashboard_blocks.html.j2", "lineage.svg.j2")
#: What templates take from values; plain text needs no rule.
TAKEN = {*(tone.value for tone in Tone if tone is not Tone.NONE), *(state.value for state in StepState)}
TAKEN |= {"number", "code"}
#: Names that say what something is to who reads the page's source, and need no look of their own.
BARE = {"lines", "newest", "waiting"}


def rules(style: str, media: str = "") -> Iterator[tuple[str, str, str]]:
    """Every rule as the medium it is for, its selector and what it says."""
    plain = re.sub(r"/\*.*?\*/", "", style, flags=re.DOTALL)
    for selector, body in re.findall(r"([^{}]+)\{((?:[^{}]|\{[^{}]*\})*)\}", plain):
        if selector.strip().startswith("@media"):
            yield from rules(body, selector.strip())
        else:
            yield media, " ".join(selector.split()), " ".join(body.split())


def defined() -> set[str]:
    """The classes that the style sheet knows."""
    return {name for _, selector, _ in rules(page_style()) for name in re.findall(r"\.([a-z][a-z-]*)", selector)}


def drawings() -> Iterator[Path]:
    """The modules whose drawings stand in a page; that of changes is a picture with a style of its own."""
    return (path for path in (PACKAGE / "drawings").glob("*.py") if path.name != "changes.py")


def used() -> set[str]:
    """The classes that templates and drawings write."""
    found: set[str] = set()
    for name in TEMPLATES:
        text = (PACKAGE / "reports/templates" / name).read_text(encoding="utf-8")
        for value in re.findall(r'class="((?:\{[{%].*?[}%]\}|[^"{])*)"', text):
            found |= set(re.sub(r"\{[{%].*?[}%]\}", " ", value).split())
        found |= {word for value in re.findall(r'class="[^"]*?\{%.*?%\}([^{]*)\{%', text) for word in value.split()}
    for path in drawings():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "kind":
                found |= {word for part in texts_in(node.value) for word in part.split()}
    return found | TAKEN


def texts_in(node: ast.AST) -> Iterator[str]:
    """The literal texts of an expression."""
    for item in ast.walk(node):
        if isinstance(item, ast.Constant) and isinstance(item.value, str):
            yield item.value


def literals() -> set[str]:
    """Every word that a drawing's module could write as a class."""
    found: set[str] = set()
    for path in drawings():
        found |= {word for text in texts_in(ast.parse(path.read_text(encoding="utf-8"))) for word in text.split()}
    return found


def test_no_rule_is_dead() -> None:
    """Every class of the style sheet is written by a template or a drawing."""
    assert defined() - used() - literals() == set()


def test_no_class_lacks_its_rule() -> None:
    """Every class that a template or a drawing writes has a rule, or says on purpose nothing about its look."""
    assert used() - defined() - BARE == set()
    assert not BARE - used()


def test_no_rule_is_said_twice() -> None:
    """For one medium a selector has one rule, except the tokens', and a rule says each property once."""
    counted = Counter((media, selector) for media, selector, _ in rules(page_style()) if selector != ":root")
    assert [key for key, times in counted.items() if times > 1] == []
    for _, selector, body in rules(page_style()):
        names = [part.split(":", 1)[0].strip() for part in body.split(";") if ":" in part]
        assert len(names) == len(set(names)), selector


def test_colours_are_tokens() -> None:
    """A colour is named among the tokens alone, each token is used, and each that is used is there."""
    tokens, looks = set(), []
    for _, selector, body in rules(page_style()):
        if selector == ":root":
            tokens |= set(re.findall(r"(--[a-z-]+):", body))
        else:
            looks.append(body)
    assert not re.findall(r"#[0-9a-fA-F]{3,8}\b|rgb|hsl", " ".join(looks))
    everywhere = set(re.findall(r"var\((--[a-z-]+)", page_style()))
    assert everywhere == tokens
