"""The journal: one line for every request that changes something on a server.

A line is on disk before its request is sent, with ``status`` null, and is completed in place when the
answer has come. So a line that still says null is a request whose outcome nobody knows.

The file is JSON Lines, mode 0600. Secrets never reach it.
"""

import fcntl
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from synadmin.errors import JournalError

_SECRET_FIELDS = frozenset(
    {"password", "new_password", "access_token", "refresh_token", "token", "mac", "secret", "client_secret"},
)
_SECRET_IN_QUERY = re.compile(rf"([?&](?:{'|'.join(sorted(_SECRET_FIELDS))})=)[^&\s]*")
# Whoever has a registration token can make an account. `registration_tokens/new` has none in its path.
_SECRET_IN_PATH = re.compile(r"(/registration_tokens/)(?!new(?:[?\s]|$))[^/?\s]+")
_ROOM_FOR_THE_ANSWER = 120  # bytes at the end of a line, for status and errcode
_REMOVED = "(removed)"
NOT_SENT = "NOT_SENT"
"""The ``errcode`` of a request that never left: nothing was changed."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A line that is still to be completed."""

    offset: int
    length: int
    fields: Mapping[str, Any]

    @property
    def id(self) -> str:
        """Return what other lines call this one: the run's id, a dash, a number."""
        return str(self.fields["id"])


