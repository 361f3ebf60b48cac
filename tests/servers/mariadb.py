"""A MariaDB server from the machine's own binaries, in a folder of its own."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from servers.tracking import free_port

START_TIMEOUT_S = 300
#: What MariaDB runs as instead of root, which it refuses to.
_USER = "mysql"


@dataclass(frozen=True, slots=True)
class MariaServer:
    """A running server; local connections by its socket are root's."""

    port: int
    socket: Path

    def create_database(self, name: str) -> str:
        """A new, empty database, for which case, accents and blanks at the end do not count; its SQLAlchemy URL."""
        self.run(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        self.run("CREATE USER IF NOT EXISTS flywheel@'127.0.0.1' IDENTIFIED BY 'for-a-test'")
        self.run(f"GRANT ALL ON {name}.* TO flywheel@'127.0.0.1'")
        return f"mysql+pymysql://flywheel:for-a-test@127.0.0.1:{self.port}/{name}"

    def run(self, statements: str) -> None:
        """Run statements as root."""
        command = ["mariadb", "--no-defaults", "-uroot", f"--socket={self.socket}", "-e", statements]
        subprocess.run(command, check=True, capture_output=True, timeout=START_TIMEOUT_S)


def find_mariadb() -> Path | None:
    """The server's program, or None where it, or its driver for Python, is not installed."""
    try:
        import pymysql  # noqa: F401 - MLflow's URLs name it
    except ImportError:
        return None
    found = shutil.which("mariadbd") or shutil.which("mariadbd", path="/usr/sbin")
    return Path(found) if found and shutil.which("mariadb-install-db") else None


@contextmanager
def running_mariadb(program: Path) -> Iterator[MariaServer]:
    """A server in a temporary folder on a free port, ended and removed when the block ends."""
    with tempfile.TemporaryDirectory(prefix="flywheel-maria-") as name:
        folder = Path(name)
        user = ["--user=mysql"] if os.geteuid() == 0 else []
        if user:
            owner = pwd.getpwnam(_USER)
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        place = ["--no-defaults", *user, f"--datadir={folder / 'data'}"]
        made = ["mariadb-install-db", *place, "--auth-root-authentication-method=normal", "--skip-test-db"]
        subprocess.run(made, check=True, capture_output=True, timeout=START_TIMEOUT_S)
        server = MariaServer(free_port(), folder / "s")
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [
                    program,
                    *place,
                    f"--socket={server.socket}",
                    f"--port={server.port}",
                    "--bind-address=127.0.0.1",
                    # As for PostgreSQL: no test waits for a disk.
                    "--innodb-flush-log-at-trx-commit=2",
                ],
                stdout=log,
                stderr=log,
            )
        try:
            _wait(server, process)
            yield server
        finally:
            process.terminate()
            process.wait(START_TIMEOUT_S)


def _wait(server: MariaServer, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            server.run("SELECT 1")
        except subprocess.CalledProcessError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return
