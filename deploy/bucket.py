"""The bucket behind the server's proxy: makes it, saves its files into a folder, and brings them back.

`python bucket.py save FOLDER` and `python bucket.py load FOLDER` work on the bucket that the environment names.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

#: Where S3 wants no region to be named.
HOME_REGION = "us-east-1"
#: The store may be starting as well: tries whose pauses grow to 20 s each.
PATIENCE = Config(retries={"mode": "standard", "total_max_attempts": 9})


class Bucket:
    """The bucket that ``MLFLOW_ARTIFACTS_DESTINATION`` names."""

    def __init__(self) -> None:
        self._region = os.environ.get("AWS_DEFAULT_REGION") or HOME_REGION
        self._name = urlsplit(os.environ["MLFLOW_ARTIFACTS_DESTINATION"]).netloc
        endpoint = os.environ.get("MLFLOW_S3_ENDPOINT_URL") or None
        self._client: Any = boto3.client("s3", endpoint_url=endpoint, region_name=self._region, config=PATIENCE)

    def make(self) -> None:
        """Make it unless it is there; one that the credentials do not reach is an error."""
        try:
            self._client.head_bucket(Bucket=self._name)
        except ClientError as error:
            if error.response["Error"]["Code"] != "404":
                raise
            place = {"CreateBucketConfiguration": {"LocationConstraint": self._region}}
            self._client.create_bucket(Bucket=self._name, **({} if self._region == HOME_REGION else place))

    def save(self, folder: Path) -> int:
        """Write every object below an empty folder; returns how many."""
        if folder.is_dir() and any(folder.iterdir()):
            raise SystemExit(f"{folder} is not empty: what the bucket no longer has would come back with it")
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._name)
        keys = [item["Key"] for page in pages for item in page.get("Contents", ())]
        for key in keys:
            target = folder / key
            if not target.resolve().is_relative_to(folder.resolve()):
                raise SystemExit(f"{key!r} leads out of {folder}")
            target.parent.mkdir(parents=True, exist_ok=True)
            self._client.download_file(self._name, key, str(target))
        return len(keys)

    def load(self, folder: Path) -> int:
        """Put every file below a folder back; returns how many."""
        paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        for path in paths:
            self._client.upload_file(str(path), self._name, path.relative_to(folder).as_posix())
        return len(paths)


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ("save", "load"):
        raise SystemExit(__doc__)
    count = getattr(Bucket(), sys.argv[1])(Path(sys.argv[2]))
    sys.stdout.write(f"{sys.argv[1]}: {count} files\n")
