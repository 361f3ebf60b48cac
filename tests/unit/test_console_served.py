"""Tests of the flywheel that a server takes decisions for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flywheels import blueprint_document, write_flywheel

from flywheel_mlflow.base.errors import DocumentError, InputError, ServerError
from flywheel_mlflow.base.signing import new_key
from flywheel_mlflow.console.served import gives_addresses, read_served


def flywheel_at(folder: Path, **more: Any) -> Path:
    """A flywheel's folder."""
    return write_flywheel(folder, blueprint=blueprint_document() | more)


def test_a_server_without_a_flywheel_serves_none() -> None:
    """Nothing set is no fault: such a server only guards."""
    assert read_served({}, authentication=False) is None
    assert read_served({}, authentication=True) is None


def test_changed_files_are_read_again(tmp_path: Path) -> None:
    """Unchanged files are read once; changed ones again, and the name stays the one of the start."""
    root = flywheel_at(tmp_path / "fw")
    served = read_served({"FLYWHEEL_ROOT": str(root)}, authentication=False)
    assert served is not None
    first = served.flywheel()
    assert served.flywheel() is first
    path = root / "flywheel.yaml"
    text = path.read_text()
    title = str(first.blueprint.title)
    path.write_text(text.replace(title, f"{title} anew"))
    assert served.flywheel().blueprint.title == f"{title} anew"
    path.write_text(text.replace(served.name, "another"))
    with pytest.raises(ServerError, match="another"):
        served.flywheel()
    path.unlink()
    with pytest.raises(ServerError, match=r"flywheel\.yaml"):
        served.flywheel()
    path.write_text(text)
    assert served.flywheel().name == served.name


def test_a_changed_part_is_read_again(tmp_path: Path) -> None:
    """A file that flywheel.yaml includes counts like itself: changed, broken, and mended without a restart."""
    plan = blueprint_document()
    people = {key: plan.pop(key) for key in ("people", "roles")}
    root = write_flywheel(tmp_path, blueprint=plan | {"include": ["people.yaml"]}, parts={"people.yaml": people})
    served = read_served({"FLYWHEEL_ROOT": str(root)}, authentication=False)
    assert served is not None
    part = root / "people.yaml"
    text = part.read_text()
    part.write_text(text.replace("title: Bo", "title: Bo the second"))
    assert served.flywheel().blueprint.people[1].title == "Bo the second"
    part.write_text("- nonsense")
    with pytest.raises(ServerError, match=r"people\.yaml"):
        served.flywheel()
    part.write_text(text)
    assert served.flywheel().blueprint.people[1].title == "Bo"


def test_broken_files_are_told_at_the_start(tmp_path: Path) -> None:
    """Faults of the files come as they are, with their lines."""
    root = flywheel_at(tmp_path / "fw", surprise=1)
    with pytest.raises(DocumentError):
        read_served({"FLYWHEEL_ROOT": str(root)}, authentication=False)


def test_a_key_is_read_and_must_be_named(tmp_path: Path) -> None:
    """The server seals with its key, and only with one that flywheel.yaml names."""
    key = new_key(tmp_path / "server.key")
    named = flywheel_at(tmp_path / "fw", releases={"server_keys": [key.public_key]})
    environ = {"FLYWHEEL_ROOT": str(named), "FLYWHEEL_SERVER_KEY": str(tmp_path / "server.key")}
    served = read_served(environ, authentication=True)
    assert served is not None
    assert served.key is not None
    assert served.key.public_key == key.public_key
    unnamed = flywheel_at(tmp_path / "other")
    with pytest.raises(InputError, match="public key") as caught:
        read_served(environ | {"FLYWHEEL_ROOT": str(unnamed)}, authentication=False)
    assert key.public_key in str(caught.value.hint)
    with pytest.raises(InputError, match="no such key file"):
        read_served(environ | {"FLYWHEEL_SERVER_KEY": str(tmp_path / "none.key")}, authentication=False)


def test_accounts_without_a_key_are_refused(tmp_path: Path) -> None:
    """A server's word about who signed in is worth nothing without its seal."""
    root = flywheel_at(tmp_path / "fw")
    with pytest.raises(InputError, match="FLYWHEEL_SERVER_KEY is not set"):
        read_served({"FLYWHEEL_ROOT": str(root)}, authentication=True)
    with pytest.raises(InputError, match="FLYWHEEL_ROOT is not"):
        read_served({"FLYWHEEL_SERVER_KEY": "x"}, authentication=False)


@pytest.mark.parametrize(("said", "gives"), [(None, True), ("", True), ("true", True), ("False", False)])
def test_clients_are_kept_off_the_store_on_wish(said: str | None, gives: bool) -> None:
    """MLflow's way unless the environment says otherwise; an empty setting is none."""
    assert gives_addresses({} if said is None else {"FLYWHEEL_DIRECT_ARTIFACTS": said}) is gives


def test_a_setting_nobody_understands_is_refused() -> None:
    """Whoever writes `no` must not get signed addresses all the same."""
    with pytest.raises(InputError, match="FLYWHEEL_DIRECT_ARTIFACTS"):
        gives_addresses({"FLYWHEEL_DIRECT_ARTIFACTS": "no"})
