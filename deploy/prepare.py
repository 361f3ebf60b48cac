"""Makes what a server needs before its first start: the bucket, the tables, the administrator. Safe to run again."""

from __future__ import annotations

import os

from bucket import Bucket
from mlflow.server import auth
from mlflow.server.handlers import initialize_backend_stores

if __name__ == "__main__":
    Bucket().make()
    # With the first tables MLflow makes the experiment Default, whose files pass the server as all do.
    initialize_backend_stores(os.environ["MLFLOW_BACKEND_STORE_URI"], default_artifact_root="mlflow-artifacts:/")
    auth.bootstrap_admin_user()
