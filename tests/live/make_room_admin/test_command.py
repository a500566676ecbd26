"""Input, questions, output and exit codes of ``synadmin room make-admin``."""

from __future__ import annotations

import csv
import io
import json
import shlex
from typing import TYPE_CHECKING

import pytest

from tests.live.conftest import environment_of
from tests.unit.cli.terminal import Terminal
from tests.written import journal_of

if TYPE_CHECKING:
    from pathlib import Path

    from synadmin.ids import RoomId
    from tests.live.conftest import Answer
    from tests.live.make_room_admin.conftest import Context


def make_admin(context: Context, *arguments: str, stdin: str | None = None) -> Answer:
    return context.synadmin("room", "make-admin", *arguments, server=context.server, stdin=stdin)


def outcomes(answer: Answer) -> list[tuple[str, str, str | None]]:
    """Return the room, outcome and reason of each record of ``-o ndjson``."""
    records = [json.loads(line) for line in answer.stdout.splitlines()]
    return [(record["room_id"], record["outcome"], record["reason"]) for record in records]


def journal(home: Path) -> str:
    return journal_of(home)


# Dry run


def test_dry_run_shows_the_plan_and_changes_nothing(context: Context, tmp_path: Path) -> None:
    alice, me = context.someone().user_id, context.admin.user_id
    room_id = context.someone().make_room("Chess club", users={alice: 100})
    promoter = context.regain(room_id, None, "--dry-run").record["promoter"]
    before = context.room_state(room_id, me)
    answer = make_admin(context, room_id, "--dry-run")
    assert answer.stdout == (
        f"Chess club: {room_id} (room version 11)\n"
        f"  now:  {me} has level 0, not in the room\n"
        f"  1.    Give {me} level 100 through {promoter} (Make Room Admin), and invite them.\n"
        f"  2.    Join the room as {me}.\n"
        f"  then: {me} will be joined with level 100; changing levels needs 100.\n"
        "  can:  everything in the room\n"
    )
    assert answer.stderr == "Nothing was changed: --dry-run.\n"
    assert answer.code == 0
    assert context.room_state(room_id, me) == before
    assert journal(tmp_path) == ""


def test_dry_run_of_a_refused_room_exits_like_a_real_run(context: Context) -> None:
    alice = context.someone()
    room_id = alice.make_room(left=[alice])
    answer = make_admin(context, room_id, "--dry-run", "-o", "ndjson")
    assert (answer.code, outcomes(answer)) == (5, [(room_id, "refused", "not-in-room")])


# Text output


def test_text_output_has_an_outcome_for_each_room_and_a_summary(context: Context) -> None:
    alice, me = context.someone(), context.admin.user_id
    gained, lost = alice.make_room("Chess"), alice.make_room("Go", left=[alice])
    answer = make_admin(context, gained, lost, "--yes")
    assert answer.stdout == (
        f"Chess: {gained} (room version 11)\n"
        f"  done: {me} is in the room with level 100 and has control.\n"
        f"  level 0 -> 100 (changing levels takes 100), not in the room -> in the room, "
        f"through {alice.user_id}\n"
        f"{lost} (room version 11)\n"
        "  refused: No user of this server is in the room. If another server is, name it with --via. "
        "If not, no user can join it again: replace it "
        f"(`synadmin room replace '{lost}' --admin USER`).\n"
    )
    assert answer.stderr == "2 rooms: 1 done, 1 refused.\n"
    assert answer.code == 6


def test_command_in_the_hint_of_a_refusal_regains_the_room(context: Context) -> None:
    alice, bob, carol = context.someone(), context.someone("bob"), context.someone("carol")
    room_id = alice.make_room("Chess", members=[bob], left=[alice])
    refused = make_admin(context, room_id, "--user", carol.user_id, "--no-join", "--yes")
    assert refused.code == 5
    hint = refused.stdout.splitlines()[-1].strip().removeprefix("hint: ")
    assert hint == (
        f"`synadmin room make-admin '{room_id}' --user {carol.user_id} --allow impersonate --no-join`"
    )
    allowed = make_admin(context, *shlex.split(hint.strip("`"))[3:], "--yes", "-o", "json")
    assert (allowed.code, context.level(room_id, carol)) == (0, 100)


