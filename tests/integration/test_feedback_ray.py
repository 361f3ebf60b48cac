"""The routing function on Ray Data, row for row what it gives here."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feedback_columns import batch, router, row

# Read before the isolation of the first test clears it.
REQUIRED = bool(os.environ.get("FLYWHEEL_TEST_RAY"))

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("ray") is None and not REQUIRED,
        reason="Ray is not installed (extra `ray`); FLYWHEEL_TEST_RAY=1 forbids to skip",
    ),
    # What Ray causes by itself.
    pytest.mark.filterwarnings("default"),
]

RULES = router(
    {"id": "chart", "to": "p05", "when": [{"any_words": ["chart", "图表", "gráfico"]}]},
    {"id": "law", "to": "p02", "when": [{"any_words": ["law"], "severity": ["high"]}]},
    {"id": "corpus", "to": "p01", "when": [{"built_on": ["corpus"], "no_words": ["spelling"]}]},
    {"id": "maker", "to": "producer"},
)
TEXTS = ["a chart", "这张图表", "GRÁFICO", "the law", "spelling", "thanks", "=1+1 \x1b[31m"]


def table(rows: int) -> pa.Table:
    """Events of every kind, some of whose columns are empty in whole blocks."""
    events = [
        row(
            number,
            text=TEXTS[number % len(TEXTS)],
            **({"severity": "high"} if number % 3 == 0 else {}),
            **({"interface": "answers"} if number % 11 == 0 else {}),
            **({"record_ids": ["index/1", "corpus/2"]} if number > rows // 2 else {}),
        )
        for number in range(rows)
    ]
    return pa.Table.from_batches([batch(*events)])


def test_ray_routes_as_the_local_engine_does(tmp_path: Path) -> None:
    """The same function over blocks of a Parquet file gives every row the same project, rule and reason."""
    import ray

    events = table(3000)
    pq.write_table(events, tmp_path / "events.parquet", row_group_size=500)
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        dataset = ray.data.read_parquet(str(tmp_path / "events.parquet"))
        routed = dataset.map_batches(RULES.route, batch_format="pyarrow", batch_size=256)
        there = sorted(routed.take_all(), key=lambda item: item["line"])
    finally:
        ray.shutdown()
    here = RULES.route(events).to_pylist()
    assert [(item["id"], item["to"], item["rule"], item["reason"]) for item in there] == [
        (item["id"], item["to"], item["rule"], item["reason"]) for item in here
    ]
    assert {item["rule"] for item in here} == {"chart", "law", "corpus", "maker", None}
