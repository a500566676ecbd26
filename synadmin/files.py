"""synadmin's own files: replaced in one step, locked, in directories that only their owner can enter.

Other users may be able to write to the directory of such a file. So the new content goes into a draft with
a name that cannot be guessed, and links of other users are not followed. A pipe or a device is written to
only where the caller allows it.
"""

import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from synadmin.errors import SettingsError, SynadminError

_POLL = 0.2  # seconds between two tries to take a lock
_OWNER_ONLY = 0o700
_MOST_LINKS = 40  # as Linux counts them
_SYSTEM = ("/dev/", "/proc/")
_ANYBODY = ("/dev/shm/", "/dev/mqueue/")  # noqa: S108  every user can write there


class LockedError(SynadminError):
    """Another process holds the lock."""


def replace_file(
    path: Path, text: str, *, mode: int = 0o600, into_devices: bool = False, setting: str | None = None
) -> None:
    """Replace a file's content in one step: readers see the old content or the new, never a part.

    A symbolic link of the caller or of root is followed, and the file that it names is replaced.

    Args:
        path: the file.
        text: its content.
        mode: its permissions, less what the umask takes away.
        into_devices: write into an existing pipe or device; else it is refused.
        setting: the setting that names the path, for the hint of an error.

    Raises:
        SettingsError: it cannot be written; the old content is still there.
    """
    content = text.encode("utf-8", "backslashreplace")
    try:
        if into_devices and _is_special(path):
            _write_into(path, content)
        else:
            _replace(_link_target(path), content, mode)
    except OSError as error:
        raise _cannot("write", path, error, setting) from None


@contextmanager
def locked(
    path: Path,
    *,
    wait: bool = False,
    until: float | None = None,
    remove: bool = False,
    setting: str | None = None,
) -> Iterator[None]:
    """Hold a lock on a file. The lock ends with the process, also after a crash.

    Args:
        path: the file; it is made where it is missing. A file alone does not mean that the lock is held.
        wait: wait until the other process releases the lock …
        until: … but at most until this time of the monotonic clock, in seconds.
        remove: remove the file afterwards.
        setting: the setting that names the path, for the hint of an error.

    Raises:
        LockedError: another process holds it.
        SettingsError: the file cannot be made.
    """
    descriptor = _open_lock(path, setting)
    try:
        while not _try_lock(descriptor):
            if not wait or (until is not None and time.monotonic() >= until):
                raise LockedError(f"another process holds the lock {path}")
            time.sleep(_POLL)
        try:
            yield
        finally:
            if remove:
                path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def is_locked(path: Path) -> bool:
    """Whether a process holds a lock. A file that a crash has left is removed."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        if not _try_lock(descriptor):
            return True
        with suppress(OSError):
            path.unlink(missing_ok=True)
        return False
    finally:
        os.close(descriptor)


def make_directory(path: Path, *, setting: str | None = None) -> None:
    """Make a directory and its missing parents, with mode 0700 whatever the umask is.

    Raises:
        SettingsError: it cannot be made.
    """
    try:
        _make_directory(path)
    except OSError as error:
        raise _cannot("make the directory", path, error, setting) from None


def _make_directory(path: Path) -> None:
    if path.is_dir():
        return
    if not path.parent.exists():
        _make_directory(path.parent)
    try:
        path.mkdir(_OWNER_ONLY)
    except FileExistsError:
        if not path.is_dir():  # else another process was faster
            raise NotADirectoryError(20, "not a directory") from None
        return
    # A umask can only take permissions away, so no other user could enter in the meantime.
    if path.lstat().st_mode & 0o777 != _OWNER_ONLY:
        path.chmod(_OWNER_ONLY)


def _replace(path: Path, content: bytes, mode: int) -> None:
    draft = path.with_name(f".{path.name[:200]}.{os.urandom(8).hex()}.draft")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(draft, flags, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        with suppress(OSError):
            draft.unlink()
        raise
    with suppress(OSError):  # the file already has its new content
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def _link_target(path: Path) -> Path:
    """Return the path of the file that is replaced."""
    for _ in range(_MOST_LINKS):
        try:
            status = path.lstat()
        except FileNotFoundError:
            return path
        if stat.S_ISREG(status.st_mode):
            return path
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(21, "is a directory")
        if not stat.S_ISLNK(status.st_mode):
            raise OSError(0, "is a pipe, a socket or a device")
        if not _is_trusted(status):
            raise PermissionError(1, "is a symbolic link that another user has made")
        path = path.parent / path.readlink()
    raise OSError(40, "too many levels of symbolic links")


def _is_special(path: Path) -> bool:
    if _belongs_to_system(path):
        return True
    with suppress(FileNotFoundError):
        mode = path.stat().st_mode
        return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)
    return False


def _write_into(path: Path, content: bytes) -> None:
    # A pipe without a reader would keep the run waiting for ever.
    flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        if error.errno == 6:  # noqa: PLR2004  ENXIO
            raise OSError(6, "nothing reads from this pipe") from None
        raise
    with os.fdopen(descriptor, "wb", buffering=0) as file:
        if not _belongs_to_system(path) and not _is_trusted(os.fstat(file.fileno())):
            raise PermissionError(1, "belongs to another user")
        os.set_blocking(file.fileno(), True)
        while content:
            content = content[file.write(content) or 0 :]


def _belongs_to_system(path: Path) -> bool:
    return str(path).startswith(_SYSTEM) and not str(path).startswith(_ANYBODY)


def _is_trusted(status: os.stat_result) -> bool:
    return status.st_uid in {0, os.geteuid()}


def _open_lock(path: Path, setting: str | None) -> int:
    try:
        _make_directory(path.parent)
        # Without O_NONBLOCK a pipe of that name would keep the run waiting.
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o600)
    except OSError as error:
        raise _cannot("make the lock", path, error, setting) from None
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode) and _is_trusted(status):
        return descriptor
    os.close(descriptor)
    reason = "belongs to another user" if stat.S_ISREG(status.st_mode) else "is not a regular file"
    raise _cannot("make the lock", path, PermissionError(1, reason), setting)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _cannot(what: str, path: Path, error: OSError, setting: str | None) -> SettingsError:
    reason = error.strerror or str(error)
    message = f"cannot {what} {path}: {reason[:1].lower()}{reason[1:]}"
    return SettingsError(message, hint=f"choose another place with {setting}" if setting else None)
