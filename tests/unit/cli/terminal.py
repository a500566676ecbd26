"""A person at a terminal: a real one, as the kernel makes them."""

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

_PATIENCE = 60.0  # seconds
# What a login shell does for the programs it starts, so that /dev/tty is this terminal.
_SHELL = """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


class Terminal:
    """Runs Python with the given arguments on a terminal of its own; ``stdout`` may go elsewhere."""

    def __init__(
        self,
        *arguments: str,
        cwd: Path,
        stdout: int | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self._ours, theirs = pty.openpty()
        self.shown = ""
        self._process = subprocess.Popen(
            [sys.executable, "-c", _SHELL, *arguments],
            cwd=cwd,
            env=env,
            stdin=theirs,
            stdout=theirs if stdout is None else stdout,
            stderr=theirs,
        )
        os.close(theirs)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        os.close(self._ours)

    def see(self, text: str) -> None:
        """Wait until the text is on the screen."""
        until = time.monotonic() + _PATIENCE
        while text not in self.shown:
            assert time.monotonic() < until, f"{text!r} was not shown: {self.shown!r}"
            if not self._read():
                assert text in self.shown, f"{text!r} was not shown: {self.shown!r}"
                return

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._ours, text.encode())

    def end(self) -> int:
        """Wait for the program's end and return its exit code."""
        while self._read():
            pass
        return self._process.wait(_PATIENCE)

    def interrupt(self) -> int:
        """Press Ctrl-C, and again where Python was just about to read and has not noticed."""
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            self.type("\x03")
            while self._read(1.0):
                pass
            if self._process.poll() is not None:
                break
        return self._process.wait(_PATIENCE)

    def _read(self, patience: float = _PATIENCE) -> bool:
        if not select.select([self._ours], [], [], patience)[0]:
            return False
        try:
            part = os.read(self._ours, 4096)
        except OSError:
            return False  # Linux's way to say that nobody has the other end open any more
        self.shown += part.decode(errors="replace")
        return bool(part)
