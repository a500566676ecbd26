"""The journal: an entry is on disk before its request, complete after it, and has no secrets."""

from __future__ import annotations

import multiprocessing
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from synadmin.errors import JournalError
from synadmin.journal import (
    NOT_SENT,
    Entry,
    Journal,
    RunRecord,
    entries,
    path_without_secrets,
    reading,
    unrestored,
    without_secrets,
)

SERVER = "https://matrix.example.org"


def _begin(journal: Journal, path: str = "/x", **more: Any) -> Entry:  # noqa: ANN401
    fields: dict[str, Any] = {
        "server": SERVER,
        "user": "@admin:example.org",
        "on_behalf_of": None,
        "method": "POST",
        "path": path,
        "body": {"user_id": "@alice:example.org"},
    }
    return journal.begin(**(fields | more))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "journal.sqlite3"


def test_run_without_changes_creates_no_journal(file: Path) -> None:
    Journal(file)
    assert not file.exists()
    assert list(entries(file)) == []


def test_entry_exists_before_the_answer_and_is_completed(file: Path) -> None:
    journal = Journal(file, command="room make-admin")
    first = _begin(journal, "/first")
    second = _begin(journal, "/second")
    assert [(line["path"], line["status"]) for line in entries(file)] == [("/first", None), ("/second", None)]
    journal.finish(second, status=403, errcode="M_FORBIDDEN")
    journal.finish(first, status=200)
    lines = list(entries(file))
    assert [(line["path"], line["status"], line["errcode"]) for line in lines] == [
        ("/first", 200, None),
        ("/second", 403, "M_FORBIDDEN"),
    ]
    assert lines[0] == {
        "id": f"{journal.run}-1",
        "time": lines[0]["time"],
        "run": journal.run,
        "command": "room make-admin",
        "server": SERVER,
        "user": "@admin:example.org",
        "on_behalf_of": None,
        "method": "POST",
        "path": "/first",
        "body": {"user_id": "@alice:example.org"},
        "status": 200,
        "errcode": None,
    }


def test_journal_is_private(file: Path) -> None:
    _begin(Journal(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "errcode", ["\u1234" * 100, '"\\' * 100, "M_" + "A" * 500, "\n\x00\x1b", "\udce4" * 64]
)
def test_any_server_text_can_be_recorded(file: Path, errcode: str) -> None:
    journal = Journal(file)
    first, second = _begin(journal, "/first"), _begin(journal, "/second")
    journal.finish(first, status=500, errcode=errcode)
    journal.finish(second, status=200)
    assert [(line["path"], line["status"]) for line in entries(file)] == [("/first", 500), ("/second", 200)]


def test_secrets_are_removed_everywhere() -> None:
    body = {
        "password": "hunter2",
        "new_password": "hunter3",
        "auth": {"type": "m.login.password", "password": "hunter4"},
        "list": [{"access_token": "syt_x"}, {"refresh_token": "syr_x"}],
        "mac": "deadbeef",
        "token": None,
        "user_id": "@alice:example.org",
    }
    assert without_secrets(body) == {
        "password": "(removed)",
        "new_password": "(removed)",
        "auth": {"type": "m.login.password", "password": "(removed)"},
        "list": [{"access_token": "(removed)"}, {"refresh_token": "(removed)"}],
        "mac": "(removed)",
        "token": None,
        "user_id": "@alice:example.org",
    }


def test_no_secret_is_written_to_the_journal(file: Path) -> None:
    _begin(
        Journal(file),
        "/x?access_token=hunter1&a=b&client_secret=hunter2",
        body={"password": "hunter3"},
        notes={"restoring": {"method": "PUT", "path": "/x", "body": {"password": "hunter4"}}},
    )
    written = b"".join(path.read_bytes() for path in file.parent.iterdir())
    assert b"hunter" not in written
    assert b"a=b" in written


def test_unwritable_journal_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "file" / "journal.sqlite3"):
        with pytest.raises(JournalError, match=r"cannot write the journal .*; nothing was changed") as caught:
            _begin(Journal(path))
        assert caught.value.hint == "choose another file with SYNADMIN_JOURNAL"


_FILL_DISK = """
import resource, signal, sys
from pathlib import Path
from synadmin.errors import JournalError
from synadmin.journal import Journal, entries
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
path = Path(sys.argv[1])
journal = Journal(path)
def add(name):
    request = {"method": "POST", "path": "/" + name, "body": {"x": "y" * 4000}}
    return journal.begin(server="s", user="u", on_behalf_of=None, **request)
journal.finish(add("before"), status=200)
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
error = None
for number in range(400):
    try:
        add(f"during-{number}")
    except JournalError as caught:
        error = caught
        break
print(number)
print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
add("after")
journal.close()
"""


