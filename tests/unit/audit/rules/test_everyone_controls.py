"""Rooms that every member controls."""

from __future__ import annotations

from synadmin.audit.rules import everyone_controls as rule
from synadmin.power.room import Reach
from tests.unit.audit.rules.case import chess, finding
from tests.unit.power.rooms import ADMIN, ALICE, BOB, CAROL, MALLORY, levels

FOUND = chess({ALICE: "join"}, power_levels=levels({ALICE: 100}, users_default=100))
PASSED = {
    "the default level is too low for control": chess(
        {ALICE: "join"}, power_levels=levels({ALICE: 100}, users_default=99)
    ),
    "the room has no power levels event": chess({ALICE: "join"}, power_levels=None),
    "no local user is in the room": chess(
        {MALLORY: "join"}, power_levels=levels({ALICE: 100}, users_default=100)
    ),
}


def test_fix_lowers_the_default_level() -> None:
    assert finding(rule, FOUND).fix == (
        "synadmin room set-power '!chess:example.org' --default users_default 0 --allow impersonate"
    )
    own = chess({ADMIN: "join"}, power_levels=levels({ADMIN: 100}, users_default=100))
    assert finding(rule, own).fix == "synadmin room set-power '!chess:example.org' --default users_default 0"


def test_fix_raises_the_level_for_power_changes() -> None:
    room = chess({ALICE: "join"}, power_levels=levels({ALICE: 100}, events={"m.room.power_levels": 0}))
    found = finding(rule, room)
    assert found.fix == (
        "synadmin room set-power '!chess:example.org' --event m.room.power_levels 100 --allow impersonate"
    )
    assert found.details == {"users_default": 0, "needed": 0}


def test_fix_gives_a_member_control_in_the_same_step() -> None:
    room = chess({BOB: "join", CAROL: "join"}, power_levels={"users_default": 100})
    assert finding(rule, room).fix == (
        "synadmin room set-power '!chess:example.org' @bob:example.org 100 --default users_default 0 "
        "--allow impersonate"
    )


def test_no_fix_without_a_member_who_can_act() -> None:
    suspended = chess({BOB: "join"}, power_levels={"users_default": 100}, accounts={BOB: "suspended"})
    assert finding(rule, suspended).fix is None
    delegated = chess({BOB: "join"}, power_levels={"users_default": 100}, facts={"possible": Reach.API})
    assert finding(rule, delegated).fix is None


def test_rooms_of_other_servers_are_found() -> None:
    open_to_all = levels({MALLORY: 100}, users_default=100)
    found = finding(rule, chess({ALICE: "join"}, creators=(MALLORY,), power_levels=open_to_all))
    assert found.subject.id == "!chess:example.org"
