"""What is known of versions of MLflow."""

from __future__ import annotations

from pathlib import Path

import pytest

from flywheel_mlflow.tracking.versions import LIMITS, NEWEST, OLDEST, advisories_of, is_tried, limits_of, numbers_of


@pytest.mark.parametrize(
    ("version", "numbers"),
    [("3.17.2", (3, 17, 2)), ("3.10", (3, 10)), ("3.12.0rc1", (3, 12, 0)), ("3.10.1+rhaiv.3", (3, 10, 1)), ("x", ())],
)
def test_numbers_are_read(version: str, numbers: tuple[int, ...]) -> None:
    """What follows the numbers does not count; what is no version has none."""
    assert numbers_of(version) == numbers


def test_the_range_has_ends() -> None:
    """Patches of the newest count as tried; older and newer versions do not."""
    tried = [
        version for version in ("3.9.9", OLDEST, "3.12.0", NEWEST, "3.17.99", "3.18.0", "4.0.0") if is_tried(version)
    ]
    assert tried == [OLDEST, "3.12.0", NEWEST, "3.17.99"]


def test_the_newest_has_no_limit() -> None:
    """A limit ends with a version; some matter only where there are accounts."""
    assert limits_of(NEWEST, accounts=True) == ()
    assert limits_of(OLDEST, accounts=True) == LIMITS
    assert {limit.accounts for limit in limits_of(OLDEST, accounts=False)} == {False}
    assert [limit.before for limit in limits_of("3.15.2", accounts=True)] == ["3.16.0", "3.16.1"]


def test_holes_end_with_a_version() -> None:
    """Advisories about accounts do not apply where there are none."""
    assert advisories_of(OLDEST, accounts=False) == advisories_of(NEWEST, accounts=True) == ()
    assert [hole.before for hole in advisories_of("3.12.0", accounts=True)] == ["3.13.0", "3.16.1"]
    assert advisories_of("2.9.1", accounts=False)[0].name == "GHSA-5p3h-7fwh-92rc"


def test_limits_are_those_of_the_document(repository: Path) -> None:
    """docs/server.md has a row for each limit, in the same words."""
    text = (repository / "docs" / "server.md").read_text(encoding="utf-8")
    assert [limit for limit in LIMITS if f"| {limit.before} | {limit.what} | {limit.instead} |\n" not in text] == []
