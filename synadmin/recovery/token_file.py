"""The file of a token beside the journal: with it, the next run ends a token that a crash has left."""

from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path

from synadmin import files
from synadmin.errors import SettingsError
from synadmin.journal import Journal


def keep(journal: Journal | None, entry: str, token: str) -> None:
    """Store a token with mode 0600 until it has ended."""
    if journal is not None and entry:
        with suppress(SettingsError):  # a full disk: then it ends with this run, or expires
            files.replace_file(_file(journal, entry), token)


def kept(journal: Journal, entry: str) -> str | None:
    """Return the stored token of an entry; None where there is none."""
    try:
        return _file(journal, entry).read_text("utf-8").strip() or None
    except (OSError, UnicodeError):
        return None


def forget(journal: Journal | None, entry: str, reason: str) -> None:
    """Record that a token has ended, and remove its file."""
    if journal is not None and entry:
        journal.reverted(entry, reason)
        with suppress(OSError):
            _file(journal, entry).unlink(missing_ok=True)


def optional(journal: Journal | None) -> AbstractContextManager[None]:
    """Send the changes in this block even if the journal cannot be written."""
    return nullcontext() if journal is None else journal.optional()


def _file(journal: Journal, entry: str) -> Path:
    return journal.path.with_name(f"{journal.path.name}.{entry}.token")
