"""Programs of Debian beside a Synapse: found, started, and ended with the tests, however these end."""

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

_START_UP = 60.0  # seconds; none of them takes more than a few on an idle machine
_STEP = 0.05  # seconds between two looks
_FAREWELL = 20.0  # seconds
# Runs a program until its standard input ends: when the test closes it, or is no more.
_TETHER = 'sign=$1; shift; "$@" & child=$!; read -r _; kill -"$sign" $child; wait $child'


def program(name: str, package: str, *folders: Path) -> str:
    """Return the path of a program; skip the test where there is none.

    Args:
        name: of the program.
        package: Debian's package of it.
        folders: where to look, beside the PATH and the places of Debian's servers.
    """
    path = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/usr/local/sbin", *map(str, folders)])
    found = shutil.which(name, path=path)
    if found is None:
        pytest.skip(f"there is no {name} here: apt-get install {package}")
    return found


@contextlib.contextmanager
def tethered(
    command: Sequence[str | Path],
    log: Path,
    answers: Callable[[], bool],
    *,
    sign: str = "TERM",
    **options: Any,  # noqa: ANN401 - those of Popen
) -> Iterator[None]:
    """Run a program while the block runs, from the moment when it answers.

    Args:
        command: the program and its arguments.
        log: the file for its output, which a failure to start shows.
        answers: tells whether it can be used.
        sign: the signal that ends it.
        options: those of ``subprocess.Popen``.
    """
    with log.open("ab") as sink:
        process = subprocess.Popen(
            ["/bin/sh", "-c", _TETHER, "sh", sign, *command],
            stdin=subprocess.PIPE,
            stdout=sink,
            stderr=subprocess.STDOUT,
            # Ctrl-C at the terminal is for the tests; they then stop it in good order.
            start_new_session=True,
            **options,
        )
    try:
        until = time.monotonic() + _START_UP
        while not answers():
            running = process.poll() is None and time.monotonic() < until
            assert running, log.read_text("utf-8", "replace")
            time.sleep(_STEP)
        yield
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(_FAREWELL)


def accepts(port: int) -> bool:
    """Tell whether a program accepts connections on a port of 127.0.0.1."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    """Return a port of 127.0.0.1 that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
