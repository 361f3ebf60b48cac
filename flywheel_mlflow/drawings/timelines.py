"""Draws the versions of something over the iterations: what kind of change each was, and how large it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from flywheel_mlflow.drawings.svg import Svg, drawing, element, line, text, tooltip

_STEP, _EDGE, _Y, _HEIGHT = 84.0, 46.0, 52.0, 104.0
#: The mark of each kind of change, as a path around the origin, so that no meaning hangs on colour.
_MARKS: Mapping[str, str] = {
    "first": "M-6 0a6 6 0 1 0 12 0a6 6 0 1 0-12 0z",
    "patch": "M-6 0a6 6 0 1 0 12 0a6 6 0 1 0-12 0z",
    "minor": "M-7 6L0-7L7 6z",
    "major": "M0-8L8 0L0 8L-8 0z",
}
_UNKNOWN = "M-6-6H6V6H-6z"


@dataclass(frozen=True, slots=True)
class Step:
    """One iteration: ``change`` is first, patch, minor, major or unknown, ``same`` the version of the step before,
    None where there is no version; ``size`` stands below it, ``sentence`` says it all.
    """

    iteration: int
    change: str | None
    size: str
    sentence: str
    release: str = ""


def timeline_svg(name: str, steps: Sequence[Step]) -> str:
    """The steps, oldest first; an iteration without a version is a gap in the line."""
    width = max(320.0, 2 * _EDGE + _STEP * (len(steps) - 1))
    inside: list[Svg] = []
    for place, step in enumerate(steps):
        inside += _step(step, _EDGE + _STEP * place, follows=place > 0 and steps[place - 1].change is not None)
    return drawing(
        width, _HEIGHT, f"{name}: {'; '.join(step.sentence for step in steps)}", *inside, kind="chart timeline"
    )


def _step(step: Step, x: float, *, follows: bool) -> Iterator[Svg]:
    yield text(x, 14, str(step.iteration), anchor="middle")
    if step.release:
        yield text(x, 30, step.release, "label", anchor="middle")
    if step.change is None:
        yield text(x, _Y + 4, "none", "unknown", anchor="middle")
        return
    if follows:
        yield line(x - _STEP + 12, _Y, x - 12, _Y, "way")
    if step.change == "same":
        yield element("g", tooltip(step.sentence), element("circle", kind="same", cx=x, cy=_Y, r=4))
    else:
        mark = element(
            "path", kind=step.change, d=_MARKS.get(step.change, _UNKNOWN), transform=f"translate({x:g} {_Y:g})"
        )
        yield element("g", tooltip(step.sentence), mark)
        yield text(x, _Y + 24, step.change.upper(), "change", anchor="middle")
    yield text(x, _Y + 42, step.size, anchor="middle")
