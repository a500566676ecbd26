"""The journal's file: an SQLite database that several processes may use at once.

An entry is in the database completely or not at all, also after a crash. SQLite runs in WAL mode with
``synchronous = FULL``, so an entry is on the disk before its change is sent. The answer to a change is not
written to the disk at once: the next change writes it, too. After a power failure before that, the outcome of
the last change is unknown.
"""

import json
import os
import sqlite3
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from synadmin.errors import JournalError, SettingsError
from synadmin.files import make_directory
from synadmin.journal.entry import NOT_SENT, Entry, RunRecord, now
from synadmin.journal.old_format import OldJournal, open_changes

_BUSY = 30.0  # seconds to wait for another process
_MAGIC = b"SQLite format 3\x00"
_VERSION = 1
_SETTING = "SYNADMIN_JOURNAL"
_OWNER_ONLY = 0o600

_TABLES = """
CREATE TABLE runs (
    number INTEGER PRIMARY KEY, run TEXT NOT NULL UNIQUE, time TEXT, command TEXT, server TEXT, user TEXT,
    arguments TEXT, resumes TEXT, undoes TEXT, ended TEXT, code INTEGER,
    requests INTEGER NOT NULL DEFAULT 0, failed INTEGER NOT NULL DEFAULT 0, unknown INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE entries (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL, run TEXT NOT NULL, fields TEXT NOT NULL,
    status INTEGER, errcode TEXT, room TEXT
);
CREATE TABLE reverts (
    entry TEXT PRIMARY KEY, number INTEGER NOT NULL, run TEXT NOT NULL, server TEXT NOT NULL,
    closed TEXT, reason TEXT
);
CREATE TABLE imports (path TEXT PRIMARY KEY, lines INTEGER NOT NULL, skipped INTEGER NOT NULL);
"""
# Made after an import, which is faster without them.
_INDEXES = """
CREATE INDEX IF NOT EXISTS runs_undoes ON runs (undoes) WHERE undoes IS NOT NULL;
CREATE INDEX IF NOT EXISTS entries_id ON entries (id);
CREATE INDEX IF NOT EXISTS entries_run ON entries (run, number);
CREATE INDEX IF NOT EXISTS entries_room ON entries (room, number) WHERE room IS NOT NULL;
CREATE INDEX IF NOT EXISTS reverts_open ON reverts (server, number) WHERE closed IS NULL;
"""
_RUN = "run, time, command, server, user, arguments, resumes, undoes, ended, code, requests, failed, unknown"
_ADD_ENTRY = "INSERT INTO entries (id, run, fields, status, errcode, room) VALUES (?, ?, ?, ?, ?, ?)"
_CLOSE = "UPDATE reverts SET closed = ?, reason = ? WHERE entry = ? AND closed IS NULL"
_ADD_REVERT = "INSERT OR IGNORE INTO reverts (entry, number, run, server) VALUES (?, ?, ?, ?)"

Warn = Callable[[str], None]


def locate(named: Path) -> tuple[Path, Path | None]:
    """Return the journal's file, and the file of an earlier version that is imported into it.

    Args:
        named: the file that the settings name. A text file of an earlier version is not changed: the journal
            is then a file beside it.
    """
    if named.suffix == ".jsonl":
        return named.with_suffix(".sqlite3"), named
    try:
        if stat.S_ISREG(named.stat().st_mode):
            with named.open("rb") as file:
                start = file.read(len(_MAGIC))
            if start.startswith(b"{"):
                return named.with_name(f"{named.name}.sqlite3"), named
    except OSError:
        pass  # opening the file later reports the error
    return named, named.with_suffix(".jsonl")


def is_discarded(named: Path) -> bool:
    """Whether the settings say that no journal is kept: the file is /dev/null."""
    return str(named) == os.devnull


