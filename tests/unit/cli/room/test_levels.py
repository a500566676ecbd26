"""``room set-power``: warnings and refusals before any change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from synadmin.cli.room import levels
from synadmin.power import level_changes
from tests.unit.recovery.rooms import ALICE, LEVELS, MEMBERS, POWER, LostRoom, power, state
from tests.unit.stub import ADMIN, Stub, json_reply

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Synadmin


def test_named_levels_can_be_edited() -> None:
    # The command repeats these names so that --help needs fewer imports.
    assert levels.NAMED == level_changes.NAMED


@pytest.mark.parametrize("dry_run", [True, False])
def test_control_for_all_members_is_announced_first(
    signed_in: Stub, synadmin: Synadmin, *, dry_run: bool
) -> None:
    room = LostRoom(signed_in)
    room.on(POWER, power({**LEVELS, "users": {ADMIN: 100}}))
    room.member(ADMIN, "join")
    options = ["--dry-run"] if dry_run else []

    result = synadmin("room", "set-power", room.id, "--default", "users_default", "100", *options)

    assert "warning: every member of the room would have control" in result.stderr
    assert ("Give control of the room to every member?" in result.stderr) is not dry_run
    assert result.code == (0 if dry_run else 2)
    assert room.changes == []


def test_plan_names_the_room_and_result_ends_with_a_sentence(signed_in: Stub, synadmin: Synadmin) -> None:
    room = LostRoom(signed_in)
    room.on(POWER, power({**LEVELS, "users": {ADMIN: 100}}))
    room.member(ADMIN, "join")

    planned = synadmin("room", "set-power", room.id, "--default", "invite", "50", "--dry-run")
    unchanged = synadmin("room", "set-power", room.id, "--default", "invite", "0", "--yes")

    assert planned.stderr.startswith(f"Chess: {room.id} (room version 11)\n  invite: 0 -> 50\n")
    assert planned.stderr.endswith("\nNothing was changed: --dry-run.\n")
    assert (unchanged.code, unchanged.stderr) == (0, "1 room: 1 unchanged.\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ("alice", "9007199254740992"),
        ("--default", "users_default", "-9007199254740992"),
        ("--event", "m.room.topic", "1" + "0" * 400),
    ],
)
def test_level_out_of_range_is_refused(
    signed_in: Stub, synadmin: Synadmin, arguments: tuple[str, ...]
) -> None:
    result = synadmin("room", "set-power", "!a:example.org", *arguments)

    result.assert_one_line_error(code=2)
    assert "is not a power level" in result.stderr
    assert signed_in.targets == []


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("demote", "ROOM", "alice"), "demote 'ROOM' @alice:example.org --allow impersonate"),
        (
            ("demote", "ROOM", "alice", "--to", "50"),
            "demote 'ROOM' @alice:example.org --to 50 --allow impersonate",
        ),
        (
            ("set-power", "ROOM", "alice", "0", "--default", "kick", "75", "--leave-rooms"),
            "set-power --allow impersonate --leave-rooms --default kick 75 -- 'ROOM' @alice:example.org 0",
        ),
    ],
)
def test_refusal_ends_with_the_command_that_is_allowed(
    signed_in: Stub, synadmin: Synadmin, arguments: tuple[str, ...], hint: str
) -> None:
    room = LostRoom(signed_in)
    room.on(POWER, power({**LEVELS, "users": {ALICE: 100, ADMIN: 100}}))
    room.member(ADMIN, "join")

    result = synadmin("room", *(word.replace("ROOM", room.id) for word in arguments))

    result.assert_one_line_error(code=5)
    assert result.stderr.endswith(f"\nhint: `synadmin room {hint.replace('ROOM', room.id)}`\n")


def test_refusal_to_lose_control_ends_with_the_command_that_continues(
    signed_in: Stub, synadmin: Synadmin
) -> None:
    room = LostRoom(signed_in)
    vera = "@vera:elsewhere.example"
    room.on(POWER, power({**LEVELS, "users": {ADMIN: 100, vera: 100}}))
    room.on(MEMBERS, json_reply({"state": [state("m.room.member", {"membership": "join"}, vera)]}))
    room.member(ADMIN, "join")
    demote = ("demote", room.id, ADMIN)

    result = synadmin("room", *demote)
    as_json = synadmin("room", *demote, "-o", "json")

    assert (result.code, as_json.code) == (5, 5)
    assert result.stderr.endswith(f"hint: `synadmin room demote '{room.id}' {ADMIN} --leave-rooms`\n")
    assert "hint" not in as_json.stderr