def test_hostile_room_name_is_escaped_on_the_terminal(context: Context) -> None:
    room_id = context.someone().make_room("\x1b]0;owned\x07\x1b[2J\u202eevil\ngood")
    for options in ((), ("-o", "table", "--columns", "room.name"), ("-o", "csv"), ("-o", "json")):
        answer = make_admin(context, room_id, "--dry-run", *options)
        assert answer.code == 0
        for sign in ("\x1b", "\x07", "\u202e"):
            assert sign not in answer.stdout, options
            assert sign not in answer.stderr, options
    assert json.loads(answer.stdout)[0]["room"]["name"].startswith("\x1b]0;owned")


def test_csv_has_a_row_for_each_room(context: Context) -> None:
    rooms = [context.someone().make_room("=1+1"), context.someone().make_room("Go")]
    answer = make_admin(
        context, *rooms, "--yes", "-o", "csv", "--columns", "room_id,room.name,outcome,control"
    )
    assert list(csv.reader(io.StringIO(answer.stdout))) == [
        ["room_id", "room.name", "outcome", "control"],
        [rooms[0], "'=1+1", "done", "true"],
        [rooms[1], "Go", "done", "true"],
    ]


# The rooms


def test_rooms_from_a_file_are_used_once_in_order(context: Context, tmp_path: Path) -> None:
    rooms = [context.someone().make_room() for _ in range(2)]
    alice = context.someone()
    left_room = alice.make_room(left=[alice])
    (tmp_path / "lost.txt").write_text(
        f"\ufeff{rooms[1]}\r\n\n  {left_room}\n{rooms[0]}\n{rooms[1]}\n", "utf-8"
    )
    answer = make_admin(context, "--from", "lost.txt", rooms[0], "--yes", "-o", "ndjson")
    assert outcomes(answer) == [
        (rooms[0], "done", None),
        (rooms[1], "done", None),
        (left_room, "refused", "not-in-room"),
    ]
    assert answer.code == 6
    answer = make_admin(context, "--from", "-", "--yes", "-o", "ndjson", stdin=f"{left_room}\n")
    assert (answer.code, outcomes(answer)) == (5, [(left_room, "refused", "not-in-room")])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "no room is named"),
        (("--from", "missing.txt"), "cannot read missing.txt: No such file or directory"),
        (("--from", "."), "cannot read .: Is a directory"),
        (("--from", "empty.txt"), "empty.txt names no room"),
        (("--from", "-"), "standard input names no room"),
        (("--from", "binary.txt"), "binary.txt, line 1: not UTF-8 text"),
    ],
)
def test_empty_list_of_rooms_is_reported(
    context: Context, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    (tmp_path / "empty.txt").write_text(" \n\n")
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00!")
    answer = make_admin(context, *arguments, "--yes")
    assert (answer.code, answer.stdout) == (2, "")
    assert answer.stderr.startswith(f"synadmin: {message}"), answer.stderr


def test_invalid_line_in_a_list_stops_before_any_change(context: Context, tmp_path: Path) -> None:
    room_id = context.someone().make_room()
    before = context.room_state(room_id, context.admin)
    (tmp_path / "lost.txt").write_text(f"{room_id}\nClub of chess\n")
    answer = make_admin(context, "--from", "lost.txt", "--yes")
    assert (answer.code, answer.stdout) == (2, "")
    assert "lost.txt, line 2: this is not a valid room" in answer.stderr
    assert context.room_state(room_id, context.admin) == before


# The target


def test_localpart_is_a_user_of_this_server(context: Context) -> None:
    bob = context.someone("bob")
    room_id = context.someone().make_room()
    answer = make_admin(context, room_id, "--user", bob.user_id[1:].partition(":")[0], "--yes", "-o", "json")
    (record,) = json.loads(answer.stdout)
    assert (answer.code, record["user_id"], record["outcome"]) == (0, bob.user_id, "pending")


def test_no_join_invites_and_a_later_run_joins(context: Context) -> None:
    room_id = context.someone().make_room()
    result = context.regain(room_id, None, "--no-join")
    assert result.verdict == (0, "pending", None, "api")
    assert result.memberships == ("leave", "invite")
    assert context.room_state(room_id, context.admin).membership == "invite"
    again = context.regain(room_id, None, "--no-join")
    assert (again.verdict, again.steps) == ((0, "pending", None, "api"), [])
    assert context.regain(room_id).verdict == (0, "done", None, "api")


# The question


def test_question_without_a_terminal_is_refused(context: Context, tmp_path: Path) -> None:
    room_id = context.someone().make_room()
    before = context.room_state(room_id, context.admin)
    answer = make_admin(context, room_id)
    assert (answer.code, answer.stdout) == (2, "")
    assert "synadmin: nothing was changed: there is no terminal to ask on" in answer.stderr
    assert "--yes" in answer.stderr
    assert context.room_state(room_id, context.admin) == before
    assert journal(tmp_path) == ""


def test_no_question_where_nothing_changes(context: Context) -> None:
    alice = context.someone()
    left_room, own_room = alice.make_room(left=[alice]), context.admin.make_room()
    assert make_admin(context, left_room).code == 5
    assert make_admin(context, own_room).code == 0
    assert make_admin(context, left_room, own_room).code == 6


def run_on_terminal(context: Context, home: Path, answer: str, *arguments: str) -> tuple[int, str, str]:
    """Run the command on a terminal and type the answer; return exit code, stdout and terminal text."""
    command = ("-m", "synadmin", "room", "make-admin", *arguments)
    environment = environment_of(home, context.server.url, context.admin) | {"COLUMNS": "200"}
    with (
        (home / "stdout").open("w+") as stdout,
        Terminal(*command, cwd=home, stdout=stdout.fileno(), env=environment) as terminal,
    ):
        terminal.see("[y/N")
        terminal.type(f"{answer}\n")
        code = terminal.end()
        stdout.seek(0)
        return code, stdout.read(), terminal.shown.replace("\r\n", "\n")


def lost_room(context: Context) -> RoomId:
    return context.someone("mod").make_room("Chess")


def test_plan_is_shown_before_the_question(context: Context, tmp_path: Path) -> None:
    room_id, me = lost_room(context), context.admin.user_id
    promoter = context.regain(room_id, None, "--dry-run").record["promoter"]
    before = context.room_state(room_id, me)
    code, stdout, seen = run_on_terminal(context, tmp_path, "n", room_id)
    assert (code, stdout) == (2, "")
    assert seen == (
        f"Chess: {room_id} (room version 11)\n"
        f"  now:  {me} has level 0, not in the room\n"
        f"  1.    Give {me} level 100 through {promoter} (Make Room Admin), and invite them.\n"
        f"  2.    Join the room as {me}.\n"
        f"  then: {me} will be joined with level 100; changing levels needs 100.\n"
        "  can:  everything in the room\n"
        "Regain this room? [y/N]: n\n"
        "synadmin: nothing was changed: the answer was no\n"
    )
    assert context.room_state(room_id, me) == before

    code, stdout, seen = run_on_terminal(context, tmp_path, "y", room_id)
    assert code == 0
    assert "done:" in stdout
    assert context.room_state(room_id, me).membership == "join"


def test_plan_says_that_rate_limits_are_lifted(context: Context, tmp_path: Path) -> None:
    rooms = [lost_room(context) for _ in range(4)]
    code, _, seen = run_on_terminal(context, tmp_path, "v\nn", *rooms)
    assert code == 2
    # The plan does not fit on 24 lines, so the steps are shown only after "v".
    summary, _, steps = seen.partition("Regain 4 rooms? [y/N, v to view all steps]: ")
    assert all(f"  planned: {room} (Chess): 2 steps\n" in summary for room in rooms)
    assert summary.count("Join the room as") == 0
    assert steps.count("Join the room as") == 4
    assert f"the rate limits of {context.admin.user_id} are lifted" in seen
    assert "Regain 4 rooms?" in seen
    assert "override_ratelimit" not in journal(tmp_path)
