"""``room set-power``: what it warns of and refuses before it changes anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from synadmin.cli.room import levels
from synadmin.power import level_changes
from tests.unit.recovery.rooms import LEVELS, POWER, LostRoom, power
from tests.unit.stub import ADMIN, Stub

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Synadmin


def test_named_levels_can_be_edited() -> None:
    # They are repeated for the sake of a quick --help.
    assert levels.NAMED == level_changes.NAMED


@pytest.mark.parametrize("rehearsed", [True, False])
def test_control_for_all_members_is_announced_first(
    signed_in: Stub, synadmin: Synadmin, *, rehearsed: bool
) -> None:
    room = LostRoom(signed_in)
    room.on(POWER, power({**LEVELS, "users": {ADMIN: 100}}))
    room.member(ADMIN, "join")
    options = ["--dry-run"] if rehearsed else []

    answer = synadmin("room", "set-power", room.id, "--default", "users_default", "100", *options)

    assert "warning: every member of the room would have control" in answer.stderr
    assert ("Give control of the room to every member?" in answer.stderr) is not rehearsed
    assert answer.code == (0 if rehearsed else 2)
    assert room.changes == []


def test_plan_names_the_room_and_result_ends_with_a_sentence(signed_in: Stub, synadmin: Synadmin) -> None:
    room = LostRoom(signed_in)
    room.on(POWER, power({**LEVELS, "users": {ADMIN: 100}}))
    room.member(ADMIN, "join")

    planned = synadmin("room", "set-power", room.id, "--default", "invite", "50", "--dry-run")
    same = synadmin("room", "set-power", room.id, "--default", "invite", "0", "--yes")

    assert planned.stderr.startswith(f"Chess: {room.id} (room version 11)\n  invite: 0 -> 50\n")
    assert planned.stderr.endswith("\nNothing was changed: --dry-run.\n")
    assert (same.code, same.stderr) == (0, "1 room: 1 unchanged.\n")


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
    answer = synadmin("room", "set-power", "!a:example.org", *arguments)

    answer.assert_is_one_clear_line(code=2)
    assert "is not a power level" in answer.stderr
    assert signed_in.targets == []