def test_full_disk_stops_the_change_and_keeps_entries(file: Path) -> None:
    command = [sys.executable, "-c", _FILL_DISK, str(file)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    number, message = run.stdout.splitlines()
    assert message.startswith("cannot write the journal")
    assert message.endswith(
        f"this change was not sent; {int(number) + 1} changes of this run were sent before it"
    )
    during = [f"/during-{count}" for count in range(int(number))]
    assert [line["path"] for line in entries(file)] == ["/before", *during, "/after"]


def test_unreadable_journal_is_reported(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match=r"cannot read the journal .* is a directory"):
        list(entries(tmp_path))


def _write_entries(path: Path, number: int) -> None:
    journal = Journal(path, command=str(number))
    for count in range(60):
        journal.finish(_begin(journal, f"/{number}/{count}"), status=200)


def test_simultaneous_processes_keep_each_others_entries(file: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write_entries, args=(file, number)) for number in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    lines = list(entries(file))
    assert len(lines) == 180
    assert {line["status"] for line in lines} == {200}
    for number in range(3):
        assert [line["path"] for line in lines if line["command"] == str(number)] == [
            f"/{number}/{count}" for count in range(60)
        ]


# Temporary changes

RESTORING = {"restoring": {"method": "DELETE", "path": "/limits", "body": None}}


def _open_ids(file: Path, server: str = SERVER) -> list[str]:
    return [line["id"] for line in unrestored(file, server)]


def test_temporary_change_is_open_until_read_back(file: Path) -> None:
    journal = Journal(file)
    first = _begin(journal, notes=RESTORING)
    journal.finish(first, status=200)
    second = _begin(journal, notes=RESTORING)
    journal.finish(second, status=200)
    assert _open_ids(file) == [second.id, first.id]
    assert unrestored(file, SERVER)[0]["restoring"] == RESTORING["restoring"]
    # An answer alone is no proof: it may be a proxy's page.
    journal.finish(_begin(journal, notes={"restores": first.id}), status=200)
    assert _open_ids(file) == [second.id, first.id]
    journal.reverted(first.id, "read back")
    assert _open_ids(file) == [second.id]
    assert _open_ids(file, "https://another.example") == []


def test_temporary_change_with_a_lost_answer_counts(file: Path) -> None:
    entry = _begin(Journal(file), notes=RESTORING)
    assert _open_ids(file) == [entry.id]


@pytest.mark.parametrize(
    ("status", "errcode", "made"),
    [(403, "M_FORBIDDEN", True), (None, NOT_SENT, False), (502, "M_UNKNOWN", True), (200, None, True)],
)
def test_temporary_change_that_may_have_been_made_counts(
    file: Path, status: int | None, errcode: str | None, made: bool
) -> None:
    journal = Journal(file)
    journal.finish(_begin(journal, notes=RESTORING), status=status, errcode=errcode)
    assert bool(_open_ids(file)) is made


def test_run_fields_are_stored_with_the_first_change(file: Path) -> None:
    journal = Journal(file)
    journal.arguments = ["room", "make-admin", "!a"]
    journal.links = {"resumes": "20260101T000000-abcdef"}
    _begin(journal)
    _begin(journal)
    first, second = entries(file)
    assert (first["arguments"], first["resumes"]) == (journal.arguments, "20260101T000000-abcdef")
    assert "arguments" not in second
    assert "resumes" not in second


def test_ended_run_names_only_open_targets(file: Path) -> None:
    def end_run(finished: list[str], *, is_all: bool) -> RunRecord:
        journal = Journal(file)
        journal.arguments = ["room", "make-admin", "!a", "!b", "--yes"]
        _begin(journal)
        journal.leave_out(finished, is_all=is_all)
        journal.end(6)
        with reading(file) as store:
            record = store.run("last")
        assert record is not None
        return record

    partly_done = end_run(["!a"], is_all=False)
    assert (partly_done.arguments, partly_done.is_finished) == (("room", "make-admin", "!b", "--yes"), False)
    all_done = end_run(["!a", "!b"], is_all=True)
    assert (all_done.arguments, all_done.is_finished) == ((), True)
    nothing_done = end_run([], is_all=False)
    assert nothing_done.arguments == ("room", "make-admin", "!a", "!b", "--yes")


# Runs under way


def test_run_is_alive_from_first_change_to_end(file: Path) -> None:
    journal, other = Journal(file), Journal(file)
    assert not other.is_alive(journal.run)
    _begin(journal)
    assert other.is_alive(journal.run)
    assert journal.is_alive(journal.run)
    journal.end(0)
    assert not other.is_alive(journal.run)
    assert list(file.parent.iterdir()) == [file]


def test_run_records_its_end_and_exit_code(file: Path) -> None:
    for code in (0, 5, 1, 130, None):
        journal = Journal(file)
        _begin(journal)
        if code is None:
            journal.close()  # as a crash does
        else:
            journal.end(code)
    with reading(file) as store:
        runs = store.runs()
    assert [(run.code, run.is_finished) for run in runs] == [
        (0, True),
        (5, True),
        (1, False),
        (130, False),
        (None, False),
    ]


def test_dev_null_keeps_nothing() -> None:
    journal = Journal(Path("/dev/null"))
    entry = _begin(journal)
    journal.finish(entry, status=200)
    journal.end(0)
    assert list(entries(Path("/dev/null"))) == []


def _alive_until_killed(path: Path, ready: Any) -> None:  # noqa: ANN401
    journal = Journal(path)
    _begin(journal)
    ready.send(journal.run)
    ready.recv()


def test_killed_run_is_not_alive(file: Path) -> None:
    context = multiprocessing.get_context("spawn")
    parent_end, child_end = context.Pipe()
    process = context.Process(target=_alive_until_killed, args=(file, child_end))
    process.start()
    assert parent_end.poll(60)
    run = parent_end.recv()
    assert Journal(file).is_alive(run)
    process.kill()
    process.join(60)
    assert not Journal(file).is_alive(run)


TOKENS = "/_synapse/admin/v1/registration_tokens"


@pytest.mark.parametrize("token", ["summer-school", "new-year", "a~b", "x"])
@pytest.mark.parametrize("rest", ["", "?dry=1", " -> 200 (3 ms)"])
def test_registration_token_is_removed_from_the_path(token: str, rest: str) -> None:
    assert path_without_secrets(f"PUT {TOKENS}/{token}{rest}") == f"PUT {TOKENS}/(removed){rest}"


@pytest.mark.parametrize("path", [TOKENS, f"{TOKENS}?valid=true", f"{TOKENS}/new"])
def test_path_without_a_registration_token_is_kept(path: str) -> None:
    assert path_without_secrets(path) == path
