"""Start the command line fast, by a fork of a process that has imported it.

The imports take most of the time of a short command, and the tests run thousands of commands. Each command is
a separate process with its own arguments, environment, directory, streams, signals and exit code.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import synadmin

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_MESSAGE = 1 << 20  # bytes: more than the arguments and the environment of a command take
_lock = threading.Lock()  # held for one request and its answer
_connections: list[socket.socket] = []


@dataclass
class Process:
    """A running command. ``memory`` is its peak resident size in KiB, after it has ended."""

    pid: int
    memory: int = 0

    def kill(self) -> None:
        """Kill the process. Its id is not reused before `wait` has returned."""
        os.kill(self.pid, signal.SIGKILL)

    def wait(self, timeout: float) -> int:
        """Wait for the end; return the exit code, or -N after signal N.

        Raises:
            subprocess.TimeoutExpired: the process ran longer than ``timeout`` seconds, and was killed.
        """
        descriptor = os.pidfd_open(self.pid)
        try:
            in_time = bool(select.select([descriptor], [], [], timeout)[0])
        finally:
            os.close(descriptor)
        if not in_time:
            self.kill()
        status, self.memory = _ask({"ended": self.pid})
        if not in_time:
            raise subprocess.TimeoutExpired("synadmin", timeout)
        return os.waitstatus_to_exitcode(status)


def start(
    arguments: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    stdin: IO[Any],
    stdout: IO[Any],
    stderr: IO[Any],
) -> Process:
    """Start ``synadmin ARGUMENTS``. Variables for the start of Python itself have no effect."""
    request = {"arguments": list(arguments), "cwd": str(cwd), "env": dict(env)}
    return Process(*_ask(request, stdin, stdout, stderr))


def run(
    arguments: Sequence[str], *, cwd: Path, env: Mapping[str, str], stdin: str, timeout: float
) -> tuple[int, str, str]:
    """Run ``synadmin ARGUMENTS``; return the exit code, stdout and stderr."""
    with _text_file() as stdin_file, _text_file() as stdout, _text_file() as stderr:
        stdin_file.write(stdin)
        stdin_file.seek(0)
        process = start(arguments, cwd=cwd, env=env, stdin=stdin_file, stdout=stdout, stderr=stderr)
        code = process.wait(timeout)
        stdout.seek(0)
        stderr.seek(0)
        return code, stdout.read(), stderr.read()


def _text_file() -> IO[str]:
    return tempfile.TemporaryFile("w+", encoding="utf-8")


def _ask(request: Mapping[str, Any], *streams: IO[Any]) -> list[int]:
    with _lock:
        if not _connections:
            _connections.append(_launch())
        message = json.dumps(request).encode()
        socket.send_fds(_connections[0], [message], [stream.fileno() for stream in streams])
        answer: list[int] = json.loads(_connections[0].recv(_MESSAGE))
        return answer


def _launch() -> socket.socket:
    """Start the process that forks the commands. It ends when this connection is closed."""
    client_end, server_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with server_end:
        process = subprocess.Popen(
            [sys.executable, "-P", __file__, str(server_end.fileno())],
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TZ": "UTC"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[server_end.fileno()],
        )
    atexit.register(process.wait)
    atexit.register(client_end.close)
    return client_end


def _load() -> None:
    for module in pkgutil.walk_packages(synadmin.__path__, "synadmin."):
        if not module.name.startswith("synadmin.sandbox.") and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    gc.collect()
    gc.freeze()  # the collector of a child leaves these objects alone, so their memory stays shared


def _serve(connection: socket.socket) -> None:
    """Answer requests. The function returns only in a forked child, which then runs the command."""
    while True:
        message, descriptors, _, _ = socket.recv_fds(connection, _MESSAGE, 3)
        if not message:
            os._exit(0)
        request = json.loads(message)
        if "ended" in request:
            _, status, usage = os.wait4(request["ended"], 0)
            connection.send(json.dumps([status, usage.ru_maxrss]).encode())
            continue
        pid = os.fork()
        if pid == 0:
            break
        for descriptor in descriptors:
            os.close(descriptor)
        connection.send(json.dumps([pid]).encode())
    connection.close()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for target, descriptor in enumerate(descriptors):
        os.dup2(descriptor, target)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(request["env"])
    time.tzset()
    os.chdir(request["cwd"])
    sys.argv[1:] = request["arguments"]


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # only pytest handles Ctrl-C
    _load()
    _serve(socket.socket(fileno=int(sys.argv[1])))
    runpy.run_module("synadmin", run_name="__main__", alter_sys=True)
