"""``synadmin journal``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from synadmin.journal import NOT_SENT, Journal
from synadmin.settings import state_directory

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Synadmin


def _record_request(journal: Journal, path: str, status: int | None, errcode: str | None = None) -> None:
    entry = journal.begin(
        server="https://matrix.example.org",
        user="@admin:example.org",
        on_behalf_of=None,
        method="POST",
        path=path,
        body={"name": "\x1b[31mred"},
    )
    if status is not None or errcode is not None:
        journal.finish(entry, status=status, errcode=errcode)


@pytest.fixture
def runs() -> list[str]:
    """The ids of two runs in the journal."""
    path = state_directory() / "journal.sqlite3"
    first, second = Journal(path, command="room make-admin"), Journal(path, command="logout")
    _record_request(first, "/one", 200)
    _record_request(first, "/two", 403, "M_FORBIDDEN")
    _record_request(first, "/three", None)
    _record_request(first, "/four", None, NOT_SENT)
    _record_request(second, "/five", 200)
    return [first.run, second.run]


def test_empty_journal_is_reported_on_stderr(synadmin: Synadmin) -> None:
    result = synadmin("journal", "list")
    assert (result.code, result.stdout) == (0, "")
    assert result.stderr == "The journal is empty: no changes were made from this machine.\n"
    assert synadmin("journal", "list", "-o", "json").stdout == "[]\n"


def test_run_is_a_line_with_its_request_count(runs: list[str], synadmin: Synadmin) -> None:
    records = json.loads(synadmin("journal", "list", "-o", "json").stdout)
    assert [
        (record["run"], record["command"], record["requests"], record["failed"], record["unknown"])
        for record in records
    ] == [
        (runs[0], "room make-admin", 4, 2, 1),
        (runs[1], "logout", 1, 0, 0),
    ]


@pytest.mark.parametrize(
    ("command", "paths", "targets"),
    [
        ("user lock", ["/_synapse/admin/v2/users/%40greta%3Aclub.example"], ["@greta:club.example"]),
        (
            "room make-admin",
            [
                "/_synapse/admin/v1/users/%40lena%3Aclub.example/login",
                "/_synapse/admin/v1/rooms/%21abc%3Aclub.example/make_room_admin",
                "/_matrix/client/v3/join/%21abc%3Aclub.example",
            ],
            ["!abc:club.example"],
        ),
        ("media purge-remote", ["/_synapse/admin/v1/purge_media_cache"], []),
    ],
)
def test_ended_run_names_its_target(
    command: str, paths: list[str], targets: list[str], synadmin: Synadmin
) -> None:
    journal = Journal(state_directory() / "journal.sqlite3", command=command)
    for path in paths:
        _record_request(journal, path, 200)
    journal.leave_out([], is_all=True)
    journal.end(0)

    (record,) = json.loads(synadmin("journal", "list", "-o", "json").stdout)

    assert (record["state"], record["targets"]) == ("ended", targets)


def test_journal_list_at_80_columns_shows_time_command_target_and_state(
    synadmin: Synadmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    room, user = f"!{'a' * 43}", "@greta:matrix.club.example"
    for command, path in (("room delete", f"rooms/%21{room[1:]}"), ("user lock", "users/%40" + user[1:])):
        journal = Journal(state_directory() / "journal.sqlite3", command=command)
        _record_request(journal, f"/_synapse/admin/v2/{path}", 200)
        journal.end(0)
    monkeypatch.setattr("synadmin.cli.output.terminal_width", lambda: 80)
    monkeypatch.setattr("synadmin.cli.journal.read.relative_time", lambda _: "23 hours ago")

    heading, _, *lines = synadmin("journal", "list").stdout.splitlines()

    assert heading.split() == ["run", "command", "state", "time"]
    text = " ".join(" ".join(lines).split())
    assert f"room delete ended 23 hours ago {room}" in text
    assert f"user lock {user} ended 23 hours ago" in text


def test_run_is_found_by_the_end_of_its_name(runs: list[str], synadmin: Synadmin) -> None:
    shown = synadmin("journal", "show", runs[1].partition("-")[2], "--columns", "path", "-o", "csv").stdout
    assert shown == "path\n/five\n"

    # The names of two runs may have the same end.
    end = runs[0].partition("-")[2]
    other = Journal(state_directory() / "journal.sqlite3", command="user lock")
    other.run = f"20200101T000000-{end}"
    _record_request(other, "/six", 200)
    result = synadmin("journal", "show", end)
    result.assert_one_line_error(code=2)
    assert runs[0] in result.stderr


@pytest.mark.usefixtures("runs")
def test_each_request_is_a_line(synadmin: Synadmin) -> None:
    lines = synadmin("journal", "list", "--requests", "-o", "ndjson").stdout.splitlines()
    assert [json.loads(line)["path"] for line in lines] == ["/one", "/two", "/three", "/four", "/five"]


def test_run_is_shown_with_the_outcome_of_each_request(runs: list[str], synadmin: Synadmin) -> None:
    result = synadmin("journal", "show", runs[0], "-o", "csv", "--columns", "path,status,body")
    assert result.stdout.splitlines()[:3] == [
        "path,status,body",
        r'/one,200,"{""name"":""\u001b[31mred""}"',
        r'/two,403 M_FORBIDDEN,"{""name"":""\u001b[31mred""}"',
    ]
    assert [line.split(",")[1] for line in result.stdout.splitlines()[3:]] == ["unknown", "NOT_SENT"]


def test_last_names_the_newest_run(runs: list[str], synadmin: Synadmin) -> None:
    assert [
        record["path"] for record in json.loads(synadmin("journal", "show", "last", "-o", "json").stdout)
    ] == ["/five"]
    assert json.loads(synadmin("journal", "show", runs[1], "-o", "json").stdout)[0]["run"] == runs[1]


@pytest.mark.parametrize("verb", ["show", "resume", "undo"])
@pytest.mark.parametrize("run", ["last", "20991231T000000-abcdef", "../x", "\x1b[2J", "ü"])
def test_unknown_run_is_a_one_line_error(verb: str, run: str, synadmin: Synadmin) -> None:
    result = synadmin("journal", verb, run)
    result.assert_one_line_error(code=4)
    assert "`synadmin journal list` lists its runs" in result.stderr


@pytest.mark.usefixtures("runs")
def test_journal_text_is_escaped(synadmin: Synadmin) -> None:
    for output_format in ("table", "csv", "json", "ndjson"):
        result = synadmin("journal", "list", "--requests", "-o", output_format)
        assert "\x1b" not in result.stdout
        assert "red" in result.stdout


def test_unreadable_journal_is_a_one_line_error(
    synadmin: Synadmin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNADMIN_JOURNAL", str(tmp_path))
    synadmin("journal", "list").assert_one_line_error(code=1)


def test_reading_creates_no_journal(synadmin: Synadmin) -> None:
    synadmin("journal", "list")
    assert not Path(state_directory()).exists()


def test_run_without_changes_has_nothing_to_undo(synadmin: Synadmin) -> None:
    journal = Journal(state_directory() / "journal.sqlite3", command="room block")
    _record_request(journal, "/refused", 403, "M_FORBIDDEN")
    _record_request(journal, "/unsent", None, NOT_SENT)

    result = synadmin("journal", "undo", "last", "-o", "json")

    assert (result.code, result.stdout) == (0, "[]\n")
    assert result.stderr == f"There is nothing to undo in the run {journal.run}.\n"


@pytest.mark.usefixtures("runs")
def test_run_without_level_changes_is_not_undone(synadmin: Synadmin) -> None:
    result = synadmin("journal", "undo", "last")

    result.assert_one_line_error(code=5)
    assert "changed no power levels" in result.stderr
