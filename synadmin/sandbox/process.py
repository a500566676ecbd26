"""Record the process of a Synapse, so that another run of synadmin can end it.

A process id alone is not enough, because the kernel uses ids again. Id and start time together identify
a process.
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

_TIMEOUT = 15  # seconds between SIGTERM and SIGKILL
_STEP = 0.05  # seconds between two checks
# Signals that end a program normally: Ctrl-C, `kill`, a closed terminal.
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Positions in /proc/PID/stat after the closing parenthesis of the command.
_STATE, _START_TIME = 0, 19


def started_at(pid: int) -> str | None:
    """Return the start time of a process in the system's own format; None where it is not running."""
    stat = Path(f"/proc/{pid}/stat")
    if Path("/proc/self/stat").exists():
        try:
            fields = stat.read_text("utf-8", "replace").rpartition(")")[2].split()
        except OSError:
            return None
        # A zombie has ended, but its parent has not read its exit code yet.
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
    """Block the signals that end this program until the end of the block.

    Otherwise a signal could leave a process that is started but not yet recorded. A child inherits the
    blocked signals: ``launch.py`` unblocks them.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def note(path: Path, pid: int) -> None:
    """Record the process in a file."""
    path.write_text(json.dumps({"pid": pid, "started": started_at(pid)}), "utf-8")


def noted(path: Path) -> int | None:
    """Return the id of the recorded process, if that same process is still running."""
    try:
        record = json.loads(path.read_text("utf-8"))
        pid, started = int(record["pid"]), record["started"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return pid if started is not None and started_at(pid) == started else None


def end(path: Path) -> bool:
    """End the recorded process, and remove the record; return whether there was one.

    The process gets SIGTERM, and SIGKILL if it has not ended after 15 seconds.
    """
    pid = noted(path)
    if pid is not None:
        started = started_at(pid)
        for sign in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, sign)
            until = time.monotonic() + _TIMEOUT
            while started_at(pid) == started and time.monotonic() < until:
                time.sleep(_STEP)
            if started_at(pid) != started:
                break
    path.unlink(missing_ok=True)
    return pid is not None


def port_is_free(port: int) -> bool:
    """Whether a program can listen on this port of the loopback address."""
    with socket.socket() as probe:
        # As Twisted does: a port with only closing connections counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
