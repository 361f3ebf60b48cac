"""Runs, inside the sandbox's interpreter, each program of an order in a forked process of its own.

Run as a script by an interpreter without site packages, so it imports only the standard library. Reads an
order as JSON from standard input, writes a list of answers as JSON to standard output.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import resource
import select
import signal
import sys
import time
from typing import Any

#: Audit events a program may not cause: other processes, other machines, foreign code, changes to files.
_REFUSED_PREFIXES = (
    "ctypes.",
    "ftplib.",
    "http.",
    "imaplib.",
    "nntplib.",
    "poplib.",
    "pty.",
    "shutil.",
    "smtplib.",
    "socket.",
    "subprocess.",
    "syslog.",
    "telnetlib.",
    "urllib.",
    "webbrowser.",
)
_REFUSED_EVENTS = frozenset(
    {
        "os.chdir",
        "os.chflags",
        "os.chmod",
        "os.chown",
        "os.exec",
        "os.fchmod",
        "os.fork",
        "os.forkpty",
        "os.getxattr",
        "os.kill",
        "os.killpg",
        "os.link",
        "os.lockf",
        "os.mkdir",
        "os.mkfifo",
        "os.posix_spawn",
        "os.putenv",
        "os.remove",
        "os.removexattr",
        "os.rename",
        "os.rmdir",
        "os.setxattr",
        "os.spawn",
        "os.startfile",
        "os.symlink",
        "os.system",
        "os.truncate",
        "os.unsetenv",
        "os.utime",
        "resource.setrlimit",
        "resource.prlimit",
        "signal.pthread_kill",
        "sys.addaudithook",
    }
)
_MESSAGE_CHARS = 300
#: Where modules are imported from, all that a program may read.
_LIBRARY = os.path.realpath(os.path.dirname(os.__file__)) + os.sep  # noqa: PTH120 - pathlib is not needed otherwise
_CHUNK = 65_536
#: Standard streams, the two pipes, the directory and file an import has open, and some to spare.
_OPEN_FILES = 16


def main() -> None:
    """Runs the order on standard input."""
    order = json.load(sys.stdin)
    # What the collector never touches stays shared between the processes, which makes forking cheaper.
    gc.freeze()
    answers = [_run(program, order) for program in order["programs"]]
    json.dump(answers, sys.stdout)


def _run(program: str, order: dict[str, Any]) -> dict[str, str]:
    output_in, output_out = os.pipe()
    status_in, status_out = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(output_in)
        os.close(status_in)
        _become(program, order, output_out, status_out)
    os.close(output_out)
    os.close(status_out)
    try:
        texts, in_time = _listen(output_in, status_in, order)
        if not in_time:
            os.kill(child, signal.SIGKILL)
    finally:
        os.close(output_in)
        os.close(status_in)
    _, status = os.waitpid(child, 0)
    return _answer(texts[output_in], texts[status_in], in_time, status)


def _listen(output: int, status: int, order: dict[str, Any]) -> tuple[dict[int, bytes], bool]:
    """What came through the pipes until both were closed, and whether that was within the wall-clock limit."""
    texts = {output: b"", status: b""}
    ends = time.monotonic() + order["wall_s"]
    waiting = [output, status]
    longest = {output: order["output_bytes"], status: _CHUNK}
    while waiting:
        left = ends - time.monotonic()
        ready = select.select(waiting, [], [], max(left, 0))[0]
        if not ready and left <= 0:
            return texts, False
        for pipe in ready:
            chunk = os.read(pipe, _CHUNK)
            if not chunk:
                waiting.remove(pipe)
            else:
                texts[pipe] = (texts[pipe] + chunk)[: longest[pipe]]
    return texts, True


def _answer(output: bytes, told: bytes, in_time: bool, status: int) -> dict[str, str]:
    text = output.decode("utf-8", errors="replace")
    if not in_time:
        return {"ending": "timed_out", "output": text, "error": "the wall-clock limit was reached"}
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) in {signal.SIGPROF, signal.SIGXCPU, signal.SIGKILL}:
        return {"ending": "timed_out", "output": text, "error": "the limit of processor time was reached"}
    try:
        ending, error = json.loads(told)
    except ValueError:
        return {"ending": "died", "output": text, "error": "the process ended before the program did"}
    return {"ending": ending, "output": text, "error": error}


def _become(program: str, order: dict[str, Any], output: int, status: int) -> None:
    """Turns this forked process into the program; does not return."""
    code = 1
    try:
        _redirect(output)
        _limit(order)
        told = _execute(program)
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
        os.write(status, json.dumps(told).encode())
        code = 0
    finally:
        # Never back into the interpreter that runs the other programs.
        os._exit(code)


def _redirect(output: int) -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(nothing, 2)
    os.close(nothing)
    os.close(output)


def _limit(order: dict[str, Any]) -> None:
    whole_s = int(order["cpu_s"]) + 1
    # The timer ends a program to the millisecond; the resource limit ends one that switched the timer off.
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, order["cpu_s"])
    resource.setrlimit(resource.RLIMIT_CPU, (whole_s, whole_s))
    resource.setrlimit(resource.RLIMIT_AS, (order["memory_bytes"], order["memory_bytes"]))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES, _OPEN_FILES))


def _execute(program: str) -> tuple[str, str]:
    names: dict[str, Any] = {"__name__": "__main__", "__builtins__": __builtins__}
    refusals: list[str] = []
    try:
        code = compile(program, "<program>", "exec")
        _refuse(refusals)
        exec(code, names)  # noqa: S102 - running programs is this process's whole purpose
    except MemoryError:
        return "out_of_memory", "MemoryError"
    except SystemExit as error:
        return "exited", f"SystemExit: {error.code}"
    # Whatever a program raises is an answer about the program.
    except BaseException as error:  # noqa: BLE001
        return ("refused", refusals[0]) if refusals else ("raised", _words(error))
    return ("refused", refusals[0]) if refusals else ("finished", "")


def _words(error: BaseException) -> str:
    try:
        message = str(error)
    except Exception:  # noqa: BLE001 - the program's own exception may not even have words
        message = ""
    return f"{type(error).__name__}: {message}"[:_MESSAGE_CHARS]


def _refuse(refusals: list[str]) -> None:
    """From here on this process may not touch what is outside it; a refusal counts even if it is caught."""

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            refused = not _may_read(arguments)
        else:
            refused = event in _REFUSED_EVENTS or event.startswith(_REFUSED_PREFIXES)
        if refused:
            refusals.append(event)
            raise PermissionError(f"{event} is not allowed here")

    sys.addaudithook(hook)


def _may_read(arguments: tuple[Any, ...]) -> bool:
    path, mode, flags = (*arguments, None, None)[:3]
    if not isinstance(path, str) or (isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR)):
        return False
    return mode in {None, "r", "rb"} and os.path.realpath(path).startswith(_LIBRARY)


if __name__ == "__main__":
    main()
