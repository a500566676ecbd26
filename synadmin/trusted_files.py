"""Read files that decide where a token is sent, if only the caller and root can change them.

A file that another user owns or can write may be an attack, and is not trusted. The same holds for a
symbolic link that another user made, and a hard link in a directory where other users can make one.
"""

import os
import shlex
import stat
from dataclasses import dataclass
from pathlib import Path

from synadmin.errors import SettingsError

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_OTHERS_READ = stat.S_IRGRP | stat.S_IROTH
_MOST_LINKS = 40  # as many as Linux follows
_LARGEST = 1024 * 1024  # bytes


@dataclass(frozen=True, slots=True)
class TrustedFile:
    """The content of a file, whether it is trusted, and whether other users can read it.

    Attributes:
        distrust: the reason not to use the content; None where the file is trusted.
        others_read: users other than the owner can read it.
    """

    content: bytes
    distrust: SettingsError | None
    others_read: bool

    def text(self, place: str) -> str:
        """Return the text, without a byte order mark.

        Raises:
            SettingsError: it must not be used, or is not UTF-8.
        """
        if self.distrust is not None:
            raise self.distrust
        try:
            return self.content.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise SettingsError(f"{place} cannot be read: it is not UTF-8 text") from None


def read(path: Path, *, may_be_pipe: bool = False) -> TrustedFile | None:
    """Return the content of a file; None where it is not a file.

    Args:
        path: the file.
        may_be_pipe: a pipe is read too, as `<(pass show matrix)` makes one.

    Raises:
        OSError: it cannot be read.
    """
    # To open a pipe without a writer would block for ever.
    waits = 0 if may_be_pipe and path.is_fifo() else os.O_NONBLOCK
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | waits)
    status = os.fstat(descriptor)
    is_file = stat.S_ISREG(status.st_mode)
    if not is_file and not (may_be_pipe and stat.S_ISFIFO(status.st_mode)):
        os.close(descriptor)
        return None
    with os.fdopen(descriptor, "rb") as file:
        return TrustedFile(
            file.read(_LARGEST),
            _distrust(path, status),
            others_read=is_file and bool(status.st_mode & _OTHERS_READ),
        )


def _distrust(path: Path, status: os.stat_result) -> SettingsError | None:
    quoted = shlex.quote(str(path))
    if not _is_ours(status.st_uid):
        owner = _name_of(status.st_uid)
        message = f"{path} is not trusted: its owner is {owner}, not you or root"
        return SettingsError(message, hint=f"if it is yours: chown {_name_of(os.geteuid())} {quoted}")
    if status.st_mode & _OTHERS_WRITE and stat.S_ISREG(status.st_mode):
        message = f"{path} is not trusted: others can write it"
        return SettingsError(message, hint=f"look at what it holds, then: chmod go-w {quoted}")
    *links, target = _followed(path)
    link = next((link for link in links if not _is_ours(link.lstat().st_uid)), None)
    if link is not None:
        owner = _name_of(link.lstat().st_uid)
        message = f"{path} is not trusted: {owner}, not you or root, made the symbolic link {link}"
        return SettingsError(message, hint="remove the link, or make it yourself")
    folder = target.parent.stat()
    if status.st_nlink > 1 and (not _is_ours(folder.st_uid) or folder.st_mode & _OTHERS_WRITE):
        message = f"{path} is not trusted: it is a hard link in a directory that others can write"
        return SettingsError(message, hint="remove it, and write a file of your own in its place")
    return None


def _is_ours(uid: int) -> bool:
    return uid in {0, os.geteuid()}


def _followed(path: Path) -> list[Path]:
    """Return the symbolic links that lead to a file, and last the path of the file itself."""
    way = [path]
    while way[-1].is_symlink() and len(way) <= _MOST_LINKS:
        way.append(way[-1].parent / way[-1].readlink())
    return way


def _name_of(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
