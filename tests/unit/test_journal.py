"""The journal: on disk before the request, complete after it, and never with a secret in it."""

from __future__ import annotations

import json
import multiprocessing
import os
import stat
from typing import TYPE_CHECKING, Any

import pytest

from synadmin.errors import JournalError
from synadmin.journal import (
    NOT_SENT,
    Entry,
    Journal,
    entries,
    path_without_secrets,
    unrestored,
    without_secrets,
)

if TYPE_CHECKING:
    from pathlib import Path

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
    return tmp_path / "state" / "journal.jsonl"


def test_a_run_that_changes_nothing_leaves_no_file(file: Path) -> None:
    Journal(file)
    assert not file.exists()
    assert list(entries(file)) == []


def test_a_line_is_there_before_the_answer_and_is_completed_in_place(file: Path) -> None:
    journal = Journal(file, command="room make-admin")
    first = _begin(journal, "/first")
    second = _begin(journal, "/second")
    assert [(line["path"], line["status"]) for line in entries(file)] == [("/first", None), ("/second", None)]
    size = file.stat().st_size
    journal.finish(second, status=403, errcode="M_FORBIDDEN")
    journal.finish(first, status=200)
    assert file.stat().st_size == size
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


def test_the_file_is_readable_by_nobody_else(file: Path) -> None:
    _begin(Journal(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("errcode", ["\u1234" * 100, '"\\' * 100, "M_" + "A" * 500, "\n\x00\x1b", "🙂" * 64])
def test_no_word_of_the_servers_grows_over_the_next_line(file: Path, errcode: str) -> None:
    journal = Journal(file)
    first, second = _begin(journal, "/first"), _begin(journal, "/second")
    journal.finish(first, status=500, errcode=errcode)
    journal.finish(second, status=200)
    assert [(line["path"], line["status"]) for line in entries(file)] == [("/first", 500), ("/second", 200)]
    assert len(file.read_bytes().splitlines()) == 2


def test_secrets_are_removed_wherever_they_stand() -> None:
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


def test_no_secret_reaches_the_file(file: Path) -> None:
    _begin(
        Journal(file),
        "/x?access_token=hunter1&a=b&client_secret=hunter2",
        body={"password": "hunter3"},
        notes={"restoring": {"method": "PUT", "path": "/x", "body": {"password": "hunter4"}}},
    )
    text = file.read_text()
    assert "hunter" not in text
    assert "a=b" in text


def test_a_journal_that_cannot_be_written_says_so_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "file" / "journal.jsonl"):
        with pytest.raises(JournalError, match=r"cannot be written .*, so nothing was changed") as caught:
            _begin(Journal(path))
        assert caught.value.hint == "make room or give another file with SYNADMIN_JOURNAL"


def test_a_full_disk_stops_the_change_and_spoils_no_line(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(file)
    _begin(journal, "/before")
    write = os.write
    with monkeypatch.context() as patched:
        patched.setattr("synadmin.journal.os.write", lambda descriptor, line: write(descriptor, line[:20]))
        with pytest.raises(JournalError):
            _begin(journal, "/cut-short")
    _begin(journal, "/after")
    assert [line["path"] for line in entries(file)] == ["/before", "/after"]


def test_a_file_put_away_in_the_middle_of_a_request_costs_no_line(file: Path) -> None:
    journal = Journal(file)
    first, second = _begin(journal, "/first"), _begin(journal, "/second")
    file.rename(file.with_suffix(".1"))
    journal.finish(first, status=200)
    _begin(Journal(file), "/another-run")
    journal.finish(second, status=403, errcode="M_FORBIDDEN")
    assert [(line["path"], line["status"]) for line in entries(file)] == [
        ("/first", 200),
        ("/another-run", None),
        ("/second", 403),
    ]


def test_what_is_no_line_of_a_journal_is_passed_over(file: Path) -> None:
    _begin(Journal(file), "/first")
    with file.open("ab") as raw:
        raw.write(b'\n\xff\xfe\n[1, 2]\n"text"\n{"id": "cut sh')
    _begin(Journal(file), "/last")
    assert [line["path"] for line in entries(file)] == ["/first", "/last"]


def test_a_journal_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="cannot be read: Is a directory"):
        list(entries(tmp_path))


def _many(path: Path, number: int) -> None:
    journal = Journal(path, command=str(number))
    for count in range(60):
        journal.finish(_begin(journal, f"/{number}/{count}"), status=200)


def test_processes_that_write_at_once_leave_each_others_lines_alone(file: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_many, args=(file, number)) for number in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    lines = [json.loads(line) for line in file.read_bytes().splitlines()]
    assert len(lines) == 180
    assert {line["status"] for line in lines} == {200}
    for number in range(3):
        assert [line["path"] for line in lines if line["command"] == str(number)] == [
            f"/{number}/{count}" for count in range(60)
        ]


# What is for a while only

BACK = {"restoring": {"method": "DELETE", "path": "/limits", "body": None}}


def _ids(file: Path, server: str = SERVER) -> list[str]:
    return [line["id"] for line in unrestored(file, server)]


def test_a_temporary_change_is_unrestored_until_something_puts_it_back(file: Path) -> None:
    journal = Journal(file)
    first = _begin(journal, notes=BACK)
    journal.finish(first, status=200)
    second = _begin(journal, notes=BACK)
    journal.finish(second, status=200)
    assert _ids(file) == [second.id, first.id]
    assert unrestored(file, SERVER)[0]["restoring"] == BACK["restoring"]
    journal.finish(_begin(journal, notes={"restores": first.id}), status=200)
    assert _ids(file) == [second.id]
    assert _ids(file, "https://another.example") == []


def test_a_temporary_change_whose_answer_was_lost_counts_as_made(file: Path) -> None:
    entry = _begin(Journal(file), notes=BACK)
    assert _ids(file) == [entry.id]


@pytest.mark.parametrize(
    ("status", "errcode", "made"),
    [(403, "M_FORBIDDEN", False), (None, NOT_SENT, False), (502, "M_UNKNOWN", True), (200, None, True)],
)
def test_a_temporary_change_counts_where_it_may_have_been_made(
    file: Path, status: int | None, errcode: str | None, made: bool
) -> None:
    journal = Journal(file)
    journal.finish(_begin(journal, notes=BACK), status=status, errcode=errcode)
    assert bool(_ids(file)) is made


@pytest.mark.parametrize(("status", "errcode"), [(None, None), (429, "M_LIMIT_EXCEEDED"), (None, NOT_SENT)])
def test_a_putting_back_that_did_not_succeed_does_not_count(
    file: Path, status: int | None, errcode: str | None
) -> None:
    journal = Journal(file)
    entry = _begin(journal, notes=BACK)
    journal.finish(entry, status=200)
    journal.finish(_begin(journal, notes={"restores": entry.id}), status=status, errcode=errcode)
    assert _ids(file) == [entry.id]


@pytest.mark.parametrize(
    ("path", "status", "errcode"),
    [("/limits", 404, "M_NOT_FOUND"), ("/rooms/!a/leave", 403, "M_FORBIDDEN")],
    ids=["the account is gone", "nobody there who could leave"],
)
def test_where_nothing_is_left_to_put_back_it_is_put_back(
    file: Path, path: str, status: int, errcode: str
) -> None:
    journal = Journal(file)
    entry = _begin(journal, notes=BACK)
    journal.finish(entry, status=200)
    journal.finish(_begin(journal, path, notes={"restores": entry.id}), status=status, errcode=errcode)
    assert _ids(file) == []


def test_what_belongs_to_the_whole_run_is_kept_with_its_first_change(file: Path) -> None:
    journal = Journal(file)
    journal.arguments = ["room", "make-admin", "!a"]
    journal.links = {"resumes": "20260101T000000-abcdef"}
    _begin(journal)
    _begin(journal)
    first, second = entries(file)
    assert (first["arguments"], first["resumes"]) == (journal.arguments, "20260101T000000-abcdef")
    assert "arguments" not in second
    assert "resumes" not in second


def test_lines_of_another_shape_stop_nobody_from_looking(file: Path) -> None:
    _begin(Journal(file))
    with file.open("a") as raw:
        raw.write(json.dumps({"server": SERVER, "restoring": None, "restores": ["x"], "status": 200}) + "\n")
    assert isinstance(unrestored(file, SERVER), list)


# Whether a run is under way


def test_a_run_is_alive_as_long_as_it_says_so(file: Path) -> None:
    journal, other = Journal(file), Journal(file)
    assert not other.is_alive(journal.run)
    with journal.alive():
        assert other.is_alive(journal.run)
        assert journal.is_alive(journal.run)
    assert not other.is_alive(journal.run)
    assert list(file.parent.iterdir()) == []


def _alive_until_killed(path: Path, ready: Any) -> None:  # noqa: ANN401
    journal = Journal(path)
    with journal.alive():
        ready.send(journal.run)
        ready.recv()


def test_a_run_that_was_killed_is_not_alive(file: Path) -> None:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_alive_until_killed, args=(file, there))
    process.start()
    assert here.poll(60)
    run = here.recv()
    assert Journal(file).is_alive(run)
    process.kill()
    process.join(60)
    assert not Journal(file).is_alive(run)


TOKENS = "/_synapse/admin/v1/registration_tokens"


@pytest.mark.parametrize("token", ["summer-school", "new-year", "a~b", "x"])
@pytest.mark.parametrize("rest", ["", "?dry=1", " -> 200 (3 ms)"])
def test_a_registration_token_is_removed_from_its_path(token: str, rest: str) -> None:
    assert path_without_secrets(f"PUT {TOKENS}/{token}{rest}") == f"PUT {TOKENS}/(removed){rest}"


@pytest.mark.parametrize("path", [TOKENS, f"{TOKENS}?valid=true", f"{TOKENS}/new"])
def test_a_path_without_a_registration_token_stays(path: str) -> None:
    assert path_without_secrets(path) == path
