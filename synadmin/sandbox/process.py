"""Which process a Synapse is, written down so that another run of synadmin can end it.

A process id alone is not enough: the kernel gives it away again. The pair of id and start time is
one process and no other.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

_PATIENCE = 15  # seconds from "please end" to "end"
_STEP = 0.05  # seconds between two looks
# Signals that end a program in good order: Ctrl-C, `kill`, a closed terminal.
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# In /proc/PID/stat, counted from the state that follows the command's closing parenthesis.
_STATE, _START_TIME = 0, 19


def started_at(pid: int) -> str | None:
    """Return when the process started, as this system writes it; None where it is not running."""
    stat = Path(f"/proc/{pid}/stat")
    if Path("/proc/self/stat").exists():
        try:
            fields = stat.read_text("utf-8", "replace").rpartition(")")[2].split()
        except OSError:
            return None
        # A zombie has ended; only its parent has not collected it yet.
        return None if fields[_STATE] in "ZX" else fields[_START_TIME]
    ps = shutil.which("ps")  # macOS and the BSDs
    if ps is None:
        return None
    answer = subprocess.run(
        [ps, "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return answer.stdout.strip() or None


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold back the signals that end this program until the block has ended.

    A process that was started and not yet noted would stay behind. A child inherits what is held back:
    ``launch.py`` lets it through again.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def note(path: Path, pid: int) -> None:
    """Write down the process."""
    path.write_text(json.dumps({"pid": pid, "started": started_at(pid)}), "utf-8")


def noted(path: Path) -> int | None:
    """Return the id of the process that was written down, if that very process is still running."""
    try:
        record = json.loads(path.read_text("utf-8"))
        pid, started = int(record["pid"]), record["started"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return pid if started is not None and started_at(pid) == started else None


def end(path: Path) -> bool:
    """End the recorded process, and remove the record; return whether there was one.

    It is asked first (SIGTERM), and killed where it has not ended after 15 seconds.
    """
    pid = noted(path)
    if pid is not None:
        started = started_at(pid)
        for sign in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, sign)
            until = time.monotonic() + _PATIENCE
            while started_at(pid) == started and time.monotonic() < until:
                time.sleep(_STEP)
            if started_at(pid) != started:
                break
    path.unlink(missing_ok=True)
    return pid is not None


def port_is_free(port: int) -> bool:
    """Whether a program can listen on this port of the loopback address."""
    with socket.socket() as probe:
        # As Twisted does: a port whose last connections are still winding down counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
