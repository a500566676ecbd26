"""Runs inside Synapse's process, and makes of it a Synapse for a sandbox.

It is started as a script: ``launch.py tethered|free`` and Synapse's own arguments. Tethered, it ends
once the process that started it is gone: the starter holds the other end of this process's standard
input, and the kernel closes that end however the starter ends, killed included.
"""

import functools
import os
import runpy
import signal
import sqlite3
import sys
import threading
import time
from typing import Any

_GRACE = 5  # seconds that Synapse gets to close its database


class _Unhurried(sqlite3.Connection):
    """A database without fsync: half of the time, but a power cut may destroy the sandbox."""

    def __init__(self, *args: Any, **named: Any) -> None:  # noqa: ANN401 - those of sqlite3
        super().__init__(*args, **named)
        self.execute("PRAGMA synchronous = OFF")


def _end_with_the_starter() -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass  # nothing is written; the empty read says that the starter has ended
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE)
    os._exit(1)


if __name__ == "__main__":
    # Held back by the starter until this process was noted.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
    if sys.argv.pop(1) == "tethered":
        threading.Thread(target=_end_with_the_starter, daemon=True).start()
    sqlite3.connect = functools.partial(sqlite3.connect, factory=_Unhurried)  # type: ignore[assignment]
    # Synapse asks git for the branch that it runs from, and would name whatever repository it lies in.
    os.environ["GIT_DIR"] = os.devnull
    runpy.run_module("synapse.app.homeserver", run_name="__main__", alter_sys=True)
