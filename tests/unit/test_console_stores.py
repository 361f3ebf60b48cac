"""Tests of where the server opens artifacts."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.console.stores import ArtifactAddresses


def test_addresses_behind_the_proxy() -> None:
    """What clients know as mlflow-artifacts lies in the folder or bucket the server was started with."""
    run = "mlflow-artifacts:/3/abc/artifacts"
    assert ArtifactAddresses("/data/artifacts", None).resolve(run) == "/data/artifacts/3/abc/artifacts"
    assert ArtifactAddresses("s3://bucket/x/", None).resolve(run) == "s3://bucket/x/3/abc/artifacts"


def test_addresses_that_clients_reach_themselves() -> None:
    """Without a proxy the store below the default root is opened, local folders with and without file:."""
    bucket = ArtifactAddresses(None, "s3://bucket/x")
    assert bucket.resolve("s3://bucket/x/3/abc") == "s3://bucket/x/3/abc"
    folder = ArtifactAddresses("/data/artifacts", "mlflow-artifacts:/")
    assert folder.resolve("file:///data/artifacts/a b/x") == "file:///data/artifacts/a b/x"
    assert folder.resolve("/data/artifacts/x") == "/data/artifacts/x"


@pytest.mark.parametrize(
    "address",
    [
        "/etc/passwd",
        "file:///etc",
        "etc",
        "mlflow-artifacts:/../secret",
        "mlflow-artifacts:/%2e%2e/secret",
        "mlflow-artifacts:/%252e%252e/secret",
        "mlflow-artifacts:/",
        "mlflow-artifacts://elsewhere:80/3/abc",
        "/data/artifacts-of-others/x",
        "/data/artifacts/../x",
        "file:///data/artifacts/%2e%2e/x",
        "file://host/data/artifacts/x",
        "/data/artifacts/x#/../../../etc",
        "mlflow-artifacts:/3/abc?/../../../etc",
        "s3://bucket/x",
        "",
    ],
)
def test_nothing_else_is_opened(address: str) -> None:
    """An experiment's artifact location is its maker's choice: outside of the server's stores it is refused."""
    with pytest.raises(InputError, match="no artifact store of this server"):
        ArtifactAddresses("/data/artifacts", "mlflow-artifacts:/").resolve(address)


def test_without_any_store_nothing_is_opened() -> None:
    """A server that keeps no artifacts opens none."""
    with pytest.raises(InputError):
        ArtifactAddresses(None, None).resolve("mlflow-artifacts:/3/abc")


@given(path=st.text(st.sampled_from("ab./%2eE5cC\\#? "), max_size=30))
def test_no_path_leads_out(path: str) -> None:
    """Whatever is made of dots, slashes and their encodings ends below the store, or nowhere."""
    addresses = ArtifactAddresses("/data/artifacts", None)
    try:
        found = addresses.resolve(f"mlflow-artifacts:/{path}")
    except InputError:
        return
    for _ in range(3):
        assert Path("/data/artifacts") in Path(found).parents
        assert ".." not in Path(found).parts or Path(found).resolve().is_relative_to("/data/artifacts")
        found = unquote(found)