class Store:
    """An open journal."""

    def __init__(self, named: Path, *, write: bool, warn: Warn = lambda _: None) -> None:
        """Open it, and import the journal of an earlier version where there is one.

        Args:
            named: the file that the settings name.
            write: open it for writing, and make it where it is missing. Otherwise a journal that is missing
                or cannot be written is read as far as possible.
            warn: prints what is imported.

        Raises:
            JournalError: that is not possible.
        """
        self.path, old = locate(named)
        self.path = self.path.absolute()
        if old is not None and not old.is_file():
            old = None
        with self.failures("write" if write else "read"):
            is_there = os.path.lexists(self.path)
            if write or (old is not None and not is_there and os.access(self.path.parent, os.W_OK)):
                self._prepare()
                is_there = True
            self._database = self._opened(write=write) if is_there else _connected(":memory:")
            try:
                self._set_up(old, warn)
            except BaseException:
                self._database.close()
                raise

    def close(self) -> None:
        """Close it."""
        self._database.close()

    @contextmanager
    def failures(self, verb: str = "write") -> Iterator[None]:
        """Raise errors of the block as a JournalError with one clear line."""
        try:
            yield
        except (sqlite3.Error, sqlite3.Warning, OSError, SettingsError, UnicodeError) as error:
            raise self._failure(verb, error) from None

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Commit all changes of the block, or none of them."""
        database = self._database
        database.execute("BEGIN IMMEDIATE")
        try:
            yield database
            database.execute("COMMIT")
        except BaseException:
            if database.in_transaction:
                database.execute("ROLLBACK")
            raise

    @contextmanager
    def _without_waiting_for_disk(self) -> Iterator[None]:
        """Commit without waiting for the disk, which takes milliseconds."""
        self._database.execute("PRAGMA synchronous = NORMAL")
        try:
            yield
        finally:
            self._database.execute("PRAGMA synchronous = FULL")

    # Writing

    def add(self, fields: Mapping[str, Any]) -> None:
        """Add the entry of a change that is about to be sent."""
        noted = fields.get("arguments")
        with self.failures(), self._transaction() as database:
            database.execute(
                "INSERT OR IGNORE INTO runs (run, time, command, server, user) VALUES (?, ?, ?, ?, ?)",
                tuple(fields[name] for name in ("run", "time", "command", "server", "user")),
            )
            database.execute(
                "UPDATE runs SET requests = requests + 1, unknown = unknown + 1,"
                " arguments = coalesce(?, arguments), resumes = coalesce(?, resumes),"
                " undoes = coalesce(?, undoes) WHERE run = ?",
                (
                    None if noted is None else _text(noted),
                    fields.get("resumes"),
                    fields.get("undoes"),
                    fields["run"],
                ),
            )
            row = (fields["id"], fields["run"], _text(fields), None, None, _room_of(fields))
            number = database.execute(_ADD_ENTRY, row).lastrowid
            if "restoring" in fields:
                database.execute(_ADD_REVERT, (fields["id"], number, fields["run"], fields["server"]))

    def finish(self, entry: Entry, status: int | None, errcode: str | None) -> None:
        """Complete an entry with the answer."""
        with self.failures(), self._without_waiting_for_disk(), self._transaction() as database:
            changed = database.execute(
                "UPDATE entries SET status = ?, errcode = ? WHERE id = ?", (status, errcode, entry.id)
            ).rowcount
            database.execute(
                "UPDATE runs SET unknown = unknown - ?, failed = failed + ? WHERE run = ?",
                (changed, changed if errcode is not None else 0, entry.fields["run"]),
            )
            if "restoring" in entry.fields and errcode == NOT_SENT:
                # A refused revert leaves the change open: the caller reads back first.
                database.execute(_CLOSE, (now(), "not made", entry.id))

    def close_revert(self, entry: str, reason: str) -> None:
        """Record that a temporary change is reverted, or is kept on purpose."""
        with self.failures(), self._transaction() as database:
            database.execute(_CLOSE, (now(), reason, entry))

    def end_run(self, run: str, code: int, rest: Sequence[str] | None = None) -> None:
        """Record that a run has ended.

        Args:
            run: the run.
            code: its exit code.
            rest: the command line for the remaining work; empty: nothing remains; None: everything remains.
        """
        with self.failures(), self._transaction() as database:
            database.execute(
                "UPDATE runs SET ended = ?, code = ?, arguments = coalesce(?, arguments) WHERE run = ?",
                (now(), code, None if rest is None else _text(rest), run),
            )

    # Reading

    def runs(self, limit: int | None = None) -> list[RunRecord]:
        """Return the newest runs, oldest first."""
        return self._runs("ORDER BY number DESC LIMIT ?", -1 if limit is None else limit)[::-1]

    def run(self, name: str) -> RunRecord | None:
        """Return a run; the newest one is called ``last``."""
        runs = self.runs(1) if name == "last" else self._runs("WHERE run = ?", _unicode(name))
        return runs[0] if runs else None

    def runs_ending_in(self, end: str) -> list[RunRecord]:
        """Return the runs with this text after the time in their names, oldest first."""
        return self._runs("WHERE substr(run, instr(run, '-') + 1) = ? ORDER BY number", _unicode(end))

    def chain(self, record: RunRecord) -> list[RunRecord]:
        """Return a run, the run that it resumed, and so on."""
        chain = [record]
        while chain[-1].resumes is not None:
            earlier = self.run(chain[-1].resumes)
            if earlier is None or earlier in chain:
                break
            chain.append(earlier)
        return chain

    def undone_by(self, run: str) -> list[RunRecord]:
        """Return the runs that undid a run, or tried to, oldest first."""
        return self._runs("WHERE undoes = ? ORDER BY number", run)

    def _runs(self, which: str, value: str | int) -> list[RunRecord]:
        with self.failures("read"):
            rows = self._database.execute(f"SELECT {_RUN} FROM runs {which}", (value,))  # noqa: S608
            return [_run(row) for row in rows]

    def entries(
        self, *, run: str | None = None, room: str | None = None, limit: int | None = None
    ) -> Iterator[dict[str, Any]]:
        """Yield entries, oldest first.

        Args:
            run: only entries of this run.
            room: only entries that record the state of this room before a change.
            limit: only this many of the newest entries.
        """
        chosen = {"run": run, "room": room}
        where = " AND ".join(f"{name} = :{name}" for name, value in chosen.items() if value is not None)
        newest = f"SELECT number FROM entries WHERE {where or 1} ORDER BY number DESC LIMIT :limit"  # noqa: S608
        values = {**chosen, "limit": -1 if limit is None else limit}
        if limit is not None:
            where = f"number IN ({newest})"
        with self.failures("read"):
            for row in self._database.execute(
                f"SELECT fields, status, errcode FROM entries WHERE {where or 1} ORDER BY number",  # noqa: S608
                values,
            ):
                yield _entry(row)

    def open_reverts(self, server: str) -> list[dict[str, Any]]:
        """Return the entries of temporary changes on a server that are not yet reverted, newest first."""
        with self.failures("read"):
            rows = self._database.execute(
                "SELECT fields, status, errcode FROM reverts JOIN entries USING (number)"
                " WHERE reverts.server = ? AND closed IS NULL ORDER BY number DESC",
                (server,),
            )
            return [_entry(row) for row in rows]

    def has_open_reverts(self, run: str) -> bool:
        """Whether temporary changes of a run are not yet reverted."""
        with self.failures("read"):
            rows = self._database.execute(
                "SELECT 1 FROM reverts INDEXED BY reverts_open WHERE closed IS NULL AND run = ?", (run,)
            )
            return rows.fetchone() is not None

    # Opening

    def _prepare(self) -> None:
        """Make the file and its directory where they are missing."""
        make_directory(self.path.parent)
        with suppress(FileExistsError):
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _OWNER_ONLY))

    def _opened(self, *, write: bool) -> sqlite3.Connection:
        self._require_ours()
        if os.access(self.path, os.W_OK) and os.access(self.path.parent, os.W_OK):
            database = _connected(f"{self.path.as_uri()}?mode=rw")
            database.execute("PRAGMA journal_mode = WAL").fetchone()
            database.execute("PRAGMA synchronous = FULL")
            return database
        if write:
            raise PermissionError(13, "permission denied")
        return _connected(f"{self.path.as_uri()}?mode=ro&immutable=1")

    def _require_ours(self) -> None:
        """Refuse paths that other users can change: SQLite follows links, and reads other files."""
        if self.path.is_symlink():
            if not _is_trusted(self.path.lstat()):
                raise PermissionError(1, "it is a symbolic link that another user has made")
            self.path = self.path.resolve()
        if self.path.parent.stat().st_mode & stat.S_IWOTH:
            raise PermissionError(1, f"every user can write to {self.path.parent}")
        for path in (self.path, *(Path(f"{self.path}{end}") for end in ("-wal", "-shm", "-journal"))):
            try:
                status = path.lstat()
            except FileNotFoundError:
                continue
            reason = _distrusted(status)
            if reason is not None:
                raise PermissionError(1, f"{path} {reason}")
        with self.path.open("rb") as file:
            start = file.read(len(_MAGIC))
        if start not in {b"", _MAGIC}:
            raise sqlite3.DatabaseError("it is not a database")

    def _set_up(self, old: Path | None, warn: Warn) -> None:
        """Make the tables where they are missing, and import an old journal once."""
        version = self._version()
        if version > _VERSION:
            raise sqlite3.DatabaseError("a newer version of synadmin has written it")
        if version == _VERSION and (old is None or self._is_imported(old)):
            return
        with self._transaction() as database:
            if self._version() == 0:
                for statement in _TABLES.split(";"):
                    database.execute(statement)
                database.execute(f"PRAGMA user_version = {_VERSION}")
            if old is not None and not self._is_imported(old):
                warn(f"Importing the journal {old} into {self.path}: this is done once.")
                lines, skipped = self._import(old)
                note = f"; {skipped} damaged {'line was' if skipped == 1 else 'lines were'} skipped"
                warn(f"Imported {lines} {'entry' if lines == 1 else 'entries'}{note if skipped else ''}.")
            for statement in _INDEXES.split(";"):
                database.execute(statement)

    def _version(self) -> int:
        return int(self._database.execute("PRAGMA user_version").fetchone()[0])

    def _is_imported(self, old: Path) -> bool:
        row = self._database.execute("SELECT 1 FROM imports WHERE path = ?", (str(old.absolute()),))
        return row.fetchone() is not None

    def _import(self, old: Path) -> tuple[int, int]:
        database = self._database
        journal = OldJournal(old)
        runs: dict[str, dict[str, Any]] = {}
        count = 0

        def numbered() -> Iterator[tuple[int, dict[str, Any]]]:
            nonlocal count
            for fields in journal:
                _count(runs.setdefault(fields["run"], {}), fields)
                status, errcode = fields.pop("status", None), fields.pop("errcode", None)
                row = (fields["id"], fields["run"], _text(fields), status, errcode, _room_of(fields))
                number = int(database.execute(_ADD_ENTRY, row).lastrowid or 0)
                count += 1
                yield number, {**fields, "status": status, "errcode": errcode}

        still_open = open_changes(numbered())
        for run in runs.values():
            database.execute(
                f"INSERT OR IGNORE INTO runs ({_RUN})"  # noqa: S608
                " VALUES (:run, :time, :command, :server, :user, :arguments, :resumes, :undoes, :ended, NULL,"
                " :requests, :failed, :unknown)",
                run,
            )
        for entry, number in still_open.items():
            fields = json.loads(
                database.execute("SELECT fields FROM entries WHERE number = ?", (number,)).fetchone()[0]
            )
            database.execute(_ADD_REVERT, (entry, number, fields["run"], fields["server"]))
            database.execute("UPDATE runs SET ended = NULL WHERE run = ?", (fields["run"],))
        database.execute("UPDATE runs SET ended = NULL WHERE unknown > 0 AND code IS NULL")
        database.execute(
            "INSERT INTO imports VALUES (?, ?, ?)", (str(old.absolute()), count, journal.skipped)
        )
        return count, journal.skipped

    def _failure(self, verb: str, error: Exception) -> JournalError:
        hint: str | None = f"choose another file with {_SETTING}"
        if isinstance(error, SettingsError):
            return JournalError(f"cannot {verb} the journal {self.path}: {error}", hint=hint)
        if isinstance(error, OSError):
            reason = error.strerror or str(error)
            reason = f"{reason[:1].lower()}{reason[1:]}"
        else:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            reason = _REASONS.get(code, str(error))
            if (
                code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
                or type(error) is sqlite3.DatabaseError
            ):
                message = f"the journal {self.path} is damaged or is no journal: {error}"
                return JournalError(
                    message, hint=f"move it away to begin a new one, or choose another file with {_SETTING}"
                )
        if reason == _REASONS[sqlite3.SQLITE_FULL]:
            hint = f"free some space, or {hint}"
        return JournalError(f"cannot {verb} the journal {self.path}: {reason}", hint=hint)


_REASONS = {
    sqlite3.SQLITE_FULL: "no space left on device",
    sqlite3.SQLITE_BUSY: f"another process has kept it locked for {_BUSY:.0f} seconds",
    sqlite3.SQLITE_READONLY: "it is read-only",
    sqlite3.SQLITE_IOERR: "the disk reports an error, or a limit on file sizes is reached",
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened",
}


def _is_trusted(status: os.stat_result) -> bool:
    return status.st_uid in {0, os.geteuid()}


def _distrusted(status: os.stat_result) -> str | None:
    """Return why a file cannot be part of the journal; None where it can."""
    if stat.S_ISDIR(status.st_mode):
        return "is a directory"
    if not stat.S_ISREG(status.st_mode):
        return "is a pipe, a socket or a device"
    if not _is_trusted(status):
        return "belongs to another user"
    return "has a second name (a hard link)" if status.st_nlink > 1 else None


def _connected(name: str) -> sqlite3.Connection:
    return sqlite3.connect(name, uri=True, isolation_level=None, timeout=_BUSY, check_same_thread=False)


def _text(fields: Any) -> str:  # noqa: ANN401  any JSON
    """Return fields as JSON on one line."""
    return json.dumps(fields, separators=(",", ":"))


def _room_of(fields: Mapping[str, Any]) -> str | None:
    """Return the room with its state before the change in an entry; None for most entries."""
    for name in ("before", "inherits"):
        kept = fields.get(name)
        if isinstance(kept, Mapping) and isinstance(kept.get("room_id"), str):
            return str(kept["room_id"])
    return None


def _count(run: dict[str, Any], fields: Mapping[str, Any]) -> None:
    """Add a line of an old journal to the record of its run."""
    if not run:
        run |= {name: fields.get(name) for name in ("run", "time", "command", "server", "user")}
        run |= {"requests": 0, "failed": 0, "unknown": 0, "arguments": None, "resumes": None, "undoes": None}
        run |= {name: None for name in ("time", "command", "user") if not isinstance(run[name], str)}
    run["requests"] += 1
    run["failed"] += fields.get("errcode") is not None
    run["unknown"] += fields.get("status") is None and fields.get("errcode") is None
    time = fields.get("time")
    run["ended"] = time if isinstance(time, str) else "?"
    if isinstance(fields.get("arguments"), list):
        run["arguments"] = _text(fields["arguments"])
    for name in ("resumes", "undoes"):
        if isinstance(fields.get(name), str):
            run[name] = fields[name]


def _unicode(name: str) -> str:
    """Return a name as valid Unicode for the database. A name that is not UTF-8 matches no run."""
    return name.encode("utf-8", "replace").decode()


def _entry(row: tuple[Any, ...]) -> dict[str, Any]:
    fields, status, errcode = row
    return {**json.loads(fields), "status": status, "errcode": errcode}


def _run(row: tuple[Any, ...]) -> RunRecord:
    run, time, command, server, user, arguments, *rest = row
    noted = None if arguments is None else tuple(str(argument) for argument in json.loads(arguments))
    return RunRecord(run, time or "", command, server or "", user, noted, *rest)
