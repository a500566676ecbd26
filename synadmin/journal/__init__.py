"""The journal: a record of every request that changes something on a server.

An entry is on the disk before its request is sent, with ``status`` null. It is completed when the answer
arrives. So an entry with the status null is a request with an unknown outcome. A temporary change is *open*
until the run that reverts it has verified that it is reverted.

The file is an SQLite database, mode 0600. It contains no secrets.
"""

import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synadmin.errors import JournalError, SettingsError
from synadmin.files import is_locked, locked
from synadmin.journal.entry import NOT_SENT, Entry, RunRecord, now, was_refused
from synadmin.journal.secrets import path_without_secrets, without_secrets

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from synadmin.journal.store import Store, Warn

__all__ = [
    "NOT_SENT",
    "Entry",
    "Journal",
    "RunRecord",
    "entries",
    "path_without_secrets",
    "reading",
    "unrestored",
    "was_refused",
    "without_secrets",
]


class Journal:
    """The journal of one run, open for writing."""

    def __init__(self, path: Path, *, command: str | None = None, warn: "Warn" = lambda _: None) -> None:
        """Begin a run; no file is written before the first change.

        Args:
            path: the file that the settings name. /dev/null: no journal is written.
            command: the command of the run: ``room make-admin``.
            warn: prints that an old journal is imported, or that an entry could not be written.
        """
        self.named = path
        self.run = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.urandom(3).hex()}"
        self.arguments: list[str] | None = None
        """The command line that continues this run after an interruption; stored with the next change."""
        self.reason: str | None = None
        """The value of ``--reason``; stored with each change, and in the membership events that it sends."""
        self.links: dict[str, str] = {}
        """The earlier run that this one continues (``resumes``) or undoes (``undoes``)."""
        self._finished: set[str] = set()
        self._is_all_finished = False
        self._command = command
        self._warn = warn
        self._kept: set[str] = set()
        self._count = 0
        self._changes = 0
        self._store: Store | None = None
        self._alive: AbstractContextManager[None] | None = None
        self._is_optional = False
        self._mutex = threading.RLock()

    def __del__(self) -> None:
        with suppress(Exception):
            self.close()

    @property
    def changes(self) -> int:
        """Return how many changes this run has sent that the server did not refuse."""
        return self._changes

    @property
    def is_resumable(self) -> bool:
        """Whether the journal has a command line that continues the run."""
        return bool(self.arguments) and not self._is_all_finished and not self._is_discarded

    @property
    def path(self) -> Path:
        """Return the journal's file: a file beside the named one, where that is of an earlier version."""
        from synadmin.journal.store import locate

        return locate(self.named)[0]

    def begin(
        self,
        *,
        server: str,
        user: str | None,
        on_behalf_of: str | None,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        notes: Mapping[str, object] | None = None,
    ) -> Entry:
        """Write down a change that is about to be sent.

        Args:
            server: the homeserver's base URL.
            user: the token's owner.
            on_behalf_of: the user that the run acts as, where that is not the token's owner.
            method: the HTTP method.
            path: path and query; their secrets are removed here.
            body: the body; its secrets are removed here.
            notes: further fields: ``restoring``, ``restores``, ``before``; without secrets.

        Raises:
            JournalError: the entry cannot be written; the change must not be sent.
        """
        with self._mutex:
            fields: dict[str, Any] = {
                "id": f"{self.run}-{self._count + 1}",
                "time": now(),
                "run": self.run,
                "command": self._command,
                "server": server,
                "user": user,
                "on_behalf_of": on_behalf_of,
                "method": method,
                "path": path_without_secrets(path),
                "body": without_secrets(body),
            }
            if self.reason is not None:
                fields["reason"] = self.reason
            whole = {"arguments": self.arguments, **self.links}
            fields.update(
                {name: value for name, value in whole.items() if value is not None and name not in self._kept}
            )
            fields.update(without_secrets(notes or {}))
            if self._is_discarded:
                self._changes += 1
                return Entry(fields, recorded=False)
            try:
                self._opened().add(fields)
            except JournalError as error:
                if self._is_optional:
                    self._warn(f"warning: {error}. The change is reverted without an entry in the journal")
                    self._changes += 1
                    return Entry(fields, recorded=False)
                raise JournalError(f"{error}; {self._sent_so_far}", hint=error.hint) from None
            self._kept.update(name for name, value in whole.items() if value is not None)
            self._count += 1
            self._changes += 1
        return Entry(fields)

    @property
    def _sent_so_far(self) -> str:
        if not self._changes:
            return "nothing was changed"
        were = "change of this run was" if self._changes == 1 else "changes of this run were"
        return f"this change was not sent; {self._changes} {were} sent before it"

    def finish(self, entry: Entry, *, status: int | None, errcode: str | None = None) -> None:
        """Complete an entry with the answer; only with ``errcode`` where the request was not sent.

        Raises:
            JournalError: the entry cannot be written. The change has been sent.
        """
        with self._mutex:
            self._changes -= was_refused(status, errcode)
        if not entry.recorded:
            return
        if errcode is not None:
            errcode = errcode[:64].encode("utf-8", "backslashreplace").decode()
        try:
            with self._mutex:
                self._opened().finish(entry, status, errcode)
        except JournalError as error:
            if not self._is_optional:
                message = f"{error}; the change itself was sent, and its answer was {errcode or status}"
                raise JournalError(message, hint=error.hint) from None

    def reverted(self, entry: str, reason: str) -> None:
        """Record that a temporary change is verified to be reverted, or is kept on purpose.

        If this cannot be written, the next run finds the change open, and checks it again.
        """
        if not entry:
            return
        with suppress(JournalError), self._mutex:
            self._opened().close_revert(entry, reason)

    @contextmanager
    def optional(self) -> Iterator[None]:
        """Send the changes of the block even without a journal: they revert temporary changes."""
        before, self._is_optional = self._is_optional, True
        try:
            yield
        finally:
            self._is_optional = before

    def leave_out(self, targets: Iterable[str], *, is_all: bool) -> None:
        """Leave finished targets out of the command line that continues this run."""
        self._finished.update(targets)
        self._is_all_finished = is_all

    def end(self, code: int) -> None:
        """Record the end of the run with its exit code and the remaining command line; close the journal."""
        if self._count:
            with suppress(JournalError):
                self._opened().end_run(self.run, code, self._rest())
        self.close()

    def _rest(self) -> list[str] | None:
        """Return the command line of the remaining targets: empty where none is left; None: all remain."""
        if self._is_all_finished:
            return []
        if self.arguments is None or not self._finished:
            return None
        return [word for word in self.arguments if word not in self._finished]

    def conclude(self, runs: Iterable[str], code: int) -> None:
        """Record that earlier, interrupted runs are now finished."""
        with suppress(JournalError), self._mutex:
            for run in runs:
                self._opened().end_run(run, code)

    def close(self) -> None:
        """Close the file, and release the lock that shows that this run is active."""
        alive, self._alive = self._alive, None
        if alive is not None:
            alive.__exit__(None, None, None)
        store, self._store = self._store, None
        if store is not None:
            store.close()

    def is_alive(self, run: str) -> bool:
        """Whether a run is active: its process holds a lock."""
        return run == self.run or is_alive(self.path, run)

    @property
    def _is_discarded(self) -> bool:
        from synadmin.journal.store import is_discarded

        return is_discarded(self.named)

    def _opened(self) -> "Store":
        if self._store is None:
            from synadmin.journal.store import Store

            store = Store(self.named, write=True, warn=self._warn)
            alive = locked(_lock_of(store.path, self.run), remove=True)
            try:
                alive.__enter__()
            except SettingsError as error:
                store.close()
                message = f"cannot write the journal: {error}"
                raise JournalError(message, hint="choose another file with SYNADMIN_JOURNAL") from None
            self._store, self._alive = store, alive
        return self._store


@contextmanager
def reading(path: Path, *, warn: "Warn" = lambda _: None) -> Iterator["Store"]:
    """Open a journal for reading. A missing journal is empty.

    Raises:
        JournalError: it cannot be read.
    """
    from synadmin.journal.store import Store, is_discarded

    store = Store(Path(os.devnull + ".sqlite3") if is_discarded(path) else path, write=False, warn=warn)
    try:
        yield store
    finally:
        store.close()


def is_alive(path: Path, run: str) -> bool:
    """Whether a run that writes to this journal is active."""
    return is_locked(_lock_of(path, run))


def entries(path: Path, *, run: str | None = None, room: str | None = None) -> Iterator[dict[str, Any]]:
    """Yield the entries of a journal, oldest first.

    Raises:
        JournalError: it cannot be read.
    """
    with reading(path) as store:
        yield from store.entries(run=run, room=room)


def unrestored(path: Path, server: str) -> list[dict[str, Any]]:
    """Return the temporary changes on a server that are still open, newest first.

    An active run has open changes, too: the caller checks whether their run is active.
    """
    with reading(path) as store:
        return store.open_reverts(server)


def _lock_of(path: Path, run: str) -> Path:
    return path.with_name(f"{path.name}.{Path(run).name}.lock")
