"""What `flywheel assemble` prints for people without a server, done as they would do it."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
import requests
from releases_bench import ReleasesBench, releases_flywheel
from servers.tracking import running_tracking_server
from workbench import bench_on, flywheel_command

pytestmark = pytest.mark.integration


def test_the_printed_command_serves_the_console(tmp_path: Path) -> None:
    """The command that an assembly on a file prints starts a server, and every address printed below it answers."""
    flywheel = releases_flywheel(tmp_path / "with space")
    data = flywheel.root / "mlflow-data"
    uri = f"sqlite:///{data / 'mlflow.db'}"
    ReleasesBench(bench_on(flywheel, uri)).log(tmp_path, 1)
    ended = flywheel_command("assemble", "--iteration", "1", root=flywheel.root, uri=uri)
    assert ended.code in (0, 3), ended.err
    told = ended.out[ended.out.index("serve it:") :].replace("\\\n", " ").splitlines()
    setting, *words = shlex.split(told[0].removeprefix("serve it:"))
    assert words[:4] == ["mlflow", "server", "--app-name", "flywheel"]
    options = dict(zip(words[2::2], words[3::2], strict=True))
    assert options["--artifacts-destination"] == str(data / "artifacts")
    with running_tracking_server(
        data,
        backend=options["--backend-store-uri"],
        app_name=options["--app-name"],
        environ=dict([setting.split("=", maxsplit=1)]),
        forked=False,
    ) as server:
        for line in told[1:]:
            address = line.split()[-1].replace("http://127.0.0.1:5000", server.uri)
            assert requests.get(address, timeout=30).status_code == 200, line
        page = requests.get(f"{server.uri}/flywheel/iterations/1", timeout=30)
        assert page.status_code == 200
        assert "Is the flywheel healthy?" in page.text
