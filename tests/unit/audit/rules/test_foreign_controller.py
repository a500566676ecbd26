"""Rooms of this server in which a remote user has at least the level of each local user."""

from __future__ import annotations

from synadmin.audit.rules import foreign_controller as rule
from tests.unit.audit.rules.case import chess, finding, findings
from tests.unit.power.rooms import ALICE, BOB, MALLORY, levels, remote

OSCAR = remote("oscar")
FOUND = chess({ALICE: "join", MALLORY: "join"}, power_levels=levels({ALICE: 100, MALLORY: 100}))
PASSED = {
    "the remote user has a lower level": chess(
        {ALICE: "join", MALLORY: "join"}, power_levels=levels({ALICE: 100, MALLORY: 50})
    ),
    "the local user is a creator (room version 12)": chess(
        {ALICE: "join", MALLORY: "join"}, version="12", power_levels=levels({MALLORY: 100})
    ),
    "the remote user has left": chess(
        {ALICE: "join", MALLORY: "leave"}, power_levels=levels({ALICE: 100, MALLORY: 100})
    ),
    "neither user can change power levels": chess(
        {BOB: "join", MALLORY: "join"}, power_levels=levels({BOB: 50, MALLORY: 50})
    ),
    "the room is from another server": chess(
        {ALICE: "join", MALLORY: "join"},
        creators=(MALLORY,),
        power_levels=levels({ALICE: 100, MALLORY: 100}),
    ),
}


def test_level_above_all_local_users_is_reported() -> None:
    # Alice has level 100, but is not in the room.
    room = chess({BOB: "join", MALLORY: "join"}, power_levels=levels({ALICE: 100, BOB: 50, MALLORY: 100}))
    found = finding(rule, room)
    assert (
        found.message == "@mallory:elsewhere.net has power level 100, more than the highest local user (50)."
    )
    assert found.details == {"user_id": MALLORY, "power_level": 100, "best": 50}


def test_each_user_is_a_finding() -> None:
    room = chess({ALICE: "join"}, power_levels=levels({ALICE: 100, MALLORY: 100, OSCAR: 100}))
    assert [found.part for found in findings(rule, room)] == [MALLORY, OSCAR]
    assert len({found.key for found in findings(rule, room)}) == 2


def test_remote_version_12_creator_is_found() -> None:
    room = chess({ALICE: "join", MALLORY: "join"}, version="12", creators=(ALICE, MALLORY))
    assert finding(rule, room).details["power_level"] == "creator"
