"""One audit at a time: a lock that goes with its process, whichever way that ends."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from synadmin.errors import SettingsError, SynadminError

_STEP = 0.2  # seconds between two tries


class UnderWayError(SynadminError):
    """Another audit of the same kind is under way."""


@contextmanager
def held(path: Path, *, wait: bool, until: float | None = None) -> Iterator[None]:
    """Hold a lock while the block runs.

    Args:
        path: its file, which stays; that it is there says nothing.
        wait: until whoever holds it is done …
        until: … but no longer than to this time of the monotonic clock, in seconds.

    Raises:
        UnderWayError: somebody else holds it.
        SettingsError: the file cannot be made.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        message = f"the lock {path} cannot be made: {error.strerror}"
        raise SettingsError(message) from None
    try:
        while not _taken(descriptor):
            if not wait:
                message = "another audit is under way"
                raise UnderWayError(message, hint="--wait waits until it is done")
            if until is not None and time.monotonic() >= until:
                message = "another audit is still under way, and the time is up"
                raise UnderWayError(message)
            time.sleep(_STEP)
        yield
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
