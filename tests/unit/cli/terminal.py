"""A pseudo-terminal, on which tests run a program and type its input."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_TIMEOUT = 60.0  # seconds
# Makes the pseudo-terminal the controlling terminal, as a login shell does: /dev/tty is this terminal.
_SHELL = """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


class Terminal:
    """Runs Python with these arguments on a separate terminal; ``stdout`` may be redirected."""

    def __init__(
        self,
        *arguments: str,
        cwd: Path,
        stdout: int | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self._controller, terminal_fd = pty.openpty()
        self.shown = ""
        self._process = subprocess.Popen(
            [sys.executable, "-c", _SHELL, *arguments],
            cwd=cwd,
            env=env,
            stdin=terminal_fd,
            stdout=terminal_fd if stdout is None else stdout,
            stderr=terminal_fd,
        )
        os.close(terminal_fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        os.close(self._controller)

    def see(self, text: str) -> None:
        """Wait until the program has shown the text."""
        deadline = time.monotonic() + _TIMEOUT
        while text not in self.shown:
            assert time.monotonic() < deadline, f"{text!r} was not shown: {self.shown!r}"
            if not self._read():
                assert text in self.shown, f"{text!r} was not shown: {self.shown!r}"
                return

    def type(self, text: str) -> None:
        """Send keys to the program."""
        os.write(self._controller, text.encode())

    def end(self) -> int:
        """Wait until the program ends, and return its exit code."""
        while self._read():
            pass
        return self._process.wait(_TIMEOUT)

    def interrupt(self) -> int:
        """Press Ctrl-C until the program ends: Python can miss one that comes just before it reads."""
        deadline = time.monotonic() + _TIMEOUT
        while time.monotonic() < deadline:
            self.type("\x03")
            while self._read(1.0):
                pass
            if self._process.poll() is not None:
                break
        return self._process.wait(_TIMEOUT)

    def _read(self, timeout: float = _TIMEOUT) -> bool:
        if not select.select([self._controller], [], [], timeout)[0]:
            return False
        try:
            part = os.read(self._controller, 4096)
        except OSError:
            return False  # on Linux, this error means that the program has closed the terminal
        self.shown += part.decode(errors="replace")
        return bool(part)
