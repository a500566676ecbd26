"""Rooms with only one controller."""

from __future__ import annotations

from dataclasses import replace

from synadmin.audit.rules import single_controller as rule
from tests.unit.audit.rules.case import chess, finding, findings
from tests.unit.power.rooms import ALICE, BOB, CAROL, MALLORY, levels

FOUND = chess({ALICE: "join", BOB: "join"}, more_local_members=10)
PASSED = {
    "two users control the room": chess(
        {ALICE: "join", BOB: "join", CAROL: "join"}, power_levels=levels({ALICE: 100, BOB: 100})
    ),
    "no user controls the room": chess({BOB: "join", CAROL: "join"}, more_local_members=3),
    "all members control the room": chess(
        {ALICE: "join"}, power_levels=levels({ALICE: 100}, users_default=100), more_local_members=3
    ),
    "the room has few members": chess({ALICE: "join", BOB: "join"}),
    "the room is from another server": chess(
        {ALICE: "join", BOB: "join", CAROL: "join"}, creators=(MALLORY,), power_levels=levels({ALICE: 100})
    ),
}


def test_fix_makes_the_caller_the_second_controller() -> None:
    assert finding(rule, FOUND).fix == "synadmin room make-admin '!chess:example.org'"


def test_no_fix_for_the_only_controller() -> None:
    assert finding(rule, replace(FOUND, caller=ALICE)).fix is None


def test_suspended_second_controller_does_not_count() -> None:
    room = chess(
        {ALICE: "join", BOB: "join", CAROL: "join"},
        power_levels=levels({ALICE: 100, BOB: 100}),
        accounts={BOB: "suspended"},
    )
    assert finding(rule, room).details == {"user_id": ALICE, "local_members": 3}


def test_number_of_members_can_be_configured() -> None:
    pair = chess({ALICE: "join", BOB: "join"})
    assert not findings(rule, pair)
    assert findings(rule, pair, local_members=2)
    assert not findings(rule, FOUND, local_members=13)
