"""Start Synapse for a sandbox, in this process.

This is a script: ``launch.py tethered|free``, then Synapse's own arguments. ``tethered``: Synapse ends with
the process that started it. That process holds the other end of Synapse's standard input, and the kernel
closes it when the process ends, also if it is killed.
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


class _UnsyncedConnection(sqlite3.Connection):
    """A database without fsync: twice as fast, but a power failure may destroy the sandbox."""

    def __init__(self, *args: Any, **named: Any) -> None:  # noqa: ANN401 - those of sqlite3
        super().__init__(*args, **named)
        self.execute("PRAGMA synchronous = OFF")


def _end_with_parent() -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass  # the parent writes nothing: an empty read means that it has ended
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE)
    os._exit(1)


if __name__ == "__main__":
    # The parent has blocked these signals until it had recorded this process.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
    if sys.argv.pop(1) == "tethered":
        threading.Thread(target=_end_with_parent, daemon=True).start()
    sqlite3.connect = functools.partial(sqlite3.connect, factory=_UnsyncedConnection)  # type: ignore[assignment]
    # Synapse asks git for its branch. Without this it would report a repository around its directory.
    os.environ["GIT_DIR"] = os.devnull
    runpy.run_module("synapse.app.homeserver", run_name="__main__", alter_sys=True)
