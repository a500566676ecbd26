"""Lists and rows from files and standard input: valid input, and errors that do not show the text."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING

import pytest

from synadmin.cli.input_files import (
    EVENT_REPORTS,
    MEDIA,
    REGISTRATION_TOKENS,
    ROOMS,
    ROOMS_AND_USERS,
    SERVERS,
    USER_REPORTS,
    USERS,
    InputKind,
    read_rows,
    read_targets,
)
from synadmin.errors import UsageError
from tests.unit.stub import json_reply

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.conftest import Synadmin
    from tests.unit.stub import Stub

REPORTS = (
    "id,received_ts,user_id,sender,reason,name,room_id,score,event_id\n"
    "7,2026-01-01T00:00:00Z,'@good:x,'@bad:x,spam,Club,!r:x,,$e:x\n"
)
USER_COLUMNS = ("name", "displayname", "email", "password", "admin")


@pytest.mark.parametrize(
    ("kind", "text", "targets"),
    [
        (USERS, "@a:x\n@b:x\n\n@a:x\n", ["@a:x", "@b:x"]),
        (USERS, "\ufeff@a:x\r\n# the second\r\n@b:x  # gone in May\r\n#\r\n", ["@a:x", "@b:x"]),
        (USERS, "\ufeffuser_id;displayname\r\n'@a:x;Anna\r\n;\r\n'@b:x;\"B; C\"\r\n", ["@a:x", "@b:x"]),
        (USERS, "User ID\tDisplay name\n@a:x\tAnna\n", ["@a:x"]),
        (USERS, "name\n'@a:x\n'@b:x\n", ["@a:x", "@b:x"]),
        (USERS, 'name,displayname\n\'@a:x,"A, B"\n# no,"more\n@b:x,\'=C\n', ["@a:x", "@b:x"]),
        (USERS, "sender\n'@a:x\n", ["@a:x"]),
        (USERS, "room_id,user_id,name\n!r:x,'@a:x,A\n", ["@a:x"]),
        (USERS, '{"name":"@a:x","displayname":null}\n\n{"name":"@b:x","admin":true}\n', ["@a:x", "@b:x"]),
        (USERS, "anna\nname.of.mine\n", ["anna", "name.of.mine"]),
        (ROOMS, "#a,b:x\n!c:x\n", ["#a,b:x", "!c:x"]),
        (ROOMS, REPORTS, ["!r:x"]),
        (ROOMS, '{"room_id":"!a:x","canonical_alias":"#a:x","creator":"@a:x"}\n', ["!a:x"]),
        (ROOMS, "canonical_alias,name\n#a:x,A\n", ["#a:x"]),
        (ROOMS_AND_USERS, "@a:x\n!r:x\n", ["@a:x", "!r:x"]),
        (ROOMS_AND_USERS, "user_id\n'@a:x\n", ["@a:x"]),
        (MEDIA, "media,media_type\nmxc://x/abc,image/png\n", ["mxc://x/abc"]),
        (MEDIA, '{"media_id":"abc","user_id":"@a:x"}\n', ["abc"]),
        (MEDIA, '{"media_id":"abc","origin":"far.example"}\n', ["mxc://far.example/abc"]),
        (EVENT_REPORTS, REPORTS, ["7"]),
        (EVENT_REPORTS, "7\n8\n", ["7", "8"]),
        (USER_REPORTS, '{"id":7,"target_user_id":"@a:x","user_id":"@b:x"}\n', ["7"]),
        (REGISTRATION_TOKENS, "token,pending\n'-abc,1\n'=x,2\nplain,3\n", ["-abc", "=x", "plain"]),
        (SERVERS, "[::1]:8448\n", ["[::1]:8448"]),
        (SERVERS, "destination,next_try\na.example,\n", ["a.example"]),
    ],
)
def test_list_is_read_as_written(kind: InputKind, text: str, targets: list[str], tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_bytes(text.encode())

    assert read_targets((), str(path), kind) == targets


@pytest.mark.parametrize(
    ("kind", "column", "targets"),
    [(USERS, "sender", ["@bad:x"]), (USERS, "user_id", ["@good:x"]), (ROOMS, "room_id", ["!r:x"])],
)
def test_column_can_be_named(kind: InputKind, column: str, targets: list[str], tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_text(REPORTS)

    assert read_targets((), f"{path}:{column}", kind) == targets


def test_nested_field_of_ndjson_can_be_named(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_text('{"subject":{"type":"room","id":"!a:x"}}\n')

    assert read_targets((), f"{path}:subject.id", ROOMS) == ["!a:x"]


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        (USERS, REPORTS, "several columns could be meant: user_id, sender"),
        (USERS, "id,user_id,target_user_id\n1,@a:x,@b:x\n", "several columns could be meant"),
        (USERS, '{"room_id":"!a:x","user_id":"@a:x","promoter":"@b:x"}\n', "several columns could be meant"),
        (USERS, "room_id,name,creator\n!a:x,Club,@a:x\n", "only this column could be meant: creator"),
        (USERS, "room_id,name\n!a:x,Club\n", "list: no column is known to hold a user"),
        (ROOMS, "room_id,new_room_id\n!a:x,!b:x\n", "several columns could be meant"),
        (ROOMS_AND_USERS, "room_id,user_id\n!a:x,@b:x\n", "several columns could be meant"),
        (EVENT_REPORTS, "id,target_user_id\n1,@b:x\n", "no column is known to hold a report of an event"),
        (USER_REPORTS, REPORTS, "no column is known to hold a report of a user"),
        (USERS, "anna,Anna,hunter2\n", "line 1: there are several values"),
        (USERS, "anna\nbert;hunter2\n", "line 2: there are several values"),
        (USERS, "@a:x,hunter2\n", "line 1: this is not a valid user"),
        (USERS, "user_id,displayname\n@a:x,hunter2,B\n", "line 2: there are 3 cells, but the heading has 2"),
        (USERS, "user_id,displayname\n@a:x\n", "line 2: there are 1 cells"),
        (USERS, "user_id,displayname\n,hunter2\n", "line 2: the column user_id is empty"),
        (USERS, 'user_id,displayname\n@a:x,"hunter2\n@b:x,B\n', "line 2: the quotation marks"),
        (USERS, "user_id,user_id\n@a:x,@b:x\n", "line 1: two columns have the same heading"),
        (USERS, "user_id\nhunter2@x\n", "line 2: this is not a valid user"),
        (USERS, '{"name":"@a:x"}\n{"displayname":"hunter2"}\n', "line 2: there is no column name"),
        (USERS, '{"name":"@a:x"}\n["hunter2"]\n', "line 2: this is not a JSON object"),
        (USERS, '{"name":"@a:x"}\n{"hunter2\n', "line 2: this is not a JSON object"),
        (USERS, "user    admin\n------  -----\n@a:x    yes\n", "line 1: this is a table"),
        (USERS, '[\n  {"name": "hunter2"}\n]\n', "line 1: this is JSON"),
        (USERS, "\n# nobody\n", "list names no user"),
        (ROOMS, "!a:x\nclub\n", "line 2: this is not a valid room"),
        (ROOMS, "name\nClub\n", "line 1: this is not a valid room"),
        (SERVERS, "a.example\nno server\n", "line 2: this is not a valid server"),
    ],
)
def test_ambiguous_input_is_refused_with_file_and_line(
    kind: InputKind, text: str, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "list"
    path.write_text(text)

    with pytest.raises(UsageError) as refused:
        read_targets((), str(path), kind)

    assert words in str(refused.value)
    assert str(refused.value).startswith(str(path))
    assert "hunter2" not in f"{refused.value} {refused.value.hint}"


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"@a:x\n\xff\xfe\n", "line 2: not UTF-8"), ("@a:x\n".encode("utf-16"), "line 1: not UTF-8")],
)
def test_binary_file_is_refused(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_bytes(content)

    with pytest.raises(UsageError, match=words):
        read_targets((), str(path), USERS)


def test_unknown_column_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_text(REPORTS)

    with pytest.raises(UsageError, match="line 2: there is no column reporter"):
        read_targets((), f"{path}:reporter", USERS)


def test_file_name_may_have_a_colon(tmp_path: Path) -> None:
    path = tmp_path / "list:sender"
    path.write_text("@a:x\n")

    assert read_targets((), str(path), USERS) == ["@a:x"]


def test_byte_order_mark_is_not_part_of_the_first_id(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xef\xbb\xbf@a:x\n")))

    assert read_targets(("@z:x",), "-", USERS) == ["@z:x", "@a:x"]


def test_rows_have_cells_by_column_and_passwords_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "users.csv"
    path.write_text("\ufeffUser_ID;displayname;password\n'@a:x; Anna ; '=secret \n", "utf-8")

    rows = read_rows(str(path), USER_COLUMNS, aliases={"user_id": "name"}, raw=("password",))

    assert [dict(row.cells) for row in rows] == [
        {"name": "@a:x", "displayname": "Anna", "password": " '=secret "}
    ]
    assert rows[0].where == f"{path}, line 2"
    assert "secret" not in repr(rows)


def test_rows_may_be_lines_or_ndjson(tmp_path: Path) -> None:
    lines, records = tmp_path / "lines", tmp_path / "records"
    lines.write_text("anna\nbert\n")
    records.write_text(json.dumps({"name": "anna", "admin": True, "displayname": None}))

    assert [dict(row.cells) for row in read_rows(str(lines), USER_COLUMNS)] == [
        {"name": "anna"},
        {"name": "bert"},
    ]
    assert [dict(row.cells) for row in read_rows(str(records), USER_COLUMNS)] == [
        {"name": "anna", "admin": "true", "displayname": ""}
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name,nickname,age\nanna,hunter2,9\n", "line 2: the columns are not understood: nickname, age"),
        ("name,user_id\nanna,hunter2\n", "line 2: two columns are the name"),
        ("anna,Anna,hunter2\n", "line 1: there are several values"),
        ("", "is empty"),
    ],
)
def test_invalid_rows_are_refused_without_their_text(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "users.csv"
    path.write_text(text)

    with pytest.raises(UsageError, match=words) as refused:
        read_rows(str(path), USER_COLUMNS, aliases={"user_id": "name"})

    assert "hunter2" not in f"{refused.value} {refused.value.hint}"


def test_csv_output_is_valid_input(signed_in: Stub, synadmin: Synadmin) -> None:
    users = [{"name": "@a:example.org"}, {"name": "@b:example.org"}]
    signed_in.on("/_synapse/admin/v2/users", json_reply({"users": users, "total": 2}))
    signed_in.on("/_synapse/admin/v3/users", json_reply({"users": users, "total": 2}))
    written = synadmin("user", "list", "--columns", "name", "-o", "csv").stdout
    signed_in.on("*", json_reply({"name": "@x:example.org", "suspended": True}))

    result = synadmin("user", "suspend", "--from", "-", "--yes", "-o", "csv", stdin=written.encode())

    assert [line.split(",")[:2] for line in result.stdout.splitlines()] == [
        ["user_id", "outcome"],
        ["@a:example.org", "done"],
        ["@b:example.org", "done"],
    ]


def test_reporters_in_a_list_of_reports_are_not_targets(signed_in: Stub, synadmin: Synadmin) -> None:
    report = {"id": 1, "user_id": "@good:example.org", "sender": "@bad:example.org", "room_id": "!r:x"}
    signed_in.on(
        "/_synapse/admin/v1/event_reports",
        json_reply({"event_reports": [{**report, "event_id": "$e", "received_ts": 1}], "total": 1}),
    )
    written = synadmin("report", "list", "-o", "csv").stdout

    result = synadmin("user", "lock", "--from", "-", "--yes", stdin=written.encode())

    assert result.code == 2
    assert "standard input: several columns could be meant: user_id, sender" in result.stderr
    assert "--from -:sender" in result.stderr
    assert not [request for request in signed_in.requests if request.method != "GET"]


def test_too_long_file_name_is_refused() -> None:
    with pytest.raises(UsageError, match=r"cannot read .*File name too long"):
        read_targets([], "x" * 5000 + ":user_id", USERS)
