"""``-o`` and ``--columns``: only the result is on stdout."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from synadmin.cli.output import Output
from synadmin.columns import Column, time_column
from synadmin.errors import UsageError
from tests.unit.cli.terminal import Terminal
from tests.unit.stub import WHOAMI, json_reply, refused

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.conftest import Synadmin
    from tests.unit.stub import Stub

ROOMS = "/_synapse/admin/v1/rooms"
VERSION = "/_synapse/admin/v1/server_version"
COLUMNS = [
    Column("room_id"),
    Column("name"),
    Column("joined_members", right=True),
    Column("topic", shown=False),
]
RECORD = {"room_id": "!a", "name": "x\x1b[2J\ny", "joined_members": 3, "topic": None, "unknown_to_us": [1]}


@pytest.fixture
def server(signed_in: Stub) -> Stub:
    signed_in.on(WHOAMI, json_reply({"user_id": "@admin:example.org", "device_id": "D"}))
    signed_in.on(ROOMS, json_reply({"rooms": [], "total_rooms": 3}))
    signed_in.on(VERSION, json_reply({"server_version": "1.163.2"}))
    return signed_in


def test_output_in_four_formats(server: Stub, synadmin: Synadmin) -> None:
    record = {
        "user_id": "@admin:example.org",
        "homeserver": server.url,
        "synapse": "1.163.2",
        "server_admin": True,
        "device_id": "D",
    }
    assert json.loads(synadmin("whoami", "-o", "json").stdout) == record
    assert json.loads(synadmin("whoami", "-o", "ndjson").stdout) == record
    assert synadmin("whoami", "-o", "csv").stdout == (
        f"user_id,homeserver,synapse,server_admin,device_id\n@admin:example.org,{server.url},1.163.2,true,D\n"
    )
    assert synadmin("whoami").stdout == (
        "user id       @admin:example.org\n"
        f"homeserver    {server.url}\n"
        "synapse       1.163.2\n"
        "server admin  yes\n"
        "device id     D\n"
    )


@pytest.mark.usefixtures("server")
def test_columns_choose_fields_and_order(synadmin: Synadmin) -> None:
    chosen = ["--columns", "server_admin, user_id"]
    assert (
        synadmin("whoami", *chosen, "-o", "csv").stdout == "server_admin,user_id\ntrue,@admin:example.org\n"
    )
    assert list(json.loads(synadmin("whoami", *chosen, "-o", "json").stdout)) == ["server_admin", "user_id"]
    assert list(json.loads(synadmin("whoami", *chosen, "-o", "ndjson").stdout)) == ["server_admin", "user_id"]
    assert synadmin("whoami", *chosen).stdout == "server admin  yes\nuser id       @admin:example.org\n"


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("columns", ["", ",", " , ", "nonsense", "user_id,nonsense", "\x1b[2J"])
@pytest.mark.parametrize("output_format", ["table", "json", "ndjson", "csv"])
def test_invalid_columns_are_a_one_line_error(columns: str, output_format: str, synadmin: Synadmin) -> None:
    result = synadmin("whoami", f"--columns={columns}", "-o", output_format)
    result.assert_one_line_error(code=2)
    assert "column" in result.stderr


@pytest.mark.parametrize("output_format", ["json", "ndjson"])
def test_every_field_is_printed(output_format: str, capsys: pytest.CaptureFixture[str]) -> None:
    Output(output_format, None).write_one(RECORD, COLUMNS)
    assert json.loads(capsys.readouterr().out) == RECORD
    Output("json", None).write([RECORD, RECORD], COLUMNS)
    assert json.loads(capsys.readouterr().out) == [RECORD, RECORD]


def test_record_is_a_line_for_each_field_and_escaped(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Output("table", None).write_one(RECORD, COLUMNS)
    assert capsys.readouterr().out == (
        "room id         !a\n" + r"name            x\x1b[2J\ny" + "\njoined members  3\n"
    )


def test_hidden_column_can_be_chosen() -> None:
    assert [column.name for column in Output("csv", None).chosen(COLUMNS)] == [
        "room_id",
        "name",
        "joined_members",
    ]
    assert [column.name for column in Output("csv", ("topic",)).chosen(COLUMNS)] == ["topic"]
    with pytest.raises(
        UsageError, match="there is no column 'nope'; there are room_id, name, joined_members, topic"
    ):
        Output("csv", ("nope",)).chosen(COLUMNS)


def test_single_result_is_one_line_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synadmin.cli.output.terminal_width", lambda: 80)
    columns = [
        *(Column(name) for name in ("user_id", "outcome", "removed", "message")),
        time_column("expiration_ts", "valid until"),
    ]
    for fields in (
        {"message": "locked"},
        {"removed": ["@b:x"]},
        {"removed": 0},
        {"removed": True},
        {"removed": False},
        {"expiration_ts": 1_900_000_000_000},
        {"message": "blocked", "removed": True},  # the message already says it
        {"message": "m", "removed": ["@b:x"]},
    ):
        record = {"user_id": "@a:x", "outcome": "done", **fields}
        Output.of("table", None).write_result(record, columns)
    assert capsys.readouterr().out.splitlines()[:8] == [
        "  done: @a:x: locked",
        "  done: @a:x: removed @b:x",
        "  done: @a:x: removed 0",
        "  done: @a:x: removed",
        "  done: @a:x: not removed",
        "  done: @a:x: valid until 2030-03-17",
        "  done: @a:x: blocked",
        "user id  outcome  removed  message",
    ]


def test_empty_list_is_reported_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    for output_format, out in (
        ("table", ""),
        ("json", "[]\n"),
        ("ndjson", ""),
        ("csv", "room_id,name,joined_members\n"),
    ):
        Output(output_format, None).write([], COLUMNS, empty="No rooms.")
        captured = capsys.readouterr()
        assert (captured.out, captured.err) == (out, "No rooms.\n" if output_format == "table" else "")


def test_terminal_shows_what_fits_and_a_file_everything(
    server: Stub, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    name = "A name that goes on " * 10
    server.on(ROOMS, json_reply({"rooms": [{"room_id": "!a", "name": name}], "total_rooms": 1}))
    program = ("-m", "synadmin", "room", "list", "--columns", "room_id,name")
    with Terminal(*program, cwd=work) as terminal:
        assert terminal.end() == 0
        assert terminal.shown.count("goes") == 10
        assert max(map(len, terminal.shown.splitlines())) <= 60
    with (work / "out").open("wb") as out, Terminal(*program, cwd=work, stdout=out.fileno()) as terminal:
        assert terminal.end() == 0
    assert (work / "out").read_text().count("goes") == 10


@pytest.mark.parametrize("output_format", ["table", "json", "ndjson", "csv"])
def test_list_is_streamed_and_a_late_failure_is_reported(
    output_format: str, server: Stub, synadmin: Synadmin
) -> None:
    server.on(
        ROOMS,
        json_reply(
            {"rooms": [{"room_id": "!a", "new": {"x": "\x1b\u202e"}}], "next_batch": 1, "total_rooms": 2}
        ),
        refused(403, "M_FORBIDDEN", "You are not a server admin"),
    )
    result = synadmin("room", "list", "-o", output_format)
    assert result.code == 3
    assert "You are not a server admin" in result.stderr
    assert ("!a" in result.stdout) is (output_format != "table")
    assert not {"\x1b", "\u202e"} & set(result.stdout)
    if output_format == "ndjson":
        assert json.loads(result.stdout) == {"room_id": "!a", "new": {"x": "\x1b\u202e"}}


@pytest.mark.parametrize("output_format", ["table", "json", "ndjson", "csv"])
def test_list_that_fails_first_leaves_stdout_empty(
    output_format: str, server: Stub, synadmin: Synadmin
) -> None:
    server.on(ROOMS, refused(403, "M_FORBIDDEN", "You are not a server admin"))
    result = synadmin("room", "list", "-o", output_format)
    result.assert_one_line_error(code=3)
    assert "`synadmin whoami` shows whose token it is" in result.stderr


def test_messages_wrap_at_words_and_commands_stay_whole(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    message = (
        "synadmin: the room cannot be regained with the Admin API alone\n"
        "  1.    Give @admin:club.example level 100 through @greta:club.example (Make Room Admin).\n"
        "  hint: run `synadmin room make-admin '!abcdefghijklmnop:club.example' --allow impersonate`"
    )
    code = f"from synadmin.cli.invocation import Invocation; Invocation().warn({message!r})"
    with Terminal("-c", code, cwd=work) as terminal:
        assert terminal.end() == 0
    assert terminal.shown.splitlines() == [
        "synadmin: the room cannot be regained with the",
        "  Admin API alone",
        "  1.    Give @admin:club.example level 100 through",
        "        @greta:club.example (Make Room Admin).",
        "  hint: run",
        "        `synadmin room make-admin '!abcdefghijklmnop:club.example' --allow impersonate`",
    ]
