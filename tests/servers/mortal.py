"""A tracking server that can be killed and started again where it was."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from servers.tracking import free_port, running_tracking_server


class MortalServer:
    """One store and one address, with a server behind them or not."""

    def __init__(self, folder: Path, lives: ExitStack) -> None:
        self._folder = folder
        self._lives = lives
        self._port = free_port()
        self._pid = 0
        self.uri = f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start it, on the store it had before; nothing happens when it is up."""
        if self._pid:
            return
        backend = f"sqlite:///{self._folder / 'mlflow.db'}"
        server = running_tracking_server(self._folder, backend=backend, port=self._port)
        self._pid = self._lives.enter_context(server).pid

    def kill(self) -> None:
        """SIGKILL to the server and its workers, as when a machine loses power."""
        for pid in [*_descendants(self._pid), self._pid]:
            os.kill(pid, signal.SIGKILL)
        self._pid = 0


def _descendants(pid: int) -> list[int]:
    children = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [found for child in children for found in (child, *_descendants(child))]


@contextmanager
def mortal_server(folder: Path) -> Iterator[MortalServer]:
    """A server that is up, with whatever lives it had ended when the block ends."""
    with ExitStack() as lives:
        server = MortalServer(folder, lives)
        server.start()
        yield server
