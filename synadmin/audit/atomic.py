"""Files that are there whole or not at all, whenever the run is killed."""

import os
from pathlib import Path

from synadmin.errors import SettingsError


def write(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Replace a file's content in one step.

    Args:
        path: the file; whoever follows it sees the old content or the new, never a part.
        text: its content.
        mode: its permissions, less what the umask takes away.

    Raises:
        SettingsError: it cannot be written; the old content is still there.
    """
    if path.exists() and not path.is_file():
        # A pipe or a device, which cannot be replaced.
        _into(path, text)
        return
    # One name for all runs: what a killed one has left is overwritten by the next.
    draft = path.with_name(f".{path.name}.draft")
    try:
        descriptor = os.open(
            draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, mode
        )
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        message = f"{path} cannot be written: {error.strerror}"
        raise SettingsError(message) from None


def _into(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        message = f"{path} cannot be written: {error.strerror}"
        raise SettingsError(message) from None
