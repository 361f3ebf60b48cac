"""Two versions are compared record by record: what is new, gone and other, by id."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flywheel_mlflow.base.errors import RecordError
from flywheel_mlflow.records.record_changes import RecordChanges, compare_records


def _written(path: Path, rows: list[Mapping[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


_VERSIONS = st.dictionaries(st.integers(0, 30).map(str), st.integers(0, 2), min_size=1, max_size=12)


@given(_VERSIONS, _VERSIONS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_record_is_counted_once(tmp_path: Path, now: dict[str, int], before: dict[str, int]) -> None:
    """New, changed and same records are those of the version, gone, changed and same ones those of the reference."""
    found = compare_records(
        _written(tmp_path / "now.jsonl", [{"id": name, "value": value} for name, value in now.items()]),
        _written(tmp_path / "before.jsonl", [{"value": value, "id": name} for name, value in before.items()]),
        "jsonl",
    )
    assert found.added + found.changed + found.same == len(now)
    assert found.removed + found.changed + found.same == len(before)
    assert found.added == len(now.keys() - before.keys())
    assert found.changed == sum(now[name] != before[name] for name in now.keys() & before.keys())


def test_ids_are_named_but_no_personal_data(tmp_path: Path) -> None:
    """The first ids of each kind are named, an address of a person is not."""
    now = _written(tmp_path / "now.jsonl", [{"id": "a", "value": 1}, {"id": "ana@example.org"}])
    found = compare_records(now, _written(tmp_path / "before.jsonl", [{"id": "a", "value": 2}]), "jsonl")
    assert (found.added, found.changed, found.named["changed"]) == (1, 1, ("a",))
    assert found.named["added"] == ("(withheld: email)",)
    assert str(found) == "1 added, 0 removed, 1 changed, 0 the same"


@pytest.mark.parametrize("rows", [[{"value": 1}], [{"id": "a"}, {"id": "a"}], [{"id": ""}]])
def test_records_without_ids_of_their_own_are_refused(tmp_path: Path, rows: list[Mapping[str, object]]) -> None:
    """A record without an id, or with that of another one, is refused with its line: nothing could be compared."""
    path = _written(tmp_path / "data.jsonl", rows)
    with pytest.raises(RecordError, match="cannot be compared by id") as caught:
        compare_records(path, path, "jsonl")
    assert "data.jsonl" in str(caught.value.where)


def test_the_same_data_changed_nothing(tmp_path: Path) -> None:
    """A version against itself has no change."""
    path = _written(tmp_path / "data.jsonl", [{"id": 1, "value": None}])
    assert compare_records(path, path, "jsonl") == RecordChanges(
        0, 0, 0, 1, {"added": (), "removed": (), "changed": ()}
    )
