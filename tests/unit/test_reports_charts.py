"""The charts are valid, self-contained SVG that needs no colour to be read."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
from defusedxml.ElementTree import fromstring
from reports_flywheel import healthy_assembly, small_assembly

from flywheel_mlflow.evidence.lineage import EdgeState
from flywheel_mlflow.reports.charts import lineage_svg, stage_scores_svg
from flywheel_mlflow.reports.layout import Grid, Line, place

HOSTILE = "</title><script>alert(1)</script> & \"x\" \x00\x1b]0; onload='y'"
SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize(("name", "draw"), [("stage_scores", stage_scores_svg), ("lineage", lineage_svg)])
def test_gold(name: str, draw: object, repository: Path) -> None:
    """The charts of the small flywheel are those that were looked at and approved."""
    assert callable(draw)
    gold = (repository / f"tests/gold/report/{name}.svg").read_text(encoding="utf-8")
    assert draw(small_assembly()) == gold


def test_hostile_titles_stay_text() -> None:
    """A title full of markup leaves well-formed XML without a script, an event or a control character."""
    for text in (lineage_svg(small_assembly({"p01": HOSTILE})), stage_scores_svg(small_assembly({"p01": HOSTILE}))):
        tags = {element.tag.removeprefix(SVG) for element in fromstring(text).iter()}
        assert not tags & {"script", "foreignObject", "image", "a", "use", "style"}
        assert not any(name.startswith("on") for element in fromstring(text).iter() for name in element.attrib)
        assert not re.search(r"[\x00-\x09\x0b-\x1f]", text)


def test_charts_describe_themselves() -> None:
    """Each chart has a title and a description that say in words what it shows."""
    for text in (lineage_svg(small_assembly()), stage_scores_svg(small_assembly())):
        root = fromstring(text)
        described = root.attrib["aria-labelledby"].split()
        assert [root[0].attrib["id"], root[1].attrib["id"]] == described
        assert root[0].text
        assert root[1].text
    assert "Training: 0.6475, at risk" in stage_scores_svg(small_assembly())
    assert "4 projects and 7 interface edges: 1 stale, 2 unread, 3 unversioned, 1 no evidence" in lineage_svg(
        small_assembly()
    )


def test_unknown_scores_are_not_drawn_as_zero() -> None:
    """A stage without evidence is hatched and says unknown; it has no bar."""
    text = stage_scores_svg(small_assembly(without=("p02",)))
    assert text.count('fill="url(#unknown)"') == 1
    assert "unknown, missing" in text
    assert 'width="0' not in text.replace('width="0.', "")


def test_states_are_told_without_colour() -> None:
    """Every state in the legend has a dash pattern of its own, and each status a mark and a word."""
    text = lineage_svg(small_assembly())
    dashes = re.findall(r'<line [^>]*stroke-dasharray="([^"]*)"', text)
    assert len(dashes) == len(set(dashes)) == len(EdgeState)
    assert "✓ consumable" in text
    assert "! not consumable" in text
    assert "? without evidence" in text


def test_lines_take_the_look_of_the_evidence() -> None:
    """A matched input is a solid line, a stale one dashed."""
    troubled, healthy = lineage_svg(small_assembly()), lineage_svg(healthy_assembly())
    line = re.compile(r'stroke-dasharray="([^"]*)" marker-end="url\(#graph-arrow\)"><title>p01 to p02: ([^<]*)<')
    assert line.findall(troubled) == [("9 4", "corpus (stale)")]
    assert line.findall(healthy) == [("none", "corpus (matched)")]


def test_the_assembly_layer_is_a_bar() -> None:
    """Edges to the assembly layer are no lines of the graph but counted on its bar."""
    text = lineage_svg(small_assembly())
    assert "reads 4 interfaces of 3 projects: 2 unread, 2 unversioned; feeds p03" in text
    assert "to p10" not in text


GRID = Grid(left=10, top=10, node_width=100, node_height=40, column_gap=60, row_gap=10, waypoint_height=6)


def test_lines_pass_no_foreign_box() -> None:
    """A line over a middle column runs through a place where no box stands."""
    found = place(
        [["a"], ["b", "c", "d"], ["e"]], [Line("a", "e", "x"), Line("a", "b", "x"), Line("e", "c", "x")], GRID
    )
    (straight, *_) = found.ways
    left, _ = found.nodes["b"]
    heights = {y for x, y in straight if left <= x <= left + GRID.node_width}
    assert len(heights) == 1
    for node in "bcd":
        _, top = found.nodes[node]
        assert all(not top <= y <= top + GRID.node_height for y in heights)


def test_lines_of_a_bundle_share_their_way() -> None:
    """Lines of one start and bundle pass a column at one place, those of another bundle elsewhere."""
    columns = [["a"], ["b"], ["c", "d", "e"]]
    lines = [Line("a", "c", "x"), Line("a", "d", "x"), Line("a", "e", "y")]
    one, two, three = place(columns, lines, GRID).ways
    assert one[1:3] == two[1:3]
    assert one[1:3] != three[1:3]


def test_boxes_do_not_overlap() -> None:
    """Boxes and passing lines of a column are stacked with room between them."""
    found = place(
        [["a", "b", "c"], ["d"], ["e"]], [Line("a", "e", "x"), Line("c", "e", "x"), Line("b", "a", "x")], GRID
    )
    tops = sorted(found.nodes[node][1] for node in "abc")
    assert all(after - before >= GRID.node_height + GRID.row_gap for before, after in pairwise(tops))
    assert max(tops) + GRID.node_height <= found.height