class Journal:
    """The journal of one run."""

    def __init__(self, path: Path, *, command: str | None = None) -> None:
        """Begin a run; the file is not touched before there is a change to write down.

        Args:
            path: the file. Its directory is made where it is missing.
            command: what the run does, for people: ``room make-admin``.
        """
        self.path = path
        self.run = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.urandom(3).hex()}"
        self._command = command
        self.arguments: list[str] | None = None
        """The command line that goes on where this run breaks off; kept with the next change."""
        self.links: dict[str, str] = {}
        """What this run is to earlier ones: ``resumes`` or ``undoes``, and the run; kept the same way."""
        self._told: set[str] = set()
        self._count = 0

    @property
    def last_id(self) -> str:
        """Return what the last line of this run is called."""
        return f"{self.run}-{self._count}"

    @contextmanager
    def alive(self) -> Iterator[None]:
        """Let others see that this run is under way, by a lock that no crash leaves behind.

        Raises:
            JournalError: the directory of the journal cannot be written.
        """
        path = self._lock_of(self.run)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            message = f"{path} cannot be written ({error.strerror}), so nothing was changed"
            raise JournalError(message) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            path.unlink(missing_ok=True)
            os.close(descriptor)

    def is_alive(self, run: str) -> bool:
        """Tell whether a run is under way that said so with :meth:`alive`."""
        if run == self.run:
            return True
        path = self._lock_of(run)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        else:
            path.unlink(missing_ok=True)
            return False
        finally:
            os.close(descriptor)

    def _lock_of(self, run: str) -> Path:
        return self.path.with_name(f"{self.path.name}.{Path(run).name}.lock")

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
            on_behalf_of: in whose name it is done, where that is somebody else.
            method: the HTTP method.
            path: path and query; their secrets are removed here.
            body: the body; its secrets are removed here.
            notes: what else is worth keeping: ``restoring``, ``restores``, ``before``; without its secrets.

        Raises:
            JournalError: that is not possible; the change must not be sent.
        """
        self._count += 1
        fields: dict[str, Any] = {
            "id": f"{self.run}-{self._count}",
            "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "run": self.run,
            "command": self._command,
            "server": server,
            "user": user,
            "on_behalf_of": on_behalf_of,
            "method": method,
            "path": path_without_secrets(path),
            "body": without_secrets(body),
        }
        for name, value in {"arguments": self.arguments, **self.links}.items():
            if value is not None and name not in self._told:
                self._told.add(name)
                fields[name] = value
        fields.update(without_secrets(notes or {}))
        unanswered = _line(fields, status=None, errcode=None)
        line = unanswered[:-1].ljust(len(unanswered) + _ROOM_FOR_THE_ANSWER - 1) + b"\n"
        try:
            offset = self._append(line)
        except OSError as error:
            message = f"the journal {self.path} cannot be written ({error.strerror}), so nothing was changed"
            raise JournalError(
                message,
                hint="make room or give another file with SYNADMIN_JOURNAL",
            ) from None
        return Entry(offset, len(line), fields)

    def finish(self, entry: Entry, *, status: int | None, errcode: str | None = None) -> None:
        """Complete a line with the answer; ``errcode`` alone where the request did not get out.

        Raises:
            JournalError: that is not possible. The change has been sent.
        """
        unanswered = _line(entry.fields, status=None, errcode=None)[:-1]
        line = _line(entry.fields, status=status, errcode=_short(errcode))
        line = line[:-1].ljust(entry.length - 1) + b"\n"
        try:
            with suppress(FileNotFoundError), self.path.open("r+b") as file:
                if os.pread(file.fileno(), len(unanswered), entry.offset) == unanswered:
                    os.pwrite(file.fileno(), line, entry.offset)
                    return
            # Somebody has put the file away since, and perhaps begun a new one.
            self._append(line)
        except OSError as error:
            message = f"the journal {self.path} could not be completed ({error.strerror}) after the change"
            raise JournalError(message) from None

    def _append(self, line: bytes) -> int:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            offset = os.lseek(descriptor, 0, os.SEEK_END)
            # What a crash cut short must not swallow the next line.
            if offset and os.pread(descriptor, 1, offset - 1) != b"\n":
                offset += os.write(descriptor, b"\n")
            written = os.write(descriptor, line)
            if written != len(line):
                raise OSError(28, "no space left")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return offset


def _line(fields: Mapping[str, Any], *, status: int | None, errcode: str | None) -> bytes:
    whole = {**fields, "status": status, "errcode": errcode}
    return json.dumps(whole, separators=(",", ":")).encode() + b"\n"


def _short(errcode: str | None) -> str | None:
    # The server's own word: it must fit the room that was left for it.
    return re.sub(r"[^\w.]", "?", errcode[:64], flags=re.ASCII) if errcode else None


def path_without_secrets(path: str) -> str:
    """Return a path with its query, percent-encoded, or a line that has one in it, without its secrets."""
    for secret in (_SECRET_IN_QUERY, _SECRET_IN_PATH):
        path = secret.sub(rf"\1{_REMOVED}", path)
    return path


def without_secrets(body: Any) -> Any:  # noqa: ANN401  any JSON
    """Return the JSON with the values of fields that hold secrets replaced."""
    if isinstance(body, Mapping):
        return {
            name: _REMOVED if name in _SECRET_FIELDS and value is not None else without_secrets(value)
            for name, value in body.items()
        }
    if isinstance(body, list | tuple):
        return [without_secrets(value) for value in body]
    return body


def entries(path: Path) -> Iterator[dict[str, Any]]:
    """Read a journal's lines, oldest first; lines that a crash cut short are passed over.

    Raises:
        JournalError: it cannot be read.
    """
    try:
        # A device (/dev/null, /dev/full) keeps nothing that could be read, and some never end.
        if path.exists() and not path.is_file() and not path.is_dir():
            return
        with path.open("rb") as file:
            for line in file:
                try:
                    entry = json.loads(line)
                except ValueError:
                    continue
                if isinstance(entry, dict):
                    yield entry
    except FileNotFoundError:
        return
    except OSError as error:
        message = f"the journal {path} cannot be read: {error.strerror}"
        raise JournalError(message) from None


def unrestored(path: Path, server: str) -> list[dict[str, Any]]:
    """Return the temporary changes on a server that no run has put back, newest first.

    A run that is still under way has some too: the caller finds out whether it is.
    """
    temporary: dict[str, dict[str, Any]] = {}
    for entry in entries(path):
        if entry.get("server") != server:
            continue
        if "restoring" in entry and not _refused(entry):
            temporary[str(entry.get("id"))] = entry
        if "restores" in entry and (
            _succeeded(entry) or is_moot(str(entry.get("path")), entry.get("status"), entry.get("errcode"))
        ):
            temporary.pop(str(entry["restores"]), None)
    return list(reversed(temporary.values()))


def _succeeded(entry: Mapping[str, Any]) -> bool:
    status = entry.get("status")
    return isinstance(status, int) and 200 <= status < 300  # noqa: PLR2004


def is_moot(path: str, status: int | None, errcode: str | None) -> bool:
    """Tell whether the answer to putting something back means that there is nothing to put back.

    The account is gone, or whoever was to leave a room is not in it.
    """
    if errcode == "M_NOT_FOUND":
        return True
    return path.endswith("/leave") and status in {403, 404} and errcode != "M_UNRECOGNIZED"


def _refused(entry: Mapping[str, Any]) -> bool:
    status = entry.get("status")
    if entry.get("errcode") == NOT_SENT:
        return True
    return isinstance(status, int) and 400 <= status < 500  # noqa: PLR2004
