"""Run server programs for the tests. They stop with the tests, even if the tests are killed."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

_START_TIMEOUT = 60.0  # seconds; on an idle machine each program starts in a few seconds
_POLL_INTERVAL = 0.05  # seconds
_STOP_TIMEOUT = 20.0  # seconds
# Stops the program when standard input ends: when the test closes the pipe, or the test process ends.
_RUN_UNTIL_EOF = 'sign=$1; shift; "$@" & child=$!; read -r _; kill -"$sign" $child; wait $child'


def find_program(name: str, package: str, *folders: Path) -> str:
    """Return the path of a program; skip the test if the program is not installed.

    Args:
        name: the name of the program.
        package: the Debian package that contains the program.
        folders: more folders to search, besides the PATH and Debian's folders for servers.
    """
    path = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/usr/local/sbin", *map(str, folders)])
    path_of_program = shutil.which(name, path=path)
    if path_of_program is None:
        pytest.skip(f"{name} is not installed: apt-get install {package}")
    return path_of_program


@contextlib.contextmanager
def running_program(
    command: Sequence[str | Path],
    log: Path,
    is_ready: Callable[[], bool],
    *,
    stop_signal: str = "TERM",
    **options: Any,  # noqa: ANN401 - the arguments of Popen
) -> Iterator[None]:
    """Run a program until the block ends. The block starts when the program is ready.

    Args:
        command: the program and its arguments.
        log: the file for the output of the program. If the program does not start, the error shows this file.
        is_ready: returns whether the program can be used.
        stop_signal: the signal that stops the program.
        options: more arguments of ``subprocess.Popen``.
    """
    with log.open("ab") as sink:
        process = subprocess.Popen(
            ["/bin/sh", "-c", _RUN_UNTIL_EOF, "sh", stop_signal, *command],
            stdin=subprocess.PIPE,
            stdout=sink,
            stderr=subprocess.STDOUT,
            # Ctrl-C interrupts only the tests, not this program: the tests stop the program themselves.
            start_new_session=True,
            **options,
        )
    try:
        until = time.monotonic() + _START_TIMEOUT
        while not is_ready():
            running = process.poll() is None and time.monotonic() < until
            assert running, log.read_text("utf-8", "replace")
            time.sleep(_POLL_INTERVAL)
        yield
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(_STOP_TIMEOUT)


def accepts(port: int) -> bool:
    """Return whether a program accepts connections on a port of 127.0.0.1."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    """Return a port of 127.0.0.1 that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
