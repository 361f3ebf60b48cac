"""Checks of what lies in files: sources that compile, deliverables that are there and current."""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache

from flywheel_mlflow.assembly import deliverables as names
from flywheel_mlflow.assembly.deliverables import SHAPES
from flywheel_mlflow.base.errors import DocumentError, InputError
from flywheel_mlflow.consistency.checking import ConsistencyCheck
from flywheel_mlflow.consistency.view import AssemblyView

#: The deliverables that must be there before the checks run. The last two are written from the
#: results of these checks, so no check can demand them.
BEFORE_THE_CHECKS = tuple(name for name in names.DELIVERABLES if name not in (names.TEST_RESULTS, names.TEST_REPORT))


def _compiles(view: AssemblyView) -> Iterator[str]:
    if not view.sources:
        raise InputError("no Python source was given to compile")
    for name, text in sorted(view.sources.items()):
        fault = "" if text is None else _syntax_fault(text)
        if fault:
            yield f"{name}:{fault}"


@lru_cache(maxsize=2048)
def _syntax_fault(text: str) -> str:
    """Line and fault of a source that does not compile, else empty.

    Checks are repeated until they agree, and compiling all sources takes longer than the other checks together: a text
    has one answer.
    """
    try:
        with warnings.catch_warnings():
            # A warning about somebody's regular expression is not a broken file.
            warnings.simplefilter("ignore")
            compile(text, "source", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return f"{getattr(error, 'lineno', None) or 1}: {getattr(error, 'msg', None) or error}"
    return ""


def _break_source(view: AssemblyView, rng: random.Random) -> tuple[str, AssemblyView]:
    name = rng.choice(sorted(view.sources))
    text = f"{view.sources[name] or ''}\ndef broken(:\n"
    return f"{name}: a line appended that is not Python", replace(view, sources={**view.sources, name: text})


def _exist(view: AssemblyView) -> Iterator[str]:
    for name in BEFORE_THE_CHECKS:
        if name not in view.files:
            yield f"{name} is missing"
        elif not view.files[name].strip():
            yield f"{name} is empty"
        elif name in SHAPES:
            try:
                view.read(name)
            except DocumentError as error:
                yield f"{name} cannot be read: {error.faults[0]}"


def _drop_file(view: AssemblyView, rng: random.Random) -> tuple[str, AssemblyView]:
    name = rng.choice(BEFORE_THE_CHECKS)
    return f"{name} removed", view.without_file(name)


def _empty_file(view: AssemblyView, rng: random.Random) -> tuple[str, AssemblyView]:
    name = rng.choice(BEFORE_THE_CHECKS)
    return f"{name} emptied", view.with_file(name, "\n")


def _cut_file(view: AssemblyView, rng: random.Random) -> tuple[str, AssemblyView]:
    name = rng.choice([name for name in BEFORE_THE_CHECKS if name.endswith(".json")])
    text = view.text(name)
    at = rng.randrange(1, len(text.rstrip()))
    return f"{name} cut after {at} of {len(text)} characters", view.with_file(name, text[:at])


def _current(view: AssemblyView) -> Iterator[str]:
    if not view.rendered:
        raise InputError("nothing was rendered to compare the deliverables with")
    for name, text in view.rendered.items():
        found = view.text(name)
        if found != text:
            yield f"{name} is stale: {_first_difference(found, text)}"
    for name in BEFORE_THE_CHECKS:
        if name not in view.rendered:
            yield f"{name} was not rendered again, so nothing says it is current"


def _first_difference(found: str, expected: str) -> str:
    old, new = found.split("\n"), expected.split("\n")
    for number, (one, two) in enumerate(zip(old, new, strict=False), start=1):
        if one != two:
            return f"line {number} is {one.strip()[:80]!r}, would now be {two.strip()[:80]!r}"
    return f"it has {len(old)} lines, would now have {len(new)}"


def _change_character(view: AssemblyView, rng: random.Random) -> tuple[str, AssemblyView]:
    name = rng.choice(sorted(name for name, text in view.rendered.items() if text))
    text = view.text(name)
    at = rng.randrange(len(text))
    letter = "0" if text[at] != "0" else "1"
    return f"{name}: character {at} changed", view.with_file(name, text[:at] + letter + text[at + 1 :])


PY_COMPILE = ConsistencyCheck(
    "py_compile",
    "every Python source of the package and the projects compiles",
    _compiles,
    (_break_source,),
)
REQUIRED_FILES_EXIST = ConsistencyCheck(
    "required_files_exist",
    "the thirteen deliverables written before the checks are there, and those that are data can be read",
    _exist,
    (_drop_file, _empty_file, _cut_file),
)
NO_STALE_ARTIFACT = ConsistencyCheck(
    "no_stale_artifact",
    "every deliverable is, byte for byte, what would be written from the evidence as it is now",
    _current,
    (_change_character,),
)
