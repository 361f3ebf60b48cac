"""Other tools on the records of :mod:`benchmarks.records`, for an interpreter of their own: they are no dependencies.

    /path/to/their/python benchmarks/records_others.py "great expectations" data.jsonl

Great Expectations checks what six of our checks demand (fields not null, ids and contents unique, no mail address or
long number in the content, means); whylogs makes its profile, and checks nothing.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from typing import Any


def great_expectations(path: str) -> int:
    import great_expectations as gx
    import pandas as pd

    frame = pd.read_json(path, lines=True)
    for name in ("license", "page"):
        frame[name] = frame["metadata"].str[name]
    for name in ("score", "perplexity"):
        frame[name] = frame["quality_signals"].str[name]
    expect = gx.expectations
    not_null = ("id", "source", "content", "metadata", "quality_signals", "split", "audit_trace", "license")
    personal = [r"@[A-Za-z0-9\-]{1,63}\.[A-Za-z]{2,}", r"(?<![0-9A-Za-z_])\+?[1-9](?:[ .\-()]{0,2}\d){8,14}"]
    suite = gx.ExpectationSuite(
        name="records",
        expectations=[
            *(expect.ExpectColumnValuesToNotBeNull(column=name) for name in not_null),
            *(expect.ExpectColumnValuesToBeUnique(column=name) for name in ("id", "content")),
            expect.ExpectColumnValuesToNotMatchRegexList(column="content", regex_list=personal),
            *(expect.ExpectColumnMeanToBeBetween(column=name, min_value=0) for name in ("score", "perplexity")),
        ],
    )
    context: Any = gx.get_context(mode="ephemeral")
    asset = context.data_sources.add_pandas("pandas").add_dataframe_asset("records")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})
    result = batch.validate(suite, result_format="SUMMARY")
    if not result.success:
        failed = [item.expectation_config.type for item in result.results if not item.success]
        raise SystemExit(f"expectations that should hold did not: {failed}")
    return len(frame)


def whylogs(path: str) -> int:
    import pandas as pd
    import whylogs as why

    frame = pd.read_json(path, lines=True)
    why.log(frame).view().to_pandas()
    return len(frame)


JOBS = {"great expectations": great_expectations, "whylogs": whylogs}


def main() -> None:
    name, path = sys.argv[1:]
    # The imports are no part of it, as in our own jobs.
    __import__("pandas")
    __import__(name.replace(" ", "_"))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start, used = time.perf_counter(), time.process_time()
    rows = JOBS[name](path)
    seconds, cpu = time.perf_counter() - start, time.process_time() - used
    rise = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    print(json.dumps({"rows": rows, "seconds": seconds, "cpu": cpu, "rise": rise}))


if __name__ == "__main__":
    main()
