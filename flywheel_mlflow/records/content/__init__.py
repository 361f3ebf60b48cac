"""What is kept of the content of sampled records, so that a later iteration can be compared with it.

No text is kept: numbers that describe texts, hashed word pairs of each sampled row, and phrases that many rows share.

Example::

    profile = content_of(sampled_rows, ContentRule())
    [column.name for column in profile.columns], profile.wordings[0].phrases[:3]
"""

from flywheel_mlflow.records.content.building import ContentRule, SampledRow, content_of
from flywheel_mlflow.records.content.profile import (
    ContentColumn,
    ContentProfile,
    Phrase,
    VectorSketch,
    Wording,
    content_from_parquet,
    content_to_parquet,
)

__all__ = [
    "ContentColumn",
    "ContentProfile",
    "ContentRule",
    "Phrase",
    "SampledRow",
    "VectorSketch",
    "Wording",
    "content_from_parquet",
    "content_of",
    "content_to_parquet",
]
