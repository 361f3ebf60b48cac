"""What is kept of the content of sampled records, so that a later iteration can be compared with it.

No text is kept: numbers that describe texts, hashed word pairs of each sampled row, and phrases that many rows share.

Example::

    from flywheel_mlflow.records.content.building import ContentRule, content_of

    profile = content_of(sampled_rows, ContentRule())
    [column.name for column in profile.columns], profile.wordings[0].phrases[:3]
"""
