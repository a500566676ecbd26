"""Rooms of version 12 without an active creator here, or with only one creator."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from synadmin.audit.findings import Severity
from synadmin.audit.rules import owner_gone as rule
from synadmin.power.room import Reach
from tests.unit.audit.rules.case import chess, finding, findings
from tests.unit.power.rooms import ADMIN, ALICE, BOB, CAROL, MALLORY, levels

V12: Any = {"version": "12"}
BOB_HOLDS = levels({BOB: 100}, events={"m.room.tombstone": 100})
FOUND = chess({ALICE: "leave", BOB: "join", CAROL: "join"}, power_levels=BOB_HOLDS, **V12)
PASSED = {
    "the creator is in the room": chess({ALICE: "join", BOB: "join"}, power_levels=levels({}), **V12),
    "the room has two creators": chess(
        {ALICE: "join", BOB: "join", CAROL: "join"}, creators=(ALICE, BOB), power_levels=levels({}), **V12
    ),
    "creators have no special power in this room version": chess(
        {ALICE: "leave", BOB: "join"}, power_levels=levels({BOB: 100})
    ),
    "the room is from another server and no local user has control": chess(
        {BOB: "join"}, creators=(MALLORY,), power_levels=levels({}), **V12
    ),
    "the second creator is on another server": chess(
        {ALICE: "join", BOB: "join", CAROL: "join", MALLORY: "join"},
        creators=(ALICE, MALLORY),
        power_levels=levels({}),
        **V12,
    ),
}


def test_fix_makes_the_caller_a_creator() -> None:
    found = finding(rule, FOUND)
    assert found.message == f"No creator of the room is active here: {ALICE} (left)."
    assert found.fix == (
        f"synadmin room upgrade '!chess:example.org' --to-version 12 --creator {ADMIN} --allow impersonate"
    )


@pytest.mark.parametrize("change", [{"caller": None}, {"possible": Reach.API}])
def test_no_fix_that_would_be_refused(change: dict[str, object]) -> None:
    assert finding(rule, replace(FOUND, **change)).fix is None  # type: ignore[arg-type]


def test_no_fix_where_no_local_user_may_upgrade() -> None:
    room = chess({ALICE: "leave", BOB: "join"}, power_levels=levels({}), **V12)
    assert finding(rule, room).fix is None


@pytest.mark.parametrize("state", ["deactivated", "suspended", "locked", "missing"])
def test_inactive_creator_is_gone(state: str) -> None:
    room = chess({ALICE: "join", BOB: "join"}, power_levels=levels({}), accounts={ALICE: state}, **V12)
    assert finding(rule, room).details["creators"] == [{"user_id": ALICE, "state": state}]


def test_remote_creators_are_not_active_here() -> None:
    room = chess({BOB: "join", MALLORY: "join"}, creators=(MALLORY,), power_levels=BOB_HOLDS, **V12)
    assert finding(rule, room).message == (
        f"No creator of the room is active here: {MALLORY} (on another server)."
    )


def test_single_creator_is_found_from_three_members() -> None:
    room = chess({ALICE: "join", BOB: "join", CAROL: "join"}, power_levels=levels({}), **V12)
    assert finding(rule, room).severity is Severity.INFO
    assert not findings(rule, room, local_members=4)
    assert not findings(rule, replace(room, all_creators=False))
