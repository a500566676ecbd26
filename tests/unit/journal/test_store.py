"""The file of the journal: its permissions, damaged files, and the import of an old journal."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from synadmin.errors import JournalError
from synadmin.journal import Journal, entries, reading, unrestored
from synadmin.journal.store import Store

SERVER = "https://matrix.example.org"
_OTHER_USER = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of other users")


def _write_change(path: Path, name: str = "/x", **notes: Any) -> Journal:  # noqa: ANN401
    journal = Journal(path)
    request = {"method": "POST", "path": name, "body": None}
    entry = journal.begin(server=SERVER, user="@a:b", on_behalf_of=None, notes=notes, **request)  # type: ignore[arg-type]
    journal.finish(entry, status=200)
    return journal


def _line(number: int, **more: Any) -> str:  # noqa: ANN401
    fields = {
        "id": f"r-{number}",
        "time": "2026-11-01T00:00:00.000Z",
        "run": "r",
        "command": "room make-admin",
        "server": SERVER,
        "user": "@a:b",
        "on_behalf_of": None,
        "method": "POST",
        "path": f"/{number}",
        "body": None,
        "status": 200,
        "errcode": None,
    }
    return json.dumps({**fields, **more})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "state"
    path.mkdir(mode=0o700)
    return path


@pytest.fixture
def file(folder: Path) -> Path:
    return folder / "journal.sqlite3"


# Permissions


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_file_and_directory_are_private(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        _write_change(tmp_path / "a" / "b" / "journal.sqlite3")
    finally:
        os.umask(before)
    for path in (tmp_path / "a", tmp_path / "a" / "b"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "a" / "b").iterdir()} == {0o600}


def _assert_refused(path: Path, reason: str) -> None:
    with pytest.raises(JournalError, match=reason) as caught:
        _write_change(path)
    assert "nothing was changed" in str(caught.value)
    assert "SYNADMIN_JOURNAL" in (caught.value.hint or "")


def test_world_writable_directory_is_refused(folder: Path, file: Path) -> None:
    folder.chmod(0o1777)
    _assert_refused(file, "every user can write to")


@as_root
def test_symlink_of_another_user_is_refused(folder: Path, file: Path) -> None:
    (folder / "elsewhere").mkdir(mode=0o700)
    file.symlink_to("elsewhere/journal.sqlite3")
    (folder / "elsewhere" / "journal.sqlite3").touch(0o600)
    _write_change(file).close()
    assert file.is_symlink()
    assert [entry["path"] for entry in entries(file)] == ["/x"]
    os.lchown(file, _OTHER_USER, _OTHER_USER)
    _assert_refused(file, "symbolic link that another user has made")


@as_root
@pytest.mark.parametrize("end", ["", "-wal", "-journal"])
def test_file_of_another_user_is_refused(file: Path, end: str) -> None:
    _write_change(file).close()
    planted = Path(f"{file}{end}")
    planted.touch()
    os.chown(planted, _OTHER_USER, _OTHER_USER)
    _assert_refused(file, "belongs to another user")


def test_hard_link_or_pipe_is_refused(folder: Path, file: Path) -> None:
    other = folder / "other"
    _write_change(other).close()
    file.hardlink_to(other)
    _assert_refused(file, "second name")
    os.mkfifo(folder / "pipe")
    _assert_refused(folder / "pipe", "is a pipe, a socket or a device")


def test_foreign_file_is_unchanged(folder: Path) -> None:
    other = folder / "notes.txt"
    other.write_text("buy milk\n")
    _assert_refused(other, "is damaged or is no journal")
    assert other.read_text() == "buy milk\n"


# Damage


def test_damaged_journal_is_one_clear_line(file: Path) -> None:
    for number in range(200):
        _write_change(file, f"/{number}" * 50).close()
    content = bytearray(file.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    file.write_bytes(content)
    with pytest.raises(JournalError, match="is damaged or is no journal") as caught:
        list(entries(file))
    assert "move it away to begin a new one" in (caught.value.hint or "")
    assert "\n" not in str(caught.value)


def test_journal_of_a_newer_version_is_unchanged(file: Path) -> None:
    _write_change(file).close()
    with sqlite3.connect(file) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    _assert_refused(file, "a newer version of synadmin")


_KILLED = """
import os, sys
from pathlib import Path
from synadmin.journal import Journal
journal = Journal(Path(sys.argv[1]))
request = {"method": "POST", "path": "/killed", "body": None}
journal.begin(server="s", user=None, on_behalf_of=None, **request)
os.kill(os.getpid(), 9)
"""


def test_entries_of_a_killed_run_are_kept(file: Path) -> None:
    subprocess.run([sys.executable, "-c", _KILLED, str(file)], check=False)
    assert [(entry["path"], entry["status"]) for entry in entries(file)] == [("/killed", None)]
    with reading(file) as store:
        assert store.runs()[0].ended is None


def test_journal_in_an_unwritable_directory_can_be_read(file: Path) -> None:
    _write_change(file).close()
    with tempfile.TemporaryDirectory() as name:
        # Not in pytest's directory, which other users cannot enter.
        copy = Path(shutil.copy(file, name))
        copy.chmod(0o444)
        copy.parent.chmod(0o555)
        child = os.fork()
        if not child:
            if os.geteuid() == 0:  # root can write everywhere, so another user reads
                os.setuid(65534)
            os._exit(0 if len(list(entries(copy))) == 1 else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        copy.parent.chmod(0o700)


# The journal of an earlier version


def test_old_journal_is_imported_once_and_kept(folder: Path, file: Path) -> None:
    old = folder / "journal.jsonl"
    lines = [_line(1), _line(2, status=None), _line(3, status=403, errcode="M_FORBIDDEN")]
    damaged = [
        '{"restoring":null}',
        _line(4, restoring=None),
        _line(5, restoring={"method": "PUT"}),
        _line(6, status="200"),
        "[" * 100_000 + "]" * 100_000,
        '{"id": "cut sh',
        "\xff\xfe",
        '{"id": 1, "run": 2}',
        "1" * 10_000,
    ]
    old.write_text("\n".join([lines[0], *damaged, *lines[1:]]) + "\n", "latin-1")
    before = old.read_bytes()
    messages: list[str] = []
    with reading(file, warn=messages.append) as store:
        imported = list(store.entries())
        (run,) = store.runs()
    assert imported == [json.loads(line) for line in lines]
    assert messages[-1] == f"Imported 3 entries; {len(damaged)} damaged lines were skipped."
    assert (run.requests, run.failed, run.unknown, run.command) == (3, 1, 1, "room make-admin")
    assert not run.is_finished
    for _ in range(2):
        _write_change(file, "/new").close()
    assert [entry["path"] for entry in entries(file)] == ["/1", "/2", "/3", "/new", "/new"]
    assert old.read_bytes() == before


def test_open_entries_of_an_old_journal_stay_open(folder: Path, file: Path) -> None:
    restoring = {"method": "DELETE", "path": "/limits", "body": None}
    lines = [
        _line(1, restoring=restoring),
        _line(2, restoring=restoring, status=None),
        _line(3, restoring=restoring, status=403, errcode="M_FORBIDDEN"),
        _line(4, restores="r-1"),
        _line(5, restores="r-2", status=500, errcode="M_UNKNOWN"),
    ]
    (folder / "journal.jsonl").write_text("\n".join(lines) + "\n")
    assert [entry["id"] for entry in unrestored(file, SERVER)] == ["r-2"]


@pytest.mark.parametrize(
    ("named", "kept"),
    [("journal.jsonl", "journal.sqlite3"), ("changes.log", "changes.log.sqlite3")],
)
def test_setting_of_an_old_journal_creates_a_new_one_beside_it(folder: Path, named: str, kept: str) -> None:
    (folder / named).write_text(_line(1) + "\n")
    messages: list[str] = []
    journal = Journal(folder / named, warn=messages.append)
    request = {"method": "POST", "path": "/new", "body": None}
    journal.begin(server=SERVER, user=None, on_behalf_of=None, **request)  # type: ignore[arg-type]
    journal.close()
    assert journal.path == folder / kept
    assert messages[0] == f"Importing the journal {folder / named} into {folder / kept}: this is done once."
    assert [entry["path"] for entry in entries(folder / named)] == ["/1", "/new"]
    assert (folder / named).read_text() == _line(1) + "\n"


def test_reading_without_a_journal_creates_none(folder: Path, file: Path) -> None:
    assert list(entries(file)) == []
    assert list(folder.iterdir()) == []


def test_invalid_unicode_does_not_stop_the_import(folder: Path, file: Path) -> None:
    damaged = [_line(1, id="\ud800"), _line(2, errcode="\udfff"), _line(3, before={"room_id": "\ud800"})]
    (folder / "journal.jsonl").write_text("\n".join([*damaged, _line(4)]) + "\n")
    _write_change(file, "/new").close()
    assert [entry["path"] for entry in entries(file)] == ["/4", "/new"]


def test_change_after_an_answer_is_on_disk_before_it_is_sent(file: Path) -> None:
    store = Store(file, write=True)
    with store._without_waiting_for_disk():  # noqa: SLF001
        pass
    assert store._database.execute("PRAGMA synchronous").fetchone() == (2,)  # noqa: SLF001
    store.close()
